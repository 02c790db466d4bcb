"""The action of a removal: whole pairs go by `batch/archive`, labels by `batch/labels/archive`.

Archiving the type without a label takes every label of the pair with it (guide "Associations v4"): to take off labels
is for a caller that knows that they are labels.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple

from loader.errors import Refused, Retryable
from loader.model import WHOLE_PAIR, Numbers, Pair
from loader.send import api
from loader.send.api import Request
from loader.send.batch_replies import archived
from loader.send.clocks import timestamp
from loader.send.gateway import Gateway, Superseded
from loader.send.outcomes import Record, failed, numbers_of, outcome, plain
from loader.send.outgoing import Draft
from loader.send.refusals import after_refusal

RECORDS_PER_ARCHIVE = 100
"""From records in one `batch/archive` (HubSpot's reference of version 2026-09)."""

PAIRS_PER_ARCHIVE = 1000
"""Pairs in one `batch/archive`; HubSpot names no limit for it, and takes 2,000 to create."""

LABELLED_PER_ARCHIVE = 100
"""Inputs in one `batch/labels/archive` (HubSpot's reference of version 2026-09)."""

_FROM = attrgetter("object_id")


class _Step(NamedTuple):
    """Pairs that go out together, and the requests made for them so far."""

    draft: Draft
    attempts: int = 0


class TakeOff:
    """Takes off what the pairs of a draft, all of one direction, are to lose: `WHOLE_PAIR`, or labels.

    To take off what is not there is no error (observed). Of a request that HubSpot refuses, the pairs that it names
    fail and the others are sent again.
    """

    capacity = 1000

    def __init__(self, gateway: Gateway, *, version: str, now: Callable[[], datetime]) -> None:
        self._gateway = gateway
        self._version = version
        self._now = now

    async def apply(self, draft: Draft, record: Record) -> None:
        """Record what becomes of pairs, `removed` or `failed`, as soon as it is known; raises Fatal or Stopped."""
        steps = deque(map(_Step, draft.split(_requests(list(draft.pairs.each())))))
        while steps:
            steps.extendleft(reversed(await self._send(steps.popleft(), record)))

    async def _send(self, step: _Step, record: Record) -> list[_Step]:
        """Make one request, record what it came to, and return what is still to be sent."""
        supply = _Supply(step.draft, self._version)
        again: list[Sequence[Pair]] = []
        try:
            answer = await self._gateway.call(supply, archived)
        except Superseded:
            step.draft.done()
            return []
        except Refused as error:
            attempts = step.attempts + error.attempts
            refused, again = after_refusal(error, supply.sent)
            moment = timestamp(self._now())
            record([outcome(pair, failed(why, attempts=attempts, finished_at=moment)) for pair, why in refused])
        except Retryable as error:
            attempts = step.attempts + error.attempts
            result = failed(error, attempts=attempts, finished_at=timestamp(self._now()))
            record([outcome(pair, result) for pair in supply.sent])
        else:
            attempts = step.attempts + answer.attempts
            moment = timestamp(self._now())
            result = plain("removed", finished_at=moment, http_status=answer.status, attempts=attempts)
            record([outcome(pair, result) for pair in supply.sent])
        parts = [numbers_of(part) for part in [*again, supply.others] if part]
        return [_Step(part, attempts) for part in step.draft.split(parts)]


class _Supply:
    """The request of a draft, made anew for each attempt (see `gateway.Supply`), and the pairs that it names.

    `others` are those that need a request of the other kind since they were looked up once more.
    """

    def __init__(self, draft: Draft, version: str) -> None:
        self._draft = draft
        self._version = version
        self.sent: list[Pair] = []
        self.others: list[Pair] = []

    def leaving(self) -> Request | None:
        """Return the request as it may leave now, None where the draft must be renewed first."""
        if not self._draft.may_leave():
            return None
        whole, labelled = _by_kind(self._draft.pairs.each())
        self.sent, self.others = (whole, labelled) if whole else (labelled, [])
        if not whole:
            direction = labelled[0].object_type, labelled[0].to_object_type
            inputs = ((pair.object_id, pair.to_object_id, sorted(pair.types)) for pair in labelled)
            return api.archive_labels(direction, inputs, self._version)
        wanted: dict[str, list[str]] = {}
        pairs = _from_fewer_records(whole)
        for pair in pairs:
            wanted.setdefault(pair.object_id, []).append(pair.to_object_id)
        return api.archive((pairs[0].object_type, pairs[0].to_object_type), wanted, self._version)

    async def renew(self) -> None:
        """Renew the draft."""
        await self._draft.renew()


def _by_kind(pairs: Iterable[Pair]) -> tuple[list[Pair], list[Pair]]:
    """Return the pairs that go whole, and those that lose labels."""
    whole: list[Pair] = []
    labelled: list[Pair] = []
    for pair in pairs:
        (whole if WHOLE_PAIR in pair.types else labelled).append(pair)
    return whole, labelled


def _requests(pairs: Iterable[Pair]) -> list[Numbers]:
    """Return the numbers of pairs, those of one request together."""
    whole, labelled = _by_kind(pairs)
    batches = _batches(_from_fewer_records(whole))
    batches += [labelled[at : at + LABELLED_PER_ARCHIVE] for at in range(0, len(labelled), LABELLED_PER_ARCHIVE)]
    return list(map(numbers_of, batches))


def _from_fewer_records(pairs: Sequence[Pair]) -> Sequence[Pair]:
    """Return whole pairs from the end that has fewer records: one that is gone is gone from both ends."""
    if len({pair.to_object_id for pair in pairs}) < len({pair.object_id for pair in pairs}):
        return [
            pair._replace(
                object_type=pair.to_object_type,
                object_id=pair.to_object_id,
                to_object_type=pair.object_type,
                to_object_id=pair.object_id,
            )
            for pair in pairs
        ]
    return pairs


def _batches(pairs: Iterable[Pair]) -> list[list[Pair]]:
    """Return whole pairs in requests, each with no more than a hundred from records."""
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
