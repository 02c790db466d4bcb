"""The limiter's meetings with the other loaders of its token on this machine, every fifth of a second."""

import asyncio
import math
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple, Protocol, Self, TypeVar

from loader.events import Note, Tell
from loader.send import allowance
from loader.send.allowance import Allowance, Granted, Wish
from loader.send.allowance_file import AllowanceFile
from loader.send.limits import ABANDONED_SECONDS, Limiter

T = TypeVar("T")

MEETING_SECONDS = 0.2

CLAIM_SECONDS = 1.0
"""A loader that could not renew its claim for so long sends nothing until it has: it counts as ended."""


class Aside(Protocol):
    """Runs work that may block, off the event loop: `asyncio.to_thread`, or in a test at once."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]:
        """Return what the work returns."""


class _Agreed(NamedTuple):
    """What a meeting came to, until when it holds, and how many others were there."""

    granted: Granted
    until: float
    others: int


class Sharing:
    """Keeps a limiter to its portion for a block; nothing is asked or written for a single request.

    Where the file cannot be used, the limiter goes on alone, with at least its equal share of those that it knew of,
    and one note is told.
    """

    def __init__(
        self,
        limiter: Limiter,
        file: AllowanceFile,
        *,
        clock: Callable[[], float],
        tell: Tell,
        aside: Aside = asyncio.to_thread,
    ) -> None:
        self._limiter = limiter
        self._file = file
        self._clock = clock
        self._tell = tell
        self._aside = aside
        self._name = secrets.token_hex(8)
        self._others = 0
        self._alone = False
        self._meetings: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._limiter.share(0.0, 1.0, self._clock())
        await self._meet()
        self._meetings = asyncio.create_task(self._keep_meeting(), name="shared limit")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._meetings is not None:
            self._meetings.cancel()
            with suppress(asyncio.CancelledError):
                await self._meetings
        if not self._alone:
            with suppress(OSError):  # Then the claim ends by itself.
                self._file.change(self._leave, self._clock)

    async def _keep_meeting(self) -> None:
        while not self._alone:
            with suppress(TimeoutError):
                async with asyncio.timeout(MEETING_SECONDS):
                    await self._limiter.wants_more()
            await self._meet()

    async def _meet(self) -> None:
        wish = self._limiter.wish()
        try:
            granted, until, others = await self._aside(lambda: self._agree(wish))
        except OSError as error:
            self._go_on_alone(error, wish)
            return
        self._limiter.share(granted.bound, granted.equal, until, more=granted.more)
        if others and not self._others:
            self._tell(Note("Another load with the same token is at work on this machine; they share the limit."))
        self._others = max(self._others, others)

    def _agree(self, wish: Wish) -> _Agreed:
        agreed: list[_Agreed] = []

        def change(there: Allowance) -> Allowance:
            now = self._clock()
            there = allowance.current(there, now, ABANDONED_SECONDS)
            there, granted = allowance.share(there, self._name, wish, now + CLAIM_SECONDS)
            others = sum(claim.until > now for name, claim in there.claims.items() if name != self._name)
            agreed.append(_Agreed(granted, now + CLAIM_SECONDS, others))
            return there

        self._file.change(change, self._clock)
        return agreed[0]

    def _leave(self, there: Allowance) -> Allowance:
        now = self._clock()
        return allowance.leave(allowance.current(there, now, ABANDONED_SECONDS), self._name, self._limiter.used())

    def _go_on_alone(self, error: OSError, wish: Wish) -> None:
        self._alone = True
        portion = max(wish.bound, 1 / (self._others + 1))
        self._limiter.share(portion, portion, math.inf)
        self._tell(
            Note(
                f"{self._file.path}: cannot be used ({error.strerror or error}), so this load knows of no other load "
                "with the same token on this machine, and together they may pass the limit: mend the folder, or set "
                "XDG_CACHE_HOME to another"
            )
        )
