"""What HubSpot in trouble gets from us: no retry beyond its rate, one probe a second, and full speed soon after."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from loader.errors import ApiError, ConnectionFault
from loader.send import replies
from loader.send.api import Request
from loader.send.auth import credential
from loader.send.gateway import Delivered, Gateway, Surroundings
from loader.send.limiter import Limiter
from loader.send.replies import Reply
from loader.settings import Rate, Secret
from tests.stages.fake_time import clock, run
from tests.stages.test_send_limits import most_in_a_window

PUT = Request("PUT", "/pair", b"[]")
ATTEMPTS = 8

Answered = tuple[float, Reply | ApiError]
"""How many seconds an answer takes, and what it is."""

Answer = Callable[[float], Answered]
"""The answer at so many seconds from the start."""

OK: Answered = (0.05, Reply(200, {}, b"{}"))


@dataclass
class Load:
    """So many rows through one gateway by so many workers; `sent` are the moments of requests, from the start."""

    answer: Answer
    rate: Rate
    rows: int
    workers: int = 50
    sent: list[float] = field(default_factory=list)
    failures: int = 0
    results: list[Any] = field(default_factory=list)

    async def send(self, request: Request, authorization: str, *, largest: int = 0) -> Reply:
        self.sent.append(clock() - self.start)
        seconds, result = self.answer(self.sent[-1])
        self.failures += result != OK[1]
        await asyncio.sleep(seconds)
        if isinstance(result, ApiError):
            raise result
        return result

    async def everything(self) -> None:
        self.start = clock()
        gateway = Gateway(
            self,
            Limiter(self.rate, clock=clock, follow=False, concurrency=self.workers),
            credential(Secret("x"), "v4"),
            Surroundings(clock, lambda: datetime(2026, 1, 1, tzinfo=UTC), random.Random(0).uniform),
            max_attempts=ATTEMPTS,
        )
        rows = iter(range(self.rows))

        async def work() -> None:
            for _ in rows:
                try:
                    self.results.append(await gateway.call(PUT, replies.fields))
                except ApiError as error:
                    self.results.append(error)

        await asyncio.gather(*(work() for _ in range(self.workers)))


def loaded(answer: Answer, rate: Rate, rows: int, workers: int = 50) -> Load:
    load = Load(answer, rate, rows, workers)
    run(load.everything)
    return load


FAILURES: dict[str, Answered] = {
    "503": (0.05, Reply(503, {}, b"<html>")),
    "500": (0.05, Reply(500, {}, b"{}")),
    "reset": (0.01, ConnectionFault("reset", category="CONNECTION")),
    "timeout": (30.0, ConnectionFault("no whole answer in time", category="TIMEOUT")),
}


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(("kind", "rate", "rows"), [("503", Rate(190, 10.0), 1_500), ("reset", Rate(40, 1.0), 2_800)])
def test_half_failures_for_a_minute_cost_one_request_each_and_no_window_more_than_the_limit(
    rate: Rate, rows: int, kind: str
) -> None:
    """Every row is settled, and one fails only after all its attempts; half a minute later all is as it was."""
    chance = random.Random(7)
    load = loaded(lambda now: FAILURES[kind] if 5 <= now < 65 and chance.random() < 0.5 else OK, rate, rows)
    print(f"{rows} rows took {len(load.sent)} requests and {load.sent[-1]:.0f} s")
    assert len(load.sent) <= rows + load.failures
    assert most_in_a_window(load.sent, rate.seconds) <= rate.requests
    assert len(load.results) == rows
    failed = [result for result in load.results if not isinstance(result, Delivered)]
    assert {error.attempts for error in failed} <= {ATTEMPTS}
    assert len(failed) <= rows / 100
    assert per_second(load, 95, 100) >= 0.94 * rate.per_second


def per_second(load: Load, begin: float, end: float) -> float:
    return sum(begin <= moment < end for moment in load.sent) / (end - begin)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("kind", "workers", "seconds"),
    [
        ("503", 4, 600),
        ("reset", 50, 600),
        ("timeout", 50, 600),
        ("timeout", 4, 600),
        ("500", 50, 100),
    ],
)
def test_a_full_outage_costs_one_request_a_second_and_no_row(kind: str, workers: int, seconds: int) -> None:
    """Ten minutes of it; once it is known for one, probes, and half a minute after its end full speed.

    A plain 500 may be about its row, so an outage of those is one for two minutes only.
    """
    end = 10 + seconds
    load = loaded(lambda now: FAILURES[kind] if 10 <= now < end else OK, Rate(190, 10.0), 1_050, workers)
    assert [result for result in load.results if not isinstance(result, Delivered)] == []
    known = {("timeout", 50): 120, ("timeout", 4): 240}.get((kind, workers), 40)
    probes = [moment for moment in load.sent if known <= moment < end]
    assert all(later - earlier >= 0.99 for earlier, later in pairwise(probes))
    assert len(probes) >= (seconds - known) * (0.05 if workers == 4 and kind == "timeout" else 0.9)
    assert per_second(load, end + 30, end + 40) >= 0.94 * 19
    before = [moment for moment in load.sent if 10 <= moment < known]
    print(f"{len(before)} requests before the outage was known for one, {len(probes)} probes")
    assert len(before) <= 4 * workers + known
