"""The endpoints for records and for the schemas of custom object types."""

from bisect import bisect_right

from loader.sandbox.answers import Answer, Json, json_answer
from loader.sandbox.call import Call, Simulation, path_id
from loader.sandbox.endpoints.pairs import batch_body
from loader.sandbox.errors import HubSpotError, invalid_input, too_many
from loader.sandbox.object_types import ObjectType, Schema
from loader.sandbox.portal import Record

MAX_RECORDS = 100
"""Documented for every batch of records, and for a page of a list."""
USUAL_PAGE = 10
"""Records in a page of a list that names no limit (documented)."""


def read_records(simulation: Simulation, call: Call) -> Answer:
    """Up to 100 records by id or by a unique property: 200, or 207 naming those that were not found."""
    portal = simulation.portal
    object_type = portal.resolve(call.parts[0])
    portal.require_scope((object_type,), write=False)
    body, wanted = call.json(), [_wanted(each) for each in call.inputs()]
    if not isinstance(body, dict):
        raise invalid_input("an object was expected")
    if len(wanted) > MAX_RECORDS:
        raise too_many("inputs", len(wanted), MAX_RECORDS)
    names = body.get("properties")
    properties = [str(name) for name in names] if isinstance(names, list) else []
    found: dict[int, Record] = {}
    absent = []
    for value in wanted:
        record = _find(simulation, object_type, body.get("idProperty"), value)
        if record is None:
            absent.append(value)
        else:
            found[record.record_id] = record
    results = [_shown(simulation, record, properties) for record in found.values()]
    simulation.random.shuffle(results)
    errors = [_not_found(object_type, absent)] if absent else []
    return json_answer(207 if errors else 200, batch_body(simulation, results, errors))


def list_records(simulation: Simulation, call: Call) -> Answer:
    """One page of the records of an object type, in the order of their ids; there are no archived ones.

    ``after`` is documented as a token; here it is the last id of the page before.
    """
    portal, query = simulation.portal, call.query
    object_type = portal.resolve(call.parts[0])
    portal.require_scope((object_type,), write=False)
    limit = path_id(query["limit"]) if query.get("limit") else USUAL_PAGE
    if limit > MAX_RECORDS:
        raise too_many("records", limit, MAX_RECORDS)
    after = path_id(query["after"]) if query.get("after") else 0
    ids = [] if query.get("archived") == "true" else portal.record_ids(object_type.object_type_id)
    start = bisect_right(ids, after)
    found = [portal.record(object_type.object_type_id, each) for each in ids[start : start + limit]]
    names = [name for name in query.get("properties", "").split(",") if name]
    body: dict[str, Json] = {"results": [_shown(simulation, each, names) for each in found if each is not None]}
    if len(ids) > start + limit:
        last = ids[start + limit - 1]
        link = f"https://api.hubapi.com/crm/v3/objects/{call.parts[0]}?limit={limit}&after={last}"
        body["paging"] = {"next": {"after": str(last), "link": link}}
    return json_answer(200, body)


def list_schemas(simulation: Simulation, call: Call) -> Answer:
    """The custom object types of the portal."""
    del call
    return json_answer(200, {"results": [_schema(simulation, each) for each in simulation.portal.schemas]})


def get_schema(simulation: Simulation, call: Call) -> Answer:
    """One custom object type, by its id or its fully qualified name."""
    object_type_id = simulation.portal.resolve(call.parts[0]).object_type_id
    for schema in simulation.portal.schemas:
        if schema.object_type_id == object_type_id:
            return json_answer(200, _schema(simulation, schema))
    raise HubSpotError(404, f"There is no schema for {call.parts[0]}", "OBJECT_NOT_FOUND")


def _wanted(value: object) -> str:
    if not isinstance(value, dict) or not isinstance(value.get("id"), str | int):
        raise invalid_input("an object with an id was expected")
    return str(value["id"])


def _find(simulation: Simulation, object_type: ObjectType, id_property: object, value: str) -> Record | None:
    if isinstance(id_property, str) and id_property != "hs_object_id":
        return simulation.portal.find(object_type.object_type_id, id_property, value)
    try:
        return simulation.portal.record(object_type.object_type_id, path_id(value))
    except HubSpotError:
        return None


def _shown(simulation: Simulation, record: Record, names: list[str]) -> Json:
    now = simulation.timestamp()
    always: dict[str, Json] = {
        "createdate": now,
        "hs_object_id": str(record.record_id),
        "lastmodifieddate": now,
    }
    asked = {name: record.properties.get(name) for name in names if name not in always}
    return {
        "id": str(record.record_id),
        "properties": {**asked, **always},
        "createdAt": now,
        "updatedAt": now,
        "archived": False,
    }


def _not_found(object_type: ObjectType, absent: list[str]) -> Json:
    message = (
        f"Could not get some {object_type.upper_name} objects, they may be deleted or not exist. "
        "Check that ids are valid."
    )
    return HubSpotError(404, message, "OBJECT_NOT_FOUND").item({"ids": absent})


def _schema(simulation: Simulation, schema: Schema) -> Json:
    types = simulation.portal.types
    return schema.shown(
        {
            "id": str(association_type.key[1]),
            "fromObjectTypeId": from_type,
            "toObjectTypeId": to_type,
            "name": f"{schema.name}_to_{to_type}",
        }
        for from_type, to_type in types.directions()
        if from_type == schema.object_type_id
        for association_type in types.between(from_type, to_type)
        if association_type.label is None
    )
