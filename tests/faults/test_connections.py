"""What connections do: refused, cut, stalled, dripping, doubled, and gone for a while."""

import socket
import time
from typing import Any

import aiohttp
import pytest

from loader import event_loop
from loader.send import limiter
from tests.faults.conftest import GIVE_UP, MakeWorld
from tests.faults.proxy import Proxy
from tests.faults.test_answers import CONCURRENCY, TWO_ATTEMPTS, WORKERS, Rule, attempts, one_pair_each
from tests.faults.world import Ending, World, pairs


def behind(world: World, proxy: Proxy) -> World:
    """Send a world's commands to a proxy."""
    world.variables["HUBSPOT_BASE_URL"] = proxy.url
    return world


def check_counts(world: World, *endings: Ending) -> None:
    """The loader counted each request that arrived, the HTTP library's own repeats too.

    Those that met a connection just closed never arrived.
    """
    assert endings[-1].summary["requests"]["sent"] >= world.sandbox.count()
    assert sum(attempts(world).values()) >= len(world.puts())


# --- cut at every point


CUT: list[str | Rule] = [
    *("reset", "close"),
    *("reset-head", "reset-body", "close-head", "close-body"),
    {"fault": "stall"},
    {"fault": "drip", "seconds": 0.05},
]
"""Connections that end before the head of an answer, in it, in its body, or never (items 31, 32, 34, 35)."""


@pytest.mark.slow_after(1)
@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("applied", [True, False])
def test_a_connection_that_is_cut_is_tried_again(make_world: MakeWorld, *, applied: bool) -> None:
    """Items 31, 32, 34, 35: whether HubSpot has done it or not; a repeated PUT changes nothing, and all is counted."""
    world = make_world(20, faults=one_pair_each(*CUT, times=1, applied=applied))
    ending = world.load(*CONCURRENCY, "--timeout", "0.5")
    assert [attempts(world)[pair] for pair in pairs(len(CUT))] == [2] * len(CUT)
    check_counts(world, ending)


@pytest.mark.slow
@pytest.mark.usefixtures("hurry")
def test_a_connection_that_is_always_cut_is_no_verdict(make_world: MakeWorld) -> None:
    """Items 31, 32, 34, 35: after the last attempt the row is failed without a status; sent again, it is there.

    Others are answered all the while, so that it is no outage.
    """
    world = make_world(40, faults=one_pair_each(*CUT, applied=False))
    failed = pairs(len(CUT))
    ending = world.load(*CONCURRENCY, *TWO_ATTEMPTS, "--timeout", "0.1", "--rate", "100/1", exit_code=1, failed=failed)
    assert {world.lines_by_pair()[pair]["http_status"] for pair in failed} == {""}
    check_counts(world, ending)
    world.heal()
    world.load(*CONCURRENCY)


@pytest.mark.slow_after(1)
@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("fault", ["close-reused", "close-after"])
def test_every_use_of_a_kept_connection_is_counted(make_world: MakeWorld, fault: str) -> None:
    """Item 33: the HTTP library would repeat the request by itself; every request has its permit and its count."""
    world = make_world(20, faults=[{"fault": fault, "method": "PUT", "every": 3}])
    ending = world.load("--concurrency", "2")
    assert len(world.struck()) >= 5
    check_counts(world, ending)


# --- nobody there


def test_a_port_that_is_closed_for_a_moment_is_tried_again(make_world: MakeWorld) -> None:
    """Item 30: at the start and in the middle; nothing fails."""
    world = make_world(60, latency="10ms")
    with Proxy(world.sandbox.url) as proxy:
        proxy.shut()
        timers = [proxy.after(0.2, proxy.open), proxy.after(0.4, proxy.shut), proxy.after(0.6, proxy.open)]
        ending = behind(world, proxy).run("--concurrency", "2", "--rate", "100/1")
        for timer in timers:
            timer.join()
    assert ending.exit_code == 0, ending.said
    assert ending.summary["requests"]["retried"] > 0
    world.check(ending)


@pytest.mark.slow_after(1)
@pytest.mark.usefixtures("give_up_soon")
@pytest.mark.parametrize("full", [False, True])
def test_a_port_where_nobody_answers_ends_the_load_for_now(make_world: MakeWorld, *, full: bool) -> None:
    """Items 30, 36: refused, or never accepted; in the end exit code 5 with every row pending, and it goes on."""
    world = make_world(20)
    with Proxy(world.sandbox.url) as proxy:
        proxy.shut()
        if full:
            proxy.fill()
        began = time.monotonic()
        ending = behind(world, proxy).load(*CONCURRENCY, "--timeout", "0.15", "--max-attempts", "1000", exit_code=5)
        assert GIVE_UP <= time.monotonic() - began < 10
        assert "HubSpot gave no usable answer" in ending.said
        assert ("in time" if full else "refused") in ending.said
        assert ending.summary["rows"]["pending"] == 20
        proxy.drain()
        proxy.open()
        world.goes_on_and_completes(*CONCURRENCY)


