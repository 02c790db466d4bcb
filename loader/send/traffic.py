"""What went over the wire in this run, counted as it came."""

from collections import Counter, deque
from dataclasses import dataclass, field

from loader.send.replies import Reply


@dataclass(slots=True)
class Traffic:
    """Counts of requests; `latencies` are seconds, of the answers since somebody took them out, or the latest."""

    sent: int = 0
    retried: int = 0
    rate_limited: int = 0
    by_status: Counter[str] = field(default_factory=Counter)
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=10_000))

    def note(self, reply: Reply, seconds: float) -> None:
        """Take in an answer and how long it took."""
        self.by_status[str(reply.status)] += 1
        self.rate_limited += reply.status == 429
        self.latencies.append(seconds)
