"""A verb run for a terminal or a scheduler: signals in, words and exit code out."""

import asyncio
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from loader.configure import settings_from
from loader.errors import Interrupted, LoaderError
from loader.events import Event, Tell
from loader.record.stream import JsonStream, LogFile
from loader.settings import Settings
from loader.stopping import Stop

T = TypeVar("T")

BUG = 70


def load(given: Mapping[str, Any], command: Sequence[str]) -> int:
    """Run `load` as the command line asks and return the exit code."""
    from loader.verbs.load import load as verb  # noqa: PLC0415 - half a second that a usage error need not wait for

    settings = settings_from(given, os.environ, command)
    with _Listeners(given) as tell:
        report = _run(verb(settings, tell=tell, stop=(stop := Stop()), standard_input=sys.stdin.buffer), stop, settings)
    return report.exit_code


def plan(given: Mapping[str, Any], command: Sequence[str]) -> int:
    """Run `plan` as the command line asks and return the exit code: 1 when there are rejects."""
    from loader.record.screen import show_plan  # noqa: PLC0415
    from loader.verbs.plan import plan as verb  # noqa: PLC0415

    settings = settings_from(given, os.environ, command)
    with _Listeners(given) as tell:
        planned = _run(
            verb(settings, tell=tell, stop=(stop := Stop()), standard_input=sys.stdin.buffer), stop, settings
        )
        if given["json_"]:
            tell(planned)
        else:
            show_plan(planned)
    return int(planned.rejected > 0)


class _Listeners:
    """Whoever hears of events: the screen, the JSON stream, the log file."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._tells: list[Tell] = []
        self._closes: list[Any] = []
        if not given["quiet"]:
            from loader.record.screen import Screen  # noqa: PLC0415

            self._add(Screen())
        if given["json_"]:
            self._add(JsonStream(sys.stdout))
        if given["log_file"]:
            self._add(LogFile(Path(given["log_file"])))

    def _add(self, listener: Any) -> None:
        self._tells.append(listener)
        self._closes.append(listener.close)

    def __enter__(self) -> Tell:
        return self._tell

    def __exit__(self, *_: object) -> None:
        for close in self._closes:
            close()

    def _tell(self, event: Event) -> None:
        for tell in self._tells:
            tell(event)


def _run(verb: Coroutine[Any, Any, T], stop: Stop, settings: Settings) -> T:
    try:
        return asyncio.run(_with_signals(verb, stop))
    except LoaderError:
        raise
    except BaseExceptionGroup as group:
        error = _only(group)
        if error is None:
            _report_bug(settings)
        raise error or SystemExit(BUG) from None
    except Exception:
        _report_bug(settings)
        raise SystemExit(BUG) from None


async def _with_signals(verb: Coroutine[Any, Any, T], stop: Stop) -> T:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.request, Interrupted(number))
    return await verb


def _only(group: BaseExceptionGroup[BaseException]) -> LoaderError | None:
    """The one error of ours in a group, if it holds nothing else."""
    errors = [error for error in group.exceptions if isinstance(error, LoaderError)]
    return errors[0] if len(errors) == len(group.exceptions) else None


def _report_bug(settings: Settings) -> None:
    """Write the traceback, without any secret, to a file and name it in one line."""
    text = traceback.format_exc()
    for secret in settings.secrets():
        text = text.replace(secret, "***")
    descriptor, path = tempfile.mkstemp(prefix="association-loader-", suffix=".log")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    sys.stderr.write(f"association-loader: this is a bug in the loader, not in your file: please report {path}\n")
