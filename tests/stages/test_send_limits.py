"""The limiter on a fake clock: no rolling window ever holds more than the limit, whatever happens to it meanwhile."""

import asyncio
import random
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from loader.send.limiter import ABANDONED_SECONDS, Limiter
from loader.settings import Rate
from tests.stages.fake_time import clock, run


@dataclass
class Server:
    """Takes requests that a limiter lets go, and remembers when they left, arrived and were answered."""

    limiter: Limiter
    chance: random.Random
    jitter: float = 0.1
    latency: tuple[float, float] = (0.05, 0.15)
    arrivals: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    under_way: int = 0
    fullest: float = 0.0

    def __post_init__(self) -> None:
        self.door = asyncio.Lock()

    async def request(self) -> None:
        async with self.door:
            await self.limiter.take()
        left, rate = clock(), self.limiter.rate
        recent = self.under_way + len(self.answers) - bisect_right(self.answers, left - rate.seconds)
        self.fullest = max(self.fullest, (recent + 1) / rate.requests)
        self.under_way += 1
        await asyncio.sleep(self.chance.uniform(0, self.jitter))
        self.arrivals.append(clock())
        await asyncio.sleep(self.chance.uniform(*self.latency))
        self.under_way -= 1
        self.answers.append(clock())
        self.limiter.give_back(answered=True)

    async def busy(self, workers: int, seconds: float) -> None:
        """Keep workers sending for some seconds."""
        end = clock() + seconds

        async def work() -> None:
            while clock() < end:
                await self.request()

        await asyncio.gather(*(work() for _ in range(workers)))


def most_in_a_window(moments: Sequence[float], seconds: float) -> int:
    """Return the most moments in any half-open window."""
    moments, start, most = sorted(moments), 0, 0
    for end, moment in enumerate(moments):
        while moments[start] <= moment - seconds:
            start += 1
        most = max(most, end - start + 1)
    return most


def limiter(requests: int, seconds: float, *, follow: bool = True) -> Limiter:
    return Limiter(Rate(requests, seconds), clock=clock, follow=follow)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("jitter", [0.0, 0.1, 2.0])
@pytest.mark.parametrize(("requests", "seconds"), [(190, 10.0), (38, 1.0), (10, 1.0), (1, 0.5), (3, 10.0)])
def test_no_rolling_window_at_the_server_holds_more_than_the_limit(
    requests: int, seconds: float, jitter: float
) -> None:
    async def scenario() -> Server:
        server = Server(limiter(requests, seconds), random.Random(requests), jitter=jitter)
        await server.busy(workers=50, seconds=4 * seconds)
        return server

    server = run(scenario)
    assert most_in_a_window(server.arrivals, seconds) <= requests
    assert len(server.arrivals) > 2 * requests


@pytest.mark.parametrize(("requests", "seconds"), [(100, 10.0), (190, 10.0), (3, 100.0)])
def test_a_clock_that_runs_fast_overfills_no_window_at_the_server(requests: int, seconds: float) -> None:
    """A monotonic clock is slewed by up to 500 parts in a million: ten seconds here may be 9.995 of the server's."""

    async def scenario() -> list[float]:
        limiter = Limiter(Rate(requests, seconds), clock=lambda: clock() * 1.0005, follow=True)
        server = Server(limiter, random.Random(1), jitter=0.0, latency=(0.0, 0.0))
        await server.busy(workers=50, seconds=3 * seconds)
        return server.arrivals

    assert most_in_a_window(run(scenario), seconds) <= requests


def test_nearly_the_whole_allowance_is_used() -> None:
    """190 per 10 s at 50-150 ms: 97 % and more over five windows."""

    async def scenario() -> int:
        server = Server(limiter(190, 10.0), random.Random(1), jitter=0.0)
        begin = clock()
        await server.busy(workers=50, seconds=51)
        return sum(arrived < begin + 50 for arrived in server.arrivals)

    sent = run(scenario)
    assert sent >= 0.97 * 5 * 190
    assert sent <= 5 * 190


@pytest.mark.slow_after(3)
@pytest.mark.parametrize("seed", range(12))
def test_a_limit_that_changes_holds_for_what_was_sent_before(seed: int) -> None:
    """Raised, lowered, given up and taken back, with longer and shorter windows, paused: each departure fits."""

    async def scenario() -> Server:
        chance = random.Random(seed)
        server = Server(limiter(60, 2.0), chance)

        async def meddle() -> None:
            changes: list[Callable[[], None]] = [
                lambda: server.limiter.follow(Rate(chance.randint(1, 120), chance.choice([0.5, 1.0, 2.0, 5.0]))),
                lambda: server.limiter.pause(chance.uniform(0, 1)),
                lambda: server.limiter.slow_down(None, chance.uniform),
                server.limiter.succeeded,
            ]
            for _ in range(60):
                await asyncio.sleep(chance.uniform(0, 0.6))
                chance.choice(changes)()

        await asyncio.gather(server.busy(workers=30, seconds=20), meddle())
        return server

    server = run(scenario)
    assert server.fullest <= 1
    assert len(server.arrivals) > 20


