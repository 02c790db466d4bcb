"""HubSpot's own Python client works against the sandbox, unchanged but for its host."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hubspot import HubSpot
from hubspot.crm.associations import v4
from hubspot.crm.associations.v4 import schema
from hubspot.crm.contacts import BatchReadInputSimplePublicObjectId
from hubspot.crm.contacts import SimplePublicObjectId as ContactId

from loader.model import Question
from loader.run.connection import open_gateway, surroundings
from loader.sandbox import Sandbox, SandboxThread
from loader.send.portal import GatewayPortal
from loader.settings import ConnectionSettings, Secret, Settings
from tests.verbs import labels

LABELS = [{"from": "contacts", "to": "companies", "label": "Decision maker", "type_id": 36, "inverse_type_id": 37}]
RECORDS = [{"type": "contacts", "id": "101", "properties": {"email": "ada@example.com"}}]
SCHEMAS = [{"object_type_id": "2-7", "name": "vehicle", "singular": "Car", "plural": "Cars"}]
MISSING = [{"type": "companies", "id": "999"}]
DECIDER = v4.AssociationSpec(association_category="USER_DEFINED", association_type_id=36)
PLAIN = v4.AssociationSpec(association_category="HUBSPOT_DEFINED", association_type_id=279)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    portal = {"labels": LABELS, "records": RECORDS, "missing": MISSING, "schemas": SCHEMAS}
    # The client's model of the PUT's answer is the bare one.
    with SandboxThread(portal, answers="bare") as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[Any]:
    made: list[Any] = []

    def build(package: Any, name: str, settings: dict[str, Any]) -> Any:
        configuration = package.Configuration()
        for key, value in settings.items():
            setattr(configuration, key, value)
        made.append(package.ApiClient(configuration=configuration))
        return getattr(package, name)(api_client=made[-1])

    # The client makes a pool of connections for each API it is asked for and closes none of them.
    yield HubSpot(access_token="any", host=sandbox.url, api_factory=build)
    for each in made:
        each.rest_client.pool_manager.clear()
        each.close()


def post(from_id: str, to_id: str, *types: Any) -> Any:
    ends = {"_from": v4.PublicObjectId(id=from_id), "to": v4.PublicObjectId(id=to_id)}
    return v4.PublicAssociationMultiPost(types=list(types), **ends)


def by_email(client: Any, *emails: str) -> Any:
    """Return what the client finds by these emails."""
    inputs = [ContactId(id=email) for email in emails]
    body = BatchReadInputSimplePublicObjectId(
        id_property="email", inputs=inputs, properties=["email"], properties_with_history=[]
    )
    return client.crm.contacts.batch_api.read(body)


def test_the_client_labels_a_pair(sandbox: Sandbox, client: Any) -> None:
    """201 with the bare pair, which the client's model reads."""
    pair = client.crm.associations.v4.basic_api.create("contacts", "101", "companies", "201", [DECIDER])
    assert (pair.from_object_type_id, pair.from_object_id) == ("0-1", "101")
    assert (pair.to_object_type_id, pair.to_object_id) == ("0-2", "201")
    assert pair.labels == ["Decision maker"]
    assert sandbox.portal.types_of("0-1", 101, "0-2", 201) == {("HUBSPOT_DEFINED", 279), ("USER_DEFINED", 36)}


def test_the_client_reads_a_records_associations(client: Any) -> None:
    """From the company's end, page by page."""
    api = client.crm.associations.v4.basic_api
    for contact in ("101", "102", "103"):
        api.create("contacts", contact, "companies", "201", [DECIDER])
    first = api.get_page("companies", "201", "contacts", limit=2)
    rest = api.get_page("companies", "201", "contacts", limit=2, after=first.paging.next.after)
    assert [each.to_object_id for each in first.results + rest.results] == ["101", "102", "103"]
    types = {(each.category, each.type_id, each.label) for each in first.results[0].association_types}
    assert types == {("HUBSPOT_DEFINED", 280, None), ("USER_DEFINED", 37, "Decision maker")}
    assert rest.paging is None


