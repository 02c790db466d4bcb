"""What a caller from Python can load: files, a DataFrame, or rows; the last two are written to a temporary file."""

import asyncio
import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

from loader.api.spool import Row, RowFile, spooled
from loader.errors import UsageError
from loader.options import Path

if TYPE_CHECKING:
    import pandas as pd


class Source(NamedTuple):
    """A source in the form of the command line: its inputs, and its default options.

    `frame` or `rows` is read as the input `-`; the options give its format and the name of the results.
    """

    inputs: tuple[str, ...]
    options: Mapping[str, str] = MappingProxyType({})
    frame: "pd.DataFrame | None" = None
    rows: RowFile | None = None

    def fill(self) -> None:
        """Take all rows from their iterator, in the caller's thread: a database cursor may need that."""
        if self.rows is not None:
            while self.rows.take():
                pass

    async def open(self) -> BinaryIO | None:
        """Return the file that is read as standard input, or None; remaining rows are taken from their iterator."""
        if self.frame is not None:
            return await asyncio.to_thread(spooled, self.frame)
        if self.rows is None:
            return None
        # The iterator is the caller's, and may belong to this thread; other tasks run between two slices.
        while self.rows.take():  # noqa: ASYNC110 - no event tells that there are more
            await asyncio.sleep(0)
        return self.rows.opened()

    def close(self) -> None:
        """Close the file of rows."""
        if self.rows is not None:
            self.rows.close()


def source_of(given: object) -> Source:
    """Return a caller's value as a source; UsageError if it cannot be one."""
    if given is None:
        return Source(())
    if isinstance(given, str | os.PathLike):
        return Source((os.fspath(given),))
    # By name, because an import of pandas takes half a second; a caller with a DataFrame has imported it already.
    kind = type(given)
    if kind.__name__ == "DataFrame" and kind.__module__.partition(".")[0] == "pandas":
        options = {"format": "parquet", "results": "dataframe.results.csv"}
        return Source(("-",), options, frame=cast("pd.DataFrame", given))
    if isinstance(given, Mapping) or not isinstance(given, Iterable):
        raise UsageError(
            f"{type(given).__name__} cannot be loaded: give a path, several, a pandas DataFrame, or an iterable of rows"
        )
    first, everything = _begun(given)
    if isinstance(first, str | os.PathLike):
        return Source(tuple(_paths(everything)))
    options = {"format": "jsonl" if first is not None else "csv", "results": "rows.results.csv"}
    return Source(("-",), options, rows=RowFile(cast("Iterator[Row]", everything)))


def _begun(given: Iterable[Any]) -> tuple[Any, Iterator[Any]]:
    iterator = iter(given)
    for first in iterator:
        return first, chain([first], iterator)
    return None, iter(())


def _paths(given: Iterable[object]) -> Iterator[str]:
    for path in given:
        if not isinstance(path, str | os.PathLike):
            raise UsageError(f"a {type(path).__name__} is among the paths: give paths, or rows, but not both")
        yield os.fspath(cast("Path", path))
