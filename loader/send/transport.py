"""One attempt of one request over aiohttp: the only module that knows the HTTP library and its exceptions."""

import asyncio
import os
import ssl
import zlib
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import hdrs
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from loader.errors import ApiError, ConnectionFault, Fatal, ServerFault
from loader.send.api import Request
from loader.send.replies import Reply

FOREIGN = (aiohttp.ClientError, aiohttp.EofStream, HttpProcessingError, OSError, ValueError, zlib.error)
"""The exceptions of aiohttp and of Python below it; TimeoutError is an OSError."""

LARGEST_SMALL_BODY = 1024 * 1024
"""Bytes. The answer about a single association has some 200; a page of a batch read may have megabytes."""

CONNECT_SECONDS = 15.0


class Transport:
    """Sends requests to one base URL, without redirects, proxies, cookies and retries.

    `timeout` is the seconds for a whole attempt. Raises ConnectionFault, ServerFault, or Fatal for an invalid
    certificate. Cancelling an attempt closes its connection.
    """

    def __init__(self, base_url: str, *, timeout: float, connections: int, user_agent: str) -> None:
        self._base = URL(base_url.rstrip("/"), encoded=True)
        self._prefix = self._base.raw_path.rstrip("/")
        self._timeout = timeout
        self._connections = connections
        self._user_agent = user_agent
        self._session: aiohttp.ClientSession | None = None
        self._signed = _Signed("")
        self._last: tuple[tuple[bytes, str], aiohttp.BytesPayload] | None = None

    async def __aenter__(self) -> Self:
        self._deadlines = Deadlines(self._timeout)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections, ttl_dns_cache=300),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=min(self._timeout, CONNECT_SECONDS)),
            headers={"User-Agent": self._user_agent, "Accept": "application/json", "Accept-Encoding": "gzip"},
            auto_decompress=False,
            read_bufsize=LARGEST_SMALL_BODY,  # With aiohttp's 64 kB, the answer to a batch is read in many pieces.
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._deadlines.close()

    async def send(self, request: Request, authorization: str, *, largest: int = LARGEST_SMALL_BODY) -> Reply:
        """Make one attempt and return the answer, whatever its status; bodies above `largest` bytes are refused."""
        if self._session is None:
            raise RuntimeError("the transport is used outside its `async with`")
        if authorization != self._signed.authorization:
            self._signed = _Signed(authorization)
        task = self._deadlines.begin()
        try:
            response = await self._session.request(
                request.method,
                self._base.with_path(self._prefix + request.path, encoded=True),
                data=self._payload(request),
                allow_redirects=False,
                middlewares=(self._signed,),
            )
            try:
                return Reply(response.status, response.headers, await _read(response, largest))
            except BaseException:
                response.close()  # Once read to its end, it has returned its connection by itself.
                raise
        except FOREIGN as error:
            raise _translated(error) from None
        finally:
            if self._deadlines.end(task):
                raise _too_late() from None

    def _payload(self, request: Request) -> aiohttp.BytesPayload | None:
        """Return the body for aiohttp; PUTs with equal bodies share it."""
        if request.body is None:
            return None
        if self._last is None or (request.body, request.content_type) != self._last[0]:
            payload = aiohttp.BytesPayload(request.body, content_type=request.content_type)
            self._last = (request.body, request.content_type), payload
        return self._last[1]


class _Signed:
    """Adds the Authorization header to each request, and sends it only once."""

    def __init__(self, authorization: str) -> None:
        self.authorization = authorization

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        if self.authorization:
            request.headers[hdrs.AUTHORIZATION] = self.authorization
        # aiohttp repeats an idempotent request by itself when a kept-alive connection drops: the server would see two,
        # the limiter one. It does so only for its own exceptions, so they are translated inside its retry loop.
        try:
            return await handler(request)
        except FOREIGN as error:
            raise _translated(error) from None


