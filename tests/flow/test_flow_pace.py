"""A run's series of figures over time says the same as its summary, however often it was interrupted."""

from pathlib import Path

import pytest

from loader.journal import Journal
from loader.sandbox import Sandbox
from loader.settings import Rate
from loader.show.pace import Bucket, Pace
from tests.flow.conftest import Load


def total_of(folder: Path) -> Bucket:
    """Add up the series of the run in the folder."""
    total = Bucket()
    with Journal(folder / "r.journal", read_only=True) as journal:
        for bucket in Pace(journal.facts.pace_width, journal.facts.pace).buckets.values():
            total.add(bucket)
    return total


@pytest.mark.slow
async def test_the_series_adds_up_to_the_summary(folder: Path, load_into: Load) -> None:
    """Requests, retries, 429s, faults and rows; every answer has a latency."""
    (folder / "a.csv").write_text("from_id,to_id\n" + "".join(f"{n},7\n" for n in range(1, 301)) + "x,7\n")
    async with Sandbox(
        {"missing": [{"type": "contacts", "id": 5}]}, faults="429:0.05,500:0.05,reset:0.02", seed=7
    ) as sandbox:
        report = await load_into(sandbox, "a.csv")
    total, requests, rows = total_of(folder), report.summary["requests"], report.summary["rows"]
    assert (total.requests, total.retried) == (requests["sent"], requests["retried"])
    assert total.rate_limited == requests["rate_limited"] > 0
    assert (total.done, total.failed) == (rows["created"], rows["failed"])
    by_status = requests["by_status"]
    lost = requests["sent"] - sum(by_status.values())
    assert total.faults == by_status["500"] + lost
    assert lost > 0
    assert total.latencies.total() == sum(by_status.values())
    assert total.allowed == 10_000


@pytest.mark.slow
async def test_the_series_goes_on_where_an_earlier_command_stopped(folder: Path, load_into: Load) -> None:
    """The nights between are not in it, and nothing is in it twice."""
    (folder / "a.csv").write_text("from_id,to_id\n" + "".join(f"{n},7\n" for n in range(1, 61)))
    async with Sandbox(latency="20ms") as sandbox:
        first = await load_into(sandbox, "a.csv", send={"rate": Rate(20, 1), "max_duration": 1.0})
        assert first.exit_code == 5
        report = await load_into(sandbox, "a.csv")
    assert report.summary["requests"]["sent"] > first.summary["requests"]["sent"]
    total = total_of(folder)
    assert total.requests == report.summary["requests"]["sent"]
    assert total.done == report.summary["rows"]["created"] == 60
