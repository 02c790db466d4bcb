"""The gateway and tokens that expire: one request renews it for all, and nothing of it is shown."""

import asyncio
from typing import Any

import pytest

from loader.errors import Unauthorized, Unreachable
from loader.send import replies
from loader.send.api import Request
from loader.send.gateway import Delivered
from loader.send.replies import Reply
from loader.settings import Rate
from tests.stages.fake_time import run
from tests.stages.scripted_server import (
    OAUTH,
    OK,
    PUT,
    TOKEN_PATH,
    Script,
    Server,
    answer,
    calls,
    in_turn,
    make,
    many,
    one,
)


def oauth_script(lives: float = 1800.0, *, refuse_first: bool = False) -> Script:
    """Return tokens token-1, token-2, …; with `refuse_first` the first one is refused everywhere."""
    issued = 0

    def script(request: Request, authorization: str, _: int) -> Reply:
        nonlocal issued
        if request.path == TOKEN_PATH:
            issued += 1
            return answer(200, {"access_token": f"token-{issued}", "expires_in": lives, "hub_id": 77})
        if refuse_first and authorization == "Bearer token-1":
            return answer(401, {"category": "EXPIRED_AUTHENTICATION"})
        return OK

    return script


def test_two_401s_for_two_tokens_do_not_end_the_run() -> None:
    """Found by the simulation: a row outlived two short tokens, and that ended the run."""
    issue = oauth_script()

    def script(request: Request, authorization: str, _: int) -> Reply | Exception:
        if request.path == TOKEN_PATH:
            return issue(request, authorization, 0)
        return by_token[authorization].pop()

    by_token = {"Bearer token-1": [answer(401)], "Bearer token-2": [answer(401), answer(503)], "Bearer token-3": [OK]}
    result, server = one(script, token=OAUTH)
    assert isinstance(result, Delivered)
    assert (result.attempts, server.renewals) == (4, 3)


@pytest.mark.parametrize("lives", [20.0, 1.0, 0.05])
def test_a_token_however_short_lived_is_renewed_before_it_ends(lives: float) -> None:
    server = Server(oauth_script(lives))

    async def scenario() -> list[Any]:
        gateway, results = make(server, token=OAUTH, rate=Rate(10, 1.0)), []
        for _ in range(40):
            results += await calls(gateway, 1)
            await asyncio.sleep(1)
        return results

    assert all(isinstance(result, Delivered) for result in run(scenario))
    got: dict[str, float] = {}
    for when, path, header in server.sent:
        if path == TOKEN_PATH:
            got[f"Bearer token-{len(got) + 1}"] = when
        elif lives > 0.2:
            assert when - got[header] < lives


def test_a_token_that_expires_while_a_request_waits_is_renewed() -> None:
    """Found by the simulation: sent with a token that a pause had outlived, twice, which ended the run."""
    server = Server(oauth_script(10.0))

    async def scenario() -> Any:
        gateway = make(server, token=OAUTH)
        calling = asyncio.create_task(calls(gateway, 1))
        await asyncio.sleep(0.01)
        gateway.limiter.pause(12)
        return (await calling)[0]

    assert isinstance(run(scenario), Delivered)
    assert [header for _, path, header in server.sent if path == "/pair"] == ["Bearer token-2"]


def test_a_token_endpoint_that_is_down_costs_no_row_an_attempt() -> None:
    tokens = oauth_script()

    def script(request: Request, authorization: str, number: int) -> Reply | Exception:
        return answer(503) if number <= 15 else tokens(request, authorization, number)

    results, server = many(script, 30, token=OAUTH, max_attempts=1)
    assert all(isinstance(result, Delivered) for result in results)
    assert server.renewals == 16


def test_a_refused_refresh_token_is_fatal_and_named_without_its_text() -> None:
    body = {"status": "BAD_REFRESH_TOKEN", "message": "refresh token the-refresh of the-client-secret is invalid"}
    result, server = one(in_turn(then=answer(400, body)), token=OAUTH)
    assert type(result) is Unauthorized
    assert result.message == "HubSpot refuses the refresh token: refresh token *** of *** is invalid"
    assert len(server.sent) == 1


def test_a_token_answer_that_cannot_be_read_is_tried_again_and_never_quoted() -> None:
    """It may hold the new token."""
    spoiled = Reply(200, {}, b'{"access_token": "very-secret", "expi')
    result, server = one(in_turn(then=spoiled), token=OAUTH, max_attempts=1)
    assert isinstance(result, Unreachable)
    assert "very-secret" not in f"{result!r}{result.message}"
    assert len(server.sent) > 20


def test_renewals_take_permits_too() -> None:
    _, server = many(oauth_script(0.001), 20, token=OAUTH, rate=Rate(4, 1.0))
    assert server.renewals > 5
    assert all(later - earlier > 1 for earlier, later in zip(server.times, server.times[4:], strict=False))


def test_the_end_of_a_run_does_not_wait_for_a_token() -> None:
    seen: list[tuple[str, int]] = []

    async def scenario() -> None:
        def script(request: Request, authorization: str, number: int) -> Reply | Exception:
            seen.append((request.path, under_way.pop(0)))
            return oauth_script()(request, authorization, number)

        under_way: list[int] = []
        server = Server(script)
        gateway = make(server, token=OAUTH)
        work = asyncio.create_task(gateway.call(PUT, replies.fields))
        for _ in range(2):
            await asyncio.sleep(server.latency / 2)
            under_way.append(len(gateway.in_flight))
            await asyncio.sleep(server.latency / 2)
        await work

    run(scenario)
    assert seen == [(TOKEN_PATH, 0), ("/pair", 1)]


def test_the_token_answer_names_the_portal() -> None:
    async def scenario() -> str | None:
        gateway = make(Server(oauth_script()), token=OAUTH)
        await calls(gateway, 1)
        return gateway.portal_id

    assert run(scenario) == "77"
