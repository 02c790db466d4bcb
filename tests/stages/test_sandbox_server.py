"""The running sandbox: limits and headers on the wire, what it remembers, its pages, its thread and its command."""

import asyncio
import gc
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from loader.sandbox import ManyPortals, Portal, Sandbox, SandboxThread, serve
from tests.stages.sandbox_client import BATCH, LABELS, PAIR, ask, entry, post, put, spec

HEADERS = {"Authorization": "Bearer any"}


def ask_at(url: str, method: str, path: str) -> HTTPResponse:
    """Make one request without an event loop."""
    connection = HTTPConnection(url.removeprefix("http://"), timeout=5)
    try:
        connection.request(method, path, json.dumps([spec()]), HEADERS)
        answer = connection.getresponse()
        answer.read()
        return answer
    finally:
        connection.close()


async def test_the_rate_is_enforced_and_its_429_has_the_observed_body() -> None:
    """policyName, errorType, groupName, and the headers of the limit; a window ends ten seconds after it began."""
    now = [100.0]
    async with Sandbox(rate="2/10", daily=1000, clock=lambda: now[0]) as sandbox:
        first = [(await put(sandbox)).status for _ in range(2)]
        now[0] = 109.9
        refused = [await put(sandbox), await put(sandbox)][1]  # They use up nothing of the next window.
        now[0] = 110.0
        later = await put(sandbox)
        assert (sandbox.max_window, sandbox.rate_limited, sandbox.count(status=429)) == (4, 2, 2)
    assert [*first, refused.status, later.status] == [201, 201, 429, 201]
    body, headers = refused.body, refused.headers
    assert (body["status"], body["errorType"], body["policyName"]) == ("error", "RATE_LIMIT", "TEN_SECONDLY_ROLLING")
    assert body["message"] == "You have reached your ten_secondly_rolling limit."
    assert re.fullmatch(r"publicapi:private_app-api-calls-ten-secondly:\d+:62515", body["groupName"])
    assert headers["X-HubSpot-RateLimit-Max"] == "2"
    assert headers["X-HubSpot-RateLimit-Remaining"] == "0"
    assert headers["X-HubSpot-RateLimit-Interval-Milliseconds"] == "10000"
    assert headers["X-HubSpot-RateLimit-Daily"] == "1000"
    assert headers["X-HubSpot-RateLimit-Daily-Remaining"] == "998"


async def test_the_daily_limit_is_enforced_and_says_so() -> None:
    """A sandbox whose rate is off sends no header of it."""
    async with Sandbox(daily=1, rate="off") as sandbox:
        first, refused = await put(sandbox), await put(sandbox)
    assert (first.status, "X-HubSpot-RateLimit-Max" in first.headers) == (201, False)
    assert (refused.status, refused.body["policyName"]) == (429, "DAILY")
    assert refused.body["message"] == "You have reached your daily limit."


@pytest.mark.parametrize(("batch_exempt", "statuses"), [(False, [201, 429]), (True, [201, 200])])
async def test_batch_and_label_endpoints_count_unless_exempt(batch_exempt: bool, statuses: list[int]) -> None:
    """The specification calls them exempt; what that means is unclear."""
    async with Sandbox(rate="1/10", batch_exempt=batch_exempt) as sandbox:
        assert [(await put(sandbox)).status, (await ask(sandbox, "GET", LABELS)).status] == statuses
        assert sandbox.max_window == (1 if batch_exempt else 2)


async def test_the_window_is_counted_at_arrival_and_not_at_the_answer() -> None:
    """Slow answers do not hide a burst, and a write takes effect at its arrival."""
    async with Sandbox(latency="60s") as sandbox:
        asking = [asyncio.ensure_future(put(sandbox)) for _ in range(5)]
        for _ in range(1000):
            await asyncio.sleep(0.001)
            if len(sandbox.requests) == 5:
                break
        assert (sandbox.max_window, sandbox.max_in_flight, sandbox.count()) == (5, 5, 0)
        assert len(sandbox.portal.associations) == 1
        for each in asking:
            each.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


async def test_an_answer_takes_its_latency() -> None:
    async with Sandbox(latency="20ms-40ms") as sandbox:
        start = time.monotonic()
        assert (await put(sandbox)).status == 201
        assert time.monotonic() - start > 0.019


