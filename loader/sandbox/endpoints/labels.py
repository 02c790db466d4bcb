"""The endpoints for association types: list them, and define, rename and delete labels."""

from loader.sandbox.answers import NO_CONTENT, Answer, Json, json_answer
from loader.sandbox.association_types import AssociationType, TypeKey
from loader.sandbox.call import Call, Simulation
from loader.sandbox.errors import HubSpotError, invalid_input, too_many_labels

MOST_LABELS = 50
"""Labels that two object types may have (observed 2026-10)."""


def list_labels(simulation: Simulation, call: Call) -> Answer:
    """Every type from one object type to another; within one object type both ends of a paired label."""
    source, target = (simulation.portal.resolve(name) for name in call.parts)
    simulation.portal.require_scope((source, target), write=False)
    types = simulation.portal.types.between(source.object_type_id, target.object_type_id)
    return json_answer(200, {"results": [_shown(call, each) for each in types]})


def create_label(simulation: Simulation, call: Call) -> Answer:
    """Defines a label; the answer has one type for each direction (documented).

    A name has no hyphen and does not begin with a digit (documented); what such an error says, and that labels and
    names are each there once in a direction, is this sandbox's choice.
    """
    types = simulation.portal.types
    ends = tuple(simulation.portal.resolve(each) for each in call.parts)
    simulation.portal.require_scope(ends, write=True)
    source, target = (each.object_type_id for each in ends)
    fields = _fields(call, "name", "label")
    name, label, inverse = str(fields["name"]), str(fields["label"]), fields.get("inverseLabel")
    if "-" in name or name[0].isdigit():
        raise HubSpotError(400, f"The name {name!r} has a hyphen or begins with a number", "VALIDATION_ERROR")
    there, back = types.between(source, target), types.between(target, source)
    if label in {each.label for each in there} or inverse in {each.label for each in back if each.label}:
        raise HubSpotError(400, f"The label {label!r} or its inverse is already defined", "VALIDATION_ERROR")
    if name in {each.name for each in there}:
        raise HubSpotError(400, f"The name {name!r} is already in use", "VALIDATION_ERROR")
    own = [each for each in there if each.key[0] == "USER_DEFINED" and each.label is not None]
    if len({min(each.key, each.inverse or each.key) for each in own}) >= MOST_LABELS:
        raise too_many_labels(call.parts[0], call.parts[1], MOST_LABELS)
    created = types.add_label(source, target, label, None if inverse is None else str(inverse), name=name)
    return json_answer(200, {"results": [_shown(call, each) for each in created]})


def list_limits(simulation: Simulation, call: Call) -> Answer:
    """The types from one object type to another, each with its limit where an admin has set one."""
    source, target = (simulation.portal.resolve(name) for name in call.parts)
    simulation.portal.require_scope((source, target), write=False)
    types = simulation.portal.types.between(source.object_type_id, target.object_type_id)
    return json_answer(200, {"results": [_limited(simulation, each) for each in types]})


def list_all_limits(simulation: Simulation, call: Call) -> Answer:
    """Every type that has a limit."""
    del call
    found = [simulation.portal.types.get(key) for key in simulation.portal.limits]
    return json_answer(200, {"results": [_limited(simulation, each) for each in found if each is not None]})


def rename_label(simulation: Simulation, call: Call) -> Answer:
    """Gives a label a new text."""
    fields = _fields(call, "associationTypeId", "label")
    key = _user_defined(simulation, fields["associationTypeId"])
    inverse = fields.get("inverseLabel")
    simulation.portal.types.rename(key, str(fields["label"]), None if inverse is None else str(inverse))
    return NO_CONTENT


def delete_label(simulation: Simulation, call: Call) -> Answer:
    """Deletes a label with its other end."""
    simulation.portal.delete_label(_user_defined(simulation, call.parts[2]))
    return NO_CONTENT


def _fields(call: Call, *required: str) -> dict[str, Json]:
    body = call.json()
    if not isinstance(body, dict):
        raise invalid_input("an object was expected")
    missing = [name for name in required if not body.get(name)]
    if missing:
        raise invalid_input(f"Some required fields were not set: {missing}")
    return body


def _user_defined(simulation: Simulation, given: object) -> TypeKey:
    text = str(given)
    key = ("USER_DEFINED", int(text) if text.isascii() and text.isdigit() else 0)
    if simulation.portal.types.get(key) is None:
        raise HubSpotError(404, f"There is no association type {text}", "OBJECT_NOT_FOUND")
    return key


def _shown(call: Call, association_type: AssociationType) -> Json:
    category, type_id = association_type.key
    ends = (association_type.from_type, association_type.to_type) if call.version == "v4" else (None, None)
    return {
        "category": category,
        "typeId": type_id,
        "label": association_type.label,
        # Null in the dated versions (observed of 2026-09).
        "fromObjectTypeId": ends[0],
        "toObjectTypeId": ends[1],
    }


def _limited(simulation: Simulation, association_type: AssociationType) -> Json:
    category, type_id = association_type.key
    shown: dict[str, Json] = {"category": category, "typeId": type_id, "label": association_type.label}
    most = simulation.portal.limits.get(association_type.key)
    return shown if most is None else shown | {"userEnforcedMaxToObjectIds": most}
