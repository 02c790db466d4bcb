"""When a request may leave: everything that can delay one, in one place.

Every request, a retry too, waits in `Limiter.take` until all of these let it go:

- the rate limit: no rolling window ever holds more requests than the portal allows, and they are spread out evenly;
- this loader's part of the limit, where others use the same token on this machine (see `sharing`);
- the number of requests that may be under way at once (`--concurrency`);
- the pause after an answer 429, which holds for all requests;
- the circuit breaker, which lets one request a second go while HubSpot is down;
- the daily reserve: close to it, each request under way may be the last that it allows.

Only three other things delay a request: backoff after a failed attempt, a reading that has become too old, and a token
that must be renewed (see `gateway`).
"""

import asyncio
import math
from bisect import bisect_right, insort
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from aiolimiter import AsyncLimiter

from loader.send.quota import Day
from loader.send.retry import Uniform
from loader.settings import Budget, Rate

START_RATE = Rate(100, 10.0)
"""What every HubSpot subscription allows (usage guidelines: Free and Starter, 100 requests per 10 s)."""

MOST_UNDER_WAY = 50

FASTEST_PACE = 10_000.0
"""Requests per second; a loop's timers tick in milliseconds, and more than ten in each cannot be spread by them."""

BURST = 10
"""Requests that may leave at once; the rest of a window is spread evenly by aiolimiter."""

LOWERED_BY = 0.8
"""Factor of the limit after a 429: within our own count it means that another app uses the same limit."""

RAISED_BY = 0.05
"""Share of the limit that comes back with each window without a 429."""

REMEMBERED = 1000
"""At least this many answers are remembered, so that a changed limit or window holds at once, up to this size."""

ABANDONED_SECONDS = 1.0
"""Seconds. An abandoned request may still arrive: its slot is held for this long before its window starts."""

ROUNDING = 1e-3
"""Of a slot, for rounding: portions are fractions."""

QUIET_SECONDS = 10.0
FAILURES_TO_OPEN = 3
PROBE_SECONDS = 1.0
GIVE_UP_SECONDS = 900.0

PATIENCE_SECONDS = 120.0
"""Seconds after which an open breaker is doubted: at a run's end, a few rows that always fail look like an outage.

From then on a plain 500, which is HubSpot's own answer to one request, counts against its row again. For other failures
of a single remaining row, a question shows whether HubSpot works (see `gateway`).
"""


@dataclass(slots=True)
class Breaker:
    """The circuit breaker: opens when nothing has succeeded for 10 s and 3 requests failed meanwhile.

    Then one request a second is sent until one succeeds. All times are seconds of one monotonic clock; `now` is always
    the caller's. `failures` are those since the last success, without 429s: a server that answers 429 works.
    `unanswered` are all of them, and `failing_since` is when they began.
    """

    failures: int = 0
    unanswered: int = 0
    failing_since: float | None = None
    opened_at: float | None = None
    last_success: float = -math.inf
    last_sent: float = -math.inf

    @property
    def open(self) -> bool:
        """True while the server counts as down."""
        return self.opened_at is not None

    def open_for_long(self, now: float) -> bool:
        """Return True when it has been open for two minutes."""
        return self.opened_at is not None and now - self.opened_at >= PATIENCE_SECONDS

    def wait(self, now: float) -> float:
        """Return the seconds until a request may leave; 0 when it may now."""
        return max(0.0, self.last_sent + PROBE_SECONDS - now) if self.open else 0.0

    def succeeded(self, now: float) -> None:
        """Note an answer that shows that the server works (a refusal of one request does, too)."""
        self.last_success = now
        self.failures = self.unanswered = 0
        self.failing_since = self.opened_at = None

    def failed(self, now: float, *, rate_limited: bool) -> bool:
        """Note an attempt without a usable answer; return True if that opens the breaker."""
        if self.failing_since is None:
            self.failing_since = now
        self.unanswered += 1
        if rate_limited:
            return False
        self.failures += 1
        if self.open or self.failures < FAILURES_TO_OPEN or now - self.failing_since < QUIET_SECONDS:
            return False
        self.opened_at = now
        return True

    def counts(self, status: int | None, now: float) -> bool:
        """Return True when a failed attempt with this status is to count against its row."""
        return not self.open or (status == 500 and self.open_for_long(now))

    def given_up(self, now: float) -> bool:
        """Return True if no usable answer came for a quarter of an hour; called after a failure."""
        since = self.failing_since
        return since is not None and self.unanswered >= FAILURES_TO_OPEN and now - since >= GIVE_UP_SECONDS


