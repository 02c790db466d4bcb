"""The action of a load by batch: many pairs in one request, each with all its association types."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from loader.errors import ApiError, RecordMerged, Refused, Retryable, ServerFault
from loader.model import Outcome, Pair, Pairs, Result
from loader.send import api, retry
from loader.send.batch_replies import CreatedPairs, created_pairs
from loader.send.gateway import Delivered, Gateway
from loader.send.outcomes import Record, divided, failed, numbers_of, outcome, outcomes
from loader.send.outgoing import Draft, Superseded
from loader.send.reading import CurrentAssociations
from loader.send.refusals import MOST_REFUSALS, after_refusal, halves

PAIRS_PER_CREATE = 2000
"""Pairs in one `batch/create` (guide "Associations v4"). The help of `--method` says the number, too."""

LARGEST_ANSWER = 2**24


class _Step(NamedTuple):
    """Pairs that are sent together, and the requests made for them so far.

    `unmentioned` counts the answers that did not mention them, `refusals` consecutive answers that refused other pairs
    of the request. `read_back` is the latest answer if it did not mention them: then HubSpot is read first.
    """

    draft: Draft
    attempts: int = 0
    unmentioned: int = 0
    refusals: int = 0
    read_back: Delivered[CreatedPairs] | None = None


class _Answered(NamedTuple):
    """The result of one request: outcomes, and what must be sent again, or read back first."""

    created: list[Outcome]
    failed: list[Outcome]
    again: Sequence[_Step]


class Batch:
    """Sets the association types of pairs of one direction, `capacity` at most in one request.

    Answers are matched by pair. If HubSpot refuses a whole request, the pairs that it names fail, and the others are
    sent again; if it names none, in halves. A pair that an answer does not mention is read back before it gets an
    outcome. Outcomes are recorded as soon as a pair is created, because a later request of the same batch may end the
    run; failures of a refusal are recorded together with the answer about the others.
    """

    capacity = PAIRS_PER_CREATE

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._current = CurrentAssociations(gateway)

    async def apply(self, draft: Draft, record: Record) -> None:
        """Send pairs until each has an outcome; raises Fatal or Stopped."""
        steps = deque([_Step(draft)])
        failed: list[Outcome] = []
        try:
            while steps:
                step = steps.popleft()
                answered = await (self._read_back(step, step.read_back) if step.read_back else self._send(step))
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
            delivered = await self._gateway.call(
                lambda: api.create(draft.pairs, self._gateway.version),
                lambda reply: created_pairs(reply, draft.pairs),
                draft=draft,
                largest=LARGEST_ANSWER,
            )
        except Superseded:
            draft.done()
            return _Answered([], [], [])
        except Refused as error:
            attempts, refusals = step.attempts + error.attempts, step.refusals + 1
            refused, again = after_refusal(error, list(draft.pairs.each()))
            if refusals >= MOST_REFUSALS and len(again) == 1:
                again, refusals = halves(again[0]), 0
            parts = draft.split(map(numbers_of, again))
            left = [_Step(part, attempts, step.unmentioned, refusals) for part in parts]
            return _Answered([], self._refused(refused, attempts), left)
        except Retryable as error:
            draft.done()
            return _Answered([], self._failed(draft.pairs, error, step.attempts + error.attempts), [])
        answer, attempts = delivered.value, step.attempts + delivered.attempts
        created = [
            one
            for labels, pairs in answer.created
            for one in self._made(pairs, labels, status=delivered.status, attempts=attempts)
        ]
        doubtful = draft.split([answer.unmentioned] if len(answer.unmentioned) else [])
        doubts = [_Step(part, attempts, step.unmentioned + 1, read_back=delivered) for part in doubtful]
        return _Answered(created, self._refused(answer.refused, attempts), doubts)

    async def _read_back(self, step: _Step, delivered: Delivered[CreatedPairs]) -> _Answered:
        """Return the outcomes of pairs that an answer did not mention, by reading what HubSpot has."""
        answer, pairs, attempts = delivered.value, step.draft.pairs, step.attempts
        if not answer.complete and answer.unexplained is None:
            await asyncio.sleep(min(retry.LONGEST_DELAY, retry.FIRST_DELAY * 2.0**step.unmentioned))
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
        created = self._made(made, (), status=delivered.status, attempts=attempts)
        refused = self._refused(merged, attempts)
        alone = len(absent) == 1 and answer.unexplained is not None
        if absent and (alone or step.unmentioned >= self._gateway.max_attempts):
            left, _ = divided(pairs, set(absent))
            step.draft.done()
            why = answer.unexplained or ServerFault(
                f"HubSpot's answers ({delivered.status}) did not mention this pair, and it is not in HubSpot: send it "
                "again",
                status=delivered.status,
                category="NOT_IN_ANSWER",
            )
            return _Answered(created, refused + self._failed(left, why, attempts), [])
        # An error that names no pair: send halves.
        parts = halves(absent) if answer.unexplained is not None or answer.others else [absent] if absent else []
        drafts = step.draft.split(np.array(part, np.int64) for part in parts)
        return _Answered(created, refused, [step._replace(draft=draft, read_back=None) for draft in drafts])

    def _made(self, pairs: Pairs, labels: tuple[str, ...], *, status: int, attempts: int) -> list[Outcome]:
        moment = self._gateway.clocks.timestamp()
        result = Result("created", http_status=status, labels=labels, attempts=attempts, finished_at=moment)
        loses = pairs.where(lambda intent: bool(intent.gone))
        replaced = outcomes(pairs.take(loses), result._replace(status="replaced"))
        return outcomes(pairs.take(~loses), result) + replaced

    def _refused(self, refused: Sequence[tuple[Pair, Refused]], attempts: int) -> list[Outcome]:
        moment = self._gateway.clocks.timestamp()
        return [outcome(pair, failed(error, attempts=attempts, finished_at=moment)) for pair, error in refused]

    def _failed(self, pairs: Pairs, error: ApiError, attempts: int) -> list[Outcome]:
        return outcomes(pairs, failed(error, attempts=attempts, finished_at=self._gateway.clocks.timestamp()))