def test_the_client_deletes_a_pair(sandbox: Sandbox, client: Any) -> None:
    api = client.crm.associations.v4.basic_api
    api.create("contacts", "101", "companies", "201", [DECIDER])
    api.archive("contacts", "101", "companies", "201")
    assert sandbox.portal.pairs() == {}


def test_the_client_makes_a_default_association(client: Any) -> None:
    """One result for each direction."""
    answer = client.crm.associations.v4.basic_api.create_default("contacts", "101", "companies", "201")
    assert answer.status == "COMPLETE"
    assert {each.association_spec.association_type_id for each in answer.results} == {279, 280}


def test_the_client_creates_a_batch(sandbox: Sandbox, client: Any) -> None:
    """201 for a whole batch; one record that does not exist refuses all of it, and is named."""
    api = client.crm.associations.v4.batch_api
    good, bad = post("101", "201", DECIDER), post("102", "999", PLAIN)
    body = v4.BatchInputPublicAssociationMultiPost(inputs=[good])
    whole = api.create("contacts", "companies", body)
    assert (whole.status, [each.labels for each in whole.results]) == ("COMPLETE", [["Decision maker"]])
    with pytest.raises(v4.ApiException) as refused:
        api.create("contacts", "companies", v4.BatchInputPublicAssociationMultiPost(inputs=[good, bad]))
    assert (refused.value.status, json.loads(refused.value.body)["context"]["objectId"]) == (400, ["999"])
    assert len(sandbox.portal.associations) == 1


def test_the_client_reads_a_batch(client: Any) -> None:
    """A record without associations is an error of the 207."""
    client.crm.associations.v4.basic_api.create("contacts", "101", "companies", "201", [PLAIN])
    inputs = [v4.PublicFetchAssociationsBatchRequest(id=each) for each in ("101", "102")]
    body = v4.BatchInputPublicFetchAssociationsBatchRequest(inputs=inputs)
    answer = client.crm.associations.v4.batch_api.get_page("contacts", "companies", body)
    (found,), (error,) = answer.results, answer.errors
    assert error.context["fromObjectId"] == ["102"]
    assert (found._from.id, [each.to_object_id for each in found.to]) == ("101", ["201"])


def test_the_client_archives_labels_and_pairs_in_batches(sandbox: Sandbox, client: Any) -> None:
    """204 for both."""
    api = client.crm.associations.v4.batch_api
    labelled = v4.BatchInputPublicAssociationMultiPost(inputs=[post("101", "201", DECIDER)])
    api.create("contacts", "companies", labelled)
    api.archive_labels("contacts", "companies", labelled)
    assert sandbox.portal.types_of("0-1", 101, "0-2", 201) == {("HUBSPOT_DEFINED", 279)}
    ends = {"_from": v4.PublicObjectId(id="101"), "to": [v4.PublicObjectId(id="201")]}
    body = v4.BatchInputPublicAssociationMultiArchive(inputs=[v4.PublicAssociationMultiArchive(**ends)])
    api.archive("contacts", "companies", body)
    assert sandbox.portal.pairs() == {}


def test_the_client_lists_and_defines_labels(client: Any) -> None:
    """With the current path of the specification."""
    api = client.crm.associations.v4.schema.definitions_api
    found = {(each.category, each.type_id): each.label for each in api.get_all("contacts", "companies").results}
    assert found["USER_DEFINED", 36] == "Decision maker"
    assert found["HUBSPOT_DEFINED", 279] is None
    body = schema.PublicAssociationDefinitionCreateRequest(name="owner", label="Owner", inverse_label="Owned")
    created = api.create("contacts", "companies", body)
    assert [each.label for each in created.results] == ["Owner", "Owned"]


def test_the_client_lists_records_page_by_page(client: Any) -> None:
    """As an export does: those with associations, and those that the portal's file names, each once."""
    for contact in ("103", "102"):
        client.crm.associations.v4.basic_api.create("contacts", contact, "companies", "201", [PLAIN])
    first = client.crm.contacts.basic_api.get_page(limit=2, archived=False)
    rest = client.crm.contacts.basic_api.get_page(limit=2, after=first.paging.next.after, properties=["email"])
    assert [each.id for each in (*first.results, *rest.results)] == ["101", "102", "103"]
    assert (rest.paging, rest.results[0].properties["email"], rest.results[0].archived) == (None, None, False)
    assert client.crm.companies.get_all()[0].id == "201"


