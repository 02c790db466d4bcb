"""A fleet on a cluster of this machine: Ctrl-C, the same command again, and a worker that is killed meanwhile."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.fleets.accounts import environment, fleet_command
from tests.fleets.portals import running


def until(is_so: Callable[[], Any]) -> Any:
    """Wait for what other processes are about to do, and return it."""
    for _ in range(600):
        if found := is_so():
            return found
        time.sleep(0.1)
    raise AssertionError("it did not come to that")


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Callable[[], "subprocess.Popen[str]"]]:
    """Start the command, in a group of processes of its own, as a terminal does."""
    begun: list[subprocess.Popen[str]] = []

    def begin() -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            fleet_command("run", "FLEET.toml", "--quiet", "--portals-at-once", "12"),
            cwd=tmp_path,
            env=environment(tmp_path),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        begun.append(process)
        return process

    yield begin
    for process in begun:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_a_fleet_survives_ctrl_c_and_a_lost_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Callable[[], "subprocess.Popen[str]"]
) -> None:
    """Ctrl-C ends every portal in order, the same command goes on, and what a killed worker did is done by another."""
    with running(tmp_path, monkeypatch, count=3, rows=100, rate="100/5") as portals:

        def pieces(at_least: int) -> list[Path]:
            found = list((tmp_path / "runs").glob("*/*.piece"))
            return found if len({file.parent for file in found}) >= at_least else []

        first = command()
        until(lambda: pieces(3))
        os.killpg(first.pid, signal.SIGINT)
        _, err = first.communicate(timeout=60)
        assert first.returncode == 130, err
        summary = json.loads((tmp_path / "runs" / "fleet.summary.json").read_text())
        assert [portal["exit_code"] for portal in summary["portals"]] == [130] * 3
        assert not pieces(0), "what was done is not brought back"
        assert len(list((tmp_path / "runs").glob("*/first.results.csv"))) == 3
        assert err == "association-loader: interrupted; the same command continues where this one stopped\n"

        second = command()
        until(lambda: pieces(3))
        workers = [
            each
            for each in psutil.Process(second.pid).children(recursive=True)
            if "spawn_main" in " ".join(each.cmdline())
        ]
        assert len(workers) == 4
        workers[0].kill()
        _, err = second.communicate(timeout=120)
        assert second.returncode == 0, err
        print(portals.check())
