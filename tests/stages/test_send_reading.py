"""What records are associated with now, and which records have a value: answers as tables, pages, refusals."""

import json
from typing import Any

import numpy as np
import pytest

from loader.errors import ConnectionFault, Refused, ServerFault
from loader.model import AssociationType, Question, RecordsFound
from loader.send import api
from loader.send.links import Page, associated
from loader.send.portal import records_found
from loader.send.reading import CurrentAssociations, Reading
from loader.send.replies import Reply
from tests.stages.columns import by_record, found_in
from tests.stages.fake_time import run
from tests.stages.scripted_server import Script, Server, amid_others, answer, in_turn, make

UNLABELLED = AssociationType("HUBSPOT_DEFINED", 279)
BOSS = AssociationType("USER_DEFINED", 7)
DIRECTION = ("0-1", "0-2")


def target(to_id: object, *types: AssociationType) -> dict[str, Any]:
    """Return one associated record as HubSpot names it."""
    named = [{"category": category, "typeId": type_id, "label": None} for category, type_id in types or (UNLABELLED,)]
    return {"toObjectId": to_id, "associationTypes": named}


def result(from_id: object, *targets: dict[str, Any], after: object = None) -> dict[str, Any]:
    """Return what HubSpot says of one record."""
    paging = {"paging": {"next": {"after": after, "link": "?"}}} if after is not None else {}
    return {"from": {"id": from_id}, "to": list(targets), **paging}


def none_found(from_id: str, context: str = "fromObjectId") -> dict[str, Any]:
    """Return the error by which HubSpot may say that a record has no associations."""
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
        "message": f"No company is associated with contact {from_id}.",
        "context": {context: [from_id]} if context else {},
    }


def refusal(*ids: str, key: str = "fromObjectId") -> dict[str, Any]:
    """Return another error."""
    return {"category": "VALIDATION_ERROR", "message": "not readable", "context": {key: list(ids)}}


def read_reply(body: Any, status: int = 200, ids: str = "1 2 3") -> Page:
    return associated(Reply(status, {}, json.dumps(body).encode()), np.array(list(map(int, ids.split()))))


# --- requests


@pytest.mark.parametrize(
    ("version", "path"),
    [
        ("v4", "/crm/v4/associations/0-1/0-2/batch/read"),
        ("2026-03", "/crm/associations/2026-03/0-1/0-2/batch/read"),
    ],
)
def test_records_are_read_at_the_path_of_the_version(version: str, path: str) -> None:
    """The first page without `after`, another one with it, quoted."""
    request = api.batch_read(DIRECTION, np.array([1, 2]), {2: 'a"b%d'}, version)
    assert (request.method, request.path) == ("POST", path)
    assert json.loads(request.body or b"") == {"inputs": [{"id": "1"}, {"id": "2", "after": 'a"b%d'}]}


# --- answers


@pytest.mark.parametrize("ids", [("1", "9"), (1, 9)])
@pytest.mark.parametrize("status", [200, 207])
def test_ids_of_an_answer_are_text_or_numbers(ids: tuple[object, object], status: int) -> None:
    """And every type is carried with its category."""
    body = {"results": [result(ids[0], target(ids[1], UNLABELLED, BOSS), after=ids[1])]}
    page = read_reply(body, status)
    assert by_record(page.links) == {"1": {"9": frozenset({UNLABELLED, BOSS})}}
    assert (page.after, page.refused, page.unexplained) == ({1: "9"}, {}, None)


@pytest.mark.parametrize("errors", [[], [none_found("2"), none_found("3")], [none_found("2", "")]])
def test_a_record_without_associations_is_no_error(errors: list[Any]) -> None:
    """It may be absent, or named in `errors`, or hinted at there."""
    page = read_reply({"results": [], "errors": errors, "numErrors": len(errors)}, 207)
    assert (len(page.links), page.after, page.refused, page.unexplained) == (0, {}, {}, None)


@pytest.mark.parametrize("key", ["fromObjectId", "ids", "objectId", "id"])
def test_an_error_fails_the_records_that_it_names(key: str) -> None:
    """Whatever the key of their ids is called; a number of something else is no id."""
    error = refusal("2", key=key)
    error["context"]["fromObjectType"] = ["1"]
    page = read_reply({"results": [result("1")], "errors": [error]}, 207)
    assert list(page.refused) == [2]
    assert (page.refused[2].message, page.refused[2].status) == ("not readable", 207)
    assert page.unexplained is None


