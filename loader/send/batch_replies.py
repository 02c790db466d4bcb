"""What the answers of HubSpot's batch endpoints mean; matched by the ids they name, never by position.

An answer that says of a record neither what it has nor why not leaves that record in doubt, unless it is known to leave
out records that have nothing.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Annotated, Any, NamedTuple, TypeVar

import numpy as np
from msgspec import DecodeError, Meta, Raw, Struct, ValidationError, field
from msgspec.json import Decoder

from loader.errors import ApiError, RecordMerged, Refused, ServerFault
from loader.model import AssociationType, Numbers, Pair, Pairs, Types
from loader.send import replies
from loader.send.refusals import PairsByRecord, records_refused
from loader.send.replies import (
    RECORD_ID,
    Reply,
    context_of,
    correlation_id_of,
    fields,
    labels_of,
    loads,
    message_of,
    not_json,
    printable,
    sentence_of,
    text_of,
)

COMPLETE = "COMPLETE"
CREATED = (200, 201, 207)
_NONE_FOUND = "NO_ASSOCIATIONS_FOUND"
_CATEGORY = re.compile(r"[A-Z][A-Z_]{0,49}", re.ASCII)
_LARGEST_TYPE_ID = 2**31 - 1
_LARGEST_ID = 2**63 - 1

_MOST_TYPES = 1000
"""Of one pair; HubSpot has some 60 between two object types at most."""

_LONGEST_AFTER = 1000

# Answers hold thousands of pairs. Decoded into what is read of them, and nothing else, they take a tenth of the time.
# What HubSpot may write as text or as a number, or leave out, is `Any`.


class _End(Struct, gc=False):
    id: Any = ""


class _Target(Struct, gc=False, rename="camel"):
    to_object_id: Any = ""
    association_types: Raw = Raw(b"null")


class _Result(Struct, gc=False):
    from_: _End = field(name="from")
    to: list[_Target]
    paging: Any = None


class _ReadAnswer(Struct):
    results: list[_Result]
    status: Any = COMPLETE
    errors: Raw = Raw(b"null")


class _Context(Struct, gc=False, rename="camel"):
    from_object_id: list[str] = []


class _NoneFound(Struct, gc=False, rename="camel"):
    sub_category: str
    context: _Context


class _Type(Struct, rename="camel"):
    category: Any = None
    type_id: Any = None


class _CreatedPair(Struct, gc=False, rename="camel"):
    from_object_id: Any = ""
    to_object_id: Any = ""
    labels: Any = None


class _CreateAnswer(Struct):
    results: list[_CreatedPair]
    status: Any = COMPLETE
    errors: Any = None


_RecordId = Annotated[int, Meta(ge=1, le=_LARGEST_ID)]


class _PlainPair(Struct, gc=False, rename="camel"):
    from_object_id: _RecordId
    to_object_id: _RecordId
    labels: Raw = Raw(b"null")


class _PlainAnswer(Struct):
    results: list[_PlainPair]
    status: Any = COMPLETE
    errors: Any = None


_READ = Decoder(_ReadAnswer)
_ALL_NONE_FOUND = Decoder(list[_NoneFound])
_TYPES = Decoder(list[_Type])
_CREATE = Decoder(_CreateAnswer)
_PLAIN = Decoder(_PlainAnswer, strict=False)
"""What is not `strict` takes a number that is written as text."""

T = TypeVar("T", _ReadAnswer, _CreateAnswer)


def _decoded(decoder: Decoder[T], reply: Reply, statuses: Collection[int]) -> T:
    """Return an answer, whatever its `status` says; raises ServerFault for one that cannot be read."""
    try:
        answer = decoder.decode(reply.body)
    except ValidationError as error:
        raise _unreadable(reply, f"cannot be read: {printable(str(error))}") from error
    except (DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise not_json(reply) from error
    if reply.status not in statuses:
        raise _unreadable(reply, "has a status that says nothing of results")
    return answer


def _not_complete(reply: Reply, status: object) -> ServerFault:
    return _unreadable(reply, f"is not complete ({printable(text_of(status))[:30]})")


class Page(NamedTuple):
    """What a batch read says: associated records and their types by record, and where the next page of each starts.

    `refused` are the records that it names an error for; `unexplained` is an error that names none of them. Where the
    answer is not `complete` (CANCELED, PENDING, PROCESSING), the records in neither are to be asked for again.
    `others` are the records that were not asked for, or that it names twice: some that it does not mention are merged
    into them. `names_all` says that it has an entry for records without associations, too.
    """

    found: dict[str, dict[str, Types]]
    after: dict[str, str]
    refused: dict[str, Refused]
    unexplained: ApiError | None
    complete: bool = True
    others: tuple[str, ...] = ()
    names_all: bool = False


def associated(reply: Reply, asked: Collection[str]) -> Page:
    """Read a batch read's answer (200 or 207) about the records asked for; ids are text or numbers in it.

    A record without associations is left out, or named in `errors` with the subcategory NO_ASSOCIATIONS_FOUND: neither
    is an error here. Raises ServerFault for an answer that cannot be read, and for one that is not complete and says
    nothing; Refused where all that it says is an error that names none of the records.
    """
    answer = _decoded(_READ, reply, (200, 207))
    page = Page({}, {}, {}, None, answer.status == COMPLETE)
    known: Known = {}
    for result in answer.results:
        record_id = _record_id(result.from_.id)
        if not record_id:
            raise _unreadable(reply, "names a record without its id")
        if record_id not in asked:
            page = page._replace(others=(*page.others, record_id))
            continue
        if record_id in page.found:
            page = page._replace(others=(*page.others, record_id))
        _take(result, page.found.setdefault(record_id, {}), known, reply)
        if after := _next_page(result.paging, reply):
            page.after[record_id] = after
    page = _with_errors(page, answer.errors, asked, reply)
    if not (page.complete or page.found or page.refused or page.others):
        raise page.unexplained or _not_complete(reply, answer.status)
    return page


def _record_id(value: object) -> str:
    """Return a record id, written as text or as a number, as text; blank for anything else."""
    if type(value) is int:
        return str(value) if 0 < value <= _LARGEST_ID else ""
    is_one = type(value) is str and RECORD_ID.fullmatch(value) and int(value) <= _LARGEST_ID
    return str(value) if is_one else ""


Known = dict[bytes, Types]
"""Sets of types by the very text of an answer: it holds thousands of pairs, and few different sets."""


def _take(result: _Result, found: dict[str, Types], known: Known, reply: Reply) -> None:
    for target in result.to:
        to_id = _record_id(target.to_object_id)
        if not to_id:
            raise _unreadable(reply, "names an associated record without its id")
        text = bytes(target.association_types)
        types = known.get(text)
        if types is None:
            types = known[text] = _types(text, reply)
        found[to_id] = found[to_id] | types if to_id in found else types


def _types(text: bytes, reply: Reply) -> Types:
    try:
        named = _TYPES.decode(text)
    except ValidationError as error:
        raise _unreadable(reply, "names an associated record without its types") from error
    except (DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise not_json(reply) from error
    if len(named) > _MOST_TYPES:
        raise _unreadable(reply, f"gives one pair more than {_MOST_TYPES} association types")
    return frozenset(_type(each.category, text_of(each.type_id), reply) for each in named)


def _type(category: object, type_id: str, reply: Reply) -> AssociationType:
    if not isinstance(category, str) or not is_category(category) or not is_type_id(type_id):
        raise _unreadable(reply, "names an association type without its category or its id")
    return AssociationType(category, int(type_id))


def is_category(text: str) -> bool:
    """Return True for what can be an association category, also one that HubSpot adds later."""
    return _CATEGORY.fullmatch(text) is not None


def is_type_id(text: str) -> bool:
    """Return True for what can be an association type's id: the API's `associationTypeId` is an int32."""
    return text.isascii() and text.isdigit() and len(text) <= 10 and 0 < int(text) <= _LARGEST_TYPE_ID


def _next_page(paging: object, reply: Reply) -> str:
    following = paging.get("next") if isinstance(paging, dict) else None
    after = text_of(following.get("after")) if isinstance(following, dict) else ""
    if len(after) > _LONGEST_AFTER:
        raise _unreadable(reply, "names a next page by an endless text")
    return after


class Created(NamedTuple):
    """What a batch create says: the pairs set, by their labels; those refused, with why; the numbers of all others.

    `unexplained` is an error that could be about any of the pairs that are not mentioned. An answer that is not
    `complete` (CANCELED, PENDING, PROCESSING) may be about work that HubSpot is still at. `others` says that it speaks
    of pairs that were not sent: those of merged records, answered with the one that survives.
    """

    created: list[tuple[tuple[str, ...], Pairs]]
    refused: list[tuple[Pair, Refused]]
    unmentioned: Numbers
    unexplained: Refused | None
    complete: bool = True
    others: bool = False


NONE = np.zeros(0, np.int64)


def created_pairs(reply: Reply, pairs: Pairs) -> Created:
    """Read a batch create's answer (201, 207, or 200 in the dated versions), matched by pair, whatever its order.

    Which ids the context of an error names, and under what key, is not documented. Raises ServerFault for an answer
    that cannot be read.
    """
    if reply.status in CREATED and (created := _all_created(reply, pairs)):
        return Created(created, [], NONE, None)
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
    from_ids = np.fromiter((each.from_object_id for each in results), np.int64, len(results))
    to_ids = np.fromiter((each.to_object_id for each in results), np.int64, len(results))
    texts: dict[bytes, int] = {}
    places = [texts.setdefault(bytes(each.labels), len(texts)) for each in results]
    labels = np.array(places, np.int32)
    if not (np.array_equal(from_ids, pairs.from_ids) and np.array_equal(to_ids, pairs.to_ids)):
        answered, sent = np.lexsort((to_ids, from_ids)), np.lexsort((pairs.to_ids, pairs.from_ids))
        pairs, labels = pairs.take(sent), labels[answered]
        if not (np.array_equal(from_ids[answered], pairs.from_ids) and np.array_equal(to_ids[answered], pairs.to_ids)):
            return []
    if len(texts) == 1:
        return [(labels_of(loads(text)), pairs) for text in texts]
    return [(labels_of(loads(text)), pairs.take(labels == place)) for text, place in texts.items()]


def _created_one_by_one(reply: Reply, sent: Pairs) -> Created:
    answer = _decoded(_CREATE, reply, CREATED)
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
    return Created(by_labels, why, _numbers(silent), unexplained, answer.status == COMPLETE, bool(others))


def _numbers(pairs: Sequence[Pair]) -> Numbers:
    return np.array([pair.pair_id for pair in pairs], np.int64)


def _matched(
    pairs: Sequence[Pair], results: Sequence[_CreatedPair]
) -> tuple[dict[tuple[str, ...], list[Pair]], list[Pair], list[tuple[str, str]]]:
    """Return the pairs that results name, by the labels that these give them; those that none names; and the others.

    The others are the ids of pairs that were not sent.
    """
    found = {
        (text_of(each.from_object_id), text_of(each.to_object_id)): labels_of(each.labels) if each.labels else ()
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
        raise _not_complete(reply, status)


def _with_errors(page: Page, text: Raw, asked: Collection[str], reply: Reply) -> Page:
    if (without := _none_found(text)) is not None:
        page.found.update((each, {}) for each in without if each in asked and each not in page.found)
        others = tuple(each for each in without if each not in asked)
        return page._replace(others=page.others + others, names_all=page.names_all or bool(without))
    unexplained = None
    errors = loads(bytes(text))
    for error in errors if isinstance(errors, list) else []:
        if isinstance(error, dict) and _NONE_FOUND in str(error.get("subCategory")):
            named = context_of(error).get("fromObjectId", ())
            page.found.update((each, {}) for each in named if each in asked and each not in page.found)
            others = tuple(each for each in named if each not in asked)
            page = page._replace(others=page.others + others, names_all=page.names_all or bool(named))
            continue
        refused = item_error(error, reply)
        by_record = records_refused(refused, asked)
        page.refused.update(by_record)
        unexplained = unexplained or (None if by_record else refused)
    return page._replace(unexplained=unexplained)


def _none_found(text: Raw) -> list[str] | None:
    """Return the records of which errors say that they have no associations; None for errors that say anything else."""
    try:
        errors = _ALL_NONE_FOUND.decode(text)
    except (ValidationError, DecodeError, RecursionError, UnicodeDecodeError):
        return None
    if not all(_NONE_FOUND in error.sub_category for error in errors):
        return None
    return [record_id for error in errors for record_id in error.context.from_object_id]


def item_error(error: object, reply: Reply) -> Refused:
    """Return one of the `errors` of a batch answer as the error it is for its record or pair."""
    item: Mapping[str, object] = error if isinstance(error, dict) else {"message": str(error)}
    return Refused(
        message_of(item, reply),
        status=reply.status,
        category=printable(text_of(item.get("category")) or "ERROR_IN_ANSWER"),
        correlation_id=correlation_id_of(item, reply),
        sentence=sentence_of(item),
        context=context_of(item),
    )


def _unreadable(reply: Reply, why: str) -> ServerFault:
    return ServerFault(
        f"HubSpot's batch answer ({reply.status}) {why}", status=reply.status, category="UNREADABLE_ANSWER"
    )
