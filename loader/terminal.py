"""Runs a verb for a terminal or a scheduler: signals stop it, and it ends with an exit code."""

import asyncio
import ctypes
import os
import resource
import signal
import sys
import threading
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from importlib import import_module
from types import FrameType
from typing import Any, BinaryIO, TextIO, TypeVar, cast

from loader import event_loop
from loader.complain import complain
from loader.configure import settings_from
from loader.errors import Interrupted, UsageError
from loader.events import Event, Notify
from loader.listeners import Listeners, agreement, must_be_able_to_ask, willing
from loader.options.command import Command
from loader.options.verbs import VERBS
from loader.run.call import Call
from loader.run.on_end import then_on_end
from loader.show.stream import JsonStream
from loader.stopping import Stop

T = TypeVar("T")

_PR_SET_DUMPABLE = 4

ENDS_WITH_US = "memory://"
"""Copies to this place are of use to a program that calls the loader; those of a command end with it."""

SECONDS_TO_END = 0.8
"""Seconds that a run has after a second signal, before the process ends; the journal is always complete."""


def run(given: Command) -> int:
    """Run a verb as the command line asks and return the exit code."""
    say = (complain,) if not given.values.get("quiet") else ()
    settings = settings_from(given, os.environ, *say)  # A usage error need not wait for the verb to be imported.
    verb = import_module(VERBS[given.verb].module).run
    stop, values = Stop(), given.values
    if (place := values.get("copy_to") or "").lower().startswith(ENDS_WITH_US):
        raise UsageError(f"--copy-to {place} is the memory of this command, and ends with it: give another place")
    if settings.removes and "yes" in values and not values["dry_run"]:
        must_be_able_to_ask(yes=values["yes"])
    with Listeners(given) as notify:
        call = Call(
            command=given,
            settings=settings,
            notify=notify,
            stop=stop,
            agree=agreement(stop, yes=values.get("yes", True)),
            show=lambda event: _print_now(given, notify, event),
            standard_input=cast("BinaryIO", _StandardInput(sys.stdin, stop)) if sys.stdin is not None else None,
            standard_output=getattr(sys.stdout, "buffer", None),
        )
        done = verb(call)
        if asyncio.iscoroutine(done):
            done = _finished(then_on_end(call, done), stop)
        if done.stopped is not None and values.get("quiet"):
            complain(str(done.stopped))
        _print(given, done.shown)
    return int(done.exit_code)


def _print_now(given: Command, notify: Notify, event: Event) -> None:
    notify(event)  # The screen ends its progress first.
    _print(given, [event])


def _print(given: Command, shown: Sequence[Event]) -> None:
    """Print what a command has to show, unless standard output is closed; with --json, the listeners did it."""
    if sys.stdout is None or not shown:
        return
    if not given.values.get("json"):
        from loader.show.screen import show  # noqa: PLC0415 - imports rich

        willing(show, shown, sys.stdout)
    elif not VERBS[given.verb].streams_events:
        for event in shown:
            willing(JsonStream(sys.stdout), event, sys.stdout)


def _leave_no_core() -> None:
    """Prevent core dumps of this process, which will hold a token, as far as the system can."""
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # The size limit does not hold for a core that is piped to a program. After this only root can read the memory.
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


class _StandardInput:
    """Standard input; a read that waits for bytes ends when the run is to stop."""

    def __init__(self, stream: TextIO, stop: Stop) -> None:
        self._stream = stream
        self._stop = stop

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, none at the end."""
        descriptor = self._stream.fileno()
        self._stop.wait_to_read(descriptor)
        return os.read(descriptor, size)


def _finished(verb: Coroutine[Any, Any, T], stop: Stop) -> T:
    _leave_no_core()
    numbers: list[signal.Signals] = []
    if threading.current_thread() is threading.main_thread():
        under_nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        numbers = [signal.SIGINT, signal.SIGTERM, *([] if under_nohup else [signal.SIGHUP])]
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        return event_loop.run(_with_signals(verb, stop, numbers))
    finally:
        # Only after the loop has ended: Python's own handling of a second Ctrl-C would leave its threads behind.
        for number, action in before.items():
            signal.signal(number, action)


async def _with_signals(verb: Coroutine[Any, Any, T], stop: Stop, numbers: Sequence[signal.Signals]) -> T:
    """Await a verb; a signal asks it to stop, also while the event loop is held up by a long statement."""
    loop = asyncio.get_running_loop()

    def heard(number: int, frame: FrameType | None) -> None:
        del frame
        if stop.asked():
            # It ends in less than a second, whatever it is doing. No outcome in the journal can be lost by that.
            timer = threading.Timer(SECONDS_TO_END, os._exit, [128 + number])
            timer.daemon = True
            timer.start()
        with suppress(RuntimeError):  # The loop has ended, and with it the verb.
            loop.call_soon_threadsafe(stop.request, Interrupted(number))

    for number in numbers:
        signal.signal(number, heard)
    return await verb
