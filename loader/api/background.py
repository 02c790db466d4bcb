"""A verb runs in a thread of its own, so that it works inside a running event loop (a notebook has one)."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from loader import event_loop
from loader.errors import Interrupted
from loader.stopping import Stop

T = TypeVar("T")


def finished(verb: Callable[[Stop], Coroutine[Any, Any, T]]) -> T:
    """Run a verb and return what it returns, or raise what it raises.

    Ctrl-C asks it to stop, and KeyboardInterrupt is raised once it has stopped; a second one ends it at once.
    """
    stop = Stop()
    end: Future[T] = Future()
    loops: list[asyncio.AbstractEventLoop] = []

    async def work() -> T:
        loops.append(asyncio.get_running_loop())
        return await verb(stop)

    def run() -> None:
        try:
            end.set_result(event_loop.run(work()))
        except BaseException as error:
            end.set_exception(error)

    thread = threading.Thread(target=run, name="association-loader")
    thread.start()
    interrupted = False
    while not end.done():
        try:
            end.exception()  # A join that Ctrl-C interrupts says that the thread has ended (Python 3.11).
        except KeyboardInterrupt:
            interrupted = True
            for loop in loops:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(stop.request, Interrupted(2))
    thread.join()
    if interrupted:
        raise KeyboardInterrupt
    return end.result()
