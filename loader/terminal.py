"""Runs a verb for a terminal or a scheduler: signals stop it, and it ends with an exit code."""

import asyncio
import ctypes
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from operator import methodcaller
from types import FrameType
from typing import Any, BinaryIO, TextIO, TypeVar, cast

from loader import event_loop
from loader.complain import complain
from loader.configure import settings_from
from loader.errors import Interrupted, LoaderError
from loader.events import Event, Note, Notify, Undone, Verified
from loader.listeners import Listeners, agreement, must_be_able_to_ask, willing
from loader.options.command import Command
from loader.show.stream import JsonStream
from loader.stopping import Stop

T = TypeVar("T")

_PR_SET_DUMPABLE = 4

SECONDS_TO_END = 0.8
"""Seconds that a run still gets after a second signal; the journal is complete at any moment."""


def load(given: Command) -> int:
    """Run `load` as the command line asks and return the exit code."""
    settings = settings_from(given, os.environ)
    from loader.run.load import load as verb  # noqa: PLC0415 - a usage error need not wait for it

    stop = Stop()
    with Listeners(given) as notify:
        report = _run(verb(settings, notify=notify, stop=stop, standard_input=_StandardInput.of(stop)), stop)
        _say_why(given, report.stopped)
    return report.exit_code


def remove(given: Command) -> int:
    """Run `remove` as the command line asks and return the exit code."""
    settings = settings_from(given, os.environ)
    from loader.run.load import load as verb  # noqa: PLC0415

    must_be_able_to_ask(yes=given.values["yes"])
    stop = Stop()
    agree = agreement(stop, yes=given.values["yes"])
    with Listeners(given) as notify:
        standard_input = _StandardInput.of(stop)
        report = _run(verb(settings, notify=notify, stop=stop, standard_input=standard_input, agree=agree), stop)
        _say_why(given, report.stopped)
    return report.exit_code


def plan(given: Command) -> int:
    """Run `plan` as the command line asks and return the exit code: 1 when there are rejects."""
    settings = settings_from(given, os.environ)
    from loader.run.plan import plan as verb  # noqa: PLC0415
    from loader.show.screen import show_plan  # noqa: PLC0415

    stop = Stop()
    with Listeners(given) as notify:
        read, failures = _StandardInput.of(stop), given.verb == "plan" and settings.failures is not None
        planned = _run(verb(settings, notify=notify, stop=stop, standard_input=read, failures=failures), stop)
        if given.values["json"]:
            notify(planned)
        else:
            _print(show_plan, planned)
    return int(planned.rejected > 0)


def verify(given: Command) -> int:
    """Run `verify` as the command line asks and return the exit code: 1 when anything is not as it should be."""
    settings = settings_from(given, os.environ)
    from loader.run.verify import verify as verb  # noqa: PLC0415
    from loader.show.screen import show_verified  # noqa: PLC0415

    stop = Stop()
    with Listeners(given) as notify:
        report = _run(verb(settings, notify=notify, stop=stop, standard_input=_StandardInput.of(stop)), stop)
        _say_why(given, report.stopped)
        if not given.values["json"]:
            _print(show_verified, Verified(report.summary, str(report.path)))
    return report.exit_code


def undo(given: Command) -> int:
    """Run `undo` as the command line asks and return the exit code: 1 when something of the run is left."""
    settings = settings_from(given, os.environ)
    from loader.run.undo import undo as verb  # noqa: PLC0415
    from loader.show.screen import show_undone  # noqa: PLC0415

    stop = Stop()
    with Listeners(given) as notify:
        report = _run(verb(settings, notify=notify, stop=stop, agree=agreement(stop, yes=given.values["yes"])), stop)
        _say_why(given, report.stopped)
        if not given.values["json"]:
            _print(show_undone, Undone(report.summary, str(report.path)))
    return report.exit_code


def labels(given: Command) -> int:
    """Run `labels` as the command line asks and return the exit code."""
    from loader.run.labels import labels as verb  # noqa: PLC0415
    from loader.show.screen import show_labels  # noqa: PLC0415

    settings = settings_from(given, os.environ)
    stop = Stop()
    with _waiting_shown() as notify:
        listed = _run(verb(settings, *given.arguments, notify=notify, stop=stop), stop)
    _print(JsonStream(sys.stdout) if given.values["json"] else show_labels, listed)
    return 0


def create_label(given: Command) -> int:
    """Run `create-label` as the command line asks and return the exit code."""
    from loader.run.create_label import create_label as verb  # noqa: PLC0415
    from loader.show.screen import show_created_label  # noqa: PLC0415

    settings = settings_from(given, os.environ)
    stop = Stop()
    with Listeners(given) as notify:
        made = _run(verb(settings, *given.arguments, notify=notify, stop=stop), stop)
        if given.values["json"]:
            notify(made)
        else:
            _print(show_created_label, made)
    return 0


