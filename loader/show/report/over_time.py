"""The figures of a run over time, as plots and as a table."""

from collections.abc import Iterator, Sequence

from loader.journal import Facts
from loader.model import STATUSES
from loader.show.pace import Bucket, Pace, quantile
from loader.show.report.plots import Axis, Plot, Series, plot
from loader.text import counted

MOST_LINES = 24
LINE_HEAD = (
    "From second",
    "Requests",
    "Most at once",
    "429s",
    "Faults",
    "Retries",
    "Rows done",
    "Rows failed",
    "Median ms",
    "95 % ms",
)


def plots(pace: Pace, facts: Facts) -> list[Plot]:
    """Return the plots of a run with these facts in its journal, none for one that made no request."""
    intervals = _intervals(pace)
    if not intervals:
        return []
    window = facts.rate.seconds
    went_on_at = [command.after_seconds for command in facts.commands if command.after_seconds]
    axis = Axis(len(intervals), pace.width, went_on_at)
    return [
        _throughput(axis, intervals, window),
        _rows(axis, intervals, STATUSES[facts.identity.get("verb", "load")][:-1]),
        _trouble(axis, intervals),
        _latency(axis, intervals),
    ]


def _intervals(pace: Pace) -> list[Bucket]:
    return [pace.buckets.get(place, Bucket()) for place in range(max(pace.buckets, default=-1) + 1)]


def _throughput(axis: Axis, intervals: Sequence[Bucket], window: float) -> Plot:
    sent = Series("requests", "steps", "blue", [each.requests / axis.seconds for each in intervals])
    allowed = Series(f"limit, over any {window:g} s", "limit", "ink", [each.allowed for each in intervals])
    total = sum(each.requests for each in intervals)
    described = (
        f"{counted(total, 'request')} in all, at most {sent.peak:,.4g} per second, against a limit of "
        f"{allowed.peak:,.4g}."
    )
    return plot("throughput", "Requests per second", described, axis, [sent, allowed])


def _rows(axis: Axis, intervals: Sequence[Bucket], statuses: Sequence[str]) -> Plot:
    *first, last = statuses
    done_as = f"{', '.join(first)} or {last}"
    both = Series("failed", "steps", "red", [(each.done + each.failed) / axis.seconds for each in intervals])
    done = Series(done_as, "steps", "green", [each.done / axis.seconds for each in intervals])
    rows = sum(each.done + each.failed for each in intervals)
    described = f"{counted(rows, 'row')} in all, at most {both.peak:,.4g} per second."
    return plot("rows", "Rows per second", described, axis, [both, done])


def _trouble(axis: Axis, intervals: Sequence[Bucket]) -> Plot:
    title = "Refused for the rate, and faults"
    limited, faults, retried = (
        [getattr(each, name) for each in intervals] for name in ("rate_limited", "faults", "retried")
    )
    if not any((*limited, *faults, *retried)):
        return Plot(name="trouble", title=title, described="None: every request was answered at its first attempt.")
    both = [one + other for one, other in zip(limited, faults, strict=True)]
    series = [
        Series(f"429s: {sum(limited):,}", "steps", "amber", both),
        Series(f"5xx or no answer: {sum(faults):,}", "steps", "red", faults),
        Series(f"retries: {sum(retried):,}", "line", "ink", retried),
    ]
    described = f"{', '.join(each.name for each in series)}."
    return plot("trouble", title, described, axis, series)


def _latency(axis: Axis, intervals: Sequence[Bucket]) -> Plot:
    title = "Latency in milliseconds"
    median = Series("median", "line", "blue", [_milliseconds(each, 0.5) for each in intervals])
    slow = Series("95 % are faster", "line", "amber", [_milliseconds(each, 0.95) for each in intervals])
    if not slow.peak:
        return Plot(name="latency", title=title, described="There was no answer.")
    described = (
        f"Median of an interval at most {median.peak:,.3g}, 95th percentile at most {slow.peak:,.3g} milliseconds."
    )
    return plot("latency", title, described, axis, [slow, median])


def _milliseconds(bucket: Bucket, share: float) -> float | None:
    seconds = quantile(bucket.latencies, share)
    return None if seconds is None else seconds * 1000


def lines(pace: Pace) -> Iterator[tuple[str, ...]]:
    """Yield the lines of a table under LINE_HEAD; each joins several intervals, so that there are not too many."""
    intervals = _intervals(pace)
    together = -(-len(intervals) // MOST_LINES) or 1
    for start in range(0, len(intervals), together):
        whole = Bucket()
        for each in intervals[start : start + together]:
            whole.add(each)
        counts = (
            whole.requests,
            whole.in_flight,
            whole.rate_limited,
            whole.faults,
            whole.retried,
            whole.done,
            whole.failed,
        )
        latencies = (_milliseconds(whole, share) for share in (0.5, 0.95))
        yield (
            f"{start * pace.width:,.0f}",
            *(f"{count:,}" for count in counts),
            *("" if each is None else f"{each:,.3g}" for each in latencies),
        )
