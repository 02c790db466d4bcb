"""How many requests are under way: fewer where that helps, never fewer where it does not."""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from loader.errors import ConnectionFault
from loader.send import replies
from loader.send.api import Request
from loader.send.auth import credential
from loader.send.concurrency import SAMPLES, Concurrency
from loader.send.gateway import Gateway, Surroundings
from loader.send.limits import Limiter
from loader.send.replies import Reply
from loader.settings import Rate, Secret
from tests.stages.fake_time import clock, run

MOST = 50
FULL_RATE = 19.0
"""Requests per second of a Professional portal, `190/10`."""


@dataclass
class Night:
    """A closed loop: `limit` requests are always under way, and each answer takes `seconds(under way)`.

    `seen` has the limit after each answer.
    """

    policy: Concurrency
    seconds: Callable[[int], float]
    per_second: float = FULL_RATE
    locked: Callable[[int], bool] = lambda _: False
    now: float = 0.0
    left: deque[tuple[float, int]] = field(default_factory=deque)
    seen: list[int] = field(default_factory=list)

    def answers(self, count: int) -> None:
        for number in range(count):
            while len(self.left) < self.policy.limit:
                self.left.append((self.now, len(self.left) + 1))
            left_at, under_way = self.left.popleft()
            seconds = self.seconds(under_way)
            self.now = max(self.now, left_at + seconds)
            locked = self.locked(number)
            self.policy.note(left_at, seconds, under_way, 423 if locked else 200, self.per_second)
            self.seen.append(self.policy.limit)


def night(seconds: Callable[[int], float], per_second: float = FULL_RATE) -> Night:
    return Night(Concurrency(MOST), seconds, per_second)


def test_a_server_that_works_one_by_one_gets_fewer_requests_until_answers_are_quick() -> None:
    """100 ms for each request under way: ten at once give as many answers as fifty, a second each."""
    busy = night(lambda under_way: 0.1 * under_way)
    busy.answers(100 * SAMPLES)
    assert min(busy.seen[-20 * SAMPLES :]) >= 5
    assert max(busy.seen[-20 * SAMPLES :]) <= 15


def test_a_server_that_collapses_under_load_gets_fewer_requests() -> None:
    """Latency grows faster than the number under way, so that fewer requests are more answers."""
    busy = night(lambda under_way: 0.02 * under_way**1.5)
    busy.answers(200 * SAMPLES)
    last = busy.seen[-50 * SAMPLES :]
    assert sum(last) / len(last) <= 16
    assert min(last) >= 5


@pytest.mark.parametrize("seconds", [0.3, 0.9, 1.5, 3.0, 8.0, 25.0])
def test_a_slow_night_does_not_end_at_one_request_at_a_time(seconds: float) -> None:
    """Every answer takes so long, give or take a half, however few are under way: fewer would only be slower."""
    chance = random.Random(1)
    slow = night(lambda _: 0.1)
    slow.answers(5 * SAMPLES)
    slow.seconds = lambda _: seconds * chance.uniform(0.5, 1.5)
    slow.answers(200 * SAMPLES)
    later = slow.seen[20 * SAMPLES :]
    assert sum(later) / len(later) >= 0.9 * MOST
    assert min(slow.seen) >= 0.5 * MOST


def test_a_slow_night_is_told_from_load_even_when_it_begins_slow() -> None:
    slow = night(lambda _: 3.0)
    slow.answers(60 * SAMPLES)
    assert slow.policy.limit == MOST


def test_our_own_busy_machine_is_not_taken_for_a_busy_server() -> None:
    """[measured: a local server out of CPU fell to one request at a time, 20,000 PUTs took 49 s]"""
    busy = night(lambda under_way: 0.002 * under_way, per_second=500.0)
    busy.answers(SAMPLES)
    busy.seconds = lambda under_way: 0.018 * under_way
    busy.answers(300 * SAMPLES)
    assert min(busy.seen) == MOST


def test_the_limit_is_never_cut_below_what_the_rate_needs_at_the_normal_latency() -> None:
    """At 100 requests a second and 0.2 s, twenty are under way when all is well."""
    busy = night(lambda _: 0.2, per_second=100.0)
    busy.answers(SAMPLES)
    busy.seconds = lambda under_way: 0.1 * under_way
    busy.answers(200 * SAMPLES)
    assert min(busy.seen) == 20


def test_the_number_comes_back_when_answers_are_quick_again() -> None:
    recovering = night(lambda under_way: 0.1 * under_way)
    recovering.answers(60 * SAMPLES)
    assert recovering.policy.limit < 15
    recovering.seconds = lambda _: 0.1
    recovering.answers(60 * SAMPLES)
    assert recovering.policy.limit == MOST


