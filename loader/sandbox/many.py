"""Many portals behind one address, like HubSpot's: the bearer token says which portal a request is for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from loader.sandbox.inspection import inspect
from loader.sandbox.listener import Listener
from loader.sandbox.portal import Portal
from loader.sandbox.server import Sandbox
from loader.sandbox.tokens import bearer

FIRST_ID = 1001
"""Portals that are made by number have the ids from here on."""


class ManyPortals(Listener):
    """``async with ManyPortals({token: Sandbox(...), ...}) as many`` listens on ``many.url``.

    Each portal has an id, associations, limits, faults and counts of its own: those of its Sandbox, which is not
    entered itself. A request with any other token, or none, gets 401 and counts in ``many.strangers``. Access tokens
    are not issued: OAuth needs a Sandbox alone. Raises ValueError where two portals have one id.

    ``GET /sandbox/state`` has the counts of all. ``/sandbox/<portal id>/state``, ``associations`` and ``reset``
    are about one.
    """

    def __init__(self, portals: Mapping[str, Sandbox], *, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(host, port)
        self.portals = dict(portals)
        self.strangers = Sandbox({"portal_id": 0, "tokens": [], "oauth": {"client_id": ""}}, record_requests=False)
        self._by_id = {str(each.portal.portal_id): each for each in self.portals.values()}
        if len(self._by_id) < len(self.portals):
            raise ValueError("two portals have one id")

    @classmethod
    def numbered(
        cls, count: int, portal: str | Path | None = None, *, host: str, port: int, seed: int, **settings: Any
    ) -> Self:
        """``count`` equal portals, with ids from 1001 on; the token of portal 1001 is ``sandbox-1001``.

        ``portal`` is a portal file; its id is not used. Further settings go to each Sandbox.
        """
        ids = range(FIRST_ID, FIRST_ID + count)
        return cls(
            {
                token_of(each): Sandbox(
                    Portal(portal_id=each) if portal is None else Portal.from_file(portal, portal_id=each),
                    seed=seed + each,
                    **settings,
                )
                for each in ids
            },
            host=host,
            port=port,
        )

    async def answer(self, http: web.BaseRequest) -> web.StreamResponse:
        """Answer a request by the portal of its token."""
        path = http.raw_path.partition("?")[0]
        if path.startswith("/sandbox/"):
            return self._inspected(http.method, path)
        token = bearer(http.headers.get("Authorization"))
        return await self.portals.get(token, self.strangers).answer(http)

    def _inspected(self, method: str, path: str) -> web.Response:
        if method == "GET" and path == "/sandbox/state":
            every = [each.state() for each in self.portals.values()]
            return web.json_response({"portals": every, "unknown_token": self.strangers.count()})
        portal_id, _, page = path.removeprefix("/sandbox/").partition("/")
        if portal_id not in self._by_id:
            return web.json_response({"error": "there are state, and of each portal <portal id>/state"}, status=404)
        return inspect(self._by_id[portal_id], method, f"/sandbox/{page}")


def token_of(portal_id: int) -> str:
    """The token of a portal that was made by number."""
    return f"sandbox-{portal_id}"
