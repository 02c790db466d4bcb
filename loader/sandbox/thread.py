"""A sandbox in a thread of its own, for tests that are not asynchronous."""

import asyncio
import threading
from typing import Any, Generic, TypeVar

from loader.sandbox.many import ManyPortals
from loader.sandbox.server import Sandbox

Server = TypeVar("Server", bound=Sandbox | ManyPortals)


class ServerThread(Generic[Server]):
    """``with ServerThread(ManyPortals(...)) as many``: gives what was given, listening.

    Its counts and its portals may be read from any thread while no request is under way.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._ready = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="sandbox", daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            self._thread.join()
            raise self._error
        return self._server

    def __exit__(self, *_: object) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:
            self._error = error
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with self._server:
            self._ready.set()
            await self._stop.wait()


class SandboxThread(ServerThread[Sandbox]):
    """``with SandboxThread(...) as sandbox``: takes what Sandbox takes and gives the running Sandbox."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(Sandbox(*arguments, **settings))
