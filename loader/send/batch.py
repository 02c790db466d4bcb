"""The action of a load by batch: up to 2,000 pairs in one request, each with all its association types."""

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from functools import partial

from loader.errors import ApiError, Refused, Retryable, ServerFault
from loader.model import Outcome, Pair
from loader.send import api
from loader.send.batch_replies import Created, created_pairs
from loader.send.gateway import Gateway
from loader.send.outgoing import direction_of
from loader.send.put import timestamp
from loader.send.reading import CurrentAssociations

MOST_PAIRS = 2000
"""In one batch/create (guide "Associations v4")."""

LARGEST_ANSWER = 2**24


class Batch:
    """Sets the association types of pairs of one direction, `capacity` at most in one request.

    Answers are matched by pair. A request that HubSpot refuses as a whole is halved down to the pairs that it refuses,
    and a pair of which an answer says nothing is read back before it is called anything. `settle` is told outcomes as
    soon as they are known, because a later request of the same batch may end the run.
    """

    capacity = MOST_PAIRS

    def __init__(
        self,
        gateway: Gateway,
        *,
        version: str,
        max_attempts: int,
        now: Callable[[], datetime],
        settle: Callable[[Sequence[Outcome]], None],
    ) -> None:
        self._gateway = gateway
        self._version = version
        self._max_attempts = max_attempts
        self._now = now
        self._settle = settle
        self._current = CurrentAssociations(gateway, version=version)

    async def apply(self, pairs: Sequence[Pair]) -> list[Outcome]:
        """Send pairs until each is settled, and return no outcome that was not told yet; raises Fatal or Stopped."""
        attempts: Counter[int] = Counter()
        batches = deque([pairs])
        while batches:
            batch = batches.popleft()
            try:
                left = await self._send(batch, attempts)
            except Refused as error:
                if len(batch) > 1:
                    batches.extendleft(reversed(_halves(batch)))
                else:
                    self._fail(batch, error, attempts)
            except Retryable as error:
                self._fail(batch, error, attempts)
            else:
                batches.extendleft(reversed(left))
        return []

    async def _send(self, batch: Sequence[Pair], attempts: Counter[int]) -> list[Sequence[Pair]]:
        """Make one request and settle what its answer says; return what is to be sent again, and how."""
        request = api.create(direction_of(batch[0]), batch, self._version)
        read = partial(created_pairs, pairs=batch)
        try:
            answer, status, count = await self._gateway.call(request, read, largest=LARGEST_ANSWER)
        except ApiError as error:
            attempts.update(dict.fromkeys((pair.pair_id for pair in batch), error.attempts))
            raise
        attempts.update(dict.fromkeys((pair.pair_id for pair in batch), count))
        self._succeed(((pair, labels) for pair, labels in answer.created), status, attempts)
        for pair, why in answer.refused:
            self._fail([pair], why, attempts)
        return await self._read_back(answer, status, attempts) if answer.unmentioned else []

    async def _read_back(self, answer: Created, status: int, attempts: Counter[int]) -> list[Sequence[Pair]]:
        """Settle the pairs that an answer does not mention by what HubSpot has; return those to be sent again."""
        pairs = answer.unmentioned
        reading = await self._current.read(direction_of(pairs[0]), (pair.object_id for pair in pairs))
        there = [
            pair
            for pair in pairs
            if reading.found.get(pair.object_id, {}).get(pair.to_object_id, frozenset()).issuperset(pair.types)
        ]
        self._succeed(((pair, ()) for pair in there), status, attempts)
        done = {pair.pair_id for pair in there}
        absent = [pair for pair in pairs if pair.pair_id not in done]
        alone = len(absent) == 1 and answer.unexplained is not None
        over = [pair for pair in absent if alone or attempts[pair.pair_id] >= self._max_attempts]
        self._fail(over, answer.unexplained or _silent(status), attempts)
        done = {pair.pair_id for pair in over}
        again = [pair for pair in absent if pair.pair_id not in done]
        if not again:
            return []
        # An error that names no pair finds its pair by halves.
        return _halves(again) if answer.unexplained is not None and len(again) > 1 else [again]

    def _succeed(self, pairs: Iterable[tuple[Pair, tuple[str, ...]]], status: int, attempts: Counter[int]) -> None:
        moment = timestamp(self._now())
        outcomes = [
            Outcome(
                pair.pair_id,
                "created",
                status,
                "",
                labels,
                "",
                "",
                "",
                attempts[pair.pair_id],
                moment,
                pair.rows,
                pair.unchanged,
            )
            for pair, labels in pairs
        ]
        if outcomes:
            self._settle(outcomes)

    def _fail(self, pairs: Collection[Pair], error: ApiError, attempts: Counter[int]) -> None:
        moment = timestamp(self._now())
        outcomes = [
            Outcome(
                pair_id=pair.pair_id,
                status="failed",
                http_status=error.status,
                created_resource_id="",
                labels=(),
                error_category=error.category,
                error_message=error.message,
                correlation_id=error.correlation_id,
                attempts=attempts[pair.pair_id],
                finished_at=moment,
                rows=pair.rows,
                unchanged=pair.unchanged,
            )
            for pair in pairs
        ]
        if outcomes:
            self._settle(outcomes)


def _halves(pairs: Sequence[Pair]) -> list[Sequence[Pair]]:
    middle = len(pairs) // 2
    return [pairs[:middle], pairs[middle:]]


def _silent(status: int) -> ServerFault:
    return ServerFault(
        f"HubSpot's answers ({status}) never said what became of this pair, and it is not there: send it again",
        status=status,
        category="NOT_IN_ANSWER",
    )
