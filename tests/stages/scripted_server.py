"""A server that does what a script says, and the gateway in front of it on a fake clock."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from loader.send import replies
from loader.send.api import Request
from loader.send.auth import credential
from loader.send.gateway import Gateway, Surroundings
from loader.send.limiter import MOST_UNDER_WAY, Limiter
from loader.send.replies import Reply
from loader.settings import OAuthCredentials, Rate, Secret
from tests.stages.fake_time import clock, run

TOKEN_PATH = "/oauth/v3/token"
TOKEN = "pat-na1-canary"
OAUTH = OAuthCredentials(client_id="id", client_secret=Secret("the-client-secret"), refresh_token=Secret("the-refresh"))
PUT = Request("PUT", "/pair", b"[]")
OTHERS = Request("PUT", "/others", b"[]")
NOW = datetime(2026, 11, 23, 23, 0, tzinfo=UTC)
OK = Reply(200, {}, b"{}")

Script = Callable[[Request, str, int], Reply | Exception]


def answer(status: int, body: Any = None, **headers: str) -> Reply:
    names = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(status, names, json.dumps(body or {}).encode())


@dataclass
class Server:
    """Answers the nth request (from 1) as `script(request, authorization, n)` says, after `latency` seconds."""

    script: Script
    latency: float = 0.05
    sent: list[tuple[float, str, str]] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0

    async def send(self, request: Request, authorization: str, *, largest: int = 0) -> Reply:
        self.sent.append((clock(), request.path, authorization))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        number = len(self.sent)
        try:
            await asyncio.sleep(self.latency)
        finally:
            self.under_way -= 1
        result = self.script(request, authorization, number)
        if isinstance(result, Exception):
            raise result
        return result

    @property
    def times(self) -> list[float]:
        return [when for when, _, _ in self.sent]

    @property
    def renewals(self) -> int:
        return sum(path == TOKEN_PATH for _, path, _ in self.sent)


def in_turn(*results: Reply | Exception, then: Reply | Exception = OK) -> Script:
    """Answer with each result in turn, then with the last one for ever."""
    return lambda _request, _authorization, number: results[number - 1] if number <= len(results) else then


FAST = Rate(1000, 1.0)


def make(server: Server, *, token: Any = None, rate: Rate = FAST, max_attempts: int = 8, **more: Any) -> Gateway:
    return Gateway(
        server,
        Limiter(
            rate,
            clock=clock,
            follow=more.pop("follow", False),
            concurrency=more.pop("concurrency", MOST_UNDER_WAY),
            daily_reserve=more.pop("daily_reserve", None),
        ),
        credential(token or Secret(TOKEN), "v4"),
        Surroundings(clock, lambda: NOW, random.Random(0).uniform),
        version="v4",
        max_attempts=max_attempts,
        **more,
    )


Read = Callable[[Reply], Any]


async def calls(gateway: Gateway, count: int, read: Read = replies.fields) -> list[Any]:
    """Make `count` calls at once and return their results or errors."""
    results: list[Any] = await asyncio.gather(*(gateway.call(PUT, read) for _ in range(count)), return_exceptions=True)
    return results


def many(
    script: Script, count: int, *, latency: float = 0.05, read: Read = replies.fields, **settings: Any
) -> tuple[list[Any], Server]:
    """Make `count` calls at once; return their results or errors, and the server."""
    server = Server(script, latency)

    async def scenario() -> list[Any]:
        return await calls(make(server, **settings), count, read)

    return run(scenario), server


def one(script: Script, **settings: Any) -> tuple[Any, Server]:
    """Make one call; return its result or error, and the server."""
    (result,), server = many(script, 1, **settings)
    return result, server


@asynccontextmanager
async def amid_others(server: Server, gateway: Gateway) -> AsyncIterator[None]:
    """Have another request succeed all the time: what fails meanwhile fails for itself, and for no outage."""
    script, number = server.script, 0

    def beside(request: Request, authorization: str, _: int) -> Reply | Exception:
        nonlocal number
        if request == OTHERS:
            return OK
        number += 1
        return script(request, authorization, number)

    async def succeed() -> None:
        while True:
            await gateway.call(OTHERS, replies.fields)

    server.script = beside
    others = asyncio.create_task(succeed())
    try:
        yield
    finally:
        others.cancel()
        with suppress(asyncio.CancelledError):
            await others
