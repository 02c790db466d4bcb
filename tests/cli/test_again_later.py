"""`--again`: the same file is a new run after a while, and an unfinished run makes way for a changed file."""

import json
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import loader
from loader.sandbox import Sandbox
from tests.cli.conftest import CONTACTS, Run, lines, names

FIVE = "from_id,to_id\n101,201\n102,202\n103,203\n104,204\n105,205\n"


def make_older(journal: Path, hours: float) -> None:
    """Let a run have been at work `hours` hours earlier than it was."""
    earlier = timedelta(hours=hours)

    def moved(found: Any) -> Any:
        if isinstance(found, dict):
            return {key: moved(value) for key, value in found.items()}
        if isinstance(found, list):
            return list(map(moved, found))
        try:
            return (datetime.fromisoformat(found) - earlier).isoformat() if isinstance(found, str) else found
        except ValueError:
            return found

    with sqlite3.connect(journal) as database:
        for key, value in database.execute("SELECT key, value FROM facts").fetchall():
            if key in ("started_at", "finished_at", "commands"):
                database.execute(
                    "UPDATE facts SET value = ? WHERE key = ?", (json.dumps(moved(json.loads(value))), key)
                )
        for number, moment in database.execute("SELECT id, finished_at FROM results").fetchall():
            database.execute("UPDATE results SET finished_at = ? WHERE id = ?", (moved(moment), number))
    database.close()


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("hours", "again", "looks"),
    [
        (21, "20h", True),
        (19, "20h", False),
        (21, None, False),
        (0, "9999999d", False),
    ],
)
def test_again_runs_the_same_file_anew(
    hours: float, again: str | None, looks: bool, sandbox: Sandbox, load: Run
) -> None:
    """What somebody removed in the portal meanwhile is there again, and the earlier night's files are kept."""
    load("a.csv", text=FIVE)
    make_older(Path("a.journal"), hours)
    sandbox.reset()
    done = load("a.csv", *(["--again", again] if again else []))
    assert done.code == 0
    assert sandbox.count("PUT") == (5 if looks else 0)
    assert len(names("a.2*.results.csv")) == int(looks)
    assert ("Nothing was checked in HubSpot" in done.err) != looks
    assert ("--fresh" in done.err) != looks


@pytest.mark.slow
def test_a_job_file_may_say_again(sandbox: Sandbox, load: Run, run: Run) -> None:
    """`again = "20h"`; what is there already is not sent."""
    Path("a.csv").write_text(FIVE)
    Path("job.toml").write_text(
        'again = "20h"\nresults = "n.csv"\n[[input]]\npath = "a.csv"\nfrom = "contacts"\nto = "companies"\n'
    )
    assert run("load", "--config", "job.toml").code == 0
    assert "Nothing was checked in HubSpot" in run("load", "--config", "job.toml").err
    make_older(Path("n.journal"), 24)
    assert run("load", "--config", "job.toml").code == 0
    assert json.loads(Path("n.summary.json").read_text())["rows"]["unchanged"] == 5
    assert sandbox.count("PUT") == 5


@pytest.mark.slow
@pytest.mark.parametrize(("hours", "quiet"), [(0, True), (24, False)])
def test_again_replaces_an_unfinished_run(hours: float, quiet: bool, sandbox: Sandbox, load: Run) -> None:
    """Its files are set aside, and the rows that were never sent are counted and said, with --quiet, too."""
    load("a.csv", "--limit", "2", text=FIVE)
    make_older(Path("a.journal"), hours)
    done = load("a.csv", "--again", "20h", *(["--quiet"] if quiet else []), text=FIVE.replace("205", "206"))
    assert done.code == 0
    assert "3 of its 5 rows were never sent" in done.err.replace("\n", " ")
    assert [len(lines(path.name)) for path in Path().glob("a.2*.results.csv")] == [2]
    assert len(lines("a.results.csv")) == 5
    assert len(names("a.2*.journal")) == 1


def test_an_unfinished_run_of_the_same_file_resumes(sandbox: Sandbox, load: Run) -> None:
    load("a.csv", "--limit", "2", text=FIVE)
    make_older(Path("a.journal"), 100)
    assert load("a.csv", "--again", "20h").code == 0
    assert len(lines("a.results.csv")) == sandbox.count("PUT") == 5
    assert not names("a.2*")


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("change", [["--to", "deals"], ["--existing", "replace"], ["--retry-failed"]])
def test_again_refuses_other_settings(change: list[str], sandbox: Sandbox, run: Run, load: Run) -> None:
    """An unfinished run of another command is not given up by accident: exit 2, as without --again."""
    load("a.csv", "--limit", "2", text=FIVE)
    Path("a.csv").write_text(FIVE.replace("205", "206"))
    given = (*CONTACTS, *change)
    assert run("load", "a.csv", *given, "--again", "20h").code == 2
    assert not names("a.2*")


def test_a_night_that_was_refused_is_kept_when_its_file_has_changed(hubspot: Run, load: Run) -> None:
    """Nothing of it was sent, and its journal is the only copy of the old file."""
    with hubspot(faults=[{"fault": "401", "times": 1}]):
        assert load("a.csv", text=FIVE).code == 3
        done = load("a.csv", "--again", "20h", text=FIVE.replace("205", "206"))
    assert done.code == 0
    assert "5 of its 5 rows were never sent" in done.err.replace("\n", " ")
    assert len(names("a.2*.journal")) == 1


def test_a_run_that_was_taken_back_is_not_loaded_again_by_itself(sandbox: Sandbox, load: Run, run: Run) -> None:
    """Whoever undid it has to say so."""
    load("a.csv", text=FIVE)
    run("undo", "a.results.csv", "--yes")
    make_older(Path("a.journal"), 100)
    assert load("a.csv", "--again", "20h").code == 2
    assert not sandbox.portal.pairs()


def test_again_from_python(sandbox: Sandbox, capfd: pytest.CaptureFixture[str]) -> None:
    """In seconds or as a text; what is serious is an event there, and no word on the screen."""
    Path("a.csv").write_text(FIVE)
    given: dict[str, Any] = {"object_type": "contacts", "to_object_type": "companies"}
    loader.load_sync("a.csv", **given, limit=2)
    Path("a.csv").write_text(FIVE.replace("205", "206"))
    events: list[Any] = []
    assert loader.load_sync("a.csv", **given, again=3600, on_event=events.append).exit_code == 0
    assert any("never sent" in getattr(event, "message", "") for event in events)
    assert capfd.readouterr() == ("", "")
