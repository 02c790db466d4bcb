"""`status`: where a run stands, from its journal alone, at any moment and without changing a byte."""

import os
import shutil
import signal
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from loader.events import STATES
from loader.journal import Journal, Lock
from loader.run.status import status as verb
from loader.sandbox import Sandbox
from loader.show.status_lines import ago
from tests.cli.conftest import CONTACTS, Run, contents, refused, until

ROWS = "from_id,to_id\n101,201\n102,202\nx,203\n"


@pytest.fixture
def status(run: Run) -> Run:
    """Run `status`; no byte of any file may change."""

    def asked(*arguments: str) -> Any:
        before = contents()
        done = run("status", *arguments)
        assert contents() == before
        return done

    return asked


@pytest.fixture
def stands(status: Run) -> Run:
    """Return what `status --json` says of one run."""

    def asked(*arguments: str) -> dict[str, Any]:
        done = status(*arguments, "--json")
        assert (done.code, done.err) == (0, "")
        found: dict[str, Any] = done.event
        assert found["event"] == "status"
        assert found["state"] in STATES
        return found

    return asked


def test_a_finished_run_says_its_counts_and_what_comes_next(sandbox: Sandbox, load: Run, status: Run) -> None:
    """As the closing table did, whenever somebody asks again."""
    load("a.csv", text=ROWS)
    done = status("a.results.csv")
    assert (done.code, done.err) == (0, "")
    said = " ".join(done.out.split())
    assert "finished, 0 s ago: 2 loaded, 1 not loaded" in said
    assert "3 rows, 2 created, 1 rejected" in said
    assert f"Next: association-loader load a.failures.csv {' '.join(CONTACTS)} --rate 9999/1" in done.out


def test_every_way_to_name_a_run_finds_it(sandbox: Sandbox, load: Run, stands: Run, folder: Path) -> None:
    """Its results, its journal, its folder, the working folder, and even its input."""
    (folder / "a.csv").write_text(ROWS)
    load("a.csv")
    for name in ("a.results.csv", "a.journal", str(folder), ".", "a.csv", "a"):
        assert Path(stands(name)["results"]).name == "a.results.csv"
    counts = {"total": 3, "created": 2, "replaced": 0, "unchanged": 0, "failed": 0, "rejected": 1, "pending": 0}
    assert stands()["rows"] == counts


def test_a_limit_leaves_a_run_unfinished(sandbox: Sandbox, load: Run, stands: Run) -> None:
    load("a.csv", "--limit", "1", text=ROWS)
    found = stands()
    assert (found["state"], found["exit_code"], found["rows"]["pending"]) == ("unfinished", 0, 2)
    assert "--limit" in found["command"]
    assert "--limit" not in found["next_command"]


def test_a_stopped_run_says_what_stopped_it(hubspot: Run, load: Run, status: Run, stands: Run) -> None:
    """The same sentence as on the screen; a run that was refused before it had a plan says so, too."""
    with hubspot(portal={"tokens": ["good"]}):
        assert load("a.csv", text=ROWS).code == 3
    found = stands()
    assert (found["state"], found["exit_code"], found["rows"]["pending"]) == ("stopped", 3, 2)
    assert "Authentication credentials not found" in found["stopped"]
    assert "Authentication credentials not found" in " ".join(status("a.results.csv").out.split())


