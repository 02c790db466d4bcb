"""The one limiter: no rolling window ever holds more requests than the portal allows, retries included."""

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiolimiter import AsyncLimiter

from loader.settings import Rate

START_RATE = Rate(100, 10.0)
"""What every HubSpot subscription allows (usage guidelines: Free and Starter, 100 requests per 10 s)."""

SMOOTHING = 10
"""Requests that may leave at once; the rest of a window is spread evenly by aiolimiter."""

LOWERED_BY = 0.8
"""A 429 while we were inside our own count means somebody else uses the same allowance."""


class Limiter:
    """A ring of slots, each reusable one window after its answer, with aiolimiter in front for smoothness.

    Why the answer and not the departure: a request counts when it arrives, which is some time between the two. Two
    arrivals of one slot are at least a window apart only if the second leaves a window after the first was answered.

    `clock` gives seconds, monotonic. With `follow` the limit is what the answers' headers say (`told`).
    """

    def __init__(self, rate: Rate, *, clock: Callable[[], float], follow: bool) -> None:
        self._clock = clock
        self._follow = follow
        self._told = rate
        self._share = 1.0
        self._answered: list[float] = [float("-inf")] * rate.requests
        self._slots = rate.requests
        self._turn = asyncio.Lock()
        self._returned = asyncio.Event()
        self._paused_until = float("-inf")
        self.rate = rate
        self._pace = _pace(rate)

    @asynccontextmanager
    async def permit(self) -> AsyncIterator[None]:
        """Wait for a slot and hold it; leaving the block, however it ends, starts the slot's window."""
        await self._take()
        try:
            yield
        finally:
            heapq.heappush(self._answered, self._clock())
            self._returned.set()

    async def _take(self) -> None:
        async with self._turn:
            await self._pace.acquire()
            await self._free_slot()
            # A pause may begin, or be prolonged, while this turn waits.
            while (seconds := self.paused_for) > 0:
                await asyncio.sleep(seconds)
                await self._free_slot()
            heapq.heappop(self._answered)

    async def _free_slot(self) -> None:
        while True:
            self._drop_surplus()
            if not self._answered:
                self._returned.clear()
                await self._returned.wait()
                continue
            seconds = self._answered[0] + self._window - self._clock()
            if seconds <= 0:
                return
            await asyncio.sleep(seconds)

    @property
    def _window(self) -> float:
        # A monotonic clock may be slewed by 500 ppm against the server's; a thousandth covers both directions.
        return self.rate.seconds * 1.001

    def _drop_surplus(self) -> None:
        while self._slots > self.rate.requests and self._answered:
            heapq.heappop(self._answered)
            self._slots -= 1

    def pause(self, seconds: float) -> None:
        """Let no request leave for so long, whichever worker it belongs to."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)

    @property
    def paused_for(self) -> float:
        """Seconds until requests leave again; 0 when they do."""
        return max(0.0, self._paused_until - self._clock())

    def told(self, rate: Rate) -> None:
        """Take over the limit that an answer's headers name, if this limiter follows them."""
        if self._follow and rate != self._told:
            self._told = rate
            self._resize()

    def lower(self) -> None:
        """Give up a fifth of the limit for the rest of the run."""
        self._share *= LOWERED_BY
        self._resize()

    def _resize(self) -> None:
        rate = Rate(max(1, int(self._told.requests * self._share)), self._told.seconds)
        for _ in range(rate.requests - self._slots):
            heapq.heappush(self._answered, float("-inf"))
        self._slots = max(self._slots, rate.requests)
        self.rate = rate
        self._pace = _pace(rate)
        self._returned.set()


def _pace(rate: Rate) -> AsyncLimiter:
    burst = max(1, min(SMOOTHING, rate.requests // 2))
    return AsyncLimiter(burst, burst * rate.seconds / rate.requests)
