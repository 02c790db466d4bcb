"""A request to end a run early, and the callbacks that react to it."""

import asyncio
import select
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from loader.errors import LoaderError

T = TypeVar("T")


class Stop:
    """At the first request to stop, a run finishes and records the requests in flight. At the second, it ends at once.

    `reason` is None until the run is asked to stop; `at_once` is True when it was asked again. All calls come from the
    thread of the event loop, except `asked`, `check` and `wait_to_read`, which any thread may call.
    """

    def __init__(self) -> None:
        self.reason: LoaderError | None = None
        self.at_once = False
        self._drain: Callable[[LoaderError], object] | None = None
        self._abandon: Callable[[], object] | None = None

    def request(self, reason: LoaderError) -> None:
        """Ask the run to end for a reason; a second call makes it end at once."""
        if self.reason is None:
            self.reason = reason
            if self._drain is not None:
                self._drain(reason)
        else:
            self.at_once = True
            if self._abandon is not None:
                self._abandon()

    @contextmanager
    def listening(self, drain: Callable[[LoaderError], object], abandon: Callable[[], object]) -> Iterator[None]:
        """For a block, set what is called at the first and at the second request to stop."""
        before = self._drain, self._abandon
        self._drain, self._abandon = drain, abandon
        try:
            if self.reason is not None:
                drain(self.reason)
            if self.at_once:
                abandon()
            yield
        finally:
            self._drain, self._abandon = before

    async def unless(self, work: Coroutine[Any, Any, T]) -> T:
        """Await work that only reads and may be cancelled at any point; a request to stop cancels it at once."""
        task = asyncio.create_task(work)
        with self.listening(lambda _: task.cancel(), task.cancel):
            try:
                return await task
            except asyncio.CancelledError:
                self.check()
                raise

    def asked(self) -> bool:
        """Return True once the run was asked to stop."""
        return self.reason is not None

    def check(self) -> None:
        """Raise the reason if the run was asked to stop."""
        if self.reason is not None:
            raise self.reason

    def wait_to_read(self, descriptor: int) -> None:
        """Return once a file or a terminal has something to read; raises the reason if the run was asked to stop."""
        while not select.select([descriptor], [], [], 0.1)[0]:
            self.check()
        self.check()
