"""What a pair has already is kept: pairs are looked up just before they are sent, and go out with what was found.

HubSpot documents that a write replaces the labels of its pair (guide "Associations v4"), and others saw it add to them:
what is there, sent together with what is asked for, is right under either reading. A pair that has it all is not sent.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Protocol

from loader.model import Lot, Pair
from loader.send import lookup
from loader.send.freshness import FRESH_SECONDS, Clocks
from loader.send.judging import Judge, Merging
from loader.send.lookup import Looked, Lookup
from loader.send.outgoing import Queues, direction_of
from loader.send.reading import MOST_RECORDS, Current

WAIT_SECONDS = 30.0
"""So long a bundle may wait to become full."""

MOST_PAIRS = 50_000
"""In one lot: what a thousand records have between them may be much."""


class Ledger(lookup.Ledger, Protocol):
    """Where pairs come from, and where is written down what they were and what became of them."""

    async def claim_lot(self, records: int, pairs: int, *, scattered: bool) -> Lot | None:
        """Return the next pairs that are to be looked up together, None when nothing is left.

        Those of one record lie together, or, `scattered`, apart.
        """


_DIRECTION = attrgetter("asked.object_type", "asked.to_object_type")
_READ_AT = attrgetter("read_at")


class Merge:
    """Looks pairs up in lots and hands out those that lack something, `capacity` at most in a request.

    Several tasks may ask for the next request side by side: each then looks up a lot of its own. No attempt leaves on a
    reading that is older than a minute: a request that waited, before its first attempt or a later one, is looked up
    once more, together with all others that wait. `judge` says what is sent (default: what is there is kept).
    `fresh_seconds` says how old a reading may be, `clock` is in seconds.
    """

    def __init__(
        self,
        ledger: Ledger,
        current: Current,
        *,
        capacity: int,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        fresh_seconds: Callable[[], float] = lambda: FRESH_SECONDS,
        judge: Judge | None = None,
    ) -> None:
        self._ledger = ledger
        self._clocks = Clocks(clock, now)
        self._lookup = Lookup(ledger, current, clocks=self._clocks, now=now, judge=judge or Merging())
        self._capacity = capacity
        self._fresh_seconds = fresh_seconds
        self._queues: Queues[Looked] = Queues()
        self._handed_out: dict[int, Looked] = {}
        self._left: set[int] = set()
        self._renewing = asyncio.Lock()
        self._ended = False
        self._looking = 0

    async def next(self) -> list[Pair] | None:
        """Return the pairs of the next request, None when nothing is left."""
        while True:
            queue = self._queues.longest()
            if not self._is_due(queue):
                if self._ended:
                    return None  # Another task is still looking up, and hands out what is left.
                await self._counted(self._look_up_next())
            elif not queue:
                return None
            elif late := self._take_late(queue):
                await self._counted(self._look_up(late))
            else:
                looked = [queue.popleft() for _ in range(min(self._capacity, len(queue)))]
                self._handed_out |= {each.pair.pair_id: each for each in looked}
                return [each.pair for each in looked]

    @property
    def waiting(self) -> int:
        """How many pairs were left out, because another pair that has no outcome yet is to get what they have."""
        return len(self._lookup.waiting)

    # --- handed out

    def leaving(self, request: Sequence[Pair]) -> list[Pair] | None:
        """Return a request as it may leave at this moment; None when it must be `renewed` first."""
        looked = [each for pair in request if (each := self._handed_out.get(pair.pair_id))]
        if len(looked) < len(request) or self._is_old(looked):
            return None
        self._left.update(each.pair.pair_id for each in looked)
        return [each.pair for each in looked]

    async def renewed(self, request: Sequence[Pair]) -> list[Pair]:
        """Look up once more what waits and is old; return those pairs of a request that are still to be sent."""
        self._left.difference_update(pair.pair_id for pair in request)
        async with self._renewing:  # Whoever waits here finds its pairs renewed by the one before.
            while old := self._late(each for number, each in self._handed_out.items() if number not in self._left):
                some = old[:MOST_RECORDS]
                for each in some:
                    del self._handed_out[each.pair.pair_id]
                new = await self._lookup.alone(some)
                self._handed_out |= {each.pair.pair_id: each for each in new}
        return [self._handed_out[pair.pair_id].pair for pair in request if pair.pair_id in self._handed_out]

    def done(self, request: Sequence[Pair]) -> None:
        """Forget a request: each of its pairs has an outcome."""
        for pair in request:
            self._handed_out.pop(pair.pair_id, None)
            self._left.discard(pair.pair_id)

    def _is_old(self, looked: Sequence[Looked]) -> bool:
        return self._clocks.age(min(map(_READ_AT, looked))) > self._fresh_seconds()

    def _late(self, looked: Iterable[Looked]) -> list[Looked]:
        """Return what is old, or will be in a moment."""
        return [each for each in looked if self._clocks.age(each.read_at) > self._fresh_seconds() / 2]

    # --- waiting to be handed out

    async def _counted(self, looking: Coroutine[None, None, None]) -> None:
        self._looking += 1
        try:
            await looking
        finally:
            self._looking -= 1

    def _is_due(self, queue: deque[Looked]) -> bool:
        if (self._ended and not self._looking) or len(queue) >= self._capacity:
            return True
        return bool(queue) and self._clocks.age(queue[0].read_at) > WAIT_SECONDS

    def _take_late(self, queue: deque[Looked]) -> list[Looked]:
        """Take out of a queue what has to be looked up before the next request is made of it."""
        if not self._is_old([queue[place] for place in range(min(self._capacity, len(queue)))]):
            return []
        first = [queue.popleft() for _ in range(min(max(self._capacity, MOST_RECORDS), len(queue)))]
        late = self._late(first)[:MOST_RECORDS]
        taken = {each.pair.pair_id for each in late}
        queue.extendleft(each for each in reversed(first) if each.pair.pair_id not in taken)
        return late

    async def _look_up_next(self) -> None:
        # HubSpot locks a record while it writes to it: PUTs that are under way together are to be of different ones.
        lot = await self._ledger.claim_lot(MOST_RECORDS, MOST_PAIRS, scattered=self._capacity == 1)
        if lot is None:
            self._ended = True
            return
        for looked in await self._lookup.lot(lot):
            for direction, alike in groupby(looked, key=_DIRECTION):
                self._queues.of(direction).extend(alike)
            await asyncio.sleep(0)

    async def _look_up(self, late: Sequence[Looked]) -> None:
        """Look pairs up once more; they go out before all others."""
        for looked in reversed(await self._lookup.alone(late)):
            self._queues.of(direction_of(looked.asked)).appendleft(looked)
