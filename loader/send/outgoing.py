"""What goes out next: pairs are bundled into drafts of requests, those of one direction together."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from loader.model import Direction, Numbers, Outcome, Pair, Pairs, concatenate
from loader.send.clocks import NEVER, Moment
from loader.send.gateway import Superseded


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stretch:
    """Pairs of one direction that lie together on their way out.

    `wanted` is what the rows want of them, and what they were `before`, as far as that is known; `pairs` is what is to
    be sent, pair by pair the same ones. `read_at` is when it was read what they have: `NEVER` where that is still to be
    done, and `wanted` and `pairs` are then the same. `shown` are those of the latter that a look from the other end
    found, by number.
    """

    wanted: Pairs
    pairs: Pairs
    read_at: Moment = NEVER
    shown: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self.pairs)

    def take(self, which: slice | npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> "Stretch":
        """Return some of the pairs."""
        return Stretch(
            wanted=self.wanted.take(which), pairs=self.pairs.take(which), read_at=self.read_at, shown=self.shown
        )


def unread(pairs: Pairs, shown: frozenset[int] = frozenset()) -> Stretch:
    """Return pairs as the rows want them, before anything was read."""
    return Stretch(wanted=pairs, pairs=pairs, shown=shown)


def joined(stretches: Sequence[Stretch]) -> Stretch:
    """Return stretches, at least one, as a single one that is as old as the oldest of them."""
    if len(stretches) == 1:
        return stretches[0]
    return Stretch(
        wanted=concatenate([stretch.wanted for stretch in stretches]),
        pairs=concatenate([stretch.pairs for stretch in stretches]),
        read_at=min(stretch.read_at for stretch in stretches),
        shown=frozenset().union(*(stretch.shown for stretch in stretches)),
    )


class DraftSource:
    """Where drafts come from: it knows whether what they say is still right, and brings it up to date.

    Here it is what the rows want, and that does not age. `handed_out` are the drafts that are on their way: their pairs
    have no outcome yet.
    """

    def __init__(self) -> None:
        self.handed_out: dict[Draft, None] = {}

    def is_old(self, moment: Moment) -> bool:
        """Return True when nothing may be written on what was read then."""
        del moment
        return False

    async def renew(self, draft: "Draft") -> None:
        """Bring what a draft says up to date; pairs that need no request any more leave it."""


class Draft:
    """A request in preparation: pairs of one direction that are to leave together, a part of a stretch.

    `has_left`: its request is under way, or was, and nothing is to be changed about it meanwhile. `renewing`: it is
    being looked up once more, and must not leave meanwhile.
    """

    def __init__(self, stretch: Stretch, source: DraftSource, start: int = 0, stop: int | None = None) -> None:
        self.stretch = stretch
        self._start = start
        self._stop = len(stretch) if stop is None else stop
        self._source = source
        self._pair: Pair | None = None
        self.has_left = self.renewing = False
        source.handed_out[self] = None

    def __len__(self) -> int:
        return self._stop - self._start

    @property
    def wanted(self) -> Pairs:
        """The pairs as the rows want them."""
        return self.stretch.wanted.take(slice(self._start, self._stop))

    @property
    def pairs(self) -> Pairs:
        """The pairs as they are to be sent."""
        return self.stretch.pairs.take(slice(self._start, self._stop))

    @property
    def numbers(self) -> Numbers:
        """The numbers of the pairs."""
        return self.stretch.pairs.numbers[self._start : self._stop]

    @property
    def pair(self) -> Pair:
        """The first pair as it is to be sent: the only one, where a request carries one."""
        if self._pair is None:
            self._pair = self.stretch.pairs.at(self._start)
        return self._pair

    def become(self, stretch: Stretch) -> None:
        """Hold these pairs instead: the same ones, or fewer, as they are now."""
        self.stretch, self._start, self._stop, self._pair = stretch, 0, len(stretch), None
        self.renewing = False

    def may_leave(self) -> bool:
        """Return True when the request may leave at this moment, as it then does; False when it must be renewed.

        A draft that was renewed together with another one may have nothing left.
        """
        self.has_left = len(self) > 0 and not self.renewing and not self._source.is_old(self.stretch.read_at)
        return self.has_left

    async def renew(self) -> None:
        """Look up once more what the pairs have; raises Superseded when none of them is left to be sent."""
        self.has_left = False
        await self._source.renew(self)
        if not len(self):
            raise Superseded

    def split(self, parts: Iterable[Numbers]) -> list["Draft"]:
        """Return drafts of some of the pairs each, by their numbers, instead of this one."""
        self.done()
        stretch = self.stretch.take(slice(self._start, self._stop))
        drafts = [Draft(stretch.take(np.isin(stretch.pairs.numbers, part)), self._source) for part in parts]
        for draft in drafts:
            draft.has_left = self.has_left
        return drafts

    def done(self) -> None:
        """Take note that each pair has its outcome, or is in another draft."""
        self._source.handed_out.pop(self, None)


class Queue:
    """Stretches of pairs of one direction, in their order; `_taken` pairs of the first one are gone already."""

    def __init__(self) -> None:
        self._stretches: deque[Stretch] = deque()
        self._taken = 0
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def append(self, stretch: Stretch) -> None:
        """Put pairs behind all others."""
        if len(stretch):
            self._stretches.append(stretch)
            self._size += len(stretch)

    def put_first(self, stretches: Sequence[Stretch]) -> None:
        """Put pairs before all others."""
        self._cut()
        for stretch in reversed(stretches):
            if len(stretch):
                self._stretches.appendleft(stretch)
                self._size += len(stretch)

    def oldest(self, count: int) -> Moment:
        """Return when the oldest of the first `count` pairs was read; there is at least one."""
        found = self._stretches[0].read_at
        count -= len(self._stretches[0]) - self._taken
        for stretch in list(self._stretches)[1:] if count > 0 else ():
            if count <= 0:
                break
            found = min(found, stretch.read_at)
            count -= len(stretch)
        return found

    def draft(self, count: int, source: DraftSource) -> Draft:
        """Return the first `count` pairs, or as many as there are, as the draft of a request."""
        first, start = self._stretches[0], self._taken
        if len(first) - start > count:
            self._taken += count
            self._size -= count
            return Draft(first, source, start, start + count)
        return Draft(joined(self.take(count)), source)

    def take(self, count: int, wanted: Callable[[Stretch], bool] = lambda _: True) -> list[Stretch]:
        """Take out the first `count` pairs of the stretches that are `wanted`, or as many as there are."""
        self._cut()
        found: list[Stretch] = []
        others: list[Stretch] = []
        while self._stretches and count:
            stretch = self._stretches.popleft()
            if not wanted(stretch):
                others.append(stretch)
                continue
            if len(stretch) > count:
                self._stretches.appendleft(stretch.take(slice(count, None)))
                stretch = stretch.take(slice(count))
            found.append(stretch)
            self._size -= len(stretch)
            count -= len(stretch)
        self._stretches.extendleft(reversed(others))
        return found

    def _cut(self) -> None:
        if self._taken:
            self._stretches[0] = self._stretches[0].take(slice(self._taken, None))
            self._taken = 0


def longest(queues: Mapping[Direction, Queue]) -> Queue:
    """Return the longest of the queues, one for each direction; an empty one when there is nothing in any."""
    return max(queues.values(), key=len, default=Queue())


class Ledger(Protocol):
    """Where pairs come from, and where outcomes go; `at_work` are the tasks that wait for it, and are let finish that
    when the run ends.
    """

    at_work: set[asyncio.Task[Any] | None]

    async def claim(self, most: int) -> list[Pairs]:
        """Return the next pairs, those of each direction, their intent committed; none when nothing is left."""

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """Take outcomes over at once; they are written down a moment later. Raises Stopped to end the run."""

    async def write(self) -> None:
        """Write outcomes down as they come, until `close`."""

    def close(self) -> None:
        """Let `write` end once everything is written."""


class Unread(DraftSource):
    """Pairs as the rows want them and in the order of the input; what HubSpot has is not looked at, and replaced.

    A request carries `capacity` pairs at most; about `ahead` requests are claimed at once, to share a commit.
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
                self._queues[pairs.direction].append(unread(pairs))
        return queue.draft(self._capacity, self) if len(queue) else None
