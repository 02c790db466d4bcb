"""The command as a process of its own, begun in a hundredth of a second: a warm process that has imported it forks."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from loader.cli import main

Harm = Callable[[], object]
"""What is done to the process before the command begins: a function of a module that can be imported."""

_FORKS = multiprocessing.get_context("forkserver")


class Command:
    """A command that can be signalled and killed. What it says lies in two files in a folder."""

    def __init__(
        self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], said: Path, harm: Harm | None
    ) -> None:
        said.mkdir()
        self._said = said
        _FORKS.set_forkserver_preload(["loader.terminal", "loader.run.load", "loader.show.screen", __name__])
        self._process: ForkServerProcess = _FORKS.Process(
            target=_run, args=(list(arguments), str(folder), dict(environment), str(said), harm)
        )
        self._process.start()

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process.pid is not None
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, as kill -9 or a power cut does, and wait until it is gone."""
        self._process.kill()
        self._process.join()

    def ended(self, seconds: float) -> bool:
        """Wait some seconds at most, and return True if the process has ended."""
        self._process.join(seconds)
        return self._process.exitcode is not None

    def wait(self, seconds: float = 60) -> int:
        """Wait for the end and return the exit code, minus the number of the signal that killed it; a hang fails."""
        if not self.ended(seconds):
            self.kill()
            raise AssertionError(f"the command has not ended within {seconds:g} s: {self.said()}")
        assert self._process.exitcode is not None
        return self._process.exitcode

    def said(self) -> tuple[str, str]:
        """Return what stands on standard output and standard error so far."""
        return (self._said / "out").read_text("utf-8"), (self._said / "err").read_text("utf-8")


def _run(arguments: list[str], folder: str, environment: dict[str, str], said: str, harm: Harm | None) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for descriptor, path in ((0, os.devnull), (1, f"{said}/out"), (2, f"{said}/err")):
        opened = os.open(path, os.O_RDONLY if descriptor == 0 else os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    sys.stdin = open(0, closefd=False, encoding="utf-8")  # noqa: SIM115 - it lives as long as the process
    if harm is not None:
        harm()
    main(arguments)
