"""When to try again: the policy, as pure functions."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from loader.errors import RecordLocked, Retryable

FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
SHORTEST_SHARE = 0.25
"""The least part of a delay after jitter: so eight attempts always outlast the 10 s after which the breaker opens."""

LOCK_SECONDS = 2.0
"""HubSpot's error page: a 423 lock lasts 2 seconds."""

LONGEST_WAIT = 900.0
"""Seconds. If a server asks for more than this, the run ends and can be resumed later."""

MOST_DOUBLINGS = 16

BROKEN_TLS = frozenset({525, 526})
BROKEN_TLS_ATTEMPTS = 3
"""HubSpot's error page says about these: contact support. A few attempts show whether it is temporary."""

Uniform = Callable[[float, float], float]

_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?", re.ASCII)


def delay(error: Retryable, failures: int, uniform: Uniform) -> float:
    """Return the seconds to wait before the next attempt: jittered, and never less than the server asked for.

    `failures` counts the failed attempts of this request so far, from 1.
    """
    longest = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(failures - 1, MOST_DOUBLINGS))
    least = LOCK_SECONDS if isinstance(error, RecordLocked) else 0.0
    return max(uniform(SHORTEST_SHARE * longest, longest), least, error.retry_after or 0.0)


def retry_after(text: str | None, now: datetime) -> float | None:
    """Read a `Retry-After` header (seconds or an HTTP date) as seconds from `now`; None if it is not usable."""
    if text is None:
        return None
    text = text.strip()
    return float(text) if _SECONDS.fullmatch(text) else _seconds_until(text, now)


def _seconds_until(text: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = (moment - now).total_seconds()
    return seconds if seconds > 0 else None
