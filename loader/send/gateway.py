"""The one gateway: every request passes it, with a permit, signed, and tried again as the policy says."""

import asyncio
import math
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from loader.errors import (
    ApiError,
    ConnectionFault,
    DailyQuotaSpent,
    LimitUnnamed,
    MissingScope,
    PortalMigrating,
    RateLimited,
    Refused,
    Retryable,
    Stopped,
    Unauthorized,
)
from loader.send import auth, endings, quota, replies, retry
from loader.send.api import Request
from loader.send.auth import OAuthToken, StaticToken
from loader.send.concurrency import Concurrency
from loader.send.freshness import FRESH_SECONDS, Clocks
from loader.send.limits import Limiter
from loader.send.quota import Day
from loader.send.replies import Reply
from loader.send.secrecy import hidden
from loader.send.traffic import Traffic
from loader.send.trouble import Trouble
from loader.settings import Budget, Rate, Settings

T = TypeVar("T")

MOST_UNDER_WAY = 50

FRESH_REQUESTS = 5
"""At less than one request in 12 s they take more than a minute, and nothing would ever leave soon enough."""

MOST_RENEWALS = 3
"""A request's wait for its permit may outlive the token that was got for it; a very short token does so always."""


class Sender(Protocol):
    """Makes one attempt (see `transport.Transport`)."""

    async def send(self, request: Request, authorization: str, *, largest: int = ...) -> Reply:
        """Return the answer, whatever its status, or raise Retryable or Fatal."""


class Supply(Protocol):
    """A request that is made anew where what it says is too old by the time it leaves."""

    def leaving(self) -> Request | None:
        """Return the request as it may leave at this moment, None when it must be renewed first."""

    async def renew(self) -> None:
        """Bring it up to date; raise Superseded when nothing is left to be sent."""


class Superseded(Exception):
    """There is nothing to send any more."""


class Surroundings(NamedTuple):
    """What differs between a run and a test of one: seconds (monotonic), the time of day (UTC), and chance.

    `sender` opens the way to the server; None is the one over the network.
    """

    clock: Callable[[], float]
    now: Callable[[], datetime]
    uniform: Callable[[float, float], float]
    sender: Callable[[Settings], AbstractAsyncContextManager[Sender]] | None = None


class Delivered(NamedTuple, Generic[T]):
    """A readable answer: its meaning, its HTTP status and the number of requests it took."""

    value: T
    status: int
    attempts: int


@dataclass(slots=True)
class _Effort:
    """What one request has cost so far; `refused` is the Authorization header that a 401 answered just before.

    After `allowed` failures it is given up, in an outage only when `questioning`. `first_left` is when it left for the
    first time; `held_up` is set once it waits for the end of what may be an outage.
    """

    allowed: int
    questioning: bool
    attempts: int = 0
    failures: int = 0
    first_left: float = math.inf
    held_up: bool = False
    broken_tls: int = 0
    refused: str | None = None


