"""The action of an undo: what a run added to pairs is taken away again, after a look at what they have now."""

from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple

from loader.errors import ApiError, Refused, Retryable
from loader.model import Direction, Outcome, Pair, Result
from loader.send import api
from loader.send.api import Request
from loader.send.batch_replies import archived
from loader.send.clocks import Moment, timestamp
from loader.send.gateway import Gateway, Superseded
from loader.send.give_back import Giver
from loader.send.outcomes import Record, failed, outcome, plain
from loader.send.outgoing import Draft
from loader.send.reading import CurrentAssociations, Reading, read_fresh
from loader.send.refusals import after_refusal
from loader.send.removal import GONE, NOTHING, Removal, removal

RECORDS_PER_ARCHIVE = 100
"""From records in one `batch/archive` (quoted from HubSpot's guide by others)."""

PAIRS_PER_ARCHIVE = 1000
"""Pairs in one `batch/archive`; HubSpot names no limit for it, and takes 2,000 to create."""

MOST_LABELLED = 100
"""Inputs in one `batch/labels/archive` (HubSpot's reference of version 2026-09)."""

_FROM = attrgetter("object_id")


LATE = ApiError("the reading was too old when the request could leave")
"""What keeps a pair from being taken back in this pass; it is read again in the next one."""

Errors = dict[int, ApiError]
"""What was wrong, by the number of the pair."""


class _Timely:
    """A request that leaves only while the reading that it rests on is young."""

    def __init__(self, request: Request, read_at: Moment, gateway: Gateway) -> None:
        self._request = request
        self._read_at = read_at
        self._gateway = gateway

    def leaving(self) -> Request | None:
        young = self._gateway.clocks.age(self._read_at) <= self._gateway.fresh_seconds
        return self._request if young else None

    async def renew(self) -> None:
        raise Superseded


class _Step(NamedTuple):
    """What is to be done about one pair."""

    pair: Pair
    removal: Removal


