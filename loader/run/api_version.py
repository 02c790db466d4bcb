"""Which version of HubSpot's API a command speaks where `--api-version` leaves it to the loader."""

from dataclasses import replace
from datetime import date, datetime, timedelta

from loader.send.api import VERSIONS
from loader.settings import Settings

AUTO = "auto"

OLD, NEW = "v4", "2026-09"

OLD_ENDS = date(2027, 3, 30)
"""The last day on which HubSpot supports v4 (HubSpot's changelog)."""

NEW_FROM = date(2027, 3, 1)
"""From this day on new runs speak the new version by themselves."""

TOLD_FROM = OLD_ENDS - timedelta(days=90)


def speaking(settings: Settings, now: datetime, began_with: object = None) -> Settings:
    """Return the settings with a version in place of `auto`: the one that a run began with, else that of the day."""
    if settings.connection.api_version != AUTO:
        return settings
    of_the_day = OLD if now.date() < NEW_FROM else NEW
    version = str(began_with) if began_with in VERSIONS else of_the_day
    return replace(settings, connection=replace(settings.connection, api_version=version))


def ending(settings: Settings, now: datetime) -> str | None:
    """Return a sentence when HubSpot's support of the version that is spoken ends soon or has ended, else None."""
    if settings.connection.api_version != OLD or now.date() < TOLD_FROM:
        return None
    left = (OLD_ENDS - now.date()).days
    when = f"supports it until {OLD_ENDS}, {left} days from now" if left >= 0 else f"supported it until {OLD_ENDS}"
    return (
        f"{OLD} of HubSpot's API ends: HubSpot {when}. From {NEW_FROM} on new runs speak {NEW} unless --api-version "
        f"says {OLD}; try that with --api-version {NEW} before."
    )
