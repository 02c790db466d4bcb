"""How the sandbox answers batches in which something is wrong: as HubSpot was recorded, and in other ways on demand."""

from collections.abc import Mapping
from typing import Any

import pytest

from loader.sandbox import Sandbox
from tests.stages.sandbox_client import BATCH, entry, post, put, spec

MISSING = [{"type": "contacts", "id": "8"}, {"type": "companies", "id": "908"}, {"type": "companies", "id": "909"}]


@pytest.mark.parametrize("version", ["/crm/v4/associations", "/crm/associations/2026-09"])
@pytest.mark.parametrize("endpoint", ["create", "associate/default", "labels/archive"])
@pytest.mark.parametrize(
    ("invalid_pairs", "named"),
    [("all", ["COMPANY=908", "CONTACT=8", "COMPANY=909"]), ("first", ["COMPANY=908"])],
)
async def test_one_invalid_record_refuses_the_whole_batch(
    version: str, endpoint: str, invalid_pairs: Any, named: list[str]
) -> None:
    """400 without results, naming all invalid ids or only the first; nothing of the batch is written."""
    inputs = [entry(1, 901), entry(2, 908), entry(8, 909), entry(3, 908)]
    async with Sandbox({"missing": MISSING}, invalid_pairs=invalid_pairs) as sandbox:
        reply = await post(sandbox, f"{version}/contacts/companies/batch/{endpoint}", inputs)
        assert not sandbox.portal.pairs()
    body = reply.body
    assert reply.status == 400
    assert list(body) == ["status", "message", "correlationId", "context", "category"]
    assert (body["message"], body["category"]) == ("One or more associations are invalid", "VALIDATION_ERROR")
    assert body["context"] == {
        "INVALID_OBJECT_IDS": [f"{each} is not valid" for each in named],
        "objectId": [each.partition("=")[2] for each in named],
        "objectType": [each.partition("=")[0] for each in named],
    }


async def test_a_batch_names_a_wrong_type_id_beside_missing_records() -> None:
    """A type id that the portal lacks refuses the batch, too, in the words of a single request."""
    async with Sandbox({"missing": MISSING}) as sandbox:
        reply = await post(sandbox, f"{BATCH}/create", [entry(1, 908), entry(2, 902, spec(99999))])
    assert reply.status == 400
    assert reply.body["context"]["objectId"] == ["908"]
    assert reply.body["context"]["associationSpec"] == ["HUBSPOT_DEFINED=99999"]


async def test_a_record_without_associations_is_an_error_of_a_207() -> None:
    """As recorded in 2026, also where nothing at all was found; an id that is no number is one of its own."""
    inputs = [{"id": "515690208449"}, {"id": "7f2c-guid"}]
    async with Sandbox() as sandbox:
        reply = await post(sandbox, "/crm/v4/associations/deals/companies/batch/read", inputs)
    assert (reply.status, reply.body["results"], reply.body["numErrors"]) == (207, [], 2)
    assert reply.body["errors"] == [
        {
            "status": "error",
            "category": "OBJECT_NOT_FOUND",
            "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
            "message": "No company is associated with deal 515690208449.",
            "context": {"fromObjectId": ["515690208449"], "fromObjectType": ["deal"], "toObjectType": ["company"]},
        },
        {
            "status": "error",
            "category": "VALIDATION_ERROR",
            "subCategory": "crm.associations.INVALID_IDENTIFIER",
            "message": None,
            "context": {},
        },
    ]


@pytest.mark.parametrize(
    ("endpoint", "inputs"),
    [
        ("read", [{"id": "1"}, {"id": "8"}]),
        ("archive", [{"from": {"id": "1"}, "to": [{"id": "901"}]}, {"from": {"id": "8"}, "to": [{"id": "901"}]}]),
    ],
)
async def test_a_missing_record_can_refuse_a_whole_batch(endpoint: str, inputs: list[object]) -> None:
    """On demand the whole request is a 400 that names it, and nothing is removed; else the others are answered."""
    there = [{"from_type": "contacts", "from_id": "1", "to_type": "companies", "to_id": "901"}]
    async with Sandbox({"missing": MISSING, "associations": there}, strict_ids=True) as strict:
        refused = await post(strict, f"{BATCH}/{endpoint}", inputs)
        assert len(strict.portal.pairs()) == 1
    async with Sandbox({"missing": MISSING, "associations": there}) as lenient:
        answered = await post(lenient, f"{BATCH}/{endpoint}", inputs)
    assert (refused.status, refused.body["context"]["objectId"]) == (400, ["8"])
    assert answered.status in {204, 207}


@pytest.mark.parametrize("status", ["canceled", "processing"])
async def test_a_batch_can_say_that_it_is_not_complete(status: str) -> None:
    """Its errors and its results are those of the true answer, and what they say has happened."""
    async with Sandbox({"missing": MISSING}, faults=status, invalid_pairs="each") as sandbox:
        reply = await post(sandbox, f"{BATCH}/create", [entry(1, 901), entry(2, 908)])
        assert len(sandbox.portal.pairs()) == 1
    assert (reply.status, reply.body["status"]) == (207, status.upper())
    assert (len(reply.body["results"]), reply.body["numErrors"]) == (1, 1)


def merged() -> Mapping[str, object]:
    return {"merged": [{"type": "contacts", "id": "2", "into": "1"}, {"type": "contacts", "id": "3", "into": "2"}]}


@pytest.mark.parametrize("answers", ["bare", "wrapped"])
async def test_an_answer_about_a_merged_record_names_the_survivor(answers: Any) -> None:
    """A PUT, a batch create, a batch read and an archive are about the record that it was merged into."""
    path = "/crm/v4/objects/contacts/3/associations/companies/903"
    async with Sandbox(merged(), answers=answers) as sandbox:
        written = (await put(sandbox, path)).body
        created = await post(sandbox, f"{BATCH}/create", [entry(2, 902)])
        read = await post(sandbox, f"{BATCH}/read", [{"id": "2"}])
        records = await post(sandbox, "/crm/v3/objects/contacts/batch/read", [{"id": "3"}])
        assert {key[0] for key in sandbox.portal.pairs()} == {("0-1", "1")}
        inputs = [{"from": {"id": "3"}, "to": [{"id": "903"}]}]
        assert (await post(sandbox, f"{BATCH}/archive", inputs)).status == 204
        assert len(sandbox.portal.pairs()) == 1
    spoken_of = written.get("entity", written)["fromObjectId"], created.body["results"][0]["fromObjectId"]
    assert [str(each) for each in spoken_of] == ["1", "1"]
    assert (read.body["results"][0]["from"]["id"], len(read.body["results"][0]["to"])) == ("1", 2)
    assert records.body["results"][0]["id"] == "1"


async def test_a_blind_direction_says_that_nothing_is_associated() -> None:
    """The other direction shows what is there."""
    portal = {
        "blind": [{"from": "deals", "to": "leads"}],
        "associations": [{"from_type": "leads", "from_id": "5", "to_type": "deals", "to_id": "6"}],
    }
    async with Sandbox(portal) as sandbox:
        blind = await post(sandbox, "/crm/v4/associations/deals/leads/batch/read", [{"id": "6"}])
        seeing = await post(sandbox, "/crm/v4/associations/leads/deals/batch/read", [{"id": "5"}])
    assert (blind.status, blind.body["results"]) == (207, [])
    assert blind.body["errors"][0]["subCategory"] == "crm.associations.NO_ASSOCIATIONS_FOUND"
    assert [str(each["toObjectId"]) for each in seeing.body["results"][0]["to"]] == ["6"]
