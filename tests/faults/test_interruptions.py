"""Signals, closed terminals and readers that go away: what was begun is finished and written down, and it goes on."""

import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from loader.run import session
from tests.faults.conftest import MakeWorld
from tests.faults.test_answers import CONCURRENCY, WORKERS
from tests.faults.test_authentication import KEPT, OAUTH
from tests.faults.world import World, once, pairs

SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]

AT_ONCE = 2.0
"""Seconds, on a machine that has other things to do."""


@pytest.fixture(autouse=True)
def unharmed() -> Iterator[None]:
    """Let a signal that comes too late fail a test, not end the process that runs it."""
    before = {number: signal.signal(number, lambda *_: None) for number, _ in SIGNALS}
    yield
    for number, action in before.items():
        signal.signal(number, action)


class Interruption:
    """Sends a signal to this process once something holds, and remembers when, and what had been sent by then."""

    def __init__(self, world: World, number: signal.Signals, holds: Callable[[], object]) -> None:
        self.at = 0.0
        self.sent = 0

        def notify() -> None:
            self.sent = len(world.puts())
            self.at = time.monotonic()
            os.kill(os.getpid(), number)

        self.once = partial(once, holds, notify)


# --- the first signal


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_ends_a_load_with_everything_written_down(
    make_world: MakeWorld, number: signal.Signals, code: int
) -> None:
    """Item 50: nothing leaves any more, what is in flight is finished and recorded, files are written, it goes on."""
    world = make_world(60, latency="50ms")
    interruption = Interruption(world, number, lambda: len(world.puts()) >= 10)
    with interruption.once():
        ending = world.load(*CONCURRENCY, exit_code=code, complete=False)
    assert "interrupted" in ending.said
    assert len(world.puts()) <= interruption.sent + WORKERS
    assert ending.summary["exit_code"] == code
    assert ending.summary["rows"]["created"] == len(ending.lines) == len(world.puts())
    assert ending.summary["next_command"].startswith("association-loader load load.csv")
    world.goes_on_and_completes(*CONCURRENCY)


def test_missing_answers_are_waited_for_only_the_grace_time(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Item 50: what had no answer by then stays pending, and is sent again by the next command."""
    monkeypatch.setattr(session, "GRACE_SECONDS", 0.3)
    world = make_world(20, faults=[{"fault": "stall", "method": "PUT", "range": [5, None]}])
    interruption = Interruption(world, signal.SIGTERM, lambda: len(world.puts()) >= 4 + WORKERS)
    with interruption.once():
        ending = world.load(*CONCURRENCY, exit_code=143)
    assert 0.3 <= time.monotonic() - interruption.at < AT_ONCE
    assert ending.summary["rows"]["created"] == 4
    world.goes_on_and_completes(*CONCURRENCY)


# --- in the middle of something else


WAITS: dict[str, dict[str, Any]] = {
    "a pause that HubSpot asked for": {
        "faults": [{"fault": "429", "method": "PUT", "range": [5, None], "retry_after": "600"}]
    },
    "a wait before the next attempt": {
        "faults": [{"fault": "503", "method": "PUT", "range": [5, None], "retry_after": "600"}]
    },
    "an answer about labels": {"faults": [{"fault": "stall", "route": "labels"}], "more": ["--label", "Boss"]},
    "an answer about what is there": {"faults": [{"fault": "stall", "route": "batch/read"}]},
    "an answer about the portal": {"faults": [{"fault": "stall", "path": "/account-info/"}]},
    "an answer about records": {
        "faults": [{"fault": "stall", "route": "objects/batch/read"}],
        "more": ["--from-id-property", "email"],
    },
    "the first token": {"faults": [{"fault": "stall", "path": "/oauth/"}], "portal": KEPT, "variables": OAUTH},
    "a new token": {
        "faults": [
            {"fault": "expire-token", "method": "PUT", "nth": 5},
            {"fault": "stall", "path": "/oauth/", "range": [2, None]},
        ],
        "portal": KEPT,
        "variables": OAUTH,
    },
}


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("wait", WAITS)
def test_a_signal_is_obeyed_at_once_while_a_load_waits(make_world: MakeWorld, wait: str) -> None:
    """Item 52: the load does not wait for what may never come; no row has failed."""
    settings = dict(WAITS[wait])
    more = settings.pop("more", [])
    world = make_world(20, **settings)
    interruption = Interruption(world, signal.SIGINT, world.struck)
    with interruption.once():
        ending = world.run(*CONCURRENCY, *more)
    assert ending.exit_code == 130, ending.said
    assert time.monotonic() - interruption.at < AT_ONCE
    assert ending.rows("failed") == set()
    world.check_traffic()
    world.check_secrets()


@pytest.mark.slow
def test_a_signal_while_the_input_is_read_is_obeyed_at_once(make_world: MakeWorld) -> None:
    """Item 52: nothing was sent, and of the files that were begun none is left."""
    world = make_world(pairs(400_000))
    interruption = Interruption(world, signal.SIGTERM, (world.folder / "load.journal-staging").exists)
    with interruption.once():
        ending = world.run(*CONCURRENCY)
    assert ending.exit_code == 143, ending.said
    assert time.monotonic() - interruption.at < AT_ONCE
    assert {path.name for path in world.folder.iterdir()} == {"load.csv"}
    assert not world.sandbox.requests


# --- the second signal


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), SIGNALS[:2])
def test_a_second_signal_ends_a_load_within_a_second(make_world: MakeWorld, number: signal.Signals, code: int) -> None:
    """Item 51: answers that do not come are not waited for; what has none is sent again by the next command."""
    world = make_world(30, faults=[{"fault": "stall", "method": "PUT", "range": [11, None]}])
    command = world.start(*CONCURRENCY)
    while len(world.puts()) < 10 + WORKERS:
        assert not command.ended(0.01), command.said()
    command.signal(number)
    assert not command.ended(0.3), "it has not waited for what is in flight"
    command.signal(number)
    began = time.monotonic()
    ending = world.end(command, 5)
    assert time.monotonic() - began < AT_ONCE
    assert ending.exit_code == code
    assert len(ending.lines) <= 10
    world.check_traffic()
    world.heal()
    world.load(*CONCURRENCY)
    assert len(world.puts()) <= 30 + WORKERS


# --- streams


def no_reader(*descriptors: int) -> None:
    """Make streams pipes whose reader has gone, as after `| head -1`."""
    for descriptor in descriptors:
        reading, writing = os.pipe()
        os.dup2(writing, descriptor)
        os.close(reading)
        os.close(writing)


def closed() -> None:
    """Begin with nothing open at all, as under some schedulers: then Python has no streams, either."""
    for descriptor in range(3):
        os.close(descriptor)
    sys.stdin = sys.stdout = sys.stderr = None


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("harm", [partial(no_reader, 1, 2), closed, partial(no_reader, 1)])
def test_nobody_who_listens_is_no_reason_to_stop(make_world: MakeWorld, harm: Callable[[], None]) -> None:
    """Item 53: readers that went away, closed streams, no terminal: every row is there, and so are the files."""
    world = make_world(30, latency="5ms")
    ending = world.end(world.start(*CONCURRENCY, "--json", harm=harm))
    assert ending.exit_code == 0
    assert not re.search("Error|Exception", ending.said)
    assert json.loads((world.folder / "load.summary.json").read_text())["exit_code"] == 0
    world.check(ending)
