"""The day's quota: how much is left, how much of that is reserved for others, and when it resets. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from loader.errors import ApiError, DailyQuotaSpent
from loader.settings import Budget


class Usage(NamedTuple):
    """The usage endpoint's answer: the day's quota, how much is used, and when it ends (UTC), if given."""

    limit: int
    used: int
    resets_at: datetime | None


@dataclass(slots=True)
class Day:
    """What is known of the day's quota, which all private apps of a portal share; None: not known yet.

    `left` is HubSpot's last number, minus the answers since then without one (answers to OAuth have no quota).
    `reserve` is how much must be left to others. `time_zone` is the portal's, an IANA name.
    """

    reserve: Budget | None = None
    limit: int | None = None
    left: int | None = None
    resets_at: datetime | None = None
    time_zone: str | None = None

    def note(self, left: int | None, limit: int | None) -> None:
        """Use the numbers in an answer's headers; a request without an answer may have counted, too."""
        if left is not None:
            self.left, self.limit = left, limit or self.limit
        elif self.left is not None:
            self.left = max(0, self.left - 1)

    def note_usage(self, usage: Usage | None) -> None:
        """Use the answer of the usage endpoint, if any.

        It does not count requests of service keys (observed in October 2026): so a count of 0 is ignored.
        """
        if usage is None:
            return
        self.limit, self.resets_at = usage.limit, usage.resets_at
        if usage.used:
            self.left = max(0, usage.limit - usage.used)

    @property
    def spent(self) -> bool:
        """True if nothing is left, as far as known."""
        return self.left is not None and self.left <= 0

    @property
    def reserve_unknown(self) -> bool:
        """True if there is a reserve, and it is not known how much is left besides it."""
        share = self.reserve is not None and self.reserve.share is not None
        return self.reserve is not None and (self.left is None or (share and self.limit is None))

    def reserve_reached(self, in_flight: int = 0) -> bool:
        """Return True if only the reserve is left, once the requests in flight are counted."""
        if self.reserve is None or self.left is None:
            return False
        share = self.reserve.share * self.limit if self.reserve.share is not None and self.limit else 0.0
        reserve = self.reserve.count if self.reserve.count is not None else share
        return reserve > 0 and self.left - in_flight <= reserve

    def reserve_end(self, now: datetime) -> DailyQuotaSpent:
        """Return the error that ends the run because only the reserve is left."""
        message = f"{self.left} requests are left today, which --daily-reserve keeps for other apps"
        return self._end(message, now, category="DAILY_RESERVE")

    def spent_end(self, answered: ApiError, now: datetime) -> DailyQuotaSpent:
        """Return the error that ends the run after a 429 of the daily limit."""
        error = self._end(answered.message, now, category=answered.category)
        error.status, error.correlation_id = answered.status, answered.correlation_id
        return error

    def _end(self, message: str, now: datetime, *, category: str) -> DailyQuotaSpent:
        error = DailyQuotaSpent(f"{message.rstrip('.')}: {self.reset_in_words(now)}", category=category)
        error.resets_at = self._reset(now)
        return error

    def _reset(self, now: datetime) -> datetime | None:
        if self.resets_at is not None and self.resets_at > now:
            return self.resets_at
        return next_reset(self.time_zone, now) if self.time_zone else None

    def reset_in_words(self, now: datetime) -> str:
        """Return when to run again, as the end of a sentence; `now` is UTC."""
        reset = self._reset(now)
        if reset is None:
            return "the quota resets at midnight in the HubSpot account's time zone; run the same command then"
        return f"the quota resets at {moment_in_words(reset, self.time_zone)}; run the same command then"


def next_reset(time_zone: str, now: datetime) -> datetime | None:
    """Return the next midnight in the portal's time zone (HubSpot's usage guidelines), None for an unknown zone.

    `now` is UTC; `time_zone` an IANA name, as the account details give it.
    """
    zone = _zone(time_zone)
    if zone is None:
        return None
    tomorrow = now.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time(), zone)


def moment_in_words(moment: datetime, time_zone: str | None) -> str:
    """Return a moment in the portal's time zone; in UTC if the zone is unknown.

    >>> moment_in_words(datetime(2026, 11, 24, 5, tzinfo=UTC), "US/Eastern")
    '2026-11-24 00:00 US/Eastern'
    """
    zone = _zone(time_zone) if time_zone else None
    return f"{moment.astimezone(zone or UTC):%Y-%m-%d %H:%M} {time_zone if zone else 'UTC'}"


def _zone(time_zone: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(time_zone)
    except (KeyError, ValueError, OSError):
        return None


def usage(answer: Mapping[str, object]) -> Usage | None:
    """Read the usage endpoint's answer (`{results: [{usageLimit, currentUsage, resetsAt, fetchStatus}]}`), or None."""
    results = answer.get("results")
    for result in results if isinstance(results, list) else []:
        if not isinstance(result, dict) or result.get("fetchStatus") not in ("SUCCESS", "CACHED"):
            continue
        limit, used = result.get("usageLimit"), result.get("currentUsage")
        if type(limit) is int and type(used) is int and limit > 0 and used >= 0:
            return Usage(limit, used, _moment(result.get("resetsAt")))
    return None


def _moment(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None