async def test_requests_are_remembered_without_the_bodies() -> None:
    """Time, method, path, status, the headers' names and the connection."""
    async with Sandbox(clock=lambda: 7.0) as sandbox:
        await put(sandbox, PAIR + "?x=1")
        await ask(sandbox, "GET", LABELS)
        first, second = sandbox.requests
    assert (first.time, first.method, first.path, first.status) == (7.0, "PUT", PAIR + "?x=1", 201)
    assert (first.route, first.token, first.connection, first.body) == ("pair", "any", 1, None)
    assert "Content-Length" in first.header_names
    assert (second.route, second.status) == ("labels", 200)
    assert sandbox.count() == 2
    assert sandbox.count(method="PUT") == sandbox.count(route="labels") == 1


async def test_bodies_of_writes_are_kept_on_request() -> None:
    async with Sandbox(record_bodies=True) as sandbox:
        await put(sandbox)
        await ask(sandbox, "GET", LABELS)
        assert [each.body for each in sandbox.requests] == [json.dumps([spec()]).encode(), None]


async def test_a_long_run_can_leave_out_the_requests_and_still_count() -> None:
    async with Sandbox(record_requests=False) as sandbox:
        await put(sandbox)
        assert sandbox.requests == []
        assert sandbox.count(method="PUT", route="pair", status=201) == 1


async def test_the_pages_for_people_count_to_nothing() -> None:
    """State, associations as JSON lines, reset; no token is needed."""
    async with Sandbox(rate="1/10") as sandbox:
        await put(sandbox)
        await put(sandbox)
        state = (await ask(sandbox, "GET", "/sandbox/state", token=None)).body
        lines = (await ask(sandbox, "GET", "/sandbox/associations", token=None)).body.splitlines()
        assert (await ask(sandbox, "POST", "/sandbox/reset", token=None)).status == 200
        assert (await ask(sandbox, "GET", "/sandbox/other", token=None)).status == 404
        assert (sandbox.count(), sandbox.max_window, len(sandbox.portal.associations)) == (0, 0, 0)
        assert (await put(sandbox)).status == 201
    assert (state["limit"], state["max_window"], state["rate_limited"], state["associations"]) == ("1/10", 2, 1, 1)
    assert {"method": "PUT", "route": "pair", "status": 429, "count": 1} in state["requests_by_route"]
    types = [{"category": "HUBSPOT_DEFINED", "typeId": 279}]
    assert [json.loads(line) for line in lines] == [
        {"from": {"type": "0-1", "id": "101"}, "to": {"type": "0-2", "id": "201"}, "types": types}
    ]


async def test_a_client_that_expects_100_continue_gets_it() -> None:
    """curl does so with large bodies."""
    async with (
        Sandbox() as sandbox,
        ClientSession(sandbox.url, headers=HEADERS) as client,
        client.put(PAIR, json=[spec()], expect100=True) as answer,
    ):
        assert answer.status == 201


