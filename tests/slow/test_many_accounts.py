"""A fleet on a scheduler with workers that were started by hand: every row is right, and no token is ever shown."""

import subprocess
import sys
from pathlib import Path

import pytest

from loader.sandbox import ServerThread
from tests.fleets.accounts import (
    ROOT,
    Pieces,
    accounts,
    canaries_in,
    check,
    cluster,
    environment,
    fleet_command,
    sandbox_of,
    write_fleet,
)


@pytest.mark.slow
def test_a_scheduler_and_workers_know_no_token(tmp_path: Path) -> None:
    """State, logs, pages, pieces and results have none, nor have they the machine that runs the command."""
    found, rows = accounts(7, rate="50/5", batch=2), 60
    spied = tmp_path / "spied"
    spied.mkdir()
    with (
        ServerThread(sandbox_of(found)) as many,
        cluster(tmp_path, found, workers=2, threads=4) as (scheduler, dashboard),
        Pieces(tmp_path / "runs") as pieces,
    ):
        write_fleet(tmp_path, many.url, found, rows=rows)
        words = fleet_command("run", "FLEET.toml", "--scheduler", scheduler, "--portals-at-once", "7")
        with subprocess.Popen(
            words, cwd=tmp_path, env=environment(tmp_path), stderr=subprocess.PIPE, text=True
        ) as command:
            while not pieces.count:
                assert command.poll() is None, command.communicate()
            spy = [sys.executable, "-m", "tests.fleets.spy", scheduler, dashboard, str(spied), "20"]
            subprocess.run(spy, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
            assert command.poll() is None, "the fleet was over before it was looked at"
            _, said = command.communicate()
        assert command.returncode == 0, said
        check(tmp_path, many, found, rows=rows)
    state = b"".join(each.read_bytes() for each in spied.iterdir())
    logs = b"".join(each.read_bytes() for each in tmp_path.glob("*.log"))
    assert b"_task-" in state
    assert b"executing" in state, "nothing was at work when it was looked at"
    assert b"Starting established connection" in logs
    assert b"account003" in pieces.kept
    assert canaries_in(state + logs + said.encode() + bytes(pieces.kept), found) == []
