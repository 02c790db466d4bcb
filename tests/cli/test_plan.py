"""`plan`, which is `load --dry-run`: it reads and checks everything, sends nothing, leaves nothing."""

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loader.sandbox import Sandbox

Run = Callable[..., Any]
Contents = Callable[[], dict[str, str]]

TYPES = ("--from", "contacts", "--to", "companies")
MIXED = "from_id,to_id\n101,201\n102,202;203\n101,201\nx,204\n"


@pytest.fixture(params=["plan", "load --dry-run"])
def plan(request: pytest.FixtureRequest, run: Run) -> Run:
    """Both ways to say it."""
    first, *rest = request.param.split()
    return lambda *arguments: run(first, *arguments, *rest)


def test_the_plan_is_on_standard_output_and_nothing_is_written_or_sent(
    plan: Run, sandbox: Sandbox, folder: Path, contents: Contents
) -> None:
    """Rows, pairs, duplicates and rejects by reason; exit 1 because of the reject; no file, no write."""
    (folder / "a.csv").write_text(MIXED)
    before = contents()
    done = plan("a.csv", *TYPES)
    assert done.code == 1
    assert "5 rows, 3 pairs to send, 1 rows share a pair with another, 1 rejected" in " ".join(done.out.split())
    assert "INVALID_RECORD_ID" in done.out
    assert "3 requests take 0:00 at 100 per 10 s" in done.out
    assert contents() == before
    assert {request.method for request in sandbox.requests} <= {"GET"}


def test_a_plan_without_rejects_is_exit_0(plan: Run, sandbox: Sandbox, folder: Path) -> None:
    """Nothing is wrong."""
    (folder / "a.csv").write_text("from_id,to_id\n1,2\n")
    assert plan("a.csv", *TYPES).code == 0


def test_without_a_token_no_socket_is_opened_and_what_is_unchecked_is_listed(
    plan: Run, sandbox: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels are the portal's own; HubSpot's standard types are known."""
    monkeypatch.delenv("HUBSPOT_ACCESS_TOKEN")
    opened: list[object] = []
    monkeypatch.setattr(socket.socket, "connect", lambda *given: opened.append(given))
    (folder / "a.csv").write_text("from_id,to_id\n1,2\n")
    assert plan("a.csv", *TYPES).code == 0
    done = plan("a.csv", *TYPES, "--type-id", "4711")
    assert "contacts to companies" in done.out
    assert "Not checked" in done.out
    assert opened == []
    assert sandbox.count() == 0


def test_a_plan_as_json_is_one_object_a_line(plan: Run, sandbox: Sandbox, folder: Path) -> None:
    """The last one is the plan."""
    (folder / "a.csv").write_text(MIXED)
    done = plan("a.csv", *TYPES, "--json", "--quiet")
    told = json.loads(done.out.splitlines()[-1])
    assert (told["event"], told["rows"], told["pairs"], told["rejected"]) == ("planned", 5, 3, 1)
    assert told["reasons"] == {"INVALID_RECORD_ID": 1}
    assert done.err == ""


def test_a_plan_with_a_bad_token_is_refused(plan: Run, hubspot: Run, folder: Path, contents: Contents) -> None:
    """Exit 3 and one sentence; the wrong portal likewise."""
    (folder / "a.csv").write_text(MIXED)
    before = contents()
    with hubspot(portal={"tokens": ["good"]}):
        done = plan("a.csv", *TYPES, "--quiet")
        assert (done.code, done.err.count("\n")) == (3, 1)
    with hubspot():
        done = plan("a.csv", *TYPES, "--portal-id", "1", "--quiet")
        assert (done.code, done.err.count("\n")) == (3, 1)
    assert contents() == before


def test_a_plan_leaves_a_run_that_is_there_alone(
    plan: Run, load: Run, sandbox: Sandbox, folder: Path, contents: Contents
) -> None:
    """Unfinished or not, of this input or another."""
    (folder / "a.csv").write_text(MIXED)
    load("a.csv", "--limit", "1")
    before, sent = contents(), sandbox.count("PUT")
    plan("a.csv", *TYPES)
    assert contents() == before
    assert sandbox.count("PUT") == sent


def test_the_plan_says_requests_time_and_share_of_the_daily_quota(plan: Run, hubspot: Run, folder: Path) -> None:
    """At the portal's own rate, or at the one that was named."""
    (folder / "a.csv").write_text("from_id,to_id\n" + "".join(f"{n},2\n" for n in range(1, 1141)))
    with hubspot(rate="190/10", daily=2_280):
        assert "1,140 requests take 1:00 at 190 per 10 s, and 50.0% of the day's quota of 2,280." in " ".join(
            plan("a.csv", *TYPES).out.split()
        )
        told = json.loads(plan("a.csv", *TYPES, "--rate", "10/1", "--json").out.splitlines()[-1])
    assert (told["requests"], told["seconds"], told["daily_quota"]) == (1140, 114.0, 2280)
