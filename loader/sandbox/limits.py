"""HubSpot's two limits: requests in a rolling window and requests in a day."""

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple


class Rate(NamedTuple):
    """At most `requests` in `seconds`, in every rolling window."""

    requests: int
    seconds: float

    @classmethod
    def parse(cls, text: str) -> "Rate | None":
        """Reads ``100/10``; ``off`` is None. Raises ValueError on anything else."""
        if text.strip().lower() == "off":
            return None
        requests, _, seconds = text.partition("/")
        try:
            rate = cls(int(requests), float(seconds))
        except ValueError:
            rate = cls(0, 0)
        if rate.requests < 1 or not 0 < rate.seconds < float("inf"):
            raise ValueError(f"the rate {text!r} is not requests/seconds such as 100/10, nor off")
        return rate


class RollingWindow:
    """Counts events in the half-open window ``(now - seconds, now]``; times may only grow."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.most = 0
        self._times: deque[float] = deque()

    def count(self, now: float) -> int:
        """How many events are in the window that ends now."""
        times, start = self._times, now - self.seconds
        while times and times[0] <= start:
            times.popleft()
        return len(times)

    def add(self, now: float) -> None:
        """Adds an event and updates the highest count of any window, which always ends at an event."""
        count = self.count(now) + 1
        self._times.append(now)
        self.most = max(self.most, count)


class Refusal(NamedTuple):
    """Which limit a request broke: ``policyName`` and message of the 429 body."""

    policy: str
    message: str


@dataclass(slots=True)
class DailyCounter:
    """Requests since midnight in the portal's time zone (documented); ``limit`` None never refuses."""

    limit: int | None
    zone: tzinfo
    used: int = 0
    resets_at: float = 0.0
    """Seconds since the epoch of the next midnight."""

    def roll(self, epoch: float) -> None:
        """Starts a new day once midnight has passed; ``epoch`` is the wall clock in seconds."""
        if epoch < self.resets_at:
            return
        self.used = 0
        today = datetime.fromtimestamp(epoch, self.zone).date()
        midnight = datetime.combine(today + timedelta(days=1), datetime.min.time(), self.zone)
        self.resets_at = midnight.astimezone(UTC).timestamp()


class Limits:
    """Admits or refuses requests, and gives the headers of their answers.

    A refused request counts as an arrival but uses up neither limit; what HubSpot does is not documented.
    ``max_window`` is the most arrivals, refused ones included, in any rolling window.
    """

    def __init__(self, rate: Rate | None, daily: DailyCounter, portal_id: int, window_seconds: float = 10) -> None:
        self.rate = rate
        self.daily = daily
        self.refused = 0
        self._group = f"publicapi:private_app-api-calls-ten-secondly:1512050:{portal_id}"
        seconds = rate.seconds if rate else window_seconds
        self._arrivals = RollingWindow(seconds)
        self._admitted = RollingWindow(seconds)
        self._interval = f"{seconds * 1000:.0f}"
        self._secondly = max(1, round(rate.requests / rate.seconds)) if rate else 0
        self._last_second = RollingWindow(1)

    @property
    def max_window(self) -> int:
        """The most arrivals in any half-open rolling window of the rate's length (10 s without a rate)."""
        return self._arrivals.most

    def admit(self, now: float, epoch: float, *, exempt: bool = False) -> Refusal | None:
        """Counts an arrival at ``now`` (monotonic) and ``epoch`` (wall clock), both in seconds.

        ``exempt`` requests count toward the day only.
        """
        if not exempt:
            self._arrivals.add(now)
        self.daily.roll(epoch)
        refusal = self._judge(now, exempt=exempt)
        if refusal is not None:
            self.refused += 1
            return refusal
        self.daily.used += 1
        if not exempt and self.rate:
            self._admitted.add(now)
            self._last_second.add(now)
        return None

    def headers(self, now: float) -> dict[str, str]:
        """HubSpot's rate limit headers, without those of a limit that is off.

        The two headers about one second are sent but not enforced, as HubSpot's documentation says.
        """
        headers = {}
        if self.rate:
            left = self.rate.requests - self._admitted.count(now)
            headers["X-HubSpot-RateLimit-Max"] = str(self.rate.requests)
            headers["X-HubSpot-RateLimit-Remaining"] = str(max(0, left))
            headers["X-HubSpot-RateLimit-Interval-Milliseconds"] = self._interval
            left = self._secondly - self._last_second.count(now)
            headers["X-HubSpot-RateLimit-Secondly"] = str(self._secondly)
            headers["X-HubSpot-RateLimit-Secondly-Remaining"] = str(max(0, left))
        if self.daily.limit is not None:
            headers["X-HubSpot-RateLimit-Daily"] = str(self.daily.limit)
            headers["X-HubSpot-RateLimit-Daily-Remaining"] = str(max(0, self.daily.limit - self.daily.used))
        return headers

    def refusal_body(self, refusal: Refusal, correlation_id: str) -> dict[str, object]:
        """The 429 body: documented for DAILY, observed for the burst limit."""
        body: dict[str, object] = {
            "status": "error",
            "message": refusal.message,
            "errorType": "RATE_LIMIT",
            "correlationId": correlation_id,
            "policyName": refusal.policy,
        }
        if refusal.policy == "DAILY":
            body["requestId"] = correlation_id
        else:
            body["groupName"] = self._group
        return body

    def _judge(self, now: float, *, exempt: bool) -> Refusal | None:
        if self.daily.limit is not None and self.daily.used >= self.daily.limit:
            return DAILY
        if not exempt and self.rate and self._admitted.count(now) >= self.rate.requests:
            return TEN_SECONDLY
        return None


DAILY = Refusal("DAILY", "You have reached your daily limit.")
TEN_SECONDLY = Refusal("TEN_SECONDLY_ROLLING", "You have reached your ten_secondly_rolling limit.")
