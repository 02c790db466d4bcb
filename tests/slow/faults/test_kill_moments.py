"""kill -9 at each moment that matters, one after the other: nothing is lost, and little is sent again."""

import signal
from functools import partial

import pytest

from tests.faults.conftest import MakeWorld
from tests.faults.harm import kill_after, kill_before
from tests.faults.kills import recorded
from tests.faults.process import Harm
from tests.faults.world import pair_of, pairs

WORKERS = 4
CONCURRENCY = ("--concurrency", str(WORKERS))
ROWS = 20

JOURNAL = "loader.journal.journal:Journal"
STAGING = "loader.planning.staging:Staging"
RESULTS = "loader.record.results:TextResults"
NAMING = "loader.run.load:put_in_place"

MOMENTS: dict[str, Harm] = {
    "while the input is read": partial(kill_before, f"{STAGING}.append"),
    "when everything is read": partial(kill_after, f"{STAGING}.end_input"),
    "while rows are grouped": partial(kill_after, f"{STAGING}.group"),
    "before the journal has its name": partial(kill_before, NAMING),
    "when the journal has its name": partial(kill_after, NAMING),
    "before the name of the results is the run's own": partial(kill_before, "loader.record.results:_take_name"),
    "with the results' header written and nothing sent": partial(kill_after, f"{RESULTS}.__enter__"),
    "before the first intent": partial(kill_before, f"{JOURNAL}.claim_lot"),
    "with the first intent committed": partial(kill_after, f"{JOURNAL}.claim_lot"),
    "before it is kept what pairs were": partial(kill_before, f"{JOURNAL}.keep"),
    "when it is kept what pairs were": partial(kill_after, f"{JOURNAL}.keep"),
    "before a request leaves": partial(kill_before, "loader.send.transport:Transport.send", 8),
    "when an answer has come": partial(kill_after, "loader.send.transport:Transport.send", 8),
    "before the first outcome is committed": partial(kill_before, f"{JOURNAL}.record"),
    "before a later outcome is committed": partial(kill_before, f"{JOURNAL}.record", 3),
    "with an outcome committed and not in the results": partial(kill_after, f"{JOURNAL}.record", 2),
    "with a line written and not remembered": partial(kill_after, f"{RESULTS}._write", 3),
    "when the last pair is sent": partial(kill_before, f"{RESULTS}.finish"),
    "with the results finished": partial(kill_after, f"{RESULTS}.finish"),
    "before the failures": partial(kill_before, "loader.run.load:write_failures"),
    "before the summary": partial(kill_before, "loader.run.load:write_summary"),
    "with the summary beside its place": partial(kill_before, "pathlib:Path.replace"),
    "with the summary written": partial(kill_after, "loader.run.load:write_summary"),
    "before the lock goes": partial(kill_before, "loader.journal.lock:Lock.__exit__"),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_load_killed_at_this_moment_resumes(make_world: MakeWorld, moment: str) -> None:
    """Items 47, 48: the next command sends what has no outcome, once; no success of the journal is sent again."""
    world = make_world(ROWS, latency="20ms")
    command = world.start(*CONCURRENCY, harm=MOMENTS[moment])
    assert command.wait() == -signal.SIGKILL, command.said()
    world.said += command.said()
    world.check_secrets()
    kept, sent = recorded(world.folder / "load.journal"), len(world.puts())
    assert kept <= {pair_of(request) for request in world.puts()}
    ending = world.run(*CONCURRENCY)
    assert ending.exit_code == 0, ending.said
    later = {pair_of(request) for request in world.puts()[sent:]}
    assert not later & kept
    # What was in flight, and what was answered in the 20 milliseconds that share a commit: two answers of each worker.
    assert ROWS <= len(world.puts()) <= ROWS + 3 * WORKERS
    world.check(ending)


THREE = 3
"""A file takes three calls: itself, and the two logs that SQLite may have left beside it."""

ASIDE: dict[str, Harm] = {
    "before the first file is renamed": partial(kill_before, "pathlib:Path.rename", 1),
    "with the results renamed": partial(kill_after, "pathlib:Path.rename", 1),
    "with the summary renamed": partial(kill_after, "pathlib:Path.rename", 1 + THREE),
    "with the journal renamed": partial(kill_after, "pathlib:Path.rename", 1 + 2 * THREE),
    "with everything set aside": partial(kill_after, "loader.run.earlier_files:set_aside"),
    "before the new journal has its name": partial(kill_before, NAMING),
    "with the new journal's name": partial(kill_after, NAMING),
    "before the new results are the new run's": partial(kill_before, "loader.record.results:_take_name"),
}


@pytest.mark.parametrize("moment", ASIDE)
def test_a_load_killed_while_it_renames_earlier_files_resumes(make_world: MakeWorld, moment: str) -> None:
    """Items 47, 57: a finished run makes way for the next input; the same command always goes on, by itself."""
    world = make_world(ROWS)
    assert world.run(*CONCURRENCY).exit_code == 0
    lines = (world.folder / "load.results.csv").read_bytes()
    world.wanted = pairs(2 * ROWS)[ROWS:]
    world.write_input(world.wanted)
    command = world.start(*CONCURRENCY, harm=ASIDE[moment])
    assert command.wait() == -signal.SIGKILL, command.said()
    ending = world.run(*CONCURRENCY)
    assert ending.exit_code == 0, ending.said
    assert ending.rows("created") == set(world.wanted)
    assert len(world.puts()) == 2 * ROWS
    kept = [path.read_bytes() for path in world.folder.glob("load.2*.results.csv")]
    assert kept == [lines], "the earlier results are not there, or not whole"
    world.wanted = pairs(2 * ROWS)
    world.check_traffic()
    world.check_secrets()


BATCH = (*CONCURRENCY, "--method", "batch")

BATCH_MOMENTS: dict[str, Harm] = {
    "before it leaves": partial(kill_before, f"{JOURNAL}.keep"),
    "with what was there kept": partial(kill_after, f"{JOURNAL}.keep"),
    "before its outcomes are recorded": partial(kill_before, f"{JOURNAL}.record"),
    "with its outcomes recorded": partial(kill_after, f"{JOURNAL}.record"),
}


@pytest.mark.parametrize("moment", BATCH_MOMENTS)
def test_a_killed_load_of_batches_resumes(make_world: MakeWorld, moment: str) -> None:
    """Items 47, 48 for batches: nothing is lost; what was applied and not recorded is reported as created."""
    world = make_world(ROWS, record_bodies=True)
    command = world.start(*BATCH, harm=BATCH_MOMENTS[moment])
    assert command.wait() == -signal.SIGKILL, command.said()
    world.said += command.said()
    ending = world.run(*BATCH)
    assert ending.exit_code == 0, ending.said
    assert ending.rows("created") == set(world.wanted)
    world.check(ending)
