"""What the nightly case leaves behind: a metrics file for Prometheus, and no results older than asked for."""

import json
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from loader.journal import Journal
from loader.sandbox import Sandbox
from tests.cli.conftest import Run, contents, names

ROWS = "from_id,to_id\n101,201\nx,203\n"


def metric(path: Path, name: str) -> float:
    """Return a sample of the metrics file."""
    (value,) = re.findall(rf"^association_loader_{name} (.*)$", path.read_text(), re.MULTILINE)
    return float(value)


def test_a_load_writes_its_figures_for_prometheus(sandbox: Sandbox, load: Run) -> None:
    load("a.csv", "--metrics-file", "a.prom", text=ROWS)
    summary = json.loads(Path("a.summary.json").read_text())
    assert metric(Path("a.prom"), r'rows\{job_name="a",status="created"\}') == 1
    assert metric(Path("a.prom"), r'requests_total\{job_name="a"\}') == summary["requests"]["sent"]
    assert metric(Path("a.prom"), r'exit_code\{job_name="a"\}') == 1


def test_a_load_that_never_began_says_so_to_prometheus_too(sandbox: Sandbox, load: Run) -> None:
    """A missing input is what an alert is for."""
    done = load("nowhere.csv", "--metrics-file", "a.prom")
    assert (done.code, metric(Path("a.prom"), r'exit_code\{job_name="a"\}')) == (2, 2)


def test_a_metrics_file_may_not_be_another_file_of_the_command(sandbox: Sandbox, load: Run) -> None:
    assert load("a.csv", "--metrics-file", "a.csv", text=ROWS).code == 2
    assert Path("a.csv").read_text() == ROWS


def _aged(days: int) -> None:
    """Let the run that lies there have ended so long ago."""
    with Journal(Path("a.journal")) as journal:
        journal.remember(finished_at=(datetime.now(UTC) - timedelta(days=days)).isoformat())


@pytest.fixture
def nights(sandbox: Sandbox, load: Run, run: Run) -> Run:
    """Load another file of the same name, as every night, and let that run have ended some days ago."""
    count = 0

    def night(*arguments: str, days: int = 0) -> Any:
        nonlocal count
        count += 1
        done = load("a.csv", *arguments, text=f"from_id,to_id\n{count},201\nx,203\n")
        run("report", "a.results.csv")
        _aged(days)
        return done

    return night


def test_keep_deletes_older_results(nights: Run) -> None:
    """Those that ended longer ago are removed when the next run begins, with all that their journal names."""
    nights(days=40)
    nights(days=20)
    nights(days=10)
    assert len(names("a.*Z*.journal")) == 2
    Path("a.20200101T000000Z.journal").write_text("a diary")
    Path("a.20200101T000000Z.results.csv").write_text("somebody else's")
    before = set(Path().iterdir())
    done = nights("--keep", "30")
    gone = before - set(Path().iterdir())
    assert len({path.name.split(".")[1] for path in gone}) == 1
    assert {path.name.split(".", 2)[2] for path in gone} == {
        "journal", "results.csv", "failures.csv", "summary.json", "report.html"
    }  # fmt: skip
    assert "Deleted the files of runs that ended over 30 days ago: a." in " ".join(done.err.split())
    assert Path("a.20200101T000000Z.results.csv").exists()
    assert len([path for path in Path().glob("a.*Z*.results.csv") if "20200101" not in path.name]) == 2


def test_without_keep_nothing_is_ever_removed(nights: Run) -> None:
    """And going on with a run removes nothing either."""
    nights(days=4000)
    nights()
    assert len(names("a.*Z*.journal")) == 1


def test_to_keep_runs_for_longer_than_the_calendar_has_days_is_to_keep_them(nights: Run) -> None:
    nights(days=4000)
    assert nights("--keep", "1000000000").code == 1
    assert len(names("a.*Z*.journal")) == 1


@pytest.mark.slow
def test_a_damaged_journal_of_an_earlier_run_is_left_alone(nights: Run) -> None:
    nights(days=40)
    nights()
    (journal,) = Path().glob("a.*Z*.journal")
    os.truncate(journal, 3000)
    nights("--keep", "1")
    assert journal.exists()


