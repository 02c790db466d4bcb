"""Random kills: one load after the other, each killed again and again until it is done, and what that cost."""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

from loader.journal import Journal, lines
from loader.sandbox.requests import Request
from tests.faults.conftest import MakeWorld
from tests.faults.process import Command
from tests.faults.world import Pair, World, pair_of

WORKERS = 8
ROWS = 200
GATHER_SECONDS = 0.01
"""Outcomes of this time share a commit, which takes some milliseconds of its own where the disk is busy."""

MOST_SECONDS = 5.0
"""How long after its answer a pair may be repeated at most, on a disk and a processor that others use, too."""


@dataclass
class Kill:
    """What a kill left: when it was, what the journal held then, and which requests the killed command had made."""

    at: float
    recorded: set[Pair]
    first: int
    requests: int


@dataclass
class Figures:
    """Over all kills. `again` are requests for pairs whose success was journaled; the others were repeated rightly.

    Of those, `under_way` had no answer yet, `just_answered` had one for no longer than the loader gathers outcomes.
    """

    kills: int = 0
    runs: int = 0
    lost: int = 0
    again: int = 0
    under_way: int = 0
    just_answered: int = 0
    earlier: int = 0
    most_under_way: int = 0
    oldest: float = 0.0

    def __str__(self) -> str:
        return (
            f"{self.kills} kills of {self.runs} loads, {WORKERS} requests at once: {self.lost} outcomes lost,"
            f" {self.again} journaled successes sent again; repeated {self.under_way} requests that were under way,"
            f" {self.just_answered} answered within {GATHER_SECONDS * 1000:g} ms before the kill and {self.earlier}"
            f" whose commit was not done yet, the oldest answered {self.oldest * 1000:.0f} ms before"
        )


def kill_at_random(make_world: MakeWorld, draw: Random, kills: int) -> Figures:
    """Kill loads at random moments until there were this many kills; each load must end well, and is checked."""
    figures = Figures()
    while figures.kills < kills:
        world = make_world(ROWS, latency="20ms-60ms", seed=draw.randrange(10**6), folder=f"run-{figures.runs}")
        answered = note_answers(world)
        struck = _until_done(world, draw, kills - figures.kills)
        ending = world.run("--concurrency", str(WORKERS))
        assert ending.exit_code == 0, ending.said
        world.check(ending)
        figures.runs += 1
        for kill in struck:
            _add(figures, world, kill, answered)
    return figures


def note_answers(world: World) -> dict[int, float]:
    """Return a dictionary that fills with the moment of each answer, by the request's `id`."""
    moments: dict[int, float] = {}
    log = world.sandbox._log
    left = log.left

    def noted(request: Request) -> None:
        moments[id(request)] = time.monotonic()
        left(request)

    log.left = noted  # type: ignore[method-assign]
    return moments


def _until_done(world: World, draw: Random, most: int) -> list[Kill]:
    struck: list[Kill] = []
    while len(struck) < most:
        first = len(world.puts())
        command = world.start("--concurrency", str(WORKERS))
        if _ended_before_its_moment(world, command, draw):
            assert command.wait() == 0, command.said()
            break
        at = time.monotonic()
        command.kill()
        struck.append(Kill(at, recorded(world.folder / "load.journal"), first, len(world.puts())))
    return struck


def _ended_before_its_moment(world: World, command: Command, draw: Random) -> bool:
    """Wait for a random moment: one kill in four by the clock, the others a while after some more requests came."""
    if draw.random() < 1 / 4:
        return command.ended(draw.uniform(0.02, 1.3))
    wanted = len(world.puts()) + draw.randrange(1, ROWS // 2)
    while len(world.puts()) < wanted:
        if command.ended(0.002):
            return True
    return command.ended(draw.uniform(0.0, 0.05))


def recorded(journal: Path) -> set[Pair]:
    """Return the pairs whose success a journal holds, without changing a byte of it."""
    if not journal.exists():
        return set()
    with Journal(journal, read_only=True) as opened:
        return {
            (line.object_id, line.to_object_id) for _, line in lines(opened, "outcomes", 0) if line.status == "created"
        }


def _add(figures: Figures, world: World, kill: Kill, answered: dict[int, float]) -> None:
    before, after = world.puts()[kill.first : kill.requests], world.puts()[kill.requests :]
    sent_again = {pair_of(request) for request in after}
    repeated = [request for request in before if pair_of(request) in sent_again - kill.recorded]
    ages = [kill.at - answered.get(id(request), math.inf) for request in repeated]
    figures.kills += 1
    figures.lost += len(kill.recorded - recorded(world.folder / "load.journal"))
    figures.again += len(sent_again & kill.recorded)
    figures.under_way += sum(age <= 0 for age in ages)
    figures.just_answered += sum(0 < age <= GATHER_SECONDS for age in ages)
    figures.earlier += sum(age > GATHER_SECONDS for age in ages)
    figures.most_under_way = max(figures.most_under_way, sum(age <= 0 for age in ages))
    figures.oldest = max([figures.oldest, *ages])
