"""The action of a load by batch: up to 2,000 pairs in one request, each with all its association types."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

from loader.errors import ApiError, RecordMerged, Refused, Retryable, ServerFault
from loader.model import Outcome, Pair
from loader.send import api, retry
from loader.send.api import Request
from loader.send.batch_replies import Created, created_pairs
from loader.send.culprits import MOST_REFUSALS, halves, parted
from loader.send.gateway import Gateway, Superseded
from loader.send.outcomes import Record, failed, outcomes, plain, written
from loader.send.outgoing import Freshness, Parcel, direction_of
from loader.send.put import timestamp
from loader.send.reading import CurrentAssociations, Reading

MOST_PAIRS = 2000
"""In one batch/create (guide "Associations v4")."""

LARGEST_ANSWER = 2**24


class _Batch(NamedTuple):
    """Pairs that go out together, and the requests made for them so far.

    `silent` counts the answers that did not mention them, `refusals` those in a row that refused others beside them.
    """

    pairs: Sequence[Pair]
    attempts: int
    silent: int = 0
    refusals: int = 0


class _Doubt(NamedTuple):
    """Pairs that an answer, of this status, does not mention: they are to be read back."""

    answer: Created
    status: int
    batch: _Batch


class _Answered(NamedTuple):
    """What one request came to: outcomes, and what is to be sent again, or read back first."""

    created: list[Outcome]
    failed: list[Outcome]
    again: Sequence[_Batch | _Doubt]


class Batch:
    """Sets the association types of pairs of one direction, `capacity` at most in one request.

    Answers are matched by pair. Of a request that HubSpot refuses as a whole, the pairs that it names fail and the
    others are sent again, halved where it names none. A pair of which an answer says nothing is read back before it is
    called anything. Outcomes are recorded as soon as a pair is created, because a later request of the same batch may
    end the run; those that a refusal names come together with the answer about the others.
    """

    capacity = MOST_PAIRS

    def __init__(
        self,
        gateway: Gateway,
        *,
        version: str,
        max_attempts: int,
        now: Callable[[], datetime],
    ) -> None:
        self._gateway = gateway
        self._version = version
        self._max_attempts = max_attempts
        self._now = now
        self._current = CurrentAssociations(gateway, version=version)

    async def apply(self, pairs: Sequence[Pair], freshness: Freshness, record: Record) -> None:
        """Send pairs until each has an outcome; raises Fatal or Stopped."""
        steps: deque[_Batch | _Doubt] = deque([_Batch(pairs, 0)])
        failed: list[Outcome] = []
        try:
            while steps:
                step = steps.popleft()
                asking = self._read_back(step) if isinstance(step, _Doubt) else self._send(step, freshness)
                answered = await asking
                failed += answered.failed
                steps.extendleft(reversed(answered.again))
                if answered.created or not answered.again:
                    outcomes, failed = failed + answered.created, []
                    record(outcomes)
        finally:
            if failed:
                record(failed)

    async def _send(self, batch: _Batch, freshness: Freshness) -> _Answered:
        """Make one request and return what its answer says."""
        parcel = Parcel(batch.pairs, freshness, self._request)
        try:
            answer, status, count = await self._gateway.call(
                parcel, lambda reply: created_pairs(reply, parcel.pairs), largest=LARGEST_ANSWER
            )
        except Superseded:
            return _Answered([], [], [])
        except Refused as error:
            tried = batch.attempts + error.attempts
            refused, again = parted(error, parcel.pairs)
            return _Answered([], self._refused(refused, tried), _left(batch, again, tried))
        except Retryable as error:
            return _Answered([], self._failed(parcel.pairs, error, batch.attempts + error.attempts), [])
        tried = batch.attempts + count
        created = [one for labels, pairs in answer.created.items() for one in self._made(pairs, labels, status, tried)]
        doubts = (
            [_Doubt(answer, status, _Batch(answer.unmentioned, tried, batch.silent + 1))] if answer.unmentioned else []
        )
        return _Answered(created, self._refused(answer.refused, tried), doubts)

    def _request(self, pairs: Sequence[Pair]) -> Request:
        return api.create(direction_of(pairs[0]), pairs, self._version)

    async def _read_back(self, doubt: _Doubt) -> _Answered:
        """Return what became of pairs that an answer does not mention, by what HubSpot has."""
        answer, status, batch = doubt
        if not answer.complete and answer.unexplained is None:
            await asyncio.sleep(min(retry.LONGEST_DELAY, retry.FIRST_DELAY * 2.0**batch.silent))
        reading = await self._current.read(direction_of(batch.pairs[0]), (pair.object_id for pair in batch.pairs))
        merged, others = _merged(batch.pairs, reading)
        there, absent = _parted(others, reading)
        known = _Answered(self._made(there, (), status, batch.attempts), self._refused(merged, batch.attempts), [])
        if not absent:
            return known
        alone = len(absent) == 1 and answer.unexplained is not None
        if alone or batch.silent >= self._max_attempts:
            error = answer.unexplained or _silent(status)
            return known._replace(failed=known.failed + self._failed(absent, error, batch.attempts))
        if answer.unexplained is not None or answer.others:  # What an answer says of nobody in particular: by halves.
            return known._replace(again=[batch._replace(pairs=half) for half in halves(absent)])
        return known._replace(again=[batch._replace(pairs=absent)])

    def _made(self, pairs: Sequence[Pair], labels: tuple[str, ...], status: int, tried: int) -> list[Outcome]:
        moment = timestamp(self._now())
        made: list[Outcome] = []
        for name, alike in groupby(pairs, key=written):
            result = plain(name, finished_at=moment, http_status=status, attempts=tried)
            made += outcomes(list(alike), result._replace(labels=labels))
        return made

    def _refused(self, refused: Sequence[tuple[Pair, Refused]], tried: int) -> list[Outcome]:
        return [one for pair, error in refused for one in self._failed([pair], error, tried)]

    def _failed(self, pairs: Sequence[Pair], error: ApiError, tried: int) -> list[Outcome]:
        return outcomes(pairs, failed(error, attempts=tried, finished_at=timestamp(self._now())))


def _left(batch: _Batch, again: Sequence[Sequence[Pair]], tried: int) -> list[_Batch]:
    """Return what a refusal leaves to be sent again."""
    refusals = batch.refusals + 1
    if refusals >= MOST_REFUSALS and len(again) == 1:
        again, refusals = halves(again[0]), 0
    return [_Batch(pairs, tried, batch.silent, refusals) for pairs in again]


def _merged(pairs: Sequence[Pair], reading: Reading) -> tuple[list[tuple[Pair, Refused]], list[Pair]]:
    """Return the pairs whose from record is merged into another one, with that, and the other pairs."""
    found = {pair.pair_id: reading.unreadable.get(pair.object_id) for pair in pairs}
    merged = [(pair, error) for pair in pairs if isinstance(error := found[pair.pair_id], RecordMerged)]
    return list(merged), [pair for pair in pairs if not isinstance(found[pair.pair_id], RecordMerged)]


def _parted(pairs: Iterable[Pair], reading: Reading) -> tuple[list[Pair], list[Pair]]:
    """Return the pairs that have all that was asked for, and the others."""
    there: list[Pair] = []
    absent: list[Pair] = []
    for pair in pairs:
        found = reading.found.get(pair.object_id, {}).get(pair.to_object_id, frozenset())
        (there if found.issuperset(pair.types) and not found & pair.gone else absent).append(pair)
    return there, absent


def _silent(status: int) -> ServerFault:
    return ServerFault(
        f"HubSpot's answers ({status}) never said what became of this pair, and it is not there: send it again",
        status=status,
        category="NOT_IN_ANSWER",
    )
