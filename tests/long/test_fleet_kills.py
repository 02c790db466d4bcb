"""A fleet whose workers are killed and stopped, and its scheduler, too: every row and pair is as if nothing was."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.fleets.accounts import environment
from tests.fleets.portals import running
from tests.slow.command import seed

KILLS, STOPS, SCHEDULERS = map(int, os.environ.get("FLEET_EVENTS", "30 5 3").split())
STOP_SECONDS = 45.0
WORKERS = 4


class Machines:
    """A Dask scheduler, its workers, and the command, each a process that may be killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workers: list[subprocess.Popen[bytes]] = []
        self.stopped: dict[subprocess.Popen[bytes], float] = {}
        self.all: list[subprocess.Popen[bytes]] = []
        self.begin()

    def begin(self) -> None:
        """Start a scheduler, new workers, and the same command."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        port = self.address.rpartition(":")[2]
        self.scheduler = self._start(
            "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard", "--no-show"
        )
        self.workers = []
        for _ in range(WORKERS):
            self.add_worker()
        words = ("fleet", "run", "FLEET.toml", "--json", "--portals-at-once", "12", "--scheduler", self.address)
        self.command = self._start("loader", *words)
        log = self.folder / f"{len(self.all) - 1:03}-loader.log"
        while '"event": "portal"' not in log.read_text():  # It says so when it has found the scheduler.
            assert self.command.poll() is None
            time.sleep(0.2)

    def add_worker(self) -> None:
        """Start a worker without a nanny: killed, it is like a machine that is gone."""
        words = ("distributed.cli.dask_worker", self.address, "--host", "127.0.0.1", "--no-nanny", "--no-dashboard")
        self.workers.append(self._start(*words, "--nthreads", "3", "--death-timeout", "60"))

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        name = f"{len(self.all):03}-{words[0].rpartition('.')[2]}.log"
        with (self.folder / name).open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *words], cwd=self.folder, env=environment(self.folder), stdout=log, stderr=log
            )
        self.all.append(process)
        return process

    def kill_worker(self, chance: random.Random) -> None:
        """Kill one, and start another in its place."""
        victim = chance.choice([each for each in self.workers if each not in self.stopped])
        victim.kill()
        victim.wait()
        self.workers.remove(victim)
        self.add_worker()

    def stop_worker(self, chance: random.Random) -> None:
        """Stop one for a while."""
        victim = chance.choice([each for each in self.workers if each not in self.stopped])
        victim.send_signal(signal.SIGSTOP)
        self.stopped[victim] = time.monotonic() + STOP_SECONDS

    def kill_scheduler(self) -> int:
        """Kill the scheduler, wait for the command's end, whose code is returned, and begin again."""
        self.scheduler.kill()
        code = self.command.wait(120)
        self.begin()
        return code

    def wake(self) -> None:
        """Continue those that were stopped for long enough; start another worker for each that has ended."""
        for process, until in list(self.stopped.items()):
            if time.monotonic() > until:
                process.send_signal(signal.SIGCONT)
                del self.stopped[process]
        for process in [each for each in self.workers if each.poll() is not None]:
            self.workers.remove(process)
            self.add_worker()

    def end(self) -> None:
        """End every process."""
        for process in self.all:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[list[Machines]]:
    """Take what is to be ended."""
    held: list[Machines] = []
    yield held
    for each in held:
        each.end()


def test_a_fleet_survives_kills_and_stops_of_its_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machines: list[Machines]
) -> None:
    """30 kills of workers, 5 stops of 45 s and 3 kills of the scheduler, over twelve portals."""
    chance = random.Random(seed())
    # A scheduler is killed while a worker is stopped: that one wakes when another has its portals.
    events = ["worker"] * (KILLS - SCHEDULERS) + ["stop"] * (STOPS - SCHEDULERS) + ["scheduler"] * SCHEDULERS
    chance.shuffle(events)
    rows = int(os.environ.get("FLEET_ROWS", "1500"))
    with running(tmp_path, monkeypatch, count=12, rows=rows, rate="100/10") as portals:
        held = Machines(tmp_path)
        machines.append(held)
        began = time.monotonic()
        time.sleep(20)
        for event in events:
            if event == "worker":
                held.kill_worker(chance)
            elif event == "stop":
                held.stop_worker(chance)
            else:
                held.stop_worker(chance)
                time.sleep(chance.uniform(1, 15))
                held.kill_worker(chance)
                assert held.kill_scheduler() == 5
            until = time.monotonic() + chance.expovariate(1 / 8)
            while time.monotonic() < until:
                held.wake()
                time.sleep(0.2)
            assert held.command.poll() is None, "it ended before all was done to it"
        print(f"all done to it after {time.monotonic() - began:.0f} s")
        while held.command.poll() is None:
            held.wake()
            time.sleep(0.2)
        assert held.command.returncode == 0
        print(f"ended after {time.monotonic() - began:.0f} s")
        held.end()
        print(dict(portals.check()))