@pytest.mark.slow
@pytest.mark.usefixtures("hurry")
def test_an_outage_is_waited_for_and_costs_no_row_an_attempt(make_world: MakeWorld) -> None:
    """Item 46: one probe now and then, no attempt counted meanwhile, and full speed again by itself."""
    world = make_world(60, latency="5ms", faults=[{"fault": "503", "method": "PUT", "range": [10, 30]}])
    ending = world.load("--concurrency", "2", "--max-attempts", "15", "--rate", "100/1")
    assert len(world.struck()) == 21
    struck = [request.time for request in world.struck()]
    # When the outage is known for one, two requests may be under way.
    probes = [time for time in struck if time > struck[0] + 2 * limiter.QUIET_SECONDS]
    assert len(probes) > 5
    assert (len(probes) - 1) * limiter.PROBE_SECONDS <= probes[-1] - probes[0] + 0.05
    check_counts(world, ending)


@pytest.mark.slow_after(1)
@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("fault", ["503", "close"])
def test_a_last_row_that_never_succeeds_fails_and_the_load_is_over(
    make_world: MakeWorld, monkeypatch: Any, fault: str
) -> None:
    """With nothing left that could succeed, HubSpot's answer to another question tells it from an outage."""
    monkeypatch.setattr(limiter, "PATIENCE_SECONDS", 0.5)
    last = pairs(20)[-1]
    world = make_world(20, faults=[{"fault": fault, "pair": last}])
    world.load("--concurrency", "1", "--rate", "100/1", exit_code=1, failed=[last])


def test_every_request_may_be_delivered_twice(make_world: MakeWorld) -> None:
    """Item 43: the network repeats what it carries; the portal holds each pair once, each row has one line."""
    world = make_world(20)
    with Proxy(world.sandbox.url, doubling=True) as proxy:
        behind(world, proxy).load(*CONCURRENCY)
    assert len(world.puts()) == 40
    assert set(attempts(world).values()) == {1}


# --- names


class Names:
    """Stands for the system's resolver: `localhost` is where it is said to be, or nowhere."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.addresses = [(socket.AF_INET, "127.0.0.1")]
        self.known = True
        self.lookups = 0
        monkeypatch.setattr(aiohttp.connector._DNSCacheTable, "expired", lambda *_: True)
        monkeypatch.setattr(socket, "getaddrinfo", self._look_up)
        # uvloop resolves names below Python, where no test can stand in for the resolver.
        monkeypatch.setattr(event_loop, "_factory", lambda: None)

    def _look_up(self, host: Any, port: Any, *_: Any, **__: Any) -> list[Any]:
        self.lookups += 1
        if not self.known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            (family, socket.SOCK_STREAM, 6, "", (address, port, 0, 0) if family == socket.AF_INET6 else (address, port))
            for family, address in self.addresses
        ]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """The resolver of this process, which forgets at once."""
    return Names(monkeypatch)


def by_name(world: World) -> World:
    """Send a world's commands to its sandbox by the name localhost."""
    world.variables["HUBSPOT_BASE_URL"] = world.sandbox.url.replace("127.0.0.1", "localhost")
    return world


def test_a_name_that_cannot_be_found_at_the_start_ends_the_load(make_world: MakeWorld, names: Names) -> None:
    """Item 41: at once, with the setting to look at; nothing has failed, and with the name there it goes on."""
    world = by_name(make_world(20))
    names.known = False
    ending = world.load(*CONCURRENCY, exit_code=5)
    assert "the server's name cannot be found: check --base-url" in ending.said
    assert ending.summary["rows"]["pending"] == 20
    assert names.lookups <= WORKERS + 1
    names.known = True
    world.goes_on_and_completes(*CONCURRENCY)


@pytest.mark.slow
@pytest.mark.usefixtures("hurry")
def test_a_name_that_is_lost_in_the_middle_is_waited_for(make_world: MakeWorld, names: Names) -> None:
    """Item 41: the resolver is away for a while, and connections do not last: nothing fails."""
    world = by_name(make_world(40, faults=[{"fault": "close-after", "method": "PUT", "range": [10, 30]}]))
    look_up, seen = socket.getaddrinfo, 0

    def away(*given: Any, **more: Any) -> Any:
        nonlocal seen
        seen += 1
        names.known = not 5 <= seen <= 9
        return look_up(*given, **more)

    socket.getaddrinfo = away
    world.load(*CONCURRENCY)
    assert seen > 9


def test_a_dead_address_of_the_newer_protocol_is_passed_over(make_world: MakeWorld, names: Names) -> None:
    """Item 42: the name has an IPv6 address first, where nobody listens; the older one is used."""
    names.addresses = [(socket.AF_INET6, "::1"), (socket.AF_INET, "127.0.0.1")]
    world = by_name(make_world(20))
    ending = world.load(*CONCURRENCY)
    assert ending.summary["requests"]["retried"] == 0
