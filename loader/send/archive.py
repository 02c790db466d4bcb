"""Takes associations off pairs: whole pairs by `batch/archive`, labels by `batch/labels/archive`.

Archiving the type without a label takes every label of the pair with it (guide "Associations v4"): to take off labels
is for a caller that knows that they are labels.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from operator import attrgetter

from loader.errors import Refused, Retryable
from loader.model import Pair, Result, Types
from loader.send import api
from loader.send.api import Request
from loader.send.batch_replies import archived
from loader.send.clocks import Moment, timestamp
from loader.send.gateway import Gateway, Superseded
from loader.send.outcomes import failed, plain
from loader.send.refusals import after_refusal

RECORDS_PER_ARCHIVE = 100
"""From records in one `batch/archive` (HubSpot's reference of version 2026-09)."""

PAIRS_PER_ARCHIVE = 1000
"""Pairs in one `batch/archive`; HubSpot names no limit for it, and takes 2,000 to create."""

LABELLED_PER_ARCHIVE = 100
"""Inputs in one `batch/labels/archive` (HubSpot's reference of version 2026-09)."""

Results = dict[int, Result]
"""What became of pairs, by number: `removed` or `failed`.

A pair that is missing could not leave while its reading was young: it is to be read and judged again.
"""

_FROM = attrgetter("object_id")


class Archive:
    """Takes off what pairs, all of one direction, have; `read_at` is when it was read what that is.

    To take off what is not there is no error (observed). Of a batch that HubSpot refuses, the pairs that it names fail
    and the others are sent again. Raises Fatal when no request can succeed, Stopped when the run ends.
    """

    def __init__(self, gateway: Gateway, *, version: str, now: Callable[[], datetime]) -> None:
        self._gateway = gateway
        self._version = version
        self._now = now

    async def whole(self, pairs: Sequence[Pair], read_at: Moment) -> Results:
        """Take pairs off whole, with every label that they have."""
        # A pair that is gone is gone from both ends: it is taken off from the one that has fewer records.
        if len({pair.to_object_id for pair in pairs}) < len({pair.object_id for pair in pairs}):
            pairs = [_from_the_other_end(pair) for pair in pairs]
        results: Results = {}
        for batch in _batches(pairs):
            results |= await self._sent(batch, self._whole_request, read_at)
        return results

    async def labels(self, labels: Sequence[tuple[Pair, Types]], read_at: Moment) -> Results:
        """Take labels off pairs; whatever else each has stays, and so does the pair itself."""
        wanted = {pair.pair_id: sorted(types) for pair, types in labels}
        pairs = [pair for pair, _ in labels]

        def request(some: Sequence[Pair]) -> Request:
            inputs = ((pair.object_id, pair.to_object_id, wanted[pair.pair_id]) for pair in some)
            return api.archive_labels((some[0].object_type, some[0].to_object_type), inputs, self._version)

        results: Results = {}
        for start in range(0, len(pairs), LABELLED_PER_ARCHIVE):
            results |= await self._sent(pairs[start : start + LABELLED_PER_ARCHIVE], request, read_at)
        return results

    def _whole_request(self, pairs: Sequence[Pair]) -> Request:
        wanted: dict[str, list[str]] = {}
        for pair in pairs:
            wanted.setdefault(pair.object_id, []).append(pair.to_object_id)
        return api.archive((pairs[0].object_type, pairs[0].to_object_type), wanted, self._version)

    async def _sent(
        self, pairs: Sequence[Pair], request: Callable[[Sequence[Pair]], Request], read_at: Moment
    ) -> Results:
        """Send a batch, and again without the pairs that HubSpot refuses."""
        results: Results = {}
        batches = deque([(pairs, 0)])
        while batches:
            batch, before = batches.popleft()
            try:
                answer = await self._gateway.call(_Timely(request(batch), read_at, self._gateway), archived)
            except Superseded:
                continue
            except Refused as error:
                attempts = before + error.attempts
                refused, again = after_refusal(error, batch)
                moment = timestamp(self._now())
                results |= {pair.pair_id: failed(why, attempts=attempts, finished_at=moment) for pair, why in refused}
                batches.extendleft((part, attempts) for part in reversed(again))
            except Retryable as error:
                result = failed(error, attempts=before + error.attempts, finished_at=timestamp(self._now()))
                results |= {pair.pair_id: result for pair in batch}
            else:
                result = plain(
                    "removed",
                    finished_at=timestamp(self._now()),
                    http_status=answer.status,
                    attempts=before + answer.attempts,
                )
                results |= {pair.pair_id: result for pair in batch}
        return results


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
