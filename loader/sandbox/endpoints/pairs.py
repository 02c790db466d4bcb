"""The endpoints for one record or one pair of records."""

import uuid
from bisect import bisect_right
from collections import Counter

from loader.sandbox.answers import NO_CONTENT, Answer, Json, json_answer
from loader.sandbox.association_types import TypeKey, TypeSet
from loader.sandbox.call import Call, Simulation, path_id
from loader.sandbox.errors import HubSpotError, invalid_input
from loader.sandbox.object_types import Ends

CATEGORIES = frozenset({"HUBSPOT_DEFINED", "USER_DEFINED", "INTEGRATOR_DEFINED", "WORK"})
_LOCATED_VERSIONS = frozenset({"2026-09"})
_NAMESPACE = uuid.UUID("6f1d1c52-8a53-4e5f-9a0e-0d6c1b0e6a11")


def put_labels(simulation: Simulation, call: Call) -> Answer:
    """Sets the labels of one pair: 201 and the bare pair, or 200 and the pair in an envelope."""
    portal = simulation.portal
    ends = _ends(simulation, call)
    types = portal.check_types(read_specs(call.json()))
    portal.check_pair(ends, types)
    ends = portal.surviving(ends)
    portal.check_limits(ends, types, Counter())
    append = simulation.behaviour.semantics == "append"
    entity = labels_between(simulation, call, ends, portal.associate(*ends.key, types, append=append))
    if not simulation.is_wrapped(call.version):
        located = call.version in _LOCATED_VERSIONS
        return json_answer(201, entity, {"Location": _location(call.version, ends)} if located else None)
    location = _location(call.version, ends)
    created_id = str(uuid.uuid5(_NAMESPACE, f"{portal.portal_id}{location}"))
    return json_answer(200, {"createdResourceId": created_id, "entity": entity, "location": location})


def _location(version: str, ends: Ends) -> str:
    root = "/crm/v4/objects" if version == "v4" else f"/crm/objects/{version}"
    from_type, from_id, to_type, to_id = ends.key
    return f"{root}/{from_type}/{from_id}/associations/{to_type}/{to_id}"


def put_default(simulation: Simulation, call: Call) -> Answer:
    """Associates one pair without a label; labels that are there stay."""
    results = associate_default(simulation, _ends(simulation, call))
    return json_answer(200, batch_body(simulation, results, []))


def list_associations(simulation: Simulation, call: Call) -> Answer:
    """One page of the records of one object type that a record is associated with."""
    portal = simulation.portal
    source, target = portal.resolve(call.parts[0]), portal.resolve(call.parts[2])
    portal.require_scope((source, target), write=False)
    from_id = portal.survivor(source.object_type_id, path_id(call.parts[1]))
    if not portal.exists(source.object_type_id, from_id):
        raise HubSpotError(404, "resource not found", "OBJECT_NOT_FOUND")
    after = path_id(call.query["after"]) if call.query.get("after") else 0
    limit = _limit(simulation, call)
    results, next_after = page(simulation, call, Ends(source, from_id, target, after), limit)
    body: dict[str, Json] = {"results": results}
    if next_after is not None:
        link = f"/crm/v4/objects/{call.parts[0]}/{from_id}/associations/{call.parts[2]}?after={next_after}"
        body["paging"] = {"next": {"after": next_after, "link": link}}
    return json_answer(200, body)


def delete_pair(simulation: Simulation, call: Call) -> Answer:
    """Removes every association of a pair; 204 also where there was none (not documented)."""
    simulation.portal.dissociate(*simulation.portal.surviving(_ends(simulation, call)).key)
    return NO_CONTENT


def read_specs(value: object) -> tuple[TypeKey, ...]:
    """The association specs of a body; raises the 400 bodies. HubSpot reads them into a set (observed).

    That an empty array is refused is this sandbox's choice.
    """
    if not isinstance(value, list) or not value:
        kind = "empty Array" if value == [] else type(value).__name__
        raise invalid_input(f"Cannot deserialize value of type `java.util.HashSet<AssociationSpec>` from {kind} value")
    return tuple([_read_spec(each) for each in value])


