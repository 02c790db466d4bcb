"""A fleet on a cluster of this machine: Ctrl-C, the same command again, and a worker that is killed meanwhile."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.fleets.portals import running

REPOSITORY = Path(__file__).parents[2]


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
        words = [sys.executable, "-m", "tests.fleets.driver", str(tmp_path)]
        pipe = subprocess.PIPE
        process = subprocess.Popen(words, cwd=REPOSITORY, stdout=pipe, stderr=pipe, text=True, start_new_session=True)
        begun.append(process)
        return process

    yield begin
    for process in begun:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_a_fleet_is_interrupted_and_goes_on_and_loses_a_worker(
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
        out, err = first.communicate(timeout=60)
        assert first.returncode == 130, err
        ends = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
        assert [end["exit_code"] for end in ends] == [130] * 3
        assert not pieces(0), "what was done is not brought back"
        assert len(list((tmp_path / "runs").glob("*/first.results.csv"))) == 3
        assert err == ""

        second = command()
        until(lambda: pieces(3))
        workers = [
            each
            for each in psutil.Process(second.pid).children(recursive=True)
            if "spawn_main" in " ".join(each.cmdline())
        ]
        assert len(workers) == 4
        workers[0].kill()
        out, err = second.communicate(timeout=120)
        assert second.returncode == 0, err
        print(out, err)
        print(portals.check())
