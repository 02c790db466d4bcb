"""The one gateway for every request, and what happens with its answer.

The limiter decides when a request may leave; here it is signed, sent, and tried again or given up.
"""

import asyncio
import math
from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

from loader.errors import (
    ApiError,
    DailyQuotaSpent,
    LimitUnnamed,
    MissingScope,
    PortalMigrating,
    RateLimited,
    RecordLocked,
    Refused,
    Retryable,
    Stopped,
    Unauthorized,
)
from loader.send import auth, endings, quota, replies, retry
from loader.send.api import Request
from loader.send.auth import OAuthToken, StaticToken, hide_in_error, hide_in_reply, hide_in_text
from loader.send.clocks import FRESH_SECONDS, Clocks
from loader.send.limiter import GIVE_UP_SECONDS, Limiter
from loader.send.replies import Reply
from loader.send.waiting import WaitingRequests
from loader.settings import Settings

if TYPE_CHECKING:  # Commands that send no pairs start without numpy.
    from loader.send.outgoing import Draft

T = TypeVar("T")

LONG_PAUSE = 30.0
"""A pause of at least this many seconds is shown to the person who watches."""

PAUSES_TO_ASK = 3
"""Consecutive pauses after which 429s that name no limit may mean the day's limit."""

FRESH_REQUESTS = 5
"""A reading may be as old as this many requests take: with fewer than one in 12 s, nothing leaves within a minute."""

MOST_RENEWALS = 3
"""Attempts: during the wait for a permit a new token may expire; one with a very short lifetime always does."""


class Sender(Protocol):
    """Makes one attempt (see `transport.Transport`)."""

    async def send(self, request: Request, authorization: str, *, largest: int = ...) -> Reply:
        """Return the answer, whatever its status, or raise Retryable or Fatal."""


class Surroundings(NamedTuple):
    """What a test replaces: seconds (monotonic), the time of day (UTC), and random numbers.

    `sender` opens the connection to the server; None: over the network. `permit` is called right before each request
    and before results are copied; it raises Stopped if that is no longer allowed.
    """

    clock: Callable[[], float]
    now: Callable[[], datetime]
    uniform: Callable[[float, float], float]
    sender: Callable[[Settings], AbstractAsyncContextManager[Sender]] | None = None
    permit: Callable[[], None] = lambda: None


class Delivered(NamedTuple, Generic[T]):
    """A readable answer: its meaning, its HTTP status and the number of requests it took."""

    value: T
    status: int
    attempts: int


@dataclass(slots=True)
class Traffic:
    """Counts of requests; `latencies` are the seconds of the answers since they were last read, or the latest ones."""

    sent: int = 0
    retried: int = 0
    rate_limited: int = 0
    by_status: Counter[str] = field(default_factory=Counter)
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=10_000))

    def note(self, reply: Reply, seconds: float) -> None:
        """Count an answer and how long it took."""
        self.by_status[str(reply.status)] += 1
        self.rate_limited += reply.status == 429
        self.latencies.append(seconds)


@dataclass(slots=True)
class _Effort:
    """The attempts of one request so far; `refused` is the Authorization header that the last answer refused (401).

    It is given up after `allowed` failures, in an outage only with `even_in_outage`. `first_left` is when it left for
    the first time; `held_up` is set once it waits for the end of a possible outage. `for_one_pair` is true for a PUT.
    """

    allowed: int
    even_in_outage: bool
    attempts: int = 0
    failures: int = 0
    first_left: float = math.inf
    held_up: bool = False
    for_one_pair: bool = False
    broken_tls: int = 0
    refused: str | None = None