def test_a_resumed_run_forgets_its_stop(hubspot: Run, load: Run, stands: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with hubspot(portal={"tokens": ["good-token"]}):
        assert load("a.csv", text=ROWS).code == 3
        monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", "good-token")
        assert load("a.csv").code == 1
    found = stands()
    assert (found["state"], found["stopped"], found["exit_code"]) == ("finished", "", 1)


@pytest.mark.slow
def test_a_running_load_is_seen_and_a_killed_one_too(hubspot: Run, start: Run, stands: Run, status: Run) -> None:
    """While it runs: its process and its counts so far, and nothing to type; after kill -9: how to go on."""
    Path("a.csv").write_text("from_id,to_id\n" + "".join(f"{n},2\n" for n in range(1, 100)))
    with hubspot(latency="50ms"):
        process = start("load", "a.csv", *CONTACTS, "--rate", "20/1", "--concurrency", "2")
        results = Path("a.results.csv")
        until(lambda: results.exists() and results.read_text().count("\n") > 3)
        (found,) = verb("a.results.csv")  # The load writes meanwhile, so no byte can be held against another.
        assert (found.state, found.process, found.next_command) == ("running", str(process.popen.pid), None)
        assert 3 <= found.rows["created"] < 99
        process.send(signal.SIGKILL)
        process.wait()
        found = stands("a.results.csv")
        assert (found["state"], found["process"], found["exit_code"]) == ("unfinished", None, None)
        assert found["rows"]["pending"] > 0
        assert found["next_command"].startswith("association-loader load a.csv")
        assert "unfinished" in status().out


def test_a_load_that_reads_is_seen_before_it_has_a_journal(stands: Run) -> None:
    """A million rows take a while."""
    with Lock(Path("a.journal")):
        found = stands(".")
        assert (found["state"], found["process"], found["rows"]) == ("reading", str(os.getpid()), {})


def test_killed_before_sending_is_planned(
    sandbox: Sandbox, load: Run, stands: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything is read, nothing was sent."""
    Path("a.csv").write_text(ROWS)

    def killed(*_: object) -> None:
        raise SystemExit

    monkeypatch.setattr(Journal, "limit", killed)
    with pytest.raises(SystemExit):
        load("a.csv")
    assert stands()["state"] == "planned"


@pytest.mark.slow
def test_all_runs_of_a_folder_are_listed_the_latest_first(sandbox: Sandbox, load: Run, status: Run) -> None:
    """Also those in folders below and those that were set aside; other files and hidden folders are left alone."""
    load("b.csv", text=ROWS)
    Path("below").mkdir()
    load("b.csv", "--results", "below/c.csv")
    load("b.csv", text="from_id,to_id\n7,8\n")
    Path("other.journal").write_text("a diary")
    shutil.copytree(Path("below"), Path(".hidden"))
    done = status("--json")
    found = done.events
    assert [(each["results"], each["set_aside"]) for each in found][:2] == [
        ("b.results.csv", False),
        ("below/c.csv", False),
    ]
    assert (len(found), found[2]["set_aside"], found[2]["next_command"]) == (3, True, None)
    listed = status().out
    assert "b.results.csv: finished, 0 s ago: 1 rows, 1 created" in listed
    assert ", set aside" in listed


def test_a_next_command_says_its_folder(
    sandbox: Sandbox, load: Run, status: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its paths are those of the folder in which the load was typed."""
    (folder / "a.csv").write_text(ROWS)
    load("a.csv")
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    assert f"Next, in {folder}: association-loader" in status("..").out


def test_a_journal_of_another_version_is_not_called_damaged(sandbox: Sandbox, load: Run, status: Run) -> None:
    """It says which version wrote it, and what can be done."""
    load("a.csv", text=ROWS)
    for version, word in ((3, "an older"), (999, "a newer")):
        with sqlite3.connect("a.journal") as database:
            database.execute(f"PRAGMA user_version = {version}")
        database.close()
        said = status("a.results.csv").out
        assert "incompatible" in said
        assert f"{word} version of the loader wrote this journal" in said
        assert "continue with that version, or start over with --fresh" in said


def test_a_damaged_journal_is_said_and_hides_no_other_run(sandbox: Sandbox, load: Run, status: Run) -> None:
    """In a list it is one line of it."""
    for name in ("a.csv", "b.csv"):
        Path(name).write_text(ROWS)
        load(name)
    whole = Path("a.journal").read_bytes()
    Path("a.journal").write_bytes(whole[: len(whole) // 2])
    done = status()
    assert done.code == 0
    assert "a.results.csv: damaged: " in done.out
    assert "b.results.csv: finished" in done.out


@pytest.mark.parametrize("name", ["", ".", "nowhere.results.csv", "a.csv"])
def test_no_journal_is_exit_2(name: str, status: Run) -> None:
    """One sentence, and nothing on standard output."""
    Path("a.csv").write_text(ROWS)
    Path("a.journal").write_text("a diary")
    refused(status(*([name] if name else [])))


def test_control_characters_of_a_name_reach_no_terminal(sandbox: Sandbox, load: Run, status: Run) -> None:
    load("a\x1b[2J.csv", text=ROWS)
    assert "\x1b" not in status().out


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0 s ago"),
        (0.4, "0 s ago"),
        (119, "119 s ago"),
        (120, "2 min ago"),
        (7_200, "2 h ago"),
        (172_800, "2 d ago"),
    ],
)
def test_ages_are_said_as_people_say_them(seconds: float, words: str) -> None:
    """In the largest unit that has two of them."""
    assert ago(seconds) == words


def test_the_age_is_that_of_the_last_sign_of_life(sandbox: Sandbox, load: Run) -> None:
    load("a.csv", text=ROWS)
    (found,) = verb("a.results.csv", now=datetime(2100, 1, 1, tzinfo=UTC))
    assert found.seconds_ago is not None
    assert found.seconds_ago > 70 * 365 * 86_400
