"""Signals, kills and closed terminals: what was done is kept, and the same command goes on."""

import json
import os
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from loader.sandbox import Sandbox

Run = Callable[..., Any]
Lines = Callable[[str], list[dict[str, str]]]
Summary = Callable[[str], dict[str, Any]]

LOAD = ("load", "a.csv", "--from", "contacts", "--to", "companies", "--rate", "9999/1")
ROWS = 120


@pytest.fixture
def rows(folder: Path) -> None:
    """An input that takes some seconds."""
    (folder / "a.csv").write_text("from_id,to_id\n" + "".join(f"{100 + n},{9_000 + n}\n" for n in range(ROWS)))


def puts(sandbox: Sandbox) -> int:
    return sum(request.method == "PUT" for request in sandbox.requests)


def whole(lines: list[dict[str, str]]) -> bool:
    return Counter(line["row"] for line in lines) == Counter(str(row) for row in range(2, ROWS + 2))


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_drains_the_run_and_the_same_command_goes_on(
    number: signal.Signals, code: int, hubspot: Run, start: Run, until: Run, run: Run, lines: Lines, summary: Summary
) -> None:
    """No request leaves after it, what was in flight is kept, a summary is written; then nothing is sent twice."""
    with hubspot(latency="200ms") as sandbox:
        process = start(*LOAD, "--concurrency", "4")
        until(lambda: puts(sandbox) >= 10)
        process.send(number)
        sent_at = time.monotonic()
        done = process.wait()
        assert done.code == code
        assert max(request.time for request in sandbox.requests) < sent_at + 0.15
        told = summary("a.summary.json")
        assert told["exit_code"] == code
        assert told["rows"]["created"] == len(lines("a.results.csv")) == puts(sandbox)
        assert told["next_command"] == "association-loader " + " ".join([*LOAD, "--concurrency", "4"])
        assert "interrupted" in done.err
        assert run(*LOAD).code == 0
        assert puts(sandbox) == ROWS
    assert whole(lines("a.results.csv"))


@pytest.mark.usefixtures("rows")
def test_a_second_signal_ends_the_run_within_a_second(
    hubspot: Run, start: Run, until: Run, run: Run, lines: Lines, folder: Path
) -> None:
    """Answers that never come are not waited for; no summary is written, and the same command goes on."""
    with hubspot(faults=[{"fault": "stall", "method": "PUT", "range": [11, 30]}]) as sandbox:
        process = start(*LOAD, "--concurrency", "4")
        until(lambda: puts(sandbox) >= 14)
        process.send(signal.SIGINT)
        time.sleep(0.3)
        assert process.popen.poll() is None
        process.send(signal.SIGINT)
        began = time.monotonic()
        assert process.wait().code == 130
        assert time.monotonic() - began < 1
        assert not (folder / "a.summary.json").exists()
        sandbox.reset()
        while run(*LOAD, "--timeout", "0.3").code not in (0, 1):
            pass
    assert whole(lines("a.results.csv"))


@pytest.mark.usefixtures("rows")
def test_kill_9_loses_nothing_and_repeats_no_more_than_was_in_flight(
    hubspot: Run, start: Run, until: Run, run: Run, lines: Lines, summary: Summary
) -> None:
    """Every row stands in the results exactly once; HubSpot has exactly the file's pairs."""
    with hubspot(latency="50ms-100ms") as sandbox:
        process = start(*LOAD, "--concurrency", "5")
        until(lambda: puts(sandbox) >= 30)
        process.send(signal.SIGKILL)
        assert process.wait().code == -signal.SIGKILL
        assert run(*LOAD).code == 0
        assert {(int(a[1]), int(b[1])) for a, b in sandbox.portal.pairs()} == {
            (100 + n, 9_000 + n) for n in range(ROWS)
        }
        # Five in flight, and as many whose answers were not written down yet.
        assert ROWS <= puts(sandbox) <= ROWS + 10
    assert whole(lines("a.results.csv"))
    assert summary("a.summary.json")["rows"]["created"] == ROWS


@pytest.mark.usefixtures("rows")
def test_a_killed_run_refuses_other_settings_and_stays_as_it_is(
    hubspot: Run, start: Run, until: Run, run: Run, contents: Callable[[], dict[str, str]], lines: Lines
) -> None:
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
    assert whole(lines("a.results.csv"))


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
    assert time.monotonic() - began < 1
    os.close(reading)
    os.close(writing)
    assert [file.name for file in folder.rglob("*") if file.is_file()] == []


@pytest.mark.usefixtures("rows")
def test_a_signal_in_a_long_pause_is_obeyed_at_once(hubspot: Run, start: Run, until: Run, summary: Summary) -> None:
    """HubSpot asks for a minute; nobody waits for it."""
    with hubspot(faults=[{"fault": "429", "method": "PUT", "range": [5, None], "retry_after": "60"}]) as sandbox:
        process = start(*LOAD, "--concurrency", "2")
        until(lambda: puts(sandbox) >= 5)
        time.sleep(0.2)
        process.send(signal.SIGINT)
        began = time.monotonic()
        assert process.wait().code == 130
        assert time.monotonic() - began < 1.5
    assert summary("a.summary.json")["rows"]["failed"] == 0


@pytest.mark.usefixtures("rows")
def test_a_signal_while_labels_are_asked_for_is_obeyed_at_once(hubspot: Run, start: Run, until: Run) -> None:
    """Before anything is sent there is nothing to drain."""
    with hubspot(faults=[{"fault": "stall", "route": "labels"}]) as sandbox:
        process = start(*LOAD, "--label", "Boss")
        until(lambda: any("labels" in request.path for request in sandbox.requests))
        process.send(signal.SIGINT)
        began = time.monotonic()
        assert process.wait().code == 130
        assert time.monotonic() - began < 1.5
        assert puts(sandbox) == 0


@pytest.mark.usefixtures("rows")
def test_intent_is_committed_before_a_request_leaves(hubspot: Run, start: Run, until: Run, folder: Path) -> None:
    """A journal read from outside in the middle names at least as many pairs as HubSpot has seen."""
    with hubspot(latency="300ms") as sandbox:
        process = start(*LOAD, "--concurrency", "4")
        until(lambda: puts(sandbox) >= 4)
        seen = puts(sandbox)
        with closing(sqlite3.connect(f"file:{folder / 'a.journal'}?mode=ro", uri=True)) as journal:
            (claimed,) = journal.execute("SELECT value FROM facts WHERE key = 'claimed'").fetchone()
        assert json.loads(claimed) >= seen
        process.send(signal.SIGKILL)
        process.wait()
