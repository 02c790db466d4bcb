"""Pairs that would give a record more associations than the portal's limit are rejected before anything is sent."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run, lines, summary

BOSS = {"from": "contacts", "to": "companies", "label": "Boss", "type_id": 40, "inverse_type_id": 41}
HEADER = "object_type,object_id,to_object_type,to_object_id,label\n"
GOES, STAYS, OVER = ("created", ""), ("unchanged", ""), ("rejected", "OVER_ASSOCIATION_LIMIT")


def limit(from_type: str, to_type: str, type_id: int, most: int, category: str = "HUBSPOT_DEFINED") -> dict[str, Any]:
    """Return a limit that an admin has set."""
    return {"from": from_type, "to": to_type, "category": category, "type_id": type_id, "most": most}


def contact_to(*companies: int, label: str = "") -> str:
    """Return rows from contact 101."""
    return "".join(f"contacts,101,companies,{company},{label}\n" for company in companies)


def portal(*limits: dict[str, Any], held: tuple[int, ...] = (), type_id: int = 279) -> dict[str, Any]:
    """Return a portal with limits, in which contact 101 has companies."""
    types = [["HUBSPOT_DEFINED", type_id]]
    ends = {"from_type": "contacts", "from_id": "101", "to_type": "companies", "types": types}
    return {
        "labels": [BOSS],
        "limits": list(limits),
        "associations": [{**ends, "to_id": str(company)} for company in held],
    }


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("rows", "there", "found", "says"),
    [
        (
            contact_to(202, 203, 204, 205) + "contacts,102,companies,201,\n",
            portal(limit("contacts", "companies", 279, 3), held=(201, 202)),
            [STAYS, GOES, OVER, OVER, GOES],
            "record 101 has 2 associations of HUBSPOT_DEFINED 279 (contacts to companies) and would have 5",
        ),
        (
            "contacts,101,companies,9,\ncontacts,102,companies,9,Boss\ncontacts,103,companies,9,\n",
            portal(limit("companies", "contacts", 280, 2)),
            [GOES, GOES, OVER],
            "record 9 has 0 associations of HUBSPOT_DEFINED 280 (companies to contacts) and would have 3",
        ),
        (
            contact_to(201, 202, label="Boss") + contact_to(203),
            portal(limit("contacts", "companies", 40, 1, "USER_DEFINED")),
            [GOES, OVER, GOES],
            "of USER_DEFINED 40 (contacts to companies) and would have 2, but this HubSpot account allows 1",
        ),
        (
            contact_to(203, 204, label="Boss"),
            portal(limit("contacts", "companies", 40, 1, "USER_DEFINED"), held=(201, 202)),
            [GOES, OVER],
            "record 101 has 0 associations of USER_DEFINED 40 (contacts to companies) and would have 2",
        ),
        (
            "contacts,101,companies,201,Boss\ncontacts,102,companies,201,Boss\ncontacts,103,companies,201,\n",
            portal(limit("companies", "contacts", 41, 1, "USER_DEFINED")),
            [GOES, OVER, GOES],
            "record 201 has 0 associations of USER_DEFINED 41 (companies to contacts) and would have 2",
        ),
        (
            "companies,201,contacts,101,\ncompanies,202,contacts,101,Boss\ncompanies,202,contacts,101,\n",
            portal(limit("contacts", "companies", 279, 1)),
            [GOES, OVER, OVER],
            "record 101 has 0 associations of HUBSPOT_DEFINED 279 (contacts to companies) and would have 2",
        ),
        (
            "contacts,101,contacts,102,\ncontacts,103,contacts,101,\ncontacts,101,contacts,104,\n",
            portal(limit("contacts", "contacts", 449, 2)),
            [GOES, GOES, OVER],
            "record 101 has 0 associations of HUBSPOT_DEFINED 449 (contacts to contacts) and would have 3",
        ),
        (
            contact_to(202, label="Primary"),
            portal(limit("contacts", "companies", 1, 1), held=(201,), type_id=1),
            [GOES],
            "",
        ),
        (
            "companies,202,contacts,101,Contact with Primary Company\n",
            portal(limit("contacts", "companies", 1, 1), held=(201,), type_id=1),
            [GOES],
            "",
        ),
        (contact_to(201, 202), portal(limit("contacts", "companies", 279, 2)), [GOES, GOES], ""),
        (contact_to(201, 202), portal(limit("contacts", "deals", 4, 1)), [GOES, GOES], ""),
    ],
    ids=["with those that it has", "from the far end", "a label", "others have no label", "a label, from the far end",
         "rows of the far end", "one object type", "a primary moves", "a primary moves, from the far end", "just fits",
         "another pair"],
)  # fmt: skip
def test_rows_over_a_limit_are_rejected(
    rows: str, there: dict[str, Any], found: list[tuple[str, str]], says: str, run: Run, hubspot: Run
) -> None:
    """The first rows go as far as there is room, in the file's order; the others are rejected, with both numbers."""
    Path("a.csv").write_text(HEADER + rows)
    with hubspot(portal=there) as sandbox:
        assert run("plan", "a.csv").code == int(OVER in found)
        run("load", "a.csv", "--rate", "9999/1", "--method", "batch" if "101" in rows and "Boss" in rows else "put")
        assert 400 not in [request.status for request in sandbox.requests]
    by_row = lines("a.results.csv")
    assert [(line["status"], line["error_category"]) for line in by_row] == found
    assert all(says in line["error_message"] for line in by_row if line["status"] == "rejected")


