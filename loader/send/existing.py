"""What a pair has already is kept: pairs are looked up just before they are sent, and go out with what was found.

HubSpot documents that a write replaces the labels of its pair (guide "Associations v4"), and others saw it add to them:
what is there, sent together with what is asked for, is right under either reading. A pair that has it all is not sent.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol, TypeVar

from loader.errors import ApiError
from loader.model import AssociationType, Direction, Image, Lot, Outcome, Pair, Result, Types
from loader.send.outcomes import failed, outcome, outcomes, plain
from loader.send.outgoing import Queues, direction_of
from loader.send.put import timestamp
from loader.send.reading import MOST_RECORDS, Reading
from loader.send.replies import printable

T = TypeVar("T")

FRESH_SECONDS = 60.0
"""Nothing is sent on a reading that is older: somebody else may have changed the pair meanwhile."""

WAIT_SECONDS = 30.0
"""So long a bundle may wait to become full."""

MOST_PAIRS = 50_000
"""In one lot: what a thousand records have between them may be much."""

PAIRS_AT_ONCE = 2000
"""Between two looks at what else is to be done."""

NOTHING: Types = frozenset()


class Current(Protocol):
    """Reads what records are associated with now."""

    async def read(self, direction: Direction, record_ids: Iterable[str]) -> Reading:
        """Return what was found of each record, or why it cannot be read."""


class Ledger(Protocol):
    """Where pairs come from, and where is written down what they were and what became of them."""

    async def claim_lot(self, records: int, pairs: int) -> Lot | None:
        """Return the next pairs that are to be looked up together, None when nothing is left."""

    async def keep(self, images: Sequence[Image]) -> list[int]:
        """Commit what pairs were before they are sent; return how many rows of each are so already."""

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


class Judgement(NamedTuple):
    """What a pair was `before`, what rows ask for of that and is `there` still, and all that it is to have."""

    before: Types
    there: Types
    types: tuple[AssociationType, ...]


def judge(asked: Pair, now: Types) -> Judgement | None:
    """Return what is to be sent for a pair that has the types `now`; None when that is nothing.

    What counts as old is what it had when this run first looked (`asked.before`) and still has: the answer to an
    earlier request of this run may have been lost, and its labels are not old for that. What else is there stays.
    """
    before = now if asked.before is None else asked.before
    old = before & now
    wanted = frozenset(asked.types)
    if wanted <= old:
        return None
    return Judgement(before, wanted & old, (*asked.types, *sorted(now - asked.dropped - wanted)))


class Judge:
    """Judges pairs as `judge` does, and each case once: a million pairs have few different types."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], Judgement | None] = {}

    def __call__(self, asked: Pair, now: Types) -> Judgement | None:
        """Return what is to be sent for a pair that has the types `now`; None when that is nothing."""
        case = asked.types, asked.before, asked.dropped, now
        try:
            return self._known[case]
        except KeyError:
            self._known[case] = judge(asked, now)
            return self._known[case]


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
        self._judge = Judge()
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
        lot = await self._ledger.claim_lot(MOST_RECORDS, MOST_PAIRS)
        if lot is None:
            self._ended = True
            return
        ids = dict.fromkeys([pair.object_id for pair in lot.straight] + [pair.to_object_id for pair in lot.turned])
        reading = await self._current.read(lot.direction, ids)
        read_at = self._clock()
        unsure: list[Pair] = []
        for some in _slices(lot.straight):
            await self._queue(_straight(some, reading), read_at)
        for some in _slices(lot.turned):
            found, doubtful = _turned(some, reading, lot.inverse)
            unsure += doubtful
            await self._queue(found, read_at)
        await self._look_up(unsure)

    async def _queue(self, found: Sequence[tuple[Pair, Types | ApiError]], read_at: float) -> None:
        for looked in await self._settle(found, read_at):
            self._queues.of(direction_of(looked.asked)).append(looked)

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
            looked += await self._settle(_straight(same, reading), self._clock())
        return looked

    async def _settle(self, found: Sequence[tuple[Pair, Types | ApiError]], read_at: float) -> list[Looked]:
        """Record the pairs that need no request, and return the others, with what they were in the journal."""
        looked: list[Looked] = []
        for some in _slices(found):
            lacking = self._record(some)
            if lacking:
                looked += await self._kept(lacking, read_at)
            await asyncio.sleep(0)
        return looked

    def _record(self, found: Sequence[tuple[Pair, Types | ApiError]]) -> list[tuple[Pair, Judgement]]:
        """Record the pairs that are settled without a request; return the others, with what is to be sent."""
        moment = timestamp(self._now())
        same: list[Pair] = []
        unreadable: list[Outcome] = []
        lacking: list[tuple[Pair, Judgement]] = []
        for asked, now in found:
            if isinstance(now, ApiError):
                unreadable.append(outcome(asked, _unreadable(now, moment)))
            elif (judgement := self._judge(asked, now)) is None:
                same.append(asked)
            else:
                lacking.append((asked, judgement))
        settled = unreadable + outcomes(same, plain("unchanged", finished_at=moment))
        if settled:
            self._ledger.record(settled)
            self._watch(settled)
        return lacking

    async def _kept(self, lacking: Sequence[tuple[Pair, Judgement]], read_at: float) -> list[Looked]:
        unchanged = await self._ledger.keep([Image(pair, before, there) for pair, (before, there, _) in lacking])
        return [
            Looked(asked, judgement.before, read_at, _to_send(asked, judgement, rows))
            for (asked, judgement), rows in zip(lacking, unchanged, strict=True)
        ]


