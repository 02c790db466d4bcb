"""Rows that were settled a moment ago, so that their lines need not be read back: that cost as much as writing them.

The journal stays the only truth: rows are handed out once they are committed, and whatever is not here is read there.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import count, repeat
from operator import itemgetter
from typing import Any, NamedTuple

from loader.model import Outcome

MANY = 2000

_PAIR = itemgetter(0)


class Block(NamedTuple):
    """The lines of the results from one number to another; `rows` is None where they are to be read."""

    first: int
    last: int
    rows: list[Sequence[Any]] | None


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

    def settled(self, outcome: Outcome, result: int, last: int) -> None:
        """Take note that pairs were settled by a result; `last` is the number of the last one's line."""
        if not self._following:
            return
        rows = [self._claimed.pop(pair, None) for pair in outcome.pair_ids]
        first = last - len(rows) + 1
        self._blocks.append(Block(first, last, None if outcome.unchanged else _settled_rows(first, result, rows)))

    def take(self, after: int) -> Iterator[Block]:
        """Yield the lines that come right after a number, many at once, and forget them."""
        first = after + 1
        rows: list[Sequence[Any]] = []
        while self._blocks and self._blocks[0].first == after + 1:
            block = self._blocks.popleft()
            if rows and (block.rows is None or len(rows) >= MANY):
                yield Block(first, after, rows)
                first, rows = block.first, []
            if block.rows is None:
                yield block
                first = block.last + 1
            else:
                rows += block.rows
            after = block.last
        if rows:
            yield Block(first, after, rows)
        self._blocks.clear()


def _settled_rows(first: int, result: int, rows: Sequence[Sequence[Any] | None]) -> list[Sequence[Any]] | None:
    """Return rows of `settled_rows`, or None where not all is known of one."""
    known = [row for row in rows if row is not None]
    if len(known) < len(rows):
        return None
    _, main, other, forward, _, _, _, kinds, inputs, places, parts = zip(*known, strict=True)
    if None in kinds:
        return None
    ends = [(b, a) if kind is None else (a, b) for kind, a, b in zip(forward, main, other, strict=True)]
    object_ids, to_object_ids = zip(*ends, strict=True)
    return list(
        zip(count(first), repeat(2 * result), inputs, kinds, places, object_ids, to_object_ids, parts, strict=False)
    )
