"""Disks that are full, broken or not ours: sending stops before an outcome is lost (the loops are among the slow)."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import MakeWorld
from tests.faults.disk import BROKEN, FULL, Disk, check_goes_on, check_loud, failing_call, failing_statement

CONCURRENCY = ("--concurrency", "4")


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("message", [FULL, BROKEN])
def test_a_journal_that_cannot_be_written_stops_the_load(make_world: MakeWorld, message: str) -> None:
    """Items 54, 55: after a failed commit nothing more is written, and nothing leaves but what was under way."""
    world = make_world(60, latency="10ms")
    disk = Disk(8, for_good=True)
    with failing_statement(disk, message, only="COMMIT"):
        ending = world.run(*CONCURRENCY)
    assert ending.exit_code == 5
    assert disk.calls == disk.nth, "a disk that failed once may say anything the second time"
    assert message in ending.said
    assert len(world.puts()) < 60
    check_loud(world, ending)
    check_goes_on(world, *CONCURRENCY)


def test_results_on_a_full_disk_stop_the_load(make_world: MakeWorld) -> None:
    """Item 54: the outcome is in the journal already; the same command writes the line that is missing."""
    world = make_world(60, latency="10ms")
    with failing_call(world.folder, "write", Disk(4, for_good=True)):
        ending = world.run(*CONCURRENCY)
    assert ending.exit_code == 5
    assert "load.results.csv: cannot be written (No space left on device)" in ending.said
    assert len(world.puts()) < 60
    check_loud(world, ending)
    check_goes_on(world, *CONCURRENCY)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("what", ["is a folder", "has no folder", "is a link", "is in a read-only folder"])
def test_results_that_cannot_be_written_are_refused_first(
    make_world: MakeWorld, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Item 56: exit code 2 and a sentence; no file is made, and another --results loads everything."""
    world = make_world(10)
    results = world.folder / "there" / "r.csv"
    match what:
        case "is a folder":
            results.mkdir(parents=True)
        case "is a link":
            results.parent.mkdir()
            results.symlink_to(world.folder / "elsewhere.csv")
        case "is in a read-only folder":
            results.parent.mkdir()
            read_only(results.parent, monkeypatch)
    before = sorted(world.folder.rglob("*"))
    ending = world.run(*CONCURRENCY, "--results", str(results))
    assert ending.exit_code == 2
    assert str(results) in ending.said or str(results.parent) in ending.said
    assert sorted(world.folder.rglob("*")) == before
    assert not world.sandbox.requests
    check_goes_on(world, *CONCURRENCY)


def read_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no process make a file in a folder, also when root runs the test."""
    true = os.open

    def refuse(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if flags & os.O_CREAT and Path(path).parent == folder:
            raise PermissionError(13, os.strerror(13))
        return true(path, flags, *more, **named)

    monkeypatch.setattr(os, "open", refuse)
