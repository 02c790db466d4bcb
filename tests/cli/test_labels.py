"""`labels FROM TO`: the association types of a pair from both ends, as the portal lists them, by any name of a type."""

import json
from typing import Any

import pytest

from loader.sandbox import Sandbox
from tests.cli.conftest import Run, refused

PORTAL = {
    "labels": [
        {"from": "contacts", "to": "companies", "label": "Decision maker", "type_id": 36, "inverse_type_id": 37},
        {"from": "contacts", "to": "companies", "label": "Boss", "inverse_label": "Staff of", "type_id": 40,
         "inverse_type_id": 41},
        {"from": "2-7", "to": "contacts", "label": "Driver \x1b[2J", "type_id": 50, "inverse_type_id": 51},
    ],
    "schemas": [
        {"object_type_id": "2-7", "name": "vehicle", "singular": "Car", "plural": "Cars", "associates": ["contacts"]},
        {"object_type_id": "2-8", "name": "boat", "associates": ["deals"]},
    ],
}  # fmt: skip


@pytest.fixture
def listed(run: Run) -> Run:
    """Run `labels` and return its one JSON object."""

    def ran(*arguments: str) -> dict[str, Any]:
        done = run("labels", *arguments, "--json")
        assert (done.code, done.err) == (0, "")
        (line,) = done.out.splitlines()
        found: dict[str, Any] = json.loads(line)
        return found

    return ran


def _brief(found: dict[str, Any]) -> list[tuple[str, str, str, int, str]]:
    keys = ("object_type", "to_object_type", "category", "id", "label")
    return [tuple(entry[key] for key in keys) for entry in found["types"]]


def test_both_directions_stand_in_one_table(run: Run, hubspot: Run) -> None:
    """Category, id and label, the unlabelled type first; a paired label reads differently from each end."""
    with hubspot(portal=PORTAL):
        done = run("labels", "contact", "Companies")
    assert done.code == 0
    lines = [line.split() for line in done.out.splitlines() if line.strip()]
    forward, backward = ["contacts", "companies"], ["companies", "contacts"]
    assert lines[0] == ["From", "To", "Category", "Type", "id", "Label"]
    assert lines[2] == [*forward, "HUBSPOT_DEFINED", "279", "(no", "label)"]
    assert [*forward, "USER_DEFINED", "36", "Decision", "maker"] in lines
    assert [*backward, "HUBSPOT_DEFINED", "280", "(no", "label)"] in lines
    assert [*backward, "USER_DEFINED", "41", "Staff", "of"] in lines
    assert "Primary" in done.out


def test_json_is_one_object_with_exactly_what_the_portal_lists(listed: Run, hubspot: Run) -> None:
    """Nothing of the loader's own table is added, nothing of the portal's left out."""
    with hubspot(portal=PORTAL) as sandbox:
        found = listed("contacts", "companies")
        there = sandbox.portal.types.between("0-1", "0-2")
        back = sandbox.portal.types.between("0-2", "0-1")
    assert found["event"] == "labels"
    assert found["names"] == {"0-1": "contacts", "0-2": "companies"}
    assert {(entry[2], entry[3], entry[4]) for entry in _brief(found) if entry[0] == "0-1"} == {
        (*each.key, each.label or "") for each in there
    }
    assert len(found["types"]) == len(there) + len(back)


@pytest.mark.parametrize("name", ["2-7", "vehicle", "p_vehicle", "p62515_vehicle", "Car", "CARS", "P62515-Vehicle"])
def test_a_custom_object_goes_by_every_name_that_its_schema_has(listed: Run, hubspot: Run, name: str) -> None:
    """Id, name, label, qualified name; the table shows its plural."""
    with hubspot(portal=PORTAL):
        found = listed(name, "contacts")
    assert found["names"] == {"2-7": "Cars", "0-1": "contacts"}
    assert ("2-7", "0-1", "USER_DEFINED", 50, "Driver \x1b[2J") in _brief(found)
    assert ("0-1", "2-7", "USER_DEFINED", 51, "Driver \x1b[2J") in _brief(found)