def _to_send(asked: Pair, judgement: Judgement, unchanged: int) -> Pair:
    if judgement.types == asked.types and not unchanged:
        return asked  # All that a first night sends, and to make a million pairs anew takes a second.
    return asked._replace(types=judgement.types, rows=asked.rows - unchanged, unchanged=unchanged)


def _slices(all_: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(all_), PAIRS_AT_ONCE):
        yield all_[start : start + PAIRS_AT_ONCE]


def _straight(pairs: Sequence[Pair], reading: Reading) -> list[tuple[Pair, Types | ApiError]]:
    """Return what was found of pairs whose from record was read."""
    return [
        (pair, reading.unreadable.get(pair.object_id) or reading.found[pair.object_id].get(pair.to_object_id, NOTHING))
        for pair in pairs
    ]


def _turned(
    pairs: Sequence[Pair], reading: Reading, inverse: Mapping[AssociationType, AssociationType]
) -> tuple[list[tuple[Pair, Types | ApiError]], list[Pair]]:
    """Return what was found of pairs whose to record was read, and those of which that is not certain.

    A type whose name from the other end is not known may be the one that is asked for, and goes out with it if not.
    """
    found: list[tuple[Pair, Types | ApiError]] = []
    unsure: list[Pair] = []
    called: dict[Types, Types] = {}
    for pair in pairs:
        error = reading.unreadable.get(pair.to_object_id)
        seen = NOTHING if error else reading.found[pair.to_object_id].get(pair.object_id, NOTHING)
        now = called.get(seen)
        if now is None:
            now = called[seen] = frozenset(inverse[type_] for type_ in seen if type_ in inverse)
        if len(now) < len(seen) and judge(pair, now) is not None:
            unsure.append(pair)
        else:
            found.append((pair, error or now))
    return found, unsure


def complete(lot: Lot, reading: Reading) -> int:
    """Return how many pairs of a lot have all that is asked for."""
    found, _ = _turned(lot.turned, reading, lot.inverse)
    found += _straight(lot.straight, reading)
    return sum(not isinstance(now, ApiError) and judge(pair, now) is None for pair, now in found)


def _unreadable(error: ApiError, moment: str) -> Result:
    message = f"nothing was sent, because what the record is associated with could not be read: {error.message}"
    return failed(error, attempts=0, finished_at=moment)._replace(error_message=printable(message))
