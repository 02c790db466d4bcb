"""How soon a signal is obeyed by a process of its own, and what a process does that slept."""

import signal
import time

import pytest

from loader.sandbox.latency import Latency
from tests.faults.conftest import MakeWorld
from tests.faults.world import World

CONCURRENCY = ("--concurrency", "4")


def wait_for_puts(world: World, count: int) -> None:
    """Wait until `count` requests have come."""
    end = time.monotonic() + 20
    while len(world.puts()) < count:
        assert time.monotonic() < end
        time.sleep(0.002)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_no_request_leaves_after_a_signal(make_world: MakeWorld, number: signal.Signals, code: int) -> None:
    """Item 50: four requests every second; the signal comes right after some have left, long before the next would."""
    world = make_world(40, latency="1s")
    command = world.start(*CONCURRENCY)
    wait_for_puts(world, 5)
    at = time.monotonic()
    command.signal(number)
    ending = world.end(command)
    assert ending.exit_code == code
    last = max(request.time for request in world.sandbox.requests)
    print(f"\n{number.name}: the last request left {(last - at) * 1000:.0f} ms after the signal")
    assert last < at + 0.8
    assert ending.summary["rows"]["created"] == len(ending.lines) == len(world.puts())
    world.check(ending, complete=False)
    world.sandbox._latency = Latency.parse("0ms")
    world.goes_on_and_completes(*CONCURRENCY)


def test_a_process_that_slept_keeps_to_the_limit(make_world: MakeWorld) -> None:
    """Item 61: a closed laptop, twice: requests in flight are tried again, and no burst makes up for lost time."""
    world = make_world(150, latency="20ms", rate="50/1")
    command = world.start(*CONCURRENCY, "--rate", "50/1", "--timeout", "1")
    for count in (40, 80):
        wait_for_puts(world, count)
        command.signal(signal.SIGSTOP)
        time.sleep(3)
        command.signal(signal.SIGCONT)
    ending = world.end(command)
    assert ending.exit_code == 0, ending.said
    assert world.sandbox.max_window <= 50
    assert world.sandbox.rate_limited == 0
    world.check(ending)
