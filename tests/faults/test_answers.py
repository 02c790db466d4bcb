"""What HubSpot answers to one request: refusals that stand, failures that pass, and shapes of success."""

import re
from typing import Any

import pytest

from tests.faults.conftest import MakeWorld
from tests.faults.world import Pair, World, pairs
from tests.written import lines_of

pytestmark = pytest.mark.usefixtures("hurry")

WORKERS = 4
CONCURRENCY = ("--concurrency", str(WORKERS))
TWO_ATTEMPTS = ("--max-attempts", "2")

Rule = dict[str, Any]


def one_pair_each(*faults: str | Rule, **when: Any) -> list[Rule]:
    """Return one rule for each fault: the first strikes the input's first pair, the second its second."""
    rules = [{"fault": fault} if isinstance(fault, str) else fault for fault in faults]
    return [{**rule, "pair": pair, **when} for rule, pair in zip(rules, pairs(len(rules)), strict=True)]


def attempts(world: World) -> dict[Pair, int]:
    """Return how many requests each pair took, as its result line says."""
    return {pair: int(line["attempts"]) for pair, line in world.lines_by_pair().items()}


# --- statuses


PASSING = [
    *("500", "408", "425"),
    *("502", "503", "504"),
    *("521", "522", "523", "524", "525", "526", "599"),
]
"""Statuses of HubSpot itself, of its gateways (with an HTML page) and of the network before them."""


def test_a_failure_that_passes_is_tried_again(make_world: MakeWorld) -> None:
    """Items 6, 7, 10, 11, 12, 13: the row is sent again until it is there, and only that row."""
    world = make_world(20, faults=one_pair_each(*PASSING, times=1))
    ending = world.load(*CONCURRENCY)
    struck = set(pairs(len(PASSING)))
    assert attempts(world) == {pair: 2 if pair in struck else 1 for pair in world.wanted}
    assert ending.summary["requests"]["retried"] == len(PASSING)


def test_a_page_in_an_answer_is_cut_and_escaped(make_world: MakeWorld) -> None:
    """Item 7: of an HTML page the results hold the beginning, without its control characters."""
    page = "<html>\r\n\x1b[2J<h1>Bad gateway</h1>" + "x" * 5000
    world = make_world(10, faults=one_pair_each({"fault": "502", "body": page, "content_type": "text/html"}))
    world.load(*CONCURRENCY, *TWO_ATTEMPTS, exit_code=1, failed=pairs(1))
    line = world.lines_by_pair()[pairs(1)[0]]
    assert line["http_status"] == "502"
    assert int(line["attempts"]) >= 2  # One more for each that fails before any other row is answered.
    assert "Bad gateway" in line["error_message"]
    assert line["error_message"].isprintable()
    assert len(line["error_message"]) <= 300
    # A failure of the server is no verdict on the row: with --retry-failed the loader sends it again.
    world.heal()
    world.load(*CONCURRENCY, *TWO_ATTEMPTS, "--retry-failed")


def test_broken_tls_behind_hubspot_stops_the_run(make_world: MakeWorld) -> None:
    """Item 11: after a few attempts of each worker the run stops with advice; no row has failed."""
    world = make_world(40, faults=[{"fault": "526", "method": "PUT", "range": [10, None]}])
    ending = world.run(*CONCURRENCY, seconds=20)
    assert ending.exit_code in {3, 5}
    assert "support" in ending.said
    assert len(world.struck()) <= 8 * WORKERS
    assert ending.rows("failed") == set()
    world.check(ending, complete=False)
    world.goes_on_and_completes(*CONCURRENCY)