def test_few_requests_under_way_are_not_the_cause_of_slow_answers() -> None:
    policy = Concurrency(MOST)
    for number in range(100 * SAMPLES):
        policy.note(number, 5.0, 5, 200, FULL_RATE)
    assert policy.limit == MOST


def test_answers_to_requests_from_before_a_cut_do_not_cause_another() -> None:
    """Fifty that left together and come home late are one piece of news."""
    policy = Concurrency(MOST)
    for _ in range(MOST):
        policy.note(0.0, 0.1, MOST, 200, FULL_RATE)
    for _ in range(3 * MOST):
        policy.note(1.0, 30.0, MOST, 200, FULL_RATE)
    assert policy.limit == int(MOST * 0.75)


def test_timeouts_alone_lower_the_number() -> None:
    """A server so crowded that nothing comes back in time gives no throughput to lose."""
    policy = Concurrency(MOST)
    for number in range(20 * SAMPLES):
        policy.note(number * 100.0, 30.0, policy.limit, None, FULL_RATE)
    assert policy.limit <= 5


def test_locked_records_halve_the_requests_at_once() -> None:
    """Each 423 of a hot record's neighbours was one request too many; one is always left."""
    hot = Night(Concurrency(40), lambda _: 0.05, locked=lambda _: True)
    hot.answers(40)
    assert hot.policy.limit == 20
    hot.answers(20 * SAMPLES)
    assert hot.policy.limit == 1


def test_a_lock_now_and_then_costs_next_to_nothing() -> None:
    """One in a hundred records is locked by somebody else: a night at half speed would help nobody."""
    few = Night(Concurrency(MOST), lambda _: 3.0, locked=lambda number: number % 100 == 0)
    few.answers(200 * SAMPLES)
    assert min(few.seen) >= 0.9 * MOST


# --- at the gateway


PUT = Request("PUT", "/pair", b"[]")


@dataclass
class Crowded:
    """A server whose latency is what `seconds` makes of the number of requests under way."""

    seconds: Callable[[int], float]
    under_way: int = 0
    answered: int = 0
    most: int = 0
    timeout: float = 30.0

    async def send(self, request: Request, authorization: str, *, largest: int = 0) -> Reply:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        seconds = self.seconds(self.under_way)
        try:
            await asyncio.sleep(min(seconds, self.timeout))
        finally:
            self.under_way -= 1
        if seconds > self.timeout:
            raise ConnectionFault("no whole answer in time", category="TIMEOUT")
        self.answered += 1
        return Reply(200, {}, b"{}")


def throughput(server: Crowded, *, rate: Rate, seconds: float, settle: float) -> float:
    """Return answers per second in so many seconds, after the time to settle, with fifty workers at the gateway."""

    async def scenario() -> float:
        gateway = Gateway(
            server,
            Limiter(rate, clock=clock, follow=False),
            credential(Secret("x"), "v4"),
            Surroundings(clock, lambda: datetime(2026, 1, 1, tzinfo=UTC), random.Random(0).uniform),
            max_attempts=8,
        )
        gateway.allow(MOST)
        workers = [asyncio.create_task(work(gateway)) for _ in range(MOST)]
        await asyncio.sleep(settle)
        server.most, before = 0, server.answered
        await asyncio.sleep(seconds)
        answered = server.answered - before
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        return answered / seconds

    async def work(gateway: Gateway) -> None:
        while True:
            await gateway.call(PUT, replies.fields)

    return run(scenario)


def test_a_collapsing_server_gives_more_answers_to_fewer_requests() -> None:
    """Item 45: fifty at once get 7 answers a second from it, what the gateway settles at gets 12 and more."""
    server = Crowded(lambda under_way: 0.02 * under_way**1.5)
    assert throughput(server, rate=Rate(1000, 10.0), seconds=120, settle=100) >= 12
    assert server.most <= 20


def test_a_server_that_lets_everything_time_out_under_load_is_relieved() -> None:
    """Fifty at once would take 50 s each, and not one would come home within the timeout of 30 s."""
    server = Crowded(lambda under_way: 0.02 * under_way**2)
    assert throughput(server, rate=Rate(1000, 10.0), seconds=120, settle=300) >= 5
    assert server.most <= 15


def test_a_slow_server_is_used_to_the_full_all_night() -> None:
    """Three seconds for every answer: what the limiter lets go, which counts a request until it is answered, goes."""
    assert throughput(Crowded(lambda _: 3.0), rate=Rate(190, 10.0), seconds=200, settle=60) >= 0.98 * 190 / (10 + 3)


def test_a_quick_server_is_used_at_the_full_rate() -> None:
    assert throughput(Crowded(lambda _: 0.12), rate=Rate(190, 10.0), seconds=50, settle=20) >= 0.97 * FULL_RATE
