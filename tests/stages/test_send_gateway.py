"""The gateway on a fake clock, in front of a server that does what a script says."""

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from loader.errors import (
    ApiError,
    ConnectionFault,
    Fatal,
    MissingScope,
    Refused,
    ServerFault,
    Stopped,
    Unauthorized,
    Unreachable,
    WrongPortal,
)
from loader.model import AssociationType, Outcome, Pair
from loader.send import replies
from loader.send.api import Request
from loader.send.gateway import Delivered, Gateway
from loader.send.portal import Account, GatewayPortal
from loader.send.put import Put
from loader.send.replies import Reply
from loader.settings import Rate, Secret
from loader.text import timestamp
from tests.stages.columns import draft_of
from tests.stages.fake_time import clock, run
from tests.stages.scripted_server import OK, PUT, Script, Server, amid_others, answer, calls, in_turn, make, many, one

# --- trying again


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("failure", "attempts"),
    [(answer(503), 1), (answer(504), 8), (Reply(200, {}, b"<html>"), 1), (ConnectionFault("reset"), 8)],
)
def test_a_lone_request_does_not_fail_for_an_outage(failure: Reply | Exception, attempts: int) -> None:
    """However few attempts it is allowed: nothing says that it is to blame; after a quarter of an hour the run ends."""
    result, _ = one(lambda _request, _authorization, _number: failure if clock() < 1800 else OK, max_attempts=attempts)
    assert isinstance(result, Delivered)
    assert result.attempts > attempts
    result, server = one(in_turn(then=failure), max_attempts=attempts)
    assert isinstance(result, Unreachable)
    assert 900 <= server.times[-1] - server.times[0] < 902


def test_a_lone_request_that_is_answered_500_fails_after_two_minutes() -> None:
    """HubSpot's own word about one request is believed, after a while."""
    result, server = one(in_turn(then=answer(500)))
    assert isinstance(result, ServerFault)
    assert 120 < server.times[-1] - server.times[0] < 180


ACCOUNT = Request("GET", "/account")


@pytest.mark.parametrize("failure", [answer(503), ConnectionFault("reset")])
@pytest.mark.parametrize("account", [OK, answer(404), answer(403)])
def test_a_last_row_that_always_fails_does_not_pass_for_an_outage(account: Reply, failure: Reply | Exception) -> None:
    """After two minutes the portal's account is read, and the row fails once that is answered."""
    result, server = one(lambda request, _, __: account if request == ACCOUNT else failure, account=ACCOUNT)
    assert isinstance(result, ServerFault | ConnectionFault)
    assert 120 < server.times[-1] - server.times[0] < 300


def test_a_last_row_does_not_fail_for_an_outage_of_the_account_too() -> None:
    result, server = one(in_turn(then=answer(503)), account=ACCOUNT)
    assert isinstance(result, Unreachable)
    assert 900 <= server.times[-1] - server.times[0] < 902
    assert all(later - earlier > 0.99 for earlier, later in pairwise(server.times[10:]))


def test_several_rows_do_not_fail_while_only_the_account_answers() -> None:
    results, _ = many(lambda request, _, __: OK if request == ACCOUNT else answer(503), 2, account=ACCOUNT)
    assert {type(result) for result in results} == {Unreachable}


def test_a_locked_record_is_no_outage() -> None:
    """Nothing but 423 shows HubSpot at work: the row fails after its attempts."""
    result, _ = one(in_turn(then=answer(423)), max_attempts=3)
    assert (result.status, result.attempts) == (423, 3)


def test_a_bug_in_reading_an_answer_is_not_hidden() -> None:
    def read(_: Reply) -> None:
        raise ZeroDivisionError

    result, _ = one(in_turn(), read=read)
    assert isinstance(result, ZeroDivisionError)


def test_a_lock_is_given_two_seconds() -> None:
    _, server = one(in_turn(answer(423)))
    assert server.times[1] - server.times[0] >= 2


def test_traffic_counts_every_request() -> None:
    server = Server(in_turn(answer(429), answer(500), ConnectionFault("x")))

    async def scenario() -> Any:
        gateway = make(server)
        await calls(gateway, 1)
        return gateway.traffic

    traffic = run(scenario)
    assert (traffic.sent, traffic.retried, traffic.rate_limited) == (4, 3, 1)
    assert traffic.by_status == {"429": 1, "500": 1, "200": 1}


# --- 429


def test_429s_never_use_up_a_rows_attempts() -> None:
    result, server = one(in_turn(*[answer(429)] * 40), max_attempts=2)
    assert result.attempts == len(server.sent) == 41


def test_a_429_lowers_the_limit_and_successes_bring_it_back() -> None:
    async def scenario() -> tuple[int, int]:
        gateway = make(Server(in_turn(answer(429))), rate=Rate(100, 10.0))
        await calls(gateway, 1)
        lowered = gateway.limiter.rate.requests
        await calls(gateway, 800)
        return lowered, gateway.limiter.rate.requests

    assert run(scenario) == (80, 100)


