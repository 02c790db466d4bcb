"""What happens on the wire from moment to moment, written down for the report (see `record.pace`)."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from loader.model import Outcome
from loader.send.gateway import Gateway
from loader.show.pace import Bucket, Pace, latency_classes


class _Totals(NamedTuple):
    requests: int = 0
    retried: int = 0
    rate_limited: int = 0
    faults: int = 0


class Pulse:
    """Feels a gateway's traffic whenever it is asked to; `sending_seconds` are those of earlier commands."""

    def __init__(self, pace: Pace, gateway: Gateway, clock: Callable[[], float], sending_seconds: float) -> None:
        self.pace = pace
        self._gateway = gateway
        self._clock = clock
        self._from = clock() - sending_seconds
        self._seen = _Totals()
        self._done = self._failed = 0

    def settled(self, outcomes: Sequence[Outcome]) -> None:
        """Take note of outcomes."""
        for outcome in outcomes:
            if outcome.status == "failed":
                self._failed += outcome.rows
            else:
                self._done += outcome.rows

    def facts(self) -> dict[str, object]:
        """Return what changed since it was asked the last time, this moment's traffic counted in."""
        self.feel()
        return self.pace.facts()

    def feel(self) -> None:
        """Take note of what went over the wire since the last time."""
        totals, latencies = self._totals(), self._gateway.traffic.latencies
        new = _Totals(*(now - seen for now, seen in zip(totals, self._seen, strict=True)))
        self._seen = totals
        self.pace.add(
            self._clock() - self._from,
            Bucket(
                *new,
                done=self._done,
                failed=self._failed,
                under_way=len(self._gateway.in_flight),
                allowed=self._gateway.limiter.rate.per_second,
                latencies=latency_classes(latencies),
            ),
        )
        latencies.clear()
        self._done = self._failed = 0

    def _totals(self) -> _Totals:
        traffic = self._gateway.traffic
        unanswered = traffic.sent - traffic.by_status.total() - len(self._gateway.in_flight)
        broken = sum(count for status, count in traffic.by_status.items() if status.startswith("5"))
        return _Totals(traffic.sent, traffic.retried, traffic.rate_limited, broken + unanswered)