REACHED = {
    "status": "error",
    "message": "One or more associations are invalid",
    "category": "VALIDATION_ERROR",
    "context": {"ASSOCIATION_LIMIT_EXCEEDED": ["CONTACT=101 has 5"]},
}
SAID = {"status": "error", "message": "The maximum number of associations is reached", "category": "VALIDATION_ERROR"}
LABELS = {"status": "error", "message": "No more than 50 association types are allowed", "category": "VALIDATION_ERROR"}


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("method", "status", "body", "says"),
    [
        ("put", "400", REACHED, "has as many associations of this kind as the HubSpot account allows"),
        ("batch", "400", SAID, "has as many associations of this kind as the HubSpot account allows"),
        ("put", "437", LABELS, "as many association labels as HubSpot allows"),
    ],
)
def test_hubspots_refusal_for_a_limit_is_explained(
    method: str, status: str, body: dict[str, str], says: str, load: Run, hubspot: Run
) -> None:
    """On the screen, too, beside other failures of the same category, and when the finished run is looked at again."""
    Path("a.csv").write_text("object_id,to_object_id\n101,201\n102,202\n103,999\n")
    route = {"put": "pair", "batch": "batch/create"}[method]
    faults = [{"fault": status, "route": route, "body": body, "pair": [each, each + 100]} for each in (101, 102)]
    with hubspot(portal={"missing": [{"type": "companies", "id": 999}]}, faults=faults):
        screens = [" ".join(load("a.csv", "--method", method).err.split()) for _ in range(2)]
    for screen in screens:
        assert "2 VALIDATION_ERROR: " in screen
        assert says in screen
        assert "HubSpot has no record with this id" in screen


def test_hubspot_refuses_what_passes_hidden_limits(run: Run, hubspot: Run) -> None:
    """The run does not depend on them: the other rows are created."""
    Path("a.csv").write_text(HEADER + contact_to(201, 202))
    with hubspot(portal=portal(limit("contacts", "companies", 279, 1)), faults=[{"fault": "403", "route": "limits"}]):
        run("load", "a.csv", "--rate", "9999/1")
    assert sorted(line["status"] for line in lines("a.results.csv")) == ["created", "failed"]


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("fault", "rejected"),
    [
        ({"fault": "401", "route": "batch/read"}, "contacts,101,companies,9,Nobody's\n"),
        ({"fault": "401", "route": "batch/read", "nth": [2]}, "contacts,103,companies,xyz,\n"),
        ({"fault": "401", "route": "batch/read", "nth": [2]}, ""),
    ],
)
def test_a_load_stopped_at_limits_counts_all_rows(fault: dict[str, Any], rejected: str, run: Run, hubspot: Run) -> None:
    """Whatever was rejected until then; the next command goes on."""
    limits = [limit("contacts", "companies", 279, 1), limit("companies", "contacts", 280, 1)]
    Path("a.csv").write_text(HEADER + rejected + contact_to(201, 202) + "contacts,102,companies,201,\n")
    rows = 3 + bool(rejected)
    with hubspot(portal=portal(*limits), faults=[{**fault, "times": 1}]):
        assert run("load", "a.csv", "--rate", "9999/1").code == 3
        counts = summary("a.summary.json")["rows"]
        assert (counts["total"], counts["created"], counts["pending"] > 0) == (rows, 0, True)
        run("load", "a.csv", "--rate", "9999/1")
        counts = summary("a.summary.json")["rows"]
        assert (counts["total"], counts["created"], counts["pending"]) == (rows, 1, 0)
