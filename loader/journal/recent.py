"""Rows that were settled a moment ago, so that their lines need not be read back: that cost as much as writing them.

The journal stays the only truth: rows are handed out once they are committed, and whatever is not here is read there.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple, TypeVar

from loader.journal.alike import Alike
from loader.journal.settling import Entry

T = TypeVar("T")

MANY = 2000


class Block(NamedTuple):
    """What was settled from one number to another; `alike` is None where that is to be read."""

    first: int
    last: int
    alike: list[Alike] | None


class _Claim:
    """The pairs of one claim, in their order and in columns; `left` of them are not settled yet."""

    def __init__(self, rows: Sequence[Sequence[Any]]) -> None:
        # As `lots.COLUMNS` has them. In columns, they are no work for whoever looks for garbage.
        self._ids, self._main, self._other, self._kinds, self._sizes, self._inputs, self._rows, self._parts = zip(
            *rows, strict=True
        )
        self.left = len(rows)

    def find(self, first: int, last: int) -> slice:
        """Return where the pairs from one number to another are, as far as they are here."""
        return slice(bisect_left(self._ids, first), bisect_right(self._ids, last))

    def alike(self, found: slice, entry: Entry) -> list[Alike] | None:
        """Return the rows of such pairs, or None where a pair has several."""
        if max(self._sizes[found]) > 1:
            return None
        alike: list[Alike] = []
        start = found.start
        for (kinds, number), size in _repeated(list(zip(self._kinds[found], self._inputs[found], strict=True))):
            if not (kind := kinds.strip("|")).isdigit():
                return None  # One of several rows, the others rejected.
            some = slice(start, start + size)
            main, other = self._main[some], self._other[some]
            ends = (other, main) if kinds.startswith("|") else (main, other)
            said = 2 * entry.result
            alike.append(Alike(entry.last, said, number, int(kind), self._rows[some], *ends, self._parts[some]))
            start += size
        return alike


def _repeated(values: list[T]) -> Iterator[tuple[T, int]]:
    """Yield each value, and how often it follows itself."""
    if values.count(values[0]) == len(values):
        yield values[0], len(values)
    else:
        yield from ((value, len(list(same))) for value, same in groupby(values))


class Recent:
    """The rows of pairs from their claim until they are settled, and from then until somebody takes them.

    A claim tells all of a pair of one row; what is settled together with any other is read. Nothing at all is kept
    until `follow` says that somebody will take it.
    """

    def __init__(self) -> None:
        self._following = False
        self._claims: list[_Claim] = []
        self._blocks: deque[Block] = deque()

    def follow(self) -> None:
        """Begin to keep rows."""
        self._following = True

    def claim_again(self) -> None:
        """Forget what is not settled yet: it is about to be claimed once more."""
        self._claims = []

    def claimed(self, rows: Sequence[Sequence[Any]]) -> None:
        """Take note of rows of the table of pairs, as `lots.COLUMNS` has them, which follow those claimed before."""
        if self._following:
            self._claims.append(_Claim(rows))

    def settled(self, entry: Entry) -> None:
        """Take note of what was written down."""
        if self._following:
            alike = self._alike(entry)
            self._blocks.append(Block(entry.first, entry.last, None if entry.unchanged else alike))
            self._claims = [claim for claim in self._claims if claim.left]

    def _alike(self, entry: Entry) -> list[Alike] | None:
        alike: list[Alike] = []
        whole = True
        for first, last in entry.runs:
            missing = last - first + 1
            for claim in self._claims:
                found = claim.find(first, last)
                if size := found.stop - found.start:
                    claim.left -= size
                    missing -= size
                    rows = claim.alike(found, entry)
                    whole = whole and rows is not None
                    alike += rows or []
            whole = whole and not missing
        return alike if whole else None

    def take(self, after: int) -> Iterator[Block]:
        """Yield what was settled right after a number, many rows at once, and forget it."""
        first = after + 1
        some: list[Alike] = []
        size = 0
        while self._blocks and self._blocks[0].first == after + 1:
            block = self._blocks.popleft()
            if some and (block.alike is None or size >= MANY):
                yield Block(first, after, some)
                first, some, size = block.first, [], 0
            if block.alike is None:
                yield block
                first = block.last + 1
            else:
                some += block.alike
                size += sum(len(each.rows) for each in block.alike)
            after = block.last
        if some:
            yield Block(first, after, some)
        self._blocks.clear()
