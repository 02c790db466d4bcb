"""What an export promises of large portals: memory that does not grow with them, and exact sets after any kill."""

import asyncio
import csv
import json
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from loader.sandbox import Sandbox, SandboxThread
from loader.sandbox.call import Behaviour, Call, Simulation
from loader.sandbox.limits import DailyCounter, Limits, Rate
from loader.sandbox.portal import Portal
from loader.sandbox.routes import Routes
from loader.send.api import Request
from loader.send.gateway import Surroundings
from loader.send.replies import Reply
from loader.settings import ConnectionSettings, ExportSettings, Secret, Settings
from tests.simulation.loop import SimulatedLoop
from tests.slow.command import command
from tests.slow.test_cost import run
from tests.verbs import export

EXPORT = ("export", "contacts", "companies", "--quiet", "--rate", "9999/1", "--output")

MOST_GROWTH = 30
"""Megabytes, from 20,000 associations to ten times as many."""


def filled(sandbox: Sandbox, contacts: int, each: int) -> None:
    """Give every contact some companies; every seventh association has a label."""
    for contact in range(1, contacts + 1):
        for number in range(each):
            types = {("USER_DEFINED", 1)} if number % 7 == 0 else set()
            sandbox.portal.associate("0-1", contact, "0-2", 10**6 + contact % 1000 * each + number, frozenset(types))


def pairs_in(path: Path) -> list[tuple[str, str, str]]:
    """Return record, other record and type id of each line."""
    with path.open(newline="") as file:
        return [(row["object_id"], row["to_object_id"], row["association_type_id"]) for row in csv.DictReader(file)]


def pairs_of(sandbox: Sandbox) -> set[tuple[str, str, str]]:
    """Return the same of what the portal has."""
    return {
        (one, other, str(type_id))
        for ((_, one), (_, other)), types in sandbox.portal.pairs().items()
        for _, type_id in types
    }


def portal() -> dict[str, Any]:
    return {"labels": [{"from": "contacts", "to": "companies", "label": "Boss"}]}


@pytest.mark.parametrize(
    ("few", "many"),
    [((2_000, 10), (20_000, 10)), ((20, 1_000), (200, 1_000)), ((1, 20_000), (2, 100_000))],
    ids=["of many contacts", "of a thousand each", "of two contacts"],
)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_memory_does_not_grow_with_the_portal(
    tmp_path: Path, few: tuple[int, int], many: tuple[int, int], ending: str
) -> None:
    """200,000 associations take less than 30 MB more than 20,000, however they are shared out, and are all there."""
    peaks = []
    for contacts, each in (few, many):
        with SandboxThread(portal()) as sandbox:
            filled(sandbox, contacts, each)
            environment = {"HUBSPOT_BASE_URL": sandbox.url, "HUBSPOT_ACCESS_TOKEN": "any"}
            spent = run(tmp_path, *EXPORT, f"{contacts}.{ending}", **environment)
            assert spent.code == 0, spent.said
            peaks.append(spent.megabytes)
            requests = len(sandbox.requests)
            if ending == "csv":
                found = pairs_in(tmp_path / f"{contacts}.csv")
                assert len(found) == len(set(found))
                assert set(found) == pairs_of(sandbox)
        print(f"{contacts * each:,} associations: {spent.megabytes:.0f} MB, {requests} requests, {spent.seconds:.1f} s")
    assert peaks[1] - peaks[0] < MOST_GROWTH


