"""What people call association types: the portal's labels for what it says that a pair holds."""

from collections.abc import Iterable
from typing import NamedTuple

from loader.model import Direction, Types
from loader.plan.association_types import AssociationTypes
from loader.send.portal import GatewayPortal


class TypeNames(NamedTuple):
    """`labels` gives each type's label by its key, blank for an unlabelled one; `plain` the unlabelled types."""

    labels: dict[str, str]
    plain: dict[Direction, Types]


async def type_names(portal: GatewayPortal, directions: Iterable[Direction]) -> TypeNames:
    """Return the names of all types of these directions, as far as the portal tells or HubSpot's table knows them."""
    types, names = AssociationTypes(), TypeNames({}, {})
    for direction in directions:
        types.learn(direction, await portal.labels(direction) or ())
        known = types.of(direction)
        names.labels.update({entry.type.key: entry.label for entry in known})
        names.plain[direction] = frozenset(entry.type for entry in known if not entry.label)
    return names
