"""What is read before a write: a reading from one end may be blind, and an old one is made again."""

import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from loader.errors import ConnectionFault
from loader.sandbox import Sandbox
from loader.send.api import Request
from loader.send.gateway import Surroundings
from loader.send.transport import Transport
from loader.settings import Rate, Settings
from tests.flow.portals import linked, settings
from tests.verbs import load, undo, verify
from tests.written import lines_of

LABELS = [
    {"from": "contacts", "to": "companies", "label": "Boss"},
    {"from": "contacts", "to": "companies", "label": "Manager"},
    {"from": "deals", "to": "leads", "label": "Won by", "inverse_label": "Won"},
]
LEADS_TO_DEALS = [["HUBSPOT_DEFINED", 582], ["HUBSPOT_DEFINED", 1037]]


BOSSES = [linked(n, 7, "Boss") for n in (1, 2)]
LEADS = [linked(n, 7, from_type="leads", to_type="deals", types=LEADS_TO_DEALS) for n in (1, 2)]


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("ends", "blind", "label", "there", "method"),
    [
        ("leads,{n},deals,7", ("deals", "leads"), "", LEADS, "put"),
        ("deals,7,leads,{n}", ("deals", "leads"), "", LEADS, "batch"),
        ("deals,7,leads,{n}", ("deals", "leads"), "Primary", LEADS, "put"),
        ("contacts,{n},companies,7", ("companies", "contacts"), "Manager", BOSSES, "batch"),
        ("contacts,{n},companies,7", ("companies", "contacts"), "Manager", BOSSES, "put"),
        ("companies,7,contacts,{n}", ("contacts", "companies"), "Manager", BOSSES, "batch"),
        ("contacts,{n},companies,7", ("companies", "contacts"), "", BOSSES, "put"),
    ],
)
async def test_a_direction_that_shows_nothing_costs_no_label(
    ends: str, blind: tuple[str, str], label: str, there: Any, method: str, folder: Path
) -> None:
    """Whatever end the rows are written from: labels stay, rows that were so are unchanged, undo takes off the rest."""
    rows = "".join(f"{ends.format(n=n)},{label}\n" for n in range(1, 5))
    (folder / "a.csv").write_text("from_object_type,from_id,to_object_type,to_id,label\n" + rows)
    setup = {"labels": LABELS, "associations": there, "blind": [{"from": blind[0], "to": blind[1]}]}
    async with Sandbox(setup) as sandbox:
        before = dict(sandbox.portal.pairs())
        report = await load(settings(sandbox, method=method))
        after = dict(sandbox.portal.pairs())
        assert len(after) == 4
        assert all(types <= after[pair] for pair, types in before.items())
        assert report.summary["rows"]["created"] == (4 if label == "Manager" else 2)
        assert report.summary["rows"]["total"] == 4
        assert report.exit_code == 0
        assert (await verify(settings(sandbox))).exit_code == 0
        await undo(settings(sandbox))
        assert dict(sandbox.portal.pairs()) == before


async def test_a_pair_whose_ends_disagree_is_not_written(folder: Path) -> None:
    """A label whose name from the lead's end is not known: a pair that the lead shows fails, a new one is made."""
    (folder / "a.csv").write_text(
        "from_object_type,from_id,to_object_type,to_id,label\ndeals,7,leads,1,Won by\ndeals,7,leads,9,Won by\n"
    )
    setup = {"labels": LABELS, "associations": LEADS, "blind": [{"from": "deals", "to": "leads"}]}
    async with Sandbox(setup) as sandbox:
        before = dict(sandbox.portal.pairs())
        report = await load(settings(sandbox))
        assert before.items() <= dict(sandbox.portal.pairs()).items()
    assert report.exit_code == 1
    found = {line["to_object_id"]: (line["status"], line["error_category"]) for line in lines_of(folder / "r.csv")}
    assert found == {"1": ("failed", "ENDS_DISAGREE"), "9": ("created", "")}


async def test_own_ends_are_read_only_of_pairs_that_are_written(folder: Path) -> None:
    """Three thousand contacts of one company, half of them there: one read for the company, and two for the others."""
    rows = "".join(f"contacts,{n},companies,7\n" for n in range(1, 3001))
    (folder / "a.csv").write_text("from_object_type,from_id,to_object_type,to_id\n" + rows)
    there = [linked(n, 7) for n in range(1, 1501)]
    async with Sandbox({"associations": there}, page_size=5000) as sandbox:
        report = await load(settings(sandbox, method="batch"))
        assert sandbox.count("POST", "batch/read") == 3
        assert sandbox.count("POST", "batch/create") == 1
    assert report.summary["rows"]["created"] == 1500


async def test_only_pairs_that_get_a_primary_label_are_read_twice(folder: Path) -> None:
    """Three thousand contacts of as many companies, one a primary one: that contact alone is read once more."""
    rows = "".join(f"contacts,{n},companies,{n},{'Primary' if n == 7 else ''}\n" for n in range(1, 3001))
    (folder / "a.csv").write_text("from_object_type,from_id,to_object_type,to_id,label\n" + rows)
    async with Sandbox() as sandbox:
        report = await load(settings(sandbox, method="batch"))
        assert sandbox.count("POST", "batch/read") == 4
    assert report.summary["rows"]["created"] == 3000


