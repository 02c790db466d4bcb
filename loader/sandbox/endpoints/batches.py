"""The batch endpoints for associations.

Where an answer has results, they come in a seeded random order: the order is not documented, and whoever
reads them by position should fail here.
"""

from collections.abc import Mapping, Sequence

from loader.sandbox.answers import NO_CONTENT, Answer, Json, json_answer
from loader.sandbox.association_types import TypeSet
from loader.sandbox.call import Call, Simulation, body_id
from loader.sandbox.endpoints.pairs import (
    associate_default,
    batch_body,
    labels_between,
    page,
    read_specs,
)
from loader.sandbox.errors import HubSpotError, invalid_input, too_many
from loader.sandbox.object_types import Ends, ObjectType

MAX_WRITES = 2000
"""Documented for batch create; taken to hold for the default and the label endpoints too."""
MAX_READS = 1000
"""Documented for batch read since 2025-02-10."""
MAX_ARCHIVED_RECORDS = 100
"""Unique from records of a batch archive: quoted from the guide by others only."""


def create(simulation: Simulation, call: Call) -> Answer:
    """Sets the labels of up to 2,000 pairs: 201, or 207 with errors; 200 in the dated versions."""
    portal = simulation.portal
    source, target = _types(simulation, call, write=True)
    pairs = _labelled(call)
    append = simulation.behaviour.semantics == "append"
    results: list[Json] = []
    errors: list[Json] = []
    for from_id, to_id, specs in pairs:
        ends = Ends(source, from_id, target, to_id)
        try:
            types = portal.check_types(specs)
            portal.check_pair(ends, types)
        except HubSpotError as error:
            errors.append(_item(simulation, error, from_id, to_id))
            continue
        results.append(labels_between(simulation, ends, portal.associate(*ends.key, types, append=append)))
    whole = 201 if call.version == "v4" else 200
    return _answer(simulation, results, errors, whole=whole, partial=207)


def create_default(simulation: Simulation, call: Call) -> Answer:
    """Associates pairs without a label: 200 with a result for each direction, errors inside the 200."""
    source, target = _types(simulation, call, write=True)
    inputs = _at_most(call.inputs(), MAX_WRITES)
    results: list[Json] = []
    errors: list[Json] = []
    for from_id, to_id in [_ends(each) for each in inputs]:
        try:
            results += associate_default(simulation, Ends(source, from_id, target, to_id))
        except HubSpotError as error:
            errors.append(_item(simulation, error, from_id, to_id))
    return _answer(simulation, results, errors, whole=200, partial=200)


def read(simulation: Simulation, call: Call) -> Answer:
    """The associations of up to 1,000 records, a page of each."""
    source, target = _types(simulation, call, write=False)
    results: list[Json] = []
    errors: list[Json] = []
    for each in _at_most(call.inputs(), MAX_READS):
        from_id, after = body_id(each), _after(each)
        found, next_after = page(simulation, source, from_id, target, after=after, limit=simulation.behaviour.page_size)
        if found:
            result: dict[str, Json] = {"from": {"id": str(from_id)}, "to": found}
            if next_after is not None:
                result["paging"] = {"next": {"after": next_after}}
            results.append(result)
        elif simulation.behaviour.no_associations == "error":
            errors.append(_none_found(source, from_id, target))
    return _answer(simulation, results, errors, whole=200, partial=207)


def archive(simulation: Simulation, call: Call) -> Answer:
    """Removes every association of the pairs; ``to`` is an array."""
    source, target = _types(simulation, call, write=True)
    pairs = []
    for each in call.inputs():
        targets = each.get("to") if isinstance(each, dict) else None
        if not isinstance(each, dict) or not isinstance(targets, list):
            raise invalid_input("a list named to was expected")
        from_id = body_id(each.get("from"))
        pairs += [(from_id, body_id(to)) for to in targets]
    from_records = {from_id for from_id, _ in pairs}
    if len(from_records) > MAX_ARCHIVED_RECORDS:
        raise too_many("from records", len(from_records), MAX_ARCHIVED_RECORDS)
    for from_id, to_id in pairs:
        simulation.portal.dissociate(source.object_type_id, from_id, target.object_type_id, to_id)
    return _archived(simulation, call)


def archive_labels(simulation: Simulation, call: Call) -> Answer:
    """Takes labels off pairs; the unlabelled type takes everything with it (documented).

    One wrong type id refuses the whole batch: v4 has nothing but 204 to answer with; not documented.
    """
    portal = simulation.portal
    source, target = _types(simulation, call, write=True)
    removals: list[tuple[int, int, TypeSet]] = []
    for from_id, to_id, specs in _labelled(call):
        types = portal.check_types(specs)
        portal.check_pair(Ends(source, from_id, target, to_id), types)
        removals.append((from_id, to_id, types))
    for from_id, to_id, types in removals:
        portal.dissociate(source.object_type_id, from_id, target.object_type_id, to_id, types)
    return _archived(simulation, call)


def _types(simulation: Simulation, call: Call, *, write: bool) -> tuple[ObjectType, ObjectType]:
    source, target = (simulation.portal.resolve(name) for name in call.parts)
    simulation.portal.require_scope((source, target), write=write)
    return source, target


def _at_most(inputs: list[Json], limit: int) -> list[Json]:
    if not inputs:
        raise invalid_input("at least one input was expected")
    if len(inputs) > limit:
        raise too_many("inputs", len(inputs), limit)
    return inputs


def _labelled(call: Call) -> list[tuple[int, int, tuple[tuple[str, int], ...]]]:
    pairs = []
    for each in _at_most(call.inputs(), MAX_WRITES):
        from_id, to_id = _ends(each)
        types = each.get("types") if isinstance(each, dict) else None
        pairs.append((from_id, to_id, read_specs(types)))
    return pairs


def _ends(value: object) -> tuple[int, int]:
    if not isinstance(value, dict):
        raise invalid_input("an object with from and to was expected")
    return body_id(value.get("from")), body_id(value.get("to"))


def _after(value: object) -> int:
    after = value.get("after") if isinstance(value, dict) else None
    return body_id({"id": after}) if after else 0


def _item(simulation: Simulation, error: HubSpotError, from_id: int, to_id: int) -> Json:
    """An entry of ``errors``; which keys its context has is not documented."""
    context: Mapping[str, Sequence[str]] = {}
    if simulation.behaviour.error_context != "none":
        context = error.context
    if simulation.behaviour.error_context == "pair":
        context = {**context, "fromObjectId": [str(from_id)], "toObjectId": [str(to_id)]}
    return error.item(context)


def _none_found(source: ObjectType, from_id: int, target: ObjectType) -> Json:
    message = f"No {target.upper_name.lower()} is associated with {source.upper_name.lower()} {from_id}."
    error = HubSpotError(404, message, "OBJECT_NOT_FOUND")
    item = error.item({"fromObjectId": [str(from_id)]})
    return item | {"subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND"}


def _answer(simulation: Simulation, results: list[Json], errors: list[Json], *, whole: int, partial: int) -> Answer:
    simulation.random.shuffle(results)
    return json_answer(partial if errors else whole, batch_body(simulation, results, errors))


def _archived(simulation: Simulation, call: Call) -> Answer:
    if call.version == "v4":
        return NO_CONTENT
    return json_answer(200, batch_body(simulation, [], []))