def export(given: Command) -> int:
    """Run `export` as the command line asks and return the exit code: 1 when a record could not be read."""
    settings = settings_from(given, os.environ)
    from loader.run.export import export as verb  # noqa: PLC0415

    stop = Stop()
    first, second = given.arguments
    with Listeners(given) as notify:
        work = verb(
            settings,
            first,
            second,
            notify=notify,
            stop=stop,
            standard_input=_StandardInput.of(stop),
            standard_output=getattr(sys.stdout, "buffer", None),
        )
        report = _run(work, stop)
        _say_why(given, report.stopped)
    return report.exit_code


def explain(given: Command) -> int:
    """Run `explain` as the command line asks and return the exit code."""
    from loader.run.explain import explained  # noqa: PLC0415
    from loader.show.screen import show_explained  # noqa: PLC0415

    found = explained(*given.arguments)
    _print(JsonStream(sys.stdout) if given.values["json"] else show_explained, found)
    return 0


def report(given: Command) -> int:
    """Run `report` as the command line asks and return the exit code."""
    from loader.run.report_page import report as verb  # noqa: PLC0415
    from loader.show.screen import Screen  # noqa: PLC0415

    path = verb(*given.arguments, output=given.values["output"])
    if sys.stderr is not None:
        willing(Screen(), Note(f"Report: {path}"), sys.stderr)
    return 0


def status(given: Command) -> int:
    """Run `status` as the command line asks and return the exit code."""
    from loader.run.status import status as verb  # noqa: PLC0415
    from loader.show.screen import show_status  # noqa: PLC0415

    found = verb(*given.arguments)
    if given.values["json"]:
        for each in found:
            _print(JsonStream(sys.stdout), each)
    else:
        _print(show_status, found)
    return 0


@contextmanager
def _waiting_shown() -> Iterator[Notify]:
    """Show on standard error what a command that only shows something waits for."""
    from loader.show.screen import Screen  # noqa: PLC0415

    if sys.stderr is None:
        yield lambda _: None
        return
    screen = Screen()

    def notify(event: Event) -> None:
        willing(screen, event, sys.stderr)

    try:
        yield notify
    finally:
        willing(methodcaller("close"), screen, sys.stderr)


def _print(show: Callable[[T], object], what: T) -> None:
    """Show something on standard output, unless that is closed."""
    if sys.stdout is not None:
        willing(show, what, sys.stdout)


def _say_why(given: Command, stopped: LoaderError | None) -> None:
    """Say why a run stopped where --quiet keeps the screen from saying it."""
    if stopped is not None and given.values["quiet"]:
        complain(str(stopped))


def _leave_no_core() -> None:
    """Prevent core dumps of this process, which will hold a token, as far as the system can."""
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # A core that is piped to a program obeys no limit; and only root may look into the memory now.
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


class _StandardInput:
    """Standard input that stops waiting for bytes when the run is asked to stop."""

    def __init__(self, stream: TextIO, stop: Stop) -> None:
        self._stream = stream
        self._stop = stop

    @classmethod
    def of(cls, stop: Stop) -> BinaryIO | None:
        """Return the process's standard input, or None where it is closed."""
        return cast("BinaryIO", cls(sys.stdin, stop)) if sys.stdin is not None else None

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, none at the end."""
        descriptor = self._stream.fileno()
        self._stop.wait_to_read(descriptor)
        return os.read(descriptor, size)


def _run(verb: Coroutine[Any, Any, T], stop: Stop) -> T:
    _leave_no_core()
    try:
        with event_loop.rarely_collecting():
            return event_loop.run(_with_signals(verb, stop))
    except BaseExceptionGroup as group:
        errors = [error for error in group.exceptions if isinstance(error, LoaderError)]
        if len(errors) == len(group.exceptions):
            raise errors[0] from None
        raise


async def _with_signals(verb: Coroutine[Any, Any, T], stop: Stop) -> T:
    """Await a verb; a signal asks it to stop, also while the event loop is held up by a long statement."""
    loop = asyncio.get_running_loop()

    def heard(number: int, frame: FrameType | None) -> None:
        del frame
        if stop.asked():
            # Whatever the process does, it ends in less than a second: no journaled outcome can be lost.
            timer = threading.Timer(SECONDS_TO_END, os._exit, [128 + number])
            timer.daemon = True
            timer.start()
        loop.call_soon_threadsafe(stop.request, Interrupted(number))

    numbers = [signal.SIGINT, signal.SIGTERM] if threading.current_thread() is threading.main_thread() else []
    if numbers and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)  # Under nohup it stays ignored.
    before = {number: signal.signal(number, heard) for number in numbers}
    try:
        return await verb
    finally:
        for number, action in before.items():
            signal.signal(number, action)