def test_the_client_makes_single_and_paired_labels_until_there_are_fifty(client: Any) -> None:
    """A single label of one object type is one type, any other two; the fifty-first is HubSpot's own 437."""
    api = client.crm.associations.v4.schema.definitions_api

    def make(first: str, second: str, label: str, inverse: str | None = None) -> list[str]:
        name = label.lower().replace(" ", "_")
        body = schema.PublicAssociationDefinitionCreateRequest(name=name, label=label, inverse_label=inverse)
        return [each.label for each in api.create(first, second, body).results]

    assert make("contacts", "contacts", "Sibling") == ["Sibling"]
    assert make("contacts", "contacts", "Manager", "Employee") == ["Manager", "Employee"]
    assert make("contacts", "companies", "Owner") == ["Owner", "Owner"]
    for number in range(48):
        make("contacts", "companies", f"Label {number}")
    with pytest.raises(v4.schema.ApiException) as refused:
        make("contacts", "companies", "One more")
    assert (refused.value.status, json.loads(refused.value.body)["category"]) == (437, "VALIDATION_ERROR")


def test_the_client_sees_hubspots_errors(client: Any) -> None:
    """The body of a 400 is readable as the client's own error."""
    with pytest.raises(v4.ApiException) as caught:
        client.crm.associations.v4.basic_api.create("companies", "201", "contacts", "101", [PLAIN])
    assert caught.value.status == 400
    assert "INVALID_OBJECT_IDS" in caught.value.body


def test_the_client_finds_records_by_a_unique_property(client: Any) -> None:
    """As a load with emails for ids does."""
    (found,) = by_email(client, "ada@example.com").results
    assert (found.id, found.properties["email"]) == ("101", "ada@example.com")


def test_the_client_lists_schemas(client: Any) -> None:
    (found,) = client.crm.schemas.core_api.get_all().results
    assert (found.object_type_id, found.name, found.fully_qualified_name) == ("2-7", "vehicle", "p62515_vehicle")
    assert (found.labels.singular, found.labels.plural) == ("Car", "Cars")


@pytest.mark.parametrize(("first", "second"), [("contacts", "companies"), ("Cars", "contacts"), ("deals", "deals")])
async def test_labels_lists_what_the_official_client_sees(
    sandbox: Sandbox, client: Any, first: str, second: str
) -> None:
    """From both ends, with the same category, id and label."""
    connection = ConnectionSettings(base_url=sandbox.url, credentials=Secret("any"), api_version="v4")
    listed = await labels(Settings(read=(), connection=connection), first, second)
    api = client.crm.associations.v4.schema.definitions_api
    seen = {
        (from_type, to_type, each.category, each.type_id, each.label or "")
        for from_type, to_type in {
            (listed.object_type, listed.to_object_type),
            (listed.to_object_type, listed.object_type),
        }
        for each in api.get_all(from_type, to_type).results
    }
    assert len(listed.types) == len(seen)
    assert set(listed.types) == seen


async def test_records_are_found_as_the_official_client_finds_them(sandbox: Sandbox, client: Any) -> None:
    """By a unique property, in whatever case; a value without a record is named as absent by both."""
    connection = ConnectionSettings(base_url=sandbox.url, credentials=Secret("any"), api_version="v4")
    values = ["Ada@Example.com", "nobody@example.com"]
    async with open_gateway(Settings(read=(), connection=connection), surroundings()) as gateway:
        portal = GatewayPortal(gateway)
        found = await portal.records(Question("0-1", "email"), values)
    seen = by_email(client, *values)
    assert found.records == tuple((each.id, each.properties["email"]) for each in seen.results)
    assert found.absent == {"nobody@example.com"} == set(seen.errors[0].context["ids"])
