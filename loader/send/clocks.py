"""The age of a reading, by two clocks: a monotonic one stops while a computer sleeps, the time of day does not."""

import math
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from loader.text import timestamp

FRESH_SECONDS = 60.0
"""Seconds. An older reading must not be used to write: the pair may have been changed meanwhile."""


class Moment(NamedTuple):
    """A moment by the monotonic clock and by the time of day, both in seconds."""

    monotonic: float
    wall: float


NEVER = Moment(-math.inf, -math.inf)
"""Before any other moment."""


class Clocks:
    """A monotonic clock, in seconds, and the time of day (UTC).

    `fresh_seconds` is how old a reading may be when it is used to write.
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
        """Return the time for outcomes: UTC, ISO 8601 with milliseconds."""
        return timestamp(self.now())

    def moment(self) -> Moment:
        """Return this moment."""
        return Moment(self._clock(), self.now().timestamp())

    def age(self, moment: Moment) -> float:
        """Return the seconds since a moment: the larger number of the two clocks."""
        return max(self._clock() - moment.monotonic, self.now().timestamp() - moment.wall)

    def is_old(self, read_at: Moment) -> bool:
        """Return True if a reading of that moment is too old to be used."""
        return self.age(read_at) > self._fresh_seconds()

    def is_late(self, read_at: Moment) -> bool:
        """Return True for a reading that is too old, or soon will be."""
        return self.age(read_at) > self._fresh_seconds() / 2
