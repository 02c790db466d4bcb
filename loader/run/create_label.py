"""Create label: make a label of two object types, or find it; also for the labels that a load's rows name."""

import asyncio
from collections.abc import Sequence

from loader.errors import Refused, UsageError
from loader.events import CreatedLabel, Labels, ListedType, NewLabel, Note, Notify
from loader.model import AssociationType, Direction
from loader.planning.association_types import folded
from loader.planning.new_labels import internal_name, placeholders
from loader.planning.object_types import ObjectTypes
from loader.run.call import Call, Done
from loader.run.labels import labels_of, named_types
from loader.run.session import at_work
from loader.send.portal import GatewayPortal
from loader.settings import Settings

WAITS = (0.0, 1.0, 4.0)
"""Seconds before each search for a new label; HubSpot was seen to list it at once."""


async def run(call: Call) -> Done[CreatedLabel]:
    """Make a label from one object type to another, or find an existing one; return its types.

    `settings.inverse_label` is its text from the other end, where that differs; `settings.label_name` its internal
    name. Raises UsageError if nothing was made: for an unknown name, or if HubSpot refuses the label; Fatal if the
    portal refuses the token.
    """
    first, second, label = call.command.arguments
    if not label.strip():
        raise UsageError("the label is blank: write the text that people are to see in HubSpot")
    async with at_work(call) as session, session.connected(call.notify) as portal:
        account = await session.recognize(portal)
        created = await session.stop.unless(
            _created(call.settings, portal, account.portal_id, (first, second), label.strip())
        )
    if call.command.values["json"]:
        call.notify(created)
    return Done(result=created, shown=[created])


async def _created(
    settings: Settings, portal: GatewayPortal, portal_id: str | None, types: tuple[str, str], label: str
) -> CreatedLabel:
    direction, names = await named_types(portal, *types)
    listed = await labels_of(portal, direction, names)
    inverse = settings.inverse_label
    there = _types_of(listed, label, None)
    if there and inverse is not None and not (there := _types_of(listed, label, inverse)):
        raise UsageError(
            f"the label {label!r} is there already, and {inverse!r} is not its label from the other side: nothing was "
            "made; rename it in HubSpot, or leave --inverse-label out"
        )
    if there:
        return CreatedLabel(label, False, portal_id, listed.names, there)
    made = await _make(portal, direction, names, label, inverse=inverse, name=settings.label_name)
    return CreatedLabel(label, True, portal_id, listed.names, made)


async def make_labels(
    portal: GatewayPortal, new_labels: Sequence[NewLabel], notify: Notify
) -> dict[AssociationType, AssociationType]:
    """Make the labels of a plan; return their association types by the placeholders of the plan.

    Raises UsageError if HubSpot refuses one; labels that were made before stay, and the next load finds them.
    """
    made: dict[AssociationType, AssociationType] = {}
    for number, new in enumerate(new_labels):
        direction = new.object_type, new.to_object_type
        types = await _make(portal, direction, ObjectTypes(), new.label)
        notify(Note(f"Created the label {new.label!r} from {new.direction}."))
        ends = types[0], types[-1]
        made.update(
            (placeholder, AssociationType(each.category, each.id))
            for placeholder, each in zip(placeholders(number), ends, strict=True)
        )
    return made


async def _make(
    portal: GatewayPortal,
    direction: Direction,
    names: ObjectTypes,
    label: str,
    *,
    inverse: str | None = None,
    name: str | None = None,
) -> tuple[ListedType, ...]:
    """Make a label and return its types as the portal lists them, the one of this direction first.

    `inverse` is its text from the other end where that differs, `name` HubSpot's internal name; None: one made of it.
    """
    refused = None
    try:
        await portal.create_label(direction, name=name or internal_name(label), label=label, inverse_label=inverse)
    except Refused as error:
        refused = error
    for seconds in WAITS if refused is None else WAITS[:1]:
        await asyncio.sleep(seconds)
        # If a request was sent twice, the second may be refused because the first has made the label.
        if found := _types_of(await labels_of(portal, direction, names), label, inverse or label):
            return found
    if refused is None:
        raise UsageError(
            f"HubSpot made the label {label!r} and does not list it yet: run the same command again in a minute"
        )
    raise UsageError(
        f"HubSpot refuses to make the label {label!r} ({refused.status} {refused.category}): {refused.message}"
    ) from refused


def _types_of(listed: Labels, label: str, inverse: str | None) -> tuple[ListedType, ...]:
    """Return the types of a label from both ends, none if it is not there; `inverse` None: with any inverse."""
    direction = listed.object_type, listed.to_object_type
    there = [each for each in listed.types if _is_of(each, direction) and folded(each.label) == folded(label)]
    other = folded(label if inverse is None else inverse)
    back = [each for each in listed.types if _is_of(each, direction[::-1]) and folded(each.label) == other]
    if not there or (inverse is not None and not back):
        return ()
    return tuple(dict.fromkeys([*there, *back]))


def _is_of(listed: ListedType, direction: Direction) -> bool:
    return (listed.object_type, listed.to_object_type) == direction
