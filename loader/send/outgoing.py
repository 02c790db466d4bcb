"""What is sent next: pairs wait in a queue for each direction, and leave it in drafts of requests."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from loader.columns import Flags, Ids
from loader.model import Direction, Outcome, Pair, Pairs, concatenate
from loader.send.clocks import NEVER, Moment


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PreparedPairs:
    """Pairs of one direction, waiting to be sent.

    `wanted` has the pairs with the types that rows want, and their before-images, as far as known; `to_send` has the
    same pairs with the types for the request. `read_at` is when they were read. Until then it is `NEVER`, `to_send` is
    `wanted`, and `shown` are the pairs, by number, that a reading from the other end showed.
    """

    wanted: Pairs
    to_send: Pairs
    read_at: Moment = NEVER
    shown: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self.to_send)

    def take(self, which: slice | Flags | npt.NDArray[np.intp]) -> "PreparedPairs":
        """Return some of the pairs."""
        return replace(self, wanted=self.wanted.take(which), to_send=self.to_send.take(which))


def as_wanted(pairs: Pairs, shown: frozenset[int] = frozenset()) -> PreparedPairs:
    """Return pairs as the rows want them, before anything was read."""
    return PreparedPairs(wanted=pairs, to_send=pairs, shown=shown)


def joined(parts: Sequence[PreparedPairs]) -> PreparedPairs:
    """Join several parts, at least one; the result is as old as the oldest of them."""
    if len(parts) == 1:
        return parts[0]
    return PreparedPairs(
        wanted=concatenate([each.wanted for each in parts]),
        to_send=concatenate([each.to_send for each in parts]),
        read_at=min(each.read_at for each in parts),
        shown=frozenset().union(*(each.shown for each in parts)),
    )


class Superseded(Exception):
    """Raised if nothing of a draft is left to be sent."""


class DraftSource:
    """Where drafts come from: it knows whether their content is still valid, and renews it.

    In this base class it is what the rows want, which does not age. `handed_out` are the drafts under way: their pairs
    have no outcome yet. `waiting` are pairs, by number, that are left out because another pair without an outcome will
    get their type.
    """

    def __init__(self) -> None:
        self.handed_out: dict[Draft, None] = {}
        self.waiting: set[int] = set()

    def is_old(self, moment: Moment) -> bool:
        """Return True when nothing may be written on what was read then."""
        del moment
        return False

    async def next(self) -> "Draft | None":
        """Return the next request in preparation; None when nothing is left."""

    async def renew(self, draft: "Draft") -> None:
        """Renew the content of a draft; pairs that no longer need a request leave it."""


class Draft:
    """A request in preparation: the prepared pairs from `start` to `stop`, which leave together.

    `has_left`: its request is under way, or was, and must not be changed meanwhile. `renewing`: it is being looked up
    again, and must not leave meanwhile.
    """

    def __init__(self, prepared: PreparedPairs, source: DraftSource, start: int = 0, stop: int | None = None) -> None:
        self.prepared = prepared
        self._start = start
        self._stop = len(prepared) if stop is None else stop
        self._source = source
        self._pair: Pair | None = None
        self.has_left = self.renewing = False
        source.handed_out[self] = None

    def __len__(self) -> int:
        return self._stop - self._start

    @property
    def wanted(self) -> Pairs:
        """The pairs as the rows want them."""
        return self.prepared.wanted.take(slice(self._start, self._stop))

    @property
    def pairs(self) -> Pairs:
        """The pairs as they are to be sent."""
        return self.prepared.to_send.take(slice(self._start, self._stop))

    @property
    def numbers(self) -> Ids:
        """The numbers of the pairs."""
        return self.prepared.to_send.numbers[self._start : self._stop]

    @property
    def pair(self) -> Pair:
        """The first pair as it is to be sent: the only one of a PUT."""
        if self._pair is None:
            self._pair = self.prepared.to_send.at(self._start)
        return self._pair

    def become(self, prepared: PreparedPairs) -> None:
        """Replace the pairs: by the same ones, or fewer, with a new reading."""
        self.prepared, self._start, self._stop, self._pair = prepared, 0, len(prepared), None
        self.renewing = False

    def may_leave(self) -> bool:
        """Return True if the request may leave now, and note that it does; False if it must be renewed.

        A draft that was renewed together with another one may be empty.
        """
        self.has_left = len(self) > 0 and not self.renewing and not self._source.is_old(self.prepared.read_at)
        return self.has_left

    async def renew(self) -> None:
        """Look up the pairs again; raises Superseded if none of them is left to be sent."""
        self.has_left = False
        await self._source.renew(self)
        if not len(self):
            raise Superseded

    def split(self, parts: Iterable[Ids]) -> list["Draft"]:
        """Replace this draft by several, each with some of its pairs, by their numbers."""
        self.done()
        prepared = self.prepared.take(slice(self._start, self._stop))
        drafts = [Draft(prepared.take(np.isin(prepared.to_send.numbers, part)), self._source) for part in parts]
        for draft in drafts:
            draft.has_left = self.has_left
        return drafts

    def done(self) -> None:
        """Note that each pair has its outcome, or is in another draft."""
        self._source.handed_out.pop(self, None)


class Queue:
    """Prepared pairs of one direction, in order; `_taken` pairs of the first part have left already."""

    def __init__(self) -> None:
        self._parts: deque[PreparedPairs] = deque()
        self._taken = 0
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def append(self, prepared: PreparedPairs) -> None:
        """Put pairs at the end."""
        if len(prepared):
            self._parts.append(prepared)
            self._size += len(prepared)

    def put_first(self, parts: Sequence[PreparedPairs]) -> None:
        """Put pairs at the beginning."""
        self._cut()
        for prepared in reversed(parts):
            if len(prepared):
                self._parts.appendleft(prepared)
                self._size += len(prepared)

    def oldest(self, count: int) -> Moment:
        """Return when the oldest of the first `count` pairs was read; there is at least one."""
        found = self._parts[0].read_at
        count -= len(self._parts[0]) - self._taken
        for prepared in list(self._parts)[1:] if count > 0 else ():
            if count <= 0:
                break
            found = min(found, prepared.read_at)
            count -= len(prepared)
        return found

    def draft(self, count: int, source: DraftSource) -> Draft:
        """Return the first `count` pairs, or as many as there are, as the draft of a request."""
        first, start = self._parts[0], self._taken
        if len(first) - start > count:
            self._taken += count
            self._size -= count
            return Draft(first, source, start, start + count)
        return Draft(joined(self.take(count)), source)

    def take(self, count: int, wanted: Callable[[PreparedPairs], bool] = lambda _: True) -> list[PreparedPairs]:
        """Remove and return the first `count` pairs of the `wanted` parts, or as many as there are."""
        self._cut()
        found: list[PreparedPairs] = []
        others: list[PreparedPairs] = []
        while self._parts and count:
            prepared = self._parts.popleft()
            if not wanted(prepared):
                others.append(prepared)
                continue
            if len(prepared) > count:
                self._parts.appendleft(prepared.take(slice(count, None)))
                prepared = prepared.take(slice(count))
            found.append(prepared)
            self._size -= len(prepared)
            count -= len(prepared)
        self._parts.extendleft(reversed(others))
        return found

    def _cut(self) -> None:
        if self._taken:
            self._parts[0] = self._parts[0].take(slice(self._taken, None))
            self._taken = 0


def longest(queues: Mapping[Direction, Queue]) -> Queue:
    """Return the longest of the queues, one for each direction; an empty one when there is nothing in any."""
    return max(queues.values(), key=len, default=Queue())


class Ledger(Protocol):
    """Where pairs come from, and where outcomes go; `at_work` are the tasks that wait for it: at the end of a run they
    are not cancelled.
    """

    at_work: set[asyncio.Task[Any] | None]

    async def claim(self, most: int) -> list[Pairs]:
        """Return the next pairs, by direction, after their intent is committed; none when nothing is left."""

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """Record outcomes without waiting; they are written a moment later. Raises Stopped to end the run."""

    async def write(self) -> None:
        """Write outcomes down as they come, until `close`."""

    def close(self) -> None:
        """Let `write` end once everything is written."""


class Unread(DraftSource):
    """Pairs as the rows want them, in the order of the input; what HubSpot has is replaced without a reading.

    A request has at most `capacity` pairs; about `ahead` requests are claimed at once, to share a commit.
    """

    def __init__(self, ledger: Ledger, *, capacity: int, ahead: int) -> None:
        super().__init__()
        self._ledger = ledger
        self._capacity = capacity
        self._ahead = ahead
        self._queues: defaultdict[Direction, Queue] = defaultdict(Queue)
        self._ended = False

    async def next(self) -> Draft | None:
        """Return the next request in preparation, None when nothing is left."""
        while len(queue := longest(self._queues)) < self._capacity and not self._ended:
            claimed = await self._ledger.claim(self._ahead * self._capacity)
            self._ended = not claimed
            for pairs in claimed:
                self._queues[pairs.direction].append(as_wanted(pairs))
        return queue.draft(self._capacity, self) if len(queue) else None
