"""The way between the loader and HubSpot: it takes time, it fails, and it remembers everything that passed."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

from loader.errors import ConnectionFault
from loader.send.api import Request
from loader.send.replies import Reply
from loader.settings import Settings
from tests.simulation.calls import Call, understood
from tests.simulation.exchanges import ANSWERED, Exchange, Known
from tests.simulation.hubspot import Answer, HubSpot
from tests.simulation.weather import NEVER_ARRIVES, Fate, Weather

FIRST_LIMIT = Known(100, 10.0)
"""What every portal allows, and what a run takes for the limit until an answer says otherwise."""

LONGEST_FLIGHT = 1.0
"""A request that its sender let go of arrives within this many seconds, or never."""

UNFINISHED = Answer(200, {}, b'{"status":"PENDING","results":[]}')
"""To a batch of pairs it is an answer: none of them is done yet, or at least not mentioned."""

ODD = (
    Answer(200, {}, b"<html>Please log in</html>"),
    Answer(200, {}, b'["created"]'),
    Answer(200, {}, b"\xff\xfe{"),
    Answer(202, {}, b"{}"),
    UNFINISHED,
)

ODD_FOR = {"put": 5, "create": 5, "read": 4, "labels": 4, "account": 4}
"""How many of the odd answers, from the first, are no answer to a request of a kind; to any other, three."""


class _OnItsWay(NamedTuple):
    due: float
    number: int
    call: Call
    authorization: str
    exchange: Exchange


class Line:
    """The sender of every run of one world, one run at a time.

    `watch` is called for each exchange when it leaves, arrives and ends; it may bring the run to an end.
    """

    def __init__(self, hubspot: HubSpot, weather: Weather, chance: random.Random) -> None:
        self.hubspot = hubspot
        self.weather = weather
        self.exchanges: list[Exchange] = []
        self.run = 0
        self.dead = False
        self.watch: Callable[[], None] = lambda: None
        self._chance = chance
        self._known = FIRST_LIMIT
        self._follows = True
        self._timeout = 30.0
        self._late: list[_OnItsWay] = []

    @asynccontextmanager
    async def open(self, settings: Settings) -> AsyncIterator["Line"]:
        """Begin another run."""
        rate = settings.send.rate
        self._known = Known(rate.requests, rate.seconds) if rate else FIRST_LIMIT
        self._follows = rate is None
        self._timeout = settings.connection.timeout
        yield self

    async def send(self, request: Request, authorization: str, *, largest: int = 2**20) -> Reply:
        """Carry a request to HubSpot and its answer back, as the weather has it."""
        loop = asyncio.get_running_loop()
        call, now = understood(request), loop.time()
        exchange = Exchange(len(self.exchanges) + 1, self.run, call.kind, call.pairs(), self._known, now)
        exchange.token = authorization
        exchange.records = tuple((call.ends[0], record) for record in call.records)
        self.exchanges.append(exchange)
        self.watch()
        fate = self.weather.fate(now)
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._there_and_back(call, authorization, exchange, fate)
        except TimeoutError:
            raise self._fault(exchange, loop.time(), "TIMEOUT") from None
        except ConnectionResetError:
            raise self._fault(exchange, loop.time(), "CONNECTION") from None
        if not self.dead:
            self._end(exchange, loop.time(), ANSWERED)
            self._take_note(answer)
        assert len(answer.body) <= largest
        return Reply(answer.status, answer.headers, answer.body)

    def _take_note(self, answer: Answer) -> None:
        most = answer.headers.get("x-hubspot-ratelimit-max")
        if self._follows and most is not None:
            window = int(answer.headers["x-hubspot-ratelimit-interval-milliseconds"]) / 1000
            self._known = Known(int(most), window)

    def _fault(self, exchange: Exchange, now: float, category: str) -> ConnectionFault:
        if not self.dead:
            self._end(exchange, now, category)
        return ConnectionFault("the simulated line failed", category=category)

    def _end(self, exchange: Exchange, now: float, ending: str) -> None:
        exchange.ended, exchange.ending = now, ending
        self.watch()

    async def _there_and_back(self, call: Call, authorization: str, exchange: Exchange, fate: Fate) -> Answer:
        loop = asyncio.get_running_loop()
        if fate.trouble == "refused":
            await asyncio.sleep(fate.there / 10)
            raise ConnectionResetError
        due = loop.time() + fate.there
        try:
            await asyncio.sleep(fate.there if fate.trouble != "silent" else 10 * self._timeout)
        except asyncio.CancelledError:
            # Whoever let go of it cannot call it back.
            if fate.arrives_anyway and fate.trouble not in NEVER_ARRIVES:
                due = min(due, loop.time() + LONGEST_FLIGHT)
                self._late.append(_OnItsWay(due, exchange.number, call, authorization, exchange))
            raise
        if fate.trouble == "reset":
            raise ConnectionResetError
        answer = self._arrive(call, authorization, exchange, fate, loop.time())
        await asyncio.sleep(fate.back if fate.trouble != "late" else 10 * self._timeout)
        if fate.trouble == "lost":
            raise ConnectionResetError
        return answer

    def settle(self, now: float) -> None:
        """Let everything arrive that was let go of on its way and is due."""
        due = sorted(late for late in self._late if late.due <= now)
        self._late = [late for late in self._late if late.due > now]
        for late in due:
            self._serve(late.call, late.authorization, late.exchange, late.due)

    def _arrive(self, call: Call, authorization: str, exchange: Exchange, fate: Fate, now: float) -> Answer:
        self.settle(now)
        answer = self._serve(call, authorization, exchange, now, fate)
        exchange.status = answer.status
        self.watch()
        return answer

    def _serve(
        self, call: Call, authorization: str, exchange: Exchange, now: float, fate: Fate | None = None
    ) -> Answer:
        exchange.arrived = now
        hubspot = self.hubspot
        if refusal := hubspot.admit(exchange, now, exempt=call.kind in ("labels", "read", "create")):
            return refusal
        if call.kind != "token" and (refusal := hubspot.refuse(authorization, now)):
            return refusal
        answer = None
        if fate is None or fate.applied:
            answer = hubspot.answer(call, exchange, now)
        if fate is not None and (trouble := self._troubled(fate, exchange, answer)) is not None:
            answer = trouble
        assert answer is not None
        return answer._replace(headers={**hubspot.headers(now), **answer.headers})

    def _troubled(self, fate: Fate, exchange: Exchange, answer: Answer | None) -> Answer | None:
        trouble = fate.trouble
        if trouble is None or (trouble in ("lost", "late")):
            return None
        if trouble == "unreadable" and answer is not None and answer.status == 204:
            return None  # It has no body that could be cut.
        exchange.refused.clear()
        exchange.open.clear()
        if trouble == "429":
            exchange.policy = "TEN_SECONDLY_ROLLING"
            return Answer(429, {"retry-after": "3"}, b'{"policyName":"TEN_SECONDLY_ROLLING"}')
        if trouble == "unreadable" and answer is not None and answer.status < 300:
            exchange.clear = False
            return answer._replace(body=answer.body[: self._chance.randrange(1, len(answer.body))])
        if trouble in ("unreadable", "odd", "portal page"):
            odd = ODD[0] if trouble == "portal page" else self._chance.choice(ODD[: ODD_FOR.get(exchange.kind, 3)])
            exchange.clear = exchange.kind == "create" and odd is UNFINISHED
            exchange.open |= exchange.pairs.keys() if exchange.clear else set()
            return odd
        return Answer(int(trouble), {"content-type": "text/html"}, b"<html>trouble</html>")
