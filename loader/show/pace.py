"""The figures of a run over time: a bounded series that the journal keeps, for the report's plots.

Time is counted in seconds of sending, over all commands of the run, without the time between them. A run begins with
buckets of a second; when there are too many, pairs of buckets are merged. A latency is counted in one of a few classes,
so that the median of merged buckets is still known.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

MOST_BUCKETS = 480

_SHORTEST = 0.001
_CLASSES_PER_DOUBLING = 4
_LAST_CLASS = 80
"""The last latency class: seventeen minutes, longer than any request may take."""


@dataclass(slots=True)
class Bucket:
    """What happened in one interval of time.

    `rate_limited` are answers of 429, `faults` those of 5xx and requests without an answer. `done` and `failed` are
    rows. `in_flight` is the most requests at once, `allowed` the limit in requests per second. `latencies` counts
    answers by the class of their latency (see `quantile`).
    """

    requests: int = 0
    retried: int = 0
    rate_limited: int = 0
    faults: int = 0
    done: int = 0
    failed: int = 0
    in_flight: int = 0
    allowed: float = 0.0
    latencies: Counter[int] = field(default_factory=Counter)

    def add(self, other: "Bucket") -> None:
        """Add another interval's figures."""
        for name in _COUNTED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.in_flight = max(self.in_flight, other.in_flight)
        self.allowed = max(self.allowed, other.allowed)
        self.latencies.update(other.latencies)

    def plain(self) -> list[object]:
        """Return the bucket as JSON can hold it."""
        return [*(getattr(self, name) for name in _FIGURES), sorted(self.latencies.items())]

    @classmethod
    def of(cls, plain: list[Any]) -> Self:
        """Return the bucket from what `plain` returned."""
        *figures, latencies = plain
        named: dict[str, Any] = dict(zip(_FIGURES, figures, strict=True))
        return cls(**named, latencies=Counter(dict(latencies)))


_FIGURES = [each.name for each in fields(Bucket) if each.name != "latencies"]
_COUNTED = [name for name in _FIGURES if name not in ("in_flight", "allowed")]


class Pace:
    """The series of one run, in buckets of `width` seconds; the journal keeps both between commands."""

    def __init__(self, width: int = 1, buckets: Mapping[int, Any] | None = None) -> None:
        self.width = width
        self.buckets = {place: Bucket.of(plain) for place, plain in (buckets or {}).items()}
        self._changed: set[int] = set()

    def add(self, second: float, what: Bucket) -> None:
        """Add what happened at a second of sending."""
        while (place := int(second / self.width)) >= MOST_BUCKETS:
            before, self.buckets = self.buckets, {}
            for old, bucket in before.items():
                self.buckets.setdefault(old // 2, Bucket()).add(bucket)
            self.width *= 2
            self._changed.update(before, self.buckets)
        self.buckets.setdefault(place, Bucket()).add(what)
        self._changed.add(place)

    def changes(self) -> dict[int, list[object] | None]:
        """Return the buckets that changed since the last call; None for one that was merged into another."""
        changed = {place: self.buckets[place].plain() if place in self.buckets else None for place in self._changed}
        self._changed.clear()
        return changed


def latency_classes(seconds: Iterable[float]) -> Counter[int]:
    """Return how many latencies are in each class; classes are a fifth apart (the fourth root of two)."""
    doublings = (math.log2(max(each, _SHORTEST) / _SHORTEST) for each in seconds)
    return Counter(min(_LAST_CLASS, round(_CLASSES_PER_DOUBLING * each)) for each in doublings)


def quantile(latencies: Mapping[int, int], share: float) -> float | None:
    """Return the latency in seconds that a share of the answers did not exceed, to a tenth; None without answers."""
    left = share * sum(latencies.values())
    for place in sorted(latencies):
        left -= latencies[place]
        if left <= 0:
            return float(_SHORTEST * 2.0 ** (place / _CLASSES_PER_DOUBLING))
    return None
