"""The day's quota: when it comes back, and how much of it is to be left for others. Pure functions."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from loader.settings import Budget


def next_reset(time_zone: str, now: datetime) -> datetime | None:
    """Return the next midnight in the portal's time zone (HubSpot's usage guidelines), None for an unknown zone.

    `now` is UTC; `time_zone` an IANA name, as the account details give it.
    """
    try:
        zone = ZoneInfo(time_zone)
    except (KeyError, ValueError, OSError):
        return None
    tomorrow = now.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time(), zone)


def reset_in_words(time_zone: str | None, now: datetime) -> str:
    """Return when to come back, as the end of a sentence."""
    reset = next_reset(time_zone, now) if time_zone else None
    if reset is None:
        return "the quota resets at midnight in the portal's time zone; run the same command then"
    return f"the quota resets at {reset:%Y-%m-%d %H:%M} {time_zone}; run the same command then"


def reserve_reached(reserve: Budget | None, left: int | None, daily: int | None) -> bool:
    """Return True when no more than the reserve is left; a share is one of `daily`, the whole day's quota."""
    if reserve is None or left is None:
        return False
    if reserve.count is not None and left <= reserve.count:
        return True
    return reserve.share is not None and daily is not None and left <= reserve.share * daily
