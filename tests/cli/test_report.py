"""`report`: one page of HTML beside the results, from the journal alone, at any moment of a run."""

from pathlib import Path

import pytest

from loader.sandbox import Sandbox
from tests.cli.conftest import Run, contents, names, refused

ROWS = "from_id,to_id\n101,201\n102,202\nx,203\n"


def test_a_report_is_written_beside_the_results(sandbox: Sandbox, load: Run, run: Run) -> None:
    """Its name is said on standard error; nothing is asked of HubSpot."""
    load("a.csv", text=ROWS)
    before, asked = contents(), sandbox.count()
    done = run("report", "a.results.csv")
    assert (done.code, done.out, done.err) == (0, "", "Report: a.report.html\n")
    after = contents()
    page = after.pop("a.report.html")
    assert page
    assert after == before
    assert sandbox.count() == asked
    written = Path("a.report.html").read_text()
    assert "2 of 3 rows are associated, 1 were rejected." in written
    assert "INVALID_RECORD_ID" in written


def test_output_names_another_place(sandbox: Sandbox, load: Run, run: Run) -> None:
    """Anywhere, but over no file that is no report."""
    load("a.csv", text=ROWS)
    Path("pages").mkdir()
    assert run("report", "a.results.csv", "--output", "pages/monday.html").code == 0
    assert Path("pages/monday.html").exists()
    assert not Path("a.report.html").exists()
    for name in ("a.csv", "a.results.csv", "a.journal", "pages", "nowhere/x.html"):
        before = Path("a.csv").read_bytes(), Path("a.journal").read_bytes()
        refused(run("report", "a.results.csv", "--output", name))
        assert (Path("a.csv").read_bytes(), Path("a.journal").read_bytes()) == before


@pytest.mark.parametrize("name", ["nowhere.csv", "a.csv"])
def test_without_a_journal_there_is_no_report(name: str, run: Run) -> None:
    Path("a.csv").write_text(ROWS)
    refused(run("report", name))
    assert names() == ["a.csv"]


def test_a_damaged_journal_is_a_sentence(sandbox: Sandbox, load: Run, run: Run) -> None:
    load("a.csv", text=ROWS)
    whole = Path("a.journal").read_bytes()
    Path("a.journal").write_bytes(whole[: len(whole) // 2])
    refused(run("report", "a.results.csv"))
    assert not Path("a.report.html").exists()


def test_the_report_of_an_earlier_run_is_renamed_with_it(sandbox: Sandbox, load: Run, run: Run) -> None:
    """And can still be reported of under its new name."""
    load("a.csv", text=ROWS)
    run("report", "a.results.csv")
    load("a.csv", "--fresh")
    assert not Path("a.report.html").exists()
    (page,) = Path().glob("a.*Z.report.html")
    page.unlink()
    (journal,) = Path().glob("a.*Z.journal")
    assert run("report", str(journal)).code == 0
    assert "finished, set aside" in page.read_text()


def test_what_undo_took_back_is_in_the_report(sandbox: Sandbox, load: Run, run: Run) -> None:
    """The page says that the associations are no more."""
    load("a.csv", text=ROWS)
    assert run("undo", "a.results.csv", "--yes", "--rate", "9999/1").code == 0
    run("report", "a.results.csv")
    written = Path("a.report.html").read_text()
    assert "Taken back by undo: 2 removed." in written
    assert '<span class="state undone">undone</span>' in written