class Sleep:
    """The way to a sandbox, on clocks that a test may put forward: a computer that sleeps in the middle of a request.

    The first request to each of the `routes` gets no answer, and `seconds` pass on `clock` (`monotonic`, `wall` or
    `both`) before it fails; meanwhile `somebody` changes the portal.
    """

    def __init__(self, routes: str, clock: str, seconds: float, somebody: Callable[[], object]) -> None:
        self.routes = routes
        self.clock = clock
        self.seconds = seconds
        self.somebody: Callable[[], object] | None = somebody
        self.passed = {"monotonic": 0.0, "wall": 0.0}
        self.around = Surroundings(self.monotonic, self.now, lambda least, _: least, self.connected)

    def monotonic(self) -> float:
        return time.monotonic() + self.passed["monotonic"]

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.passed["wall"])

    @asynccontextmanager
    async def connected(self, given: Settings) -> AsyncIterator[Any]:
        async with Transport(given.connection.base_url, timeout=5, connections=5, user_agent="x") as self.transport:
            yield self

    async def send(self, request: Request, authorization: str, **limits: Any) -> Any:
        if re.search(self.routes, f"{request.method} {request.path}") and self.somebody:
            somebody, self.somebody = self.somebody, None
            for clock in self.passed if self.clock == "both" else [self.clock]:
                self.passed[clock] += self.seconds
            somebody()
            raise ConnectionFault("the computer slept", category="CONNECTION")
        return await self.transport.send(request, authorization, **limits)


WRITES = "PUT|batch/create"


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("clock", ["monotonic", "wall", "both"])
@pytest.mark.parametrize("method", ["put", "batch"])
async def test_a_write_that_waited_is_sent_with_what_was_added_meanwhile(method: str, clock: str, folder: Path) -> None:
    """A minute and five seconds after the reading, by either clock, the pair is looked up again before the retry."""
    (folder / "a.csv").write_text(
        "from_object_type,from_id,to_object_type,to_id,label\ncontacts,1,companies,7,Manager\n"
    )
    async with Sandbox({"labels": LABELS, "associations": BOSSES}) as sandbox:

        def somebody() -> None:
            sandbox.portal.associate("0-1", 1, "0-2", 7, frozenset({("HUBSPOT_DEFINED", 1)}), append=True)

        sleep = Sleep(WRITES, clock, 65, somebody)
        report = await load(settings(sandbox, method=method), around=sleep.around)
        types = sandbox.portal.types_of("contacts", 1, "companies", 7)
        shown = sandbox.portal.types.describe("0-1", types)
        assert {each.label for each in shown} == {None, "Boss", "Manager", "Primary"}
        assert sandbox.count("POST", "batch/read") == 2
    assert report.summary["rows"]["created"] == 1
    (line,) = lines_of(folder / "r.csv")
    assert line["attempts"] == "2"


@pytest.mark.parametrize("method", ["put", "batch"])
async def test_a_write_that_fails_for_a_moment_is_not_read_again(method: str, folder: Path) -> None:
    """Half a minute is no reason for another read."""
    (folder / "a.csv").write_text("from_object_type,from_id,to_object_type,to_id\ncontacts,1,companies,7\n")
    async with Sandbox() as sandbox:
        sleep = Sleep(WRITES, "both", 30, lambda: None)
        await load(settings(sandbox, method=method), around=sleep.around)
        assert sandbox.count("POST", "batch/read") == 1
        assert len(sandbox.portal.pairs()) == 1


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("clock", ["monotonic", "wall"])
async def test_an_undo_that_waited_leaves_what_was_added_meanwhile(clock: str, folder: Path) -> None:
    """Somebody gives the pair a label while the removal waits: then the pair itself stays."""
    (folder / "a.csv").write_text("from_object_type,from_id,to_object_type,to_id\ncontacts,1,companies,7\n")
    async with Sandbox({"labels": LABELS}) as sandbox:
        await load(settings(sandbox))

        def somebody() -> None:
            sandbox.portal.associate("0-1", 1, "0-2", 7, frozenset({("USER_DEFINED", 1)}), append=True)

        sleep = Sleep("batch/archive", clock, 65, somebody)
        await undo(settings(sandbox), around=sleep.around)
        assert ("USER_DEFINED", 1) in sandbox.portal.types_of("contacts", 1, "companies", 7)
    (line,) = lines_of(folder / "r.undo.csv")
    assert line["status"] == "left"


@pytest.mark.slow
async def test_many_that_waited_are_looked_up_in_one_request(folder: Path) -> None:
    """Fifty requests wait out a pause of a minute: one read does for all that have not left yet."""
    rows = "".join(f"contacts,{n},companies,{n}\n" for n in range(1, 201))
    (folder / "a.csv").write_text("from_object_type,from_id,to_object_type,to_id\n" + rows)
    async with Sandbox() as sandbox:
        sleep = Sleep(WRITES, "both", 65, lambda: None)
        await load(settings(sandbox, rate=Rate(100, 0.1)), around=sleep.around)
        assert len(sandbox.portal.pairs()) == 200
        assert sandbox.count("PUT") == 200
        assert sandbox.count("POST", "batch/read") <= 6
