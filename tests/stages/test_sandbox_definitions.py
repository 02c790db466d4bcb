"""The sandbox's association types and their limits: HubSpot's texts, a portal's own, and how many there may be."""

import uuid

import pytest

from loader.sandbox import Sandbox
from tests.stages.sandbox_client import BATCH, LABELS, ask, entry, post, put, spec

PUT = "/crm/v4/objects/contacts/{}/associations/companies/{}"
LIMITS = (
    "/crm/associations/v4/definitions/configurations",
    "/crm/associations/2026-03/definitions/configurations",
    "/crm/associations/2026-09/definitions/configurations",
)
TWO_AT_MOST = {"limits": [{"from": "contacts", "to": "companies", "type_id": 279, "most": 2}]}


@pytest.mark.parametrize("root", LIMITS)
async def test_the_limits_of_a_direction_are_listed(root: str) -> None:
    """Every type of the direction, and a number where an admin has set one."""
    async with Sandbox(TWO_AT_MOST) as sandbox:
        listed = await ask(sandbox, "GET", f"{root}/contacts/companies")
        everywhere = await ask(sandbox, "GET", f"{root}/all")
    limited = {"category": "HUBSPOT_DEFINED", "typeId": 279, "label": None, "userEnforcedMaxToObjectIds": 2}
    assert listed.status == everywhere.status == 200
    assert everywhere.body["results"] == [limited]
    assert [each for each in listed.body["results"] if "userEnforcedMaxToObjectIds" in each] == [limited]
    assert len(listed.body["results"]) > 1


async def test_an_association_beyond_a_limit_is_a_400() -> None:
    """By PUT, from the other end, and within a batch; what is there already may be written again."""
    async with Sandbox(TWO_AT_MOST) as sandbox:
        statuses = [(await put(sandbox, PUT.format(1, n))).status for n in (11, 12, 12, 13)]
        from_company = await put(sandbox, "/crm/v4/objects/companies/14/associations/contacts/1", spec(280))
        batch = await post(sandbox, f"{BATCH}/create", [entry(2, n) for n in (11, 12, 13)])
        assert len(sandbox.portal.pairs()) == 2
    assert statuses == [201, 201, 201, 400]
    assert (from_company.status, from_company.body["context"]["objectId"]) == (400, ["1"])
    assert (batch.status, batch.body["context"]["objectId"]) == (400, ["2"])


async def test_the_fifty_first_label_of_two_object_types_is_a_437() -> None:
    """Both directions of a label are one; HubSpot's own types do not count."""
    labels = [{"from": "contacts", "to": "companies", "label": f"Label {n}"} for n in range(49)]
    async with Sandbox({"labels": labels}) as sandbox:
        statuses = [
            (await ask(sandbox, "POST", LABELS, {"name": name, "label": name.upper()})).status for name in ("a", "b")
        ]
        refused = await ask(sandbox, "POST", LABELS, {"name": "c", "label": "C"})
    assert statuses == [200, 437]
    assert refused.body["message"] == "No more than 50 association types are allowed between contacts and companies"


async def test_a_portal_may_rename_hubspots_types_and_reuse_their_ids() -> None:
    """A type is its category and its id: one end can have another text, and 279 can be two types."""
    portal = {
        "renamed": [{"type_id": 2, "label": "Person with Head office"}],
        "labels": [{"from": "contacts", "to": "companies", "label": "Boss", "type_id": 279, "inverse_type_id": 280}],
    }
    async with Sandbox(portal) as sandbox:
        await put(sandbox, PUT.format(1, 11), spec(1), spec(279, "USER_DEFINED"))
        near = await ask(sandbox, "GET", "/crm/v4/objects/contacts/1/associations/companies")
        far = await ask(sandbox, "GET", "/crm/v4/objects/companies/11/associations/contacts")
    shown = [
        [(each["category"], each["typeId"], each["label"]) for each in reply.body["results"][0]["associationTypes"]]
        for reply in (near, far)
    ]
    assert shown[0] == [
        ("HUBSPOT_DEFINED", 279, None),
        ("HUBSPOT_DEFINED", 1, "Primary"),
        ("USER_DEFINED", 279, "Boss"),
    ]
    assert [text for _, _, text in shown[1]] == [None, "Person with Head office", "Boss"]


@pytest.mark.parametrize(("rate", "secondly"), [("100/10", "10"), ("190/10", "19"), ("1/10", "1")])
async def test_answers_tell_of_a_second_and_have_time_ordered_ids(rate: str, secondly: str) -> None:
    """The headers of a second are sent and not enforced; correlation ids are UUIDs of version 7."""
    async with Sandbox(rate=rate, wall=lambda: 1_795_000_000.5) as sandbox:
        answer = await ask(sandbox, "GET", LABELS)
    assert answer.headers["X-HubSpot-RateLimit-Secondly"] == secondly
    assert answer.headers["X-HubSpot-RateLimit-Secondly-Remaining"] == str(int(secondly) - 1)
    correlation_id = uuid.UUID(answer.headers["x-hubspot-correlation-id"])
    assert (correlation_id.version, correlation_id.int >> 80) == (7, 1_795_000_000_500)
    assert correlation_id.variant == uuid.RFC_4122


@pytest.mark.parametrize(
    "body",
    [
        {"name": "decision-maker", "label": "Decision maker"},
        {"name": "2nd", "label": "Second"},
        {"name": "boss", "label": "Head"},
        {"name": "head", "label": "Boss"},
        {"name": "head", "label": "Head", "inverseLabel": "Staff"},
    ],
)
async def test_a_name_or_a_label_that_cannot_be_is_a_400(body: dict[str, str]) -> None:
    """No hyphen, no digit first; neither the name nor the label of another one, from either end."""
    boss = {"from": "contacts", "to": "companies", "label": "Boss", "inverse_label": "Staff", "name": "boss"}
    async with Sandbox({"labels": [boss]}) as sandbox:
        refused = await ask(sandbox, "POST", LABELS, body)
    assert (refused.status, refused.body["category"]) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("path", ["/crm/v3/objects/contacts", "/crm/objects/2026-09/0-1"])
async def test_a_list_has_the_records_of_the_moment(path: str) -> None:
    """Ten a page unless more are asked for, a hundred at most; what was deleted or merged meanwhile is gone."""
    records = [{"type": "contacts", "id": str(number)} for number in range(1, 131)]
    async with Sandbox({"records": records}) as sandbox:
        usual = await ask(sandbox, "GET", path)
        first = await ask(sandbox, "GET", f"{path}?limit=100&archived=false")
        sandbox.portal.associate("0-1", 120, "0-2", 7, frozenset({("HUBSPOT_DEFINED", 279)}))
        sandbox.portal.delete_record("contacts", 110)
        sandbox.portal.merge_record("contacts", 120, 5)
        rest = await ask(sandbox, "GET", f"{path}?limit=100&after={first.body['paging']['next']['after']}")
        too_many = await ask(sandbox, "GET", f"{path}?limit=101")
        assert sandbox.portal.types_of("contacts", 5, "companies", 7) == {("HUBSPOT_DEFINED", 279)}
    assert (len(usual.body["results"]), len(first.body["results"]), too_many.status) == (10, 100, 400)
    assert [int(each["id"]) for each in rest.body["results"]] == [*range(101, 110), *range(111, 120), *range(121, 131)]
    assert "paging" not in rest.body