class Gateway:
    """Delivers requests within the limiter's rate until each is answered, refused, or out of attempts.

    Requests leave one at a time, through `_leave`: there the rate, the breaker, the daily reserve and the token are
    looked at in one place. `in_flight` holds the tasks whose request is under way: whoever ends the run may cancel all
    others at once. Between an answer's arrival and the return of `call` nothing is awaited, so it cannot get lost.

    `held_up` is called when a request begins to wait for the end of what may be an outage: another one should then be
    tried, as only that tells an outage from a request that always fails.

    `daily_reserve` is what is left of the day's quota for others, where HubSpot says what is left of it; `usage` is
    the request that asks for that, None where this credential has no part in the quota. `say` is told, in sentences,
    what a person who watches should know.
    """

    def __init__(
        self,
        sender: Sender,
        limiter: Limiter,
        credential: StaticToken | OAuthToken,
        surroundings: Surroundings,
        *,
        max_attempts: int,
        daily_reserve: Budget | None = None,
        usage: Request | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._sender = sender
        self._limiter = limiter
        self.credential = credential
        self._clock, self._now = surroundings.clock, surroundings.now
        self.max_attempts = max_attempts
        self.clocks = Clocks(surroundings.clock, surroundings.now)
        self._loop = asyncio.get_running_loop()
        self._concurrency = Concurrency(MOST_UNDER_WAY)
        self._door = asyncio.Lock()
        self._came_home = asyncio.Event()
        self._draining = False
        self._disbelieved = False
        self._tell = say
        self.held_up: Callable[[], None] = lambda: None
        self.in_flight: set[asyncio.Task[Any] | None] = set()
        self.traffic = Traffic()
        self.portal_id: str | None = None
        self.day = Day(daily_reserve)
        self.usage = usage
        self._trouble = Trouble(
            limiter, self.day, clock=self._clock, now=self._now, uniform=surroundings.uniform, say=self._say
        )

    @property
    def limiter(self) -> Limiter:
        """The limiter that every request passes."""
        return self._limiter

    @property
    def fresh_seconds(self) -> float:
        """How old a reading may be on which a request leaves: at a very low rate, so many requests after it."""
        rate = self._limiter.rate
        return max(FRESH_SECONDS, FRESH_REQUESTS * rate.seconds / rate.requests)

    def allow(self, most: int) -> None:
        """Let so many requests be under way at once; fewer while HubSpot is slow because of them."""
        self._concurrency.allow(most)

    def drain(self) -> None:
        """Let what is in flight come home, and send nothing more."""
        self._draining = True

    async def call(
        self,
        request: Request | Supply,
        read: Callable[[Reply], T],
        *,
        max_attempts: int | None = None,
        largest: int = 2**20,
    ) -> Delivered[T]:
        """Deliver a request and return what `read` makes of the answer; a supply gives the request of each attempt.

        `read` raises Retryable for an answer that cannot be read. Raises Refused for a permanent answer, Retryable
        when the attempts are used up, Fatal when no request can succeed, Stopped when the run is draining; each
        ApiError has `attempts` set, and holds no secret. The attempts are used up only once HubSpot was at work for
        others meanwhile: no row fails for an outage. With `max_attempts` they are used up in an outage, too.
        """
        effort = _Effort(max_attempts or self.max_attempts, questioning=max_attempts is not None)
        delivered = None
        try:
            while delivered is None:
                try:
                    authorization = self._leave_at_once(effort.refused) or await self._leave(effort.refused)
                    if isinstance(request, Request):
                        leaving = request
                    elif (made := request.leaving()) is not None:
                        leaving = made
                    else:
                        self._limiter.give_back(answered=True)
                        await request.renew()
                        continue
                    effort.attempts += 1
                    effort.first_left = min(effort.first_left, self._clock())
                    self.traffic.retried += effort.attempts > 1
                    reply = await self._send(leaving, authorization, largest)
                    delivered = self._understood(reply, read, effort, authorization)
                except Retryable as error:
                    effort.refused = None  # What comes between two 401s makes the later one that of a later token.
                    await self._recover(error, effort)
        except ApiError as error:
            error.attempts = effort.attempts
            endings.hide(self.credential.secrets(), error)
            raise
        return delivered

    def _understood(
        self, reply: Reply, read: Callable[[Reply], T], effort: _Effort, authorization: str
    ) -> Delivered[T] | None:
        """Return what an answer says; None when its token was refused, the one before it not, and it can be renewed."""
        try:
            replies.raise_for(reply, self._now)
            value = read(reply)
        except Refused:
            self._trouble.succeeded()
            raise
        except DailyQuotaSpent as error:
            raise self.day.spent_end(error, self._now()) from error
        except PortalMigrating as error:
            raise endings.migrating(error, self.day.time_zone, self._now()) from error
        except Unauthorized:
            if effort.refused is not None or not self.credential.renewable:
                raise
            effort.refused = authorization
            return None
        self._trouble.succeeded()
        return Delivered(value, reply.status, effort.attempts)

    # --- leaving

    def _leave_at_once(self, refused: str | None) -> str | None:
        """Do what `_leave` does if nothing holds the request back, which is the rule where the limits are wide open."""
        if not self._is_clear(refused) or not self._limiter.take_at_once():
            return None
        self._trouble.health.sent(self._clock())
        return self.credential.header()

    async def _leave(self, refused: str | None) -> str:
        """Wait until this request may leave, and return its Authorization header; it holds a permit from then on."""
        async with self._door:
            await self._take_permit()
            for _ in range(MOST_RENEWALS):
                if (stale := self._stale(refused)) is None:
                    break
                refused = None
                await self._renew(stale)
                await self._take_permit()
            return self.credential.header()

    def _is_clear(self, refused: str | None) -> bool:
        """Return True when nothing but the rate may hold a request back."""
        return not (
            self._door.locked()
            or self._draining
            or len(self.in_flight) >= self._concurrency.limit
            or self.day.reserve is not None
            or self._trouble.health.open
            or self._stale(refused)
        )

    def _stale(self, refused: str | None) -> OAuthToken | None:
        """Return the token if it must be renewed before a request leaves: it is due, or it was refused."""
        credential = self.credential
        if not isinstance(credential, OAuthToken):
            return None
        due = credential.due(self._clock()) or credential.header() == refused
        return credential if due else None

    async def _take_permit(self) -> None:
        """Wait for whatever holds requests back: how many are under way, the rate, a pause, the breaker."""
        while self._is_full():
            self._came_home.clear()
            await self._came_home.wait()
        await self._limiter.take()
        try:
            await self._sleep(lambda now: max(self._limiter.paused_for, self._trouble.health.wait(now)))
            self._check_end()
        except BaseException:
            self._limiter.give_back(answered=True)
            raise
        self._trouble.health.sent(self._clock())

    def _is_full(self) -> bool:
        under_way = len(self.in_flight)
        # Near the reserve those under way are waited for: each of them may be the last that it allows.
        return under_way >= self._concurrency.limit or (under_way > 0 and self.day.reserve_reached(under_way))

    async def _sleep(self, seconds_left: Callable[[float], float]) -> None:
        """Sleep as long as a rule says; it is asked again afterwards, because it may have changed its mind."""
        while seconds := seconds_left(self._clock()):  # noqa: ASYNC110 - only time ends it, no event
            await asyncio.sleep(seconds)

    def _check_end(self) -> None:
        if self._draining:
            raise Stopped("the run is ending")
        if self.day.reserve_reached(len(self.in_flight)):
            raise self.day.reserve_end(self._now())

    async def _renew(self, credential: OAuthToken) -> None:
        """Get a new token, for all workers: they wait at the door. Begins with a permit, and ends without one."""
        failures = 0
        while True:
            try:
                await self._ask_for_token(credential)
            except Retryable as error:
                failures += 1
                self._trouble.failed(error)
                await asyncio.sleep(self._trouble.delay(error, failures))
            else:
                return
            await self._take_permit()

    async def _ask_for_token(self, credential: OAuthToken) -> None:
        asked_at = self._clock()
        reply = await self._send(credential.request(), "", 2**20)
        portal_id = auth.take_over(credential, reply, asked_at=asked_at, now=self._now)
        self.portal_id = portal_id or self.portal_id

    # --- under way

    async def _send(self, request: Request, authorization: str, largest: int) -> Reply:
        task, left_at = asyncio.current_task(self._loop), self._clock()
        self.traffic.sent += 1
        if authorization:  # Without, it is for a token: when the run ends, that is not waited for.
            self.in_flight.add(task)
        under_way = len(self.in_flight)
        headers: Mapping[str, str] | None = None
        try:
            reply = await self._sender.send(request, authorization, largest=largest)
            headers = reply.headers
        except ConnectionFault as fault:
            if fault.category == "TIMEOUT":
                self._note(left_at, self._clock() - left_at, under_way, None)
            raise
        finally:
            self.in_flight.discard(task)
            self._came_home.set()
            self._limiter.give_back(answered=headers is not None)
            self.day.note(*replies.daily_quota(headers or {}))
        self._answered(reply, left_at, under_way)
        return self._without_secrets(reply, authorization)

    def _without_secrets(self, reply: Reply, authorization: str) -> Reply:
        if not authorization and reply.status == 200:
            return reply  # The token that was asked for.
        # A request's own token may have been renewed while it was under way.
        return hidden(reply, {*self.credential.secrets(), authorization.removeprefix("Bearer ")})

    def _answered(self, reply: Reply, left_at: float, under_way: int) -> None:
        seconds = self._clock() - left_at
        self.traffic.note(reply, seconds)
        if reply.status < 500 and reply.status != 429:
            self._note(left_at, seconds, under_way, reply.status)
        if self._limiter.follows and (rate := replies.rate_told(reply.headers)) is not None:
            self._follow(rate)
        self._trouble.answered(reply.status)

    def _say(self, sentence: str) -> None:
        self._tell(endings.without(self.credential.secrets(), sentence))

    def _follow(self, rate: Rate) -> None:
        """Take over the limit that an answer names, if it may be HubSpot's; say so once if it cannot be."""
        if replies.is_credible(rate):
            self._limiter.told(rate)
        elif not self._disbelieved:
            self._disbelieved = True
            kept = self._limiter.rate
            self._say(
                f"an answer names a limit of {rate.requests} requests per {rate.seconds:g} s, which HubSpot does not "
                f"have: it is not followed, and the limit stays {kept.requests} per {kept.seconds:g} s"
            )

    def _note(self, left_at: float, seconds: float, under_way: int, status: int | None) -> None:
        if not self._trouble.health.open:
            self._concurrency.note(left_at, seconds, under_way, status, self._limiter.rate.per_second)

    # --- after a failed attempt

    async def _recover(self, error: Retryable, effort: _Effort) -> None:
        """Wait as the policy says before the next attempt, or raise."""
        self._trouble.failed(error)
        effort.broken_tls += error.status in retry.BROKEN_TLS
        if effort.broken_tls >= retry.BROKEN_TLS_ATTEMPTS:
            raise endings.broken_tls(error) from error
        self._count(error, effort)
        if self._draining:
            raise Stopped("the run is ending") from error
        if isinstance(error, LimitUnnamed):
            await self._tell_from_spent(error, effort)
        known_outage = self._trouble.health.open
        self._let_another_try(effort)
        await asyncio.sleep(self._trouble.delay(error, effort.failures))
        if not known_outage and self._is_used_up(effort):
            raise error  # Others were answered meanwhile.
        if not isinstance(error, RateLimited):
            await self._sleep(self._trouble.health.afford)

    def _count(self, error: Retryable, effort: _Effort) -> None:
        """Count a failed attempt where it counts against its request, and raise the last one that is allowed."""
        if isinstance(error, RateLimited):
            return
        known_outage = self._trouble.health.open
        if effort.questioning or self._trouble.counts(error):
            effort.failures += 1
            if self._is_used_up(effort) or (known_outage and effort.failures >= effort.allowed):
                raise error

    def _is_used_up(self, effort: _Effort) -> bool:
        if effort.failures < effort.allowed:
            return False
        return effort.questioning or not self._trouble.is_outage(effort.first_left)

    def _let_another_try(self, effort: _Effort) -> None:
        waits = self._trouble.health.open or effort.failures >= effort.allowed
        if waits and not effort.held_up:
            effort.held_up = True
            self.held_up()

    async def _tell_from_spent(self, error: LimitUnnamed, effort: _Effort) -> None:
        """Raise DailyQuotaSpent if 429s that say nothing mean the day's quota; when they do not end, ask."""
        if self.usage is not None and self._trouble.must_ask(error):
            with suppress(Retryable, Refused, MissingScope):
                reply = await self._send(self.usage, await self._leave(effort.refused), 2**20)
                replies.raise_for(reply, self._now)
                self.day.told(quota.usage(replies.fields(reply)))
        if self.day.spent:
            raise self.day.spent_end(error, self._now())
