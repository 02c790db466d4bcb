"""The event loop that commands and Python calls run in: uvloop's where it is installed, else Python's own."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from loader.errors import LoaderError

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, as `asyncio.run` does; of several LoaderErrors it raises the first."""
    try:
        with asyncio.Runner(loop_factory=_factory()) as runner:
            return runner.run(work)
    except BaseExceptionGroup as group:
        errors = [error for error in group.exceptions if isinstance(error, LoaderError)]
        if len(errors) == len(group.exceptions):
            raise errors[0] from None
        raise


def _factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if not all(map(_is_open, range(3))):
        return None  # uvloop ends the process when its own files get the numbers of the standard streams.
    try:
        import uvloop  # noqa: PLC0415 - not on every system
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
