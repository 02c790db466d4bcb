"""What a run has used so far, over all its commands, and its current speed."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from loader.events import Exporting, Progress, Undoing, Verifying
from loader.journal import Counts, Facts, RequestCounts
from loader.model import Outcome
from loader.send.gateway import Gateway, Surroundings
from loader.show.pace import Bucket, Pace, latency_classes

WINDOW_SECONDS = 10.0


class _Sample(NamedTuple):
    at: float
    sent: int
    pending: int


class Meter:
    """Counts a gateway's traffic whenever figures are read, also for the report (see `show.pace`).

    `before` is what earlier commands left in the journal.
    """

    def __init__(self, before: Facts, gateway: Gateway, around: Surroundings, began: float) -> None:
        self._before = before
        self._gateway = gateway
        self._around = around
        self._began = began
        self._sending_since = around.clock()
        self._sending_from = around.clock() - before.requests.sending_seconds
        """When sending would have begun if there had been no time between commands."""
        self._pace = Pace(before.pace_width, before.pace)
        self._seen: dict[str, int] = {}
        self._done = self._failed = 0
        self._samples: deque[_Sample] = deque()

    def note(self, outcomes: Sequence[Outcome]) -> None:
        """Count outcomes, written or not."""
        for outcome in outcomes:
            if outcome.status == "failed":
                self._failed += outcome.rows
            else:
                self._done += outcome.rows

    def facts(self) -> dict[str, object]:
        """Return changes of the journal's facts, for the next commit."""
        self._note_traffic()
        now, before, traffic = self._around.clock(), self._before.requests, self._gateway.traffic
        return {
            "pace": self._pace.changes(),
            "pace_width": self._pace.width,
            "daily_left": self._gateway.day.left,
            "daily_limit": self._gateway.day.limit,
            "seconds": self._before.seconds + now - self._began,
            "rate": self._gateway.limiter.rate,
            "requests": RequestCounts(
                sent=before.sent + traffic.sent,
                retried=before.retried + traffic.retried,
                rate_limited=before.rate_limited + traffic.rate_limited,
                by_status=dict(sorted((Counter(before.by_status) + traffic.by_status).items())),
                sending_seconds=before.sending_seconds + now - self._sending_since,
            ),
        }

    def progress(self, counts: Counts, *, beyond: int = 0) -> Progress:
        """Return the progress of the run; `beyond` pending rows are left to later commands."""
        self._note_traffic()
        first, last = self._window(counts.pending)
        before, traffic = self._before.requests, self._gateway.traffic
        # The estimate is made by rows, not by requests: some rows need none, and one request may have thousands.
        rows_per_second = _per_second(first, last, first.pending - last.pending)
        return Progress(
            **counts.rows(),
            verb=counts.verb,
            requests=before.sent + traffic.sent,
            retried=before.retried + traffic.retried,
            rate_limited=before.rate_limited + traffic.rate_limited,
            daily_left=self._gateway.day.left,
            rate=self._gateway.limiter.rate,
            achieved=_per_second(first, last, last.sent - first.sent),
            paused=self._gateway.limiter.paused_for,
            seconds_left=(last.pending - beyond) / rows_per_second if rows_per_second else None,
            beyond=beyond,
            waiting=self._gateway.waits_for(),
        )

    def verifying(self, total: int, there: int, pending: int) -> Verifying:
        """Return the progress of a verification."""
        return Verifying(total=total, there=there, pending=pending, **self._traffic(pending))

    def undoing(self, pairs: Mapping[str, int]) -> Undoing:
        """Return the progress of an undo; `pairs` are counted by status, with those that are pending."""
        figures: dict[str, Any] = {**pairs, **self._traffic(pairs["pending"])}
        return Undoing(total=sum(pairs.values()), **figures)

    def exporting(self, records: int, total: int | None, lines: int) -> Exporting:
        """Return the progress of an export."""
        return Exporting(records=records, total=total, lines=lines, **self._traffic(0))

    def _traffic(self, pending: int) -> dict[str, Any]:
        """Return the figures of requests in every progress: how many, how fast, and what they wait for."""
        first, last = self._window(pending)
        return {
            "requests": last.sent,
            "rate": self._gateway.limiter.rate,
            "achieved": _per_second(first, last, last.sent - first.sent),
            "waiting": self._gateway.waits_for(),
        }

    def _note_traffic(self) -> None:
        """Count the requests since the last call."""
        traffic = self._gateway.traffic
        unanswered = traffic.sent - traffic.by_status.total() - len(self._gateway.in_flight)
        broken = sum(count for status, count in traffic.by_status.items() if status.startswith("5"))
        totals = {
            "requests": traffic.sent,
            "retried": traffic.retried,
            "rate_limited": traffic.rate_limited,
            "faults": broken + unanswered,
        }
        new = {name: total - self._seen.get(name, 0) for name, total in totals.items()}
        self._seen = totals
        self._pace.add(
            self._around.clock() - self._sending_from,
            Bucket(
                **new,
                done=self._done,
                failed=self._failed,
                in_flight=len(self._gateway.in_flight),
                allowed=self._gateway.limiter.rate.per_second,
                latencies=latency_classes(traffic.latencies),
            ),
        )
        traffic.latencies.clear()
        self._done = self._failed = 0

    def _window(self, pending: int) -> tuple[_Sample, _Sample]:
        """Return the state of the run ten seconds ago, or when it began, and its state now."""
        now = self._around.clock()
        self._samples.append(_Sample(now, self._gateway.traffic.sent, pending))
        while now - self._samples[0].at > WINDOW_SECONDS and len(self._samples) > 2:
            self._samples.popleft()
        return self._samples[0], self._samples[-1]


def _per_second(first: _Sample, last: _Sample, count: int) -> float:
    return count / (last.at - first.at) if last.at > first.at else 0.0
