"""What a load writes: one result line for each row, the failures, the summary."""

import asyncio
import csv
import json
from collections import Counter
from pathlib import Path

import pytest

from loader.errors import Interrupted, LoaderError, OutOfTime
from loader.sandbox import Sandbox
from loader.stopping import Stop
from tests.flow.conftest import Load
from tests.written import lines_of, names_in

COLUMNS = (
    "input,row,status,object_type,object_id,to_object_type,to_object_id,association_category,association_type_id,label,"
    "created_resource_id,labels,http_status,error_category,error_message,correlation_id,attempts,finished_at"
)
MIXED = "from_id,to_id,note\n101,201,a\n102,202;203;x,b\n101,201,again\n1E+5,204,bad\n,205,blank\n"


async def test_each_row_has_one_line_and_a_list_of_ids_one_for_each_id(
    sandbox: Sandbox, load_into: Load, folder: Path
) -> None:
    """Three ids in a cell are three lines of one row number; the bad one alone is rejected."""
    (folder / "a.csv").write_text(MIXED)
    report = await load_into(sandbox, "a.csv")
    found = Counter((line["row"], line["to_object_id"], line["status"]) for line in lines_of(folder / "r.csv"))
    assert found == Counter(
        {
            ("2", "201", "created"): 1,
            ("3", "202", "created"): 1,
            ("3", "203", "created"): 1,
            ("3", "x", "rejected"): 1,
            ("4", "201", "created"): 1,
            ("5", "204", "rejected"): 1,
            ("6", "205", "rejected"): 1,
        }
    )
    assert report.exit_code == 1
    assert report.summary["inputs"][0]["rows"] == 5
    assert report.summary["rows"]["total"] == 7


async def test_rows_of_one_pair_share_one_request_and_its_outcome(
    sandbox: Sandbox, load_into: Load, folder: Path
) -> None:
    """A duplicate is not sent again, and says what its pair says."""
    (folder / "a.csv").write_text("from_id,to_id\n101,201\n102,202\n101,201\n101,201\n")
    await load_into(sandbox, "a.csv")
    assert sandbox.count("PUT") == 2
    same = [line for line in lines_of(folder / "r.csv") if line["object_id"] == "101"]
    assert [line["row"] for line in same] == ["2", "4", "5"]
    assert len({line["created_resource_id"] for line in same}) == 1
    assert {line["attempts"] for line in same} == {"1"}


async def test_a_created_line_says_what_was_sent(load_into: Load, folder: Path) -> None:
    """Type ids of the objects, category, type id and label as sent, and the labels that HubSpot answered."""
    portal = {"labels": [{"from": "contacts", "to": "companies", "label": "Decision maker", "name": "dm"}]}
    (folder / "a.csv").write_text("from_id,to_id\n101,201\n")
    async with Sandbox(portal) as sandbox:
        await load_into(sandbox, "a.csv", read={"label": "decision MAKER"})
    (line,) = lines_of(folder / "r.csv")
    assert (line["object_type"], line["to_object_type"]) == ("0-1", "0-2")
    assert (line["association_category"], line["label"]) == ("USER_DEFINED", "Decision maker")
    assert line["association_type_id"].isdigit()
    assert line["labels"] == "Decision maker"
    assert line["finished_at"].endswith("Z")


async def test_a_rejected_line_says_what_the_cells_said(sandbox: Sandbox, load_into: Load, folder: Path) -> None:
    """Object types as ids, the rest as written, no attempt and no time."""
    (folder / "a.csv").write_text(
        "object_type,object_id,to_object_type,to_object_id,association_category,association_type_id\n"
        "Contacts,12x,companies,201,hubspot_defined,279\n"
        "contacts,101,companies,201,HUBSPOT_DEFINED,99x\n"
        "contacts,101,companies,202,,280\n"
        "contcts,101,companies,202,,\n"
    )
    await load_into(sandbox, "a.csv", read={"object_type": None, "to_object_type": None})
    found = lines_of(folder / "r.csv")
    assert [line["status"] for line in found] == ["rejected"] * 4
    assert [line["object_type"] for line in found] == ["0-1", "0-1", "0-1", "contcts"]
    assert [line["to_object_type"] for line in found] == ["0-2"] * 4
    assert [line["association_category"] for line in found] == ["hubspot_defined", "HUBSPOT_DEFINED", "", ""]
    assert [line["association_type_id"] for line in found] == ["279", "99x", "280", ""]
    assert [line["object_id"] for line in found] == ["12x", "101", "101", "101"]
    assert {(line["attempts"], line["http_status"], line["finished_at"]) for line in found} == {("0", "", "")}
    assert all(line["error_category"] and line["error_message"] for line in found)
    assert sandbox.count("PUT") == 0


