"""The one limiter: no rolling window ever holds more requests than the portal allows, retries included."""

import asyncio
import math
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from itertools import takewhile

from aiolimiter import AsyncLimiter

from loader.send.allowance import Held, Wish
from loader.settings import Rate

START_RATE = Rate(100, 10.0)
"""What every HubSpot subscription allows (usage guidelines: Free and Starter, 100 requests per 10 s)."""

SMOOTHING = 10
"""Requests that may leave at once; the rest of a window is spread evenly by aiolimiter."""

FASTEST_SPREAD = 10_000.0
"""Requests per second; a loop's timers tick in milliseconds, and more than ten in each cannot be spread by them."""

LOWERED_BY = 0.8
"""A 429 while we were inside our own count means somebody else uses the same allowance."""

RAISED_BY = 0.05
"""Share of the limit that comes back with each window without a 429."""

REMEMBERED = 1000
"""Answers remembered at least, so that a limit up to this holds at once when it, or its window, changes."""

ABANDONED_SECONDS = 1.0
"""A request that was given up may still arrive: its slot is held for so long before its window starts."""

STEPS = 10
"""Into so many parts of a window is divided what an ended loader has used, so that it comes free bit by bit."""

SPARE = 1e-3
"""Of a slot: portions are fractions, and the sum of their rounded slots still never passes the limit."""


