"""The names of a whole load are resolved at once: by the standard tables, and by the portal for all others."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from loader.errors import MissingScope, UsageError
from loader.model import Direction, Problem, Resolved, RowKind
from loader.object_type_names import STANDARD
from loader.planning.association_types import AssociationTypes
from loader.planning.object_types import ObjectTypes
from loader.planning.resolve import (
    Verdict,
    direction_of,
    known_by_table,
    names_whole_pair,
    needs_portal,
    resolve,
    resolve_removal,
)
from loader.send.portal import GatewayPortal
from loader.settings import InputSettings

_PERHAPS_OTHER_END = frozenset({"ASSOCIATION_LABEL_NOT_FOUND", "WRONG_ASSOCIATION_TYPE_ID"})


class Names(NamedTuple):
    """The verdict on each kind of row, the directions that could not be checked without a portal, and the names."""

    verdicts: dict[int, Verdict]
    unchecked: list[Direction]
    object_types: ObjectTypes
    types: AssociationTypes


async def resolve_names(kinds: Mapping[int, RowKind], portal: GatewayPortal | None, *, removes: bool = False) -> Names:
    """Resolve the kinds of rows; the portal is asked only if the standard tables do not suffice, once a direction.

    `removes`: what the rows name is to be taken off.
    """
    by = resolve_removal if removes else resolve
    type_names = {name for row_kind in kinds.values() for name in (row_kind.object_type, row_kind.to_object_type)}
    names = await object_types(type_names, portal)
    directions = {kind: direction_of(row_kind, names) for kind, row_kind in kinds.items()}
    types = AssociationTypes(offline=portal is None, names=names)
    unchecked: list[Direction] = []
    known = {kind: direction for kind, direction in directions.items() if not isinstance(direction, Problem)}
    unknown: dict[Direction, list[RowKind]] = {}
    for kind, direction in known.items():
        if removes and names_whole_pair(kinds[kind]):
            continue
        if needs_portal(kinds[kind], direction, types):
            unknown.setdefault(direction, []).append(kinds[kind])
    for direction, group in unknown.items():
        # If one row needs the portal's own labels, the load stops without them: its association type is not known.
        insist = not all(known_by_table(row_kind, direction, types) for row_kind in group)
        if not await learn(direction, types, portal, insist=insist):
            unchecked.append(direction)

    def judged() -> dict[int, Verdict]:
        return {
            kind: direction if isinstance(direction, Problem) else by(kinds[kind], direction, types)
            for kind, direction in directions.items()
        }

    verdicts = judged()
    resolved = [verdict for verdict in verdicts.values() if isinstance(verdict, Resolved)]
    written = {verdict.direction for verdict in resolved}
    # If rows are written from both ends, the types must be known from both.
    unchecked += [
        back
        for back in dict.fromkeys(verdict.direction[::-1] for verdict in resolved if verdict.inverse is None)
        if back in written and not types.looked_up(back) and not await learn(back, types, portal)
    ]
    await _look_at_other_ends(verdicts, known, types, portal)
    # The types read from the other ends may have given an inverse.
    return Names(judged(), unchecked, names, types)


async def object_types(type_names: AbstractSet[str], portal: GatewayPortal | None) -> ObjectTypes:
    """Return the object types for these names: any name may be a custom object's, except a standard id."""
    if portal is None or type_names <= STANDARD.keys():
        return ObjectTypes()
    return ObjectTypes(await portal.schemas())


async def learn(
    direction: Direction, types: AssociationTypes, portal: GatewayPortal | None, *, insist: bool = True
) -> bool:
    """Request the types of a direction; return whether the portal lists them.

    If the token may not read them, raise MissingScope if they must be known (`insist`).
    """
    try:
        answer = await portal.labels(direction) if portal is not None else None
    except MissingScope:
        if insist:
            raise
        answer = None
    if answer is None:
        types.cannot_learn(direction)
        return False
    types.learn(direction, answer)
    return True


async def _look_at_other_ends(
    verdicts: Mapping[int, Verdict],
    directions: Mapping[int, Direction],
    types: AssociationTypes,
    portal: GatewayPortal | None,
) -> None:
    """Read the other direction of unknown types, so that the message can say that they exist there."""
    for kind, verdict in verdicts.items():
        if portal is None or not isinstance(verdict, Problem) or verdict.reason not in _PERHAPS_OTHER_END:
            continue
        other = directions[kind][1], directions[kind][0]
        if types.complete(directions[kind]) and not types.looked_up(other):
            answer = await portal.labels(other)
            types.learn(other, answer or ())


def refuse_options(
    groups: Sequence[InputSettings], kinds: Mapping[int, RowKind], verdicts: Mapping[int, Verdict]
) -> None:
    """Raise UsageError if an option's value is wrong for every row: then the command is wrong."""
    resolved = [kinds[kind] for kind, verdict in verdicts.items() if isinstance(verdict, Resolved)]
    for kind, verdict in verdicts.items():
        if isinstance(verdict, Resolved):
            continue
        value = getattr(kinds[kind], verdict.field)
        from_option = any(value == (getattr(settings, verdict.field) or "").strip() for settings in groups)
        if from_option and not any(getattr(row_kind, verdict.field) == value for row_kind in resolved):
            raise UsageError(verdict.message)


def of_another_portal(
    row_kind: RowKind, resolved: Resolved, names: ObjectTypes, portal_id: str | None, *, offline: bool
) -> Problem | None:
    """Return why rows with ids from record addresses cannot be sent; None if they can.

    `portal_id` is that of the load, None where it is not known. `offline` says that there is no portal to read from,
    and that nothing will be sent.
    """
    ends = (
        (row_kind.address, resolved.direction[0], "object_id"),
        (row_kind.to_address, resolved.direction[1], "to_object_id"),
    )
    for address, wanted, field in ends:
        portal, _, object_type = address.partition("/")
        if not address:
            continue
        # Without a portal a custom object may still go by its name, `p55_cars`.
        if object_type != wanted and wanted[0].isdigit():
            shown = names.shown(object_type), names.shown(wanted)
            why = "the record's address is one of {}, but the load expects {}".format(*shown)
            return Problem("WRONG_RECORD_ADDRESS", why, field)
        if portal != portal_id and not (offline and portal_id is None):
            where = (
                f"goes to account {portal_id}" if portal_id else "goes to an account whose number HubSpot does not give"
            )
            why = f"the record's address is in HubSpot account {portal}, and the load {where}"
            return Problem("WRONG_RECORD_ADDRESS", why, field)
    return None
