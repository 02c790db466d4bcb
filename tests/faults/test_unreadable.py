"""Answers that cannot be read, or should not be: pages, broken JSON, endless bodies, broken HTTP."""

import tracemalloc
from typing import Any

import pytest

from tests.faults.conftest import MakeWorld
from tests.faults.test_answers import BATCH_ANSWERS, CONCURRENCY, TWO_ATTEMPTS, Rule, attempts, one_pair_each
from tests.faults.world import pairs

pytestmark = pytest.mark.usefixtures("hurry")

UNREADABLE: list[str | Rule] = [
    "html",
    "empty",
    "list",
    "null",
    "string",
    "truncated",
    {"fault": "200", "body": {}},
    {"fault": "200", "body": {"entity": None}},
    {"fault": "200", "body": {"entity": []}},
    {"fault": "200", "body": {"fromObjectId": None, "toObjectId": None}},
    "invalid-utf8",
    "deep",
    "long-number",
    {"fault": "201", "body": "\ufeff"},
    {"fault": "200", "body": '{"a":' * 50_000 + "1" + "}" * 50_000},
]
"""200 and 201 whose body says nothing (items 25, 26, 27)."""

BROKEN_HTTP: list[str | Rule] = [
    "garbage",
    {"fault": "garbage", "body": "HTTP/9.9 abc OK\r\n\r\n"},
    {"fault": "garbage", "body": "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}"},
    "big-header",
    {"fault": "big-header", "size": 200_000},
    "chunked-short",
    "length-long",
]
"""Answers that are no proper HTTP (items 29, 37)."""

FULL_OF_ODDITIES = {
    "category": "\ud800\x00",
    "message": ["not", "a", "text"],
    "correlationId": 7,
    "context": {"INVALID_OBJECT_IDS": "not a list"},
    "errors": {"not": "a list"},
    "subCategory": {},
}


UNCLEAR = [rule for rule in BATCH_ANSWERS if "errors" not in str(rule).lower()]
"""Answers of batches in which nothing is refused (items 22, 23, 24)."""


@pytest.mark.parametrize("faults", [UNREADABLE, BROKEN_HTTP, UNCLEAR], ids=["unreadable", "broken HTTP", "unclear"])
def test_an_answer_that_does_not_say_what_happened_is_tried_again(
    make_world: MakeWorld, faults: list[str | Rule]
) -> None:
    """Items 22 to 27, 29, 37: the write may have happened; repeating it does no harm and shows."""
    world = make_world(30, faults=one_pair_each(*faults, times=1, applied=True))
    world.load(*CONCURRENCY)
    assert [attempts(world)[pair] for pair in pairs(len(faults))] == [2] * len(faults)


def test_an_answer_that_stays_unreadable_is_no_success(make_world: MakeWorld) -> None:
    """Items 25, 26, 27: after the last attempt the row is reported, with the beginning of what was answered."""
    world = make_world(30, faults=one_pair_each(*UNREADABLE, applied=False))
    failed = pairs(len(UNREADABLE))
    world.load(*CONCURRENCY, *TWO_ATTEMPTS, exit_code=1, failed=failed)
    lines = world.lines_by_pair()
    assert {lines[pair]["error_category"] for pair in failed} == {"UNREADABLE_ANSWER"}
    assert "<html>" in lines[failed[0]]["error_message"]
    assert all(lines[pair]["error_message"].isprintable() for pair in failed)


@pytest.mark.slow_after(1)
@pytest.mark.usefixtures("give_up_soon")
@pytest.mark.parametrize("begins", [1, 20])
def test_a_login_page_for_everything_ends_the_load_for_now(make_world: MakeWorld, begins: int) -> None:
    """Item 25: a hotel's network answers 200 to every request: that is no success, and no row failed."""
    world = make_world(60, faults=[{"fault": "html", "range": [begins, None]}])
    ending = world.load(*CONCURRENCY, "--max-attempts", "1000", exit_code=5)
    assert "HubSpot gave no usable answer" in ending.said
    assert ending.rows("failed") == set()
    assert ending.summary["rows"]["pending"] >= 60 - begins
    world.goes_on_and_completes(*CONCURRENCY)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "size"), [("huge", 10**9), ("gzip-bomb", 2 * 10**8)])
