"""What a run has used so far, over all the commands that worked on it, and how fast it is going now."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from loader.events import Progress, Undoing, Verifying
from loader.journal import Counts
from loader.model import Outcome
from loader.run.pulse import Pulse
from loader.send.gateway import Gateway, Surroundings
from loader.show.pace import Pace

WINDOW_SECONDS = 10.0


class _Sample(NamedTuple):
    at: float
    sent: int
    pending: int


class Meter:
    """`before` are the figures that earlier commands left in the journal (see `facts`)."""

    def __init__(self, before: Mapping[str, Any], gateway: Gateway, around: Surroundings, began: float) -> None:
        self._before = before
        self._gateway = gateway
        self._around = around
        self._began = began
        self._sending_since = around.clock()
        sending_seconds = (before.get("traffic") or {}).get("sending_seconds", 0.0)
        self._pulse = Pulse(Pace(before.get("pace")), gateway, around.clock, sending_seconds)
        self._samples: deque[_Sample] = deque()

    def settled(self, outcomes: Sequence[Outcome]) -> None:
        """Take note of outcomes, whether they are written down already or not."""
        self._pulse.settled(outcomes)

    def tell_again(self) -> None:
        """Have the next `facts` tell everything: some that were told may not have been written, as the run ended."""
        self._pulse.pace.tell_again()

    def facts(self) -> dict[str, object]:
        """Return the figures to remember with a commit."""
        now = self._around.clock()
        rate = self._gateway.limiter.rate
        return {
            **self._pulse.facts(),
            "quota": [self._gateway.day.left, self._gateway.day.limit],
            "traffic": self._traffic(now),
            "seconds": (self._before.get("seconds") or 0.0) + now - self._began,
            "rate": [rate.requests, rate.seconds],
        }

    def _traffic(self, now: float) -> dict[str, object]:
        before = self._before.get("traffic") or {}
        traffic = self._gateway.traffic
        by_status = Counter(before.get("by_status") or {}) + traffic.by_status
        return {
            "sent": before.get("sent", 0) + traffic.sent,
            "retried": before.get("retried", 0) + traffic.retried,
            "rate_limited": before.get("rate_limited", 0) + traffic.rate_limited,
            "by_status": dict(sorted(by_status.items())),
            "sending_seconds": before.get("sending_seconds", 0.0) + now - self._sending_since,
        }

    def progress(self, counts: Counts) -> Progress:
        """Return where the run stands."""
        self._pulse.feel()
        first, last = self._window(counts.pending)
        before, traffic = self._before.get("traffic") or {}, self._gateway.traffic
        return Progress(
            total=counts.total,
            created=counts.created,
            replaced=counts.replaced,
            unchanged=counts.unchanged,
            failed=counts.failed,
            rejected=counts.rejected,
            pending=counts.pending,
            requests=before.get("sent", 0) + traffic.sent,
            retried=before.get("retried", 0) + traffic.retried,
            rate_limited=before.get("rate_limited", 0) + traffic.rate_limited,
            daily_left=self._gateway.day.left,
            rate=self._gateway.limiter.rate,
            achieved=_per_second(first, last, last.sent - first.sent),
            paused=self._gateway.limiter.paused_for,
            seconds_left=_seconds_left(first, last),
        )

    def verifying(self, total: int, there: int, pending: int) -> Verifying:
        """Return where a verification stands."""
        first, last = self._window(pending)
        achieved = _per_second(first, last, last.sent - first.sent)
        return Verifying(total, there, pending, last.sent, self._gateway.limiter.rate, achieved)

    def undoing(self, pairs: Mapping[str, int]) -> Undoing:
        """Return where an undo stands; `pairs` are counted by status, with those that are pending."""
        first, last = self._window(pairs["pending"])
        achieved = _per_second(first, last, last.sent - first.sent)
        rate = self._gateway.limiter.rate
        return Undoing(total=sum(pairs.values()), requests=last.sent, rate=rate, achieved=achieved, **pairs)

    def _window(self, pending: int) -> tuple[_Sample, _Sample]:
        """Return where the run stood ten seconds ago, or when it began, and where it stands now."""
        now = self._around.clock()
        self._samples.append(_Sample(now, self._gateway.traffic.sent, pending))
        while now - self._samples[0].at > WINDOW_SECONDS and len(self._samples) > 2:
            self._samples.popleft()
        return self._samples[0], self._samples[-1]


def _seconds_left(first: _Sample, last: _Sample) -> float | None:
    """Rows are what is left, not requests: some rows need none, and a request may carry thousands."""
    settled = _per_second(first, last, first.pending - last.pending)
    return last.pending / settled if settled else None


def _per_second(first: _Sample, last: _Sample, count: int) -> float:
    return count / (last.at - first.at) if last.at > first.at else 0.0
