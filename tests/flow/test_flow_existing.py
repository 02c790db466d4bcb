"""What pairs have already is kept: whole loads against a portal that is not empty."""

import random
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from loader.sandbox import Sandbox
from loader.sandbox.faults import Faults
from loader.settings import Budget
from tests.flow.conftest import Load
from tests.flow.portals import labels_of, linked
from tests.written import lines_of

LABELS = [
    {"from": "contacts", "to": "companies", "label": "Boss"},
    {"from": "contacts", "to": "companies", "label": "Manager", "inverse_label": "Employee"},
]
TWO = "from_id,to_id\n101,201\n102,202\n"


def statuses(path: Path) -> list[tuple[str, str, str, str]]:
    """Return row, status, attempts and HTTP status of every line."""
    return sorted((line["row"], line["status"], line["attempts"], line["http_status"]) for line in lines_of(path))


async def test_the_second_night_sends_nothing_that_is_there(sandbox: Sandbox, load_into: Load, folder: Path) -> None:
    """Every row is unchanged: no request, no id, exit 0, nothing to do next; a changed row is sent alone."""
    (folder / "a.csv").write_text(TWO)
    await load_into(sandbox, "a.csv")
    assert (sandbox.count("PUT"), sandbox.count("POST", "batch/read")) == (2, 1)
    report = await load_into(sandbox, "a.csv", fresh=True, command=("association-loader", "load", "a.csv"))
    assert (sandbox.count("PUT"), sandbox.count("POST", "batch/read")) == (2, 2)
    assert statuses(folder / "r.csv") == [("2", "unchanged", "0", ""), ("3", "unchanged", "0", "")]
    assert (report.exit_code, report.summary["next_command"]) == (0, None)
    assert {name: count for name, count in report.summary["rows"].items() if count} == {"total": 2, "unchanged": 2}
    (folder / "a.csv").write_text(TWO + "103,203\n")
    report = await load_into(sandbox, "a.csv")
    assert sandbox.count("PUT") == 3
    assert (report.summary["rows"]["created"], report.summary["rows"]["unchanged"]) == (1, 2)
    assert sandbox.count("POST", "batch/read") == 3


@pytest.mark.slow_after(2)
@pytest.mark.parametrize(
    ("existing", "semantics", "left"),
    [
        ("merge", "replace", {"Boss", "Manager"}),
        ("merge", "append", {"Boss", "Manager"}),
        ("replace", "replace", {"Manager"}),
    ],
)
async def test_labels_are_kept_unless_the_command_replaces_them(
    existing: str, semantics: Any, left: set[str], load_into: Load, folder: Path
) -> None:
    """Under either reading of what a write does to them."""
    (folder / "a.csv").write_text("from_id,to_id,label\n101,201,manager\n")
    portal = {"labels": LABELS, "associations": [linked(101, 201, "Boss")]}
    async with Sandbox(portal, semantics=semantics) as sandbox:
        await load_into(sandbox, "a.csv", send={"existing": existing})
        assert labels_of(sandbox)[101, 201] == left
        assert sandbox.count("POST", "batch/read") == 1


async def test_each_row_of_a_pair_has_its_own_status(load_into: Load, folder: Path) -> None:
    """The plain row was so before; the labelled one is created, also when it is written from the company's end."""
    (folder / "a.csv").write_text("from_id,to_id,label\n101,201,\n101,201,Boss\n101,201,\n102,202,\n")
    (folder / "b.csv").write_text(
        "object_type,from_id,to_object_type,to_id,label\ncompanies,202,contacts,102,\ncompanies,203,contacts,103,Boss\n"
    )
    portal = {
        "labels": LABELS,
        "associations": [linked(101, 201), linked(102, 202), linked(103, 203, "Boss")],
    }
    async with Sandbox(portal) as sandbox:
        report = await load_into(sandbox, "a.csv", "b.csv")
        assert sandbox.count("PUT") == 1
        assert labels_of(sandbox)[101, 201] == {"Boss"}
    found = {(line["input"], line["row"]): line["status"] for line in lines_of(folder / "r.csv")}
    assert found == {
        ("a.csv", "2"): "unchanged",
        ("a.csv", "3"): "created",
        ("a.csv", "4"): "unchanged",
        ("a.csv", "5"): "unchanged",
        ("b.csv", "2"): "unchanged",
        ("b.csv", "3"): "unchanged",
    }
    assert (report.summary["rows"]["created"], report.summary["rows"]["unchanged"]) == (1, 5)


