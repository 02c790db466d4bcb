"""The action of a load by batch: up to 2,000 pairs in one request, each with all its association types."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple

from loader.errors import ApiError, Refused, Retryable, ServerFault
from loader.model import Outcome, Pair
from loader.send import api
from loader.send.batch_replies import Created, created_pairs
from loader.send.gateway import Gateway
from loader.send.outcomes import failed, outcomes, plain
from loader.send.outgoing import direction_of
from loader.send.put import timestamp
from loader.send.reading import CurrentAssociations, Reading

MOST_PAIRS = 2000
"""In one batch/create (guide "Associations v4")."""

LARGEST_ANSWER = 2**24


class _Batch(NamedTuple):
    """Pairs that go out together, and the requests that were made for them so far."""

    pairs: Sequence[Pair]
    attempts: int


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
        batches = deque([_Batch(pairs, 0)])
        while batches:
            batches.extendleft(reversed(await self._send(batches.popleft())))
        return []

    async def _send(self, batch: _Batch) -> list[_Batch]:
        """Make one request and settle what its answer says; return what is to be sent again, and how."""
        request = api.create(direction_of(batch.pairs[0]), batch.pairs, self._version)
        read = partial(created_pairs, pairs=batch.pairs)
        try:
            answer, status, count = await self._gateway.call(request, read, largest=LARGEST_ANSWER)
        except (Refused, Retryable) as error:
            tried = batch.attempts + error.attempts
            if isinstance(error, Refused) and len(batch.pairs) > 1:
                return _halves(batch.pairs, tried)
            self._fail(batch.pairs, error, tried)
            return []
        tried = batch.attempts + count
        for labels, pairs in answer.created.items():
            self._succeed(pairs, labels, status, tried)
        for pair, why in answer.refused:
            self._fail([pair], why, tried)
        return await self._read_back(answer, status, tried) if answer.unmentioned else []

    async def _read_back(self, answer: Created, status: int, tried: int) -> list[_Batch]:
        """Settle the pairs that an answer does not mention by what HubSpot has; return those to be sent again."""
        pairs = answer.unmentioned
        reading = await self._current.read(direction_of(pairs[0]), (pair.object_id for pair in pairs))
        there, absent = _parted(pairs, reading)
        self._succeed(there, (), status, tried)
        if not absent:
            return []
        alone = len(absent) == 1 and answer.unexplained is not None
        if alone or tried >= self._max_attempts:
            self._fail(absent, answer.unexplained or _silent(status), tried)
            return []
        # An error that names no pair finds its pair by halves.
        return [_Batch(absent, tried)] if answer.unexplained is None else _halves(absent, tried)

    def _succeed(self, pairs: Sequence[Pair], labels: tuple[str, ...], status: int, tried: int) -> None:
        moment = timestamp(self._now())
        result = plain("created", finished_at=moment, http_status=status, attempts=tried)
        self._settle(outcomes(pairs, result._replace(labels=labels)))

    def _fail(self, pairs: Sequence[Pair], error: ApiError, tried: int) -> None:
        result = failed(error, attempts=tried, finished_at=timestamp(self._now()))
        self._settle(outcomes(pairs, result))


def _halves(pairs: Sequence[Pair], attempts: int) -> list[_Batch]:
    middle = len(pairs) // 2
    return [_Batch(pairs[:middle], attempts), _Batch(pairs[middle:], attempts)]


def _parted(pairs: Iterable[Pair], reading: Reading) -> tuple[list[Pair], list[Pair]]:
    """Return the pairs that have all that was asked for, and the others."""
    there: list[Pair] = []
    absent: list[Pair] = []
    for pair in pairs:
        found = reading.found.get(pair.object_id, {}).get(pair.to_object_id, frozenset())
        (there if found.issuperset(pair.types) else absent).append(pair)
    return there, absent


def _silent(status: int) -> ServerFault:
    return ServerFault(
        f"HubSpot's answers ({status}) never said what became of this pair, and it is not there: send it again",
        status=status,
        category="NOT_IN_ANSWER",
    )
