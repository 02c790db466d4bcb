"""Rows that wait on disk until they are grouped, so that memory stays the same however many there are."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from loader.files import writing

Records = npt.NDArray[np.void]
"""A structured array. It is copied by `take` and `compress`: an index or a mask in brackets takes ten times as long."""

AT_ONCE = 100_000
"""Records that are held in memory, and sorted, at once."""

MOST_PARTS = 500
"""Each is an open file."""

SAMPLE = 50_000
"""Size of the random sample of records from which the borders of the parts are computed."""


class Spool:
    """Records of one type in a temporary file beside `path`, for a block; the file has no name, and ends with it."""

    def __init__(self, path: Path, dtype: npt.DTypeLike) -> None:
        self._path = path
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.size = 0

    def __enter__(self) -> Self:
        with writing(self._path):
            self._file = tempfile.TemporaryFile(dir=self._path.parent)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # A full disk was already said; what could not be written is not needed any more.
            self._file.close()

    def append(self, records: Records) -> None:
        """Write records behind those that are there; none once the first was read."""
        with writing(self._path):
            self._file.write(np.ascontiguousarray(records).view(np.uint8).data)
        self.size += len(records)

    def blocks(self, most: int = AT_ONCE) -> Iterator[Records]:
        """Yield all records in their order, at most `most` at once."""
        for start in range(0, self.size, most):
            found = np.empty(min(most, self.size - start), self.dtype)
            with writing(self._path):
                self._file.seek(start * self.dtype.itemsize)
                self._file.readinto(found.view(np.uint8).data)
            yield found

    def parts(
        self,
        keys: Sequence[str],
        *,
        whole: int | None = None,
        change: Callable[[Records], Records] = lambda records: records,
    ) -> Iterator[Records]:
        """Yield all records in parts that fit in memory, by ranges of their keys, those of a part as they were added.

        Those that agree in the first `whole` keys (all, by default) stay in one part, unless they are more than a part
        holds. `change` is made to each block first.
        """
        wanted = min(MOST_PARTS, -(-self.size // AT_ONCE))
        if wanted <= 1:
            yield from map(change, self.blocks())
            return
        borders = _borders(map(change, self.blocks()), self.size, wanted, keys, whole or len(keys))
        with ExitStack() as held:
            dealt = [held.enter_context(Spool(self._path, self.dtype)) for _ in range(len(borders) + 1)]
            for block in map(change, self.blocks()):
                of = _part_of(block, borders, keys)
                order = np.argsort(of, kind="stable")
                ends = np.searchsorted(of[order], np.arange(len(dealt)), "right")
                for part, which in zip(dealt, np.split(order, ends[:-1]), strict=True):
                    if len(which):
                        part.append(block.take(which))
            for part in dealt:
                if part.size:
                    yield next(part.blocks(part.size))


def _borders(blocks: Iterator[Records], size: int, parts: int, keys: Sequence[str], whole: int) -> Records:
    """Return where each part but the first begins."""
    draw = np.random.default_rng(0)
    some = np.concatenate(
        [block.take(draw.integers(len(block), size=max(1, len(block) * SAMPLE // size))) for block in blocks]
    )
    some = some.take(np.lexsort([some[key] for key in reversed(keys)]))
    borders = some[len(some) * np.arange(1, parts) // parts]
    for key in keys[whole:]:
        # Where what is to stay whole fills a part by itself, a border may run through it.
        new = np.ones(len(borders), np.bool_)
        new[1:] = np.any([borders[each][1:] != borders[each][:-1] for each in keys[:whole]], axis=0)
        borders[key][new] = np.iinfo(np.int64).min
    return borders


def _part_of(records: Records, borders: Records, keys: Sequence[str]) -> npt.NDArray[np.int16]:
    part = np.zeros(len(records), np.int16)
    columns = {key: records[key].copy() for key in keys}  # A field of a record lies in pieces, a copy of it does not.
    for border in borders:
        behind = columns[keys[-1]] >= border[keys[-1]]
        for key in reversed(keys[:-1]):
            behind = (columns[key] > border[key]) | ((columns[key] == border[key]) & behind)
        part += behind
    return part
