"""A proxy between the loader and a sandbox, for what a network does: closed ports, full queues, doubles, TLS."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

PATIENCE = 10.0

Certificate = Callable[[], ssl.SSLContext]
"""Makes a server's side of TLS."""


class Proxy:
    """Listens on a port of 127.0.0.1 in a thread of its own and passes bytes on to a sandbox and back.

    `certificate` makes it speak TLS to the loader. With `doubling` every request is delivered twice, and one answer
    comes back. `connections` counts what was accepted.
    """

    def __init__(self, target: str, *, certificate: Certificate | None = None, doubling: bool = False) -> None:
        self._target = int(target.rpartition(":")[2])
        self.certificate = certificate
        self._doubling = doubling
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._server: asyncio.Server | None = None
        self._busy: set[asyncio.Task[Any]] = set()
        self._full: list[socket.socket] = []
        self.connections = 0
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shut()
        self.drain()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def after(self, seconds: float, what: Callable[[], None]) -> threading.Timer:
        """Do something (`open`, `shut`) in some seconds, meanwhile return."""
        timer = threading.Timer(seconds, what)
        timer.start()
        return timer

    def open(self) -> None:
        """Listen, on the same port as before."""
        self._do(self._open())

    async def _open(self) -> None:
        context = self.certificate() if self.certificate else None
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]

    def shut(self) -> None:
        """Refuse every connection from now on, and cut those that are open."""
        self._do(self._shut())

    async def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
        tasks = list(self._busy)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def change(self, certificate: Certificate) -> None:
        """Cut every connection, and show another certificate from now on."""
        self.shut()
        self.certificate = certificate
        self.open()

    def fill(self) -> None:
        """Listen and accept nobody: whoever connects waits in a queue that is full."""
        queue = socket.socket()
        queue.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        queue.bind(("127.0.0.1", self.port))
        queue.listen(0)
        self._full = [queue]
        for _ in range(8):
            caller = socket.socket()
            caller.setblocking(False)
            caller.connect_ex(("127.0.0.1", self.port))
            self._full.append(caller)

    def drain(self) -> None:
        """Let go of the port and the queue that `fill` made."""
        for each in self._full:
            each.close()
        self._full = []

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        done: Future[None] = asyncio.run_coroutine_threadsafe(work, self._loop)
        done.result(PATIENCE)

    # --- one connection

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._busy.add(task)
        try:
            await (self._double(reader, writer) if self._doubling else self._pass_on(reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._busy.discard(task)
            writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, back))
                group.create_task(_copy(there, writer))
        except* ConnectionError:
            pass
        finally:
            back.close()

    async def _double(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = await _message(reader)
            answers = [await self._ask(request) for _ in range(2)]
            writer.write(answers[0])
            await writer.drain()

    async def _ask(self, request: bytes) -> bytes:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        back.write(request)
        answer = await _message(there)
        back.close()
        return answer


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def _message(reader: asyncio.StreamReader) -> bytes:
    """Return one HTTP message with a Content-Length, or none and no body."""
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return head + await reader.readexactly(int(lengths[0].partition(b":")[2]) if lengths else 0)