def test_an_endless_answer_is_cut_off(make_world: MakeWorld, kind: str, size: int) -> None:
    """Item 28: a gigabyte, or a fifth of it out of next to nothing, is not held in memory; the row is sent again."""
    world = make_world(10, faults=one_pair_each({"fault": kind, "size": size}, times=1))
    tracemalloc.start()
    try:
        ending = world.run(*CONCURRENCY)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert ending.exit_code == 0, ending.said
    assert most < 100_000_000, "the sandbox's own buffers are a part of it"
    assert attempts(world)[pairs(1)[0]] == 2
    world.check(ending)


def test_an_answer_about_other_records_is_a_failure(make_world: MakeWorld) -> None:
    """Item 26: a cache that mixes up answers must be noticed: not repeated, and both ids are named."""
    bare = {"fromObjectTypeId": "0-1", "fromObjectId": 77, "toObjectTypeId": "0-2", "toObjectId": 88, "labels": []}
    swapped = dict(bare, fromObjectId=500_001, toObjectId=1001)
    rules: list[str | Rule] = [
        {"fault": "200", "body": {"createdResourceId": "1", "entity": bare}},
        {"fault": "201", "body": swapped},
    ]
    world = make_world(10, faults=one_pair_each(*rules))
    world.load(*CONCURRENCY, exit_code=1, failed=pairs(2))
    lines = world.lines_by_pair()
    assert [attempts(world)[pair] for pair in pairs(2)] == [1, 1]
    assert "77" in lines[pairs(2)[0]]["error_message"]
    assert "1000" in lines[pairs(2)[0]]["error_message"]


def test_an_error_full_of_oddities_is_still_an_error(make_world: MakeWorld) -> None:
    """Item 27: the fields of an error may be missing, of another type, or no text at all."""
    bodies: list[Any] = [FULL_OF_ODDITIES, [], "null", "[" * 100_000, '{"message":' + "9" * 5_000 + "}", "\x00\x1b[2J"]
    world = make_world(20, faults=one_pair_each(*({"fault": "400", "body": body} for body in bodies)))
    failed = pairs(len(bodies))
    world.load(*CONCURRENCY, exit_code=1, failed=failed)
    lines = world.lines_by_pair()
    assert {lines[pair]["http_status"] for pair in failed} == {"400"}
    shown = [lines[pair][name] for pair in failed for name in ("error_message", "error_category", "correlation_id")]
    assert all(text.isprintable() for text in shown)


@pytest.mark.slow
def test_broken_http_is_no_verdict_of_hubspot(make_world: MakeWorld) -> None:
    """Items 29, 37: after the last attempt the line names no status, least of all a 400 that HubSpot did not send."""
    world = make_world(20, faults=one_pair_each(*BROKEN_HTTP, applied=False))
    failed = pairs(len(BROKEN_HTTP))
    world.load(*CONCURRENCY, *TWO_ATTEMPTS, exit_code=1, failed=failed)
    assert {world.lines_by_pair()[pair]["http_status"] for pair in failed} == {""}
    world.heal()
    world.load(*CONCURRENCY, "--retry-failed")


def test_interim_answers_are_passed_over(make_world: MakeWorld) -> None:
    """Item 38: 100, 102 and 103, alone or one after the other, are not the answer."""
    sequences = [[100], [102], [103], [100, 102, 103, 103, 100]]
    world = make_world(10, faults=one_pair_each(*({"fault": "interim", "interim": each} for each in sequences)))
    ending = world.load(*CONCURRENCY)
    assert {line["http_status"] for line in ending.lines} == {"201"}
    assert set(attempts(world).values()) == {1}
