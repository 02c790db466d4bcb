"""What the run knows of the server's health: a breaker and a retry budget, as one small state without a clock.

The breaker opens when nothing has succeeded for 10 s and 3 requests failed meanwhile: a small load makes no more than
that. Then one probe a second goes out until one succeeds. The budget keeps retries from multiplying the load: a bucket
of 500, refilled by a tenth for each success; used up, a retry waits [AWS SDKs' retry quota; Google SRE's tenth].
"""

import math
from dataclasses import dataclass

QUIET_SECONDS = 10.0
FAILURES_TO_OPEN = 3
PROBE_SECONDS = 1.0
GIVE_UP_SECONDS = 900.0
BUDGET = 500.0
REFILL = 0.1

PATIENCE_SECONDS = 120.0
"""A plain 500 is HubSpot's own word about one request: after so long it counts against its row again, open or not.

Else a few rows that HubSpot cannot digest, left alone at the end of a run, would pass for an outage for ever.
"""


@dataclass(slots=True)
class Health:
    """All times are seconds of one monotonic clock; `now` is always the caller's.

    `failures` are those since the last success, without the 429s: a server that says 429 is at work. `unanswered` are
    all of them, and `failing_since` is when they began.
    """

    failures: int = 0
    unanswered: int = 0
    failing_since: float | None = None
    opened_at: float | None = None
    last_success: float = -math.inf
    last_sent: float = -math.inf
    last_retry: float = -math.inf
    budget: float = BUDGET

    @property
    def open(self) -> bool:
        """True while the server is taken to be down."""
        return self.opened_at is not None

    def wait(self, now: float) -> float:
        """Return the seconds until a request may leave; 0 when it may now."""
        return max(0.0, self.last_sent + PROBE_SECONDS - now) if self.open else 0.0

    def sent(self, now: float) -> None:
        """Note that a request leaves."""
        self.last_sent = now

    def afford(self, now: float) -> float:
        """Return 0 and take one retry from the budget, or the seconds after which to ask again.

        With the budget used up one retry a second goes out all the same; while the breaker is open, `wait` decides.
        """
        if self.open:
            return 0.0
        if self.budget >= 1:
            self.budget -= 1
        elif (rest := self.last_retry + PROBE_SECONDS - now) > 0:
            return rest
        self.last_retry = now
        return 0.0

    def succeeded(self, now: float) -> None:
        """Note an answer that shows the server at work (a refusal of one request is one, too)."""
        self.last_success = now
        self.failures = self.unanswered = 0
        self.failing_since = self.opened_at = None
        self.budget = min(BUDGET, self.budget + REFILL)

    def failed(self, now: float, *, rate_limited: bool) -> None:
        """Note an attempt that brought no usable answer."""
        if self.failing_since is None:
            self.failing_since = now
        self.unanswered += 1
        if rate_limited:
            return
        self.failures += 1
        if not self.open and self.failures >= FAILURES_TO_OPEN and now - self.failing_since >= QUIET_SECONDS:
            self.opened_at = now

    def counts(self, status: int | None, now: float) -> bool:
        """Return True when a failed attempt with this status is to count against its row."""
        if self.opened_at is None:
            return True
        return status == 500 and now - self.opened_at >= PATIENCE_SECONDS

    def at_work_since(self, moment: float) -> bool:
        """Return True when the server has answered somebody since then."""
        return self.last_success >= moment

    def given_up(self, now: float) -> bool:
        """Return True when no usable answer came for a quarter of an hour; to be asked after a failure."""
        since = self.failing_since
        return since is not None and self.unanswered >= FAILURES_TO_OPEN and now - since >= GIVE_UP_SECONDS
