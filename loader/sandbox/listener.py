"""The socket that a sandbox listens on."""

import asyncio
from abc import ABC, abstractmethod
from typing import Any, Self

from aiohttp import web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader

_GRACE_SECONDS = 0.01
"""Seconds for requests under way when the sandbox stops; for aiohttp 0 would mean no limit."""

_TURNS_TO_CONNECT = 3
"""Turns of the event loop in which an accepted socket becomes a connection."""

MAX_BODY = 64 * 1024**2
"""Bytes of a request's body; HubSpot's own limit is not documented."""


class Listener(ABC):
    """Answers requests while it is entered; port 0 is a free one."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._server: asyncio.Server | None = None
        self._web: web.Server | None = None

    @abstractmethod
    async def answer(self, http: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""

    @property
    def url(self) -> str:
        """Where it listens, without a path."""
        return f"http://{self._host}:{self._port}"

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._web = web.Server(self.answer, request_factory=_request, handler_cancellation=True, access_log=None)
        self._server = await loop.create_server(self._web, self._host, self._port, backlog=1024)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None and self._web is not None:
            # What is accepted, but no connection yet when the server closes, Python 3.11 never closes.
            for _turn in range(_TURNS_TO_CONNECT):
                await asyncio.sleep(0)
            self._server.close()
            await self._web.shutdown(timeout=_GRACE_SECONDS)
            await self._server.wait_closed()


def _request(
    message: RawRequestMessage, payload: StreamReader, protocol: Any, writer: Any, task: "asyncio.Task[None]"
) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MAX_BODY)
