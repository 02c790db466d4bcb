"""Files that change under a load: its input, its outputs, and what another load does with the same ones."""

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import loader
from loader.journal import Lock
from tests.faults.conftest import MakeWorld
from tests.faults.disk import check_goes_on
from tests.faults.test_answers import CONCURRENCY
from tests.faults.world import World, once, pairs

ROWS = 20


def files_of(folder: Path) -> dict[str, bytes]:
    """Return every file's content."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def unfinished(make_world: MakeWorld) -> World:
    """Return a world whose load has gone half way."""
    world = make_world(ROWS)
    world.load(*CONCURRENCY, "--limit", "10", complete=False)
    return world


# --- the input, between two commands


def edited(lines: list[str]) -> list[str]:
    """Change one digit: the file has the same size."""
    return [*lines[:-1], lines[-1][:-1] + "0"]


CHANGES: dict[str, Callable[[list[str]], list[str]]] = {
    "a row is edited": edited,
    "a row is inserted": lambda lines: [*lines[:5], "7,8", *lines[5:]],
    "a row is deleted": lambda lines: lines[:-1],
    "rows are sorted anew": lambda lines: [lines[0], *random.Random(1).sample(lines[1:], len(lines) - 1)],
}


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("change", CHANGES)
def test_an_input_that_changed_is_refused(make_world: MakeWorld, change: str) -> None:
    """Item 62: by its content, whatever its size and time say: one sentence, nothing sent, nothing changed."""
    world = unfinished(make_world)
    path = world.folder / "load.csv"
    before = path.read_text("utf-8").splitlines()
    stamp = path.stat()
    path.write_text("\n".join(CHANGES[change](before)) + "\n", "utf-8")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    files, requests = files_of(world.folder), len(world.sandbox.requests)
    ending = world.run(*CONCURRENCY)
    assert ending.exit_code == 2
    assert ending.said.count("\n") == 1
    assert (
        "load.csv has changed since its last load, which did not finish. Put it back, or start over with --fresh."
        in ending.said
    )
    assert "--fresh" in ending.said
    assert files_of(world.folder) == files
    assert len(world.sandbox.requests) == requests
    world.write_input(world.wanted)
    check_goes_on(world, *CONCURRENCY)


def test_the_changed_one_of_several_inputs_is_named(make_world: MakeWorld) -> None:
    """Item 62: with many files the sentence says which; one more or less is said, too."""
    world = make_world(4)
    for name, numbers in (("b.csv", "7,8"), ("c.csv", "9,10")):
        (world.folder / name).write_text(f"object_id,to_object_id\n{numbers}\n")
    assert world.run("b.csv", "c.csv", "--limit", "5").exit_code == 0
    (world.folder / "c.csv").write_text("object_id,to_object_id\n9,11\n")
    assert "c.csv has changed since its last load" in world.run("b.csv", "c.csv").said
    assert "2 files given now, but 3 (load.csv, b.csv, c.csv) were given to the last load" in world.run("b.csv").said


# --- the input, while a load is at work


def appended(path: Path) -> None:
    """Let the file grow."""
    with path.open("a") as file:
        file.write("7,8\n")


def overwritten(path: Path) -> None:
    """Change a digit in place, and put the time back."""
    stamp = path.stat()
    with path.open("r+b") as file:
        file.seek(-2, os.SEEK_END)
        file.write(b"x")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))


def replaced(path: Path) -> None:
    """Put another file in its place."""
    path.with_name("new.csv").write_text("object_id,to_object_id\n7,8\n")
    path.with_name("new.csv").replace(path)


HARMS: dict[str, Callable[[Path], None]] = {
    "deleted": Path.unlink,
    "appended to": appended,
    "overwritten in place": overwritten,
    "replaced": replaced,
}


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("harm", HARMS)
def test_an_input_that_changes_while_sending_is_loaded_as_it_was(make_world: MakeWorld, harm: str) -> None:
    """Item 63: everything was read before the first request; what happens to the file then makes no difference."""
    world = make_world(40, latency="10ms")
    with once(lambda: len(world.puts()) >= 5, lambda: HARMS[harm](world.folder / "load.csv")):
        world.load(*CONCURRENCY)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("harm", HARMS)
def test_an_input_that_changes_while_it_is_read_is_refused(
    make_world: MakeWorld, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Item 63: what is hashed must be what is read, to the byte: exit code 2, nothing sent, and no file is left."""
    from loader.read.judge import RecordJudge  # noqa: PLC0415 - it is patched here only

    world = make_world(ROWS)
    true = RecordJudge.chunks

    def chunk(self: RecordJudge, batch: Any) -> Any:
        HARMS[harm](world.folder / "load.csv")
        return true(self, batch)

    monkeypatch.setattr(RecordJudge, "chunks", chunk)
    ending = world.run(*CONCURRENCY)
    assert ending.exit_code == 2, ending.said
    assert ending.said.count("\n") == 1
    assert "load.csv" in ending.said
    assert not world.sandbox.requests
    assert set(files_of(world.folder)) <= {"load.csv"}
    monkeypatch.undo()
    world.write_input(world.wanted)
    check_goes_on(world, *CONCURRENCY)


