"""The answer to a batch read: the associations of many records, in columns.

If an answer does not mention a record, that record is in doubt, unless the answer is known to leave out records without
associations.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from operator import attrgetter
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import DecodeError, Meta, Raw, Struct, ValidationError
from msgspec.json import Decoder

from loader.columns import Flags, Ids, Small
from loader.errors import ApiError, Refused
from loader.model import NO_TYPES, AssociationType, Types
from loader.send.api import LARGEST_ID, is_category, is_type_id
from loader.send.batch_replies import COMPLETE, decoded, item_error, not_complete, unreadable_batch
from loader.send.refusals import records_refused
from loader.send.replies import (
    LONGEST_AFTER,
    Reply,
    after_of,
    context_of,
    json_text,
    loads,
    not_json,
    record_id_of,
)

STATUSES = (200, 207)

_NONE_FOUND = "NO_ASSOCIATIONS_FOUND"

_MOST_TYPES = 1000
"""Types of one pair; HubSpot has at most some 60 between two object types."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Links:
    """Associations in columns: a record, an associated record, and the index of their types in `sets`.

    Two records may be in it twice, with different types; all of these count.
    """

    records: Ids
    others: Ids
    types: Small
    sets: tuple[Types, ...]

    def __len__(self) -> int:
        return len(self.records)

    def take(self, which: Flags) -> "Links":
        """Return some of the associations."""
        return replace(self, records=self.records[which], others=self.others[which], types=self.types[which])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Page:
    """The content of a batch read's answer, and where the next page of each record starts.

    A `plain` answer is about the requested records only and has all their associations; most are like that. The other
    fields are for all others. `mentioned` are the records that it has an entry for, `refused` those with an error;
    `unexplained` is an error that names none of them. If the answer is not `complete` (CANCELED, PENDING, PROCESSING),
    the records in neither must be read again. `others` are records that were not requested, or that it names twice:
    unmentioned records may be merged into these. `names_all`: it has an entry for records without associations, too.
    """

    links: Links
    after: Mapping[int, str] = field(default_factory=dict)
    plain: bool = False
    mentioned: Collection[int] = ()
    refused: Mapping[int, Refused] = field(default_factory=dict)
    unexplained: ApiError | None = None
    complete: bool = True
    others: Sequence[int] = ()
    names_all: bool = False


NO_LINKS = Links(
    records=np.zeros(0, np.int64), others=np.zeros(0, np.int64), types=np.zeros(0, np.int32), sets=(NO_TYPES,)
)


def joined(parts: Sequence[Links]) -> Links:
    """Join the associations of several answers; the first set of types is the empty one."""
    parts = (NO_LINKS, *parts)
    sets: dict[Types, int] = {}
    numbers = [np.array([sets.setdefault(each, len(sets)) for each in part.sets], np.int32) for part in parts]
    return Links(
        records=np.concatenate([part.records for part in parts]),
        others=np.concatenate([part.others for part in parts]),
        types=np.concatenate([number[part.types] for number, part in zip(numbers, parts, strict=True)]),
        sets=tuple(sets),
    )


def associated(reply: Reply, requested: Ids) -> Page:
    """Read a batch read's answer (200 or 207) about the requested records; ids in it are text or numbers.

    A record without associations is left out, or named in `errors` with the subcategory NO_ASSOCIATIONS_FOUND: neither
    is an error here. Raises ServerFault for an answer that cannot be read, or is not complete and has no entry; Refused
    if it only has an error that names none of the records.
    """
    return _plain(reply, requested) or _thorough(reply, set(requested.tolist()))


# --- plain answers: decoded into numbers, and nothing else, they take a fifth of the time


_RecordId = Annotated[int, Meta(ge=1, le=LARGEST_ID)]


class _PlainEnd(Struct, gc=False):
    id: _RecordId


class _PlainTarget(Struct, gc=False, rename="camel"):
    to_object_id: _RecordId
    association_types: Raw


class _PlainResult(Struct, gc=False):
    from_: _PlainEnd = msgspec.field(name="from")
    to: list[_PlainTarget]
    paging: Any = None


class _PlainContext(Struct, gc=False, rename="camel"):
    from_object_id: list[_RecordId] = []


class _NoneFound(Struct, gc=False, rename="camel"):
    sub_category: str
    context: _PlainContext


class _PlainAnswer(Struct):
    results: list[_PlainResult]
    status: Any = COMPLETE
    errors: list[_NoneFound] | None = None


_PLAIN = Decoder(_PlainAnswer, strict=False)
"""What is not `strict` takes a number that is written as text."""

_RECORD, _TARGETS = attrgetter("from_.id"), attrgetter("to")
_OTHER, _ITS_TYPES = attrgetter("to_object_id"), attrgetter("association_types")