def test_retries_never_exceed_the_window() -> None:
    chance = random.Random(3)
    _, server = many(lambda *_: OK if chance.random() < 0.7 else answer(500), 100, rate=Rate(20, 1.0))
    assert len(server.times) > 120
    assert all(later - earlier > 1 for earlier, later in zip(server.times, server.times[20:], strict=False))


# --- what ends a run


@pytest.mark.parametrize("status", [525, 526])
def test_broken_tls_behind_hubspots_front_is_tried_three_times(status: int) -> None:
    result, server = one(in_turn(then=answer(status)))
    assert isinstance(result, Unreachable)
    assert len(server.sent) == 3


@pytest.mark.parametrize(("category", "exit_code"), [("DNS", 5), ("TLS", 3)])
def test_a_wrong_address_is_fatal_at_the_start_and_transient_later(category: str, exit_code: int) -> None:
    fault = ConnectionFault("x", category=category)
    result, server = one(in_turn(fault))
    assert isinstance(result, Fatal)
    assert result.exit_code == exit_code
    assert "--base-url" in result.message
    assert len(server.sent) == 1
    result, server = one(in_turn(answer(503), fault, fault))
    assert result.attempts == 4


@pytest.mark.parametrize("place", ["https://{}.example.org/login", f"https://{'a' * 60}.{'b' * 32}.{{}}.example.org/"])
def test_a_token_in_the_address_of_a_redirect_is_shown_in_no_part(place: str) -> None:
    """A name of a host is shown in small letters, and cut: a token must be taken out before."""
    secret = "Pat-NA1-Canary-51c2"
    result, _ = one(in_turn(then=answer(302, location=place.format(secret))), token=Secret(secret))
    assert isinstance(result, Refused)
    assert "redirects to" in result.message
    assert secret[:5].lower() not in f"{result!r} {result.message}".lower()


# --- an outage


def test_429s_for_a_quarter_of_an_hour_end_the_run_for_now() -> None:
    result, _ = one(in_turn(then=answer(429)), rate=Rate(100, 10.0))
    assert isinstance(result, Unreachable)
    assert result.exit_code == 5


# --- how many under way, and the end


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(("seconds", "rate"), [(0.12, Rate(190, 10.0)), (3.0, Rate(190, 10.0))])
def test_a_quick_and_a_slow_server_are_used_to_the_full(seconds: float, rate: Rate) -> None:
    """What the limiter lets go, which counts a request until it is answered, goes."""

    async def scenario() -> int:
        server = Server(in_turn(), latency=seconds)
        gateway = make(server, rate=rate)
        working = [asyncio.create_task(calls(gateway, 2500))]
        await asyncio.sleep(30)
        before = len(server.sent)
        await asyncio.sleep(90)
        sent = len(server.sent) - before
        working[0].cancel()
        return sent

    assert run(scenario) >= 0.97 * 90 * rate.requests / (rate.seconds + seconds)


def test_a_draining_gateway_only_finishes_what_is_under_way() -> None:
    """A request that fails then stays pending."""

    async def scenario(server: Server) -> list[Any]:
        gateway = make(server, concurrency=3)
        working = asyncio.create_task(calls(gateway, 10))
        await asyncio.sleep(0.5)
        gateway.drain()
        return await working

    server = Server(in_turn(), latency=1.0)
    assert [type(result) for result in run(lambda: scenario(server))] == [Delivered] * 3 + [Stopped] * 7
    assert len(server.sent) == 3
    failing = Server(in_turn(then=answer(503)), latency=1.0)
    assert {type(result) for result in run(lambda: scenario(failing))} == {Stopped}


def test_cancelled_callers_leave_the_door_open_for_the_others() -> None:
    async def scenario() -> int:
        chance = random.Random(1)
        gateway = make(Server(in_turn()), rate=Rate(5, 1.0))
        tasks = [asyncio.create_task(gateway.call(PUT, replies.fields)) for _ in range(60)]
        for task in chance.sample(tasks, 40):
            await asyncio.sleep(chance.uniform(0, 0.3))
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert not gateway.in_flight
        return sum(isinstance(result, Delivered) for result in results)

    assert run(scenario) >= 20


# --- questions to the portal, and the PUT


def ask(script: Script, question: Callable[[GatewayPortal], Any], **settings: Any) -> tuple[Any, Gateway]:
    async def scenario() -> tuple[Any, Gateway]:
        gateway = make(Server(script), **settings)
        try:
            return await question(GatewayPortal(gateway)), gateway
        except ApiError as error:
            return error, gateway

    return run(scenario)


