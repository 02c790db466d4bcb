"""A server under pressure, and a loop with much to read."""

import asyncio
import time
from collections import deque
from random import Random
from typing import Any

import pytest

from loader.send import concurrency
from tests.faults.conftest import MakeWorld
from tests.faults.test_answers import CREW
from tests.faults.world import World, pairs


class Collapsing:
    """Latency that is short at first, and after so many answers grows with the requests under way."""

    def __init__(self, world: World, *, quick: int) -> None:
        self._world = world
        self._left = quick
        self.under_way: deque[int] = deque()

    def draw(self, random: Random) -> float:
        """Return the next answer's latency, in seconds."""
        del random
        self._left -= 1
        self.under_way.append(self._world.sandbox._log.in_flight)
        return 0.02 if self._left >= 0 else 0.05 * self.under_way[-1] ** 2


def test_a_server_that_collapses_gets_fewer_requests_at_once(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Item 45: eight at once take three seconds each, three half a second: fewer are under way, and all is done."""
    monkeypatch.setattr(concurrency, "SLOW_SECONDS", 0.2)
    world = make_world(200)
    latency = Collapsing(world, quick=40)
    world.sandbox._latency = latency  # type: ignore[assignment]
    ending = world.run("--concurrency", "8", "--rate", "40/1", seconds=120)
    assert ending.exit_code == 0, ending.said
    busy, calm = list(latency.under_way)[40:80], list(latency.under_way)[-50:-10]
    print(f"\n{max(busy)} requests at once when it began, {sum(calm) / len(calm):.1f} on average at the end")
    assert sum(calm) / len(calm) < 0.6 * max(busy)
    world.check(ending)


def test_reading_and_grouping_do_not_hold_up_the_loop(make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Item 68: with sixty thousand rows no step of the loop takes a quarter of a second of the processor's time."""
    longest = 0.0
    true = asyncio.events.Handle._run

    def measured(self: Any) -> None:
        nonlocal longest
        began = time.thread_time()
        true(self)
        longest = max(longest, time.thread_time() - began)

    monkeypatch.setattr(asyncio.events.Handle, "_run", measured)
    world = make_world(pairs(60_000))
    ending = world.run(*CREW, "--limit", "20")
    assert ending.exit_code == 0
    assert len(world.puts()) == 20
    assert longest < 0.25
    world.check(ending, complete=False)