class Limiter:
    """One slot for each allowed request; a slot can be used again one window after its answer.

    Why after the answer and not after the departure: HubSpot counts a request when it arrives, which is between the
    two. Two arrivals of one slot are certainly a window apart only if the second leaves a window after the answer to
    the first. Slots are only counted: a request may leave if fewer than the limit are under way or were answered within
    the last window. So a changed limit also holds for earlier requests.

    `clock` gives seconds, monotonic. With `follow` the limit is taken from the answers' headers. `concurrency` requests
    may be under way at once; `daily_reserve` is how much of the day's quota is left to others, if HubSpot says how
    large it is.
    """

    def __init__(
        self,
        rate: Rate,
        *,
        clock: Callable[[], float],
        follow: bool,
        concurrency: int = MOST_UNDER_WAY,
        daily_reserve: Budget | None = None,
    ) -> None:
        self._clock = clock
        self.follows = follow
        self.concurrency = concurrency
        self.day = Day(daily_reserve)
        self.breaker = Breaker()
        self.pauses_in_a_row = 0
        """Since the last success."""
        self._full_rate = rate
        self._lowered_to = 1.0
        """Share of the full rate that is left after 429s."""
        self._resized_at = -math.inf
        self.portion, self._loaders, self._portion_until = 1.0, 1, math.inf
        self._in_flight = 0
        self._answered: list[float] = []
        self._most_remembered = 2 * REMEMBERED
        self._paused_until = -math.inf
        self._changed = asyncio.Event()
        self._pace: AsyncLimiter | None = None
        self._apply()

    # --- one request

    async def take(self) -> None:
        """Wait until a request may leave; it is under way from then on until `give_back`. One caller at a time."""
        if self._pace is not None:
            await self._pace.acquire()
        while (seconds := self._seconds_to_wait(self._clock())) > 0:
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds if seconds < math.inf else None):
                    await self._changed.wait()
        self._in_flight += 1
        self.breaker.last_sent = self._clock()

    def _seconds_to_wait(self, now: float) -> float:
        """Return the seconds until a request may leave, 0 if it may now; infinity: until something changes."""
        in_flight = self._in_flight
        if in_flight >= self.concurrency or now >= self._portion_until:
            return math.inf
        if in_flight and self.day.reserve_reached(in_flight):
            return math.inf
        return max(self._seconds_to_slot(now), self._paused_until - now, self.breaker.wait(now))

    def _seconds_to_slot(self, now: float) -> float:
        free = self._slots - self._in_flight
        if free <= 0:
            return math.inf
        if len(self._answered) < free:
            return 0.0
        return self._answered[-free] - self._window_start(now)

    def _window_start(self, now: float) -> float:
        # A monotonic clock may differ by 500 ppm from the server's; a thousandth covers both directions.
        return now - self.rate.seconds * 1.001

    def give_back(self, *, answered: bool) -> None:
        """Start a slot's window: now if its request was answered, a moment later if it was abandoned."""
        now = self._clock()
        self._in_flight -= 1
        insort(self._answered, now if answered else now + ABANDONED_SECONDS)
        if len(self._answered) > self._most_remembered:
            old = bisect_right(self._answered, self._window_start(now))
            del self._answered[: min(old, len(self._answered) - REMEMBERED)]
            self._most_remembered = 2 * max(len(self._answered), REMEMBERED)
        self._changed.set()

    # --- HubSpot's limit, and what a 429 takes of it for a while

    def follow(self, rate: Rate) -> None:
        """Use the limit in an answer's headers, if this limiter follows them."""
        if self.follows and rate != self._full_rate:
            self._full_rate = rate
            self._resize(self._lowered_to)

    def slow_down(self, retry_after: float | None, uniform: Uniform) -> None:
        """After a 429, pause all requests for a while, and give up a fifth of the limit.

        The pause is a tenth of the window, doubled with each pause up to a whole window until a request succeeds, and
        never shorter than HubSpot asks for. 429s to requests that left before a pause began can only prolong it.
        """
        if not self.paused_for:
            self.pauses_in_a_row += 1
            self._resize(self._lowered_to * LOWERED_BY)
        window = self.rate.seconds
        longest = min(window, window / 10 * 2.0 ** min(self.pauses_in_a_row - 1, 10))
        self.pause(max(uniform(longest / 2, longest), retry_after or 0.0))

    def pause(self, seconds: float) -> None:
        """Pause all requests for some seconds."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)

    @property
    def paused_for(self) -> float:
        """Seconds until requests leave again; 0 when they do."""
        return max(0.0, self._paused_until - self._clock())

    def succeeded(self) -> None:
        """Note an answer that shows that HubSpot works: a little of the limit that was given up comes back.

        It does so if a whole window has passed since the last change.
        """
        now = self._clock()
        self.pauses_in_a_row = 0
        if self.breaker.open:
            self._changed.set()
        self.breaker.succeeded(now)
        if self._lowered_to < 1 and now - self._resized_at >= self._full_rate.seconds:
            self._resize(min(1.0, self._lowered_to + RAISED_BY))

    def _resize(self, share: float) -> None:
        # Never less than one request a window: it would take forever to come back from less.
        self._lowered_to = max(share, 1 / self._full_rate.requests)
        self._resized_at = self._clock()
        self._apply()

    # --- shared with other loaders of the token (see `sharing`)

    def share(self, portion: float, loaders: int, until: float) -> None:
        """Use a portion of the limit, at the pace of one of several loaders; nothing leaves after `until`."""
        self.portion, self._loaders, self._portion_until = portion, loaders, until
        self._apply()

    def in_use(self, seconds: float) -> float:
        """Return the portion of the limit used by requests that are under way or were answered recently."""
        lately = len(self._answered) - bisect_right(self._answered, self._clock() - seconds)
        return min(1.0, (self._in_flight + lately) / self._full_rate.requests)

    def _apply(self) -> None:
        requests, seconds = max(1, int(self._full_rate.requests * self._lowered_to + 1e-9)), self._full_rate.seconds
        self.rate = Rate(requests, seconds)
        # An equal part is at least one slot: with fewer slots than loaders, none would ever send.
        self._slots = int(requests * self.portion + ROUNDING) or int(self.portion >= 1 / self._loaders)
        part = max(1, requests // self._loaders)
        burst = max(1, min(BURST, part // 2))
        pace = burst, burst * seconds / part
        if part / seconds > FASTEST_PACE:
            self._pace = None
        elif self._pace is None or pace != (self._pace.max_rate, self._pace.time_period):
            self._pace = AsyncLimiter(*pace)
        self._changed.set()
