"""The gateway and the quota of the day: what is left for others, and when it is spent."""

from typing import Any

import pytest

from loader.errors import DailyQuotaSpent, Unreachable
from loader.send.api import Request
from loader.send.gateway import Delivered
from loader.send.quota import Usage
from loader.send.replies import Reply
from loader.settings import Budget, Rate
from tests.stages.fake_time import run
from tests.stages.scripted_server import OK, Script, Server, answer, calls, in_turn, make, many, one

DAILY = answer(429, {"message": "You have reached your daily limit.", "policyName": "DAILY", "correlationId": "c"})


@pytest.mark.parametrize("named", [True, False])
def test_the_daily_reserve_is_kept_to_the_last_request(*, named: bool) -> None:
    """Whether answers name what is left, or only the usage endpoint did at the start."""

    def script(_: Request, __: str, number: int) -> Reply:
        left = {"x_hubspot_ratelimit_daily_remaining": str(1000 - number), "x_hubspot_ratelimit_daily": "1000"}
        return answer(200, **left if named else {})

    server = Server(script, latency=0.3)

    async def scenario() -> list[Any]:
        gateway = make(server, daily_reserve=Budget(count=900))
        gateway.day.note_usage(None if named else Usage(1001, 1, None))
        return await calls(gateway, 300)

    results = run(scenario)
    assert len(server.sent) == 100
    assert server.most_under_way == 50
    assert {type(result) for result in results} == {Delivered, DailyQuotaSpent}


# --- 429s that do not say which limit they mean


SILENT = answer(429, {})
USAGE = Request("GET", "/usage")


def used(count: int) -> Reply:
    result = {"usageLimit": 1000, "currentUsage": count, "fetchStatus": "SUCCESS", "resetsAt": "2026-11-24T05:00:00Z"}
    return answer(200, {"results": [result]})


def silent(usage: Reply, passes: int) -> Script:
    """Answer the first `passes` requests with 429 and no reason, and requests for the day's usage with `usage`."""
    return lambda request, _, number: usage if request.path == "/usage" else SILENT if number <= passes else OK


def usage_requests(server: Server) -> int:
    return sum(path == "/usage" for _, path, _ in server.sent)


def test_a_spent_day_behind_429s_that_say_nothing_is_found_out() -> None:
    result, server = one(silent(used(1000), 10**6), usage=USAGE, rate=Rate(100, 10.0))
    assert isinstance(result, DailyQuotaSpent)
    assert "resets at 2026-11-24 05:00 UTC" in result.message
    assert usage_requests(server) == 1
    assert len(server.sent) == 1 + 3


def test_a_burst_behind_429s_that_say_nothing_is_waited_for() -> None:
    result, server = one(silent(used(17), 8), usage=USAGE, rate=Rate(100, 10.0))
    assert isinstance(result, Delivered)
    assert usage_requests(server) == 1


def test_the_usage_is_read_again_after_a_burst() -> None:
    """The day may be spent by then."""
    usage = iter([used(17), used(1000)])
    passing = [*[SILENT] * 8, OK]

    def script(request: Request, _: str, __: int) -> Reply:
        return next(usage) if request.path == "/usage" else passing.pop(0) if passing else SILENT

    server = Server(script)

    async def scenario() -> list[Any]:
        gateway = make(server, usage=USAGE, rate=Rate(100, 10.0))
        return [*await calls(gateway, 1), *await calls(gateway, 1)]

    first, second = run(scenario)
    assert isinstance(first, Delivered)
    assert isinstance(second, DailyQuotaSpent)


@pytest.mark.slow_after(2)
@pytest.mark.parametrize("refusal", [SILENT, answer(403), answer(404), answer(500), answer(200, {"results": 1})])
def test_where_the_usage_cannot_be_read_such_429s_are_a_bursts(refusal: Reply) -> None:
    """And after a quarter of an hour of them the run ends for now."""
    result, server = one(silent(refusal, 6), usage=USAGE, rate=Rate(100, 10.0))
    assert isinstance(result, Delivered)
    assert usage_requests(server) == 1
    result, server = one(silent(refusal, 10**6), usage=USAGE, rate=Rate(100, 10.0))
    assert isinstance(result, Unreachable)


def test_not_every_worker_reads_the_usage() -> None:
    results, server = many(silent(used(17), 150), 40, usage=USAGE, rate=Rate(100, 10.0))
    assert {type(result) for result in results} == {Delivered}
    assert usage_requests(server) <= 2


def test_a_429_without_a_reason_is_the_days_when_nothing_is_left() -> None:
    """By the headers of the 429 itself, or by what was left before."""
    result, server = one(in_turn(then=answer(429, {}, x_hubspot_ratelimit_daily_remaining="0")))
    assert isinstance(result, DailyQuotaSpent)
    assert len(server.sent) == 1
    result, _ = one(in_turn(answer(500, {}, x_hubspot_ratelimit_daily_remaining="0"), then=SILENT))
    assert isinstance(result, DailyQuotaSpent)


def test_a_burst_that_is_named_is_no_spent_day() -> None:
    burst = answer(429, {"policyName": "TEN_SECONDLY_ROLLING"}, x_hubspot_ratelimit_daily_remaining="0")
    result, _ = one(in_turn(burst, burst, burst, burst), usage=USAGE, rate=Rate(100, 10.0))
    assert isinstance(result, Delivered)
