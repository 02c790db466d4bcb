"""How a load ends early: refused (3), too many failures (4), for now (5); and that the same command goes on."""

import random
import time
from pathlib import Path

import pytest

from loader.sandbox.faults import Faults
from tests.cli.conftest import Run, lines, names, refused, summary


def rows(count: int) -> str:
    return "from_id,to_id\n" + "".join(f"{100 + n},{10_000 + n}\n" for n in range(count))


def test_a_bad_token_stops_and_a_good_one_resumes(hubspot: Run, load: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 3, a summary, no row failed; the same command with another token loads everything once."""
    with hubspot(portal={"tokens": ["the-good-one"]}) as sandbox:
        refused(load("a.csv", "--quiet", "--fresh", text=rows(5) + "x,1\n"), code=3)
        found = summary("a.summary.json")
        assert "--fresh" not in found["next_command"], "it would never come to an end"
        assert (found["exit_code"], found["rows"]["pending"], found["rows"]["failed"]) == (3, 5, 0)
        assert (found["rows"]["total"], found["rows"]["rejected"]) == (6, 1)
        assert sandbox.count("PUT") == 0
        monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", "the-good-one")
        assert load("a.csv").code == 1
        assert sandbox.count("PUT") == 5
    assert sorted(line["status"] for line in lines("a.results.csv")) == ["created"] * 5 + ["rejected"]
    assert not names("a.2*")


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("fault", "method", "count"),
    [("reset", "put", 1), ("503", "put", 5), ("html", "batch", 40)],
)
def test_an_outage_fails_no_row_of_a_small_load(hubspot: Run, load: Run, fault: str, method: str, count: int) -> None:
    """It waits, however few requests it makes and attempts it has; the same command later goes on where it stopped."""
    options = ("--method", method, "--max-attempts", "2")
    route = {"put": "pair", "batch": "batch/create"}[method]
    with hubspot(faults=[{"fault": fault, "route": route, "applied": False}]) as sandbox:
        assert load("a.csv", *options, "--max-duration", "0.6s", text=rows(count)).code == 5
        found = summary("a.summary.json")["rows"]
        assert (found["failed"], found["pending"]) == (0, count)
        sandbox._faults = Faults([], random.Random(0))
        assert load("a.csv", *options).code == 0
        assert len(sandbox.portal.pairs()) == count


@pytest.mark.slow
def test_failures_in_a_row_with_a_success_between_do_not_stop_the_run(hubspot: Run, load: Run) -> None:
    """They are wrong rows then, not a wrong command."""
    faults = [{"fault": "400", "method": "PUT", "range": [first, first + 148]} for first in (1, 151)]
    with hubspot(faults=faults):
        assert load("a.csv", "--concurrency", "1", text=rows(310)).code == 1
    assert summary("a.summary.json")["rows"]["failed"] == 298


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(("budget", "stops"), [("4", True), ("5", False), ("0", True), ("4%", True), ("6%", False)])
def test_max_failures_is_a_number_or_a_share(budget: str, stops: bool, hubspot: Run, load: Run) -> None:
    """More than N failed rows, or more than P % after 100 rows with a result; rejected rows do not count."""
    Path("a.csv").write_text(rows(115).replace("\n105,", "\nx,").replace("\n106,", "\nx,"))
    faults = [{"fault": "404", "pair": [str(100 + n), str(10_000 + n)]} for n in (101, 103, 105, 107, 109)]
    with hubspot(faults=faults):
        done = load("a.csv", "--max-failures", budget, "--concurrency", "1")
    assert done.code == (4 if stops else 1)
    assert summary("a.summary.json")["rows"]["rejected"] == 2


def test_max_duration_stops_and_the_same_command_resumes(hubspot: Run, load: Run) -> None:
    """Exit 5 and pending rows; again and again until everything is there once."""
    with hubspot(faults=[{"fault": "503", "method": "PUT", "range": [11, None]}]) as sandbox:
        done = load("a.csv", "--max-duration", "2s", "--concurrency", "2", "--quiet", text=rows(30))
        assert done.code == 5
        assert "--max-duration" in done.err
        found = summary("a.summary.json")
        assert found["rows"]["pending"] == 20
        assert found["next_command"].startswith("association-loader load a.csv --max-duration 2s --concurrency 2")
        sandbox._faults = Faults([], random.Random(0))
        assert load("a.csv").code == 0
        assert sandbox.count("PUT", status=201) == 30
    assert len({line["row"] for line in lines("a.results.csv")}) == len(lines("a.results.csv")) == 30


def test_max_duration_also_ends_what_comes_before_the_first_row(hubspot: Run, load: Run) -> None:
    """A portal that takes its time over the first question: exit 5 in time, every row pending, and it goes on."""
    Path("a.csv").write_text(rows(5))
    with hubspot(faults=[{"fault": "stall", "method": "GET", "times": 1}]) as sandbox:
        began = time.monotonic()
        assert load("a.csv", "--max-duration", "0.3s", "--quiet").code == 5
        assert time.monotonic() - began < 4
        assert summary("a.summary.json")["rows"]["pending"] == 5
        assert sandbox.count("PUT") == 0
        assert load("a.csv", "--quiet").code == 0


def test_max_duration_does_not_end_a_dry_run(hubspot: Run, load: Run) -> None:
    """No later one would continue it: its time is that of the load."""
    with hubspot(latency="60ms") as sandbox:
        done = load("a.csv", "--dry-run", "--max-duration", "0.05s", text=rows(5))
        assert sandbox.count("PUT") == 0
    assert (done.code, "5 pairs to send" in done.out) == (0, True)


@pytest.mark.parametrize("reserve", ["30", "60%"])
def test_the_daily_reserve_is_left_for_others(reserve: str, hubspot: Run, load: Run) -> None:
    """Exit 5 once no more than the reserve is left: a number, or a share of the day's quota."""
    with hubspot(daily=50) as sandbox:
        done = load("a.csv", "--daily-reserve", reserve, "--concurrency", "1", "--quiet", text=rows(40))
        assert done.code == 5
        assert "--daily-reserve" in done.err
        assert sandbox.count() == 20
    assert summary("a.summary.json")["rows"]["failed"] == 0


def test_a_quota_that_is_spent_when_a_run_is_resumed_resets_when_the_account_says(hubspot: Run, load: Run) -> None:
    """Nothing is answered any more then, the time zone of the account neither; the journal knows it."""
    Path("a.csv").write_text(rows(40))
    with hubspot(daily=30, portal={"time_zone": "Asia/Tokyo"}):
        ends = [load("a.csv", "--quiet") for _ in range(2)]
    assert [done.code for done in ends] == [5, 5]
    assert ends[1].err.count("00:00 Asia/Tokyo") == 1


def test_rows_stay_pending_when_labels_cannot_be_read(hubspot: Run, load: Run) -> None:
    """A portal that only answers 500 at the start: exit 5, a summary, and the same command goes on."""
    portal = {"labels": [{"from": "contacts", "to": "companies", "label": "Boss", "name": "boss"}]}
    faults = [{"fault": "500", "route": "labels", "times": 2}]
    with hubspot(portal=portal, faults=faults):
        assert load("a.csv", "--label", "Boss", "--max-attempts", "1", text=rows(3)).code == 5
        assert summary("a.summary.json")["rows"]["pending"] == 3
        while (code := load("a.csv", "--label", "Boss", "--max-attempts", "1").code) == 5:
            pass
    assert code == 0
