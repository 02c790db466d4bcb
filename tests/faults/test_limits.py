"""HubSpot says: not now. Bursts, daily quotas, locks and migrations, and how long everyone waits."""

import json
import re
import time
from email.utils import formatdate

import pytest

from tests.faults.conftest import MakeWorld
from tests.faults.world import World

WORKERS = 4
CONCURRENCY = ("--concurrency", str(WORKERS))
MOST_AFTER_A_STOP = WORKERS + 1
"""Requests that may still arrive after the one that was refused."""

DAY = 86_400


class Wall:
    """A wall clock that can be put forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


def arrivals_after_the_first_429(world: World) -> list[float]:
    """Return when later requests arrived, in seconds after the first one that was answered 429."""
    first = world.struck()[0].time
    return [request.time - first for request in world.puts() if request.time > first]


def test_a_burst_pauses_everyone(make_world: MakeWorld) -> None:
    """Item 1: after a 429 no worker sends for a while, the run is slower afterwards, and no row fails."""
    world = make_world(60, faults=[{"fault": "429", "method": "PUT", "nth": 20}])
    ending = world.load(*CONCURRENCY)
    # The window is one second: the first pause is at least half of its tenth, when 25 requests would have left.
    pause = [seconds for seconds in arrivals_after_the_first_429(world) if seconds < 0.045]
    assert len(pause) <= MOST_AFTER_A_STOP
    assert ending.summary["requests"]["rate_limited"] == 1
    assert int(ending.summary["rate"]["limit"].partition("/")[0]) < 500
    assert {line["attempts"] for line in ending.lines} == {"1", "2"}


def test_a_lower_limit_than_ours_is_found_and_kept(make_world: MakeWorld) -> None:
    """Item 1: somebody else uses the same allowance, so 429s come again and again; every row gets through."""
    world = make_world(70, rate="40/0.5")
    ending = world.load(*CONCURRENCY)
    assert 0 < world.sandbox.rate_limited <= 20
    assert ending.summary["requests"]["rate_limited"] == world.sandbox.rate_limited


def test_the_limit_that_answers_name_is_kept(make_world: MakeWorld) -> None:
    """Item 1: with `--rate auto` the answers' own headers are the limit, and there is no 429 at all."""
    world = make_world(50, rate="30/0.5")
    ending = world.load("--rate", "auto", *CONCURRENCY)
    assert world.sandbox.rate_limited == 0
    assert world.sandbox.max_window <= 30
    assert ending.summary["rate"]["limit"] == "30/0.5"


def test_retry_after_is_waited_for_by_all(make_world: MakeWorld) -> None:
    """Item 2: no worker sends a request before the seconds that HubSpot named are over."""
    world = make_world(30, faults=[{"fault": "429", "method": "PUT", "nth": 5, "retry_after": "1"}])
    world.load(*CONCURRENCY)
    early = [seconds for seconds in arrivals_after_the_first_429(world) if seconds < 0.95]
    assert len(early) <= MOST_AFTER_A_STOP


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(("fault", "kind"), [("429", "seconds"), ("503", "date")])
def test_a_retry_after_beyond_all_patience_stops_the_run(make_world: MakeWorld, fault: str, kind: str) -> None:
    """Item 3: over the cap the run ends, says when to come back, and the same command goes on."""
    retry_after = "7200" if kind == "seconds" else formatdate(time.time() + 7200, usegmt=True)
    world = make_world(30, faults=[{"fault": fault, "method": "PUT", "range": [10, None], "retry_after": retry_after}])
    ending = world.load(*CONCURRENCY, exit_code=5)
    assert re.search(r"\b(7200|719\d) seconds", ending.said)
    assert len(world.struck()) <= 1 + MOST_AFTER_A_STOP
    assert ending.rows("failed") == set()
    world.goes_on_and_completes(*CONCURRENCY)


def test_the_daily_limit_stops_the_run_at_once(make_world: MakeWorld) -> None:
    """Item 4: one request more from each worker at most, the reset is named, and nothing has failed."""
    rule = {"fault": "429-daily", "method": "PUT", "range": [20, None]}
    world = make_world(60, portal={"time_zone": "Europe/Berlin"}, faults=[rule])
    ending = world.load(*CONCURRENCY, exit_code=5)
    assert len(world.struck()) <= 1 + MOST_AFTER_A_STOP
    assert "daily limit" in ending.said
    assert re.search(r"resets at 20\d\d-\d\d-\d\d 00:00 Europe/Berlin", " ".join(ending.said.split()))
    assert ending.summary["rows"]["pending"] == 60 - 19
    assert ending.summary["next_command"].endswith("--concurrency 4")
    world.goes_on_and_completes(*CONCURRENCY)


@pytest.mark.slow
def test_a_quota_that_runs_low_is_shown_and_lasts_to_its_end(make_world: MakeWorld) -> None:
    """Item 5: progress says what is left; used up, the run stops and goes on the next day."""
    wall = Wall()
    world = make_world(40, daily=30, wall=wall, latency="40ms")
    ending = world.load("--json", *CONCURRENCY, exit_code=5)
    events = [json.loads(line) for line in world.said[0].splitlines()]
    left = [event["daily_left"] for event in events if event.get("daily_left") is not None]
    assert left
    assert left == sorted(left, reverse=True)
    assert min(left) < 30
    assert len(ending.lines) == 30 - 4, "the portal, its custom objects, its limits and a read took four of the thirty"
    wall.ahead = DAY
    world.goes_on_and_completes(*CONCURRENCY)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("answers", [True, False])
def test_without_headers_the_usage_endpoint_says_what_is_left(make_world: MakeWorld, *, answers: bool) -> None:
    """Item 5: read once at the start; a reserve that cannot be kept is reported as such."""
    used = {"usageLimit": 1000, "currentUsage": 961, "fetchStatus": "SUCCESS", "resetsAt": "2099-12-13T05:00:00Z"}
    rule = {"fault": "200", "route": "daily-usage", "body": {"results": [used]}}
    world = make_world(
        40, portal={"time_zone": "US/Eastern"}, faults=[rule if answers else rule | {"fault": "403", "body": {}}]
    )
    ending = world.load("--daily-reserve", "10", "--json", *CONCURRENCY, exit_code=5 if answers else 0)
    routes = [request.route for request in world.sandbox.requests]
    assert routes.count("daily-usage") == 1
    said = " ".join(ending.said.split())
    assert ("has no effect" in said) is not answers
    if answers:
        # 39 were left when the endpoint was read.
        assert len(routes[routes.index("daily-usage") + 1 :]) == 39 - 10
        assert "10 requests are left today, which --daily-reserve keeps for other apps" in said
        assert "resets at 2099-12-13 00:00 US/Eastern" in said


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("names_time", [True, False])
def test_a_migration_stops_the_run_for_now(make_world: MakeWorld, names_time: bool) -> None:
    """Item 9: the portal moves to another data centre: stop at once and name the time, with every row pending."""
    rule = {"fault": "477", "method": "PUT", "range": [10, None]}
    world = make_world(30, faults=[rule if names_time else rule | {"retry_after": "soon"}])
    began = time.monotonic()
    ending = world.load(*CONCURRENCY, exit_code=5)
    assert time.monotonic() - began < 10
    assert not names_time or "24.0 hours" in ending.said
    assert len(world.struck()) <= 1 + MOST_AFTER_A_STOP
    assert ending.rows("failed") == set()
    world.goes_on_and_completes(*CONCURRENCY)
