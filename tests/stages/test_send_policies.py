"""The policies as tables: when to try again, the circuit breaker, quota and failures too many."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from loader.errors import ConnectionFault, PortalMigrating, RateLimited, ServerFault, TooManyFailures
from loader.model import Outcome, Result
from loader.send import endings, retry
from loader.send.failures import SAME_IN_A_ROW, FailureGuard
from loader.send.limiter import Breaker, Limiter
from loader.send.quota import Day, Usage, next_reset, usage
from loader.settings import Budget, Rate
from tests.stages.fake_time import clock, run

NOW = datetime(2026, 11, 23, 23, 0, tzinfo=UTC)


def highest(low: float, high: float) -> float:
    return high


def lowest(low: float, high: float) -> float:
    return low


# --- when to try again


RETRY_AFTER: dict[str | None, float | None] = {
    None: None,
    "0": 0.0,
    "10": 10.0,
    " 7 ": 7.0,
    "1.5": 1.5,
    "86400": 86400.0,
    "1000000000": 1e9,
    "Mon, 23 Nov 2026 23:00:30 GMT": 30.0,
    "Mon, 23 Nov 2026 23:00:30": 30.0,
    "Tue, 24 Nov 2026 00:00:00 +0030": 1800.0,
    **dict.fromkeys(("-5", "abc", "", "1e9", "inf", "nan", "٣", "9" * 5000)),
    **dict.fromkeys(
        ("Mon, 23 Nov 2026 22:59:59 GMT", "Mon, 23 Nov 99999 23:00:30 GMT", "Mon, 99 Nov 2026 23:00:30 GMT")
    ),
    "Mon, 23 Nov 2026 23:00:30 +999999": None,
}


def test_retry_after_is_seconds_or_a_date() -> None:
    assert {text: retry.retry_after(text, NOW) for text in RETRY_AFTER} == RETRY_AFTER


@pytest.mark.parametrize(("failures", "longest"), [(1, 0.5), (2, 1), (3, 2), (7, 30), (8, 30), (5000, 30)])
def test_the_longest_delay_doubles_up_to_30_seconds(failures: int, longest: float) -> None:
    error = ServerFault("", status=503)
    assert retry.delay(error, failures, highest) == longest
    assert retry.delay(error, failures, lowest) == longest / 4


def test_eight_attempts_take_longer_than_finding_an_outage() -> None:
    assert sum(retry.delay(ConnectionFault(""), failures, lowest) for failures in range(1, 8)) > 10


def test_a_delay_is_never_less_than_the_server_asked_for() -> None:
    assert retry.delay(ServerFault("", status=503, retry_after=17.0), 1, lowest) == 17


@pytest.mark.parametrize(("strikes", "longest"), [(1, 1), (2, 2), (4, 8), (5, 10), (5000, 10)])
def test_the_pause_after_429s_grows_to_the_whole_window(strikes: int, longest: float) -> None:
    async def scenario(retry_after: float | None, uniform: retry.Uniform) -> float:
        limiter = Limiter(Rate(100, 10.0), clock=clock, follow=False)
        limiter.pauses_in_a_row = strikes - 1
        limiter.slow_down(retry_after, uniform)
        assert limiter.pauses_in_a_row == strikes
        return limiter.paused_for

    assert run(lambda: scenario(None, highest)) == pytest.approx(longest)
    assert run(lambda: scenario(None, lowest)) == pytest.approx(longest / 2)
    assert run(lambda: scenario(60.0, highest)) == pytest.approx(60)


# --- the circuit breaker


def failing(breaker: Breaker, count: int, begin: float, end: float, *, rate_limited: bool = False) -> None:
    for number in range(count):
        breaker.failed(begin + (end - begin) * number / max(1, count - 1), rate_limited=rate_limited)


@pytest.mark.parametrize(
    ("count", "seconds", "is_open"),
    [(3, 10.0, True), (2, 10.0, False), (3, 9.9, False), (1000, 9.9, False), (1000, 60.0, True)],
)
def test_the_breaker_opens_after_3_failures_over_10_seconds(count: int, seconds: float, *, is_open: bool) -> None:
    breaker = Breaker()
    failing(breaker, count, 100, 100 + seconds)
    assert breaker.open is is_open


def test_time_without_requests_is_no_outage() -> None:
    """Reading a file for an hour and then 20 failures within a second leave the breaker shut."""
    breaker = Breaker()
    breaker.succeeded(0)
    failing(breaker, 20, 3600, 3601)
    assert not breaker.open


def test_a_single_success_shuts_the_breaker_and_begins_anew() -> None:
    breaker = Breaker()
    failing(breaker, 2, 0, 60)
    breaker.succeeded(60)
    failing(breaker, 2, 60, 120)
    assert not breaker.open
    failing(breaker, 1, 120, 120)
    assert breaker.open
    breaker.succeeded(120)
    assert not breaker.open
    assert breaker.wait(121) == 0


def test_429s_never_open_the_breaker() -> None:
    breaker = Breaker()
    failing(breaker, 500, 0, 800, rate_limited=True)
    assert not breaker.open


def test_few_failures_far_apart_are_not_given_up_on() -> None:
    breaker = Breaker()
    failing(breaker, 2, 0, 2000)
    assert not breaker.given_up(2000)


# --- the day's quota


@pytest.mark.parametrize(
    ("zone", "now", "reset"),
    [
        ("US/Eastern", "2026-11-23T23:00", "2026-11-24T00:00-05:00"),
        ("US/Eastern", "2026-11-24T04:59", "2026-11-24T00:00-05:00"),
        ("US/Eastern", "2026-11-24T05:00", "2026-11-25T00:00-05:00"),
        ("Europe/Berlin", "2026-11-23T23:00", "2026-11-25T00:00+01:00"),
        ("Asia/Kolkata", "2026-11-23T18:29", "2026-11-24T00:00+05:30"),
        ("Europe/Berlin", "2026-10-24T22:30", "2026-10-26T00:00+01:00"),
        ("US/Eastern", "2026-03-08T05:30", "2026-03-09T00:00-04:00"),
        ("UTC", "2026-12-31T12:00", "2027-01-01T00:00+00:00"),
    ],
)
def test_the_quota_resets_at_the_next_midnight_of_the_portal(zone: str, now: str, reset: str) -> None:
    at = next_reset(zone, datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert at is not None
    assert at == datetime.fromisoformat(reset)
    assert at.utcoffset() == datetime.fromisoformat(reset).utcoffset()


@pytest.mark.parametrize(
    "zone", ["", "Nowhere/Town", "../../etc/passwd", "/etc/localtime", "America", "\0", "x" * 9999]
)
def test_a_zone_that_nobody_knows_has_no_reset(zone: str) -> None:
    assert next_reset(zone, NOW) is None
    assert "midnight in the HubSpot account's time zone" in Day(time_zone=zone).reset_in_words(NOW)


def test_the_reset_is_said_in_the_portals_own_time() -> None:
    words = "the quota resets at 2026-11-24 00:00 US/Eastern; run the same command then"
    assert Day(time_zone="US/Eastern").reset_in_words(NOW) == words
    assert Day(time_zone="US/Eastern", left=0).reserve_end(NOW).resets_at == datetime(2026, 11, 24, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "resets_at", "words"),
    [
        ("US/Eastern", "2026-11-24T05:30:00+00:00", "2026-11-24 00:30 US/Eastern"),
        ("Nowhere", "2026-11-24T05:30:00+00:00", "2026-11-24 05:30 UTC"),
        (None, "2026-11-24T05:30:00+00:00", "2026-11-24 05:30 UTC"),
        ("US/Eastern", "2026-11-23T22:00:00+00:00", "2026-11-24 00:00 US/Eastern"),
    ],
)
def test_the_reset_that_hubspot_names_wins_while_it_lies_ahead(zone: str | None, resets_at: str, words: str) -> None:
    day = Day(time_zone=zone)
    day.note_usage(Usage(100, 100, datetime.fromisoformat(resets_at)))
    assert f"resets at {words};" in day.reset_in_words(NOW)


@pytest.mark.parametrize(
    ("reserve", "left", "limit", "reached"),
    [
        (None, 0, 1000, False),
        (Budget(count=100), None, None, False),
        (Budget(count=100), 101, None, False),
        (Budget(count=100), 100, None, True),
        (Budget(share=0.1), 101, 1000, False),
        (Budget(share=0.1), 100, 1000, True),
        (Budget(share=0.1), 0, None, False),
        (Budget(count=0), 0, 1000, False),
        (Budget(share=0.0), 0, 1000, False),
    ],
)
def test_a_reserve_is_reached_when_no_more_than_it_is_left(
    reserve: Budget | None, left: int | None, limit: int | None, *, reached: bool
) -> None:
    """A reserve of nothing is none: the day's own end is HubSpot's to say."""
    assert Day(reserve, left=left, limit=limit).reserve_reached() is reached


@pytest.mark.parametrize(
    ("reserve", "left", "limit", "unknown"),
    [
        (None, None, None, False),
        (Budget(count=1), None, None, True),
        (Budget(count=1), 5, None, False),
        (Budget(share=0.1), 5, None, True),
        (Budget(share=0.1), 5, 10, False),
    ],
)
def test_a_reserve_cannot_be_kept_where_nobody_says_what_is_left(
    reserve: Budget | None, left: int | None, limit: int | None, *, unknown: bool
) -> None:
    assert Day(reserve, left=left, limit=limit).reserve_unknown is unknown


@pytest.mark.parametrize(
    ("seconds", "zone", "words"),
    [
        (7200.0, "US/Eastern", "in 7200 seconds, at 2026-11-23 20:00 US/Eastern"),
        (7200.0, None, "in 7200 seconds, at 2026-11-24 01:00 UTC"),
        (1e15, "UTC", "in 1000000000000000 seconds, at 2036-"),
    ],
)
def test_a_long_retry_after_is_a_moment_of_the_portals_clock(seconds: float, zone: str | None, words: str) -> None:
    assert words in str(endings.come_back(RateLimited("", retry_after=seconds), zone, NOW))


def test_a_migration_names_the_moment_too() -> None:
    error = endings.migrating(PortalMigrating("Migration in progress", retry_after=86400.0), "Europe/Berlin", NOW)
    assert str(error) == (
        "Migration in progress (HubSpot asks to come back in 24.0 hours, at 2026-11-25 00:00 Europe/Berlin): "
        "run the same command again then"
    )
    assert "hours" not in str(endings.migrating(PortalMigrating("Migration in progress"), None, NOW))


def test_requests_under_way_count_for_the_reserve() -> None:
    day = Day(Budget(count=100), left=103, limit=1000)
    assert not day.reserve_reached(2)
    assert day.reserve_reached(3)


def test_where_answers_name_no_quota_our_own_requests_are_counted() -> None:
    day = Day()

    def after(left: int | None, limit: int | None) -> tuple[int | None, int | None, bool]:
        day.note(left, limit)
        return day.left, day.limit, day.spent

    assert after(None, None) == (None, None, False)
    day.note_usage(Usage(1000, 997, None))
    assert [after(None, None) for _ in range(4)] == [(2, 1000, False), (1, 1000, False), *[(0, 1000, True)] * 2]
    assert after(500, None) == (500, 1000, False)


def usage_answer(**changes: Any) -> dict[str, Any]:
    result = {"usageLimit": 1000, "currentUsage": 2, "fetchStatus": "SUCCESS", "resetsAt": "2025-12-13T05:00:00Z"}
    return {"results": [result | changes]}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (usage_answer(), Usage(1000, 2, datetime(2025, 12, 13, 5, tzinfo=UTC))),
        (usage_answer(fetchStatus="CACHED", resetsAt=None), Usage(1000, 2, None)),
        (usage_answer(resetsAt="soon"), Usage(1000, 2, None)),
        (usage_answer(resetsAt="2025-12-13T05:00:00"), Usage(1000, 2, None)),
        (usage_answer(fetchStatus="FAILURE"), None),
        (usage_answer(usageLimit=0), None),
        (usage_answer(usageLimit="1000"), None),
        (usage_answer(currentUsage=True), None),
        (usage_answer(currentUsage=-1), None),
        ({"results": []}, None),
        ({"results": {"usageLimit": 1}}, None),
        ({"results": [7, *usage_answer()["results"]]}, Usage(1000, 2, datetime(2025, 12, 13, 5, tzinfo=UTC))),
        ({}, None),
    ],
)
def test_the_usage_endpoint_is_believed_only_when_it_has_figures(
    answer: dict[str, Any], expected: Usage | None
) -> None:
    assert usage(answer) == expected


# --- failures too many


def outcomes(status: str, count: int, http_status: int | None = 400, category: str = "X") -> list[Outcome]:
    result = Result(status, http_status, "", (), category, "no", "", 1, "")
    return [Outcome(pair_ids=np.array([n], np.int64), result=result, rows=1) for n in range(count)]


def test_200_failures_in_a_row_for_one_reason_stop_the_run() -> None:
    guard = FailureGuard(None)
    guard.watch(outcomes("failed", SAME_IN_A_ROW - 1))
    with pytest.raises(TooManyFailures, match="200 requests in a row failed for the same reason"):
        guard.watch(outcomes("failed", 1))


@pytest.mark.parametrize(
    "between",
    [
        outcomes("created", 1, 201, ""),
        outcomes("failed", 1, 400, "Y"),
        outcomes("failed", 1, 404, "X"),
        outcomes("failed", 1, 503, "X"),
        outcomes("failed", 1, None, "X"),
    ],
)
def test_a_success_or_another_reason_begins_the_count_anew(between: list[Outcome]) -> None:
    guard = FailureGuard(None)
    guard.watch(outcomes("failed", SAME_IN_A_ROW - 1))
    guard.watch(between)
    guard.watch(outcomes("failed", SAME_IN_A_ROW - 1))


@pytest.mark.parametrize(
    ("status", "category"),
    [
        (408, "X"),
        (423, "X"),
        (425, "X"),
        (200, "UNREADABLE_ANSWER"),
        (202, "UNREADABLE_ANSWER"),
        (207, "NOT_IN_ANSWER"),
    ],
)
def test_failures_that_pass_are_no_wrong_command_however_many(status: int, category: str) -> None:
    """Found by the simulation: one lot that could not be looked up failed 200 rows at once, for one reason."""
    FailureGuard(None).watch(outcomes("failed", SAME_IN_A_ROW, status, category))


@pytest.mark.parametrize(
    ("budget", "failed", "created", "stops"),
    [
        (Budget(count=5), 5, 0, False),
        (Budget(count=5), 6, 0, True),
        (Budget(count=0), 1, 1000, True),
        (Budget(share=0.1), 11, 88, False),
        (Budget(share=0.1), 11, 89, True),
        (Budget(share=0.1), 10, 90, False),
        (None, 150, 0, False),
    ],
)
def test_more_failed_rows_than_the_command_allows_stop_the_run(
    budget: Budget | None, failed: int, created: int, *, stops: bool
) -> None:
    """A share counts after 100 rows with an outcome."""
    guard = FailureGuard(budget)
    guard.watch(outcomes("created", created, 201, ""))
    if stops:
        with pytest.raises(TooManyFailures, match="--max-failures"):
            guard.watch(outcomes("failed", failed))
    else:
        guard.watch(outcomes("failed", failed))
