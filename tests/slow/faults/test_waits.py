"""What a load waits for in earnest: dates, locks, a token endpoint that is down; the policies have fast tests."""

import time
from email.utils import formatdate

from tests.faults.conftest import MakeWorld
from tests.faults.test_authentication import CONCURRENCY, KEPT, OAUTH, PORTAL, TOKEN, WORKERS, refreshes
from tests.faults.test_limits import DAY


def test_retry_after_can_be_a_date(make_world: MakeWorld) -> None:
    """Item 3: the other spelling of the same; a date has no fractions, so the moment is a whole second."""
    moment = int(time.time()) + 3
    retry_after = formatdate(moment, usegmt=True)
    faults = [{"fault": "429", "method": "PUT", "nth": 5, "retry_after": retry_after}]
    world = make_world(30, faults=faults, latency="50ms")
    ending = world.run(*CONCURRENCY)
    assert ending.exit_code == 0
    until = moment - (time.time() - time.monotonic()) - 0.05
    early = [request for request in world.puts() if world.struck()[0].time < request.time < until]
    # The answer takes as long as any other: until it is there, each of the others may end and begin one more.
    assert len(early) <= 2 * WORKERS
    world.check(ending)


def test_a_lock_is_given_its_two_seconds(make_world: MakeWorld) -> None:
    """Item 8: a locked record is asked again after two seconds at least, and the others do not wait for it."""
    world = make_world(20, faults=[{"fault": "423", "pair": [1000, 500_000], "times": 1}])
    ending = world.run(*CONCURRENCY)
    assert ending.exit_code == 0
    first, second = [request.time for request in world.puts() if "/1000/" in request.path]
    assert second - first >= 2
    assert sum(first < request.time < second for request in world.puts()) == 19
    assert {line["attempts"] for line in ending.lines if line["object_id"] == "1000"} == {"2"}
    world.check(ending)


def test_a_retry_after_that_means_nothing_is_ignored(make_world: MakeWorld) -> None:
    """Item 3: a past date, a negative or impossible number, a word: the loader's own pause, and no crash."""
    nonsense = [
        formatdate(time.time() - DAY, usegmt=True),
        "-5",
        "abc",
        "1e9",
        "0",
        "",
        "1.5",
        "9" * 400,
        "Wed, 21 Oct 99999999999999999999 07:28:00 GMT",
        "Wed, 21 Oct 2026 07:28:00 +99999999999",
    ]
    rules = [
        {"fault": "429", "pair": [1000 + number, 500_000 + number], "times": 1, "retry_after": text}
        for number, text in enumerate(nonsense)
    ]
    world = make_world(20, faults=rules)
    began = time.monotonic()
    ending = world.run(*CONCURRENCY)
    assert ending.exit_code == 0, ending.said
    assert time.monotonic() - began < 15
    assert ending.summary["requests"]["rate_limited"] == len(nonsense)
    world.check(ending)


def test_a_token_endpoint_that_stays_down_fails_no_row(make_world: MakeWorld) -> None:
    """Item 19: however few attempts a row has, those for a token are not its own."""
    faults = [
        {"fault": "expire-token", "method": "PUT", "nth": 10},
        {"fault": "503", "path": TOKEN, "range": [2, None]},
    ]
    world = make_world(20, portal=KEPT, variables=OAUTH, faults=faults)
    ending = world.run(*CONCURRENCY, "--max-attempts", "1", "--max-duration", "2s")
    assert ending.exit_code == 5
    assert ending.rows("failed") == set()
    assert 3 <= refreshes(world) <= 12
    world.check(ending, complete=False)
    world.goes_on_and_completes(*CONCURRENCY)


def test_a_refresh_that_fails_is_tried_again(make_world: MakeWorld) -> None:
    """Item 19: no answer in time, or none of use, is transient, and costs no row an attempt."""
    faults = [
        {"fault": "expire-token", "method": "PUT", "nth": 10},
        {"fault": "500", "path": TOKEN, "nth": 1},
        {"fault": "stall", "path": TOKEN, "nth": 3},
        {"fault": "html", "path": TOKEN, "nth": 4},
    ]
    world = make_world(20, portal=PORTAL, variables=OAUTH, faults=faults)
    ending = world.run(*CONCURRENCY, "--timeout", "0.4", "--max-attempts", "1")
    assert ending.exit_code == 0, ending.said
    assert refreshes(world) == 5
    world.check(ending)


def test_a_short_life_is_renewed_before_it_ends(make_world: MakeWorld) -> None:
    """Item 18: at 80 % of `expires_in`, however short, so that HubSpot has no 401 to give."""
    portal = {"oauth": {**PORTAL["oauth"], "expires_in": 0.6}}
    world = make_world(60, portal=portal, variables=OAUTH, latency="20ms")
    ending = world.run("--concurrency", "1")
    assert ending.exit_code == 0
    assert world.sandbox.count(status=401) == 0
    assert 3 <= refreshes(world) <= 8
    world.check(ending)
