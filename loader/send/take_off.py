"""The action of a removal: whole pairs by `batch/archive`, labels by `batch/labels/archive`.

Archiving the type without a label removes every label of the pair (guide "Associations v4"): so the caller must know
that the types are labels.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from operator import attrgetter

from loader.columns import Ids
from loader.errors import Refused, Retryable
from loader.model import WHOLE_PAIR, Pair, Result
from loader.send import api
from loader.send.api import Request
from loader.send.batch_replies import archived
from loader.send.gateway import Gateway
from loader.send.outcomes import Record, failed, numbers_of, outcome
from loader.send.outgoing import Draft, Superseded
from loader.send.refusals import after_refusal

RECORDS_PER_ARCHIVE = 100
"""From records in one `batch/archive` (HubSpot's reference of version 2026-09)."""

PAIRS_PER_ARCHIVE = 1000
"""Pairs in one `batch/archive`; HubSpot names no limit for it, but allows more in a create."""

LABELLED_PER_ARCHIVE = 100
"""Inputs in one `batch/labels/archive` (HubSpot's reference of version 2026-09)."""

_FROM = attrgetter("object_id")


class TakeOff:
    """Takes off the types of a draft's pairs, all of one direction: `WHOLE_PAIR`, or labels.

    To take off what is not there is no error (observed). If HubSpot refuses a request, the pairs that it names fail,
    and the others are sent again.
    """

    capacity = 1000

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def apply(self, draft: Draft, record: Record) -> None:
        """Send pairs and record their outcomes, `removed` or `failed`, as they come; raises Fatal or Stopped."""
        left = deque((part, 0) for part in draft.split(_requests(draft.pairs.each())))
        while left:
            left.extendleft(reversed(await self._send(*left.popleft(), record)))

    async def _send(self, draft: Draft, attempts: int, record: Record) -> list[tuple[Draft, int]]:
        """Make one request, record its outcomes, and return what is still to be sent, with the attempts so far."""
        error: Refused | Retryable | None = None
        try:
            answer = await self._gateway.call(lambda: _request(draft, self._gateway.version), archived, draft=draft)
        except Superseded:
            draft.done()
            return []
        except (Refused, Retryable) as failure:
            error = failure
        sent, others = _of_one_request(draft.pairs.each())
        moment, again = self._gateway.clocks.timestamp(), [others]
        attempts += error.attempts if error else answer.attempts
        if isinstance(error, Refused):
            refused, parts = after_refusal(error, sent)
            again = [*parts, others]
            record([outcome(pair, failed(why, attempts=attempts, finished_at=moment)) for pair, why in refused])
        else:
            result = (
                failed(error, attempts=attempts, finished_at=moment)
                if error
                else Result("removed", finished_at=moment, http_status=answer.status, attempts=attempts)
            )
            record([outcome(pair, result) for pair in sent])
        return [(part, attempts) for part in draft.split(numbers_of(pairs) for pairs in again if pairs)]


def _request(draft: Draft, version: str) -> Request:
    pairs, _ = _of_one_request(draft.pairs.each())
    if WHOLE_PAIR not in pairs[0].types:
        direction = pairs[0].object_type, pairs[0].to_object_type
        inputs = ((pair.object_id, pair.to_object_id, sorted(pair.types)) for pair in pairs)
        return api.archive_labels(direction, inputs, version)
    wanted: dict[str, list[str]] = {}
    pairs = _from_fewer_records(pairs)
    for pair in pairs:
        wanted.setdefault(pair.object_id, []).append(pair.to_object_id)
    return api.archive((pairs[0].object_type, pairs[0].to_object_type), wanted, version)


def _of_one_request(pairs: Iterable[Pair]) -> tuple[Sequence[Pair], Sequence[Pair]]:
    """Return the pairs for one request, and those that need the other kind of request.

    A draft that was looked up again may have both: for some pairs, only labels are to go by then.
    """
    whole, labelled = _by_kind(pairs)
    return (whole, labelled) if whole else (labelled, [])


def _by_kind(pairs: Iterable[Pair]) -> tuple[list[Pair], list[Pair]]:
    """Return the pairs that go whole, and those that lose labels."""
    whole: list[Pair] = []
    labelled: list[Pair] = []
    for pair in pairs:
        (whole if WHOLE_PAIR in pair.types else labelled).append(pair)
    return whole, labelled


def _requests(pairs: Iterable[Pair]) -> list[Ids]:
    """Return the numbers of pairs, those of one request together."""
    whole, labelled = _by_kind(pairs)
    batches = _batches(_from_fewer_records(whole))
    batches += [labelled[at : at + LABELLED_PER_ARCHIVE] for at in range(0, len(labelled), LABELLED_PER_ARCHIVE)]
    return list(map(numbers_of, batches))


def _from_fewer_records(pairs: Sequence[Pair]) -> Sequence[Pair]:
    """Return whole pairs from the end that has fewer records: a pair is removed from both ends."""
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
    """Return whole pairs in requests, each with at most a hundred from records."""
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
