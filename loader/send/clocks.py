"""How old a reading is, by two clocks: a monotonic one stands still while a computer sleeps, a time of day does not."""

import math
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from loader.text import timestamp

FRESH_SECONDS = 60.0
"""Nothing is written on a reading that is older: the pair may have been changed meanwhile."""


class Moment(NamedTuple):
    """A moment by the monotonic clock and by the time of day, both in seconds."""

    monotonic: float
    wall: float


NEVER = Moment(-math.inf, -math.inf)
"""Before any other moment."""


class Clocks:
    """A monotonic clock, in seconds, and the time of day (UTC).

    `fresh_seconds` says how old a reading may be when something is written on it.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        fresh_seconds: Callable[[], float] = lambda: FRESH_SECONDS,
    ) -> None:
        self.now = now
        self._clock = clock
        self._fresh_seconds = fresh_seconds

    def timestamp(self) -> str:
        """Return the time of day as outcomes have it: UTC, ISO 8601 with milliseconds."""
        return timestamp(self.now())

    def moment(self) -> Moment:
        """Return this moment."""
        return Moment(self._clock(), self.now().timestamp())

    def age(self, moment: Moment) -> float:
        """Return the seconds since a moment, by the clock that says more."""
        return max(self._clock() - moment.monotonic, self.now().timestamp() - moment.wall)

    def is_old(self, read_at: Moment) -> bool:
        """Return True when nothing may be written any more on what was read then."""
        return self.age(read_at) > self._fresh_seconds()

    def is_late(self, read_at: Moment) -> bool:
        """Return True for a reading that is old, or will be before long."""
        return self.age(read_at) > self._fresh_seconds() / 2
