"""How long a task may be at work on one thing: the same for all, so that one timer serves them."""

import asyncio
from typing import Any


class Deadlines:
    """Cancels tasks that are at work for longer than `seconds`.

    A timer for each of them, as aiohttp and `asyncio.timeout` have it, is a twentieth of what a request costs
    [measured].
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._ends: dict[asyncio.Task[Any], float] = {}
        """The earliest first, because all have the same time."""
        self._late: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> asyncio.Task[Any]:
        """Give the current task its time from now on, and return it; it is to `end` however its work ends."""
        task = asyncio.current_task(self._loop)
        if task is None:
            raise RuntimeError("only a task can be late")
        self._ends[task] = self._loop.time() + self._seconds
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._look)
        return task

    def end(self, task: asyncio.Task[Any]) -> bool:
        """Take note that a task is done; True if only the end of its time has cancelled it."""
        if self._ends.pop(task, None) is not None:
            return False
        self._late.remove(task)
        return not task.uncancel()

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        now, late = self._loop.time(), []
        self._timer = None
        for task, end in self._ends.items():
            if end > now:
                self._timer = self._loop.call_at(end, self._look)
                break
            late.append(task)
        for task in late:
            del self._ends[task]
            self._late.add(task)
            task.cancel()