class Gateway:
    """Sends requests within the limiter's rate until each is answered, refused, or out of attempts.

    `in_flight` holds the tasks whose request is under way: the end of a run may cancel all others at once. Between
    an answer's arrival and the return of `call` nothing is awaited, so it cannot get lost.

    `held_up` is called when a request begins to wait for the end of a possible outage: then another one should be
    tried, to distinguish an outage from a request that always fails.

    `version` is that of HubSpot's API, one of `api.VERSIONS`. `usage` is the request for the rest of the day's quota,
    None if the quota does not concern this credential. `account` is the request for the portal's account: any answer to
    it shows that HubSpot works. `say` gets sentences for the user; `host` is the name of the server for people.
    """

    def __init__(
        self,
        sender: Sender,
        limiter: Limiter,
        credential: StaticToken | OAuthToken,
        surroundings: Surroundings,
        *,
        version: str,
        max_attempts: int,
        usage: Request | None = None,
        account: Request | None = None,
        say: Callable[[str], None] = lambda _: None,
        host: str = "HubSpot",
    ) -> None:
        self._sender = sender
        self.limiter = limiter
        self.day = limiter.day
        self.credential = credential
        self._clock, self._now, self._uniform = surroundings.clock, surroundings.now, surroundings.uniform
        self._permit = surroundings.permit
        self.version = version
        self.max_attempts = max_attempts
        self.clocks = Clocks(surroundings.clock, surroundings.now, self._fresh_seconds)
        self._loop = asyncio.get_running_loop()
        self._calls = 0
        self._door = asyncio.Lock()
        self._draining = False
        self._asked_usage = False
        self._warned_of_rate = False
        self._notify = say
        self._waiting = WaitingRequests(host=host, limiter=limiter, clock=surroundings.clock, now=surroundings.now)
        self.held_up: Callable[[], None] = lambda: None
        self.in_flight: set[asyncio.Task[Any] | None] = set()
        self.traffic = Traffic()
        self.portal_id: str | None = None
        self.usage = usage
        self._account = account

    def _fresh_seconds(self) -> float:
        """How old a reading may be when its request leaves: at least the time of `FRESH_REQUESTS` requests."""
        rate = self.limiter.rate
        return max(FRESH_SECONDS, FRESH_REQUESTS * rate.seconds / rate.requests)

    def waits_for(self) -> str:
        """Return in a sentence what requests wait for, blank if they are sent and answered."""
        return hide_in_text(self._waiting.sentence(), self.credential.secrets())

    def drain(self) -> None:
        """Finish requests in flight, and send nothing more."""
        self._draining = True

    async def call(
        self,
        request: Request | Callable[[], Request],
        read: Callable[[Reply], T],
        *,
        draft: "Draft | None" = None,
        max_attempts: int | None = None,
        largest: int = 2**20,
    ) -> Delivered[T]:
        """Send a request until it is answered, and return the result of `read` for the answer.

        A callable makes the request of each attempt. A `draft` is renewed before an attempt if it has become too old.
        `read` raises Retryable for an answer that cannot be read. Raises Refused for a permanent answer, Retryable when
        the attempts are used up, Fatal when no request can succeed, Stopped when the run is draining; each ApiError has
        `attempts` set, and holds no secret. In an outage attempts do not count, so no row fails for it; with
        `max_attempts` they do count.
        """
        effort = _Effort(max_attempts or self.max_attempts, even_in_outage=max_attempts is not None)
        delivered = None
        self._calls += 1
        try:
            while delivered is None:
                try:
                    authorization = await self._leave(effort.refused)
                    if draft is not None and not draft.may_leave():
                        self.limiter.give_back(answered=True)
                        await draft.renew()
                        continue
                    leaving = request if isinstance(request, Request) else request()
                    effort.for_one_pair = leaving.method == "PUT"
                    effort.attempts += 1
                    effort.first_left = min(effort.first_left, self._clock())
                    self.traffic.retried += effort.attempts > 1
                    reply = await self._send(leaving, authorization, largest)
                    delivered = self._understood(reply, read, effort, authorization)
                except Retryable as error:
                    effort.refused = None  # After another answer, a 401 may be about a later token.
                    await self._recover(error, effort)
        except ApiError as error:
            error.attempts = effort.attempts
            hide_in_error(error, self.credential.secrets())
            raise
        finally:
            self._calls -= 1
        return delivered

    # --- leaving

    async def _leave(self, refused: str | None) -> str:
        """Wait until this request may leave, and return its Authorization header; it holds a permit from then on.

        One request at a time waits for the limiter, and while one renews the token, all others wait.
        """
        async with self._door:
            await self._take_permit()
            for _ in range(MOST_RENEWALS):
                token = self.credential
                if isinstance(token, StaticToken) or not token.is_stale(self._clock(), refused):
                    break
                refused = None
                await self._renew(token)
                await self._take_permit()
            return self.credential.header()

    async def _take_permit(self) -> None:
        await self.limiter.take()
        if not self._draining and not self.day.reserve_reached():
            return
        self.limiter.give_back(answered=True)
        raise Stopped("the run is ending") if self._draining else self.day.reserve_end(self._now())

    async def _renew(self, credential: OAuthToken) -> None:
        """Get a new token. The caller's permit is used up by that."""
        failures = 0
        while True:
            asked_at = self._clock()
            try:
                reply = await self._send(credential.request(), "", 2**20)
                portal_id = auth.take_over(credential, reply, asked_at=asked_at, now=self._now)
            except Retryable as error:
                failures += 1
                self._failed(error)
                await asyncio.sleep(self._delay(error, failures))
                await self._take_permit()
            else:
                self.portal_id = portal_id or self.portal_id
                return

    # --- under way

    async def _send(self, request: Request, authorization: str, largest: int) -> Reply:
        try:
            self._permit()
        except Stopped:
            self.limiter.give_back(answered=True)
            raise
        task, left_at = asyncio.current_task(self._loop), self._clock()
        self.traffic.sent += 1
        self._waiting.departures[task] = left_at
        if authorization:  # Blank for a request for a token: the end of a run does not wait for that.
            self.in_flight.add(task)
        headers: Mapping[str, str] | None = None
        try:
            reply = await self._sender.send(request, authorization, largest=largest)
            headers = reply.headers
        finally:
            self.in_flight.discard(task)
            self._waiting.departures.pop(task, None)
            self.day.note(*replies.daily_quota(headers or {}))
            self.limiter.give_back(answered=headers is not None)
        self.traffic.note(reply, self._clock() - left_at)
        self._follow(reply)
        by_status = self.traffic.by_status
        if (
            300 <= reply.status < 400
            and by_status.total() == endings.REDIRECTS_TO_STOP
            and all(status.startswith("3") for status in by_status)
        ):
            raise endings.redirected(reply.status)
        if not authorization and reply.status == 200:
            return reply  # The token was requested.
        # The request's own token may have been renewed while it was under way.
        return hide_in_reply(reply, {*self.credential.secrets(), authorization.removeprefix("Bearer ")})

    def _follow(self, reply: Reply) -> None:
        """Use the limit in an answer, if it can be HubSpot's; say once if it cannot be."""
        rate = replies.rate_stated(reply.headers) if self.limiter.follows else None
        if rate is None:
            return
        if replies.is_credible(rate):
            self.limiter.follow(rate)
        elif not self._warned_of_rate:
            self._warned_of_rate = True
            kept = self.limiter.rate
            self._say(
                f"HubSpot's answer gives a limit of {rate.requests} requests per {rate.seconds:g} s, which "
                "HubSpot does not "
                f"have: it is not followed, and the limit stays {kept.requests} per {kept.seconds:g} s"
            )

    def _understood(
        self, reply: Reply, read: Callable[[Reply], T], effort: _Effort, authorization: str
    ) -> Delivered[T] | None:
        """Return the meaning of an answer; None if its token was refused for the first time and can be renewed."""
        try:
            replies.raise_for(reply, self._now)
            value = read(reply)
        except Refused:
            self._succeeded()
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
        self._succeeded()
        return Delivered(value, reply.status, effort.attempts)

    def _succeeded(self) -> None:
        """Note an answer that shows that HubSpot works."""
        self._asked_usage = False
        self.limiter.succeeded()

    # --- after a failed attempt

    async def _recover(self, error: Retryable, effort: _Effort) -> None:
        """Wait before the next attempt, or raise if there is none."""
        self._failed(error)
        left = effort.allowed - effort.failures - 1
        self._waiting.attempts = f"{max(0, left)} attempts left" if effort.even_in_outage else ""
        effort.broken_tls += error.status in retry.BROKEN_TLS
        if effort.broken_tls >= retry.BROKEN_TLS_ATTEMPTS:
            raise endings.broken_tls(error) from error
        breaker = self.limiter.breaker
        counts = effort.even_in_outage or breaker.counts(error.status, self._clock())
        if counts and not isinstance(error, RateLimited):
            effort.failures += 1
            if self._is_used_up(effort) or (breaker.open and effort.failures >= effort.allowed):
                raise error
        if self._draining:
            raise Stopped("the run is ending") from error
        if isinstance(error, LimitUnnamed):
            await self._check_for_spent_day(error, effort)
        known_outage = breaker.open
        if (known_outage or effort.failures >= effort.allowed) and not effort.held_up:
            effort.held_up = True
            self.held_up()
        await asyncio.sleep(self._delay(error, effort.failures))
        if not known_outage and self._is_used_up(effort):
            raise error  # Other requests were answered meanwhile.
        if effort.for_one_pair and self._calls == 1 and breaker.open_for_long(self._clock()):
            await self._ask_whether_at_work(effort)

    async def _ask_whether_at_work(self, effort: _Effort) -> None:
        """Distinguish an outage from one row that always fails, when no other request is left to show it.

        An answer closes the breaker, and the row's failures count against it again. This is done only for a single row:
        if several fail, HubSpot may answer a question about the account and nothing else.
        """
        if self._account is None:
            return
        try:
            with suppress(Refused, MissingScope):
                await self._ask(self._account, effort)
            self._succeeded()
        except Retryable as error:
            self._failed(error)

    def _is_used_up(self, effort: _Effort) -> bool:
        """Return True if a request is given up: its attempts are used up, and there is no outage."""
        others_answered = self.limiter.breaker.last_success >= effort.first_left
        return effort.failures >= effort.allowed and (effort.even_in_outage or others_answered)

    def _failed(self, error: Retryable) -> None:
        """Handle a failure for all requests: pause, breaker, quota; raises Fatal if nothing can be sent for now."""
        now, breaker = self._clock(), self.limiter.breaker
        self._waiting.last_failure = error.message
        if not self.traffic.by_status and (fatal := endings.wrong_address(error)):
            raise fatal from error
        if isinstance(error, RecordLocked):
            breaker.succeeded(now)
        elif breaker.failed(now, rate_limited=isinstance(error, RateLimited)):
            self._say(
                f"HubSpot does not answer properly ({error.message}): trying again once a second, for "
                f"{GIVE_UP_SECONDS / 60:.0f} minutes at most"
            )
        if (error.retry_after or 0) > retry.LONGEST_WAIT:
            raise endings.come_back(error, self.day.time_zone, self._now()) from error
        if breaker.given_up(now):
            raise endings.silence(error) from error
        if isinstance(error, RateLimited):
            before = self.limiter.paused_for
            self.limiter.slow_down(error.retry_after, self._uniform)
            seconds = self.limiter.paused_for
            if seconds > max(before, LONG_PAUSE):
                self._say(f"HubSpot asks to wait {seconds:.0f} seconds ({error.message})")

    def _delay(self, error: Retryable, failures: int) -> float:
        """Return the seconds before a request's next attempt, after a number of failures that count."""
        if self.limiter.breaker.open:
            # The breaker sets the pace; a request that slept longer would be late after the outage.
            return error.retry_after or 0.0
        return retry.delay(error, max(1, failures), self._uniform)

    async def _check_for_spent_day(self, error: LimitUnnamed, effort: _Effort) -> None:
        """Raise DailyQuotaSpent if 429s without details mean the day's quota; if they do not end, ask, once."""
        if self.usage is not None and not self._asked_usage and self.limiter.pauses_in_a_row >= PAUSES_TO_ASK:
            self._asked_usage = True
            with suppress(Retryable, Refused, MissingScope):
                reply = await self._ask(self.usage, effort)
                self.day.note_usage(quota.usage(replies.fields(reply)))
        if self.day.spent:
            raise self.day.spent_end(error, self._now())

    async def _ask(self, question: Request, effort: _Effort) -> Reply:
        """Send a question of the gateway's own, once, before a request's next attempt; raises what it means."""
        reply = await self._send(question, await self._leave(effort.refused), 2**20)
        replies.raise_for(reply, self._now)
        return reply

    def _say(self, sentence: str) -> None:
        self._notify(hide_in_text(sentence, self.credential.secrets()))