async def test_a_record_that_cannot_be_read_fails_its_rows_alone(load_into: Load, folder: Path) -> None:
    """HubSpot's reason stands in the line, nothing was sent of it, and the others are created."""
    (folder / "a.csv").write_text("from_id,to_id\n" + "".join(f"{n},{n}\n" for n in range(101, 121)))
    faults = [{"fault": "400", "route": "batch/read", "body": {"message": "no", "category": "VALIDATION_ERROR"}}]
    async with Sandbox(faults=[{**faults[0], "range": [1, 5]}]) as sandbox:
        report = await load_into(sandbox, "a.csv")
        assert len(sandbox.portal.pairs()) == 19
    (failed,) = (line for line in lines_of(folder / "r.csv") if line["status"] == "failed")
    assert (failed["http_status"], failed["error_category"], failed["attempts"]) == ("400", "VALIDATION_ERROR", "0")
    assert report.exit_code == 1
    assert report.summary["rows"]["created"] == 19


async def test_two_hundred_rows_that_cannot_be_read_stop_the_run(load_into: Load, folder: Path) -> None:
    """For one and the same reason with no success between: something is wrong with all of them."""
    (folder / "a.csv").write_text("from_id,to_id\n" + "".join(f"{n},{n}\n" for n in range(100, 400)))
    async with Sandbox(faults=[{"fault": "400", "route": "batch/read"}]) as sandbox:
        report = await load_into(sandbox, "a.csv")
        assert sandbox.count("PUT") == 0
    assert report.exit_code == 4


async def test_a_label_that_an_unanswered_request_set_does_not_look_old(load_into: Load, folder: Path) -> None:
    """The write took effect and its answer was lost: sent again, the row is created, not unchanged."""
    others = "".join(f"{number},201,\n" for number in range(102, 142))
    (folder / "a.csv").write_text(f"from_id,to_id,label\n101,201,\n101,201,Boss\n{others}")
    fault = {"fault": "reset", "method": "PUT", "pair": [101, 201], "applied": True, "times": 1}
    async with Sandbox({"labels": LABELS, "associations": [linked(101, 201)]}, faults=[fault]) as sandbox:
        report = await load_into(sandbox, "a.csv", send={"max_attempts": 1})
        assert report.exit_code == 1
        assert labels_of(sandbox)[101, 201] == {"Boss"}
        assert {("2", "unchanged", "0", ""), ("3", "failed", "1", "")} <= set(statuses(folder / "r.csv"))
        report = await load_into(sandbox, "a.csv")
        assert report.exit_code == 0
    assert {("2", "unchanged"), ("3", "created")} <= {each[:2] for each in statuses(folder / "r.csv")}


async def test_rows_that_were_sent_before_a_stop_stay_created(load_into: Load, folder: Path) -> None:
    """The run goes on, reads again, and takes for its own what it sent."""
    (folder / "a.csv").write_text("from_id,to_id\n" + "".join(f"{n},7\n" for n in range(100, 160)))
    faults = [{"fault": "400", "method": "PUT", "range": [21, None]}]
    async with Sandbox({"associations": [linked(100, 7)]}, faults=faults) as sandbox:
        await load_into(sandbox, "a.csv", send={"max_failures": Budget(count=3), "concurrency": 2})
        sandbox._faults = Faults([], random.Random(0))
        report = await load_into(sandbox, "a.csv", retry_failed=True)
        assert len(sandbox.portal.pairs()) == 60
    assert report.exit_code == 0
    found = Counter(line["status"] for line in lines_of(folder / "r.csv"))
    assert found == {"created": 59, "unchanged": 1}


async def test_a_limit_holds(sandbox: Sandbox, load_into: Load, folder: Path) -> None:
    """The first three records and no other, though pairs are looked up by company."""
    (folder / "a.csv").write_text("from_id,to_id\n101,1\n102,2\n103,1\n104,2\n105,1\n")
    await load_into(sandbox, "a.csv", send={"limit": 3})
    assert sorted(int(first[1]) for first, _ in sandbox.portal.pairs()) == [101, 102, 103]
    report = await load_into(sandbox, "a.csv")
    assert report.summary["rows"]["created"] == 5
    assert sandbox.count("PUT") == 5


