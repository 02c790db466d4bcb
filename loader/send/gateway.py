"""The one gateway: every request passes it, with a permit, signed, and tried again as the policy says."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, NamedTuple, Protocol, TypeVar

from loader.errors import ApiError, RateLimited, Redirected, Refused, Retryable, Stopped, Unauthorized, Unreachable
from loader.send import replies, retry
from loader.send.api import Request
from loader.send.auth import OAuthToken, StaticToken
from loader.send.health import Health
from loader.send.limits import Limiter
from loader.send.replies import Reply

T = TypeVar("T")

REDIRECTS_TO_STOP = 10
"""When the first ten answers are redirects, this is not HubSpot's address."""


class Sender(Protocol):
    """Makes one attempt (see `transport.Transport`)."""

    async def send(self, request: Request, authorization: str, *, largest: int = ...) -> Reply:
        """Return the answer, whatever its status, or raise Retryable or Fatal."""


class Surroundings(NamedTuple):
    """What differs between a run and a test of one: seconds (monotonic), the time of day (UTC), and chance."""

    clock: Callable[[], float]
    now: Callable[[], datetime]
    uniform: Callable[[float, float], float]


@dataclass(slots=True)
class Traffic:
    """What went over the wire in this run; `daily_left` is None until an answer names it."""

    sent: int = 0
    retried: int = 0
    rate_limited: int = 0
    by_status: Counter[str] = field(default_factory=Counter)
    daily_left: int | None = None


class Delivered(NamedTuple, Generic[T]):
    """A readable answer: its meaning, its HTTP status and the number of requests it took."""

    value: T
    status: int
    attempts: int


@dataclass(slots=True)
class _Effort:
    attempts: int = 0
    failures: int = 0
    renewed: bool = False


