"""`--method batch` in front of a HubSpot that refuses whole batches: which pairs fail, why, and what that costs."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import CONTACTS, Run, lines, summary
from tests.cli.portals import association

BATCH = ("--method", "batch")


def missing(object_type: str, *ids: int) -> dict[str, Any]:
    """Return a portal without these records."""
    return {"missing": [{"type": object_type, "id": str(one)} for one in ids]}


def write(pairs: list[tuple[int, int]]) -> None:
    """Write an input of pairs."""
    Path("in.csv").write_text("from_id,to_id\n" + "".join(f"{one},{two}\n" for one, two in pairs))


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("named", "most", "first_company", "gone"),
    [
        ("all", 3, 900_001, "contacts"),
        ("all", 3, 1, "companies"),
        ("first", 15, 1, "contacts"),
    ],
)
def test_stale_ids_cost_little(hubspot: Run, load: Run, named: str, most: int, first_company: int, gone: str) -> None:
    """Also where contacts and companies have the same numbers; each pair fails with its own record in the message."""
    pairs = [(1 + n, first_company + n) for n in range(1000)]
    bad = [pairs[n][gone == "companies"] for n in range(50, 1000, 100)]
    write(pairs)
    with hubspot(portal=missing(gone, *bad), invalid_pairs=named) as sandbox:
        assert load("in.csv", *BATCH).code == 1
        assert sandbox.count("POST", "batch/create") <= most
        assert len(sandbox.portal.pairs()) == 990
    failed = [line for line in lines("in.results.csv") if line["status"] != "created"]
    end = "to_object_id" if gone == "companies" else "object_id"
    assert sorted(int(line[end]) for line in failed) == bad
    assert {(line["status"], line["http_status"], line["error_category"]) for line in failed} == {
        ("failed", "400", "VALIDATION_ERROR")
    }
    name = "COMPANY" if gone == "companies" else "CONTACT"
    assert all(
        line["error_message"].endswith(f"(INVALID_OBJECT_IDS: {name}={line[end]} is not valid)") for line in failed
    )


def test_many_stale_ids_among_good_ones_do_not_stop_a_load(hubspot: Run, load: Run) -> None:
    """Three hundred refusals in one answer are not three hundred in a row, if the other pairs are taken."""
    write([(1 + n, 900_001 + n) for n in range(1000)])
    with hubspot(portal=missing("contacts", *range(1, 301))):
        assert load("in.csv", *BATCH).code == 1
    assert summary("in.summary.json")["rows"]["failed"] == 300


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("named", ["all", "first"])
def test_a_batch_of_stale_ids_alone_stops_the_load(hubspot: Run, load: Run, named: str) -> None:
    """That is the wrong column or the wrong portal; it is seen after a few hundred requests at most."""
    write([(1 + n, 900_001 + n) for n in range(500)])
    with hubspot(portal=missing("contacts", *range(1, 501)), invalid_pairs=named) as sandbox:
        assert load("in.csv", *BATCH).code == 4
        assert sandbox.count("POST", "batch/create") <= 300


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("named", ["all", "first"])
def test_a_refused_read_fails_only_the_records_it_names(hubspot: Run, load: Run, named: str) -> None:
    """Stale contacts: nothing is written for them, because what they have is not known."""
    write([(1 + n, 900_001 + n) for n in range(1000)])
    bad = list(range(10, 1000, 33))
    with hubspot(portal=missing("contacts", *bad), invalid_pairs=named, strict_ids=True) as sandbox:
        assert load("in.csv", *BATCH).code == 1
        assert sandbox.count("POST", "batch/read") == 1 + (len(bad) if named == "first" else 1)
        assert [request.status for request in sandbox.requests if request.route == "batch/create"] == [201]
    failed = [line for line in lines("in.results.csv") if line["status"] == "failed"]
    assert sorted(int(line["object_id"]) for line in failed) == bad
    assert all(f"CONTACT={line['object_id']} is not valid" in line["error_message"] for line in failed)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("named", ["all", "first"])
def test_undo_leaves_out_the_records_that_are_gone(hubspot: Run, load: Run, run: Run, named: str) -> None:
    """Their pairs fail, everything else is removed; no request is halved."""
    write([(1 + n, 900_001 + n) for n in range(250)])
    with hubspot(invalid_pairs=named, strict_ids=True) as sandbox:
        assert load("in.csv", *BATCH).code == 0
        sandbox.portal._missing |= {("0-2", 900_001 + n) for n in (3, 4, 120)}
        assert run("undo", "in.results.csv", "--yes").code == 1
        assert len(sandbox.portal.pairs()) == 3
        assert sandbox.count("POST", "batch/archive") <= 3 + 3


def test_a_hundred_labels_are_taken_off_in_one_request(hubspot: Run, load: Run, run: Run) -> None:
    """HubSpot refuses more: 250 labels of pairs that were there before are three requests, and none is refused."""
    pairs = [(1 + n, 900_001 + n) for n in range(250)]
    write(pairs)
    there = [association(contact, company) for contact, company in pairs]
    label = {"from": "contacts", "to": "companies", "label": "Boss", "type_id": 31, "inverse_type_id": 32}
    with hubspot(portal={"labels": [label], "associations": there}) as sandbox:
        assert load("in.csv", *BATCH, "--label", "Boss").code == 0
        assert run("undo", "in.results.csv", "--yes").code == 0
        answers = [request.status for request in sandbox.requests if request.route == "batch/labels/archive"]
        assert answers in ([204] * 3, [200] * 3)  # As the version of the API has it.
        assert all(len(types) == 1 for types in sandbox.portal.pairs().values())


def test_the_plan_says_what_stale_ids_may_cost(hubspot: Run, run: Run) -> None:
    """One request for each of them in the worst case; a PUT is not sent again for another's sake."""
    write([(1 + n, 900_001 + n) for n in range(1000)])
    with hubspot():
        said = " ".join(run("plan", "in.csv", *CONTACTS).out.split())
        assert "Batches take up to 10 more requests if HubSpot does not have 1% of the records any more." in said
        planned = run("plan", "in.csv", *CONTACTS, "--json").events
    assert {method: cost["stale"] for method, cost in planned[-1]["costs"].items()} == {"put": 0, "batch": 10}
