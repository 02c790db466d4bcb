"""A pool at work: told to stop when the run is, or when its time is over, and telling now and then how far it is."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import NamedTuple

from loader.errors import LoaderError, OutOfTime
from loader.send.pool import Pool
from loader.stopping import Stop

GRACE_SECONDS = 10.0
"""How long requests in flight may still take when a run is asked to stop."""

TELL_SECONDS = 0.25


class Allowance(NamedTuple):
    """The time that a command was given, in seconds, all of it and what is left."""

    seconds: float
    left: float

    @classmethod
    def of(cls, seconds: float | None, used: float) -> "Allowance | None":
        """Return what is left of `--max-duration`, or None where there is none."""
        return None if seconds is None else cls(seconds, max(0.0, seconds - used))


async def run_pool(pool: Pool, stop: Stop, tell: Callable[[], None], *, allowance: Allowance | None = None) -> None:
    """Run a pool to its end, or until the run is asked to stop; raises what stopped it."""
    with stop.listening(partial(_drain, pool), pool.abandon), _timer(allowance, pool):
        ticker = asyncio.create_task(_tick(tell), name="progress")
        ticker.add_done_callback(partial(_end_with, pool))
        try:
            await pool.run()
        finally:
            ticker.cancel()
            with suppress(asyncio.CancelledError):
                await ticker


def _end_with(pool: Pool, ticker: asyncio.Task[None]) -> None:
    """A bug in telling ends the run now, and not when everything is sent."""
    if not ticker.cancelled():
        pool.abandon()


async def _tick(tell: Callable[[], None]) -> None:
    while True:
        tell()
        await asyncio.sleep(TELL_SECONDS)


def _drain(pool: Pool, reason: LoaderError) -> None:
    pool.stop(reason)
    asyncio.get_running_loop().call_later(GRACE_SECONDS, pool.abandon)


@contextmanager
def _timer(allowance: Allowance | None, pool: Pool) -> Iterator[None]:
    """Stop the pool when the command's time is over."""
    if allowance is None:
        yield
        return
    why = f"--max-duration is over after {allowance.seconds:g} seconds: run the same command again to go on"
    timer = asyncio.get_running_loop().call_later(allowance.left, _drain, pool, OutOfTime(why))
    try:
        yield
    finally:
        timer.cancel()