@pytest.mark.slow
def test_a_run_of_another_name_is_another_run(nights: Run) -> None:
    """`a` and `a.b` are two."""
    nights(days=40)
    nights()
    (journal,) = Path().glob("a.*Z*.journal")
    other = Path(journal.name.replace("a.", "a.b.", 1))
    journal.rename(other)
    nights("--keep", "1")
    assert other.exists()


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("--metrics-file", "a.results.csv"),
        ("--log-file", "a.results.csv"),
        ("--metrics-file", "a.journal"),
        ("--log-file", "a.failures.csv"),
        ("--metrics-file", "a.summary.json"),
        ("--log-file", "r.csv"),
        ("--metrics-file", "both.txt"),
    ],
)
def test_metrics_and_log_do_not_overwrite_files_of_the_run(sandbox: Sandbox, load: Run, option: str, name: str) -> None:
    """Neither those that it is about to make: the journal is the only record of what was sent."""
    Path("a.csv").write_text(ROWS)
    other = {"--metrics-file": "--log-file", "--log-file": "--metrics-file"}[option]
    more = {"r.csv": ("--results", "r.csv"), "both.txt": (other, "both.txt")}.get(name, ())
    for _ in range(2):
        before = contents()
        done = load("a.csv", option, name, *more)
        assert (done.code, contents()) == (2, before)
        assert "is another file of this command: give a name that no other file has" in done.err
        load("a.csv")
    assert sandbox.count("PUT") == 1


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("text", ["my notes\n", "# HELP node_load1 1m load average.\n", "\xff"])
def test_a_file_that_no_load_wrote_is_not_written_over_with_metrics(sandbox: Sandbox, load: Run, text: str) -> None:
    """Nothing is sent, and the sentence says what to do; an empty file and that of an earlier run are written."""
    Path("a.csv").write_text(ROWS)
    mine = Path("mine.txt")
    mine.write_text(text, "latin-1")
    done = load("a.csv", "--metrics-file", "mine.txt")
    assert (done.code, mine.read_text("latin-1"), sandbox.count("PUT")) == (2, text, 0)
    assert "mine.txt exists, but no load wrote it: move it away" in done.err
    mine.write_text("")
    assert [load("a.csv", "--metrics-file", "mine.txt").code for _ in range(2)] == [1, 1]
    assert mine.read_text().startswith("# HELP association_loader_")


def test_a_summary_that_no_load_wrote_is_kept_and_said(sandbox: Sandbox, load: Run) -> None:
    """It makes way under a dated name, as an earlier run's does."""
    Path("a.csv").write_text(ROWS)
    Path("a.summary.json").write_text("mine")
    done = load("a.csv")
    (kept,) = Path().glob("a.2*.summary.json")
    assert (done.code, kept.read_text()) == (1, "mine")
    assert f"a.summary.json was there before this run and is kept as {kept.name}" in " ".join(done.err.split())


def test_other_users_can_read_metrics_under_any_umask(sandbox: Sandbox, load: Run) -> None:
    """A scheduler's may be strict; all else that a load writes is for its owner only."""
    Path("a.csv").write_text(ROWS)
    before = os.umask(0o077)
    try:
        load("a.csv", "--metrics-file", "a.prom")
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in Path().glob("a.*") if path.name != "a.csv"}
    assert modes.pop("a.prom") == 0o644
    assert set(modes.values()) == {0o600}


def test_an_input_without_a_row_is_said_also_with_quiet(sandbox: Sandbox, load: Run) -> None:
    """It is no failure, and whoever gets the mail knows that nothing came."""
    done = load("a.csv", "--quiet", text="from_id,to_id\n")
    assert done.code == 0
    assert "a.csv holds no rows: nothing is loaded from it" in done.err
    assert "Nothing to do: the inputs hold no row." in load("a.csv", "--fresh").err


def test_the_next_command_of_a_job_is_the_job(sandbox: Sandbox, run: Run) -> None:
    """Its inputs stand in the configuration file, so its failures are corrected where they come from."""
    Path("a.csv").write_text(ROWS)
    Path("job.toml").write_text('[[input]]\npath = "a.csv"\nfrom = "contacts"\nto = "companies"\n')
    done = run("load", "--config", "job.toml")
    assert done.code == 1
    assert "Next: association-loader load --config job.toml\n" in done.err
    Path("a.csv").write_text(ROWS.replace("x,", "102,"))
    assert run("load", "--config", "job.toml").code == 0
