"""What went over the wire in this run, counted as it came."""

from collections import Counter
from dataclasses import dataclass, field

from loader.send import replies
from loader.send.replies import Reply


@dataclass(slots=True)
class Traffic:
    """Counts of requests; `daily_left` and `daily` are the day's quota, None until an answer names it."""

    sent: int = 0
    retried: int = 0
    rate_limited: int = 0
    by_status: Counter[str] = field(default_factory=Counter)
    daily_left: int | None = None
    daily: int | None = None

    def note(self, reply: Reply) -> None:
        """Take in an answer, and what its headers say of the day's quota."""
        self.by_status[str(reply.status)] += 1
        self.rate_limited += reply.status == 429
        left, daily = replies.daily_quota(reply.headers)
        if left is not None:
            self.daily_left, self.daily = left, daily
