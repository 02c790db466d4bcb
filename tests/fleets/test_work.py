"""A portal's jobs on one worker, and what the next worker finds."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from loader.fleets.lease import Timing, read_work
from loader.fleets.work import Order, portal_folder, work
from loader.sandbox import Sandbox, SandboxThread

ROWS = 300

TIMING = Timing(heartbeat=0.02, fence=5.0, take_over=0.2, piece=0.05)


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A portal with its profile and one job."""
    with SandboxThread(portal={"portal_id": 1234}) as running:
        (tmp_path / "profiles.toml").write_text(
            f'[acme]\nportal-id = 1234\nbase-url = "{running.url}"\nrate = "900/1"\ntoken-env = "TOKEN_OF_ACME"\n'
        )
        monkeypatch.setenv("ASSOCIATION_LOADER_PROFILES", str(tmp_path / "profiles.toml"))
        monkeypatch.setenv("TOKEN_OF_ACME", "canary-token-of-acme")
        (tmp_path / "rows.csv").write_text(
            "Record ID,to_object_id\n" + "".join(f"{100 + row},{5000 + row}\n" for row in range(ROWS))
        )
        (tmp_path / "contacts.toml").write_text('[[input]]\npath = "rows.csv"\nfrom = "contacts"\nto = "companies"\n')
        yield running


@pytest.fixture
def order(tmp_path: Path) -> Order:
    """The order of that job."""
    return Order(
        profile="acme",
        jobs=("contacts.toml",),
        results="runs",
        folder=str(tmp_path),
        typed=("association-loader", "fleet", "run", "FLEET.toml"),
        command_id="of-this-test",
    )


def test_a_portals_jobs_are_done_and_then_skipped(sandbox: Sandbox, order: Order, tmp_path: Path) -> None:
    """The files are those of a load, beside nothing but the last heartbeat; the same again sends nothing."""
    end = work(order, timing=TIMING)
    assert (end.exit_code, end.error, end.portal_id) == (0, "", "1234")
    (state,) = end.jobs
    assert (state.rows, state.done, state.failed, state.phase, state.skipped) == (ROWS, ROWS, 0, "ended", False)
    folder = tmp_path / "runs" / "acme"
    kinds = ("results.csv", "summary.json", "report.html", "journal")
    names = {"work.00000001.json", *(f"contacts.{kind}" for kind in kinds)}
    assert {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()} == dict.fromkeys(names, 0o600)
    assert json.loads((folder / "contacts.summary.json").read_text()) == end.summaries[0]
    assert (folder / "contacts.results.csv").read_text().count(",created,") == ROWS
    latest = read_work(portal_folder(order))
    assert latest is not None
    assert latest.ended
    assert latest.state["jobs"][0]["done"] == ROWS

    requests = len(sandbox.requests)
    again = work(replace(order, command_id="again"), timing=TIMING)
    assert (again.exit_code, again.jobs[0].skipped, again.jobs[0].done) == (0, True, ROWS)
    assert len(sandbox.requests) == requests
