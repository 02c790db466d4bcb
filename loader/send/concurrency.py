"""How many requests may be under way: fewer when HubSpot slows down because of them, more again when it does not."""

import math
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

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


class _Answer(NamedTuple):
    """How long it took, how many were under way with it, and its status; None for a timeout."""

    seconds: float
    under_way: int
    status: int | None


def _throughput(crowd: Sequence[_Answer]) -> float:
    """Return the useful answers of a crowd per second, as if requests had followed one another without a pause."""
    useful = sum(answer.status is not None for answer in crowd)
    under_way, seconds = sum(answer.under_way for answer in crowd), sum(answer.seconds for answer in crowd)
    return useful / len(crowd) * under_way / max(1e-9, seconds)


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
        self.most = most
        self._sample: list[_Answer] = []
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
        sample.append(_Answer(seconds, under_way, status))
        if len(sample) < max(SAMPLES, self.limit):
            return
        before, self._sample = self._limit, []
        self._decide(sample, per_second)
        if self._limit < before:
            self._cut_at = left_at + seconds

    def _decide(self, sample: Sequence[_Answer], per_second: float) -> None:
        crowd = [answer for answer in sample if answer.under_way >= CROWDED * self.limit]
        crowded = len(crowd) >= CROWDED * len(sample)
        locked = sum(answer.status == 423 for answer in sample)
        seconds = median(answer.seconds for answer in sample)
        useful = (answer.seconds for answer in sample if answer.status is not None)
        self._quickest = min(self._quickest, min(useful, default=math.inf))
        self._normal_for += 1
        if self._normal_for > PATIENCE:
            self._normal = 0.0
        if crowded and self._cost_throughput(crowd):
            self._normal, self._normal_for = seconds, 0
        elif locked:
            self._set(max(1.0, self._limit * (1 - locked / len(sample) / 2)))
        elif crowded and seconds > max(SLOW_SECONDS, SLOWER * self._normal):
            self._cut(crowd, per_second)
        else:
            self._before_cut = None
            self._normal = min(self._normal, seconds)
            self._set(min(float(self.most), self._limit + len(sample) / SAMPLES))

    def _cost_throughput(self, crowd: Sequence[_Answer]) -> bool:
        """Take the last cut back if fewer answers come for it."""
        if self._before_cut is None:
            return False
        limit, best = self._before_cut
        if lost := _throughput(crowd) < KEPT * best:
            self._set(limit)
            self._before_cut = None
        return lost

    def _cut(self, crowd: Sequence[_Answer], per_second: float) -> None:
        _, best = self._before_cut or (0, 0.0)
        self._before_cut = self._limit, max(best, _throughput(crowd))
        needed = per_second * self._quickest if self._quickest < math.inf else 0.0
        self._set(max(min(self._limit, math.ceil(needed)), self._limit * CUT, 1.0))
