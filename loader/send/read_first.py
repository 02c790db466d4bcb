"""Pairs are looked up just before they are sent, so that what they already have is kept.

HubSpot documents that a write replaces the labels of its pair (guide "Associations v4"), but others saw that it adds
labels. To send the present labels together with the rows' labels is right in both cases. A pair that has all labels is
not sent.
"""

import asyncio
import math
from collections import defaultdict
from collections.abc import Coroutine

import numpy as np

from loader.model import Direction, concatenate
from loader.send.clocks import Moment
from loader.send.judging import Judge
from loader.send.lookup import Lookup, LotLedger
from loader.send.outgoing import Draft, DraftSource, Queue, as_wanted, joined, longest
from loader.send.reading import RECORDS_PER_READ, CurrentAssociations

WAIT_SECONDS = 30.0
"""Seconds that pairs may wait until a request is full."""


class ReadFirst(DraftSource):
    """Pairs that are looked up before they are sent; yields those that lack something, `capacity` in a request.

    Several tasks may call `next` at the same time: each then looks up another lot. No attempt is made with a reading
    older than a minute: a request that waited, before its first attempt or a later one, is looked up again, together
    with all others that wait. `judge` decides what is sent.
    """

    def __init__(self, ledger: LotLedger, current: CurrentAssociations, judge: Judge, *, capacity: int) -> None:
        super().__init__()
        self._ledger = ledger
        self._clocks = current.clocks
        self._lookup = Lookup(ledger, current, judge)
        self.waiting = self._lookup.waiting
        self._capacity = capacity
        self._queues: defaultdict[Direction, Queue] = defaultdict(Queue)
        self._renewing = asyncio.Lock()
        self._ended = False
        self._looking = 0

    async def next(self) -> Draft | None:
        """Return the next request in preparation, None when nothing is left."""
        while True:
            queue = longest(self._queues)
            if not self._is_due(queue):
                if self._ended:
                    return None  # Another task is still looking up, and will return what is left.
                await self._counted(self._look_up_next())
            elif not len(queue):
                return None
            elif self.is_old(queue.oldest(self._capacity)):
                await self._counted(self._look_up_first(queue))
            else:
                return queue.draft(self._capacity, self)

    # --- drafts that were handed out

    def is_old(self, moment: Moment) -> bool:
        """Return True when nothing may be written on what was read then."""
        return self._clocks.is_old(moment)

    async def renew(self, draft: Draft) -> None:
        """Look up a draft again, together with others that wait and are about as old."""
        async with self._renewing:  # While a task waits here, another one may have renewed its draft.
            while len(draft) and self.is_old(draft.prepared.read_at):
                drafts = self._like(draft)
                for each in drafts:
                    each.renewing = True
                prepared = await self._lookup.own_end(as_wanted(concatenate([each.wanted for each in drafts])))
                for each in drafts:
                    each.become(prepared.take(np.isin(prepared.to_send.numbers, each.numbers)))

    def _like(self, draft: Draft) -> list[Draft]:
        """Return a draft, and others that can share its reading."""
        found, size = [draft], len(draft)
        for other in self.handed_out:
            waits = other is not draft and not other.has_left and self._clocks.is_late(other.prepared.read_at)
            if (
                waits
                and other.prepared.to_send.direction == draft.prepared.to_send.direction
                and size + len(other) <= RECORDS_PER_READ
            ):
                found.append(other)
                size += len(other)
        return found

    # --- waiting to be handed out

    async def _counted(self, looking: Coroutine[None, None, None]) -> None:
        self._looking += 1
        try:
            await looking
        finally:
            self._looking -= 1

    def _is_due(self, queue: Queue) -> bool:
        if (self._ended and not self._looking) or len(queue) >= self._capacity:
            return True
        # Unread pairs do not age; they are read in full requests.
        return len(queue) > 0 and WAIT_SECONDS < self._clocks.age(queue.oldest(1)) < math.inf

    async def _look_up_next(self) -> None:
        # HubSpot locks a record while it writes to it: PUTs at the same time should be about different records.
        lot = await self._ledger.claim_lot(in_row_order=self._capacity == 1)
        if lot is None:
            self._ended = True
            return
        for prepared in await self._lookup.lot(lot):
            self._queues[prepared.to_send.direction].append(prepared)

    async def _look_up_first(self, queue: Queue) -> None:
        """Look up, from their own end, the first pairs that were not read yet, or long ago.

        They are queued after pairs with a young reading, which other tasks may have put first meanwhile: so each
        reading request is full, and what was read first is sent first.
        """
        late = queue.take(max(self._capacity, RECORDS_PER_READ), lambda each: self._clocks.is_late(each.read_at))
        read = await self._lookup.own_end(joined(late))
        young = queue.take(len(queue), lambda each: not self._clocks.is_late(each.read_at))
        queue.put_first([*young, read])
