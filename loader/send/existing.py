"""What a pair has already is kept: pairs are looked up just before they are sent, and go out with what was found.

HubSpot documents that a write replaces the labels of its pair (guide "Associations v4"), and others saw it add to them:
what is there, sent together with what is asked for, is right under either reading. A pair that has it all is not sent.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain, groupby
from operator import attrgetter
from typing import NamedTuple, Protocol

from loader.errors import ApiError
from loader.model import AssociationType, Direction, Image, Lot, Outcome, Pair, Result, Types
from loader.send.judging import Cases, Judgement, sort_out
from loader.send.outcomes import failed, outcome, outcomes, plain
from loader.send.outgoing import Queues, direction_of
from loader.send.put import timestamp
from loader.send.reading import MOST_RECORDS, Reading
from loader.send.replies import printable

FRESH_SECONDS = 60.0
"""Nothing is sent on a reading that is older: somebody else may have changed the pair meanwhile."""

WAIT_SECONDS = 30.0
"""So long a bundle may wait to become full."""

MOST_PAIRS = 50_000
"""In one lot: what a thousand records have between them may be much."""

PAIRS_AT_ONCE = 2000
"""Between two looks at what else is to be done."""


class Current(Protocol):
    """Reads what records are associated with now."""

    async def read(self, direction: Direction, record_ids: Iterable[str]) -> Reading:
        """Return what was found of each record, or why it cannot be read."""


class Ledger(Protocol):
    """Where pairs come from, and where is written down what they were and what became of them."""

    async def claim_lot(self, records: int, pairs: int, *, scattered: bool) -> Lot | None:
        """Return the next pairs that are to be looked up together, None when nothing is left.

        Those of one record lie together, or, `scattered`, apart.
        """

    async def keep(self, images: Sequence[Image]) -> dict[int, int]:
        """Commit what pairs were before they are sent; return by pair how many rows are so already, where any is."""

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """Take outcomes over at once; they are written down a moment later."""


class Looked(NamedTuple):
    """A pair as the file asks for it, what it was before, when it was looked up, and as it is to be sent."""

    asked: Pair
    before: Types
    read_at: float
    pair: Pair

    def again(self) -> Pair:
        """Return the pair as it is to be looked up once more: what it was at first does not change."""
        return self.asked._replace(before=self.before)


_DIRECTION = attrgetter("asked.object_type", "asked.to_object_type")


class Merge:
    """Looks pairs up in lots and hands out those that lack something, `capacity` at most in a request.

    Those that lack nothing are recorded as unchanged, those whose records HubSpot does not show as failed: nothing is
    ever sent blindly. Several tasks may ask for the next request side by side: each then looks up a lot of its own.
    `clock` is in seconds; `watch` is told the outcomes that are recorded here.
    """

    def __init__(
        self,
        ledger: Ledger,
        current: Current,
        *,
        capacity: int,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        watch: Callable[[Sequence[Outcome]], None],
    ) -> None:
        self._ledger = ledger
        self._current = current
        self._capacity = capacity
        self._clock = clock
        self._now = now
        self._watch = watch
        self._queues: Queues[Looked] = Queues()
        self._handed_out: dict[int, Looked] = {}
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
            elif self._is_late(queue):
                late = [queue.popleft().again() for _ in range(min(MOST_RECORDS, len(queue)))]
                await self._counted(self._look_up(late))
            else:
                looked = [queue.popleft() for _ in range(min(self._capacity, len(queue)))]
                self._handed_out |= {each.pair.pair_id: each for each in looked}
                return [each.pair for each in looked]

    async def renewed(self, request: list[Pair]) -> list[Pair]:
        """Return a request as it is to be sent now: looked up again if its reading is older than a minute."""
        looked = [self._handed_out.pop(pair.pair_id) for pair in request]
        if self._clock() - min(each.read_at for each in looked) <= FRESH_SECONDS:
            return request
        return [each.pair for each in await self._look_up_alone([each.again() for each in looked])]

    async def _counted(self, looking: Coroutine[None, None, None]) -> None:
        self._looking += 1
        try:
            await looking
        finally:
            self._looking -= 1

    def _is_due(self, queue: deque[Looked]) -> bool:
        if (self._ended and not self._looking) or len(queue) >= self._capacity:
            return True
        return bool(queue) and self._clock() - queue[0].read_at > WAIT_SECONDS

    def _is_late(self, queue: deque[Looked]) -> bool:
        oldest = min(queue[place].read_at for place in range(min(self._capacity, len(queue))))
        return self._clock() - oldest > FRESH_SECONDS

    # --- looking up

    async def _look_up_next(self) -> None:
        # HubSpot locks a record while it writes to it: PUTs that are under way together are to be of different ones.
        lot = await self._ledger.claim_lot(MOST_RECORDS, MOST_PAIRS, scattered=self._capacity == 1)
        if lot is None:
            self._ended = True
            return
        ids = dict.fromkeys([pair.object_id for pair in lot.straight] + [pair.to_object_id for pair in lot.turned])
        reading = await self._current.read(lot.direction, ids)
        read_at = self._clock()
        cases = await self._settle(lot.straight, reading)
        cases += await self._settle(lot.turned, reading, lot.inverse)
        for looked in await self._kept(cases, read_at):
            for direction, alike in groupby(looked, key=_DIRECTION):
                self._queues.of(direction).extend(alike)
            await asyncio.sleep(0)
        await self._look_up([pair for each in cases for pair in each.unsure])

    async def _look_up(self, pairs: Sequence[Pair]) -> None:
        """Look pairs up once more; they go out before all others."""
        for looked in reversed(await self._look_up_alone(pairs)):
            self._queues.of(direction_of(looked.asked)).appendleft(looked)

    async def _look_up_alone(self, pairs: Sequence[Pair]) -> list[Looked]:
        """Look pairs up from their own end, where nothing has to be translated; return those that lack something."""
        looked: list[Looked] = []
        for direction in dict.fromkeys(map(direction_of, pairs)):
            same = [pair for pair in pairs if direction_of(pair) == direction]
            reading = await self._current.read(direction, [pair.object_id for pair in same])
            read_at = self._clock()
            looked += chain.from_iterable(await self._kept(await self._settle(same, reading), read_at))
        return looked

    async def _settle(
        self,
        pairs: Sequence[Pair],
        reading: Reading,
        inverse: Mapping[AssociationType, AssociationType] | None = None,
    ) -> list[Cases]:
        """Sort pairs out, and record those that need no request."""
        all_cases: list[Cases] = []
        for start in range(0, len(pairs), PAIRS_AT_ONCE):
            cases = sort_out(pairs[start : start + PAIRS_AT_ONCE], reading, inverse)
            self._record(cases)
            all_cases.append(cases)
            await asyncio.sleep(0)
        return all_cases

    def _record(self, cases: Cases) -> None:
        moment = timestamp(self._now())
        settled = [outcome(pair, _unreadable(error, moment)) for pair, error in cases.unreadable]
        same = [pair for pairs, judgement in cases.judged if judgement is None for pair in pairs]
        settled += outcomes(same, plain("unchanged", finished_at=moment))
        if settled:
            self._ledger.record(settled)
            self._watch(settled)

    async def _kept(self, all_cases: Sequence[Cases], read_at: float) -> list[list[Looked]]:
        """Return the pairs that lack something, in their order, once the journal has what they were."""
        images = [
            Image(pairs, judgement.before, judgement.there) for cases in all_cases for pairs, judgement in cases.lacking
        ]
        unchanged = await self._ledger.keep(images) if images else {}
        looked: list[list[Looked]] = []
        for cases in all_cases:
            looked.append(_in_order(cases, read_at, unchanged))
            await asyncio.sleep(0)
        return looked


def _in_order(cases: Cases, read_at: float, unchanged: Mapping[int, int]) -> list[Looked]:
    looked = [
        Looked(asked, judgement.before, read_at, _to_send(asked, judgement, unchanged.get(asked.pair_id, 0)))
        for pairs, judgement in cases.lacking
        for asked in pairs
    ]
    if len(cases.lacking) > 1:
        place = {pair.pair_id: number for number, pair in enumerate(cases.pairs)}
        looked.sort(key=lambda each: place[each.asked.pair_id])
    return looked


def _to_send(asked: Pair, judgement: Judgement, unchanged: int) -> Pair:
    if judgement.types == asked.types and not unchanged:
        return asked  # All that a first night sends, and to make a million pairs anew takes a second.
    return asked._replace(types=judgement.types, rows=asked.rows - unchanged, unchanged=unchanged)


def _unreadable(error: ApiError, moment: str) -> Result:
    message = f"nothing was sent, because what the record is associated with could not be read: {error.message}"
    return failed(error, attempts=0, finished_at=moment)._replace(error_message=printable(message))