def test_a_refusal_stands_and_concerns_one_row(make_world: MakeWorld) -> None:
    """Items 13, 14, 16: one request, and a line with everything that HubSpot said; the others are not affected."""
    missing = pairs(20)[5]
    statuses = ["404", "418", "499"]
    world = make_world(
        20,
        faults=one_pair_each(*statuses, {"fault": "400", "body": {"message": "Not with me"}}),
        portal={"missing": [{"type": "companies", "id": missing[1]}]},
    )
    failed = {*pairs(4), missing}
    ending = world.load(*CONCURRENCY, exit_code=1, failed=failed)
    assert set(attempts(world).values()) == {1}
    lines = world.lines_by_pair()
    assert [lines[pair]["http_status"] for pair in pairs(4)] == [*statuses, "400"]
    assert [lines[pair]["error_message"] for pair in pairs(4)] == ["The request was refused"] * 3 + ["Not with me"]
    line = lines[missing]
    assert line["row"] == str(world.wanted.index(missing) + 2)
    assert (line["http_status"], line["error_category"]) == ("400", "VALIDATION_ERROR")
    assert f"COMPANY={missing[1]} is not valid" in line["error_message"]
    assert re.fullmatch(r"[0-9a-f-]{36}", line["correlation_id"])
    failures = lines_of(world.folder / "load.failures.csv")
    reported = {(row["object_id"], row["to_object_id"]): row for row in failures}
    assert set(reported) == failed
    assert reported[missing]["_correlation_id"] == line["correlation_id"]
    assert ending.summary["failures_by_reason"]["VALIDATION_ERROR"] >= 1
    # The same command again sends nothing and ends in the same way.
    sent = len(world.puts())
    assert world.run(*CONCURRENCY).exit_code == 1
    assert len(world.puts()) == sent


def test_the_same_refusal_of_every_row_stops_the_run(make_world: MakeWorld) -> None:
    """Item 15: 200 in a row with one reason are a wrong command; the rest of the file is not sent."""
    world = make_world(230, faults=[{"fault": "400", "method": "PUT"}])
    ending = world.load(*CONCURRENCY, exit_code=4, failed=world.wanted)
    assert len(world.puts()) <= 200 + WORKERS + 1
    assert "The request was refused" in ending.said
    assert ending.summary["rows"]["pending"] >= 230 - 200 - WORKERS - 1
    world.heal()
    world.load(*CONCURRENCY, "--retry-failed")


# --- shapes of success


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(("shape", "ids", "status"), [("wrapped", "text", "200"), ("bare", "number", "201")])
def test_every_shape_of_success_is_one(make_world: MakeWorld, shape: str, ids: str, status: str) -> None:
    """Item 21: 200 with `createdResourceId` and `entity`, 201 with the bare pair, ids as text and as numbers."""
    world = make_world(10, answers=shape, ids=ids)
    ending = world.load(*CONCURRENCY)
    assert {line["http_status"] for line in ending.lines} == {status}
    assert {bool(line["created_resource_id"]) for line in ending.lines} == {shape == "wrapped"}
    assert set(attempts(world).values()) == {1}


def test_an_answer_without_a_body_can_be_a_success(make_world: MakeWorld) -> None:
    """Item 24: 204 and an empty 201 say that it is done, without an id; 202 only that it was heard: sent again."""
    rules = one_pair_each("204", "201", {"fault": "202", "times": 1}, applied=True)
    world = make_world(10, faults=rules)
    world.load(*CONCURRENCY)
    lines = world.lines_by_pair()
    seen = [(lines[pair]["http_status"], lines[pair]["attempts"]) for pair in pairs(3)]
    assert seen == [("204", "1"), ("201", "1"), ("201", "2")]
    assert [lines[pair]["created_resource_id"] for pair in pairs(2)] == ["", ""]


BATCH_ANSWERS: list[str | Rule] = [
    "200-errors",
    "pending",
    "207",
    {"fault": "200", "body": {"status": "COMPLETE", "results": []}},
    {"fault": "200", "body": {"status": "COMPLETE", "results": [], "numErrors": 1}},
    {"fault": "207", "body": {"status": "COMPLETE", "results": [], "errors": [{"message": "half of it"}]}},
    "202",
]
"""Answers of HubSpot's batch endpoints. A PUT should never get one; if it does, it is no success."""


def test_an_answer_that_says_less_than_done_is_no_success(make_world: MakeWorld) -> None:
    """Items 22, 23, 24: errors, an empty list of results, PENDING, 207 and 202 to a PUT never become `created`."""
    world = make_world(20, faults=one_pair_each(*BATCH_ANSWERS))
    world.load(*CONCURRENCY, *TWO_ATTEMPTS, exit_code=1, failed=pairs(len(BATCH_ANSWERS)))
