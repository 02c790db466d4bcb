"""How many requests may be under way: fewer when HubSpot slows down because of them, more again when it does not."""

import math
from statistics import fmean, median
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


class Answer(NamedTuple):
    """One request that came home: when it left, how long it took, how many were under way with it.

    `useful` is False for a timeout, `locked` True for a 423. `per_second` is the rate that the limiter allows.
    """

    left_at: float
    seconds: float
    under_way: int
    per_second: float
    useful: bool = True
    locked: bool = False


class Concurrency:
    """Additive increase, multiplicative decrease, without a clock or I/O; `limit` is what is allowed now.

    A cut is judged by throughput, which is what is under way over how long it takes (Little's law). A server that
    works one by one gives as many answers to fewer requests, one that suffers gives more, and cutting goes on until
    answers are quick. One that is slow by itself gives fewer: the cut is taken back and that latency becomes the new
    normal, or a slow night would end with one request at a time. Never is the limit cut below what the rate needs while
    HubSpot is at its quickest. A 423 says outright that we are too many: half of the share that it has is given up.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._limit = float(most)
        self._quickest = math.inf
        self._normal = 0.0
        self._normal_for = 0
        self._before_cut: tuple[float, float] | None = None
        self._answers: list[Answer] = []
        self._cut_at = -math.inf

    @property
    def limit(self) -> int:
        """So many requests may be under way, one at least."""
        return max(1, int(self._limit))

    def allow(self, most: int) -> None:
        """Begin anew with another upper bound."""
        self.most, self._limit = most, float(most)

    def note(self, answer: Answer) -> None:
        """Take in an answer; those to requests that left before the last cut say nothing of it."""
        if answer.left_at < self._cut_at:
            return
        self._answers.append(answer)
        if len(self._answers) < max(SAMPLES, self.limit):
            return
        before = self._limit
        self._decide(self._answers)
        if self._limit < before:
            self._cut_at = answer.left_at + answer.seconds
        self._answers = []

    def _decide(self, answers: list[Answer]) -> None:
        crowd = [answer for answer in answers if answer.under_way >= CROWDED * self.limit]
        crowded = len(crowd) >= CROWDED * len(answers)
        seconds = median(answer.seconds for answer in answers)
        locked = fmean(answer.locked for answer in answers)
        self._quickest = min(self._quickest, min((each.seconds for each in answers if each.useful), default=math.inf))
        self._normal_for += 1
        if self._normal_for > PATIENCE:
            self._normal = 0.0
        if crowded and self._cost_throughput(crowd):
            self._normal, self._normal_for = seconds, 0
        elif locked:
            self._limit = max(1.0, self._limit * (1 - locked / 2))
        elif crowded and seconds > max(SLOW_SECONDS, SLOWER * self._normal):
            self._cut(crowd)
        else:
            self._before_cut = None
            self._normal = min(self._normal, seconds)
            self._limit = min(float(self.most), self._limit + len(answers) / SAMPLES)

    def _cost_throughput(self, answers: list[Answer]) -> bool:
        """Take the last cut back if fewer answers come for it."""
        if self._before_cut is None:
            return False
        limit, best = self._before_cut
        if lost := _throughput(answers) < KEPT * best:
            self._limit, self._before_cut = limit, None
        return lost

    def _cut(self, answers: list[Answer]) -> None:
        _, best = self._before_cut or (0, 0.0)
        self._before_cut = self._limit, max(best, _throughput(answers))
        needed = answers[-1].per_second * self._quickest if self._quickest < math.inf else 0.0
        self._limit = max(min(self._limit, math.ceil(needed)), self._limit * CUT, 1.0)


def _throughput(answers: list[Answer]) -> float:
    """Useful answers per second, as if requests had followed one another without a pause."""
    useful = fmean(answer.useful for answer in answers)
    return useful * sum(answer.under_way for answer in answers) / max(1e-9, sum(answer.seconds for answer in answers))
