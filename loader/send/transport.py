"""One attempt of one request over aiohttp: the only module that knows the HTTP library and its exceptions."""

import os
import ssl
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from loader.errors import ConnectionFault, Fatal, ServerFault
from loader.send.api import Request
from loader.send.replies import Reply

LARGEST_BODY = 64 * 1024 * 1024
LARGEST_SMALL_BODY = 1024 * 1024
"""A single association's answer is some 200 bytes; a page of a batch read may be megabytes."""

CONNECT_SECONDS = 15.0


class Transport:
    """Sends requests to one base URL; follows no redirect, asks no proxy, keeps no cookie, repeats nothing by itself.

    `timeout` is seconds for one attempt, all of it. Raises ConnectionFault, ServerFault, or Fatal for a certificate
    that does not hold. Cancelling an attempt closes its connection.
    """

    def __init__(self, base_url: str, *, timeout: float, connections: int, user_agent: str) -> None:
        self._base_url = base_url.rstrip("/")
        self._timeout = aiohttp.ClientTimeout(total=timeout, sock_connect=min(timeout, CONNECT_SECONDS))
        self._connections = connections
        self._user_agent = user_agent
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections, ttl_dns_cache=300),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._timeout,
            headers={"User-Agent": self._user_agent, "Accept": "application/json", "Accept-Encoding": "gzip"},
            auto_decompress=False,
            trust_env=False,
            middlewares=(_once,),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(self, request: Request, authorization: str, *, largest: int = LARGEST_SMALL_BODY) -> Reply:
        """Make one attempt and return the answer, whatever its status; bodies above `largest` bytes are refused."""
        if self._session is None:
            raise RuntimeError("the transport is used outside its `async with`")
        headers = {"Content-Type": request.content_type} if request.body is not None else {}
        if authorization:
            headers["Authorization"] = authorization
        with _translated():
            async with self._session.request(
                request.method,
                URL(self._base_url + request.path, encoded=True),
                data=request.body,
                headers=headers,
                allow_redirects=False,
            ) as response:
                body = await _read(response, largest)
                return Reply(response.status, {name.lower(): text for name, text in response.headers.items()}, body)


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    # aiohttp repeats an idempotent request by itself when a kept-alive connection drops: the server would see two,
    # the limiter one. It does so for its own exceptions only, so they are translated below its loop.
    with _translated():
        return await handler(request)


@contextmanager
def _translated() -> Iterator[None]:
    """Foreign exceptions become ours, in this one place. Their `repr` may hold the token: only types are named."""
    try:
        yield
    except (aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError):
        raise Fatal(
            "the server's certificate does not hold, so nothing was sent: check --base-url and the system's trust",
            category="CERTIFICATE",
        ) from None
    except TimeoutError:
        raise ConnectionFault("no whole answer in time", category="TIMEOUT") from None
    except aiohttp.ClientConnectorDNSError:
        raise ConnectionFault("the server's name cannot be found", category="DNS") from None
    except aiohttp.ClientConnectorSSLError as error:
        raise ConnectionFault(_connection_message(error), category="TLS") from None
    except (aiohttp.ClientResponseError, HttpProcessingError, aiohttp.EofStream, ValueError, zlib.error) as error:
        raise ServerFault(
            f"the answer is not proper HTTP ({type(error).__name__})", category="UNREADABLE_ANSWER"
        ) from None
    except (aiohttp.ClientError, OSError) as error:
        raise ConnectionFault(_connection_message(error), category="CONNECTION") from None


def _connection_message(error: Exception) -> str:
    return f"the connection failed: {_detail(getattr(error, 'os_error', error))}"


def _detail(reason: Exception) -> str:
    if isinstance(reason, ssl.SSLError):
        return getattr(reason, "reason", None) or type(reason).__name__
    if isinstance(reason, OSError) and reason.errno:
        # asyncio has words of its own for it, with the address in them; the system's are plainer.
        return os.strerror(reason.errno)
    return type(reason).__name__


async def _read(response: aiohttp.ClientResponse, largest: int) -> bytes:
    """Read the body up to a cap, unpacked or not: a small gzip can grow a thousandfold [measured: 306 kB to 613 MB]."""
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > largest:
            response.close()
            raise ServerFault(
                f"the answer is longer than {largest} bytes", status=response.status, category="UNREADABLE_ANSWER"
            )
        parts.append(part)
    body = b"".join(parts)
    if not body or response.headers.get("Content-Encoding", "identity").lower() != "gzip":
        return body
    unpacker = zlib.decompressobj(wbits=31)
    unpacked = unpacker.decompress(body, largest)
    if not unpacker.eof:
        raise ServerFault(
            "the compressed answer is cut short or too long", status=response.status, category="UNREADABLE_ANSWER"
        )
    return unpacked
