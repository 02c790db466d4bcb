"""The action of a load: one PUT for one pair, with all its association types."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from loader.errors import Refused, Retryable
from loader.model import Pair, Result
from loader.send import api, replies
from loader.send.api import Request
from loader.send.gateway import Gateway, Superseded
from loader.send.outcomes import Record, failed, outcome, written
from loader.send.outgoing import Freshness, Parcel

MILLISECOND = timedelta(milliseconds=1)


class Put:
    """Sets the association types of one pair at a time; `capacity` is how many pairs one request carries."""

    capacity = 1

    def __init__(self, gateway: Gateway, *, version: str, now: Callable[[], datetime]) -> None:
        self._gateway = gateway
        self._version = version
        self._now = now
        self._since = self._until = datetime.max.replace(tzinfo=UTC)
        self._text = ""

    async def apply(self, pairs: Sequence[Pair], freshness: Freshness, record: Record) -> None:
        """Send one pair and record its outcome, none if nothing is left to send; raises Fatal or Stopped otherwise."""
        parcel = Parcel(pairs, freshness, self._request)
        try:
            created, status, attempts = await self._gateway.call(parcel, partial(replies.created, pair=pairs[0]))
        except Superseded:
            return
        except (Refused, Retryable) as error:
            result = failed(error, attempts=error.attempts, finished_at=self._finished_at())
        else:
            resource_id, labels = created
            (sent,) = parcel.pairs
            result = Result(written(sent), status, resource_id, labels, "", "", "", attempts, self._finished_at())
        record([outcome(parcel.pairs[0], result)])

    def _request(self, pairs: Sequence[Pair]) -> Request:
        return api.put(pairs[0], self._version)

    def _finished_at(self) -> str:
        """Return what time it is, or was less than a millisecond ago; many requests share its words."""
        now = self._now()
        if not self._since <= now < self._until:
            self._since, self._until, self._text = now, now + MILLISECOND, timestamp(now)
        return self._text


def timestamp(moment: datetime) -> str:
    """Return UTC as ISO 8601 with milliseconds: `2026-11-23T02:00:00.123Z`."""
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
