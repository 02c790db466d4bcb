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
from loader.model import AssociationType, Direction, Image, Lot, Outcome, Pair, Types
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
    """A pair as the file asks for it, when it was looked up, and as it is to be sent."""

    asked: Pair
    read_at: float
    pair: Pair


def judge(asked: Pair, now: Types) -> Image | None:
    """Return what a pair was before, and what rows ask for of that and is there still; None when nothing is to be sent.

    `now` is what it has. What counts as old is what it had when this run first looked (`asked.before`) and still has:
    the answer to an earlier request of this run may have been lost, and its labels are not old for that.
    """
    before = now if asked.before is None else asked.before
    old = before & now
    wanted = frozenset(asked.types)
    return None if wanted <= old else Image(asked, before, wanted & old)


def joined(asked: Pair, now: Types) -> tuple[AssociationType, ...]:
    """Return what is asked for, and what else is there and stays."""
    return (*asked.types, *sorted(now - asked.dropped - frozenset(asked.types)))


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
                late = [queue.popleft().asked for _ in range(min(MOST_RECORDS, len(queue)))]
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
        return [each.pair for each in await self._look_up_alone([each.asked for each in looked])]

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

    def _record(self, found: Sequence[tuple[Pair, Types | ApiError]]) -> list[tuple[Image, Types]]:
        """Record the pairs that are settled without a request; return what the others were and are."""
        moment = timestamp(self._now())
        outcomes: list[Outcome] = []
        lacking: list[tuple[Image, Types]] = []
        for asked, now in found:
            if isinstance(now, ApiError):
                outcomes.append(_unreadable(asked, now, moment))
            elif (image := judge(asked, now)) is None:
                outcomes.append(_unchanged(asked, moment))
            else:
                lacking.append((image, now))
        if outcomes:
            self._ledger.record(outcomes)
            self._watch(outcomes)
        return lacking

    async def _kept(self, lacking: Sequence[tuple[Image, Types]], read_at: float) -> list[Looked]:
        unchanged = await self._ledger.keep([image for image, _ in lacking])
        looked: list[Looked] = []
        for (image, now), rows in zip(lacking, unchanged, strict=True):
            asked = image.pair._replace(before=image.types)
            pair = asked._replace(types=joined(asked, now), rows=asked.rows - rows, unchanged=rows)
            looked.append(Looked(asked, read_at, pair))
        return looked


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


def _unchanged(pair: Pair, moment: str) -> Outcome:
    return Outcome(pair.pair_id, "unchanged", None, "", (), "", "", "", 0, moment, pair.rows)


def _unreadable(pair: Pair, error: ApiError, moment: str) -> Outcome:
    message = f"nothing was sent, because what the record is associated with could not be read: {error.message}"
    return Outcome(
        pair_id=pair.pair_id,
        status="failed",
        http_status=error.status,
        created_resource_id="",
        labels=(),
        error_category=error.category,
        error_message=printable(message),
        correlation_id=error.correlation_id,
        attempts=0,
        finished_at=moment,
        rows=pair.rows,
    )
