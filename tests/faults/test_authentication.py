"""The right to send: refused, revoked, expired, renewed, and lacking a scope. Nothing of it is a failure of a row."""

from typing import Any

import pytest

from tests.faults.conftest import MakeWorld
from tests.faults.world import CANARY, World

WORKERS = 8
CONCURRENCY = ("--concurrency", str(WORKERS))
MOST_AFTER_A_STOP = WORKERS + 1
"""Requests that may still arrive after the one that was refused."""

OAUTH = {
    "HUBSPOT_ACCESS_TOKEN": "",
    "HUBSPOT_CLIENT_ID": "client-1",
    "HUBSPOT_CLIENT_SECRET": f"{CANARY}-secret",
    "HUBSPOT_REFRESH_TOKEN": f"{CANARY}-refresh",
}

PORTAL: dict[str, Any] = {
    "oauth": {
        "client_id": "client-1",
        "client_secret": f"{CANARY}-secret",
        "refresh_token": f"{CANARY}-refresh",
        "expires_in": 1800,
        "required": True,
        "rotate": True,
    }
}
"""A portal that wants OAuth and takes each refresh token only once."""

KEPT: dict[str, Any] = {"oauth": {**PORTAL["oauth"], "rotate": False}}
"""The same, with a refresh token that lasts: a second command can begin with it again."""

TOKEN = "/oauth/"


def refreshes(world: World) -> int:
    """Return how many requests for a token there were, whatever was answered."""
    return sum(request.route == "token" for request in world.sandbox.requests)


# --- a private app's token


def test_a_revoked_token_stops_the_run_at_the_first_401(make_world: MakeWorld) -> None:
    """Item 17: at most one request more from each worker, nothing is marked failed, and a new token goes on."""
    world = make_world(80, faults=[{"fault": "401", "method": "PUT", "range": [50, None]}], latency="5ms")
    ending = world.load(*CONCURRENCY, exit_code=3)
    assert len(world.struck()) <= 1 + MOST_AFTER_A_STOP
    assert ending.rows("failed") == set()
    assert ending.summary["rows"]["created"] >= 49 - WORKERS
    assert "Authentication credentials not found" in ending.said
    world.goes_on_and_completes(*CONCURRENCY, HUBSPOT_ACCESS_TOKEN=f"{CANARY}-new")


def test_a_private_apps_token_is_never_renewed(make_world: MakeWorld) -> None:
    """Item 17: a 401 that speaks of expiry is final, too, where there is nothing to renew a token with."""
    world = make_world(20, faults=[{"fault": "401-expired", "method": "PUT"}])
    world.load(*CONCURRENCY, exit_code=3)
    assert len(world.struck()) <= 1 + MOST_AFTER_A_STOP
    assert refreshes(world) == 0


# --- OAuth


def test_an_expired_token_is_renewed_once_for_all(make_world: MakeWorld) -> None:
    """Item 18: many workers hear 401 at different times, one asks for a new token, and the rows are sent again."""
    rule = {"fault": "expire-token", "method": "PUT", "nth": 30}
    world = make_world(80, portal=PORTAL, variables=OAUTH, faults=[rule], latency="2ms-60ms")
    ending = world.load(*CONCURRENCY, "--max-attempts", "1")
    assert refreshes(world) == 2, "one at the start, one for all workers"
    refused = world.sandbox.count("PUT", status=401)
    assert 1 <= refused <= WORKERS
    assert sum(int(line["attempts"]) - 1 for line in ending.lines) == refused, "only refused rows were sent again"


def test_a_renewal_is_not_repeated_with_every_later_attempt(make_world: MakeWorld) -> None:
    """Item 18: a row that was refused once and then meets a 500 and a reset needs one new token, not three."""
    row = {"pair": [1000, 500_000]}
    faults = [
        {"fault": "expire-token", **row, "nth": 1},
        {"fault": "500", **row, "nth": 2},
        {"fault": "reset", **row, "nth": 3},
    ]
    world = make_world(5, portal=PORTAL, variables=OAUTH, faults=faults)
    ending = world.load("--concurrency", "1")
    assert refreshes(world) == 2
    assert {line["attempts"] for line in ending.lines if line["object_id"] == "1000"} == {"4"}