def _translated(error: Exception) -> ApiError:
    """The only place where foreign exceptions become ours. Their `repr` may have the token: only types are named."""
    match error:
        case aiohttp.ClientConnectorCertificateError() | ssl.SSLCertVerificationError():
            return Fatal(
                "the server's certificate is not valid, so nothing was sent: check --base-url and the "
                "certificates that this machine trusts",
                category="CERTIFICATE",
            )
        case TimeoutError():
            return _too_late()
        case aiohttp.ClientConnectorDNSError():
            return ConnectionFault("the server's name cannot be found", category="DNS")
        case aiohttp.ClientConnectorSSLError():
            return ConnectionFault(_connection_message(error), category="TLS")
        case aiohttp.ClientResponseError() | HttpProcessingError() | aiohttp.EofStream() | ValueError() | zlib.error():
            return ServerFault(f"the answer is not proper HTTP ({type(error).__name__})", category="UNREADABLE_ANSWER")
        case _:
            return ConnectionFault(_connection_message(error), category="CONNECTION")


def _too_late() -> ConnectionFault:
    return ConnectionFault("no whole answer in time", category="TIMEOUT")


def _connection_message(error: Exception) -> str:
    reason = getattr(error, "os_error", error)
    detail = type(reason).__name__
    if isinstance(reason, ssl.SSLError):
        detail = getattr(reason, "reason", None) or detail
    elif isinstance(reason, OSError) and reason.errno:
        # The message of asyncio includes the address; the system's message is plainer.
        detail = os.strerror(reason.errno)
    return f"the connection failed: {detail}"


async def _read(response: aiohttp.ClientResponse, largest: int) -> bytes:
    """Read the body up to a limit, of its bytes packed and unpacked: gzip can grow a thousandfold [measured]."""
    if response.status < 200:
        # aiohttp skips 100, 102 and 103; 101 accepts another protocol, which was not requested.
        raise _unreadable(
            response, f"the answer is {response.status}, which is not an answer to a request: a proxy may be in between"
        )
    parts: list[bytes] = []
    size = 0
    while not response.content.at_eof():
        parts.append(await response.content.readany())
        size += len(parts[-1])
        if size > largest:
            raise _unreadable(response, f"the answer is longer than {largest} bytes")
    body = b"".join(parts)
    if not body or response.headers.get("Content-Encoding", "identity").lower() != "gzip":
        return body
    unpacker = zlib.decompressobj(wbits=31)
    unpacked = unpacker.decompress(body, largest)
    if not unpacker.eof:
        raise _unreadable(response, "the compressed answer is cut short or too long")
    return unpacked


def _unreadable(response: aiohttp.ClientResponse, message: str) -> ServerFault:
    return ServerFault(message, status=response.status, category="UNREADABLE_ANSWER")


class Deadlines:
    """Cancels tasks that take longer than `seconds`; all have the same limit, so one timer is enough.

    A timer for each, as aiohttp and `asyncio.timeout` have it, takes a twentieth of a request's CPU time [measured].
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._ends: dict[asyncio.Task[Any], float] = {}
        """The earliest first, because all have the same limit."""
        self._late: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> asyncio.Task[Any]:
        """Start the time of the current task and return the task; `end` must be called for it in any case."""
        task = asyncio.current_task(self._loop)
        if task is None:
            raise RuntimeError("only a task can be late")
        self._ends[task] = self._loop.time() + self._seconds
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._look)
        return task

    def end(self, task: asyncio.Task[Any]) -> bool:
        """Note that a task is done; True if it was cancelled only because its time was over."""
        if self._ends.pop(task, None) is not None:
            return False
        self._late.remove(task)
        return not task.uncancel()

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        now, late = self._loop.time(), []
        self._timer = None
        for task, end in self._ends.items():
            if end > now:
                self._timer = self._loop.call_at(end, self._look)
                break
            late.append(task)
        for task in late:
            del self._ends[task]
            self._late.add(task)
            task.cancel()
