"""What went over the wire in this run, counted as it came."""

from collections import Counter
from dataclasses import dataclass, field

from loader.send.replies import Reply


@dataclass(slots=True)
class Traffic:
    """Counts of requests."""

    sent: int = 0
    retried: int = 0
    rate_limited: int = 0
    by_status: Counter[str] = field(default_factory=Counter)

    def note(self, reply: Reply) -> None:
        """Take in an answer."""
        self.by_status[str(reply.status)] += 1
        self.rate_limited += reply.status == 429