def test_a_second_401_in_a_row_is_fatal(make_world: MakeWorld) -> None:
    """Item 18: a new token that is refused, too, means that the app is not let in any more."""
    rule = {"fault": "401-expired", "method": "PUT", "range": [20, None]}
    world = make_world(60, portal=KEPT, variables=OAUTH, faults=[rule])
    ending = world.load(*CONCURRENCY, exit_code=3)
    assert refreshes(world) == 2
    # Each worker hears its first 401, and those that have the new token by then hear their second.
    assert len(world.struck()) <= 2 * WORKERS + 1
    assert ending.rows("failed") == set()
    world.goes_on_and_completes(*CONCURRENCY)


def test_a_refused_refresh_token_stops_before_the_first_row(make_world: MakeWorld) -> None:
    """Item 19: revoked or mistyped: exit code 3, HubSpot's own words, and a right one goes on."""
    world = make_world(20, portal=PORTAL, variables=OAUTH)
    ending = world.load(*CONCURRENCY, HUBSPOT_REFRESH_TOKEN=f"{CANARY}-old", exit_code=3)
    assert refreshes(world) == 1
    assert world.puts() == []
    assert "refresh token is invalid, expired or revoked" in ending.said
    assert ending.summary["rows"]["pending"] == 20
    world.goes_on_and_completes(*CONCURRENCY)


@pytest.mark.slow
def test_a_refresh_token_that_is_revoked_in_the_middle_stops_the_run(make_world: MakeWorld) -> None:
    """Item 19: the rows that wait for the new token stay pending; none has failed."""
    faults = [
        {"fault": "expire-token", "method": "PUT", "nth": 30},
        {"fault": "400", "path": TOKEN, "range": [2, None], "body": {"status": "BAD_REFRESH_TOKEN"}},
    ]
    world = make_world(60, portal=KEPT, variables=OAUTH, faults=faults)
    ending = world.load(*CONCURRENCY, exit_code=3)
    assert refreshes(world) == 2
    assert len(world.puts()) <= 30 + MOST_AFTER_A_STOP
    assert ending.rows("failed") == set()
    world.goes_on_and_completes(*CONCURRENCY)


def test_a_rotated_refresh_token_is_used_for_the_run_and_reported(make_world: MakeWorld) -> None:
    """Item 18: it is written nowhere; the next command begins with the old one, and is refused in HubSpot's words."""
    rules = [{"fault": "expire-token", "method": "PUT", "nth": 10}]
    world = make_world(20, portal=PORTAL, variables=OAUTH, faults=rules)
    ending = world.load(*CONCURRENCY)
    assert refreshes(world) == 2
    assert "a new refresh token" in ending.said
    later = world.run("--retry-failed", *CONCURRENCY)
    assert later.exit_code == 3
    assert "refresh token is invalid, expired or revoked" in later.said


def test_a_refresh_token_that_lasts_is_not_reported(make_world: MakeWorld) -> None:
    """Item 18: HubSpot's answer repeats it, and that is no news."""
    world = make_world(5, portal=KEPT, variables=OAUTH)
    assert "a new refresh token" not in world.run().said


@pytest.mark.parametrize("status", ["401", "403"])
def test_a_token_endpoint_that_refuses_the_app_stops_the_run(make_world: MakeWorld, status: str) -> None:
    """Item 19: an unknown client is refused in more than one way; each is one request, and exit code 3."""
    world = make_world(5, portal=KEPT, variables=OAUTH, faults=[{"fault": status, "path": TOKEN}])
    world.load(*CONCURRENCY, exit_code=3)
    assert refreshes(world) == 1
    assert world.puts() == []


# --- scopes


def test_a_missing_scope_stops_the_run_and_is_named(make_world: MakeWorld) -> None:
    """Item 20: 403 is not a row's fault; the scope that is missing is on the screen, and with it the run goes on."""
    world = make_world(40, portal={"scopes": ["crm.objects.contacts.write", "crm.objects.companies.read"]})
    ending = world.load(*CONCURRENCY, exit_code=3)
    assert len(world.puts()) <= 1 + MOST_AFTER_A_STOP
    assert "crm.objects.companies.write" in " ".join(ending.said.split())
    assert ending.rows("failed") == set()
    assert ending.summary["rows"]["pending"] == 40
    world.sandbox.portal.scopes = None
    world.goes_on_and_completes(*CONCURRENCY)