class Gateway:
    """Delivers requests within the limiter's rate until each is answered, refused, or out of attempts.

    `in_flight` holds the tasks whose request is under way: whoever ends the run may cancel all others at once.
    """

    def __init__(
        self,
        sender: Sender,
        limiter: Limiter,
        credential: StaticToken | OAuthToken,
        surroundings: Surroundings,
        *,
        max_attempts: int,
    ) -> None:
        self._sender = sender
        self._limiter = limiter
        self._credential = credential
        self._surroundings = surroundings
        self._max_attempts = max_attempts
        self._health = Health(last_success=surroundings.clock())
        self._succeeded = asyncio.Event()
        self._renewal = asyncio.Lock()
        self._strikes = 0
        self._redirects = 0
        self._answers = 0
        self._draining = False
        self.in_flight: set[asyncio.Task[object]] = set()
        self.traffic = Traffic()
        self.portal_id: str | None = None

    @property
    def limiter(self) -> Limiter:
        """The limiter that every request passes."""
        return self._limiter

    def drain(self) -> None:
        """Let what is in flight come home, and send nothing more."""
        self._draining = True

    async def call(
        self, request: Request, read: Callable[[Reply], T], *, max_attempts: int | None = None, largest: int = 2**20
    ) -> Delivered[T]:
        """Deliver a request and return what `read` makes of the answer.

        `read` raises Retryable for an answer that cannot be read. Raises Refused for a permanent answer, Retryable
        when the attempts are used up, Fatal when no request can succeed, Stopped when the run is draining; each with
        `attempts` set.
        """
        effort = _Effort()
        try:
            while True:
                try:
                    return await self._attempt(request, read, effort, largest)
                except Retryable as error:
                    await self._recover(error, effort, max_attempts or self._max_attempts)
                except Unauthorized:
                    if effort.renewed or not self._credential.renewable:
                        raise
                    effort.renewed = True
        except ApiError as error:
            error.attempts = effort.attempts
            raise

    async def _attempt(
        self, request: Request, read: Callable[[Reply], T], effort: _Effort, largest: int
    ) -> Delivered[T]:
        await self._healthy(retry=effort.attempts > 0)
        authorization = await self._sign(again=effort.renewed)
        async with self._limiter.permit():
            if self._draining:
                raise Stopped("the run is ending")
            effort.attempts += 1
            self.traffic.retried += effort.attempts > 1
            reply = await self._send(request, authorization, largest)
        self._count_redirects(reply)
        try:
            replies.raise_for(reply, self._surroundings.now())
            value = read(reply)
        except Refused:
            self._note_success()
            raise
        self._note_success()
        return Delivered(value, reply.status, effort.attempts)

    async def _send(self, request: Request, authorization: str, largest: int) -> Reply:
        task = asyncio.current_task()
        if task is not None:
            self.in_flight.add(task)
        self.traffic.sent += 1
        try:
            reply = await self._sender.send(request, authorization, largest=largest)
        finally:
            if task is not None:
                self.in_flight.discard(task)
        self.traffic.by_status[str(reply.status)] += 1
        self.traffic.rate_limited += reply.status == 429
        if (rate := replies.rate_told(reply.headers)) is not None:
            self._limiter.told(rate)
        if (left := replies.daily_left(reply.headers)) is not None:
            self.traffic.daily_left = left
        return reply

    def _count_redirects(self, reply: Reply) -> None:
        self._answers += 1
        self._redirects += 300 <= reply.status < 400
        if self._redirects == self._answers == REDIRECTS_TO_STOP:
            raise Redirected(
                f"the first {REDIRECTS_TO_STOP} answers were all redirects, so this is not HubSpot's address: "
                "check --base-url",
                status=reply.status,
                category="REDIRECT",
            )

    def _note_success(self) -> None:
        self._strikes = 0
        self._health.succeeded(self._surroundings.clock())
        self._succeeded.set()
        self._succeeded.clear()

    async def _recover(self, error: Retryable, effort: _Effort, max_attempts: int) -> None:
        """Wait as the policy says before the next attempt, or raise."""
        now = self._surroundings.clock()
        self._health.failed(now)
        if (error.retry_after or 0) > retry.LONGEST_WAIT:
            raise Unreachable(
                f"HubSpot asks to come back in {error.retry_after or 0:.0f} seconds: run the same command then",
                status=error.status,
                category=error.category,
            ) from error
        if isinstance(error, RateLimited):
            self._slow_down(error)
        elif not self._health.open:
            effort.failures += 1
            if effort.failures >= max_attempts:
                raise error
        if self._draining:
            raise Stopped("the run is ending") from error
        await asyncio.sleep(retry.delay(error, max(1, effort.failures), self._surroundings.uniform))

    def _slow_down(self, error: RateLimited) -> None:
        if not self._limiter.paused_for:
            self._strikes += 1
            self._limiter.lower()
        window = self._limiter.rate.seconds
        self._limiter.pause(retry.pause(error, self._strikes, window, self._surroundings.uniform))

    async def _healthy(self, *, retry: bool) -> None:
        while True:
            now = self._surroundings.clock()
            if self._health.given_up(now):
                raise Unreachable(
                    "HubSpot gave no usable answer for 15 minutes: run the same command again later",
                    category="UNREACHABLE",
                )
            seconds = self._health.wait(now, retry=retry)
            if not seconds:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._succeeded.wait()

    async def _sign(self, *, again: bool) -> str:
        """Return the Authorization header, after one renewal for all workers if the token is due, or was refused."""
        credential = self._credential
        if isinstance(credential, StaticToken):
            return credential.header()
        before = credential.header()
        if again or credential.due(self._surroundings.clock()):
            async with self._renewal:
                if credential.header() == before:
                    await self._renew(credential)
        return credential.header()

    async def _renew(self, credential: OAuthToken) -> None:
        failures = 0
        while True:
            try:
                async with self._limiter.permit():
                    reply = await self._send(credential.request(), "", 2**20)
                replies.raise_for(reply, self._surroundings.now())
                answer = replies.parsed(reply)
                self.portal_id = credential.accept(
                    answer if isinstance(answer, dict) else {}, self._surroundings.clock()
                )
            except Refused as error:
                raise Unauthorized(
                    f"HubSpot refuses the refresh token: {error.message}", status=error.status, category=error.category
                ) from error
            except Retryable as error:
                failures += 1
                if failures >= self._max_attempts:
                    raise
                await asyncio.sleep(retry.delay(error, failures, self._surroundings.uniform))
            else:
                return