class TakeBack:
    """Takes away what a run added: whole pairs by `batch/archive`, labels of old pairs by `batch/labels/archive`.

    `labels` gives the label of each association type by its key (see `removal`). `intend` commits, before a request
    leaves, that these pairs (by number) are being taken back; `intended` are those that an earlier undo was at when it
    ended: what is not there any more was then taken away by it. `replaced`: the run took the other labels off pairs,
    which get them back first.
    """

    capacity = 1000

    def __init__(
        self,
        gateway: Gateway,
        *,
        version: str,
        labels: Mapping[str, str],
        intend: Callable[[Sequence[int]], Awaitable[None]],
        intended: Collection[int],
        now: Callable[[], datetime],
        replaced: bool = False,
        max_attempts: int = 8,
    ) -> None:
        self._gateway = gateway
        self._replaced = replaced
        self._giver = Giver(gateway, version=version, max_attempts=max_attempts, now=now)
        self._version = version
        self._current = CurrentAssociations(gateway, version=version)
        self._labels = labels
        self._intend = intend
        self._intended = intended
        self._now = now

    async def apply(self, draft: Draft, record: Record) -> None:
        """Record what becomes of the pairs: `removed`, `unchanged`, `left` or `failed`; all are of one direction.

        What could not leave while its reading was young is read and judged once more.
        """
        pairs = list(draft.pairs.each())
        tried: set[int] = set()
        while pairs:
            reading, read_at = await read_fresh(
                self._current, self._gateway.clocks, _direction(pairs[0]), [pair.object_id for pair in pairs]
            )
            steps = [
                _Step(pair, self._judged(pair, reading, tried)) for pair in pairs if pair.object_id in reading.found
            ]
            tried |= {step.pair.pair_id for step in steps if step.removal.needed}
            await self._intend([step.pair.pair_id for step in steps if step.removal.needed])
            errors = await self._carry_out(steps, read_at)
            errors |= {pair.pair_id: reading.unreadable[pair.object_id] for pair in _unreadable(pairs, reading)}
            record(self._outcomes(pairs, steps, errors))
            pairs = [pair for pair in pairs if errors.get(pair.pair_id) is LATE]

    def _outcomes(self, pairs: Iterable[Pair], steps: Iterable[_Step], errors: Errors) -> list[Outcome]:
        done = {step.pair.pair_id: step.removal for step in steps}
        moment = timestamp(self._now())
        return [
            _failed(pair, error, moment)
            if (error := errors.get(pair.pair_id))
            else _done(pair, done[pair.pair_id], moment)
            for pair in pairs
            if errors.get(pair.pair_id) is not LATE
        ]

    def _judged(self, pair: Pair, reading: Reading, tried: Collection[int]) -> Removal:
        now = reading.found[pair.object_id].get(pair.to_object_id, NOTHING)
        found = removal(frozenset(pair.types), pair.before or NOTHING, now, self._labels, replaced=self._replaced)
        if found == GONE and (pair.pair_id in self._intended or pair.pair_id in tried):
            return GONE._replace(status="removed", why="")
        return found

    # --- taking away

    async def _carry_out(self, steps: Sequence[_Step], read_at: Moment) -> Errors:
        """Give back first, as that sends all that a pair has; then take off."""
        direction = _direction(steps[0].pair) if steps else ("", "")
        errors = await self._give_back(direction, steps, read_at)
        left = [step for step in steps if step.pair.pair_id not in errors]
        errors |= await self._archive(left, read_at)
        return errors | await self._archive_labels(direction, left, read_at)

    async def _give_back(self, direction: Direction, steps: Iterable[_Step], read_at: Moment) -> Errors:
        given = {
            step.pair.pair_id: (
                step.pair.object_id,
                step.pair.to_object_id,
                tuple(sorted(step.removal.now | step.removal.back)),
            )
            for step in steps
            if step.removal.back
        }
        done = await self._giver.give(direction, given, read_at)
        return {
            pair: LATE if (result := done.get(pair)) is None else _error(result)
            for pair in given
            if pair not in done or done[pair].status == "failed"
        }

    async def _archive(self, steps: Iterable[_Step], read_at: Moment) -> Errors:
        pairs = [step.pair for step in steps if step.removal.whole]
        # A pair that is gone is gone from both ends: it is taken away from the one that has fewer records.
        if len({pair.to_object_id for pair in pairs}) < len({pair.object_id for pair in pairs}):
            pairs = [_from_the_other_end(pair) for pair in pairs]
        errors: Errors = {}
        for batch in _batches(pairs):
            errors |= await self._sent(batch, self._archive_request, read_at)
        return errors

    def _archive_request(self, pairs: Sequence[Pair]) -> Request:
        wanted: dict[str, list[str]] = {}
        for pair in pairs:
            wanted.setdefault(pair.object_id, []).append(pair.to_object_id)
        return api.archive(_direction(pairs[0]), wanted, self._version)

    async def _archive_labels(self, direction: Direction, steps: Iterable[_Step], read_at: Moment) -> Errors:
        labels = {step.pair.pair_id: sorted(step.removal.types) for step in steps if step.removal.types}
        pairs = [step.pair for step in steps if step.removal.types]

        def request(some: Iterable[Pair]) -> Request:
            wanted = ((pair.object_id, pair.to_object_id, labels[pair.pair_id]) for pair in some)
            return api.archive_labels(direction, wanted, self._version)

        errors: Errors = {}
        for start in range(0, len(pairs), MOST_LABELLED):
            errors |= await self._sent(pairs[start : start + MOST_LABELLED], request, read_at)
        return errors

    async def _sent(
        self, pairs: Sequence[Pair], request: Callable[[Sequence[Pair]], Request], read_at: Moment
    ) -> Errors:
        """Send a batch, and again without the pairs that HubSpot refuses; return what was wrong by pair."""
        errors: Errors = {}
        batches = deque([pairs])
        while batches:
            batch = batches.popleft()
            try:
                await self._gateway.call(_Timely(request(batch), read_at, self._gateway), archived)
            except Superseded:
                errors |= {pair.pair_id: LATE for pair in batch}
            except Refused as error:
                refused, again = after_refusal(error, batch)
                errors |= {pair.pair_id: why for pair, why in refused}
                batches.extendleft(reversed(again))
            except Retryable as error:
                errors |= {pair.pair_id: error for pair in batch}
        return errors


def _direction(pair: Pair) -> Direction:
    return pair.object_type, pair.to_object_type


def _unreadable(pairs: Iterable[Pair], reading: Reading) -> list[Pair]:
    return [pair for pair in pairs if pair.object_id in reading.unreadable]


def _from_the_other_end(pair: Pair) -> Pair:
    return pair._replace(
        object_type=pair.to_object_type,
        object_id=pair.to_object_id,
        to_object_type=pair.object_type,
        to_object_id=pair.object_id,
    )


def _batches(pairs: Iterable[Pair]) -> list[list[Pair]]:
    """Return the pairs in requests, each with no more than a hundred from records."""
    batches: list[list[Pair]] = []
    records: set[str] = set()
    for pair in sorted(pairs, key=_FROM):
        record = pair.object_id
        full = (record not in records and len(records) == RECORDS_PER_ARCHIVE) or (
            batches and len(batches[-1]) == PAIRS_PER_ARCHIVE
        )
        if not batches or full:
            batches.append([])
            records = set()
        batches[-1].append(pair)
        records.add(record)
    return batches


def _error(result: Result) -> ApiError:
    error = Refused(
        result.error_message,
        status=result.http_status,
        category=result.error_category,
        correlation_id=result.correlation_id,
    )
    error.attempts = result.attempts
    return error


def _failed(pair: Pair, error: ApiError, moment: str) -> Outcome:
    return outcome(pair, failed(error, attempts=error.attempts, finished_at=moment))


def _done(pair: Pair, done: Removal, moment: str) -> Outcome:
    category = "CHANGED_SINCE" if done.status == "left" else ""
    result = plain(done.status, finished_at=moment, attempts=1)
    return outcome(pair, result._replace(error_category=category, error_message=done.why))
