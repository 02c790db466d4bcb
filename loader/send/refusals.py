"""The meaning of a refused batch: the pairs, or the records, that HubSpot names in its context.

Since September 2026 HubSpot refuses a whole batch with 400 if one record id does not exist. The context names all such
ids, or only the first of them: `objectId`, `objectType` and `INVALID_OBJECT_IDS` (`CONTACT=7 is not valid`).
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from loader.columns import Ids
from loader.errors import Refused
from loader.model import Pair
from loader.object_type_names import STANDARD, TYPE_IDS, folded
from loader.send import replies

_INVALID_ID = re.compile(r"([A-Za-z0-9_-]+)=([1-9][0-9]{0,18})\b.*", re.ASCII | re.DOTALL)

_IDS = re.compile(r"((object|record)_?)?ids?", re.ASCII | re.IGNORECASE)
"""Keys of a context that hold record ids; those of one end are `fromObjectId` and `toObjectId`."""


MOST_REFUSALS = 48
"""Consecutive refusals of one batch: if each names only one record, halves succeed sooner."""

T = TypeVar("T", Sequence[Pair], Sequence[int], Ids)


class NamedRecord(NamedTuple):
    """A record that an error names; `called` is HubSpot's name of its object type, `text` the whole text, or blank."""

    record_id: str
    called: str
    text: str


class AfterRefusal(NamedTuple):
    """The meaning of a refusal: the refused pairs, each with its own error, and what must be sent again."""

    refused: list[tuple[Pair, Refused]]
    again: list[Sequence[Pair]]


def after_refusal(error: Refused, pairs: Sequence[Pair]) -> AfterRefusal:
    """Divide the pairs of a refused request, all of one direction.

    The pairs that the error names are refused, and the others are sent again; if it names none, in halves. An error
    about a limit names a record, but some of its pairs may still succeed: they are sent by themselves.
    """
    if len(pairs) == 1:
        return AfterRefusal([(pairs[0], error)], [])
    refused = PairsByRecord(pairs).refused(error)
    named = [pair for pair in pairs if pair.pair_id in refused]
    others = [pair for pair in pairs if pair.pair_id not in refused]
    if not named or (not others and _is_limit(error)):
        return AfterRefusal([], halves(pairs))
    if _is_limit(error):
        return AfterRefusal([], [named, others])
    return AfterRefusal([(pair, refused[pair.pair_id]) for pair in named], [others] if others else [])


def halves(batch: T) -> list[T]:
    """Return a batch in two halves, or in one if it has a single item."""
    middle = len(batch) // 2
    return [half for half in (batch[:middle], batch[middle:]) if len(half)]


def records_refused(error: Refused, records: Collection[str]) -> dict[str, Refused]:
    """Return the records, all of one object type, that an error names, each with its own error."""
    named_records = _named_records(error.context)
    found: dict[str, list[str]] = {}
    for record_id in error.context.get("fromObjectId", ()):
        found.setdefault(record_id, [])
    for record in named_records:
        found.setdefault(record.record_id, []).append(record.text)
    return {
        record_id: _narrowed(error, texts, named_records) for record_id, texts in found.items() if record_id in records
    }