# --- outputs


def test_results_of_another_load_are_not_overwritten(make_world: MakeWorld) -> None:
    """Item 57: of no load, or an unfinished one: refused. Of a finished one: set aside, none is lost."""
    options = (*CONCURRENCY, "--existing", "replace", "--unread")
    world = make_world(ROWS)
    results = world.folder / "load.results.csv"
    results.write_text("precious\n")
    assert world.run(*options).exit_code == 2
    assert results.read_text() == "precious\n"
    results.unlink()
    assert world.run(*options, "--limit", "10").exit_code == 0
    half = results.read_bytes()
    world.write_input([("7", "8")])
    assert world.run(*options).exit_code == 2
    assert results.read_bytes() == half
    world.write_input(world.wanted)
    check_goes_on(world, *options)
    whole = results.read_bytes()
    world.wanted = [*world.wanted, ("7", "8")]
    world.write_input(world.wanted)
    world.load(*options)
    assert [path.read_bytes() for path in world.folder.glob("load.2*.results.csv")] == [whole]


# --- two at once


def test_two_loads_on_the_same_results_do_not_meet(make_world: MakeWorld) -> None:
    """Item 58: the second is refused with the first one's process id; the first is not disturbed."""
    world = make_world(ROWS)
    with Lock(world.folder / "load.journal"):
        ending = world.run(*CONCURRENCY)
        assert ending.exit_code == 2
        assert f"process {os.getpid()} is working on these files" in ending.said
        assert not world.sandbox.requests
    check_goes_on(world, *CONCURRENCY)


def test_a_lock_of_a_killed_load_locks_nothing(make_world: MakeWorld) -> None:
    """Item 58: its file may stay; what counts went with the process."""
    world = make_world(ROWS)
    (world.folder / "load.journal-lock").write_text("1")
    check_goes_on(world, *CONCURRENCY)


@pytest.mark.slow
def test_two_loads_may_use_one_token(make_world: MakeWorld) -> None:
    """Item 59: as on two machines: both meet 429s, both slow down, and both get everything through."""
    world = make_world(60, rate="40/0.5")
    other = make_world(pairs(120)[60:], folder="other")
    source = other.write_input(other.wanted)
    reports: list[loader.Report] = []

    def load_the_other() -> None:
        reports.append(
            loader.load_sync(
                source, object_type="contacts", to_object_type="companies", results=other.folder / "r.csv",
                rate="500/1", base_url=world.sandbox.url, token=world.environment()["HUBSPOT_ACCESS_TOKEN"],
            )
        )  # fmt: skip

    with once(lambda: len(world.puts()) >= 5, load_the_other):
        ending = world.run(*CONCURRENCY)
    assert ending.exit_code == 0, ending.said
    assert reports[0].exit_code == 0
    assert world.sandbox.rate_limited > 0
    world.wanted = pairs(120)
    assert world.there() == set(world.wanted)
    world.check_traffic()
    world.check_secrets()
