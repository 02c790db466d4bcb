"""What failures, and their absence, mean for the run as a whole: slow down, wait, probe, or end it. No I/O."""

from collections.abc import Callable
from datetime import datetime

from loader.errors import LimitUnnamed, RateLimited, Retryable
from loader.send import endings, retry
from loader.send.health import GIVE_UP_SECONDS, Health
from loader.send.limits import Limiter
from loader.send.quota import Day

LOCKED = 423

LONG_PAUSE = 30.0
"""Seconds that somebody who watches should be told of."""

STRIKES_TO_ASK = 3
"""Pauses without a success between, after which 429s that name no limit may mean the day's."""


class Trouble:
    """Draws the conclusions that concern every request; each method raises Fatal when nothing more can be sent for now.

    `clock` gives seconds, monotonic; `now` the time of day in UTC; `say` is told why a run stands still.
    """

    def __init__(
        self,
        limiter: Limiter,
        day: Day,
        *,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        uniform: retry.Uniform,
        say: Callable[[str], None],
    ) -> None:
        self.health = Health()
        self._limiter = limiter
        self._day = day
        self._clock = clock
        self._now = now
        self._uniform = uniform
        self._say = say
        self._strikes = 0
        self._asked = False
        self._answers = 0
        self._redirects = 0

    def answered(self, status: int) -> None:
        """Take in an answer, whatever it is."""
        self._answers += 1
        self._redirects += 300 <= status < 400
        if self._redirects == self._answers == endings.REDIRECTS_TO_STOP:
            raise endings.redirected(status)

    def succeeded(self) -> None:
        """Take in an answer that shows HubSpot at work."""
        self._strikes, self._asked = 0, False
        self.health.succeeded(self._clock())
        self._limiter.recover()

    def failed(self, error: Retryable) -> None:
        """Take in a failed attempt of any request."""
        now = self._clock()
        if not self._answers and (fatal := endings.wrong_address(error)):
            raise fatal from error
        if error.status == LOCKED:
            self.health.succeeded(now)  # A lock is an answer about one record: the server is at work.
        else:
            self._failed(error, now)
        if (error.retry_after or 0) > retry.LONGEST_WAIT:
            raise endings.come_back(error, self._day.time_zone, self._now()) from error
        if self.health.given_up(now):
            raise endings.silence(error) from error
        if isinstance(error, RateLimited):
            self._slow_down(error)

    def _failed(self, error: Retryable, now: float) -> None:
        was_open = self.health.open
        self.health.failed(now, rate_limited=isinstance(error, RateLimited))
        if self.health.open and not was_open:
            self._say(
                f"HubSpot gives no usable answer ({error.message}): one request a second looks whether it is back, for "
                f"{GIVE_UP_SECONDS / 60:.0f} minutes at most"
            )

    def _slow_down(self, error: RateLimited) -> None:
        if not self._limiter.paused_for:
            self._strikes += 1
            self._limiter.lower()
        seconds = retry.pause(error, self._strikes, self._limiter.rate.seconds, self._uniform)
        if seconds > max(self._limiter.paused_for, LONG_PAUSE):
            self._say(f"HubSpot asks to wait {seconds:.0f} seconds ({error.message})")
        self._limiter.pause(seconds)

    def counts(self, error: Retryable) -> bool:
        """Return True when a failed attempt is to count against its row."""
        return not isinstance(error, RateLimited) and self.health.counts(error.status, self._clock())

    def is_outage(self, first_left: float) -> bool:
        """Return True when a request that left at a moment may fail for an outage: nobody was answered since."""
        return not self.health.at_work_since(first_left)

    def delay(self, error: Retryable, failures: int) -> float:
        """Return the seconds that a request waits before its next attempt, after so many that count."""
        if self.health.open:
            # The breaker paces the probes; whoever slept longer would be late when all is well again.
            return error.retry_after or 0.0
        return retry.delay(error, max(1, failures), self._uniform)

    def must_ask(self, error: Retryable) -> bool:
        """Return True, once, when only the usage endpoint can tell whether 429s mean a burst or a spent day."""
        if not isinstance(error, LimitUnnamed) or self._asked or self._strikes < STRIKES_TO_ASK:
            return False
        self._asked = True
        return True