def test_the_account_is_known_by_its_id_and_time_zone() -> None:
    script = in_turn(answer(200, {"portalId": 77, "timeZone": "US/Eastern"}))
    account, gateway = ask(script, lambda portal: portal.account(insist=True))
    assert account == Account("77", "US/Eastern")
    assert gateway.day.time_zone == "US/Eastern"


@pytest.mark.parametrize("result", [answer(403), answer(404), answer(503), ConnectionFault("x")])
def test_an_unknown_account_is_no_error_where_it_need_not_be_known(result: Reply | Exception) -> None:
    account, gateway = ask(in_turn(result), lambda portal: portal.account(insist=False))
    assert account == Account(None, None)
    assert gateway.traffic.sent == 1


@pytest.mark.parametrize(
    ("result", "kind"),
    [(answer(403), MissingScope), (answer(404), WrongPortal), (answer(502), Unreachable), (answer(401), Unauthorized)],
)
def test_an_unknown_account_is_fatal_where_it_must_be_known(result: Reply, kind: type[Fatal]) -> None:
    error, _ = ask(in_turn(then=result), lambda portal: portal.account(insist=True), max_attempts=2)
    assert type(error) is kind


@pytest.mark.parametrize(
    ("result", "labels"),
    [
        (
            answer(200, {"results": [{"category": "WORK", "typeId": "1", "label": "Boss"}]}),
            [{"category": "WORK", "typeId": 1, "label": "Boss"}],
        ),
        (answer(404), None),
    ],
)
def test_labels_are_listed_or_refused(result: Reply, labels: Any) -> None:
    assert ask(in_turn(result), lambda portal: portal.labels(("0-1", "0-2")))[0] == labels


@pytest.mark.parametrize("vague", [answer(202), answer(200, {"results": "odd"}), answer(200, ["odd"])])
def test_an_answer_that_leaves_out_what_was_wanted_is_requested_again(vague: Reply) -> None:
    """Found by the simulation: taken for an answer, it rejected every row with a label."""
    found, gateway = ask(in_turn(vague, answer(200, {"results": []})), lambda portal: portal.labels(("0-1", "0-2")))
    assert (found, gateway.traffic.sent) == ([], 2)
    account, _ = ask(in_turn(vague, answer(200, {"portalId": 7})), lambda portal: portal.account(insist=True))
    assert account == Account("7", None)


def test_custom_objects_that_may_not_be_listed_are_unknown() -> None:
    assert ask(in_turn(answer(403)), lambda portal: portal.schemas())[0] is None


def test_a_portal_that_never_answers_ends_the_run_for_now() -> None:
    error, _ = ask(in_turn(then=answer(503)), lambda portal: portal.labels(("0-1", "0-2")), max_attempts=2)
    assert type(error) is Unreachable


PAIR = Pair(5, "0-1", "101", "0-2", "201", (AssociationType("HUBSPOT_DEFINED", 279),), 3)
CREATED = answer(201, {"createdResourceId": "9", "entity": {"fromObjectId": 101, "toObjectId": 201, "labels": ["A"]}})


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (in_turn(answer(503), CREATED), ("created", 201, "9", ("A",), "", "", "", 2)),
        (
            in_turn(answer(400, {"message": "no", "category": "C", "correlationId": "i"})),
            ("failed", 400, "", (), "C", "no", "i", 1),
        ),
        (
            in_turn(then=answer(503, {"message": "busy", "category": "B"})),
            ("failed", 503, "", (), "B", "busy", "", 3),
        ),
        (
            in_turn(then=ConnectionFault("reset", category="CONNECTION")),
            ("failed", None, "", (), "CONNECTION", "reset", "", 3),
        ),
    ],
)  # fmt: skip
def test_one_put_becomes_one_outcome(script: Script, expected: tuple[Any, ...]) -> None:
    outcomes: list[Outcome] = []

    async def scenario() -> None:
        server = Server(script)
        gateway = make(server, max_attempts=3)
        async with amid_others(server, gateway):
            await Put(gateway).apply(draft_of([PAIR]), outcomes.extend)

    run(scenario)
    (outcome,) = outcomes
    assert outcome.result[:8] == expected
    assert (*outcome.pair_ids, outcome.rows, outcome.result.finished_at) == (5, 3, "2026-11-23T23:00:00.000Z")


def test_a_put_that_cannot_succeed_has_no_outcome() -> None:
    outcomes: list[Outcome] = []

    async def scenario() -> None:
        put = Put(make(Server(in_turn(then=answer(401)))))
        await put.apply(draft_of([PAIR]), outcomes.extend)

    with pytest.raises(Unauthorized):
        run(scenario)
    assert not outcomes


def test_a_timestamp_is_utc_with_milliseconds() -> None:
    assert timestamp(datetime(2026, 1, 2, 3, 4, 5, 6999, tzinfo=UTC)) == "2026-01-02T03:04:05.006Z"
