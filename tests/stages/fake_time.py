"""An event loop whose clock is not the world's: it jumps to the next timer, so that hours pass in milliseconds."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

A_LITTLE_LATE = 1e-6
"""Seconds. A real clock never wakes anybody exactly on time, and aiolimiter stalls where one does."""


A_TURN = 1e-8


class Jump(selectors.SelectSelector):
    """Never waits: the time it was to wait for has passed when it returns."""

    def __init__(self, now: float = 1000.0) -> None:
        super().__init__()
        self.now = now

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everybody waits, and nothing will ever happen")
        # Also a turn of the loop that waits for nothing takes a moment, or a timer that is short by a rounding error
        # would be set again and again for the same instant.
        self.now += timeout + A_LITTLE_LATE if timeout > 0 else A_TURN
        return super().select(0)


class FakeTimeLoop(asyncio.SelectorEventLoop):
    """A loop in which nothing takes time but waiting; it knows no sockets and no threads."""

    def __init__(self, jump: Jump | None = None) -> None:
        self._jump = jump or Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now


def run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine function to its end in a loop of fake time."""
    with asyncio.Runner(loop_factory=FakeTimeLoop) as runner:
        return runner.run(work())


def clock() -> float:
    """Return the running loop's time."""
    return asyncio.get_running_loop().time()