async def test_a_whole_batch_of_2000_long_ids_fits() -> None:
    """Beyond aiohttp's own limit of 1 MB too."""
    inputs = [entry(10**17 + n, 10**18 + n, *[spec()] * 6) for n in range(2000)]
    async with Sandbox() as sandbox:
        assert (await post(sandbox, f"{BATCH}/create", inputs)).status == 201
        assert len(sandbox.portal.associations) == 2000


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate": "fast"}, "the rate 'fast'"),
        ({"latency": "slow"}, "the latency 'slow'"),
        ({"faults": "boom"}, "the fault 'boom'"),
        ({"answers": "odd"}, "not 'odd'"),
        ({"portal": {"odd": 1}}, "no setting named odd"),
    ],
)
def test_settings_that_mean_nothing_are_refused_at_once(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sandbox(**settings)


async def test_many_portals_share_an_address_and_nothing_else() -> None:
    """A token has its own id, associations, window, day and faults; an unknown one has none."""
    first = Sandbox({"portal_id": 1}, rate="2/10", daily=3, clock=lambda: 100.0)
    second = Sandbox({"portal_id": 2}, rate="1/10", clock=lambda: 100.0)
    third = Sandbox({"portal_id": 3}, faults="500:1")
    async with ManyPortals({"a": first, "b": second, "c": third}) as many:
        found = [(await put(many, token=token)).status for token in "aabacb?"]
        assert (await ask(many, "GET", "/account-info/v3/details", token="b")).status == 429
        state = (await ask(many, "GET", "/sandbox/state", token=None)).body
        assert len((await ask(many, "GET", "/sandbox/1/associations", token=None)).body.splitlines()) == 1
        assert (await ask(many, "POST", "/sandbox/1/reset", token=None)).status == 200
        assert (await ask(many, "GET", "/sandbox/4/state", token=None)).status == 404
    assert found == [201, 201, 201, 429, 500, 429, 401]
    counts = [(each["portal_id"], each["associations"], each["max_window"]) for each in state["portals"]]
    assert (counts, state["unknown_token"]) == ([(1, 1, 3), (2, 1, 3), (3, 0, 1)], 1)
    assert (len(first.portal.associations), len(second.portal.associations), first.count()) == (0, 1, 0)


async def test_portals_made_by_number_differ_in_id_and_token_alone() -> None:
    """The portal file says the rest."""
    path = Path(__file__).parents[2] / "samples" / "portal.json"
    async with ManyPortals.numbered(2, path, seed=0, host="127.0.0.1", port=0) as many:
        for portal_id in (1001, 1002):
            token = f"sandbox-{portal_id}"
            assert (await ask(many, "GET", "/account-info/v3/details", token=token)).body["portalId"] == portal_id
            shown = (await ask(many, "GET", LABELS, token=token)).body["results"]
            assert "Decision maker" in [each["label"] for each in shown]
    with pytest.raises(ValueError, match="one id"):
        ManyPortals({"a": Sandbox(), "b": Sandbox()})


def test_a_sandbox_can_run_in_a_thread() -> None:
    """For tests that are not asynchronous."""
    with SandboxThread(Portal(portal_id=7)) as sandbox:
        assert ask_at(sandbox.url, "PUT", PAIR).status == 201
    assert sandbox.portal.types_of("contact", "101", "company", "201") == {("HUBSPOT_DEFINED", 279)}


def test_a_thread_that_cannot_listen_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        thread = SandboxThread(port=taken.getsockname()[1])
        with pytest.raises(OSError, match="in use"), thread:
            pass


@pytest.mark.slow
def test_the_command_listens_says_where_and_ends_cleanly(tmp_path: Path) -> None:
    """One line with the settings, a hint, exit 0 (at SIGTERM, too: the README's sandbox ends by that)."""
    portal = tmp_path / "portal.json"
    portal.write_text('{"portal_id": 7}', encoding="utf-8")
    program = f"from loader.sandbox import serve; serve(port=0, latency='1ms', seed=123, portal={str(portal)!r})"
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=root, env=os.environ.copy()
    ) as process:
        assert process.stdout is not None
        line, hint = process.stdout.readline(), process.stdout.readline()
        found = re.fullmatch(
            r"Sandbox HubSpot listens on (http://127\.0\.0\.1:\d+) "
            r"\(100 requests per 10 s, latency 1ms, answers wrapped, seed 123\)\n",
            line,
        )
        assert found is not None
        assert f"export HUBSPOT_BASE_URL={found[1]} HUBSPOT_ACCESS_TOKEN=any" in hint
        assert ask_at(found[1], "PUT", PAIR).getheader("X-HubSpot-RateLimit-Daily") == "1000000"
        assert ask_at(found[1], "GET", "/sandbox/state").status == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == 0


def test_a_port_in_use_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"the port {port} of 127.0.0.1 is in use"):
            serve(port=port)


@pytest.mark.parametrize("daily", ["many", 0, -1])
def test_a_daily_limit_that_means_nothing_is_refused(daily: int | str) -> None:
    with pytest.raises(ValueError, match="the daily limit"):
        serve(port=0, daily=daily)


def test_a_connection_that_begins_as_the_sandbox_ends_is_closed() -> None:
    """What nobody closed is found by the garbage collector, and fails the test."""
    for _ in range(5):
        with socket.socket() as late, SandboxThread() as sandbox:
            late.setblocking(False)
            late.connect_ex(("127.0.0.1", int(sandbox.url.rpartition(":")[2])))
        gc.collect()
