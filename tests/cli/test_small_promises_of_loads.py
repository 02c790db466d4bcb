"""Promises of loads and undos of which a small mistake would break one without a word."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from loader.sandbox import Sandbox
from tests.cli.conftest import CONTACTS, Run, contents, lines, outcomes, refused, summary
from tests.cli.portals import association

BOSS = {"from": "contacts", "to": "companies", "label": "Boss"}


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("left", ["half a li", "x,2,created\n" * 1000])
def test_what_a_crash_left_behind_the_written_lines_is_cut_off(left: str, sandbox: Sandbox, load: Run) -> None:
    """Each row stands there once, and nothing else, however much longer the rest was than what is written now."""
    load("a.csv", "--limit", "1", text="from_id,to_id\n101,201\n102,202\n103,203\n")
    with Path("a.results.csv").open("a") as file:
        file.write(left)
    assert load("a.csv").code == 0
    assert sorted(line["row"] for line in lines("a.results.csv")) == ["2", "3", "4"]
    assert Path("a.results.csv").read_text().count("\n") == 4


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("status", ["408", "425"])
def test_an_undo_looks_at_what_a_passing_refusal_left_in_doubt(status: str, hubspot: Run, load: Run, run: Run) -> None:
    """HubSpot gave up waiting, or asked to come back: the association may be there all the same, and is the run's."""
    Path("a.csv").write_text("from_id,to_id\n102,202\n101,201\n103,203\n104,204\n")
    with hubspot(faults=[{"fault": status, "pair": [102, 202], "method": "PUT"}]) as sandbox:
        assert load("a.csv", "--max-attempts", "1", "--concurrency", "1").code == 1
        sandbox.portal.associate("0-1", 102, "0-2", 202, frozenset())
        assert len(sandbox.portal.pairs()) == 4
        assert run("undo", "a.results.csv", "--yes").code == 0
        assert not sandbox.portal.pairs()


def test_an_undo_leaves_what_hubspot_refused_for_good(hubspot: Run, load: Run, run: Run) -> None:
    """Whoever made the association after a 400, it was not the run."""
    with hubspot(faults=[{"fault": "400", "pair": [102, 202], "method": "PUT"}]) as sandbox:
        assert load("a.csv", text="from_id,to_id\n101,201\n102,202\n").code == 1
        sandbox.portal.associate("0-1", 102, "0-2", 202, frozenset())
        assert run("undo", "a.results.csv", "--yes").code == 0
        assert len(sandbox.portal.pairs()) == 1


def test_a_line_break_within_an_id_rejects_its_row_and_moves_no_other(sandbox: Sandbox, load: Run) -> None:
    """Two ids in a cell are no two rows, also where every other cell of the column is a plain number."""
    cells = ["102\n103", "102\r\n103", "1\n2", "102\n\n103"]
    records = [*(f'"{cell}",202' for cell in cells), *(f'102,"{cell}"' for cell in cells)]
    rows = "".join(f"{record}\n{301 + n},{401 + n}\n" for n, record in enumerate(records))
    Path("a.csv").write_text(f"from_id,to_id\n101,201\n{rows}", newline="")
    assert load("a.csv").code == 1
    found = lines("a.results.csv")
    assert [line["status"] for line in found] == ["created"] + ["rejected", "created"] * 8
    good = [(line["object_id"], line["to_object_id"]) for line in found if line["status"] == "created"]
    assert good == [("101", "201"), *((str(301 + n), str(401 + n)) for n in range(8))]
    assert sandbox.count("PUT") == 9


def test_primary_records_are_counted_for_each_record_and_each_object_type(sandbox: Sandbox, run: Run) -> None:
    """Contact 5 and deal 5 are two records, and a lead has a primary contact and a primary company."""
    Path("a.csv").write_text(
        "object_type,object_id,to_object_type,to_object_id,label\n"
        "contacts,5,companies,201,Primary\n"
        "deals,5,companies,202,Primary\n"
        "contacts,6,companies,201,Primary\n"
        "contacts,6,companies,202,Primary\n"
        "leads,7,contacts,5,Primary\n"
        "leads,7,companies,201,Primary\n"
    )
    assert run("load", "a.csv", "--rate", "9999/1").code == 1
    created, rejected = ("created", ""), ("rejected", "CONFLICTING_PRIMARY")
    assert outcomes("a.results.csv") == [created, created, rejected, rejected, created, created]


