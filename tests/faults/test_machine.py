"""What the machine does to a load: clocks that jump, sockets that run out, loops that stall, and bugs of our own."""

import asyncio
import errno
import os
import resource
import time
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from functools import partial
from itertools import count, cycle
from typing import Any

import pytest

from loader import event_loop
from loader.journal import Journal
from loader.record.results import TextResults
from loader.run import connection
from loader.run.meter import Meter
from loader.send import replies
from loader.send.transport import Transport
from tests.faults.conftest import MakeWorld
from tests.faults.disk import check_goes_on
from tests.faults.kills import recorded
from tests.faults.test_answers import CONCURRENCY, WORKERS

# --- clocks


def test_the_time_of_day_may_jump(make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Item 60: an hour back, an hour forward, at every look; no burst, no hang, and the limit is kept."""
    hours = cycle([0, 3600, -3600])
    true = time.time

    class Jumping(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Jumping":
            return super().now(tz) + timedelta(seconds=next(hours))

    world = make_world(60, rate="50/0.5", faults=[{"fault": "429", "method": "PUT", "every": 25}])
    monkeypatch.setattr(time, "time", lambda: true() + next(hours))
    monkeypatch.setattr(connection, "datetime", Jumping)
    began = time.monotonic()
    world.load(*CONCURRENCY, "--rate", "50/0.5")
    assert time.monotonic() - began < 20
    assert world.sandbox.max_window <= 50


# --- sockets


def few_files(number: int) -> None:
    """Let this process have only this number of files and sockets open."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, number))


@pytest.mark.slow
def test_no_more_connections_are_opened_than_the_system_allows(make_world: MakeWorld) -> None:
    """Item 65: with 32 files for everything a load of fifty requests at once makes do with fewer, and says so."""
    world = make_world(60, latency="20ms")
    ending = world.end(world.start("--concurrency", "50", harm=partial(few_files, 32)))
    assert ending.exit_code == 0, ending.said
    assert "ulimit -n" in ending.said
    assert world.sandbox.max_in_flight <= 32 - connection.OWN_FILES
    assert ending.summary["requests"]["retried"] == 0
    world.check(ending)


@pytest.mark.slow_after(1)
@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENETUNREACH])
def test_a_socket_that_cannot_be_had_is_asked_for_again(
    make_world: MakeWorld, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Items 65, 67: no file or no route for a while: the row is sent a moment later."""
    calls = count(1)
    loop: Any = asyncio.SelectorEventLoop
    true = loop.sock_connect

    async def connect(self: Any, *given: Any) -> None:
        if 3 <= next(calls) <= 8:
            raise OSError(number, os.strerror(number))
        await true(self, *given)

    monkeypatch.setattr(loop, "sock_connect", connect)
    monkeypatch.setattr(event_loop, "_factory", lambda: None)  # uvloop connects below Python
    world = make_world(20, faults=[{"fault": "close-after", "method": "PUT"}])
    world.load(*CONCURRENCY)
    assert next(calls) > 8


@pytest.mark.slow
def test_connections_are_used_again(make_world: MakeWorld) -> None:
    """Item 67: local ports are not used up by a long load: there are as many connections as workers."""
    world = make_world(100)
    world.load(*CONCURRENCY)
    assert len({request.connection for request in world.sandbox.requests}) <= WORKERS


# --- the event loop


@pytest.mark.slow
def test_a_loop_that_stalls_loses_nothing(make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Item 68: two stalls longer than the timeout: what looks late is sent again, within the limit, and counted."""
    calls = count(1)
    true = Transport.send

    async def send(self: Transport, *given: Any, **more: Any) -> Any:
        if next(calls) in {8, 25}:
            time.sleep(0.5)  # noqa: ASYNC251 - it is the fault
        return await true(self, *given, **more)

    monkeypatch.setattr(Transport, "send", send)
    world = make_world(60, latency="10ms")
    ending = world.load(*CONCURRENCY, "--timeout", "0.3")
    assert ending.summary["requests"]["sent"] >= world.sandbox.count()


# --- bugs


BUGS: dict[str, tuple[Any, str, int]] = {
    "in reading an answer": (replies, "created", 10),
    "in claiming pairs": (Journal, "claim_lot", 1),
    "in keeping what pairs were": (Journal, "keep", 1),
    "in recording outcomes": (Journal, "record", 2),
    "in writing results": (TextResults, "catch_up", 2),
    "in showing progress": (Meter, "progress", 1),
}


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("place", "error"),
    [
        *((place, ValueError("a bug")) for place in BUGS),
        ("in claiming pairs", MemoryError()),
        ("in writing results", MemoryError()),
    ],
)
def test_a_bug_ends_a_load_and_leaves_no_worker_dead(
    make_world: MakeWorld, place: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Items 66, 69: exit code 70 and a traceback in the log, whichever task it is in; without it the load goes on.

    What the journal has recorded by then is true.
    """
    world = make_world(60, latency="10ms")
    owner, name, nth = BUGS[place]
    monkeypatch.setattr(owner, name, erring(getattr(owner, name), nth, error))
    ending = world.run(*CONCURRENCY, "--log-file", "bug.log", seconds=20)
    assert ending.exit_code == 70
    if isinstance(error, ValueError):
        assert "this is a bug in the loader" in ending.said
        assert "ValueError: a bug" in (world.folder / "bug.log").read_text()
    assert len(world.puts()) < 60
    assert recorded(world.folder / "load.journal") <= world.there()
    monkeypatch.undo()
    check_goes_on(world, *CONCURRENCY)


def erring(true: Callable[..., Any], nth: int, error: Exception) -> Callable[..., Any]:
    """Return the function with an error in its nth call."""
    calls = count(1)

    def called(*given: Any, **more: Any) -> Any:
        if next(calls) == nth:
            raise error
        return true(*given, **more)

    return called
