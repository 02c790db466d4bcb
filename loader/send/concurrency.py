"""How many requests may be under way: fewer when answers become slow because of it, more again when they do not."""

from statistics import median

SAMPLES = 20
"""Answers between two decisions; their median is what is judged."""

SLOWER = 2.0
SLOW_SECONDS = 0.1
"""Slow is twice the lowest median so far, and more than this: below it, it is our own machine that is busy."""

CUT = 0.75
CUT_WHEN_LOCKED = 0.5
"""423: HubSpot locks records that are written too fast."""

HELPED = 0.9


class Concurrency:
    """Additive increase, multiplicative decrease, without a clock or I/O; `limit` is what is allowed now.

    When a cut did not make answers faster, the server is slow by itself: that becomes the new normal, or a slow night
    would end with one request at a time.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._limit = float(most)
        self._floor: float | None = None
        self._before_cut: float | None = None
        self._seconds: list[float] = []
        self._busiest = 0
        self._locked = False

    @property
    def limit(self) -> int:
        """So many requests may be under way, one at least."""
        return max(1, int(self._limit))

    def allow(self, most: int) -> None:
        """Begin anew with another upper bound."""
        self.most, self._limit = most, float(most)

    def note(self, seconds: float, under_way: int, *, locked: bool = False) -> None:
        """Take in one answer's latency, and how many requests were under way with it."""
        self._seconds.append(seconds)
        self._busiest = max(self._busiest, under_way)
        self._locked = self._locked or locked
        if len(self._seconds) >= SAMPLES:
            self._decide(median(self._seconds), crowded=self._busiest >= 0.8 * self.limit)
            self._seconds.clear()
            self._busiest, self._locked = 0, False

    def _decide(self, now: float, *, crowded: bool) -> None:
        if self._before_cut is not None and now > HELPED * self._before_cut:
            self._floor = now
        self._before_cut = None
        self._floor = now if self._floor is None else min(self._floor, now)
        if self._locked:
            self._limit = max(1.0, min(self._limit, self._busiest) * CUT_WHEN_LOCKED)
        elif crowded and now > max(SLOW_SECONDS, SLOWER * self._floor):
            self._limit = max(1.0, self._limit * CUT)
            self._before_cut = now
        else:
            self._limit = min(float(self.most), self._limit + 1)