async def test_a_row_from_the_other_end_has_its_own_status(load_into: Load, folder: Path) -> None:
    """Its type has another id there."""
    (folder / "a.csv").write_text(
        "object_type,from_id,to_object_type,to_id,label\ncontacts,1,companies,9,Manager\ncompanies,9,contacts,1,Boss\n"
    )
    async with Sandbox({"labels": LABELS, "associations": [linked(1, 9, "Boss")]}) as sandbox:
        report = await load_into(sandbox, "a.csv")
        assert labels_of(sandbox)[1, 9] == {"Boss", "Manager"}
    assert {line["row"]: line["status"] for line in lines_of(folder / "r.csv")} == {"2": "created", "3": "unchanged"}
    assert (report.summary["rows"]["created"], report.summary["rows"]["unchanged"]) == (1, 1)


async def test_pairs_are_put_in_the_order_of_their_rows(sandbox: Sandbox, load_into: Load, folder: Path) -> None:
    """Though they are looked up by company: HubSpot locks a record while it is written to."""
    (folder / "a.csv").write_text("from_id,to_id\n101,1\n102,2\n103,1\n104,2\n105,1\n")
    await load_into(sandbox, "a.csv", send={"concurrency": 1})
    puts = [each.path.split("/")[5] for each in sandbox.requests if each.method == "PUT"]
    assert puts == ["101", "102", "103", "104", "105"]


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    "behaviour",
    [
        {},
        {"semantics": "append", "no_associations": "error", "ids": "number"},
        {"page_size": 2, "no_associations": "error"},
        {"page_size": 3, "semantics": "append", "answers": "bare"},
    ],
    ids=["replace", "append", "small pages", "small pages, append"],
)
async def test_random_loads_end_with_the_union(behaviour: dict[str, Any], load_into: Load, folder: Path) -> None:
    """Four hundred rows, many to a pair and to a record, over a portal half full: every set of labels is the union."""
    seed = random.randrange(10**6)
    print(f"SEED={seed}")
    await union_holds(behaviour, load_into, folder, random.Random(seed), rows=400)


async def union_holds(
    behaviour: dict[str, Any],
    load_into: Load,
    folder: Path,
    draw: random.Random,
    *,
    rows: int,
    send: dict[str, Any] | None = None,
) -> None:
    """Load random rows over random associations and hold the portal against the union of both."""
    names = ["", "Boss", "Manager", "Billing Contact"]
    size = max(5, rows // 40)
    ids = [(draw.randrange(1, 4 * size), draw.randrange(1, size)) for _ in range(rows)]
    lines = [(*each, draw.choice(names)) for each in ids]
    before = {(first, second): draw.sample(names[1:], draw.randrange(3)) for first, second in ids[::2]}
    had = [linked(*pair, *labels) for pair, labels in before.items()]
    (folder / "a.csv").write_text("from_id,to_id,label\n" + "".join(f"{a},{b},{label}\n" for a, b, label in lines))
    wanted: defaultdict[tuple[int, int], set[str]] = defaultdict(set)
    for pair, labels in before.items():
        wanted[pair].update(labels)
    old = {pair: set(labels) for pair, labels in wanted.items()}
    for first, second, label in lines:
        wanted[first, second].update({label} - {""})
    async with Sandbox({"labels": LABELS, "associations": had}, **behaviour) as sandbox:
        report = await load_into(sandbox, "a.csv", fresh=True, send=send or {})
        assert labels_of(sandbox) == wanted
        if not send:
            assert sandbox.count("PUT") == sum(wanted[pair] != old.get(pair) for pair in wanted)
    expected = Counter(
        "unchanged" if (a, b) in old and label in {"", *old[a, b]} else "created" for a, b, label in lines
    )
    assert Counter(line["status"] for line in lines_of(folder / "r.csv")) == expected
    counts = report.summary["rows"]
    assert (counts["created"], counts["unchanged"]) == (expected["created"], expected["unchanged"])
