"""The question for records by a unique property, and what the answers say."""

import json
from typing import Any

import pytest

from loader.errors import ServerFault
from loader.model import Question, RecordsFound
from loader.send import api
from loader.send.portal import records_found
from loader.send.replies import Reply

EMAIL = Question("0-1", "email")


def reply(body: Any, status: int = 200) -> Reply:
    return Reply(status, {}, json.dumps(body).encode())


def test_the_question_names_the_property_twice() -> None:
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
def test_an_answer_that_cannot_be_read_is_asked_for_again(body: Any, status: int) -> None:
    """A record whose id is no record id is never taken for one."""
    with pytest.raises(ServerFault):
        records_found(reply(body, status), EMAIL)
