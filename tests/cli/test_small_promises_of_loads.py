"""Promises of loads and undos of which a small mistake would break one without a word."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loader.sandbox import Sandbox

Run = Callable[..., Any]
Lines = Callable[[str], list[dict[str, str]]]


@pytest.mark.parametrize("left", ["half a li", "x,2,created\n" * 1000, "\0" * 5000])
def test_what_a_crash_left_behind_the_written_lines_is_cut_off(
    left: str, sandbox: Sandbox, load: Run, folder: Path, lines: Lines
) -> None:
    """Each row stands there once, and nothing else, however much longer the rest was than what is written now."""
    (folder / "a.csv").write_text("from_id,to_id\n101,201\n102,202\n103,203\n")
    load("a.csv", "--limit", "1")
    with (folder / "a.results.csv").open("a") as file:
        file.write(left)
    assert load("a.csv").code == 0
    assert sorted(line["row"] for line in lines("a.results.csv")) == ["2", "3", "4"]
    assert (folder / "a.results.csv").read_text().count("\n") == 4


@pytest.mark.parametrize("status", ["408", "425"])
def test_an_undo_looks_at_what_a_passing_refusal_left_in_doubt(
    status: str, hubspot: Callable[..., Any], load: Run, run: Run, folder: Path
) -> None:
    """HubSpot gave up waiting, or asked to come back: the association may be there all the same, and is the run's."""
    (folder / "a.csv").write_text("from_id,to_id\n102,202\n101,201\n103,203\n104,204\n")
    with hubspot(faults=[{"fault": status, "pair": [102, 202], "method": "PUT"}]) as sandbox:
        assert load("a.csv", "--max-attempts", "1", "--concurrency", "1").code == 1
        sandbox.portal.associate("0-1", 102, "0-2", 202, frozenset())
        assert len(sandbox.portal.pairs()) == 4
        assert run("undo", "a.results.csv", "--yes").code == 0
        assert not sandbox.portal.pairs()


def test_an_undo_leaves_what_hubspot_refused_for_good(
    hubspot: Callable[..., Any], load: Run, run: Run, folder: Path
) -> None:
    """Whoever made the association after a 400, it was not the run."""
    (folder / "a.csv").write_text("from_id,to_id\n101,201\n102,202\n")
    with hubspot(faults=[{"fault": "400", "pair": [102, 202], "method": "PUT"}]) as sandbox:
        assert load("a.csv").code == 1
        sandbox.portal.associate("0-1", 102, "0-2", 202, frozenset())
        assert run("undo", "a.results.csv", "--yes").code == 0
        assert len(sandbox.portal.pairs()) == 1


@pytest.mark.parametrize("cell", ["102\n103", "102\r\n103", "1\n2", "102\n\n103"])
@pytest.mark.parametrize("column", [0, 1])
def test_a_line_break_within_an_id_rejects_its_row_and_moves_no_other(
    cell: str, column: int, sandbox: Sandbox, load: Run, folder: Path, lines: Lines
) -> None:
    """Two ids in a cell are no two rows, also where every other cell of the column is a plain number."""
    row = ["102", "202"]
    row[column] = f'"{cell}"'
    (folder / "a.csv").write_text(f"from_id,to_id\n101,201\n{','.join(row)}\n103,203\n104,204\n", newline="")
    assert load("a.csv").code == 1
    found = {line["row"]: (line["status"], line["object_id"], line["to_object_id"]) for line in lines("a.results.csv")}
    assert found["2"] == ("created", "101", "201")
    assert found["3"][0] == "rejected"
    assert [found[row] for row in ("4", "5")] == [("created", "103", "203"), ("created", "104", "204")]
    assert sandbox.count("PUT") == 3


def test_primary_records_are_counted_for_each_record_and_each_object_type(
    sandbox: Sandbox, run: Run, folder: Path, lines: Lines
) -> None:
    """Contact 5 and deal 5 are two records, and a lead has a primary contact and a primary company."""
    (folder / "a.csv").write_text(
        "object_type,object_id,to_object_type,to_object_id,label\n"
        "contacts,5,companies,201,Primary\n"
        "deals,5,companies,202,Primary\n"
        "contacts,6,companies,201,Primary\n"
        "contacts,6,companies,202,Primary\n"
        "leads,7,contacts,5,Primary\n"
        "leads,7,companies,201,Primary\n"
    )
    assert run("load", "a.csv", "--rate", "9999/1").code == 1
    found = {line["row"]: (line["status"], line["error_category"]) for line in lines("a.results.csv")}
    assert found == {
        "2": ("created", ""),
        "3": ("created", ""),
        "4": ("rejected", "CONFLICTING_PRIMARY"),
        "5": ("rejected", "CONFLICTING_PRIMARY"),
        "6": ("created", ""),
        "7": ("created", ""),
    }