def test_ids_of_four_digits_are_not_taken_apart_at_commas(sandbox: Sandbox, run: Run) -> None:
    """HubSpot does not document what separates ids in its export, and some scripts group digits by four."""
    cells = ["1234,5678", "1234 5678", "12345,6789", "1234,56789"]
    rows = "".join(f'101,"{cell}"\n' for cell in cells)
    Path("a.csv").write_text(f'Record ID - Contact,Associated Company IDs\n{rows}102,"12345,67890"\n')
    assert run("load", "a.csv", "--rate", "9999/1").code == 1
    found = sorted((line["row"], line["status"], line["to_object_id"]) for line in lines("a.results.csv"))
    assert found == [
        *((str(row), "rejected", cell) for row, cell in enumerate(cells, start=2)),
        *(("6", "created", each) for each in ("12345", "67890")),
    ]
    assert sandbox.count("PUT") == 2


def test_rows_that_were_so_already_count_for_the_share_of_failures(hubspot: Run, run: Run) -> None:
    """Each pair has a row that is so and one that is not: 10 of 220 rows fail, and 6 % may."""
    pairs = range(1, 111)
    Path("a.csv").write_text(
        "from_id,to_id,label\n" + "".join(f"{n},{1000 + n},\n{n},{1000 + n},Boss\n" for n in pairs)
    )
    faults = [{"fault": "400", "pair": [n, 1000 + n], "method": "PUT"} for n in pairs[100:]]
    with hubspot(portal={"labels": [BOSS]}, faults=faults) as sandbox:
        for n in pairs:
            sandbox.portal.associate("0-1", n, "0-2", 1000 + n, frozenset())
        options = ("--max-failures", "6%", "--concurrency", "1", "--rate", "9999/1")
        assert run("load", "a.csv", *CONTACTS, *options).code == 1
        assert sandbox.count("PUT") == 110


def test_a_label_that_cannot_be_read_is_never_a_blank_one(sandbox: Sandbox, load: Run) -> None:
    """Also behind a blank row: its pair would be associated without a label."""
    beyond_python = pa.array([None, None, 2**62], pa.timestamp("ms"))
    table = {"from_id": [101, None, 103], "to_id": [201, None, 203], "label": beyond_python}
    parquet.write_table(pa.table(table), Path("a.parquet"))
    assert load("a.parquet").code == 1
    assert outcomes("a.results.csv") == [("created", ""), ("rejected", "ERROR_CELL")]
    assert [line["row"] for line in lines("a.results.csv")] == ["2", "4"]
    assert sandbox.count("PUT") == 1


@pytest.mark.slow
def test_what_a_load_that_is_at_work_writes_is_no_input_of_another(sandbox: Sandbox, load: Run, run: Run) -> None:
    """Its journal tells by what name, in what SQLite has not moved into the file yet; and a look leaves nothing."""
    Path("in").mkdir()
    for name in ("a.csv", "odd.csv"):
        (Path("in") / name).write_text("from_id,to_id\n101,201\n")
    assert load("in/a.csv", "--results", "in/a.results.csv").code == 0
    before = contents()

    def inputs() -> list[str]:
        said = run("plan", "in", *CONTACTS, "--json").out.splitlines()
        return list(json.loads(said[-1])["inputs"])

    assert inputs() == ["in/a.csv", "in/odd.csv"]
    assert contents() == before
    with closing(sqlite3.connect("in/a.journal")) as journal:
        journal.execute("INSERT OR REPLACE INTO facts VALUES ('output.failures', ?)", (json.dumps("odd.csv"),))
        journal.commit()
        assert Path("in/a.journal-wal").stat().st_size
        assert inputs() == ["in/a.csv"]


def test_reasons_are_counted_as_far_as_the_load_goes(sandbox: Sandbox, load: Run) -> None:
    """What is wrong beyond --limit is pending, and no failure yet."""
    Path("a.csv").write_text("from_id,to_id\nx,201\n102,202\n1.5,203\n1e5,204\n")
    for limit, reasons in (("2", 1), ("3", 2), ("4", 3)):
        assert load("a.csv", "--limit", limit).code == 1
        found = summary("a.summary.json")
        assert sum(found["failures_by_reason"].values()) == found["rows"]["rejected"] == reasons


