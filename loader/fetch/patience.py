"""Work in a library that may wait for a server that never answers: it is watched, and left behind if need be."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from loader.fetch.fetched import Watch
from loader.text import size_of

T = TypeVar("T")


class Silent(Exception):
    """The server has sent, or taken, nothing for `Watch.timeout` seconds."""


class _LeftBehindError(Exception):
    """Ends the thread of work whose caller waits no longer."""


class Moved:
    """How much has been copied, of how much (None: the server does not say): bytes, unless `shown` says otherwise.

    The work counts, others look.
    """

    def __init__(self, shown: Callable[[int], str] = size_of) -> None:
        self._shown = shown
        self.amount = 0
        self.total: int | None = None
        self.is_left_behind = False
        self.began = time.monotonic()

    def count(self, number: int) -> None:
        """Take note of `number` more; raises where the work's caller waits no longer."""
        if self.is_left_behind:
            raise _LeftBehindError
        self.amount += number

    def __str__(self) -> str:
        rate = self.amount / max(time.monotonic() - self.began, 0.001)
        of = f" of {self._shown(self.total)}" if self.total else ""
        return f"{self._shown(self.amount)}{of}, {self._shown(round(rate))} per second"


def patiently(what: str, work: Callable[[Moved], T], watch: Watch, shown: Callable[[int], str] = size_of) -> T:
    """Return what `work` returns, or raise what it raises; `what` says what it does, `shown` how much it has copied.

    Raises Silent when nothing moves for too long, and the reason when the command is to stop: the work's thread is then
    left behind, and ends when its library lets it.
    """
    moved, done = Moved(shown), Future[T]()

    def run() -> None:
        try:
            done.set_result(work(moved))
        except BaseException as error:
            done.set_exception(error)

    # Of all threads only a daemon's does not keep the process from ending.
    threading.Thread(target=run, name="fetch", daemon=True).start()
    seen, seen_at = -1, time.monotonic()
    try:
        while not wait([done], timeout=0.1).done:
            watch.stop.check()
            now = time.monotonic()
            if moved.amount != seen:
                seen, seen_at = moved.amount, now
                watch.doing(f"{what} ({moved})" if seen else what)
            elif now - seen_at > watch.timeout:
                raise Silent
    finally:
        moved.is_left_behind = True
    return done.result()
