"""What the answers of HubSpot's batch endpoints that write mean; matched by the ids they name, never by position."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Annotated, Any, NamedTuple, TypeVar

import numpy as np
from msgspec import DecodeError, Meta, Struct, ValidationError
from msgspec.json import Decoder

from loader.columns import Ids
from loader.errors import RecordMerged, Refused, ServerFault
from loader.model import Pair, Pairs
from loader.send import replies
from loader.send.api import LARGEST_ID
from loader.send.refusals import PairsByRecord
from loader.send.replies import (
    Reply,
    context_of,
    correlation_id_of,
    fields,
    json_text,
    labels_of,
    message_of,
    not_json,
    printable,
    sentence_of,
)

COMPLETE = "COMPLETE"
CREATED = (200, 201, 207)

# Answers hold thousands of pairs. Decoded into what is read of them, and nothing else, they take a tenth of the time.
# What HubSpot may write as text or as a number, or leave out, is `Any`.


class _CreatedPair(Struct, gc=False, rename="camel"):
    from_object_id: Any = ""
    to_object_id: Any = ""
    labels: Any = None


class _CreateAnswer(Struct):
    results: list[_CreatedPair]
    status: Any = COMPLETE
    errors: Any = None


_RecordId = Annotated[int, Meta(ge=1, le=LARGEST_ID)]


class _PlainPair(Struct, gc=False, rename="camel"):
    from_object_id: _RecordId
    to_object_id: _RecordId
    labels: tuple[str, ...] | None = None


class _PlainAnswer(Struct):
    results: list[_PlainPair]
    status: Any = COMPLETE
    errors: Any = None


_CREATE = Decoder(_CreateAnswer)
_PLAIN = Decoder(_PlainAnswer, strict=False)
"""What is not `strict` takes a number that is written as text."""

_FROM, _TO, _LABELS = map(attrgetter, ("from_object_id", "to_object_id", "labels"))

T = TypeVar("T")


def decoded(decoder: Decoder[T], reply: Reply, statuses: Collection[int]) -> T:
    """Return an answer, whatever its `status` says; raises ServerFault for one that cannot be read."""
    try:
        answer = decoder.decode(reply.body)
    except ValidationError as error:
        raise unreadable_batch(reply, f"cannot be read: {printable(str(error))}") from error
    except (DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise not_json(reply) from error
    if reply.status not in statuses:
        raise unreadable_batch(reply, "has a status that says nothing of results")
    return answer


def not_complete(reply: Reply, status: object) -> ServerFault:
    """Return the error that an answer is which says that the work is not done."""
    return unreadable_batch(reply, f"is not complete ({printable(json_text(status))[:30]})")


class CreatedPairs(NamedTuple):
    """What a batch create says: the pairs set, by their labels; those refused, with why; the numbers of all others.

    `unexplained` is an error that could be about any of the pairs that are not mentioned. An answer that is not
    `complete` (CANCELED, PENDING, PROCESSING) may be about work that HubSpot is still at. `others` says that it speaks
    of pairs that were not sent: those of merged records, answered with the one that survives.
    """

    created: list[tuple[tuple[str, ...], Pairs]]
    refused: list[tuple[Pair, Refused]]
    unmentioned: Ids
    unexplained: Refused | None
    complete: bool = True
    others: bool = False


NONE = np.zeros(0, np.int64)


def created_pairs(reply: Reply, pairs: Pairs) -> CreatedPairs:
    """Read a batch create's answer (201, 207, or 200 in the dated versions), matched by pair, whatever its order.

    Which ids the context of an error names, and under what key, is not documented. Raises ServerFault for an answer
    that cannot be read.
    """
    if reply.status in CREATED and (created := _all_created(reply, pairs)):
        return CreatedPairs(created, [], NONE, None)
    return _created_one_by_one(reply, pairs)


def _all_created(reply: Reply, pairs: Pairs) -> list[tuple[tuple[str, ...], Pairs]]:
    """Return the pairs by their labels, if an answer is plain: it names each pair, and nothing else; else none."""
    try:
        answer = _PLAIN.decode(reply.body)
    except (ValidationError, DecodeError, RecursionError, UnicodeDecodeError):
        return []
    results = answer.results
    if answer.errors or answer.status != COMPLETE or len(results) != len(pairs):
        return []
    from_ids = np.fromiter(map(_FROM, results), np.int64, len(results))
    to_ids = np.fromiter(map(_TO, results), np.int64, len(results))
    sets = {each: place for place, each in enumerate(dict.fromkeys(map(_LABELS, results)))}
    labels = np.zeros(len(results), np.int32)
    if len(sets) > 1:
        labels[:] = [sets[each.labels] for each in results]
    if not (np.array_equal(from_ids, pairs.from_ids) and np.array_equal(to_ids, pairs.to_ids)):
        answered, sent = np.lexsort((to_ids, from_ids)), np.lexsort((pairs.to_ids, pairs.from_ids))
        pairs, labels = pairs.take(sent), labels[answered]
        if not (np.array_equal(from_ids[answered], pairs.from_ids) and np.array_equal(to_ids[answered], pairs.to_ids)):
            return []
    return [(labels_of(each), pairs.take(labels == place)) for place, each in enumerate(sets)]


def _created_one_by_one(reply: Reply, sent: Pairs) -> CreatedPairs:
    answer = decoded(_CREATE, reply, CREATED)
    pairs = list(sent.each())
    created, left, others = _matched(pairs, answer.results)
    merged = _merged(left, others, reply)
    left = [pair for pair in left if pair.pair_id not in merged]
    by_record = PairsByRecord(left)
    refused: dict[int, Refused] = {}
    unexplained = None
    for item in answer.errors if isinstance(answer.errors, list) else []:
        error = item_error(item, reply)
        named = by_record.refused(error)
        refused |= named
        unexplained = unexplained or (None if named else error)
    if unexplained is not None and len(left) == 1 and not refused:
        # Whatever it names or does not: there is only one pair that it can be about.
        refused, unexplained = {left[0].pair_id: unexplained}, None
    silent = [pair for pair in left if pair.pair_id not in refused]
    refused |= merged
    why = [(pair, refused[pair.pair_id]) for pair in pairs if pair.pair_id in refused]
    by_labels = [(labels, sent.take(np.isin(sent.numbers, _numbers(some)))) for labels, some in created.items()]
    return CreatedPairs(by_labels, why, _numbers(silent), unexplained, answer.status == COMPLETE, bool(others))


def _numbers(pairs: Sequence[Pair]) -> Ids:
    return np.array([pair.pair_id for pair in pairs], np.int64)


def _matched(
    pairs: Sequence[Pair], results: Sequence[_CreatedPair]
) -> tuple[dict[tuple[str, ...], list[Pair]], list[Pair], list[tuple[str, str]]]:
    """Return the pairs that results name, by the labels that these give them; those that none names; and the others.

    The others are the ids of pairs that were not sent.
    """
    found = {
        (json_text(each.from_object_id), json_text(each.to_object_id)): labels_of(each.labels) if each.labels else ()
        for each in results
    }
    created: dict[tuple[str, ...], list[Pair]] = {}
    left: list[Pair] = []
    for pair in pairs:
        labels = found.pop((pair.object_id, pair.to_object_id), None)
        (left if labels is None else created.setdefault(labels, [])).append(pair)
    return created, left, list(found)


def _merged(left: Sequence[Pair], others: Sequence[tuple[str, str]], reply: Reply) -> dict[int, RecordMerged]:
    """Return the pairs (by number) of a merged record, where a result about the survivor can mean one of them only."""
    if not others:
        return {}
    by_end = _by_end((pair, (pair.object_id, pair.to_object_id)) for pair in left)
    results = _by_end((ids, ids) for ids in others)
    merged: dict[int, RecordMerged] = {}
    for pair in left:
        ends = [(0, pair.object_id), (1, pair.to_object_id)]
        likely = [ids for end in ends for ids in results.get(end, ())]
        rivals = {each.pair_id for end in ends if end in results for each in by_end[end]}
        error = replies.merged_end(pair, *likely[0], reply.status) if len(likely) == len(rivals) == 1 else None
        if error is not None:
            merged[pair.pair_id] = error
    return merged


K = TypeVar("K")


def _by_end(named: Iterable[tuple[K, tuple[str, str]]]) -> dict[tuple[int, str], list[K]]:
    """Return what has a record at its from end (0) or its to end (1), by end and record id."""
    found: dict[tuple[int, str], list[K]] = defaultdict(list)
    for each, ids in named:
        for end in enumerate(ids):
            found[end].append(each)
    return found


def archived(reply: Reply) -> None:
    """Read the answer to `batch/archive` or `batch/labels/archive`: 204, or 200 with a body in the dated versions.

    Raises Refused when it holds an error, whatever that names: taking away again changes nothing, so the caller sends
    the others once more. Raises ServerFault for an answer that cannot be read, or that says that it is not done.
    """
    if reply.status == 204 or not reply.body.strip():
        return
    body = fields(reply)
    errors = body.get("errors")
    if isinstance(errors, list) and errors:
        refused = item_error(errors[0], reply)
        refused.context = context_of(body)
        raise refused
    if (status := body.get("status", COMPLETE)) != COMPLETE:
        raise not_complete(reply, status)


def item_error(error: object, reply: Reply) -> Refused:
    """Return one of the `errors` of a batch answer as the error it is for its record or pair."""
    item: Mapping[str, object] = error if isinstance(error, dict) else {"message": str(error)}
    return Refused(
        message_of(item, reply),
        status=reply.status,
        category=printable(json_text(item.get("category")) or "ERROR_IN_ANSWER"),
        correlation_id=correlation_id_of(item, reply),
        sentence=sentence_of(item),
        context=context_of(item),
    )


def unreadable_batch(reply: Reply, why: str) -> ServerFault:
    """Return the error that a batch's answer is which does not say what it should."""
    return replies.unreadable(reply, why, what="batch answer")
