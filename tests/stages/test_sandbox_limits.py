"""The sandbox's limits, on a clock that the tests move."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from loader.sandbox.latency import Latency
from loader.sandbox.limits import DailyCounter, Limits, Rate, RollingWindow

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()


def limits(rate: str = "3/10", daily: int | None = None) -> Limits:
    return Limits(Rate.parse(rate), DailyCounter(daily, ZoneInfo("America/New_York")), 62515)


def test_the_most_in_any_window_is_exact() -> None:
    """Three within ten seconds across a border that a fixed window would cut."""
    window = RollingWindow(10)
    for moment in (1, 9, 10, 11, 30):
        window.add(moment)
    assert window.most == 3


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
