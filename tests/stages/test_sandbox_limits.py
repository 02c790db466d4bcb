"""The sandbox's limits, on a clock that the tests move."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from loader.sandbox.latency import Latency
from loader.sandbox.limits import DailyCounter, Limits, Rate, RollingWindow

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()


def limits(rate: str = "3/10", daily: int | None = None) -> Limits:
    return Limits(Rate.parse(rate), DailyCounter(daily, ZoneInfo("America/New_York")), 62515)


def test_a_window_counts_its_end_and_not_its_start() -> None:
    """Half-open: an event exactly one window ago is out."""
    window = RollingWindow(10)
    window.add(0)
    assert window.count(9.999) == 1
    assert window.count(10) == 0


def test_the_most_in_any_window_is_exact() -> None:
    """Three within ten seconds across a border that a fixed window would cut."""
    window = RollingWindow(10)
    for moment in (1, 9, 10, 11, 30):
        window.add(moment)
    assert window.most == 3


def test_the_request_over_the_limit_is_refused_until_the_window_has_moved() -> None:
    """100 in 10 s means the 101st waits for the first to be 10 s old."""
    subject = limits("3/10")
    assert [subject.admit(moment, NOON) for moment in (0, 1, 2)] == [None, None, None]
    refusal = subject.admit(9.9, NOON)
    assert refusal is not None
    assert refusal.policy == "TEN_SECONDLY_ROLLING"
    assert subject.admit(10, NOON) is None
    assert subject.refused == 1


def test_refused_requests_count_as_arrivals_and_use_up_nothing() -> None:
    """max_window shows what the client sent; the limit is not made stricter by its own answers."""
    subject = limits("2/10")
    for moment in (0, 0, 1, 2, 3):
        subject.admit(moment, NOON)
    assert subject.max_window == 5
    assert subject.admit(10, NOON) is None


def test_exempt_requests_count_to_the_day_alone() -> None:
    """What the specification marks as exempt from ten-secondly is no arrival of that limit."""
    subject = limits("1/10", daily=2)
    assert subject.admit(0, NOON, exempt=True) is None
    assert subject.admit(0, NOON) is None
    assert subject.max_window == 1
    refusal = subject.admit(0, NOON, exempt=True)
    assert refusal is not None
    assert refusal.policy == "DAILY"


def test_the_day_ends_at_midnight_of_the_portals_time_zone() -> None:
    """New York's midnight, not London's."""
    subject = limits("off", daily=1)
    assert subject.admit(0, NOON) is None
    assert subject.daily.resets_at == datetime(2026, 11, 24, 5, tzinfo=UTC).timestamp()
    assert subject.admit(1, subject.daily.resets_at - 1) is not None
    assert subject.admit(2, subject.daily.resets_at) is None


def test_the_headers_say_what_is_left() -> None:
    subject = limits("3/10", daily=1000)
    subject.admit(0, NOON)
    assert subject.headers(0) == {
        "X-HubSpot-RateLimit-Max": "3",
        "X-HubSpot-RateLimit-Remaining": "2",
        "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
        "X-HubSpot-RateLimit-Secondly": "1",
        "X-HubSpot-RateLimit-Secondly-Remaining": "0",
        "X-HubSpot-RateLimit-Daily": "1000",
        "X-HubSpot-RateLimit-Daily-Remaining": "999",
    }


def test_a_limit_that_is_off_has_no_headers() -> None:
    assert limits("off").headers(0) == {}


@pytest.mark.parametrize("text", ["", "100", "0/10", "10/0", "a/b", "-1/10", "10/inf", "10/nan"])
def test_a_rate_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not requests/seconds"):
        Rate.parse(text)


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [("80ms", 0.08, 0.08), ("50ms-150ms", 0.05, 0.15), ("0.2s", 0.2, 0.2), ("0", 0, 0), ("0ms", 0, 0)],
)
def test_a_latency_is_a_time_or_a_span(text: str, least: float, most: float) -> None:
    """Milliseconds or seconds, always with the unit."""
    assert Latency.parse(text) == (least, most)


@pytest.mark.parametrize("text", ["", "80", "fast", "-5ms", "150ms-50ms", "nanms"])
def test_a_latency_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="the latency"):
        Latency.parse(text)
