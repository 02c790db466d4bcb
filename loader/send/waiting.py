"""What requests wait for, in a sentence for the user: which server does not answer, since when, and until when."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from loader.send.limiter import GIVE_UP_SECONDS, Limiter

SHOWN_AFTER = 2.0
"""Seconds without a usable answer before the user is informed."""

SLOW_AFTER = 5.0
"""Seconds after which a request counts as slow."""


@dataclass(slots=True, kw_only=True)
class WaitingRequests:
    """Watches a gateway's requests. `host` is the server's name for people; `clock` gives seconds, monotonic.

    `departures` has the departure times of unanswered requests. `last_failure` is the last failed attempt in a few
    words; `attempts` says which of how many it was, for a request that can be given up in an outage.
    """

    host: str
    limiter: Limiter
    clock: Callable[[], float]
    now: Callable[[], datetime]
    departures: dict[asyncio.Task[Any] | None, float] = field(default_factory=dict)
    last_failure: str = ""
    attempts: str = ""

    def sentence(self) -> str:
        """Return what requests wait for, blank if they are sent and answered."""
        now, breaker = self.clock(), self.limiter.breaker
        # A server that answers 429, and nothing worse, works.
        if breaker.failures and breaker.failing_since is not None and now - breaker.failing_since >= SHOWN_AFTER:
            return self._no_answer(now, breaker.failing_since)
        if (seconds := self.limiter.paused_for) >= 1:
            return f"{self.host} asks for a pause (429): {math.ceil(seconds)} s left"
        waited = now - min(self.departures.values(), default=now)
        return f"Waiting for {self.host} to answer, for {waited:.0f} s now" if waited >= SLOW_AFTER else ""

    def _no_answer(self, now: float, since: float) -> str:
        began = (self.now() - timedelta(seconds=now - since)).astimezone()
        ends = began + timedelta(seconds=GIVE_UP_SECONDS)
        until = self.attempts or f"trying until {ends:%H:%M:%S}"
        why = f" ({self.last_failure})" if self.last_failure else ""
        return f"{self.host} has not answered since {began:%H:%M:%S}{why}: {until}"
