"""How old a reading is, by two clocks: a monotonic one stands still while a computer sleeps, a time of day does not."""

import math
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

FRESH_SECONDS = 60.0
"""Nothing is written on a reading that is older: the pair may have been changed meanwhile."""


class Moment(NamedTuple):
    """A moment by the monotonic clock and by the time of day, both in seconds."""

    monotonic: float
    wall: float


NEVER = Moment(-math.inf, -math.inf)
"""Before any other moment."""


class Clocks:
    """A monotonic clock, in seconds, and the time of day (UTC)."""

    def __init__(self, clock: Callable[[], float], now: Callable[[], datetime]) -> None:
        self._clock = clock
        self._now = now

    def moment(self) -> Moment:
        """Return this moment."""
        return Moment(self._clock(), self._now().timestamp())

    def age(self, moment: Moment) -> float:
        """Return the seconds since a moment, by the clock that says more."""
        return max(self._clock() - moment.monotonic, self._now().timestamp() - moment.wall)
