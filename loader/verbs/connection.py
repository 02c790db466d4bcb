"""The way to a portal: limiter, transport and gateway, put together from the settings."""

import math
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import version

from loader.errors import UsageError
from loader.send.api import Request, daily_usage
from loader.send.auth import credential
from loader.send.gateway import Gateway, Surroundings
from loader.send.limits import START_RATE, Limiter
from loader.send.transport import Transport
from loader.settings import ConnectionSettings, OAuthCredentials, Settings

MOST_WORKERS = 50
SLOWEST_ANSWER = 2.0
"""Seconds: with so many workers that this latency still fills the rate, a slow portal does not cost throughput."""


def surroundings() -> Surroundings:
    """Return this machine's clock, time of day and chance."""
    return Surroundings(time.monotonic, lambda: datetime.now(UTC), random.uniform)


def workers(settings: Settings) -> int:
    """Return how many requests may be under way at once."""
    if settings.send.concurrency is not None:
        return settings.send.concurrency
    if settings.send.rate is None:
        return MOST_WORKERS
    return max(4, min(MOST_WORKERS, math.ceil(settings.send.rate.per_second * SLOWEST_ANSWER)))


@asynccontextmanager
async def connected(settings: Settings, around: Surroundings) -> AsyncIterator[Gateway]:
    """Hold a gateway open for a block; UsageError when there is no token."""
    if settings.connection.credentials is None:
        raise UsageError(
            "there is no token: set HUBSPOT_ACCESS_TOKEN (or give --token-file), then run the same command again"
        )
    limiter = Limiter(settings.send.rate or START_RATE, clock=around.clock, follow=settings.send.rate is None)
    async with (around.sender or _over_the_network)(settings) as sender:
        yield Gateway(
            sender,
            limiter,
            credential(settings.connection.credentials),
            around,
            max_attempts=settings.send.max_attempts,
            daily_reserve=settings.send.daily_reserve,
            usage=_usage(settings.connection),
        )


def _usage(connection: ConnectionSettings) -> Request | None:
    # The quota is that of a portal's private apps; an OAuth app has no part in it [HubSpot's usage guidelines].
    oauth = isinstance(connection.credentials, OAuthCredentials)
    return None if oauth else daily_usage(connection.api_version)


def _over_the_network(settings: Settings) -> Transport:
    return Transport(
        settings.connection.base_url,
        timeout=settings.connection.timeout,
        connections=workers(settings),
        user_agent=f"association-loader/{version('association-loader')}",
    )
