"""What a portal can be asked before anything is sent: who it is, its labels, its custom objects."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from loader.errors import MissingScope, Refused, Retryable, Unreachable, WrongPortal
from loader.model import AssociationType, Direction, Question, RecordsFound
from loader.send import api, endings, portal_replies, quota, replies
from loader.send.api import Request
from loader.send.gateway import Gateway
from loader.send.portal_replies import Account
from loader.send.records import records_found
from loader.send.replies import Reply

T = TypeVar("T")


class GatewayPortal:
    """Asks through the gateway, within its limits; an endpoint that is not there or not allowed says None.

    `portal_id` is known once the account was asked for. `attempts` are those of each question, for somebody who waits
    before the screen; None: the gateway's.
    """

    def __init__(self, gateway: Gateway, *, version: str, attempts: int | None = None) -> None:
        self._gateway = gateway
        self._version = version
        self._attempts = attempts
        self._most = attempts or gateway.max_attempts
        self.portal_id: str | None = None

    async def account(self, *, insist: bool) -> Account:
        """Return who the portal is; without `insist` one attempt must do, and a failed one says nothing.

        Raises Unauthorized for a token that is refused; with `insist` also Unreachable, MissingScope, and WrongPortal
        when the portal does not say who it is. Where each question has its number of attempts, this one has it, too,
        and raises Unreachable when all of them fail.
        """
        request = api.account_details(self._version)
        most = self._most if insist or self._attempts else 1
        try:
            found = (await self._gateway.call(request, portal_replies.account, max_attempts=most)).value
        except (Refused, Retryable, MissingScope) as error:
            if insist or (self._attempts and isinstance(error, Retryable)):
                raise _fatal(error) from error
            self.portal_id = self._gateway.portal_id
            return Account(self.portal_id, None)
        self._gateway.day.time_zone = found.time_zone
        self.portal_id = found.portal_id
        return found

    async def daily_usage(self) -> None:
        """Learn how much is left of the day's quota where no answer's headers have said so; one attempt must do."""
        request = self._gateway.usage
        if request is not None and self._gateway.day.left is None:
            with suppress(Refused, Retryable, MissingScope):
                answer = await self._gateway.call(request, replies.fields, max_attempts=1)
                self._gateway.day.told(quota.usage(answer.value))

    async def labels(self, direction: Direction) -> list[dict[str, Any]] | None:
        """Return the association types of one direction, or None where the portal does not tell them."""
        request = api.labels(*direction, self._version)
        return await self._listed(request, partial(portal_replies.association_types, direction=direction))

    async def limits(self) -> Mapping[AssociationType, int]:
        """Return how many associations of a type a record can have, for the types that an admin has limited.

        Empty where the portal does not tell: HubSpot refuses what passes a limit, so the run does not depend on it.
        """
        request = api.association_limits(self._version)
        try:
            return (await self._gateway.call(request, portal_replies.limits, max_attempts=1, largest=2**26)).value
        except (Refused, Retryable, MissingScope):
            return {}

    async def schemas(self) -> list[dict[str, Any]] | None:
        """Return the portal's custom objects, or None: listing them needs a scope of its own."""
        try:
            return await self._listed(api.schemas(self._version), portal_replies.schemas)
        except MissingScope:
            return None

    async def records(self, question: Question, values: Sequence[str]) -> RecordsFound:
        """Return the records that have these values, at most a hundred of a unique property; raises Refused."""
        request = api.records(question.object_type, question.id_property, values, self._version)
        try:
            read = partial(records_found, question=question)
            return (await self._gateway.call(request, read, max_attempts=self._attempts)).value
        except Retryable as error:
            raise _fatal(error) from error

    async def _listed(self, request: Request, read: Callable[[Reply], T]) -> T | None:
        try:
            return (await self._gateway.call(request, read, max_attempts=self._most, largest=2**26)).value
        except Refused:
            return None
        except MissingScope as error:
            raise endings.not_readable(error) from error
        except Retryable as error:
            raise _fatal(error) from error


def _fatal(error: Refused | Retryable | MissingScope) -> MissingScope | Unreachable | WrongPortal:
    """What a question that must be answered ends the run with."""
    if isinstance(error, MissingScope):
        return error
    if isinstance(error, Retryable):
        message = f"HubSpot gave no usable answer ({error.message}): run the same command again later"
        return Unreachable(message, status=error.status, category=error.category)
    message = f"the portal does not say who it is ({error.message}), so it cannot be held against the one named"
    return WrongPortal(message, status=error.status, category=error.category)
