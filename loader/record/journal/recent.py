"""Rows that were settled a moment ago, so that their lines need not be read back: that cost as much as writing them.

The journal stays the only truth: rows are handed out once they are committed, and whatever is not here is read there.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from loader.record.journal.alike import Alike
from loader.record.journal.settling import Entry

MANY = 2000

_PAIR = itemgetter(0)
_KINDS_AND_INPUT = itemgetter(3, 5)


class Block(NamedTuple):
    """What was settled from one number to another; `alike` is None where that is to be read."""

    first: int
    last: int
    alike: list[Alike] | None


class Recent:
    """The rows of pairs from their claim until they are settled, and from then until somebody takes them.

    A claim tells all of a pair of one row; of others nothing is kept. Nothing at all is, until `follow` says that
    somebody will take it.
    """

    def __init__(self) -> None:
        self._following = False
        self._claimed: dict[int, Sequence[Any]] = {}
        self._blocks: deque[Block] = deque()

    def follow(self) -> None:
        """Begin to keep rows."""
        self._following = True

    def claimed(self, rows: Sequence[Sequence[Any]]) -> None:
        """Take note of rows of the table of pairs, as `lots.COLUMNS` has them."""
        if self._following:
            self._claimed.update(zip(map(_PAIR, rows), rows, strict=True))

    def settled(self, entry: Entry) -> None:
        """Take note of what was written down."""
        if self._following:
            rows = [self._claimed.pop(pair, None) for pair in entry.pair_ids]
            alike = None if entry.unchanged else _alike(entry, rows)
            self._blocks.append(Block(entry.first, entry.last, alike))

    def take(self, after: int) -> Iterator[Block]:
        """Yield what was settled right after a number, many rows at once, and forget it."""
        first = after + 1
        some: list[Alike] = []
        while self._blocks and self._blocks[0].first == after + 1:
            block = self._blocks.popleft()
            if some and (block.alike is None or sum(len(each.rows) for each in some) >= MANY):
                yield Block(first, after, some)
                first, some = block.first, []
            if block.alike is None:
                yield block
                first = block.last + 1
            else:
                some += block.alike
            after = block.last
        if some:
            yield Block(first, after, some)
        self._blocks.clear()


def _alike(entry: Entry, rows: Sequence[Sequence[Any] | None]) -> list[Alike] | None:
    """Return the rows of pairs, or None where not all is known of one."""
    known = [row for row in rows if row is not None and row[4] == 1]
    if len(known) < len(rows):
        return None
    alike: list[Alike] = []
    for (kinds, input_), some in groupby(known, key=_KINDS_AND_INPUT):
        _, main, other, _, _, _, places, parts = zip(*some, strict=True)
        ends = (other, main) if kinds.startswith("|") else (main, other)
        alike.append(Alike(entry.last, 2 * entry.result, input_, int(kinds.strip("|")), places, *ends, parts))
    return alike
