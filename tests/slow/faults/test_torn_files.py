"""Files that a power cut tore: the journal's log, the results, the journal itself, cut at every byte of their end."""

import os
import time
from itertools import chain
from pathlib import Path

import pytest

from loader.journal import Journal
from loader.record.results import open_results
from tests.faults.conftest import MakeWorld
from tests.faults.kills import recorded
from tests.faults.world import World, pair_of

CONCURRENCY = ("--concurrency", "4")
ROWS = 60
END = 4096
"""Bytes of a file's end that are cut off one by one."""

JOURNAL, LOG, RESULTS = "load.journal", "load.journal-wal", "load.results.csv"

Files = dict[str, bytes]


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """A world whose load was killed with most of its pairs in the journal, and a log beside it."""
    made = make_world(ROWS, latency="10ms-30ms")
    command = made.start(*CONCURRENCY)
    end = time.monotonic() + 20
    while len(made.lines()) < 40 and time.monotonic() < end:
        time.sleep(0.01)
    command.kill()
    made.said += command.said()
    assert 40 <= len(recorded(made.folder / JOURNAL)) < ROWS
    assert (made.folder / LOG).stat().st_size > 4 * END
    return made


def files_of(world: World) -> Files:
    """Return what a killed command left."""
    return {path.name: path.read_bytes() for path in world.folder.iterdir() if path.is_file()}


def put_back(world: World, files: Files) -> None:
    """Make the folder what it was when the files were read."""
    for path in world.folder.iterdir():
        if path.is_file():
            path.unlink()
    for name, content in files.items():
        (world.folder / name).write_bytes(content)


def goes_on(world: World) -> None:
    """Let the same command go on: nothing that the journal holds is sent, nothing twice, and all is there."""
    kept, sent = recorded(world.folder / JOURNAL), len(world.puts())
    ending = world.run(*CONCURRENCY)
    assert ending.exit_code == 0, ending.said
    later = [pair_of(request) for request in world.puts()[sent:]]
    assert len(later) == len(set(later))
    assert not kept & set(later)
    world.check(ending)


def test_the_journals_log_may_be_cut_anywhere(world: World) -> None:
    """Item 49: at each byte of its last 4 kB, and of the frames before, the journal begins from a whole commit."""
    journal, log = world.folder / JOURNAL, world.folder / LOG
    whole, full, seen = log.stat().st_size, recorded(journal), set()
    for missing in chain(range(END + 1), range(END, whole, 1499)):
        os.truncate(log, whole - missing)
        (world.folder / f"{JOURNAL}-shm").unlink(missing_ok=True)
        kept = recorded(journal)
        assert kept <= full
        seen.add(len(kept))
    print(f"\ncut at {END} bytes and {whole // 1499} more places: {len(seen)} different commits were begun from")
    assert len(seen) > 3


def test_a_load_resumes_from_a_log_that_was_cut(world: World) -> None:
    """Item 49: outcomes of the part that is gone are sent once more, the others are not, and the results are right."""
    files = files_of(world)
    whole = len(files[LOG])
    for missing in (1, 24, END, END + 24, 3 * END, whole // 3, whole // 2, whole - 100, whole - 32, whole - 31, whole):
        put_back(world, files | {LOG: files[LOG][: whole - missing]})
        goes_on(world)


def test_the_results_may_be_cut_anywhere(world: World) -> None:
    """Item 49: at each byte of its last 4 kB, and of the rest, the file is what the journal says, each row once."""
    results, whole = world.folder / RESULTS, (world.folder / RESULTS).read_bytes()
    with Journal(world.folder / JOURNAL) as journal:
        list(journal.query("PRAGMA synchronous = OFF"))
        tables = journal.facts.tables
        written = tables["results"].written
        assert written is not None
        right = _remade(results, journal)
        assert right.startswith(whole[: written.size])
        for missing in chain(range(min(END, len(whole)) + 1), range(END, len(whole), 97)):
            journal.remember(tables=tables)
            results.write_bytes(whole[: len(whole) - missing])
            assert _remade(results, journal) == right, f"{missing} bytes were missing"


def _remade(results: Path, journal: Journal) -> bytes:
    with open_results(results, journal) as opened:
        journal.remember(**opened.catch_up())
    return results.read_bytes()


def test_a_load_resumes_with_results_that_were_cut(world: World) -> None:
    """Item 49: also when the log lost some commits at the same time; no line is lost, none stands there twice."""
    files = files_of(world)
    whole = len(files[RESULTS])
    for missing, torn in [(0, END), (1, 0), (7, END), (END, 0), (whole // 2, 5 * END), (whole, 0)]:
        cut = {RESULTS: files[RESULTS][: whole - missing], LOG: files[LOG][: len(files[LOG]) - torn]}
        put_back(world, files | cut)
        goes_on(world)


@pytest.mark.parametrize("finished", [False, True])
def test_a_journal_that_was_cut_is_refused_with_the_way_on(world: World, *, finished: bool) -> None:
    """Item 49: nothing is sent, nothing is changed; set aside, the load begins anew, and repeating does no harm."""
    if finished:
        assert world.run(*CONCURRENCY).exit_code == 0
    files = files_of(world)
    whole = len(files[JOURNAL])
    for size in (whole - 1, whole - 100, whole - END, whole // 2, END + 1, END, 100, 16, 1, 0):
        cut = files | {JOURNAL: files[JOURNAL][:size]}
        put_back(world, cut)
        sent = len(world.puts())
        ending = world.run(*CONCURRENCY)
        if ending.exit_code == 0 and not finished:
            world.check(ending)  # The part that is missing stands in the log, too.
            assert size > whole // 2
            continue
        assert ending.exit_code == 2, f"{size} of {whole}: {ending.said}"
        assert "--fresh" in ending.said
        assert {name: files_of(world)[name] for name in (JOURNAL, RESULTS)} == {
            name: cut[name] for name in (JOURNAL, RESULTS)
        }
        assert len(world.puts()) == sent
    ending = world.run(*CONCURRENCY, "--fresh")
    assert ending.exit_code == 0
    assert any(path.read_bytes() == b"" for path in world.folder.glob("load.2*.journal"))
    world.check(ending)