@pytest.mark.parametrize("header", ["name,_row", "_error_category,name", "Row,_row_count"])
def test_a_file_under_the_failures_name_is_not_moved(header: str, sandbox: Sandbox, load: Run) -> None:
    """A column that the loader might have added does not make it the loader's."""
    Path("a.csv").write_text("from_id,to_id\nx,201\n")
    Path("a.failures.csv").write_text(f"{header}\nmine,1\n")
    refused(load("a.csv"), "a.failures.csv exists, but no load wrote it")
    assert Path("a.failures.csv").read_text() == f"{header}\nmine,1\n"
    assert not sandbox.requests


def test_a_run_that_failed_too_often_at_its_last_row_says_so_again(hubspot: Run, load: Run) -> None:
    """A scheduler that looks at the exit code of the next call sees the same."""
    Path("a.csv").write_text("from_id,to_id\n101,201\n102,202\n")
    with hubspot(faults=[{"fault": "400", "method": "PUT"}]):
        options = ("--max-failures", "1", "--concurrency", "1")
        assert [load("a.csv", *options).code, load("a.csv", *options).code] == [4, 4]


def test_a_lower_limit_takes_rejected_rows_beyond_it_out_of_the_results(sandbox: Sandbox, load: Run) -> None:
    """They count as pending again; what was created stays."""
    Path("a.csv").write_text("from_id,to_id\n101,201\nx,202\n103,203\ny,204\n105,205\n")
    for limit, rows in (("4", "2345"), ("2", "234"), ("4", "2345")):
        assert load("a.csv", "--limit", limit).code == 1
        assert sorted(line["row"] for line in lines("a.results.csv")) == list(rows)
        counts = summary("a.summary.json")["rows"]
        assert (counts["created"], counts["rejected"], counts["pending"]) == (2, len(rows) - 2, 5 - len(rows))
    assert sandbox.count("PUT") == 2


def test_an_undo_that_assumes_looks_at_the_last_pair_that_was_under_way(hubspot: Run, load: Run, run: Run) -> None:
    """Nobody knows whether the request that the run ended in took effect."""
    Path("a.csv").write_text("from_id,to_id\n101,201\n102,202\n103,203\n")
    with hubspot(faults=[{"fault": "401", "method": "PUT", "pair": [103, 203]}]) as sandbox:
        assert load("a.csv", "--existing", "replace", "--unread", "--concurrency", "1").code == 3
        sandbox.portal.associate("0-1", 103, "0-2", 203, frozenset())
        assert run("undo", "a.results.csv", "--assume-new", "--yes").code == 0
        assert not sandbox.portal.pairs()


def test_what_an_undo_took_away_by_a_request_that_failed_is_called_removed(hubspot: Run, load: Run, run: Run) -> None:
    """The next undo finds it gone, and it was an undo that did it."""
    with hubspot(faults=[{"fault": "400", "route": "batch/archive", "applied": True, "times": 1}]) as sandbox:
        assert load("a.csv", text="from_id,to_id\n101,201\n").code == 0
        assert run("undo", "a.results.csv", "--yes").code == 1
        assert not sandbox.portal.pairs()
        assert run("undo", "a.results.csv", "--yes").code == 0
    assert [line["status"] for line in lines("a.undo.csv")] == ["removed"]


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(("fault", "code", "state"), [("400", 1, "undone"), ("401", 3, "undoing")])
def test_undo_again_for_a_primary_label(fault: str, code: int, state: str, hubspot: Run, load: Run, run: Run) -> None:
    """Refused for itself, or the end of the command: until then the undo is not all done, and says so."""
    Path("a.csv").write_text("from_id,to_id,label\n1,12,Primary\n")
    portal = {"associations": [association(1, 11, "Primary")]}
    with hubspot(portal=portal, faults=[{"fault": fault, "route": "batch/create", "times": 1}]) as sandbox:
        before = dict(sandbox.portal.pairs())
        assert load("a.csv").code == 0
        assert run("undo", "a.results.csv", "--yes").code == code
        assert run("status", "a.results.csv", "--json").event["state"] == state
        assert ("HUBSPOT_DEFINED", 1) not in sandbox.portal.types_of("contacts", 1, "companies", 11)
        assert run("undo", "a.results.csv", "--yes").code == 0
        assert dict(sandbox.portal.pairs()) == before
