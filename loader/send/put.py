"""The action of a load: one PUT for one pair, with all its association types."""

from datetime import UTC, datetime, timedelta

from loader.errors import Refused, Retryable
from loader.model import Outcome, Result
from loader.send import api, replies
from loader.send.gateway import Gateway
from loader.send.outcomes import Record, failed, written
from loader.send.outgoing import Draft, Superseded
from loader.text import timestamp

SHARED_TIME = timedelta(milliseconds=10)
"""Answers within this time get the time of the first, so that they share one result in the journal."""


class Put:
    """Sets the association types of one pair at a time; `capacity` is how many pairs one request carries."""

    capacity = 1

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._since = self._until = datetime.max.replace(tzinfo=UTC)
        self._text = ""

    async def apply(self, draft: Draft, record: Record) -> None:
        """Send one pair and record its outcome, none if nothing is left to send; raises Fatal or Stopped otherwise."""
        try:
            answer = await self._gateway.call(
                lambda: api.put(draft.pair, self._gateway.version),
                lambda reply: replies.created(reply, draft.pair),
                draft=draft,
            )
        except Superseded:
            return
        except (Refused, Retryable) as error:
            result = failed(error, attempts=error.attempts, finished_at=self._finished_at())
        else:
            (resource_id, labels), status, attempts = answer
            result = Result(
                status=written(draft.pair),
                http_status=status,
                created_resource_id=resource_id,
                labels=labels,
                attempts=attempts,
                finished_at=self._finished_at(),
            )
        pair = draft.pair
        record([Outcome(pair_ids=draft.numbers, result=result, rows=pair.rows, unchanged=pair.unchanged)])

    def _finished_at(self) -> str:
        """Return the time, possibly up to `SHARED_TIME` old."""
        now = self._gateway.clocks.now()
        if not self._since <= now < self._until:
            self._since, self._until, self._text = now, now + SHARED_TIME, timestamp(now)
        return self._text