class Limiter:
    """As many slots as requests are allowed, each reusable one window after its answer; aiolimiter spreads them out.

    Why the answer and not the departure: a request counts when it arrives, which is some time between the two. Two
    arrivals of one slot are at least a window apart only if the second leaves a window after the first was answered.
    Slots are counted, not kept: a request leaves when those under way and those answered within the last window are
    fewer than the limit, so that a limit that changes holds for what already happened, too.

    `clock` gives seconds, monotonic. With `follow` the limit is what the answers' headers say (`told`).
    """

    def __init__(self, rate: Rate, *, clock: Callable[[], float], follow: bool) -> None:
        self._clock = clock
        self.follows = follow
        self._told = rate
        self._share = 1.0
        self._share_changed = -math.inf
        self._portion = self._pace_portion = 1.0
        self._portion_until = math.inf
        self._more = False
        self._wanting = asyncio.Event()
        self._waiting = 0
        self._hungry = False
        self._under_way = 0
        self._answered: deque[float] = deque()
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()
        self._paused_until = -math.inf
        self._pace: AsyncLimiter | None = None
        self._set(rate)

    async def take(self) -> None:
        """Wait for a slot and hold it until `give_back`; cancelled, none is held."""
        if self.free:
            if self._pace is not None:
                await self._pace.acquire()
            self._under_way += 1
            return
        self._waiting += 1
        try:
            async with self._turn:
                self._hungry = True
                if self._pace is not None:
                    await self._pace.acquire()
                while (seconds := max(self._seconds_to_slot(self._clock()), self.paused_for)) > 0:
                    if self._more and self._slots < self.rate.requests:
                        self._wanting.set()
                    await self._changes_within(seconds)
                self._under_way += 1
        finally:
            self._waiting -= 1

    @property
    def free(self) -> bool:
        """True when there is a slot at once."""
        now = self._clock()
        return (
            not self._waiting
            and self._paused_until <= now
            and self._seconds_to_slot(now) <= 0
            and (self._pace is None or self._pace.has_capacity())
        )

    def take_at_once(self) -> bool:
        """Hold a slot if one is free and requests need not be spread out; nothing is waited for."""
        if self._pace is not None or not self.free:
            return False
        self._under_way += 1
        return True

    def give_back(self, *, answered: bool) -> None:
        """Start a slot's window: now if its request was answered, a moment later if it was given up."""
        if answered:
            self._land()
        else:
            asyncio.get_running_loop().call_later(ABANDONED_SECONDS, self._land)

    def _land(self) -> None:
        now = self._clock()
        self._under_way -= 1
        self._answered.append(now)
        start = self._window_start(now)
        while len(self._answered) > REMEMBERED and self._answered[0] <= start:
            self._answered.popleft()
        self._changed.set()

    def _window_start(self, now: float) -> float:
        # A monotonic clock may be slewed by 500 ppm against the server's; a thousandth covers both directions.
        return now - self.rate.seconds * 1.001

    def _seconds_to_slot(self, now: float) -> float:
        slots = self._slots - self._under_way
        if slots <= 0 or now >= self._portion_until:
            return math.inf
        if len(self._answered) < slots:
            return 0.0
        return self._answered[-slots] - self._window_start(now)

    async def _changes_within(self, seconds: float) -> None:
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds if seconds < math.inf else None):
                await self._changed.wait()

    # --- shared with other loaders of the token (see `allowance`)

    def share(self, portion: float, pace: float, until: float, *, more: bool = False) -> None:
        """Keep to a portion of the limit, at another portion's pace, and let nothing leave after a moment of the clock.

        With `more`, `wants_more` returns once the portion is used up.
        """
        self._portion, self._pace_portion, self._portion_until, self._more = portion, pace, until, more
        self._wanting.clear()
        self._set(self.rate)

    async def wants_more(self) -> None:
        """Wait until a request waits for what another meeting would allow it."""
        await self._wanting.wait()

    def wish(self) -> Wish:
        """Return what there is to say to the other loaders: how much is in use, and whether more could be."""
        hungry = self._waiting > 0 or self._hungry
        self._hungry = False
        requests, count = self.rate.requests, self._under_way + len(self._in_window())
        ahead = max(1, min(SMOOTHING, requests // 2))
        # Twice as many, if they would leave: a limit that is wide open is reached in a few meetings.
        needs = (count + max(ahead, count * hungry)) / requests
        most = self._told.requests
        return Wish(self._portion, min(1.0, count / most), needs, hungry, 1 / most, self._told.seconds * 1.001)

    def used(self) -> list[Held]:
        """Return what the requests of the last window take up, and until when: this loader sends no more."""
        now, most, window = self._clock(), self._told.requests, self._told.seconds * 1.001
        step = window / STEPS
        ends = Counter(math.ceil((answered + window - now) / step) for answered in self._in_window())
        held = [Held(count / most, now + end * step, window) for end, count in ends.items()]
        if self._under_way:
            held.append(Held(self._under_way / most, now + ABANDONED_SECONDS + window, window))
        return held

    def _in_window(self) -> list[float]:
        start = self._window_start(self._clock())
        return list(takewhile(lambda answered: answered > start, reversed(self._answered)))

    def pause(self, seconds: float) -> None:
        """Let no request leave for so long, whichever worker it belongs to."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)

    @property
    def paused_for(self) -> float:
        """Seconds until requests leave again; 0 when they do."""
        return max(0.0, self._paused_until - self._clock())

    def told(self, rate: Rate) -> None:
        """Take over the limit that an answer's headers name, if this limiter follows them."""
        if self.follows and rate != self._told:
            self._told = rate
            self._resize(self._share)

    def lower(self) -> None:
        """Give up a fifth of the limit; it comes back bit by bit with `recover`."""
        self._resize(self._share * LOWERED_BY)

    def recover(self) -> None:
        """Take back a little of what was given up, if a whole window has passed since the last change."""
        if self._share < 1 and self._clock() - self._share_changed >= self._told.seconds:
            self._resize(min(1.0, self._share + RAISED_BY))

    def _resize(self, share: float) -> None:
        # Never lower than one request a window: it would take forever to come back from less.
        self._share = max(share, 1 / self._told.requests)
        self._share_changed = self._clock()
        self._set(Rate(max(1, int(self._told.requests * self._share + 1e-9)), self._told.seconds))

    def _set(self, rate: Rate) -> None:
        self.rate = rate
        # A limit given up to a single request still gets that one through, where the portion has room for it.
        least = min(1, int(self._told.requests * self._portion + SPARE))
        self._slots = max(least, int(rate.requests * self._portion + SPARE))
        self._spread(max(1, int(rate.requests * self._pace_portion)), rate.seconds)
        self._changed.set()

    def _spread(self, requests: int, seconds: float) -> None:
        burst = max(1, min(SMOOTHING, requests // 2))
        period = burst * seconds / requests
        if requests / seconds > FASTEST_SPREAD:
            self._pace = None
        elif self._pace is None or (burst, period) != (self._pace.max_rate, self._pace.time_period):
            self._pace = AsyncLimiter(burst, period)
