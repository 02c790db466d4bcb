"""The batch endpoints for associations.

Where an answer has results, they come in a seeded random order: the order is not documented, and a client
that reads them by position should fail here.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from loader.sandbox.answers import NO_CONTENT, Answer, Json, json_answer
from loader.sandbox.association_types import TypeKey, TypeSet
from loader.sandbox.call import Call, Simulation, body_id
from loader.sandbox.endpoints.pairs import (
    associate_default,
    batch_body,
    labels_between,
    page,
    read_specs,
)
from loader.sandbox.errors import HubSpotError, invalid_input, invalid_objects, together, too_many
from loader.sandbox.object_types import Ends, ObjectType

MAX_WRITES = 2000
"""Documented for batch create; taken to hold for the default and the label endpoints too."""
MAX_READS = 1000
"""Documented for batch read since 2025-02-10."""
MAX_ARCHIVED_RECORDS = 100
"""Unique from records of a batch archive (documented for 2026-09)."""
MAX_ARCHIVED_LABELS = 100
"""Inputs of a labels archive (documented for 2026-09)."""


_Change = tuple[Ends, TypeSet]


def create(simulation: Simulation, call: Call) -> Answer:
    """Sets the labels of up to `MAX_WRITES` pairs: 201, or 207 with errors (documented for every version)."""
    portal = simulation.portal
    append = simulation.behaviour.semantics == "append"
    changes, errors = _checked(simulation, _labelled(simulation, call, MAX_WRITES))
    results: list[Json] = [
        labels_between(simulation, call, ends, portal.associate(*ends.key, types, append=append))
        for ends, types in changes
    ]
    return _answer(simulation, results, errors, whole=201, partial=207)


def create_default(simulation: Simulation, call: Call) -> Answer:
    """Associates pairs without a label: 200 with a result for each direction, errors inside the 200."""
    source, target = _types(simulation, call, write=True)
    inputs = _at_most(call.inputs(), MAX_WRITES)
    key = simulation.portal.default_type(source, target)
    changes, errors = _checked(simulation, [(_ends(source, target, each), (key,)) for each in inputs])
    results = [result for ends, _ in changes for result in associate_default(simulation, ends)]
    return _answer(simulation, results, errors, whole=200, partial=200)


def read(simulation: Simulation, call: Call) -> Answer:
    """The associations of up to `MAX_READS` records, a page of each."""
    source, target = _types(simulation, call, write=False)
    behaviour = simulation.behaviour
    results: list[Json] = []
    errors: list[Json] = []
    inputs = _at_most(call.inputs(), MAX_READS)
    if behaviour.strict_ids:
        _require_records(simulation, [(source, body_id(each)) for each in inputs])
    blind = simulation.portal.is_blind(source, target)
    for each in inputs:
        from_id, after = _readable_id(each), _after(each)
        if from_id is None:
            errors.append(_INVALID_IDENTIFIER)
            continue
        record_id = simulation.portal.survivor(source.object_type_id, from_id)
        found, next_after = page(simulation, call, Ends(source, record_id, target, after), behaviour.page_size)
        if found and not blind:
            result: dict[str, Json] = {"from": {"id": str(record_id)}, "to": found}
            if next_after is not None:
                result["paging"] = {"next": {"after": next_after}}
            results.append(result)
        elif behaviour.no_associations == "error":
            errors.append(_none_found(source, from_id, target))
    return _answer(simulation, results, errors, whole=200, partial=207)


def archive(simulation: Simulation, call: Call) -> Answer:
    """Removes every association of the pairs; ``to`` is an array. A missing association is no error (observed)."""
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
    if simulation.behaviour.strict_ids:
        _require_records(simulation, [end for one, other in pairs for end in ((source, one), (target, other))])
    for from_id, to_id in pairs:
        simulation.portal.dissociate(*simulation.portal.surviving(Ends(source, from_id, target, to_id)).key)
    return _archived(simulation, call, [])


def archive_labels(simulation: Simulation, call: Call) -> Answer:
    """Takes labels off up to `MAX_ARCHIVED_LABELS` pairs; the unlabelled type takes everything with it."""
    changes, errors = _checked(simulation, _labelled(simulation, call, MAX_ARCHIVED_LABELS), adds=False)
    for ends, types in changes:
        simulation.portal.dissociate(*ends.key, types)
    return _archived(simulation, call, errors)


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


def _labelled(simulation: Simulation, call: Call, most: int) -> list[tuple[Ends, tuple[TypeKey, ...]]]:
    source, target = _types(simulation, call, write=True)
    return [
        (_ends(source, target, each), read_specs(each.get("types") if isinstance(each, dict) else None))
        for each in _at_most(call.inputs(), most)
    ]


def _ends(source: ObjectType, target: ObjectType, value: object) -> Ends:
    if not isinstance(value, dict):
        raise invalid_input("an object with from and to was expected")
    return Ends(source, body_id(value.get("from")), target, body_id(value.get("to")))


def _checked(
    simulation: Simulation, pairs: Iterable[tuple[Ends, tuple[TypeKey, ...]]], *, adds: bool = True
) -> tuple[list[_Change], list[Json]]:
    """The valid pairs, and the ``errors`` of the others; raises if these refuse the whole batch."""
    portal, behaviour = simulation.portal, simulation.behaviour
    changes: list[_Change] = []
    refused: list[tuple[Ends, HubSpotError]] = []
    planned: Counter[tuple[str, int, TypeKey]] = Counter()
    for ends, specs in pairs:
        try:
            types = portal.check_types(specs)
            portal.check_pair(ends, types)
            if adds:
                portal.check_limits(portal.surviving(ends), types, planned)
        except HubSpotError as error:
            refused.append((ends, error))
        else:
            changes.append((portal.surviving(ends), types))
    if refused and behaviour.invalid_pairs == "first":
        raise refused[0][1].first()
    if refused and behaviour.invalid_pairs == "all":
        raise together([error for _, error in refused])
    return changes, [_item(simulation, error, ends) for ends, error in refused]


def _require_records(simulation: Simulation, records: Iterable[tuple[ObjectType, int]]) -> None:
    """Raises the 400 of a whole request that names every record that does not exist."""
    missing = [
        (object_type.upper_name, record_id)
        for object_type, record_id in dict.fromkeys(records)
        if not simulation.portal.exists(object_type.object_type_id, record_id)
    ]
    if missing:
        raise invalid_objects(missing if simulation.behaviour.invalid_pairs != "first" else missing[:1])


def _readable_id(value: object) -> int | None:
    """The id of an input; None for a text that is not a number, which does not fail the whole batch."""
    try:
        return body_id(value)
    except HubSpotError:
        if isinstance(value, dict) and isinstance(value.get("id"), str):
            return None
        raise


def _after(value: object) -> int:
    after = value.get("after") if isinstance(value, dict) else None
    return body_id({"id": after}) if after else 0


def _item(simulation: Simulation, error: HubSpotError, ends: Ends) -> Json:
    """An entry of ``errors``; which keys its context has is not documented."""
    context: Mapping[str, Sequence[str]] = {}
    if simulation.behaviour.error_context != "none":
        context = error.context
    if simulation.behaviour.error_context == "pair":
        context = {**context, "fromObjectId": [str(ends.from_id)], "toObjectId": [str(ends.to_id)]}
    return error.item(context)


def _none_found(source: ObjectType, from_id: int, target: ObjectType) -> Json:
    """An entry of ``errors`` for a record without associations (observed 2026-08)."""
    from_name, to_name = source.upper_name.lower(), target.upper_name.lower()
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
        "message": f"No {to_name} is associated with {from_name} {from_id}.",
        "context": {"fromObjectId": [str(from_id)], "fromObjectType": [from_name], "toObjectType": [to_name]},
    }


_INVALID_IDENTIFIER: Json = {
    "status": "error",
    "category": "VALIDATION_ERROR",
    "subCategory": "crm.associations.INVALID_IDENTIFIER",
    "message": None,
    "context": {},
}
"""An entry of ``errors`` for an id that is no number (category and subCategory observed 2026-08)."""


def _answer(simulation: Simulation, results: list[Json], errors: list[Json], *, whole: int, partial: int) -> Answer:
    simulation.random.shuffle(results)
    return json_answer(partial if errors else whole, batch_body(simulation, results, errors))


def _archived(simulation: Simulation, call: Call, errors: list[Json]) -> Answer:
    if call.version == "v4" and not errors:
        return NO_CONTENT
    return json_answer(207 if call.version == "v4" else 200, batch_body(simulation, [], errors))