def _plain(reply: Reply, requested: Ids) -> Page | None:
    """Return the content of a plain answer, else None: only requested records, each once, and no error."""
    try:
        answer = _PLAIN.decode(reply.body)
    except (ValidationError, DecodeError, RecursionError, UnicodeDecodeError):
        return None
    results, errors = answer.results, answer.errors or []
    without = [record for error in errors for record in error.context.from_object_id]
    named = [*map(_RECORD, results), *without]
    is_plain = (
        reply.status in STATUSES
        and answer.status == COMPLETE
        and all(_NONE_FOUND in error.sub_category for error in errors)
        and (not without or len(named) == len(requested))
        and len(set(named)) == len(named)
        and set(requested.tolist()).issuperset(named)
    )
    if not is_plain:
        return None
    targets = list(chain.from_iterable(map(_TARGETS, results)))
    texts = list(map(bytes, map(_ITS_TYPES, targets)))
    # There are thousands of texts, but few distinct ones.
    places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    links = Links(
        records=np.repeat(np.array(named[: len(results)], np.int64), [len(each.to) for each in results]),
        others=np.fromiter(map(_OTHER, targets), np.int64, len(targets)),
        types=np.fromiter(map(places.__getitem__, texts), np.int32, len(texts)),
        sets=tuple(_types(text, reply) for text in places),
    )
    after = {each.from_.id: text for each in results if each.paging and (text := _next_page(each.paging, reply))}
    return Page(links=links, after=after, plain=True)


# --- all others


class _End(Struct, gc=False):
    id: Any = ""


class _Target(Struct, gc=False, rename="camel"):
    to_object_id: Any = ""
    association_types: Raw = Raw(b"null")


class _Result(Struct, gc=False):
    from_: _End = msgspec.field(name="from")
    to: list[_Target]
    paging: Any = None


class _Answer(Struct):
    results: list[_Result]
    status: Any = COMPLETE
    errors: Raw = Raw(b"null")


class _Type(Struct, rename="camel"):
    category: Any = None
    type_id: Any = None


_ANSWER = Decoder(_Answer)
_TYPES = Decoder(list[_Type])


def _thorough(reply: Reply, requested: Collection[int]) -> Page:
    answer = decoded(_ANSWER, reply, STATUSES)
    found: list[tuple[int, int, Types]] = []
    mentioned: set[int] = set()
    others: list[int] = []
    after: dict[int, str] = {}
    for result in answer.results:
        record = record_id_of(result.from_.id)
        if not record:
            raise unreadable_batch(reply, "names a record without its id")
        if record not in requested or record in mentioned:
            others.append(record)
        if record in requested:
            mentioned.add(record)
            for target in result.to:
                if not (other := record_id_of(target.to_object_id)):
                    raise unreadable_batch(reply, "names an associated record without its id")
                found.append((record, other, _types(bytes(target.association_types), reply)))
            if text := _next_page(result.paging, reply):
                after[record] = text
    page = Page(
        links=links_of(found),
        after=after,
        mentioned=mentioned,
        complete=answer.status == COMPLETE,
        others=others,
    )
    page = _with_errors(page, loads(bytes(answer.errors)), requested, reply)
    if not (page.complete or page.mentioned or page.refused or page.others):
        raise page.unexplained or not_complete(reply, answer.status)
    return page


def links_of(found: Sequence[tuple[int, int, Types]]) -> Links:
    """Convert associations to columns: each has a record, an associated record, and their types."""
    sets: dict[Types, int] = {}
    records, others, types = zip(*found, strict=True) if found else ((), (), ())
    return Links(
        records=np.array(records, np.int64),
        others=np.array(others, np.int64),
        types=np.array([sets.setdefault(each, len(sets)) for each in types], np.int32),
        sets=tuple(sets),
    )


def united(links: Links) -> Links:
    """Merge associations of the same two records: each pair is there once, with all its types."""
    found: dict[tuple[int, int], Types] = {}
    columns = (links.records.tolist(), links.others.tolist(), links.types.tolist())
    for record, other, place in zip(*columns, strict=True):
        found[record, other] = found.get((record, other), NO_TYPES) | links.sets[place]
    return links_of([(*ends, types) for ends, types in found.items()])


def _types(text: bytes, reply: Reply) -> Types:
    try:
        named = _TYPES.decode(text)
    except ValidationError as error:
        raise unreadable_batch(reply, "names an associated record without its types") from error
    except (DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise not_json(reply) from error
    if len(named) > _MOST_TYPES:
        raise unreadable_batch(reply, f"gives one pair more than {_MOST_TYPES} association types")
    for each in named:
        if not is_category(json_text(each.category)) or not is_type_id(json_text(each.type_id)):
            raise unreadable_batch(reply, "names an association type without its category or its id")
    return frozenset(AssociationType(each.category, int(each.type_id)) for each in named)


def _next_page(paging: object, reply: Reply) -> str:
    after = after_of(paging)
    if len(after) > LONGEST_AFTER:
        raise unreadable_batch(reply, "names a next page by an endless text")
    return after


def _with_errors(page: Page, errors: object, requested: Collection[int], reply: Reply) -> Page:
    texts = frozenset(map(str, requested))
    without: list[int] = []
    refused: dict[int, Refused] = {}
    unexplained = None
    for error in errors if isinstance(errors, list) else []:
        if isinstance(error, dict) and _NONE_FOUND in str(error.get("subCategory")):
            without += filter(None, map(record_id_of, context_of(error).get("fromObjectId", ())))
            continue
        why = item_error(error, reply)
        by_record = records_refused(why, texts)
        refused |= {int(record): each for record, each in by_record.items()}
        unexplained = unexplained or (None if by_record else why)
    return replace(
        page,
        mentioned={*page.mentioned, *(each for each in without if each in requested)},
        others=[*page.others, *(each for each in without if each not in requested)],
        names_all=bool(without),
        refused=refused,
        unexplained=unexplained,
    )
