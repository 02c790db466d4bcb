"""A verb run to its end in a thread of its own, so that a running event loop (a notebook has one) is no obstacle."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from loader import event_loop
from loader.errors import Interrupted
from loader.stopping import Stop

T = TypeVar("T")


def finished(verb: Callable[[Stop], Coroutine[Any, Any, T]]) -> T:
    """Run a verb and return what it returns, or raise what it raises.

    Ctrl-C asks it to stop, and KeyboardInterrupt is raised once it has; a second one ends it at once.
    """
    worker = _Worker(verb)
    worker.start()
    interrupted = False
    while not worker.done.is_set():
        try:
            worker.done.wait()  # A join that Ctrl-C interrupts takes the thread for ended (Python 3.11).
        except KeyboardInterrupt:
            worker.interrupt()
            interrupted = True
    worker.join()
    if interrupted:
        raise KeyboardInterrupt
    return worker.result()


class _Worker(threading.Thread, Generic[T]):
    """A thread with an event loop of its own, in which one verb runs."""

    def __init__(self, verb: Callable[[Stop], Coroutine[Any, Any, T]]) -> None:
        super().__init__(name="association-loader")
        self._verb = verb
        self._stop_request = Stop()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._results: list[T] = []
        self._error: BaseException | None = None
        self.done = threading.Event()

    def run(self) -> None:
        """Run the verb, and keep what comes of it for `result`."""
        try:
            self._results.append(event_loop.run(self._work()))
        except BaseException as error:
            self._error = error
        finally:
            self.done.set()

    async def _work(self) -> T:
        self._loop = asyncio.get_running_loop()
        return await self._verb(self._stop_request)

    def interrupt(self) -> None:
        """Ask the verb to stop."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop_request.request, Interrupted(2))

    def result(self) -> T:
        """Return what the verb returned, or raise what ended it."""
        if self._error is not None:
            raise self._error
        return self._results[0]