@pytest.mark.parametrize("error", [refusal(), refusal("99"), {"message": "oops", "context": None}, "oops", None])
def test_an_error_that_names_no_record_explains_nothing(error: Any) -> None:
    page = read_reply({"results": [result("1")], "errors": [error]})
    assert page.unexplained is not None
    assert not page.refused


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ([], 200),
        ({}, 200),
        ({"results": None}, 200),
        ({"results": []}, 201),
        ({"results": ["x"]}, 200),
        ({"results": [], "status": "PENDING"}, 200),
        ({"results": [{"from": {"id": "1"}}]}, 200),
        ({"results": [{"to": []}]}, 200),
        ({"results": [result(True)]}, 200),
        ({"results": [result("1", {"toObjectId": "9"})]}, 200),
        ({"results": [result("1", {"associationTypes": []})]}, 200),
        ({"results": [result("1", target("9", AssociationType("hm", 1)))]}, 200),
        ({"results": [result("1", target("9", AssociationType("WORK", 0)))]}, 200),
        ({"results": [result("1", {"toObjectId": "9", "associationTypes": [7]})]}, 200),
    ],
)
def test_an_answer_that_cannot_be_read_is_asked_for_again(body: Any, status: int) -> None:
    with pytest.raises(ServerFault):
        read_reply(body, status)


def test_two_answers_about_one_record_are_both_true() -> None:
    """Also where they name the same other record, each with a type of its own."""
    body = {"results": [result("1", target("8"), target("9")), result("1", target("9", BOSS))]}
    assert by_record(read_reply(body).links) == {"1": {"8": {UNLABELLED}, "9": {UNLABELLED, BOSS}}}


@pytest.mark.parametrize("errors", [[refusal("2"), refusal("99")], [refusal(), refusal("2")]])
def test_an_error_without_ids_leaves_records_in_doubt(errors: list[dict[str, Any]]) -> None:
    """Of a read, and of a write: records that are not mentioned are not taken to have nothing."""
    page = read_reply({"results": [], "errors": errors}, 207)
    assert list(page.refused) == [2]
    assert page.unexplained is not None


# --- reading


def reading_of(ids: list[str], script: Script, *, amid: bool = False) -> tuple[Reading, list[list[str]]]:
    """Read records from a server that does what a script says; return the reading and the ids of each request."""
    bodies: list[bytes] = []

    def noted(request: api.Request, authorization: str, number: int) -> Reply | Exception:
        bodies.append(request.body or b"")
        return script(request, authorization, number)

    async def scenario() -> Reading:
        server = Server(noted)
        gateway = make(server, max_attempts=2)
        if not amid:
            return await CurrentAssociations(gateway).read(DIRECTION, list(map(int, ids)))
        async with amid_others(server, gateway):
            return await CurrentAssociations(gateway).read(DIRECTION, list(map(int, ids)))

    found = run(scenario)
    return found, [[each["id"] for each in json.loads(body)["inputs"]] for body in bodies]


def test_a_thousand_records_are_one_request_and_each_is_read_once() -> None:
    """Ids given twice are asked for once; every record is in the answer, with nothing where it has nothing."""
    ids = [str(number) for number in range(1, 2301)]
    reading, requests = reading_of([*ids, *ids], in_turn(then=answer(200, {"results": []})))
    assert [len(each) for each in requests] == [1000, 1000, 300]
    assert (found_in(reading, ids), reading.unreadable) == ({record_id: {} for record_id in ids}, {})


def test_pages_are_followed_to_the_end() -> None:
    """Only the records that have more are asked for again, from where their page ended."""
    first = {"results": [result("1", target("8"), after="8"), result("2", target("8"))]}
    second = {"results": [result("1", target("9", BOSS), after="9")]}
    third = {"results": [result("1", target("10"))]}
    reading, requests = reading_of(["1", "2"], in_turn(*(answer(200, page) for page in (first, second, third))))
    assert requests == [["1", "2"], ["1"], ["1"]]
    of_first = {"8": {UNLABELLED}, "9": {BOSS}, "10": {UNLABELLED}}
    assert found_in(reading, "12") == {"1": of_first, "2": {"8": {UNLABELLED}}}


def test_a_refused_request_is_halved_until_the_bad_record_is_found() -> None:
    """One record that cannot be read does not sink the thousand around it."""

    def script(request: api.Request, _authorization: str, _number: int) -> Reply:
        ids = [each["id"] for each in json.loads(request.body or b"")["inputs"]]
        if "77" in ids:
            return answer(400, {"message": "77 is bad", "category": "VALIDATION_ERROR"})
        return answer(200, {"results": [result(each, target("9")) for each in ids]})

    ids = [str(number) for number in range(1, 101)]
    reading, requests = reading_of(ids, script)
    assert list(reading.unreadable) == [77]
    assert isinstance(reading.unreadable[77], Refused)
    assert all(found_in(reading, ids).values())
    assert len(requests) < 20


