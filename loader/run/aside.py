"""Work that blocks, in a thread of its own: meanwhile the event loop hears signals and meets about the shared limit."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def aside(work: Callable[[], T]) -> T:
    """Return what the work returns; whoever is cancelled while it runs leaves only once it has ended.

    What the work uses (a journal, a file) is closed on the way out, and must not be closed under it.
    """
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    finally:
        if not running.done():
            await asyncio.wait({running})
