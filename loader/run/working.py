"""A run at work: asked to stop when its time is over; its pool told so, and telling now and then how far it is."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

from loader.errors import LoaderError, OutOfTime
from loader.send.pool import Pool
from loader.stopping import Stop

GRACE_SECONDS = 10.0
"""How long requests in flight may still take when a run is asked to stop."""

TELL_SECONDS = 0.25


@contextmanager
def limited(stop: Stop, seconds: float | None, *, used: float) -> Iterator[None]:
    """Ask the run of a block to stop when the command's time, of which some is used, is over; None: it has no end."""
    if seconds is None:
        yield
        return
    why = f"--max-duration is over after {seconds:g} seconds: run the same command again to go on"
    timer = asyncio.get_running_loop().call_later(max(0.0, seconds - used), _ask, stop, OutOfTime(why))
    try:
        yield
    finally:
        timer.cancel()


def _ask(stop: Stop, reason: LoaderError) -> None:
    if not stop.asked():  # Asked again, it would end at once.
        stop.request(reason)


async def run_pool(pool: Pool, stop: Stop, tell: Callable[[], None]) -> None:
    """Run a pool to its end, or until the run is asked to stop; raises what stopped it."""
    with stop.listening(partial(_drain, pool), pool.abandon):
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