def test_fewer_records_are_read_at_once_where_each_has_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer must not take half a gigabyte of memory; where there is little again, requests grow again."""
    monkeypatch.setattr("loader.send.reading.MOST_ASSOCIATIONS", 2000)

    def script(request: api.Request, _authorization: str, _number: int) -> Reply:
        ids = [each["id"] for each in json.loads(request.body or b"")["inputs"]]
        many = [target(number) for number in range(1, 41)]
        return answer(200, {"results": [result(each, *(many if int(each) <= 1000 else many[:1])) for each in ids]})

    sizes: list[int] = []

    def counted(request: api.Request, authorization: str, number: int) -> Reply:
        sizes.append(len(json.loads(request.body or b"")["inputs"]))
        return script(request, authorization, number)

    async def scenario() -> None:
        current = CurrentAssociations(make(Server(counted)))
        for first in (1, 501, 1001, 1101, 1201, 1401):
            reading = await current.read(DIRECTION, range(first, first + 100))
            assert all(reading.of(number) for number in range(first, first + 100))

    run(scenario)
    assert sizes == [100, 50, 50, 50, 50, 100, 100, 100]


def test_records_that_are_all_refused_are_not_read_one_by_one() -> None:
    """A wrong command costs tens of requests, not thousands."""
    ids = [str(number) for number in range(1, 1001)]
    reading, requests = reading_of(ids, in_turn(then=answer(400, {"message": "no"})))
    assert reading.unreadable.keys() == set(map(int, ids))
    assert len(requests) < 60


def test_records_are_unreadable_after_their_attempts_or_a_doubtful_answer() -> None:
    """Absent is not the same as nothing when the answer has an error without ids."""
    fault = ConnectionFault("reset")
    reading, _ = reading_of(["1", "2"], in_turn(fault, fault), amid=True)
    assert reading.unreadable == {1: fault, 2: fault}
    body = {"results": [result("1")], "errors": [refusal()]}
    reading, _ = reading_of(["1", "2"], in_turn(answer(207, body)))
    assert list(reading.unreadable) == [2]


@pytest.mark.parametrize("page", ["the same", "a new cursor and nothing new", "the same cursor and something new"])
def test_pages_that_lead_nowhere_make_a_record_unreadable(page: str) -> None:
    """Nor does a cursor that moves without an end, or content that grows without one, keep the run."""

    def pages(request: api.Request, _authorization: str, number: int) -> Reply:
        assert number < 20, "it never ends"
        (wanted,) = json.loads(request.body or b"")["inputs"]
        cursor = f"p{number}" if page.startswith("a new cursor") else "p"
        other = str(8 + number) if page.endswith("something new") else "8"
        return answer(200, {"results": [result(wanted["id"], target(other), after=cursor)]})

    reading, requests = reading_of(["1"], pages)
    assert reading.unreadable[1].category == "ENDLESS_PAGES"
    assert len(requests) <= 3
    assert not reading.of(1)


# --- records by a unique property


EMAIL = Question("0-1", "email")


def reply(body: Any, status: int = 200) -> Reply:
    return Reply(status, {}, json.dumps(body).encode())


def test_a_lookup_names_the_property_twice() -> None:
    """As the id's property, and as the one to be shown: answers are matched by it."""
    request = api.records("0-1", "email", ['a"b@x', "é"], "v4")
    assert (request.method, request.path) == ("POST", "/crm/v3/objects/0-1/batch/read")
    assert json.loads(request.body or b"") == {
        "idProperty": "email",
        "inputs": [{"id": 'a"b@x'}, {"id": "é"}],
        "properties": ["email"],
        "propertiesWithHistory": [],
    }
    assert api.records("0-1", "email", ["a"], "2026-03").path == "/crm/objects/2026-03/0-1/batch/read"
    with pytest.raises(ValueError, match="not an object type"):
        api.records("../x", "email", ["a"], "v4")


def test_an_answer_names_records_and_values_without_one() -> None:
    """200 or 207; ids as text or number; errors name values in their context."""
    results = [{"id": "7", "properties": {"email": "a@x"}}, {"id": 8, "properties": {"email": None}}]
    errors = [{"category": "OBJECT_NOT_FOUND", "context": {"ids": ["b@x", 5]}}, {"message": "x"}, "odd"]
    found = records_found(reply({"results": results, "errors": errors}, 207), EMAIL)
    assert found == RecordsFound((("7", "a@x"), ("8", "")), frozenset({"b@x", "5"}))
    assert records_found(reply({"results": []}), EMAIL) == RecordsFound((), frozenset())


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 200),
        ({"results": None}, 200),
        ({"results": [{}]}, 200),
        ({"results": ["7"]}, 200),
        ({"results": [{"id": "7/../8"}]}, 200),
        ({"results": [{"id": str(2**63)}]}, 200),
        ({"results": []}, 202),
        ([], 200),
    ],
)
def test_an_unreadable_answer_about_records_is_requested_again(body: Any, status: int) -> None:
    """A record whose id is no record id is never taken for one."""
    with pytest.raises(ServerFault):
        records_found(reply(body, status), EMAIL)