def test_a_raised_limit_does_not_forget_its_window() -> None:
    async def scenario() -> int:
        server = Server(limiter(20, 10.0), random.Random(0), jitter=0.0)
        await asyncio.gather(*(server.request() for _ in range(20)))
        server.limiter.follow(Rate(5, 10.0))
        await asyncio.sleep(0.1)
        server.limiter.follow(Rate(20, 10.0))
        await asyncio.gather(*(server.request() for _ in range(20)))
        return most_in_a_window(server.arrivals, 10.0)

    assert run(scenario) == 20


def test_a_raised_limit_wakes_whoever_waits_for_a_slot() -> None:
    async def scenario() -> float:
        limits = limiter(2, 100.0)
        for _ in range(2):
            await limits.take()
            limits.give_back(answered=True)
        await asyncio.sleep(60)  # Long enough for the pace of two in 100 s, not for a slot.
        waiting = asyncio.create_task(limits.take())
        await asyncio.sleep(1)
        before = clock()
        limits.follow(Rate(10, 100.0))
        await waiting
        return clock() - before

    assert run(scenario) < 0.1


def test_a_slot_is_waited_for_when_all_requests_are_under_way() -> None:
    async def scenario() -> bool:
        limits = limiter(1, 1.0)
        await limits.take()
        waiting = asyncio.create_task(limits.take())
        await asyncio.sleep(50)
        still = not waiting.done()
        limits.give_back(answered=True)
        await waiting
        return still

    assert run(scenario)


def test_a_cancelled_waiter_holds_no_slot() -> None:
    async def scenario() -> list[float]:
        limits, begin, granted = limiter(4, 10.0), clock(), []

        async def one() -> None:
            await limits.take()
            granted.append(clock() - begin)
            limits.give_back(answered=True)

        tasks = [asyncio.create_task(one()) for _ in range(12)]
        for task in tasks[2:8]:
            await asyncio.sleep(0.01)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return granted

    granted = run(scenario)
    assert len(granted) == 6
    assert granted[-1] < 21
    assert most_in_a_window(granted, 10.0) <= 4


def test_an_abandoned_request_holds_its_slot_for_a_window() -> None:
    async def scenario() -> float:
        limits = limiter(1, 5.0)
        await limits.take()
        begin = clock()
        limits.give_back(answered=False)
        await limits.take()
        return clock() - begin

    assert run(scenario) >= 5 + ABANDONED_SECONDS


def test_a_pause_can_be_prolonged() -> None:
    async def scenario() -> float:
        limits = limiter(100, 10.0)
        begin = clock()
        limits.pause(3)
        granted = []

        async def one() -> None:
            await limits.take()
            granted.append(clock() - begin)
            limits.give_back(answered=True)

        tasks = [asyncio.create_task(one()) for _ in range(5)]
        await asyncio.sleep(2)
        limits.pause(5)
        limits.pause(1)
        await asyncio.gather(*tasks)
        assert limits.paused_for == 0
        return min(granted)

    assert run(scenario) >= 7


def test_a_limit_that_the_command_names_ignores_the_headers() -> None:
    async def scenario() -> Rate:
        limits = limiter(190, 10.0, follow=False)
        limits.follow(Rate(100, 10.0))
        return limits.rate

    assert run(scenario) == Rate(190, 10.0)


def test_what_a_429_took_comes_back_bit_by_bit_and_only_with_time() -> None:
    async def scenario() -> list[int]:
        limits = limiter(100, 10.0)

        async def slow_down(times: int) -> None:
            for _ in range(times):
                limits.slow_down(None, max)
                limits.slow_down(None, max)  # Of a request that left before the pause: no news.
                await asyncio.sleep(limits.paused_for)

        await slow_down(2)
        seen = [limits.rate.requests]
        for _ in range(1000):
            limits.succeeded()
            await asyncio.sleep(0.1)
        seen.append(limits.rate.requests)
        await slow_down(100)
        seen.append(limits.rate.requests)
        for _ in range(300):
            await asyncio.sleep(10)
            limits.succeeded()
        return [*seen, limits.rate.requests]

    assert run(scenario) == [64, 100, 1, 100]


def test_requests_are_spread_over_the_window() -> None:
    """No more than ten leave at once, and the rest at the limit's pace."""

    async def scenario() -> list[float]:
        server = Server(limiter(100, 10.0), random.Random(0), jitter=0.0)
        await server.busy(workers=100, seconds=10)
        return server.arrivals

    arrivals = run(scenario)
    assert most_in_a_window(arrivals, 0.05) <= 11
    assert most_in_a_window(arrivals, 1.0) <= 20
