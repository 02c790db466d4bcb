"""Asking a person before something is removed; whoever is not there to be asked has to have said yes before."""

import asyncio
import os
import select
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TextIO

from loader.errors import UsageError
from loader.events import UndoPlanned
from loader.stopping import Stop


def agreement(stop: Stop, *, yes: bool) -> Callable[[UndoPlanned], Coroutine[Any, Any, None]]:
    """Return what asks for the number of associations to be typed; it raises UsageError for any other answer."""

    async def agree(plan: UndoPlanned) -> None:
        if yes:
            return
        terminal = sys.stdin
        if terminal is None or not terminal.isatty():
            raise UsageError(
                f"nothing was removed: there is no terminal to ask at; to remove {plan.pairs:,} associations without "
                "being asked, add --yes"
            )
        sys.stderr.write(f"To go on, type the number of associations, {plan.pairs} (anything else removes nothing): ")
        sys.stderr.flush()
        typed = await asyncio.to_thread(_line, terminal, stop)
        if typed.replace(",", "") != str(plan.pairs):
            raise UsageError(f"nothing was removed: {typed[:20]!r} was typed, and not {plan.pairs}")

    return agree


def _line(terminal: TextIO, stop: Stop) -> str:
    """Return the line that is typed; being asked to stop ends the wait."""
    descriptor, typed = terminal.fileno(), b""
    while not typed.endswith(b"\n"):
        while not select.select([descriptor], [], [], 0.1)[0]:
            stop.check()
        more = os.read(descriptor, 1000)
        typed += more
        if not more:
            break
    return typed.decode("utf-8", "replace").strip()
