"""The errors that end a run, in words that a person can act on. Pure functions: errors in, errors out."""

from datetime import datetime, timedelta

from loader.errors import ApiError, Fatal, MissingScope, PortalMigrating, Redirected, Unreachable
from loader.send import quota
from loader.send.replies import printable

LONGEST_SPAN = 10.0 * 365 * 86400
"""Seconds; a calendar ends somewhere."""

REDIRECTS_TO_STOP = 10
"""If the first ten answers are redirects, this is not HubSpot's address."""


def wrong_address(error: ApiError) -> Fatal | None:
    """Return the meaning of a fault that would be temporary during a run, but occurred before any answer."""
    if error.category == "DNS":
        return Unreachable(
            "the server's name cannot be found: check --base-url and the network, then run the same command again",
            category="DNS",
        )
    if error.category == "TLS":
        return Fatal("the server does not use encryption (TLS), so nothing was sent: check --base-url", category="TLS")
    return None


def redirected(status: int) -> Redirected:
    """Return the meaning of ten redirects without any other answer."""
    return Redirected(
        f"the first {REDIRECTS_TO_STOP} answers were all redirects, so this is not HubSpot's address: check --base-url",
        status=status,
        category="REDIRECT",
    )


def unreachable(message: str, error: ApiError) -> Unreachable:
    """Return the error that ends the run after one failure too many."""
    return Unreachable(
        printable(f"{message}: run the same command again later"), status=error.status, category=error.category
    )


def no_answer(error: ApiError) -> Unreachable:
    """Return the error that ends the run if a necessary question got no answer."""
    return unreachable(f"HubSpot gave no usable answer ({error.message})", error)


def silence(error: ApiError) -> Unreachable:
    """Return the error that ends the run after a quarter of an hour without a usable answer."""
    return unreachable(f"HubSpot gave no usable answer for 15 minutes ({error.message})", error)


def broken_tls(error: ApiError) -> Unreachable:
    """Return the error that ends the run if HubSpot's proxies cannot reach its servers for long."""
    return unreachable(
        f"the connection to HubSpot has a broken certificate ({error.status}), which HubSpot's support can fix", error
    )


def come_back(error: ApiError, time_zone: str | None, now: datetime) -> Unreachable:
    """Return the error that ends the run after a very long Retry-After; `now` is UTC."""
    seconds = error.retry_after or 0.0
    moment = _moment(seconds, time_zone, now)
    return unreachable(f"HubSpot asks to come back in {seconds:.0f} seconds, at {moment}", error)


def migrating(error: ApiError, time_zone: str | None, now: datetime) -> PortalMigrating:
    """Return the error that ends the run while HubSpot moves the portal to another data centre; `now` is UTC."""
    message, seconds = error.message, error.retry_after
    if seconds:
        moment = _moment(seconds, time_zone, now)
        message += f" (HubSpot asks to come back in {seconds / 3600:.1f} hours, at {moment})"
    return PortalMigrating(
        f"{message}: run the same command again then",
        status=error.status,
        category=error.category,
        correlation_id=error.correlation_id,
        retry_after=seconds,
    )


def _moment(seconds: float, time_zone: str | None, now: datetime) -> str:
    return quota.moment_in_words(now + timedelta(seconds=min(seconds, LONGEST_SPAN)), time_zone)


def not_readable(error: MissingScope) -> MissingScope:
    """Return the meaning of a 403 to a reading; one that names a scope or a permission is clear already.

    A service key that has only write scopes is refused without a mention of scopes (observed in October 2026).
    """
    if error.context.get("requiredScopes") or error.context.get("missingScopes") or "PERMISSION" in error.category:
        return error
    return MissingScope(
        printable(
            "the token may not read associations, like a service key that has write scopes "
            "only: add the read scopes of both object types, then run the same command "
            f"(HubSpot says: {error.sentence})"
        ),
        status=error.status,
        category="NO_READ_PERMISSION",
        correlation_id=error.correlation_id,
    )
