"""The simulated HubSpot on a real socket."""

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any, Literal, NamedTuple, Self
from urllib.parse import parse_qsl
from weakref import WeakKeyDictionary

from aiohttp import web

from loader.sandbox.answers import Answer
from loader.sandbox.call import Behaviour, Call, Simulation
from loader.sandbox.errors import HubSpotError
from loader.sandbox.fault_answers import CORRELATION_HEADER, STAND_IN, fault_answer, refused
from loader.sandbox.fault_script import Script, read_script
from loader.sandbox.faults import Arrival, Fault, Faults
from loader.sandbox.inspection import inspect, touched_pairs
from loader.sandbox.latency import Latency
from loader.sandbox.limits import DailyCounter, Limits, Rate, Refusal
from loader.sandbox.listener import Listener
from loader.sandbox.portal import Portal
from loader.sandbox.requests import Request, RequestLog
from loader.sandbox.routes import Match, Routes
from loader.sandbox.tokens import bearer
from loader.sandbox.wire import WIRE_FAULTS, Wire, interim, response


class _Connection:
    """Counts the requests of one connection."""

    __slots__ = ("number", "requests")

    def __init__(self, number: int) -> None:
        self.number = number
        self.requests = 0


class _Exchange(NamedTuple):
    """What is known of a request while it is being answered."""

    http: web.BaseRequest
    match: Match
    log: Request
    body: bytes
    query: str


