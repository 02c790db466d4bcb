"""What is done to a command's process before it begins: it then dies, stalls or errs at a chosen moment."""

import importlib
import inspect
import os
import signal
from collections.abc import Callable
from itertools import count
from typing import Any


def kill_before(target: str, nth: int = 1) -> None:
    """Kill this process, as kill -9 does, when a function (`module:Class.method`) is about to be called."""
    _at(target, nth, before=_die)


def kill_after(target: str, nth: int = 1) -> None:
    """Kill this process when a function has done its work, before anybody hears of it."""
    _at(target, nth, after=_die)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _nothing() -> None:
    pass


def _at(
    target: str, nth: int, *, before: Callable[[], object] = _nothing, after: Callable[[], object] = _nothing
) -> None:
    """Do something before and after the nth call of a function, which may be a coroutine function."""
    module, _, path = target.partition(":")
    owner: Any = importlib.import_module(module)
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    true, calls = getattr(owner, name), count(1)

    async def awaited(*given: Any, **more: Any) -> Any:
        return await _around(true, given, more, next(calls) == nth)

    async def _around(work: Callable[..., Any], given: Any, more: Any, now: bool) -> Any:
        if now:
            before()
        result = await work(*given, **more)
        if now:
            after()
        return result

    def called(*given: Any, **more: Any) -> Any:
        now = next(calls) == nth
        if now:
            before()
        result = true(*given, **more)
        if now:
            after()
        return result

    setattr(owner, name, awaited if inspect.iscoroutinefunction(true) else called)
