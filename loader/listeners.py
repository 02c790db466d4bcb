"""Where a command's events go: the screen, the JSON stream, the log file, the metrics file. And the question to the
person before something is removed.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from operator import methodcaller
from pathlib import Path
from typing import Any, TypeVar

from loader.complain import complain, give_up
from loader.errors import LoaderError, RecordError, UsageError
from loader.events import Event, Note, Notify, RemovalPlanned, UndoPlanned
from loader.options.command import Command
from loader.options.verbs import VERBS
from loader.record.outputs import OUTPUT_ENDINGS
from loader.show.metrics import MetricsFile
from loader.show.stream import JsonStream, LogFile
from loader.stopping import Stop
from loader.text import counted

T = TypeVar("T")


class Listeners:
    """The listeners that get the events of a command.

    A listener that can no longer be written to (its reader is gone, its disk is full) is dropped, and the run
    continues: what counts is in the journal. With `person`, a person reads standard error, and serious notes are shown
    even with --quiet.
    """

    def __init__(self, given: Command, *, person: bool = True) -> None:
        self._listeners: dict[Any, Any] = {}
        self._log: LogFile | None = None
        self._metrics: MetricsFile | None = None
        values = given.values
        if values.get("metrics_file"):
            self._metrics = MetricsFile(_own_path(given, "metrics_file"))
            self._listeners[self._metrics] = None
        if values.get("log_file"):
            self._log = LogFile(_own_path(given, "log_file"))
            self._listeners[self._log] = None
        if not values.get("quiet") and sys.stderr is not None:
            from loader.show.screen import Screen  # noqa: PLC0415

            self._listeners[Screen()] = sys.stderr
        elif person:
            self._listeners[_OnlySerious()] = None
        if VERBS[given.verb].streams_events and values["json"] and sys.stdout is not None:
            self._listeners[JsonStream(sys.stdout)] = sys.stdout

    def __enter__(self) -> Notify:
        return self._notify

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self._log is not None and isinstance(error, LoaderError):
            willing(self._log, Note(f"ended with exit code {error.exit_code}: {error}"), None)
        if self._metrics is not None and isinstance(error, Exception):
            willing(self._metrics.end, getattr(error, "exit_code", LoaderError.exit_code), None)
        for listener, stream in self._listeners.items():
            willing(methodcaller("close"), listener, stream)

    def _notify(self, event: Event) -> None:
        for listener, stream in list(self._listeners.items()):
            if not willing(listener, event, stream):
                del self._listeners[listener]
                willing(methodcaller("close"), listener, stream)
                for name, file in (("log", self._log), ("metrics", self._metrics)):
                    if listener is file:
                        complain(f"the {name} file cannot be written any more; the load continues without it")


class _OnlySerious:
    """The screen with --quiet: only serious notes."""

    def __call__(self, event: Event) -> None:
        if isinstance(event, Note) and event.serious:
            complain(event.message)

    def close(self) -> None:
        """Leave standard error open."""


def _own_path(given: Command, keyword: str) -> Path:
    """Return the path of a log or of metrics; raises UsageError for one that the run needs for something else."""
    path = Path(given.values[keyword])
    files = {"results", "failures", "journal", "report", "token_file", "metrics_file", "log_file"} - {keyword}
    others = [
        *given.arguments,
        *(path for group in given.job for path in group["inputs"]),
        *(given.values.get(other) for other in files),
    ]
    if path.name.endswith(OUTPUT_ENDINGS) or any(
        other and os.path.realpath(other) == os.path.realpath(path) for other in others
    ):
        raise UsageError(
            f"--{keyword.replace('_', '-')} {path} is another file of this command: give a name that no other file has"
        )
    return path


def willing(write: Callable[[T], object], what: T, stream: Any) -> bool:
    """Write, and return False if that is no longer possible."""
    try:
        write(what)
        if stream is not None:
            stream.flush()
    except (OSError, RecordError, ValueError) as error:
        if isinstance(error, ValueError) and stream is not None and not stream.closed:
            raise
        give_up(stream)
        return False
    return True


def must_be_able_to_ask(*, yes: bool) -> None:
    """Before anything is read, raise UsageError if a person must confirm and there is no terminal."""
    if not yes and (sys.stdin is None or not sys.stdin.isatty()):
        raise UsageError(
            "nothing was removed: there is no terminal to ask at; to take associations off without being asked, add "
            "--yes (and --dry-run to see what would go)"
        )


def agreement(stop: Stop, *, yes: bool) -> Callable[[UndoPlanned | RemovalPlanned], Coroutine[Any, Any, None]]:
    """Return a function that asks for the number of associations; it raises UsageError for a wrong answer."""

    async def agree(plan: UndoPlanned | RemovalPlanned) -> None:
        if yes:
            return
        number = plan.at_most if isinstance(plan, RemovalPlanned) else plan.pairs
        terminal = sys.stdin
        if terminal is None or not terminal.isatty():
            raise UsageError(
                f"nothing was removed: there is no terminal to ask at; to remove "
                f"{counted(number, 'association')} without being asked, add --yes"
            )
        sys.stderr.write(f"To continue, type the number of associations, {number} (anything else removes nothing): ")
        sys.stderr.flush()
        typed = await asyncio.to_thread(_line, terminal.fileno(), stop)
        if typed.replace(",", "") != str(number):
            raise UsageError(f"nothing was removed: {typed[:20]!r} was typed, and not {number}")

    return agree


def _line(descriptor: int, stop: Stop) -> str:
    """Return the line that is typed; a request to stop ends the wait."""
    typed = b""
    while not typed.endswith(b"\n"):
        stop.wait_to_read(descriptor)
        more = os.read(descriptor, 1000)
        if not more:
            break
        typed += more
    return typed.decode("utf-8", "replace").strip()
