"""Records that were merged into others in HubSpot: an answer about the survivor harms no other row, and is said."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import CONTACTS, Run, lines
from tests.cli.portals import association, labels_by_pair

COUNT = 40


def portal(object_type: str, gone: int, survivor: int, *, known: bool = True) -> dict[str, Any]:
    """Return a portal with one merged record, whose survivor has an association of its own where it is `known`."""
    there = association(70, survivor) if object_type == "companies" else association(survivor, 71)
    return {
        "merged": [{"type": object_type, "id": str(gone), "into": str(survivor)}],
        "associations": [there] if known else [],
    }


def write(*, more: str = "") -> None:
    """Write contacts 1001 and on, each with its own company, and rows of the test's own."""
    rows = "".join(f"{1001 + n},{500_001 + n}\n" for n in range(COUNT))
    Path("in.csv").write_text(f"from_id,to_id\n{rows}{more}")


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("method", "known", "no_associations", "object_type", "gone"),
    [
        ("put", True, "error", "contacts", 1007),
        ("put", True, "absent", "companies", 500_007),
        ("put", False, "error", "companies", 500_007),
        ("batch", True, "error", "companies", 500_007),
        ("batch", False, "absent", "companies", 500_007),
        ("batch", False, "error", "contacts", 1007),
    ],
)
def test_a_merged_record_fails_its_own_rows(
    hubspot: Run, load: Run, method: str, known: bool, no_associations: str, object_type: str, gone: int
) -> None:
    """Whichever end it is at; the others are created, and no request is made eight times."""
    write()
    with hubspot(portal=portal(object_type, gone, 77, known=known), no_associations=no_associations) as sandbox:
        assert load("in.csv", "--method", method).code == 1
        assert sandbox.count("POST", "batch/read") + sandbox.count("POST", "batch/create") <= 30
        assert sandbox.count("PUT") <= COUNT
    (failed,) = lines("in.failures.csv")
    assert failed["from_id" if object_type == "contacts" else "to_id"] == str(gone)
    assert failed["_error_category"] == "RECORD_MERGED"
    called = "contact" if object_type == "contacts" else "company"
    assert f"{called} {gone} was merged into 77 in HubSpot" in failed["_error_message"]
    assert sum(line["status"] == "created" for line in lines("in.results.csv")) == COUNT - 1


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("method", ["put", "batch"])
def test_rows_of_the_survivor_are_loaded(hubspot: Run, load: Run, method: str) -> None:
    """Both are in one reading, where HubSpot answers about the survivor only, or twice."""
    write(more="77,500007\n77,500008\n")
    with hubspot(portal=portal("contacts", 1007, 77)):
        assert load("in.csv", "--method", method).code == 1
    assert [line["from_id"] for line in lines("in.failures.csv")] == ["1007"]
    created = {
        (line["object_id"], line["to_object_id"]) for line in lines("in.results.csv") if line["status"] == "created"
    }
    assert {("77", "500007"), ("77", "500008")} <= created


def test_the_plan_says_which_records_are_merged(hubspot: Run, run: Run) -> None:
    """Those that are looked up, with the record that survives; for people and for programs."""
    write()
    with hubspot(portal=portal("contacts", 1007, 77)):
        done = run("plan", "in.csv", *CONTACTS)
        planned = run("plan", "in.csv", *CONTACTS, "--json").events
    assert "Merged in HubSpot: contact 1007 into 77." in " ".join(done.out.split())
    assert planned[-1]["merged"] == [{"object_type": "0-1", "record_id": "1007", "survivor": "77"}]


def test_verify_and_undo_say_that_a_record_was_merged_since(hubspot: Run, load: Run, run: Run) -> None:
    """What they cannot read of it is not missing and not removed; the other rows are as always."""
    write()
    with hubspot() as sandbox:
        assert load("in.csv", "--method", "batch").code == 0
        sandbox.portal._merged["0-1", 1007] = 77
        sandbox.portal.associate("0-1", 77, "0-2", 71, frozenset({("HUBSPOT_DEFINED", 279)}), append=True)
        assert run("verify", "in.csv", *CONTACTS, "--wait", "0").code == 1
        (odd,) = [line for line in lines("in.verify.csv") if "=" not in line.values()]
        assert "!" in odd.values()
        assert any("was merged into 77" in text for text in odd.values())
        assert run("undo", "in.results.csv", "--yes").code == 1
    (failed,) = [line for line in lines("in.undo.csv") if line["status"] == "failed"]
    assert failed["object_id"] == "1007"
    assert "was merged into 77" in failed["error_message"]


