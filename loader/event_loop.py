"""The event loop that commands and Python calls run in: uvloop's where it is installed, else Python's own."""

import asyncio
import gc
import os
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from loader.errors import LoaderError

T = TypeVar("T")

GARBAGE_THRESHOLDS = (10_000, 2, 2_000)
"""Looking for garbage costs by what is alive, up to 150,000 pairs: with Python's own thresholds (700, 10, 10) a load
spent a quarter of its CPU on that, a third of a second at a time. Little is cyclic: what faults leave behind.
The more may gather before a look, the longer it takes: up to 67 ms of a merging load were seen with (25,000, 3), more
than the event loop may be held up; those that live are looked at as often either way."""


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, as `asyncio.run` does; of several errors of ours it raises the first."""
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


@contextmanager
def rarely_collecting() -> Iterator[None]:
    """Look for garbage less often in a block, for a process that is ours alone."""
    before = gc.get_threshold()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
