"""The series of figures over time: bounded, added up without loss, and kept by the journal."""

import json
from collections import Counter
from typing import Any

import pytest

from loader.show.pace import MOST_BUCKETS, Bucket, Pace, latency_classes, quantile


def write(pace: Pace, journal: dict[int, Any]) -> None:
    """Write down what changed, as a journal does: by way of JSON, and without buckets that are no more."""
    for place, bucket in pace.changes().items():
        journal[place] = json.loads(json.dumps(bucket))
        if bucket is None:
            del journal[place]


def test_a_series_is_what_was_put_in_however_long_it_goes() -> None:
    """Ten days in buckets that never get too many; nothing is lost or counted twice."""
    pace, journal = Pace(), dict[int, Any]()
    for hour in range(240):
        pace.add(hour * 3600.0, Bucket(requests=10, done=9, failed=1, in_flight=hour % 50, latencies=Counter({3: 10})))
        write(pace, journal)
    kept = Pace(pace.width, journal)
    assert kept.width == pace.width == 2048
    assert kept.buckets == pace.buckets
    assert len(kept.buckets) <= MOST_BUCKETS
    total = Bucket()
    for bucket in kept.buckets.values():
        total.add(bucket)
    assert (total.requests, total.done, total.failed, total.in_flight) == (2400, 2160, 240, 49)
    assert total.latencies == Counter({3: 2400})


def test_a_bucket_is_a_second_until_there_are_too_many() -> None:
    """A short run is seen in its seconds."""
    pace = Pace()
    pace.add(0.2, Bucket(requests=1))
    pace.add(0.9, Bucket(requests=2))
    pace.add(1.0, Bucket(requests=4))
    assert {place: bucket.requests for place, bucket in pace.buckets.items()} == {0: 3, 1: 4}
    pace.add(MOST_BUCKETS, Bucket(requests=8))
    assert (pace.width, {place: each.requests for place, each in pace.buckets.items()}) == (2, {0: 7, 240: 8})


def test_only_changes_are_handed_over() -> None:
    pace = Pace()
    pace.add(5, Bucket(requests=1))
    assert set(pace.changes()) == {5}
    pace.add(6, Bucket(requests=1))
    assert set(pace.changes()) == {6}
    assert set(pace.changes()) == set()


def test_buckets_that_became_one_are_forgotten_by_the_journal() -> None:
    """Else the next command would count them twice."""
    pace = Pace()
    for second in range(MOST_BUCKETS + 1):
        pace.add(second, Bucket(requests=1))
    changes = pace.changes()
    assert changes[MOST_BUCKETS - 1] is None
    kept = {place: bucket for place, bucket in changes.items() if bucket is not None}
    assert Pace(pace.width, kept).buckets == pace.buckets


@pytest.mark.parametrize("seconds", [0.0005, 0.001, 0.03, 0.25, 1.0, 29.0])
def test_a_latency_is_kept_to_a_tenth(seconds: float) -> None:
    """Below a millisecond it is our own machine."""
    median = quantile(latency_classes([seconds]), 0.5)
    assert median == pytest.approx(max(seconds, 0.001), rel=0.1)


def test_median_and_95th_percentile_come_from_the_classes() -> None:
    """90 quick answers and 10 slow ones."""
    classes = latency_classes([0.1] * 90 + [2.0] * 10)
    assert quantile(classes, 0.5) == pytest.approx(0.1, rel=0.1)
    assert quantile(classes, 0.95) == pytest.approx(2.0, rel=0.1)
    assert quantile({}, 0.5) is None
    assert quantile(latency_classes([10_000.0]), 1.0) == pytest.approx(1049, rel=0.1)
