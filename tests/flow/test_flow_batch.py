"""Loads by batch: the same outcomes as pair by pair, whatever HubSpot's answers look like."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from loader.sandbox import Sandbox
from loader.settings import Budget
from tests.flow.conftest import Load
from tests.flow.portals import labels_of, linked
from tests.flow.test_flow_existing import LABELS, statuses, union_holds
from tests.written import lines_of

BATCH = {"method": "batch"}
RAW = {"method": "batch", "existing": "replace", "unread": True}


def rows(count: int) -> str:
    return "from_id,to_id\n" + "".join(f"{n},{n + 5000}\n" for n in range(1, count + 1))


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("version", ["v4", "2026-03"])
async def test_two_thousand_pairs_are_one_request_matched_by_pair(version: str, load_into: Load, folder: Path) -> None:
    """201 or 200, ids as numbers, results in any order; there is no created resource id."""
    (folder / "a.csv").write_text(rows(2500))
    async with Sandbox(ids="number", record_bodies=True) as sandbox:
        report = await load_into(sandbox, "a.csv", send=BATCH, connection={"api_version": version})
        assert (sandbox.count("POST", "batch/create"), sandbox.count("PUT")) == (2, 0)
        assert len(sandbox.portal.pairs()) == 2500
    assert report.exit_code == 0
    found = lines_of(folder / "r.csv")
    assert {(line["status"], line["attempts"], line["created_resource_id"]) for line in found} == {("created", "1", "")}
    assert len({line["row"] for line in found}) == 2500


async def test_pairs_of_a_record_lie_together_in_a_batch(load_into: Load, folder: Path) -> None:
    """Few records are written to at a time, and batches that are under way together have different ones."""
    (folder / "a.csv").write_text("from_id,to_id\n101,1\n102,2\n103,1\n104,2\n105,1\n")
    async with Sandbox(record_bodies=True) as sandbox:
        await load_into(sandbox, "a.csv", send=BATCH)
        (body,) = [json.loads(each.body or b"") for each in sandbox.requests if each.route == "batch/create"]
    assert [each["to"]["id"] for each in body["inputs"]] == ["1", "1", "1", "2", "2"]


async def test_all_labels_of_a_pair_are_one_input_of_a_batch(load_into: Load, folder: Path) -> None:
    (folder / "a.csv").write_text(
        "object_type,from_id,to_object_type,to_id,label\ncontacts,101,companies,201,Boss\n"
        "contacts,101,companies,201,Manager\ncontacts,102,companies,201,\ndeals,7,companies,201,\n"
    )
    async with Sandbox({"labels": LABELS}, record_bodies=True) as sandbox:
        report = await load_into(sandbox, "a.csv", send=BATCH)
        bodies = [json.loads(each.body or b"") for each in sandbox.requests if each.route == "batch/create"]
        assert labels_of(sandbox)[101, 201] == {"Boss", "Manager"}
    assert sorted(len(body["inputs"]) for body in bodies) == [1, 2]
    assert report.exit_code == 0


async def test_an_id_that_two_records_share_fails_the_right_one(load_into: Load, folder: Path) -> None:
    """Contact 9 and company 9: the error names a number, and only the pair of the missing company fails."""
    (folder / "a.csv").write_text("from_id,to_id\n9,1\n2,9\n3,8\n")
    portal = {"missing": [{"type": "companies", "id": "9"}, {"type": "companies", "id": "8"}]}
    async with Sandbox(portal, error_context="observed") as sandbox:
        await load_into(sandbox, "a.csv", send=BATCH)
    assert [(row, status) for row, status, _, _ in statuses(folder / "r.csv")] == [
        ("2", "created"),
        ("3", "failed"),
        ("4", "failed"),
    ]


async def test_a_request_refused_as_a_whole_is_halved_down_to_the_bad_row(load_into: Load, folder: Path) -> None:
    """Each request counts as an attempt of its rows."""
    (folder / "a.csv").write_text(rows(64))
    fault = {"fault": "400", "route": "batch/create", "pair": ["20", "5020"]}
    async with Sandbox(faults=[fault]) as sandbox:
        report = await load_into(sandbox, "a.csv", send=RAW)
        assert len(sandbox.portal.pairs()) == 63
        assert sandbox.count("POST", "batch/create") == 13
    (failed,) = (line for line in lines_of(folder / "r.csv") if line["status"] == "failed")
    assert (failed["object_id"], failed["http_status"], failed["attempts"]) == ("20", "400", "7")
    assert report.exit_code == 1


async def test_a_pair_that_no_answer_mentions_fails(load_into: Load, folder: Path) -> None:
    """An answer without results and errors is no success: the pairs are read back, and are not there."""
    (folder / "a.csv").write_text(rows(3))
    rule = {"fault": "201", "route": "batch/create", "body": {"status": "COMPLETE", "results": []}, "applied": False}
    async with Sandbox(faults=[rule]) as sandbox:
        report = await load_into(sandbox, "a.csv", send={**BATCH, "max_attempts": 3})
        assert sandbox.count("POST", "batch/create") == 3
    assert report.summary["failures_by_reason"] == {"NOT_IN_ANSWER": 3}
    assert {line["attempts"] for line in lines_of(folder / "r.csv")} == {"3"}


async def test_the_method_may_change_between_start_and_resume(load_into: Load, folder: Path) -> None:
    """What was sent stays, the rest goes the other way."""
    (folder / "a.csv").write_text(rows(40))
    async with Sandbox(faults=[{"fault": "400", "method": "PUT", "range": [11, 30]}]) as sandbox:
        await load_into(sandbox, "a.csv", send={"max_failures": Budget(count=2), "concurrency": 1})
        report = await load_into(sandbox, "a.csv", send=BATCH, retry_failed=True)
        assert len(sandbox.portal.pairs()) == 40
    assert report.exit_code == 0
    assert [status for _, status, _, _ in statuses(folder / "r.csv")] == ["created"] * 40


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("behaviour", [{}, {"semantics": "append", "page_size": 3, "no_associations": "error"}])
async def test_labels_that_are_there_are_kept_by_batch_too(
    behaviour: dict[str, Any], load_into: Load, folder: Path
) -> None:
    """The portal ends with what it had and what was asked, row by row with the right status."""
    seed = random.randrange(10**6)
    print(f"SEED={seed}")
    await union_holds(behaviour, load_into, folder, random.Random(seed), rows=300, send=BATCH)


async def test_a_second_night_reads_and_sends_the_change_in_one_request(load_into: Load, folder: Path) -> None:
    """Three thousand rows of which three are new: three reads, one write."""
    (folder / "a.csv").write_text(rows(3000))
    portal = {"associations": [linked(n, n + 5000) for n in range(1, 2998)]}
    async with Sandbox(portal) as sandbox:
        report = await load_into(sandbox, "a.csv", send=BATCH)
        assert (sandbox.count("POST", "batch/read"), sandbox.count("POST", "batch/create")) <= (3, 3)
    assert (report.summary["rows"]["created"], report.summary["rows"]["unchanged"]) == (3, 2997)
