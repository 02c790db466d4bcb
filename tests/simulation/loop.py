"""The event loop of a simulated run: fake time, no threads, one order of things, and a death at any turn.

Work for a thread is done in the loop's own thread, after a wait and before another: a task that is cancelled in the
first has nothing done, one that is cancelled in the second has it done and does not know.
"""

import asyncio
import math
import random
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from itertools import count
from typing import Any, TypeVar

from tests.stages.fake_time import FakeTimeLoop, Jump

T = TypeVar("T")

MOST_TURNS = 2_000_000


class Killed(BaseException):
    """The process is gone: nothing after this moment was ever done by it."""


class Hung(AssertionError):
    """A run that goes on and on."""


class _Turns(Jump):
    """Counts the loop's turns, and ends it when its time is up."""

    def __init__(self, now: float, deadline: float) -> None:
        super().__init__(now)
        self._deadline = deadline
        self._most: float = MOST_TURNS
        self.turns = 0
        self.fuse: int | None = None
        """How many turns more until the process is killed; None: it lives."""

    def select(self, timeout: float | None = None) -> Any:
        self.turns += 1
        if self.fuse is not None:
            self.fuse -= 1
            if self.fuse < 0:
                self.fuse = None
                raise Killed
        if self.turns > self._most or self.now > self._deadline:
            self._deadline, self._most = math.inf, math.inf
            raise Hung(f"after {self.turns} turns, at {self.now:.1f} s, the run still goes on")
        return super().select(timeout)


class _Task(asyncio.Task[T]):
    """A task whose hash is its number: a set of tasks has the same order in every replay."""

    _numbers = count(1)

    def __init__(self, work: Coroutine[Any, Any, T], number: int, **more: Any) -> None:
        self._number = number
        super().__init__(work, **more)

    def __hash__(self) -> int:
        return self._number


class SimulatedLoop(FakeTimeLoop):
    """A loop that begins at the moment `now` and must be done by `deadline`; `disk` is how long a thread's work takes.

    `complaints` are what asyncio would have logged: exceptions that nobody took note of.
    """

    def __init__(self, now: float, deadline: float, chance: random.Random, disk: float) -> None:
        self._turns = _Turns(now, deadline)
        super().__init__(self._turns)
        self._chance = chance
        self._disk = disk
        self._free_at: dict[int, float] = {}
        self._numbers = count(1)
        self.complaints: list[str] = []
        self.set_task_factory(self._task)  # type: ignore[arg-type] # its type names a protocol of its own
        self.set_exception_handler(self._complain)

    @property
    def turns(self) -> int:
        """How many turns the loop has made."""
        return self._turns.turns

    def kill_in(self, turns: int) -> None:
        """Kill the process after a number of turns of the loop."""
        if self._turns.fuse is None:
            self._turns.fuse = turns

    def spare(self) -> None:
        """Kill it no more: it is done."""
        self._turns.fuse = None

    def _task(self, _: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T], **more: Any) -> Any:
        return _Task(work, next(self._numbers), loop=self, **more)

    def _complain(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.complaints.append(f"{context.get('message')} {context.get('exception')!r}")

    def run_in_executor(self, executor: Executor | None, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override] # a future, as asyncio's own gives
        """Do the work in this thread: one thing after the other for each executor, in fake time."""
        future: asyncio.Future[T] = self.create_future()
        begin = max(self.time(), self._free_at.get(id(executor), 0.0)) + self._chance.uniform(0, self._disk)
        end = begin + self._chance.uniform(0, self._disk)
        self._free_at[id(executor)] = end
        self.call_at(begin, self._work, future, end, func, args)
        return future

    def _work(self, future: asyncio.Future[T], end: float, func: Callable[..., T], args: tuple[Any, ...]) -> None:
        if future.cancelled():
            return
        try:
            result = func(*args)
        except Exception as error:
            self.call_at(end, _settle, future, error, None)
        else:
            self.call_at(end, _settle, future, None, result)


def _settle(future: asyncio.Future[T], error: Exception | None, result: T | None) -> None:
    if future.cancelled():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)  # type: ignore[arg-type] # T may be None itself
