"""Planned pairs in columns: what planning hands to the journal, a lot at a time."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]
"""Record ids, pair numbers, places."""

Small = npt.NDArray[np.int32]
"""Spreadsheet rows, and the numbers of inputs, kinds and requests."""

Integer = TypeVar("Integer", bound=np.integer[Any])

Flags = npt.NDArray[np.bool_]


RECORDS_IN_A_LOT = 1000
"""Distinct records at the end that is looked up: as many as one batch read takes (`send.reading.RECORDS_PER_READ`)."""

PAIRS_IN_A_LOT = 20_000


@dataclass(frozen=True, kw_only=True, eq=False)
class PlannedLot:
    """Pairs that are looked up and sent together, and the rows that ask for them.

    The first columns have one entry for each pair: its two records as a request names them, the number of its
    specification, and how many rows ask for it. The others have one for each row: the rows of the first pair come
    first, and those of one pair in the order in which they were read. `backward` marks the rows that are written from
    the other end than the request: their object id is the pair's to id. `first_pair` is the number of the first pair, 0
    until it has one.
    """

    type_pair: int
    from_ids: Ids
    to_ids: Ids
    requests: Small
    sizes: Small
    inputs: Small
    rows: Small
    parts: Small
    kinds: Small
    backward: Flags
    first_pair: int = 0

    def __len__(self) -> int:
        return len(self.from_ids)

    @property
    def last_pair(self) -> int:
        """The number of the last pair."""
        return self.first_pair + len(self) - 1

    @cached_property
    def starts(self) -> Ids:
        """Where the rows of each pair begin."""
        return np.cumsum(self.sizes, dtype=np.int64) - self.sizes

    @cached_property
    def places(self) -> Ids:
        """Where each pair is first asked for (see `place`)."""
        first = self.starts
        return place(self.inputs[first], self.rows[first])

    def take(self, pairs: Ids) -> "PlannedLot":
        """Return some of the pairs, by index, with their rows."""
        return self.some(pairs, expanded(self.starts[pairs], self.sizes[pairs]))

    def some(self, pairs: Ids | slice, rows: Ids | slice) -> "PlannedLot":
        """Return some of the pairs and of the rows, which must be those of these pairs, by index or as slices."""
        return PlannedLot(
            type_pair=self.type_pair,
            from_ids=self.from_ids[pairs],
            to_ids=self.to_ids[pairs],
            requests=self.requests[pairs],
            sizes=self.sizes[pairs],
            inputs=self.inputs[rows],
            rows=self.rows[rows],
            parts=self.parts[rows],
            kinds=self.kinds[rows],
            backward=self.backward[rows],
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScopeLot:
    """Records in the scope of a mirror that are read together, and the pairs that rows want them to have.

    `records` are sorted, and `sizes` counts the pairs of each. The other columns have one entry for each pair, record
    by record: the record at its other end, its number, the number of its specification, how many rows ask for it.
    `at_to`: the record is at the pair's to end. `counted` marks each pair once, however many lots it is in.
    """

    direction: tuple[str, str]
    records: Ids
    sizes: Small
    others: Ids
    pairs: Ids
    requests: Small
    rows: Small
    at_to: Flags
    counted: Flags

    def __len__(self) -> int:
        return len(self.records)


def place(inputs: Small, rows: Small) -> Ids:
    """Return input and spreadsheet row as one number, which grows in the order in which records are read."""
    return inputs.astype(np.int64) << 32 | rows


def distinct(numbers: npt.NDArray[Integer]) -> npt.NDArray[Integer]:
    """Return the distinct numbers, sorted. NumPy's `unique` hashes them, which takes ten to a hundred times
    as long, and imports masked arrays first.

    >>> distinct(np.array([3, 1, 3])).tolist()
    [1, 3]
    """
    ordered = np.sort(numbers)
    new = np.ones(len(ordered), np.bool_)
    new[1:] = ordered[1:] != ordered[:-1]
    return ordered[new]


def expanded(starts: Ids, sizes: npt.NDArray[np.integer]) -> Ids:
    """Return every index of several ranges, each given by its start and its length."""
    before = np.cumsum(sizes, dtype=np.int64) - sizes
    return np.repeat(starts - before, sizes) + np.arange(int(sizes.sum()), dtype=np.int64)


def runs(numbers: Ids) -> tuple[Ids, Ids]:
    """Return the first and the last number of each run of consecutive numbers; the input is sorted."""
    breaks = np.flatnonzero(np.diff(numbers) != 1)
    firsts = np.concatenate((numbers[:1], numbers[breaks + 1]))
    return firsts, np.concatenate((numbers[breaks], numbers[-1:]))
