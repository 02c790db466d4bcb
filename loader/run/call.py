"""The arguments and the result of a verb, called from the command line or from Python.

Each verb's module has a function `run`, which takes a `Call` and returns a `Done`. It is async where it talks to
HubSpot; a plain function ends at the first Ctrl-C.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Generic, Protocol, TypeAlias, TypeVar

from loader.errors import LoaderError
from loader.events import Event, Notify, RemovalPlanned, UndoPlanned
from loader.options.command import Command
from loader.send.gateway import Surroundings
from loader.settings import Settings
from loader.stopping import Stop

T = TypeVar("T")

Agree: TypeAlias = Callable[[UndoPlanned | RemovalPlanned], Coroutine[Any, Any, None]]
"""Asks the person at the terminal; raises UsageError when the answer is no."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A command with its checked settings and its streams. A stream that is None is closed, or there is none.

    `agree` is called before anything is taken off. `show` prints the output of a slow command at once (other commands
    return it in `Done.shown`). `around` has clocks and random numbers, None for those of this machine.
    """

    command: Command
    settings: Settings
    notify: Notify
    stop: Stop
    agree: Agree
    show: Callable[[Event], None] = lambda _: None
    standard_input: BinaryIO | None = None
    standard_output: BinaryIO | None = None
    around: Surroundings | None = None


class Report(Protocol):
    """What the reports of all verbs have."""

    @property
    def exit_code(self) -> int:
        """The exit code of the command."""

    @property
    def summary(self) -> dict[str, Any]:
        """The command in figures."""

    @property
    def stopped(self) -> LoaderError | None:
        """What ended it early."""


SomeReport = TypeVar("SomeReport", bound=Report)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done(Generic[T]):
    """How a verb ended. `result` is what a caller from Python gets; `shown` is printed (`loader.show.screen`), or
    written as JSON by a command that streams no events. `stopped` is what ended it early. `summary` is that of a
    command that has one, None where nothing began.
    """

    result: T
    exit_code: int = 0
    shown: Sequence[Event] = ()
    stopped: LoaderError | None = None
    summary: Mapping[str, object] | None = None


def reported(report: SomeReport, *shown: Event) -> Done[SomeReport]:
    """Return the end of a verb that has a report."""
    return Done(result=report, exit_code=report.exit_code, shown=shown, stopped=report.stopped, summary=report.summary)
