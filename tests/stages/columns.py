"""Pairs and associations in columns, made of single ones, and looked at one by one."""

from collections.abc import Iterable, Mapping

import numpy as np

from loader.errors import ApiError
from loader.model import Direction, Intent, Pair, Pairs, Types
from loader.send.clocks import Moment
from loader.send.links import Links, links_of
from loader.send.outgoing import Draft, DraftSource, as_wanted
from loader.send.reading import Reading

Found = Mapping[str, Mapping[str, Types]]
"""By record the records that it is associated with, and by which types."""


def reading_of(found: Found, unreadable: Mapping[str, ApiError], read_at: Moment | None = None) -> Reading:
    """Return a reading that found this."""
    links = [(int(one), int(other), types) for one, its in found.items() for other, types in its.items()]
    return Reading([links_of(links)], {int(each): error for each, error in unreadable.items()}, read_at)


def found_in(reading: Reading, ids: Iterable[str]) -> Found:
    """Return what a reading found of records, without those that could not be read."""
    readable = [each for each in ids if int(each) not in reading.unreadable]
    return {each: {str(other): types for other, types in reading.of(int(each)).items()} for each in readable}


def by_record(links: Links) -> dict[str, dict[str, Types]]:
    """Return associations by their records."""
    found: dict[str, dict[str, Types]] = {}
    for one, other, types in zip(links.records.tolist(), links.others.tolist(), links.types.tolist(), strict=True):
        its = found.setdefault(str(one), {})
        its[str(other)] = its.get(str(other), frozenset()) | links.sets[types]
    return found


def draft_of(given: Iterable[Pair]) -> Draft:
    """Return pairs as a request in preparation, sent as they are."""
    return Draft(as_wanted(pairs_of(given)), DraftSource())


def pairs_of(given: Iterable[Pair], direction: Direction = ("0-1", "0-2")) -> Pairs:
    """Return pairs of one direction as the journal hands them out."""
    pairs = list(given)
    intents = [
        Intent(
            types=pair.types,
            before=pair.before,
            dropped=pair.dropped,
            contested=pair.contested,
            unchanged=pair.unchanged,
            gone=pair.gone,
        )
        for pair in pairs
    ]
    table = list(dict.fromkeys(intents))
    return Pairs(
        direction=direction,
        numbers=np.array([pair.pair_id for pair in pairs], np.int64),
        from_ids=np.array([int(pair.object_id) for pair in pairs], np.int64),
        to_ids=np.array([int(pair.to_object_id) for pair in pairs], np.int64),
        rows=np.array([pair.rows for pair in pairs], np.int32),
        intents=np.array([table.index(intent) for intent in intents], np.int32),
        table=tuple(table),
    )
