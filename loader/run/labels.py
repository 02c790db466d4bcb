"""Labels: the association types of two object types, from both ends, as the portal itself lists them."""

from collections.abc import Iterable
from dataclasses import dataclass

from loader.errors import UsageError
from loader.events import Labels, ListedType
from loader.model import AssociationType, Direction, Problem, Types
from loader.planning.association_types import AssociationTypes
from loader.planning.names import object_types
from loader.planning.object_types import ObjectTypes
from loader.planning.resolve import find_type
from loader.run.call import Call, Done
from loader.run.session import at_work
from loader.send.portal import GatewayPortal


async def run(call: Call) -> Done[Labels]:
    """Return the association types of two object types, from both ends, for any names that a load understands.

    Raises UsageError for an unknown name, for two types that the portal does not associate, and without a token; Fatal
    if the portal refuses the token.
    """

    async def listed(portal: GatewayPortal) -> Labels:
        direction, names = await named_types(portal, *call.command.arguments)
        return await labels_of(portal, direction, names)

    async with at_work(call) as session, session.connected() as portal:
        if call.settings.connection.portal_id is not None:
            await session.recognize(portal)
        found = await session.stop.unless(listed(portal))
    return Done(result=found, shown=[found])


async def named_types(portal: GatewayPortal, first: str, second: str) -> tuple[Direction, ObjectTypes]:
    """Return the ids of two object types, and their names for people; UsageError for an unknown name."""
    names = await object_types({first, second}, portal)
    return (_type_id(first, "FROM", names), _type_id(second, "TO", names)), names


async def labels_of(portal: GatewayPortal, direction: Direction, names: ObjectTypes) -> Labels:
    """Return the portal's association types of two object types; UsageError if it lists none."""
    types = await _direction(portal, direction, names)
    if direction != direction[::-1]:
        types += await _direction(portal, direction[::-1], names)
    return Labels(*direction, {type_id: names.shown(type_id) for type_id in direction}, tuple(types))


def _type_id(name: str, argument: str, names: ObjectTypes) -> str:
    found = find_type(name, names, argument)
    if isinstance(found, Problem):
        raise UsageError(found.message)
    return found


async def _direction(portal: GatewayPortal, direction: Direction, names: ObjectTypes) -> list[ListedType]:
    """Return the portal's types from one end, the unlabelled first, in the words of a load."""
    answer = await portal.labels(direction)
    if answer is None:
        first, second = map(names.shown, direction)
        raise UsageError(
            f"HubSpot does not list association types from {first} to {second}: check both names, and that HubSpot "
            "associates such records at all"
        )
    types = AssociationTypes()
    types.learn(direction, answer)
    named = {
        (item["category"], item["typeId"])
        for item in answer
        if isinstance(item.get("category"), str) and isinstance(item.get("typeId"), int)
    }
    known = [entry for entry in types.of(direction) if entry.type in named]
    known.sort(key=lambda entry: (bool(entry.label), entry.label.casefold(), entry.type))
    return [ListedType(*direction, entry.type.category, entry.type.type_id, entry.label) for entry in known]


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeNames:
    """`labels` gives each type's label by its key, blank for an unlabelled one; `plain` the unlabelled types.

    `singles` are the types of which a record can have only one, with the end (`from` or `to`) of that record.
    """

    labels: dict[str, str]
    plain: dict[Direction, Types]
    singles: dict[Direction, dict[AssociationType, str]]


async def type_names(portal: GatewayPortal, directions: Iterable[Direction]) -> TypeNames:
    """Return the labels of all types of these directions, from the portal or HubSpot's table."""
    types, names = AssociationTypes(), TypeNames(labels={}, plain={}, singles={})
    for direction in directions:
        types.learn(direction, await portal.labels(direction) or ())
        known = types.of(direction)
        names.labels.update({entry.type.key: entry.label for entry in known})
        for each in (direction, direction[::-1]):
            names.singles[each] = {entry.type: entry.single for entry in types.of(each) if entry.single}
        names.plain[direction] = frozenset(entry.type for entry in known if not entry.label)
    return names
