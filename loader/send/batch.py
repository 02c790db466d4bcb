"""The action of a load by batch: up to 2,000 pairs in one request, each with all its association types."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np

from loader.errors import ApiError, RecordMerged, Refused, Retryable, ServerFault
from loader.model import Outcome, Pair, Pairs
from loader.send import api, retry
from loader.send.batch_replies import CreatedPairs, created_pairs
from loader.send.clocks import timestamp
from loader.send.gateway import Gateway, Superseded
from loader.send.outcomes import Record, divided, failed, numbers_of, outcome, outcomes, plain
from loader.send.outgoing import Draft
from loader.send.reading import CurrentAssociations
from loader.send.refusals import MOST_REFUSALS, after_refusal, halves

PAIRS_PER_CREATE = 2000
"""In one batch/create (guide "Associations v4")."""

LARGEST_ANSWER = 2**24


class _Step(NamedTuple):
    """Pairs that go out together, and the requests made for them so far.

    `silent` counts the answers that did not mention them, `refusals` those in a row that refused others beside them.
    """

    draft: Draft
    attempts: int = 0
    silent: int = 0
    refusals: int = 0


class _Doubt(NamedTuple):
    """Pairs that an answer, of this status, does not mention: they are to be read back."""

    answer: CreatedPairs
    status: int
    step: _Step


class _Answered(NamedTuple):
    """What one request came to: outcomes, and what is to be sent again, or read back first."""

    created: list[Outcome]
    failed: list[Outcome]
    again: Sequence[_Step | _Doubt]


class Batch:
    """Sets the association types of pairs of one direction, `capacity` at most in one request.

    Answers are matched by pair. Of a request that HubSpot refuses as a whole, the pairs that it names fail and the
    others are sent again, halved where it names none. A pair of which an answer says nothing is read back before it is
    called anything. Outcomes are recorded as soon as a pair is created, because a later request of the same batch may
    end the run; those that a refusal names come together with the answer about the others.
    """

    capacity = PAIRS_PER_CREATE

    def __init__(self, gateway: Gateway, *, version: str, max_attempts: int, now: Callable[[], datetime]) -> None:
        self._gateway = gateway
        self._version = version
        self._max_attempts = max_attempts
        self._now = now
        self._current = CurrentAssociations(gateway, version=version)

    async def apply(self, draft: Draft, record: Record) -> None:
        """Send pairs until each has an outcome; raises Fatal or Stopped."""
        steps: deque[_Step | _Doubt] = deque([_Step(draft)])
        failed: list[Outcome] = []
        try:
            while steps:
                step = steps.popleft()
                answered = await (self._read_back(step) if isinstance(step, _Doubt) else self._send(step))
                failed += answered.failed
                steps.extendleft(reversed(answered.again))
                if answered.created or not answered.again:
                    found, failed = failed + answered.created, []
                    record(found)
        finally:
            if failed:
                record(failed)

    async def _send(self, step: _Step) -> _Answered:
        """Make one request and return what its answer says."""
        draft = step.draft
        try:
            answer, status, count = await self._gateway.call(
                lambda: api.create(draft.pairs, self._version),
                lambda reply: created_pairs(reply, draft.pairs),
                draft=draft,
                largest=LARGEST_ANSWER,
            )
        except Superseded:
            draft.done()
            return _Answered([], [], [])
        except Refused as error:
            tried = step.attempts + error.attempts
            refused, again = after_refusal(error, list(draft.pairs.each()))
            parts = draft.split(map(numbers_of, again))
            return _Answered([], self._refused(refused, tried), _left(step, parts, tried))
        except Retryable as error:
            draft.done()
            return _Answered([], self._failed(draft.pairs, error, step.attempts + error.attempts), [])
        tried = step.attempts + count
        created = [one for labels, pairs in answer.created for one in self._made(pairs, labels, status, tried)]
        doubts = [
            _Doubt(answer, status, step._replace(draft=part, attempts=tried, silent=step.silent + 1, refusals=0))
            for part in draft.split([answer.unmentioned] if len(answer.unmentioned) else [])
        ]
        return _Answered(created, self._refused(answer.refused, tried), doubts)

    async def _read_back(self, doubt: _Doubt) -> _Answered:
        """Return what became of pairs that an answer does not mention, by what HubSpot has."""
        answer, status, step = doubt
        pairs = step.draft.pairs
        if not answer.complete and answer.unexplained is None:
            await asyncio.sleep(min(retry.LONGEST_DELAY, retry.FIRST_DELAY * 2.0**step.silent))
        reading = await self._current.read(pairs.direction, pairs.from_ids)
        each = list(pairs.each())
        merged: list[tuple[Pair, Refused]] = []
        there: list[int] = []
        absent: list[int] = []
        for pair, found in zip(each, reading.types_of(each), strict=True):
            error = reading.unreadable.get(int(pair.object_id))
            if isinstance(error, RecordMerged):
                merged.append((pair, error))
            else:
                whole = found.issuperset(pair.types) and not found & pair.gone
                (there if whole else absent).append(pair.pair_id)
        made, _ = divided(pairs, set(there))
        known = _Answered(self._made(made, (), status, step.attempts), self._refused(merged, step.attempts), [])
        alone = len(absent) == 1 and answer.unexplained is not None
        if absent and (alone or step.silent >= self._max_attempts):
            left, _ = divided(pairs, set(absent))
            error = answer.unexplained or _silent(status)
            step.draft.done()
            return known._replace(failed=known.failed + self._failed(left, error, step.attempts))
        # What an answer says of no pair in particular: by halves.
        parts = halves(absent) if answer.unexplained is not None or answer.others else [absent] if absent else []
        again = [step._replace(draft=part) for part in step.draft.split(np.array(part, np.int64) for part in parts)]
        return known._replace(again=again)

    def _made(self, pairs: Pairs, labels: tuple[str, ...], status: int, tried: int) -> list[Outcome]:
        result = plain("created", finished_at=timestamp(self._now()), http_status=status, attempts=tried)
        result = result._replace(labels=labels)
        loses = pairs.where(lambda intent: bool(intent.gone))
        replaced = outcomes(pairs.take(loses), result._replace(status="replaced"))
        return outcomes(pairs.take(~loses), result) + replaced

    def _refused(self, refused: Sequence[tuple[Pair, Refused]], tried: int) -> list[Outcome]:
        moment = timestamp(self._now())
        return [outcome(pair, failed(error, attempts=tried, finished_at=moment)) for pair, error in refused]

    def _failed(self, pairs: Pairs, error: ApiError, tried: int) -> list[Outcome]:
        return outcomes(pairs, failed(error, attempts=tried, finished_at=timestamp(self._now())))


def _left(step: _Step, parts: Sequence[Draft], tried: int) -> list[_Step]:
    """Return what a refusal leaves to be sent again."""
    refusals = step.refusals + 1
    if refusals >= MOST_REFUSALS and len(parts) == 1:
        numbers = parts[0].numbers
        parts, refusals = parts[0].split(np.array_split(numbers, min(2, len(numbers)))), 0
    return [_Step(part, tried, step.silent, refusals) for part in parts]


def _silent(status: int) -> ServerFault:
    return ServerFault(
        f"HubSpot's answers ({status}) did not mention this pair, and it is not in HubSpot: send it again",
        status=status,
        category="NOT_IN_ANSWER",
    )
