"""The connection to a portal: limiter, transport and gateway, put together from the settings."""

import math
import random
import resource
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from loader.errors import UsageError
from loader.events import Note, Notify
from loader.send.api import account_details, daily_usage
from loader.send.auth import credential, fingerprint
from loader.send.gateway import Gateway, Surroundings
from loader.send.limiter import MOST_UNDER_WAY, START_RATE, Limiter
from loader.send.sharing import ClaimsFile, Sharing
from loader.settings import OAuthCredentials, Settings
from loader.version import version

if TYPE_CHECKING:
    from loader.send.transport import Transport

OWN_FILES = 28
"""Files that a run has open besides its connections: the journal and its logs, results, lock, log, streams."""

MOST_FILES = 100_000

SLOWEST_ANSWER = 2.0
"""Seconds: there are enough workers to use the whole rate with answers this slow."""


def surroundings() -> Surroundings:
    """Return this machine's clock, time of day and random numbers."""
    return Surroundings(time.monotonic, lambda: datetime.now(UTC), random.uniform)


MOST_BATCHES = 8
"""Batch requests at once: they are in memory, and eight are many times more than 190 per 10 s need."""


def batch_workers(settings: Settings) -> int:
    """Return how many batch requests may be under way at once."""
    return min(MOST_BATCHES, workers(settings))


def workers(settings: Settings) -> int:
    """Return how many requests may be under way at once: no more than the system lets this process open sockets."""
    return max(1, min(_wanted_workers(settings), _sockets()))


def _sockets() -> int:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_FILES if files == resource.RLIM_INFINITY else min(files, MOST_FILES) - OWN_FILES


def _wanted_workers(settings: Settings) -> int:
    if settings.send.concurrency is not None:
        return settings.send.concurrency
    if settings.send.rate is None:
        return MOST_UNDER_WAY
    return max(4, min(MOST_UNDER_WAY, math.ceil(settings.send.rate.per_second * SLOWEST_ANSWER)))


@asynccontextmanager
async def open_gateway(
    settings: Settings, around: Surroundings, notify: Notify | None = None
) -> AsyncIterator[Gateway]:
    """Hold a gateway open for a block; UsageError when there is no token. `notify` gets notes."""
    credentials = settings.connection.credentials
    if credentials is None:
        raise UsageError(
            "no token is set: set HUBSPOT_ACCESS_TOKEN (or give --token-file), then run the same command again"
        )
    if notify is not None and _sockets() < _wanted_workers(settings):
        notify(
            Note(f"Only {workers(settings)} requests at once: this system lets a process open few files (ulimit -n).")
        )
    # The quota is for a portal's private apps; it does not concern an OAuth app [HubSpot's usage guidelines].
    oauth = isinstance(credentials, OAuthCredentials)
    limiter = Limiter(
        settings.send.rate or START_RATE,
        clock=around.clock,
        follow=settings.send.rate is None,
        concurrency=workers(settings),
        daily_reserve=settings.send.daily_reserve,
    )
    address = urlsplit(settings.connection.base_url).netloc
    async with AsyncExitStack() as stack:
        if settings.connection.cache_folder is not None:
            name = fingerprint(credentials, settings.connection.base_url)
            file = ClaimsFile(Path(settings.connection.cache_folder), name)
            await stack.enter_async_context(
                Sharing(limiter, file, clock=around.clock, notify=notify or (lambda _: None))
            )
        yield Gateway(
            await stack.enter_async_context((around.sender or _over_the_network)(settings)),
            limiter,
            credential(credentials, settings.connection.api_version),
            around,
            version=settings.connection.api_version,
            max_attempts=settings.send.max_attempts,
            usage=None if oauth else daily_usage(settings.connection.api_version),
            account=account_details(settings.connection.api_version),
            say=lambda sentence: notify(Note(sentence)) if notify else None,
            host="HubSpot" if address.endswith("hubapi.com") else address,
        )


def _over_the_network(settings: Settings) -> "Transport":
    from loader.send.transport import Transport  # noqa: PLC0415 - a run that sends nothing need not wait for aiohttp

    return Transport(
        settings.connection.base_url,
        timeout=settings.connection.timeout,
        connections=workers(settings),
        user_agent=f"association-loader/{version()}",
    )
