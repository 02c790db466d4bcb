"""What a portal can be asked before anything is sent: who it is, its labels, its custom objects."""

from typing import Any, NamedTuple

from loader.errors import MissingScope, Refused, Retryable
from loader.model import Direction
from loader.send import api, replies
from loader.send.api import Request
from loader.send.gateway import Gateway


class Account(NamedTuple):
    """A portal's id and time zone (an IANA name), None where it does not say."""

    portal_id: str | None
    time_zone: str | None


class GatewayPortal:
    """Asks through the gateway, within its limits; an endpoint that is not there or not allowed says None."""

    def __init__(self, gateway: Gateway, *, version: str) -> None:
        self._gateway = gateway
        self._version = version

    async def account(self, *, insist: bool) -> Account:
        """Return who the portal is; without `insist` one attempt must do, and a failed one says nothing.

        Raises Unauthorized for a token that is refused, and with `insist` whatever kept the portal from answering.
        """
        request = api.account_details(self._version)
        try:
            answer = (await self._gateway.call(request, replies.fields, max_attempts=None if insist else 1)).value
        except (Refused, Retryable, MissingScope):
            if insist:
                raise
            return Account(self._gateway.portal_id, None)
        portal_id, time_zone = answer.get("portalId"), answer.get("timeZone")
        return Account(
            str(portal_id) if isinstance(portal_id, int | str) else self._gateway.portal_id,
            time_zone if isinstance(time_zone, str) else None,
        )

    async def labels(self, direction: Direction) -> list[dict[str, Any]] | None:
        """Return the association types of one direction, or None where the portal does not tell them."""
        return await self._results(api.labels(*direction, self._version))

    async def schemas(self) -> list[dict[str, Any]] | None:
        """Return the portal's custom objects, or None: listing them needs a scope of its own."""
        try:
            return await self._results(api.schemas(self._version))
        except MissingScope:
            return None

    async def _results(self, request: Request) -> list[dict[str, Any]] | None:
        try:
            answer = (await self._gateway.call(request, replies.fields, largest=2**26)).value
        except Refused:
            return None
        results = answer.get("results")
        return [item for item in results if isinstance(item, dict)] if isinstance(results, list) else None