class PairsByRecord:
    """Pairs of one direction, by the records at their ends and by their association types."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._object_types = (pairs[0].object_type, pairs[0].to_object_type) if pairs else ("", "")
        self._ends: tuple[dict[str, list[Pair]], dict[str, list[Pair]]] = defaultdict(list), defaultdict(list)
        self._typed: dict[str, list[Pair]] = defaultdict(list)
        for pair in pairs:
            self._ends[0][pair.object_id].append(pair)
            self._ends[1][pair.to_object_id].append(pair)
            for type_ in pair.types:
                self._typed[f"{type_.category}={type_.type_id}"].append(pair)

    def refused(self, error: Refused) -> dict[int, Refused]:
        """Return the pairs (by number) that an error names, each with an error only about itself.

        By both ids, if it gives both; else by records, or by an association type that the portal does not have.
        """
        from_ids, to_ids = (error.context.get(key, ()) for key in ("fromObjectId", "toObjectId"))
        if from_ids or to_ids:
            return {pair.pair_id: error for pair in self._between(from_ids, to_ids)}
        named_records = _named_records(error.context)
        texts = _messages_of_pairs([(record.text, self._of(record)) for record in named_records])
        refused = {pair_id: _narrowed(error, own, named_records) for pair_id, own in texts.items()}
        for specification in error.context.get("associationSpec", ()):
            refused |= {pair.pair_id: error for pair in self._typed.get(specification, ())}
        return refused

    def _between(self, from_ids: Sequence[str], to_ids: Sequence[str]) -> Iterable[Pair]:
        """Return the pairs of these ids; if both lists have the same length, their items belong together one by one."""
        ends = self._ends
        if not from_ids or not to_ids:
            here, ids = (ends[0], from_ids) if from_ids else (ends[1], to_ids)
            return [pair for one in ids for pair in here.get(one, ())]
        if len(from_ids) == len(to_ids):
            both = zip(from_ids, to_ids, strict=True)
            return [pair for one, other in both for pair in ends[0].get(one, ()) if pair.to_object_id == other]
        others = frozenset(to_ids)
        return [pair for one in from_ids for pair in ends[0].get(one, ()) if pair.to_object_id in others]

    def _of(self, record: NamedRecord) -> list[Pair]:
        """Return the pairs of a record; none if two records of different types have its number."""
        found = [
            here.get(record.record_id, [])
            for here, object_type in zip(self._ends, self._object_types, strict=True)
            if not record.called or _is_called(record.called, object_type)
        ]
        if len(found) == 2 and all(found) and len(set(self._object_types)) == 2:
            return []
        return [pair for pairs in found for pair in pairs]


def _messages_of_pairs(named: Sequence[tuple[str, Sequence[Pair]]]) -> dict[int, list[str]]:
    """Return errors by pair, from errors about records.

    If both records of a pair are named, their association may be wrong: then their other pairs are not refused.
    """
    times = Counter(pair.pair_id for _, pairs in named for pair in pairs)
    messages: dict[int, list[str]] = defaultdict(list)
    for text, pairs in named:
        both = [pair for pair in pairs if times[pair.pair_id] > 1]
        for pair in both or pairs:
            messages[pair.pair_id].append(text)
    return messages


def _is_called(called: str, object_type: str) -> bool:
    """Return True if this may be HubSpot's name of an object type: `CONTACT`, `LINE_ITEM`; any for custom objects."""
    known = TYPE_IDS.get(folded(called)) or (called if called in STANDARD else None)
    return known == object_type if known else called == object_type or object_type not in STANDARD


def _named_records(context: Mapping[str, tuple[str, ...]]) -> list[NamedRecord]:
    """Return the records that an error names, each once with all texts about it."""
    matches = [match for text in context.get("INVALID_OBJECT_IDS", ()) if (match := _INVALID_ID.fullmatch(text))]
    found = [NamedRecord(match[2], match[1], match[0]) for match in matches]
    named = {record.record_id for record in found}
    types = context.get("objectType", ())
    for key, ids in context.items():
        if not _IDS.fullmatch(key):
            continue
        called = types if len(types) == len(ids) else types[:1] * len(ids) if len(types) == 1 else ("",) * len(ids)
        found += [NamedRecord(one, name, "") for one, name in zip(ids, called, strict=True) if one not in named]
    return found


def _narrowed(error: Refused, texts: Iterable[str], named_records: Sequence[NamedRecord]) -> Refused:
    """Return the error for one of the records that it names: the others are left out of its message."""
    own = tuple(text for text in dict.fromkeys(texts) if text)
    if len(named_records) < 2 or not own:
        return error
    context = {"INVALID_OBJECT_IDS": own}
    narrowed = Refused(
        replies.with_details(error.sentence, context),
        status=error.status,
        category=error.category,
        correlation_id=error.correlation_id,
        sentence=error.sentence,
        context=context,
    )
    narrowed.attempts = error.attempts
    return narrowed


def _is_limit(error: Refused) -> bool:
    words = (error.category, error.message, *error.context)
    return any("LIMIT" in word for word in words)
