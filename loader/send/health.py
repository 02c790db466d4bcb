"""What the run knows of the server's health: a breaker and a retry budget, as one small state without a clock.

The breaker opens when nothing has succeeded for 10 s and 20 requests failed meanwhile; then one probe a second goes
out until one succeeds. The budget keeps retries from multiplying the load: a bucket of 500, refilled by a tenth for
each success; used up, a retry waits [AWS SDKs' retry quota; Google SRE's tenth].
"""

from dataclasses import dataclass, field

QUIET_SECONDS = 10.0
FAILURES_TO_OPEN = 20
PROBE_SECONDS = 1.0
GIVE_UP_SECONDS = 900.0
BUDGET = 500.0
REFILL = 0.1


@dataclass(slots=True)
class Health:
    """All times are seconds of one monotonic clock; `now` is always the caller's."""

    last_success: float
    failures: int = 0
    opened_at: float | None = None
    last_sent: float = field(default=float("-inf"))
    budget: float = BUDGET

    @property
    def open(self) -> bool:
        """True while the server is taken to be down: attempts do not count against a row."""
        return self.opened_at is not None

    def given_up(self, now: float) -> bool:
        """Return True when the server has been down for a quarter of an hour."""
        return self.opened_at is not None and now - self.opened_at >= GIVE_UP_SECONDS

    def wait(self, now: float, *, retry: bool) -> float:
        """Return 0 and count the request as leaving, or the seconds after which to ask again."""
        scarce = self.open or (retry and self.budget < 1)
        if scarce:
            rest = self.last_sent + PROBE_SECONDS - now
            if rest > 0:
                return rest
        elif retry:
            self.budget -= 1
        self.last_sent = now
        return 0.0

    def succeeded(self, now: float) -> None:
        """Note an answer that shows the server at work (a refusal of one request is one, too)."""
        self.last_success = now
        self.failures = 0
        self.opened_at = None
        self.budget = min(BUDGET, self.budget + REFILL)

    def failed(self, now: float) -> None:
        """Note an attempt that brought no usable answer."""
        self.failures += 1
        if self.opened_at is None and self.failures >= FAILURES_TO_OPEN and now - self.last_success >= QUIET_SECONDS:
            self.opened_at = now
