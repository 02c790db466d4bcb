"""How many requests may be under way: fewer when HubSpot slows down because of them, more again when it does not."""

import math
from dataclasses import dataclass, field
from statistics import median

SAMPLES = 20
"""Answers between two decisions, or as many as may be under way if that is more; their median is what is judged."""

SLOW_SECONDS = 1.0
"""Below a second it is our own machine that is busy, or the network; HubSpot under pressure answers in seconds."""

SLOWER = 2.0
"""Slow is also twice the latency that was found to be normal, whatever our number."""

CROWDED = 0.8
"""With fewer under way than this share of what is allowed, slow answers have another cause than our number."""

PATIENCE = 50
"""Decisions after which a slow normal is doubted and tried again: one cut in so many costs half a percent."""

CUT = 0.75

KEPT = 0.9
"""A cut is right while so much of the best throughput is left; else the server is slow by itself."""


@dataclass(slots=True)
class _Sample:
    """The answers since the last decision; the `crowd` are those with nearly as many under way as were allowed.

    `seconds` are how long each took, `crowd_seconds` and `crowd_under_way` the crowd's sums, `crowd_useful` its
    answers that were no timeouts.
    """

    seconds: list[float] = field(default_factory=list)
    locked: int = 0
    crowd: int = 0
    crowd_useful: int = 0
    crowd_under_way: int = 0
    crowd_seconds: float = 0.0
    per_second: float = 0.0

    @property
    def throughput(self) -> float:
        """Useful answers of the crowd per second, as if requests had followed one another without a pause."""
        return self.crowd_useful / self.crowd * self.crowd_under_way / max(1e-9, self.crowd_seconds)


class Concurrency:
    """Additive increase, multiplicative decrease, without a clock or I/O; `limit` is what is allowed now, one at least.

    A cut is judged by throughput, which is what is under way over how long it takes (Little's law). A server that
    works one by one gives as many answers to fewer requests, one that suffers gives more, and cutting goes on until
    answers are quick. One that is slow by itself gives fewer: the cut is taken back and that latency becomes the new
    normal, or a slow night would end with one request at a time. Never is the limit cut below what the rate needs while
    HubSpot is at its quickest. A 423 says outright that we are too many: half of the share that it has is given up.
    """

    def __init__(self, most: int) -> None:
        self._quickest = math.inf
        self._normal = 0.0
        self._normal_for = 0
        self._before_cut: tuple[float, float] | None = None
        self._cut_at = -math.inf
        self.allow(most)

    def allow(self, most: int) -> None:
        """Begin anew with another upper bound."""
        self.most, self._sample = most, _Sample()
        self._set(float(most))

    def _set(self, limit: float) -> None:
        self._limit = limit
        self.limit = max(1, int(limit))

    def note(self, left_at: float, seconds: float, under_way: int, status: int | None, per_second: float) -> None:
        """Take in one request that came home: when it left, how long it took, how many were under way with it.

        `status` is None for a timeout; `per_second` is the rate that the limiter allows. Those that left before the
        last cut say nothing of it.
        """
        if left_at < self._cut_at:
            return
        sample = self._sample
        sample.seconds.append(seconds)
        sample.locked += status == 423
        if status is not None and seconds < self._quickest:
            self._quickest = seconds
        if under_way >= CROWDED * self.limit:
            sample.crowd += 1
            sample.crowd_useful += status is not None
            sample.crowd_under_way += under_way
            sample.crowd_seconds += seconds
            sample.per_second = per_second
        if len(sample.seconds) < max(SAMPLES, self.limit):
            return
        before, self._sample = self._limit, _Sample()
        self._decide(sample)
        if self._limit < before:
            self._cut_at = left_at + seconds

    def _decide(self, sample: _Sample) -> None:
        answers = len(sample.seconds)
        crowded = sample.crowd >= CROWDED * answers
        seconds = median(sample.seconds)
        self._normal_for += 1
        if self._normal_for > PATIENCE:
            self._normal = 0.0
        if crowded and self._cost_throughput(sample):
            self._normal, self._normal_for = seconds, 0
        elif sample.locked:
            self._set(max(1.0, self._limit * (1 - sample.locked / answers / 2)))
        elif crowded and seconds > max(SLOW_SECONDS, SLOWER * self._normal):
            self._cut(sample)
        else:
            self._before_cut = None
            self._normal = min(self._normal, seconds)
            self._set(min(float(self.most), self._limit + answers / SAMPLES))

    def _cost_throughput(self, sample: _Sample) -> bool:
        """Take the last cut back if fewer answers come for it."""
        if self._before_cut is None:
            return False
        limit, best = self._before_cut
        if lost := sample.throughput < KEPT * best:
            self._set(limit)
            self._before_cut = None
        return lost

    def _cut(self, sample: _Sample) -> None:
        _, best = self._before_cut or (0, 0.0)
        self._before_cut = self._limit, max(best, sample.throughput)
        needed = sample.per_second * self._quickest if self._quickest < math.inf else 0.0
        self._set(max(min(self._limit, math.ceil(needed)), self._limit * CUT, 1.0))
