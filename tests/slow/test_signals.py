"""Processes that are killed, interrupted, or meet each other (more of it among the fault tests)."""

import json
import os
import signal
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from loader.sandbox import Sandbox
from tests.cli.conftest import Run, contents, lines, until

LOAD = ("load", "a.csv", "--from", "contacts", "--to", "companies", "--rate", "9999/1")
ROWS = 120


@pytest.fixture
def rows(folder: Path) -> None:
    """An input that takes some seconds."""
    (folder / "a.csv").write_text("from_id,to_id\n" + "".join(f"{100 + n},{9_000 + n}\n" for n in range(ROWS)))


def puts(sandbox: Sandbox) -> int:
    return sum(request.method == "PUT" for request in sandbox.requests)


def whole() -> bool:
    """Return True if the results have each row once."""
    return Counter(line["row"] for line in lines("a.results.csv")) == Counter(str(row) for row in range(2, ROWS + 2))


@pytest.mark.usefixtures("rows")
def test_a_killed_run_refuses_other_settings_and_stays_as_it_is(hubspot: Run, start: Run, run: Run) -> None:
    """Also what SQLite left beside the journal is not touched by a command that is refused."""
    with hubspot(latency="50ms") as sandbox:
        process = start(*LOAD, "--concurrency", "5")
        until(lambda: puts(sandbox) >= 30)
        process.send(signal.SIGKILL)
        process.wait()
        before = {name: text for name, text in contents().items() if not name.endswith(("-shm", "-lock"))}
        assert any(name.endswith("-wal") for name in before)
        assert run(*LOAD, "--type-id", "1").code == 2
        after = {name: text for name, text in contents().items() if not name.endswith(("-shm", "-lock"))}
        assert after == before
        assert run(*LOAD, "--fresh").code == 0
    assert whole()


def test_a_signal_while_standard_input_is_read_is_obeyed_at_once(sandbox: Sandbox, start: Run, folder: Path) -> None:
    """Nobody writes to the pipe; nothing is left behind, not even the private copy."""
    reading, writing = os.pipe()
    (folder / "tmp").mkdir()
    process = start(*LOAD[:1], "-", *LOAD[2:], stdin=reading, env={**os.environ, "TMPDIR": str(folder / "tmp")})
    os.write(writing, b"from_id,to_id\n1,2\n")
    deadline = time.monotonic() + 10
    while not list((folder / "tmp").iterdir()) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send(signal.SIGTERM)
    began = time.monotonic()
    assert process.wait().code == 143
    assert time.monotonic() - began < 5
    os.close(reading)
    os.close(writing)
    assert [file.name for file in folder.rglob("*") if file.is_file()] == []


@pytest.mark.usefixtures("rows")
def test_intent_is_committed_before_a_request_leaves(hubspot: Run, start: Run) -> None:
    """A journal read from outside in the middle names at least as many pairs as HubSpot has seen."""
    with hubspot(latency="300ms") as sandbox:
        process = start(*LOAD, "--concurrency", "4")
        until(lambda: puts(sandbox) >= 4)
        seen = puts(sandbox)
        with closing(sqlite3.connect("file:a.journal?mode=ro", uri=True)) as journal:
            (claimed,) = journal.execute("SELECT value FROM facts WHERE key = 'claimed'").fetchone()
        assert json.loads(claimed) >= seen
        process.send(signal.SIGKILL)
        process.wait()


def test_a_journal_that_another_process_holds(start: Run, run: Run, hubspot: Run) -> None:
    """The second command refuses and says which process it waits for; the first is not disturbed."""
    Path("a.csv").write_text("from_id,to_id\n101,201\n")
    with hubspot(latency="500ms"):
        process = start(*LOAD)
        until(lambda: Path("a.journal-lock").exists() and Path("a.journal-lock").stat().st_size > 0)
        done = run(*LOAD)
        assert (done.code, done.err.count("\n")) == (2, 1)
        assert str(process.popen.pid) in done.err
        assert process.wait().code == 0