def test_one_object_type_is_one_request(listed: Run, hubspot: Run) -> None:
    """Contacts to contacts has one direction; standard ids need no schema."""
    with hubspot(portal=PORTAL) as sandbox:
        found = listed("0-1", "0-1", "--api-version", "v4")
        assert [request.path for request in sandbox.requests] == ["/crm/v4/associations/0-1/0-1/labels"]
    assert [entry[3] for entry in _brief(found)] == [449]


def test_control_characters_of_a_label_are_shown_escaped(run: Run, hubspot: Run) -> None:
    """A label writes nothing to the terminal."""
    with hubspot(portal=PORTAL):
        assert r"Driver \x1b[2J" in run("labels", "Cars", "contacts").out


@pytest.mark.parametrize("version", ["2025-09", "2026-03", "2026-09"])
def test_dated_versions_have_paths_of_their_own(listed: Run, hubspot: Run, version: str) -> None:
    """The labels and the schemas of that version, and the same answer."""
    with hubspot(portal=PORTAL) as sandbox:
        assert ("2-7", "0-1", "USER_DEFINED", 50, "Driver \x1b[2J") in _brief(
            listed("Cars", "contacts", "--api-version", version)
        )
        assert {request.path.split("/")[1] for request in sandbox.requests} == {"crm", "crm-object-schemas"}
        assert all(version in request.path for request in sandbox.requests)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("contcts", "companies"), "'contcts' is not an object type of this HubSpot account: did you mean contacts"),
        (("contacts", "Kars"), "'Kars' is not an object type of this HubSpot account: did you mean Cars"),
        (("p9_plane", "contacts"), "this HubSpot account's custom objects are p62515_boat, p62515_vehicle"),
        (
            ("p9_vehicle", "contacts"),
            "'p9_vehicle' is not an object type of this HubSpot account: did you mean p62515_vehicle?",
        ),
        (
            ("2-9", "contacts"),
            (
                "'2-9' is not an object type of this HubSpot account: this HubSpot account's custom objects are "
                "p62515_boat"
            ),
        ),
        (("contacts",), "Missing argument 'TO'"),
    ],
)
def test_an_unknown_object_type_is_exit_2(run: Run, hubspot: Run, words: tuple[str, ...], says: str) -> None:
    with hubspot(portal=PORTAL):
        done = run("labels", *words)
    assert done.code == 2
    assert says in done.err
    assert done.out == ""
    assert done.err.strip().count("\n") == 0 or words == ("contacts",)


def test_two_types_that_hubspot_does_not_associate_are_said(run: Run, hubspot: Run) -> None:
    """An empty list is a sentence, not an empty table."""
    with hubspot(portal=PORTAL):
        done = run("labels", "boat", "Cars")
    assert (done.code, done.out) == (0, "HubSpot lists no association type between Boats and Cars.\n")


def test_without_a_token_nothing_is_asked(run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels are the portal's own: exit 2, and the way on."""
    monkeypatch.delenv("HUBSPOT_ACCESS_TOKEN")
    done = run("labels", "contacts", "companies")
    assert (done.code, done.out, sandbox.count()) == (2, "", 0)
    assert "HUBSPOT_ACCESS_TOKEN" in done.err


def test_a_refused_token_and_a_wrong_portal_are_exit_3(run: Run, hubspot: Run) -> None:
    """One sentence each; of another portal no label is shown."""
    with hubspot(portal={"tokens": ["good"]}):
        assert run("labels", "contacts", "companies").code == 3
    with hubspot() as sandbox:
        refused(run("labels", "contacts", "companies", "--portal-id", "1"), code=3)
        assert sandbox.count() == 1
        assert run("labels", "contacts", "companies", "--portal-id", "62515").code == 0