LABELS = [{"from": "contacts", "to": "companies", "label": label} for label in ("Boss", "Champion", "Friend")]


@pytest.mark.slow_after(2)
@pytest.mark.parametrize(
    ("existing", "method"),
    [("merge", "put"), ("mirror", "batch"), ("merge", "batch"), ("mirror", "put"), ("replace", "put")],
)
def test_the_survivor_keeps_its_labels(hubspot: Run, load: Run, run: Run, method: str, existing: str) -> None:
    """HubSpot would write to its pair, which nobody has looked at; an undo finds all as it was."""
    Path("in.csv").write_text("from_id,to_id,label\n1,20,Champion\n1,23,Boss\n2,22,Boss\n3,20,Boss\n")
    merged = [{"type": "companies", "id": "20", "into": "21"}]
    associations = [association(1, 21, "Boss", "Friend"), association(2, 22, "Champion"), association(2, 24, "Boss")]
    with hubspot(portal={"labels": LABELS, "associations": associations, "merged": merged}) as sandbox:
        before = labels_by_pair(sandbox)
        assert load("in.csv", "--method", method, "--existing", existing).code == 1
        after = labels_by_pair(sandbox)
        assert after[1, 21] == {"", "Boss", "Friend"}
        assert after[1, 23] == {"", "Boss"}
        assert after[2, 24] == ({""} if existing == "mirror" else {"", "Boss"})
        assert run("undo", "in.results.csv", "--yes").code == 0
        # Contact 3 had nothing that a write to the survivor could take off it.
        assert labels_by_pair(sandbox) == before | {(3, 21): {"", "Boss"}}
    failed = {line["from_id"]: line["_error_message"] for line in lines("in.failures.csv")}
    assert failed["1"].startswith("nothing was sent: company 20 was merged into 21 in HubSpot")
    assert "HubSpot has associated that one" in failed["3"]


def test_the_survivor_of_a_contact_is_not_given_another_primary_company(hubspot: Run, run: Run) -> None:
    """The survivor would lose the one that it has."""
    Path("in.csv").write_text("from_id,to_id,label\n20,1,Primary\n")
    merged = [{"type": "contacts", "id": "1", "into": "9"}]
    with hubspot(portal={"associations": [association(9, 30, "Primary")], "merged": merged}) as sandbox:
        assert run("load", "in.csv", "--from", "companies", "--to", "contacts").code == 1
        assert labels_by_pair(sandbox) == {(9, 30): {"", "Primary"}}
    assert "nothing was sent: contact 1 was merged into 9" in lines("in.failures.csv")[0]["_error_message"]


def test_remove_and_undo_leave_the_survivor_alone(hubspot: Run, run: Run) -> None:
    """Whether the record was merged before the removal or since."""
    Path("in.csv").write_text("from_id,to_id,label\n1,20,Boss\n2,40,Boss\n2,50,Boss\n")
    types = CONTACTS
    merged = [{"type": "companies", "id": "20", "into": "21"}]
    associations = [
        association(1, 21, "Boss"),
        association(2, 40, "Boss"),
        association(2, 41, "Friend"),
        association(2, 50, "Boss", "Friend"),
    ]
    with hubspot(portal={"labels": LABELS, "associations": associations, "merged": merged}) as sandbox:
        assert run("remove", "in.csv", *types, "--yes").code == 0
        assert labels_by_pair(sandbox) == {
            (1, 21): {"", "Boss"},
            (2, 40): {""},
            (2, 41): {"", "Friend"},
            (2, 50): {"", "Friend"},
        }
        sandbox.portal.merge_record("companies", 40, 41)
        assert run("undo", "in.removed.results.csv", "--yes").code == 1
        assert labels_by_pair(sandbox) == {
            (1, 21): {"", "Boss"},
            (2, 41): {"", "Friend"},
            (2, 50): {"", "Boss", "Friend"},
        }
    undone = {line["to_object_id"]: line for line in lines("in.removed.undo.csv")}
    assert undone["50"]["status"] == "restored"
    assert undone["40"]["status"] == "failed"
    assert "company 40 was merged into 41" in undone["40"]["error_message"]