class Sandbox(Listener):
    """A simulated HubSpot: ``async with Sandbox(...) as sandbox`` listens on ``sandbox.url``.

    ``portal``: a Portal, its settings, or the path of its file. ``rate``: ``100/10`` requests in seconds, or
    ``off``. ``daily``: requests in a day, None for no limit. ``latency``: ``80ms`` or ``50ms-150ms``, between
    arrival and answer; a write takes effect at its arrival. ``faults``: see ``loader.sandbox.fault_script``.
    ``seed``: of all randomness. ``batch_exempt``: leave out of the rolling limit what HubSpot's
    specification marks as exempt. ``window_seconds``: of ``max_window`` where the rate is off.
    ``answers``, ``ids``, ``semantics``, ``no_associations``, ``invalid_pairs``, ``error_context``,
    ``strict_ids``, ``page_size``, ``read_lag``: see ``Behaviour``. ``clock`` is monotonic and ``wall`` the time
    since the epoch, both in seconds. Raises ValueError on settings that mean nothing.
    """

    def __init__(
        self,
        portal: Portal | Mapping[str, Any] | str | Path | None = None,
        *,
        rate: str = "off",
        daily: int | None = None,
        latency: str = "0ms",
        faults: Script = "",
        seed: int = 0,
        answers: Literal["wrapped", "bare"] = "bare",
        ids: Literal["text", "number"] | None = None,
        semantics: Literal["replace", "append"] = "replace",
        no_associations: Literal["absent", "error"] = "error",
        invalid_pairs: Literal["all", "first", "each"] = "all",
        error_context: Literal["pair", "observed", "none"] = "pair",
        strict_ids: bool = False,
        page_size: int = 500,
        read_lag: float = 0.0,
        batch_exempt: bool = False,
        window_seconds: float = 10,
        record_requests: bool = True,
        record_bodies: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(host, port)
        if answers not in {"wrapped", "bare"}:
            raise ValueError(f"the answers are wrapped or bare, not {answers!r}")
        self.portal = _portal(portal)
        self.seed = seed
        self._behaviour = Behaviour(
            answers=answers,
            ids=ids,
            semantics=semantics,
            no_associations=no_associations,
            invalid_pairs=invalid_pairs,
            error_context=error_context,
            strict_ids=strict_ids,
            page_size=page_size,
            read_lag=read_lag,
        )
        self._rate, self._daily, self._window_seconds = Rate.parse(rate), daily, window_seconds
        self._latency = Latency.parse(latency)
        self._script = faults
        self._batch_exempt = batch_exempt
        self._keep, self._bodies = record_requests, record_bodies
        self._clock, self._wall = clock, wall
        if read_lag:
            self.portal.associations.clock = clock
        self._routes = Routes()
        self._connections: WeakKeyDictionary[asyncio.Transport, _Connection] = WeakKeyDictionary()
        self._opened = 0
        self._start_over()

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._started = self._clock()
        return self

    @property
    def requests(self) -> list[Request]:
        """The requests to HubSpot's paths in the order of their arrival; empty with record_requests off."""
        return self._log.kept

    @property
    def max_window(self) -> int:
        """The most arrivals in any half-open rolling window: requests that count to the limit, 429s too."""
        return self._limits.max_window

    @property
    def max_in_flight(self) -> int:
        """The most requests that were being answered at the same time."""
        return self._log.max_in_flight

    @property
    def rate_limited(self) -> int:
        """How many requests a limit (not a fault) refused."""
        return self._limits.refused

    def count(self, method: str | None = None, route: str | None = None, status: int | None = None) -> int:
        """How many requests have ended, by method, route name and status; None is any, status 0 no answer."""
        return self._log.count(method, route, status)

    def reset(self) -> None:
        """Goes back to the start: the portal's setup, no requests, full limits, faults from the beginning."""
        self.portal.reset()
        self._start_over()

    def state(self) -> dict[str, object]:
        """The counts, as ``GET /sandbox/state`` shows them."""
        return {
            "portal_id": self.portal.portal_id,
            "seed": self.seed,
            "associations": len(self.portal.associations),
            "requests": self.count(),
            "requests_by_route": [
                {"method": method, "route": route, "status": status, "count": count}
                for (method, route, status), count in sorted(self._log.counts.items())
            ],
            "limit": None if self._rate is None else f"{self._rate.requests}/{self._rate.seconds:g}",
            "max_window": self.max_window,
            "rate_limited": self.rate_limited,
            "answers_429": self.count(status=429),
            "daily_limit": self._daily,
            "daily_used": self._limits.daily.used,
            "max_in_flight": self.max_in_flight,
            "token_refreshes": self.portal.tokens.refreshes,
        }

    def _start_over(self) -> None:
        daily = DailyCounter(self._daily, self.portal.time_zone)
        daily.roll(self._wall())
        self._limits = Limits(self._rate, daily, self.portal.portal_id, self._window_seconds)
        self._log = RequestLog(keep=self._keep, bodies=self._bodies)
        # One random source for each, so that a fault does not change the latencies of later requests.
        self._faults = Faults(read_script(self._script), _random(self.seed, "faults"))
        self._delays = _random(self.seed, "latency")
        self._simulation = Simulation(
            portal=self.portal,
            behaviour=self._behaviour,
            limits=self._limits,
            random=_random(self.seed, "answers"),
            clock=self._clock,
            wall=self._wall,
        )
        self._started = self._clock()

    async def answer(self, http: web.BaseRequest) -> web.StreamResponse:
        """The answer to a request that arrives now."""
        path, _, query = http.raw_path.partition("?")
        if path.startswith("/sandbox/"):
            return inspect(self, http.method, path)
        now = self._clock()
        match = self._routes.match(http.method, path)
        refusal = None
        if match.route.counted:
            exempt = self._batch_exempt and match.route.exempt_in_specification
            refusal = self._limits.admit(now, self._wall(), exempt=exempt)
        headers = self._limits.headers(now)
        if "Expect" in http.headers and http.transport is not None:
            http.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await http.read()
        exchange = _Exchange(http, match, self._note(http, match, now), body, query)
        log = self._log
        log.arrived(exchange.log, body)
        try:
            reply = await self._reply(exchange, refusal, headers)
        except BaseException:
            log.left(exchange.log)
            raise
        if isinstance(reply, Wire):
            # It is still at work when it is handed over.
            reply.when_finished(lambda: log.left(exchange.log))
        else:
            log.left(exchange.log)
        return reply

    async def _reply(
        self, exchange: _Exchange, refusal: Refusal | None, headers: Mapping[str, str]
    ) -> web.StreamResponse:
        if refusal is None:
            reply = await self._admitted(exchange, headers)
        else:
            reply = response(refused(self._simulation, refusal))
        reply.headers.extend(headers)
        if CORRELATION_HEADER not in reply.headers:
            reply.headers[CORRELATION_HEADER] = self._simulation.correlation_id()
        if not isinstance(reply, Wire):
            exchange.log.status = reply.status
        delay = self._latency.draw(self._delays)
        if delay:
            await asyncio.sleep(delay)
        return reply

    async def _admitted(self, exchange: _Exchange, headers: Mapping[str, str]) -> web.StreamResponse:
        fault = self._faults.choose(self._arrival(exchange)) if self._faults else None
        if fault is None:
            return response(self._answer(exchange))
        exchange.log.fault = fault.name
        if fault.name == "expire-token":
            self.portal.tokens.expire(exchange.log.token, exchange.log.time)
        answer = self._answer(exchange) if fault.applied else STAND_IN
        answer = fault_answer(self._simulation, fault, answer)
        return await self._deliver(exchange.http, fault, answer, headers)

    async def _deliver(
        self, http: web.BaseRequest, fault: Fault, answer: Answer, headers: Mapping[str, str]
    ) -> web.StreamResponse:
        transport = http.transport
        if transport is not None and fault.name in WIRE_FAULTS:
            return Wire(fault, answer._replace(headers={**headers, **answer.headers}), transport)
        if transport is not None and fault.name == "interim":
            transport.write(interim(fault))
        if fault.name == "late":
            await asyncio.sleep(1 if fault.seconds is None else fault.seconds)
        return response(answer)

    def _answer(self, exchange: _Exchange) -> Answer:
        """HubSpot's answer if nothing goes wrong."""
        simulation, match, http = self._simulation, exchange.match, exchange.http
        try:
            if match.route.counted:
                authorization = http.headers.get("Authorization")
                self.portal.tokens.check(authorization, exchange.log.time, simulation.monotonic_timestamp)
            query = dict(parse_qsl(exchange.query)) if exchange.query else {}
            call = Call(http.method, match.version, match.parts, query, exchange.body)
            return match.route.endpoint(simulation, call)
        except HubSpotError as error:
            return refused(simulation, error)

    def _note(self, http: web.BaseRequest, match: Match, now: float) -> Request:
        connection = self._connection(http)
        return Request(
            time=now,
            method=http.method,
            path=http.raw_path,
            route=match.route.name,
            header_names=tuple(http.headers) if self._keep else (),
            token=bearer(http.headers.get("Authorization")),
            connection=connection.number,
        )

    def _connection(self, http: web.BaseRequest) -> _Connection:
        if http.transport is None:
            return _Connection(0)
        known = self._connections.get(http.transport)
        if known is None:
            self._opened += 1
            known = self._connections[http.transport] = _Connection(self._opened)
        known.requests += 1
        return known

    def _arrival(self, exchange: _Exchange) -> Arrival:
        known = self._connections.get(exchange.http.transport) if exchange.http.transport else None
        return Arrival(
            method=exchange.log.method,
            route=exchange.log.route,
            path=exchange.log.path,
            elapsed=exchange.log.time - self._started,
            reused=known is not None and known.requests > 1,
            pairs=touched_pairs(exchange.match, exchange.body) if self._faults.need_pairs else frozenset(),
        )


def _portal(given: Portal | Mapping[str, Any] | str | Path | None) -> Portal:
    if isinstance(given, Portal):
        return given
    if isinstance(given, str | Path):
        return Portal.from_file(given)
    return Portal(**(given or {}))


def _random(seed: int, purpose: str) -> Random:
    return Random(f"{seed} {purpose}")  # noqa: S311 - it must be repeatable; nothing here is a secret