def test_an_export_that_is_killed_thirty_times_is_exact(tmp_path: Path) -> None:
    """At random, also while its state is written: the same command goes on, and every line is there once."""
    draw = random.Random(15)
    kills = 0
    with SandboxThread(portal(), latency="5ms-20ms") as sandbox:
        filled(sandbox, 20_000, 3)
        while kills < 30:
            process = command(sandbox, tmp_path, *EXPORT, "a.csv")
            enough = sandbox.count() + draw.randrange(8, 40)
            while process.poll() is None and sandbox.count() < enough:
                time.sleep(0.002)
            if process.poll() is not None:
                assert process.wait() == 0
                break
            process.kill()
            process.wait()
            kills += 1
        assert command(sandbox, tmp_path, *EXPORT, "a.csv").wait(timeout=120) == 0
        expected = pairs_of(sandbox)
        listed = sandbox.count("GET", "objects")
    found = pairs_in(tmp_path / "a.csv")
    assert kills >= 5
    assert listed > 200
    assert len(found) == len(set(found))
    assert set(found) == expected
    state = json.loads((tmp_path / "a.export.json").read_text())
    assert (state["records"], state["pairs"]) == (20_000, 60_000)
    print(f"{kills} kills, {listed} pages of the list instead of 200")


# --- time, in a loop whose clock jumps: nothing here depends on how fast the machine is


class Nearby:
    """A sender that hands requests to a sandbox's endpoints without a socket, `latency` seconds there and back."""

    def __init__(self, rate: str, latency: float, clock: Callable[[], float]) -> None:
        self.portal = Portal(**portal())
        self._latency = latency
        self._routes = Routes()
        self._clock = clock
        self.limits = Limits(Rate.parse(rate), DailyCounter(None, self.portal.time_zone), self.portal.portal_id)
        self._simulation = Simulation(
            portal=self.portal,
            behaviour=Behaviour(),
            limits=self.limits,
            random=random.Random(1),
            clock=clock,
            wall=lambda: 1_795_000_000.0,
        )
        self.sent = 0

    @asynccontextmanager
    async def open(self, settings: Settings) -> AsyncIterator["Nearby"]:
        """Be the connection of a command."""
        del settings
        yield self

    async def send(self, request: Request, authorization: str, *, largest: int = 2**20) -> Reply:
        """Answer a request after half of the latency, and let it travel back for the other half."""
        del authorization
        self.sent += 1
        await asyncio.sleep(self._latency / 2)
        path, _, query = request.path.partition("?")
        match = self._routes.match(request.method, path)
        assert self.limits.admit(self._clock(), 1_795_000_000.0) is None
        call = Call(request.method, match.version, match.parts, dict(parse_qsl(query)), request.body or b"")
        answer = match.route.endpoint(self._simulation, call)
        assert len(answer.body) <= largest
        await asyncio.sleep(self._latency / 2)
        headers = {name.lower(): text for name, text in self.limits.headers(self._clock()).items()}
        return Reply(answer.status, headers, answer.body)


@pytest.mark.parametrize(("rate", "latency"), [("100/10", 0.08), ("190/10", 0.05)])
def test_an_export_takes_the_time_that_the_limit_itself_needs(tmp_path: Path, rate: str, latency: float) -> None:
    """200,000 associations of 20,000 contacts: within a tenth of requests divided by the limit, and no 429."""
    loop = SimulatedLoop(1000.0, 100_000.0, random.Random(1), 0.0)
    hubspot = Nearby(rate, latency, loop.time)
    for contact in range(1, 20_001):
        for number in range(10):
            hubspot.portal.associate("0-1", contact, "0-2", 10**6 + contact % 1000 * 10 + number, frozenset())
    settings = Settings(
        read=(),
        connection=ConnectionSettings(credentials=Secret("any"), api_version="v4"),
        export=ExportSettings(output=str(tmp_path / "a.csv")),
    )
    around = Surroundings(loop.time, lambda: datetime(2026, 11, 29, tzinfo=UTC), lambda low, _: low, hubspot.open)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        began = loop.time()
        report = runner.run(export(settings, "contacts", "companies", notify=lambda _: None, around=around))
        seconds = loop.time() - began
    limit = Rate.parse(rate)
    assert limit is not None
    needed = hubspot.sent / (limit.requests / limit.seconds)
    assert (report.exit_code, report.summary["lines"]) == (0, 200_000)
    print(f"{hubspot.sent} requests, {seconds:.1f} s where the limit needs {needed:.1f} s: {seconds / needed:.3f}")
    assert hubspot.sent <= 240
    assert seconds <= 1.1 * needed