def _read_spec(value: object) -> TypeKey:
    if not isinstance(value, dict):
        raise invalid_input("Cannot construct instance of `AssociationSpec`")
    category, type_id = value.get("associationCategory"), value.get("associationTypeId")
    if category not in CATEGORIES:
        raise invalid_input(f"{category!r} is no AssociationCategory")
    if isinstance(type_id, str) and type_id.isascii() and type_id.isdigit():
        type_id = int(type_id)
    if not isinstance(type_id, int) or isinstance(type_id, bool) or abs(type_id) >= 2**31:
        raise invalid_input(f"Cannot deserialize value of type `int` from {type_id!r}")
    return category, type_id


def labels_between(simulation: Simulation, call: Call, ends: Ends, types: TypeSet) -> dict[str, Json]:
    """The documented LabelsBetweenObjectPair; the unlabelled type has no entry in ``labels``."""
    source, from_id, target, to_id = ends
    shown = simulation.portal.types.describe(source.object_type_id, types)
    return {
        "fromObjectTypeId": source.object_type_id,
        "fromObjectId": simulation.show_id(from_id, call.version),
        "toObjectTypeId": target.object_type_id,
        "toObjectId": simulation.show_id(to_id, call.version),
        "labels": [each.label for each in shown if each.label is not None],
    }


def page(simulation: Simulation, call: Call, begin: Ends, limit: int) -> tuple[list[Json], str | None]:
    """Up to ``limit`` records associated with the first end, and where the next page starts.

    Their ids are above the one at the other end of ``begin``.
    """
    portal = simulation.portal
    from_type, from_id, to_type, after = begin.key
    lag = simulation.behaviour.read_lag
    seen = portal.associations.seen(from_type, from_id, to_type, lag) if lag else None
    neighbours = tuple(seen) if seen is not None else portal.associations.neighbours(from_type, from_id, to_type)
    start = bisect_right(neighbours, after)
    results: list[Json] = []
    for to_id in neighbours[start : start + limit]:
        types = seen[to_id] if seen else portal.associations.types_of(from_type, from_id, to_type, to_id)
        shown = [
            {"category": each.key[0], "typeId": each.key[1], "label": each.label}
            for each in portal.types.describe(from_type, types)
        ]
        results.append({"toObjectId": simulation.show_id(to_id, call.version), "associationTypes": shown})
    return results, str(neighbours[start + limit - 1]) if len(neighbours) > start + limit else None


def associate_default(simulation: Simulation, ends: Ends) -> list[Json]:
    """Adds the unlabelled type; one result for each direction, as a connector's notes have it."""
    portal = simulation.portal
    key = portal.default_type(ends.source, ends.target)
    portal.check_pair(ends, frozenset({key}))
    source, from_id, target, to_id = surviving = portal.surviving(ends)
    portal.check_limits(surviving, frozenset({key}), Counter())
    portal.associate(*surviving.key, frozenset({key}), append=True)
    results = [_default_result(from_id, to_id, key)]
    inverse = portal.types.unlabelled(target.object_type_id, source.object_type_id)
    if inverse is not None:
        results.append(_default_result(to_id, from_id, inverse))
    return results


def batch_body(simulation: Simulation, results: list[Json], errors: list[Json]) -> dict[str, Json]:
    """The documented body of a batch answer; without errors the fields for them are absent."""
    now = simulation.timestamp()
    body: dict[str, Json] = {"status": "COMPLETE", "results": results}
    if errors:
        body |= {"numErrors": len(errors), "errors": errors}
    return body | {"startedAt": now, "completedAt": now}


def _default_result(from_id: int, to_id: int, key: TypeKey) -> Json:
    return {
        "from": {"id": str(from_id)},
        "to": {"id": str(to_id)},
        "associationSpec": {"associationCategory": key[0], "associationTypeId": key[1]},
    }


def _ends(simulation: Simulation, call: Call) -> Ends:
    portal, (from_name, from_text, to_name, to_text) = simulation.portal, call.parts
    source, target = portal.resolve(from_name), portal.resolve(to_name)
    portal.require_scope((source, target), write=True)
    return Ends(source, path_id(from_text), target, path_id(to_text))


def _limit(simulation: Simulation, call: Call) -> int:
    asked = call.query.get("limit", "")
    limit = int(asked) if asked.isascii() and asked.isdigit() else simulation.behaviour.page_size
    return max(1, min(limit, simulation.behaviour.page_size))
