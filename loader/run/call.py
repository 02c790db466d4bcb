"""What a verb is run with, through whichever door it was called, and what it gives back.

Each verb's module has a function `run`, which takes a `Call` and returns a `Done`. It is async where it talks to
HubSpot; a plain function ends at the first Ctrl-C.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Generic, TypeAlias, TypeVar

from loader.errors import LoaderError
from loader.events import Event, Notify, RemovalPlanned, UndoPlanned
from loader.options.command import Command
from loader.settings import Settings
from loader.stopping import Stop

T = TypeVar("T")

Agree: TypeAlias = Callable[[UndoPlanned | RemovalPlanned], Coroutine[Any, Any, None]]
"""Asks the person at the terminal; raises UsageError when the answer is no."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A command with its checked settings, and whom it talks to. A stream that is None is closed, or there is none."""

    command: Command
    settings: Settings
    notify: Notify
    stop: Stop
    agree: Agree
    standard_input: BinaryIO | None = None
    standard_output: BinaryIO | None = None


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
