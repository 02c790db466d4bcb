"""The program of `--on-end`: it runs after the end of a command, and reads the summary."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from loader.events import Note
from loader.run.call import Call, Done
from loader.settings import DATABASE_URL
from loader.stopping import Stop

T = TypeVar("T")

SECONDS = 60.0
"""How long the program may take; then it is killed."""

EXIT_CODE = "ASSOCIATION_LOADER_EXIT_CODE"
"""The environment variable of the program with the command's exit code."""

_PUBLIC = ("HUBSPOT_BASE_URL", "HUBSPOT_CLIENT_ID")
_NOT_PASSED_ON = (
    DATABASE_URL,
    "ASSOCIATION_LOADER_ON_END",  # Otherwise a loader that the program starts would start the program again.
)
_LONG_SECRET = 8
"""Characters: shorter secrets are part of other texts by chance; the sandbox takes any token, also `x`."""


async def then_on_end(call: Call, work: Coroutine[Any, Any, Done[T]]) -> Done[T]:
    """Do the work of a verb, then run the program of `--on-end`; if that fails, it is only a warning.

    It is not run if the command has no summary because nothing began, nor after a second Ctrl-C.
    """
    done = await work
    words = call.settings.on_end
    if words and done.summary is not None and not call.stop.at_once:
        environment = _environment(os.environ, call.settings.connection.secrets()) | {EXIT_CODE: str(done.exit_code)}
        if trouble := await _run(words, json.dumps(done.summary), environment, call.stop):
            call.notify(Note(f"--on-end: {words[0]} {trouble}; that changes nothing of the run", serious=True))
    return done


def _environment(environment: Mapping[str, str], secrets: Sequence[str]) -> dict[str, str]:
    """Return an environment without the database's address and without credentials, under any name."""

    def is_secret(name: str, value: str) -> bool:
        named = name.startswith("HUBSPOT_") and name not in _PUBLIC
        held = any(each in value if len(each) >= _LONG_SECRET else each == value.strip() for each in secrets)
        return named or held or name in _NOT_PASSED_ON

    return {name: value for name, value in environment.items() if not is_secret(name, value)}


async def _run(words: Sequence[str], summary: str, environment: Mapping[str, str], stop: Stop) -> str | None:
    """Run a program to its end and return what went wrong, or None."""
    try:
        process = _started(words, summary, environment)
    except OSError as error:
        return f"could not be run ({error.strerror})"

    def kill(_: object = None) -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # Its child processes end with it.

    # After a first Ctrl-C the program still runs; the next Ctrl-C is for the program.
    first = (lambda _: None) if stop.asked() else kill
    try:
        with stop.listening(first, kill):
            code = await asyncio.to_thread(process.wait, SECONDS)
    except subprocess.TimeoutExpired:
        return f"had not ended after {SECONDS:g} s and was killed"
    finally:
        if process.poll() is None:
            kill()
            process.wait()
    if code < 0:
        return f"was ended by a signal ({-code})"
    return f"ended with exit code {code}" if code else None


def _started(words: Sequence[str], summary: str, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Return the process of a program, in a group of its own; OSError where it cannot be run.

    The summary is a file, and not a pipe, so the program may read it or not. What it prints goes to standard error:
    standard output is that of the command.
    """
    output = 2 if sys.stderr is not None else subprocess.DEVNULL
    with tempfile.TemporaryFile() as given:
        given.write(summary.encode() + b"\n")
        given.seek(0)
        return subprocess.Popen(  # noqa: S603 - the user's own program, and no shell
            words, stdin=given, stdout=output, stderr=output, env=environment, start_new_session=True
        )