async def test_a_corrected_failures_file_loads_the_rest(load_into: Load, folder: Path) -> None:
    """Its columns are the input's and those about the failure; a list cell is reduced to the id that failed."""
    (folder / "a.csv").write_text('note,from_id,to_id\n"=1+1",101,201;999\nb,x,202\n')
    async with Sandbox({"missing": [{"type": "companies", "id": "999"}]}) as sandbox:
        await load_into(sandbox, "a.csv")
        failures = folder / "r.failures.csv"
        header, *records = csv.reader(failures.read_text().splitlines())
        assert header == [
            *("note", "from_id", "to_id"),
            *("_input", "_row", "_status", "_error_category", "_error_message", "_http_status", "_correlation_id"),
        ]
        assert [record[:3] for record in records] == [["'=1+1", "101", "999"], ["b", "x", "202"]]
        assert [record[3:6] for record in records] == [["a.csv", "2", "failed"], ["a.csv", "3", "rejected"]]
        failures.write_text(failures.read_text().replace("999", "209", 1).replace("b,x,", "b,103,"))
        report = await load_into(sandbox, "r.failures.csv", results="mended.csv")
        assert report.exit_code == 0
        assert sandbox.portal.types_of("contacts", 101, "companies", 209)
        assert sandbox.portal.types_of("contacts", 103, "companies", 202)
    assert [line["status"] for line in lines_of(folder / "mended.csv")] == ["created", "created"]


async def test_the_summary_has_every_key_and_its_rows_add_up(sandbox: Sandbox, load_into: Load, folder: Path) -> None:
    """The file beside the results is the summary of the report."""
    (folder / "a.csv").write_text(MIXED)
    report = await load_into(sandbox, "a.csv", command=("association-loader", "load", "a.csv"))
    summary = json.loads((folder / "r.summary.json").read_text())
    assert summary == json.loads(json.dumps(report.summary))
    assert list(summary) == [
        *("command", "version", "portal_id", "inputs", "started_at", "finished_at", "seconds", "exit_code", "rows"),
        *("pairs", "requests", "rate", "failures_by_reason", "next_command"),
    ]
    names = ("total", "created", "replaced", "unchanged", "failed", "rejected", "pending")
    assert summary["rows"] == dict(zip(names, (7, 4, 0, 0, 0, 3, 0), strict=True))
    assert list(summary["inputs"][0]) == ["path", "sha256", "rows", "without"]
    assert list(summary["requests"]) == ["sent", "retried", "rate_limited", "by_status"]
    assert list(summary["rate"]) == ["limit", "achieved_per_second"]
    assert (summary["portal_id"], summary["pairs"]) == ("62515", 3)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
async def test_results_are_written_in_the_form_that_the_ending_names(
    ending: str, sandbox: Sandbox, load_into: Load, folder: Path
) -> None:
    """The same lines and columns as CSV, JSON lines or Parquet; ids are text everywhere."""
    (folder / "a.csv").write_text(MIXED)
    await load_into(sandbox, "a.csv", results=f"mixed.results.{ending}")
    path = folder / f"mixed.results.{ending}"
    found = lines_of(path)
    assert len(found) == 7
    assert ",".join(found[0]) == COLUMNS
    assert sorted(line["object_id"] for line in found) == ["", "101", "101", "102", "102", "102", "1E+5"]
    assert names_in(folder) == {
        "a.csv",
        path.name,
        "mixed.journal",
        "mixed.failures.csv",
        "mixed.summary.json",
    }


async def test_blank_cells_of_associated_columns_ask_for_nothing(
    sandbox: Sandbox, load_into: Load, folder: Path
) -> None:
    """No row, no line, but counted; `(Primary)` gives the primary type."""
    (folder / "a.csv").write_text(
        "Record ID,Associated Company IDs,Associated Company IDs (Primary)\n101,201;202,203\n102,,\n"
    )
    report = await load_into(sandbox, "a.csv", read={"to_object_type": None})
    found = sorted((line["to_object_id"], line["association_type_id"]) for line in lines_of(folder / "r.csv"))
    assert found == [("201", "279"), ("202", "279"), ("203", "1")]
    assert report.summary["inputs"][0]["without"] == 2


async def test_the_report_gives_results_and_failures_as_text(sandbox: Sandbox, load_into: Load, folder: Path) -> None:
    """DataFrames with the files' columns, every cell text."""
    (folder / "a.csv").write_text(MIXED)
    report = await load_into(sandbox, "a.csv")
    assert ",".join(report.results.columns) == COLUMNS
    assert sorted(report.results["status"]) == ["created"] * 4 + ["rejected"] * 3
    assert all(type(cell) is str for cell in report.results.to_numpy().ravel())
    assert list(report.failures["_row"]) == ["3", "5", "6"]
    assert list(report.failures["to_id"]) == ["x", "204", "205"]


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("reason", [OutOfTime("--max-duration is over"), Interrupted(15)])
async def test_a_run_that_is_asked_to_end_in_its_last_request_is_done(
    reason: LoaderError, load_into: Load, folder: Path
) -> None:
    """Exit 0: nothing is left to go on with."""
    (folder / "a.csv").write_text("from_id,to_id\n101,201\n")
    stop = Stop()
    async with Sandbox(faults=[{"fault": "late", "method": "PUT", "seconds": 0.3}]) as sandbox:
        stopping = asyncio.create_task(_stop_in_the_first_put(sandbox, stop, reason))
        report = await load_into(sandbox, "a.csv", stop=stop)
        await stopping
    assert stop.asked()
    assert (report.exit_code, report.stopped, report.summary["rows"]["created"]) == (0, None, 1)


async def _stop_in_the_first_put(sandbox: Sandbox, stop: Stop, reason: LoaderError) -> None:
    while not sandbox.count("PUT"):  # noqa: ASYNC110 - no event tells of a request
        await asyncio.sleep(0.005)
    stop.request(reason)
