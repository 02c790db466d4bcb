"""Pairs that would give a record more associations than the portal allows are rejected before anything is sent.

An admin may limit how many records one record can be associated with, by association type (HubSpot: "Set limits for
associations"). These limits are read from the portal, and a record's own count only for a limited type.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, islice
from typing import NamedTuple

from loader.model import AssociationType, Direction, Specification, Types
from loader.planning.association_types import AssociationTypes
from loader.planning.names import learn
from loader.planning.staging import Staging
from loader.send.portal import GatewayPortal
from loader.send.reading import RECORDS_PER_READ, CurrentAssociations
from loader.text import counted

NO_LIMIT = 500_000
"""The largest limit that can be set (documented); HubSpot returns it for types without a limit (observed)."""


class Limited(NamedTuple):
    """A limited type of one direction, and which requests' pairs it concerns; True: the record is at their to end."""

    direction: Direction
    type: AssociationType
    most: int
    pairs: Sequence[tuple[int, bool]]


async def reject_beyond_limits(
    staging: Staging,
    specifications: Mapping[int, Specification],
    types: AssociationTypes,
    portal: GatewayPortal,
    current: CurrentAssociations,
) -> None:
    """Reject the pairs that would exceed a limit, in the order of their rows; present associations count, too.

    A record that cannot be read is left to HubSpot. Raises Fatal when nothing can be read.
    """
    limits = {kind: most for kind, most in (await portal.limits()).items() if most < NO_LIMIT}
    for direction in _directions(specifications) if limits else ():
        # A label has another type id at the other end, which only the portal knows: one contact of a firm as "Boss".
        if not types.looked_up(direction):
            await learn(direction, types, portal, insist=False)
    for limited in _limited(limits, specifications, types):
        refused: dict[int, str] = {}
        by_record = groupby(staging.pairs_by_record(limited.pairs), key=lambda row: row[0])
        records = ((record, [(other, pair) for _, other, pair in rows]) for record, rows in by_record)
        while some := dict(islice(records, RECORDS_PER_READ)):
            reading = await current.read(limited.direction, list(some))
            for record, pairs in some.items():
                if record not in reading.unreadable:
                    refused |= _beyond(limited, record, pairs, reading.of(record), types)
        staging.reject_pairs("OVER_ASSOCIATION_LIMIT", refused)


def _directions(specifications: Mapping[int, Specification]) -> list[Direction]:
    """Return the directions in use, each from both ends."""
    directions = {each.direction for each in specifications.values()}
    return sorted(directions | {direction[::-1] for direction in directions})


def _limited(
    limits: Mapping[AssociationType, int], specifications: Mapping[int, Specification], types: AssociationTypes
) -> Iterator[Limited]:
    """Yield each limited type of the directions in use, seen from the end whose records it limits.

    Primary types are left out: a record's new primary record takes the place of the old one.
    """
    for direction in _directions(specifications):
        for kind in limits.keys() & {entry.type for entry in types.of(direction) if entry.single != "from"}:
            pairs = [
                (request, at_to)
                for request, specification in specifications.items()
                for at_to in _ends(kind, direction, specification, types)
            ]
            if pairs:
                yield Limited(direction, kind, limits[kind], pairs)


def _ends(
    kind: AssociationType, direction: Direction, specification: Specification, types: AssociationTypes
) -> Iterator[bool]:
    """Yield the ends at which a request's pairs get a type: False for the from end, True for the to end.

    HubSpot gives every pair the type without a label, too.
    """
    own = specification.direction
    plain = types.unlabelled(direction)
    unlabelled = plain is not None and plain.type == kind
    if own == direction and (unlabelled or kind in specification.types):
        yield False
    inverses = types.inverses(own)
    if own[::-1] == direction and (unlabelled or kind in map(inverses.get, specification.types)):
        yield True


def _beyond(
    limited: Limited,
    record: int,
    pairs: Sequence[tuple[int, int]],
    held: Mapping[int, Types],
    types: AssociationTypes,
) -> dict[int, str]:
    """Return the pairs of one record that would exceed the limit, each with the message for its rows."""
    having = {other for other, its in held.items() if limited.type in its}
    added = [pair for other, pair in pairs if other not in having]
    room = max(0, limited.most - len(having))
    if len(added) <= room:
        return {}
    category, type_id = limited.type
    message = (
        f"record {record} has {counted(len(having), 'association')} of {category} {type_id} "
        f"({types.shown(limited.direction)}) "
        f"and would have {len(having) + len(added):,}, but this HubSpot account allows {limited.most:,}: remove "
        "some, or "
        "raise the limit in HubSpot's settings"
    )
    return dict.fromkeys(added[room:], message)
