"""The transport on real sockets of 127.0.0.1: every fault becomes one of our errors, and nothing is done twice."""

import asyncio
import gzip
import inspect
import random
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

import aiohttp
import pytest
from aiohttp import http_exceptions

from loader.errors import ApiError, ConnectionFault, Fatal, Retryable, ServerFault
from loader.sandbox import Sandbox
from loader.send import transport
from loader.send.api import Request
from loader.send.replies import Reply
from loader.send.transport import Deadlines, Transport
from tests.stages.fake_time import clock, run

TOKEN = "pat-na1-canary-7f3e91c2"
BEARER = f"Bearer {TOKEN}"
BODY = b'[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":279}]'
PUT = Request("PUT", "/crm/v4/objects/contacts/101/associations/companies/201", BODY)


class RawServer:
    """Says what `handler(head, number)` gives for the nth request of a connection, byte for byte; then closes.

    An empty answer closes at once. A None in the answer keeps the connection open for the next request.
    """

    def __init__(self, handler: Callable[[bytes, int], list[bytes | None]]) -> None:
        self._handler = handler
        self.requests: list[bytes] = []
        self.connections = 0
        self.url = ""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number, going_on = 0, True
        try:
            while going_on:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (int(line[15:]) for line in head.split(b"\r\n") if line.lower()[:15] == b"content-length:"), 0
                )
                self.requests.append(head + await reader.readexactly(length))
                number += 1
                going_on = False
                for part in self._handler(head, number):
                    if part is None:
                        going_on = True
                    else:
                        writer.write(part)
                        await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["RawServer"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield self
            server.close()


def http(body: bytes = b"{}", status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@asynccontextmanager
async def sending(url: str, timeout: float = 5.0) -> AsyncIterator[Transport]:  # noqa: ASYNC109 - it is the subject
    async with Transport(url, timeout=timeout, connections=10, user_agent="association-loader/test") as sender:
        yield sender


async def answered(parts: list[bytes | None], *, largest: int = 2**20, timeout: float = 5.0) -> Reply:  # noqa: ASYNC109
    """Send one PUT to a server that answers with these bytes."""
    server = RawServer(lambda _head, _number: parts)
    async with server.listening(), sending(server.url, timeout) as sender:
        return await sender.send(PUT, BEARER, largest=largest)


async def fault(work: Awaitable[Reply], kind: type[ApiError], category: str) -> ApiError:
    with pytest.raises(kind) as caught:
        await work
    error = caught.value
    assert error.category == category
    assert error.__cause__ is None
    assert TOKEN not in f"{error!r}{error}{error.message}"
    return error


# --- what is sent


async def test_a_request_has_the_headers_that_it_needs_and_no_others() -> None:
    server = RawServer(lambda *_: [http(b'{"a": 1}', "201 Created", "X-Odd: Yes")])
    async with server.listening(), sending(server.url + "/") as sender:
        reply = await sender.send(PUT, BEARER)
    assert (reply.status, reply.body, reply.headers["x-odd"]) == (201, b'{"a": 1}', "Yes")
    (request,) = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    first, *headers = head.decode().split("\r\n")
    assert first == f"PUT {PUT.path} HTTP/1.1"
    assert body == BODY
    assert {header.partition(":")[0] for header in headers} == {
        "Host", "User-Agent", "Accept", "Accept-Encoding", "Content-Type", "Authorization", "Content-Length",
    }  # fmt: skip
    assert f"Authorization: {BEARER}" in headers
    assert "User-Agent: association-loader/test" in headers


async def test_a_question_has_no_body_and_a_renewal_no_authorization() -> None:
    server = RawServer(lambda *_: [http()])
    async with server.listening(), sending(server.url) as sender:
        await sender.send(Request("GET", "/x"), "")
    assert b"Authorization" not in server.requests[0]
    assert b"Content-Type" not in server.requests[0]


async def test_cookies_are_not_kept() -> None:
    server = RawServer(lambda *_: [http(b"{}", "200 OK", "Set-Cookie: a=b"), None])
    async with server.listening(), sending(server.url) as sender:
        for _ in range(2):
            await sender.send(PUT, BEARER)
    assert b"Cookie" not in b"".join(server.requests)


async def test_a_transport_is_of_use_only_inside_its_block() -> None:
    with pytest.raises(RuntimeError, match="outside"):
        await Transport("http://127.0.0.1:1", timeout=1, connections=1, user_agent="x").send(PUT, BEARER)


# --- faults


@pytest.mark.parametrize("body", [PUT.body, None])
@pytest.mark.parametrize("method", ["PUT", "GET", "POST"])
async def test_a_kept_connection_that_closes_is_never_repeated_behind_our_back(method: str, body: bytes | None) -> None:
    """aiohttp would send an idempotent request again by itself: the server would see two, the limiter one."""
    server = RawServer(lambda _head, number: [http(), None] if number == 1 else [])
    async with server.listening(), sending(server.url) as sender:
        await sender.send(PUT, BEARER)
        await fault(sender.send(Request(method, "/x", body), BEARER), ConnectionFault, "CONNECTION")
    assert len(server.requests) == 2


FAULTS = [
    ("close", ConnectionFault, "CONNECTION"),
    ("close-head", ConnectionFault, "CONNECTION"),
    ("close-body", ConnectionFault, "CONNECTION"),
    ("reset", ConnectionFault, "CONNECTION"),
    ("reset-head", ConnectionFault, "CONNECTION"),
    ("reset-body", ConnectionFault, "CONNECTION"),
    ("chunked-short", ConnectionFault, "CONNECTION"),
    ("length-long", ConnectionFault, "CONNECTION"),
    ("garbage", ServerFault, "UNREADABLE_ANSWER"),
    ("big-header", ServerFault, "UNREADABLE_ANSWER"),
    ("huge", ServerFault, "UNREADABLE_ANSWER"),
    ("gzip-bomb", ServerFault, "UNREADABLE_ANSWER"),
    ("stall", ConnectionFault, "TIMEOUT"),
    ("drip", ConnectionFault, "TIMEOUT"),
]


@pytest.mark.parametrize(("name", "kind", "category"), FAULTS, ids=[name for name, _, _ in FAULTS])
async def test_whatever_goes_wrong_on_the_wire_becomes_one_of_our_errors(
    name: str, kind: type[ApiError], category: str
) -> None:
    """Only an answer's own status may be permanent: a broken one is never a 400."""
    patience = 0.1 if category == "TIMEOUT" else 5.0
    async with Sandbox(faults=name) as sandbox, sending(sandbox.url, patience) as sender:
        error = await fault(sender.send(PUT, BEARER), kind, category)
        assert error.status in {None, 200, 201}
        assert len(sandbox.requests) == 1


@pytest.mark.parametrize(
    "parts",
    [
        [b"HTTP/1.1 201 Created\r\nContent-Length: ten\r\n\r\n"],
        [b"HTTP/9.9 abc\r\n\r\n"],
        [b"\x00\xff\x00\xff\r\n\r\n"],
        [b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
        [b"HTTP/1.1 201 Created\r\nX: " + b"y" * 20_000 + b"\r\n\r\n"],
        [b"HTTP/1.1 201 Created\r\nA\x00: b\r\n\r\n"],
        [b"HTTP/1.1 999999 Odd\r\n\r\n"],
        [http(b"not gzip", "200 OK", "Content-Encoding: gzip")],
        [http(gzip.compress(b"{}" * 500)[:-9], "200 OK", "Content-Encoding: gzip")],
    ],
)
async def test_bytes_that_are_no_proper_answer_are_tried_again(parts: list[bytes | None]) -> None:
    with pytest.raises(Retryable) as caught:
        await answered(parts)
    assert caught.value.status in {None, 200}


async def test_a_packed_answer_is_unpacked_and_an_empty_one_is_empty() -> None:
    assert (await answered([http(gzip.compress(b'{"a": 1}'), "200 OK", "Content-Encoding: gzip")])).body == b'{"a": 1}'
    assert (await answered([http(b"", "201 Created", "Content-Encoding: gzip")])).body == b""


async def test_a_body_is_read_up_to_its_cap_and_not_a_byte_further() -> None:
    assert len((await answered([http(b"x" * 1000)], largest=1000)).body) == 1000
    await fault(answered([http(b"x" * 1001)], largest=1000), ServerFault, "UNREADABLE_ANSWER")
    packed = http(gzip.compress(b"x" * 1000), "200 OK", "Content-Encoding: gzip")
    assert len((await answered([packed], largest=1000)).body) == 1000
    bomb = http(gzip.compress(b"x" * 1001), "200 OK", "Content-Encoding: gzip")
    await fault(answered([bomb], largest=1000), ServerFault, "UNREADABLE_ANSWER")


async def test_a_cancelled_attempt_closes_its_connection() -> None:
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"]")
        await reader.read()
        gone.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, sending(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as sender:
        attempt = asyncio.create_task(sender.send(PUT, BEARER))
        await asyncio.sleep(0.05)
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        await asyncio.wait_for(gone.wait(), 2)


# --- every foreign exception


def foreign_exceptions() -> list[type[Exception]]:
    """Return every exception class of aiohttp's client side, and what Python raises below it."""
    named = [*vars(aiohttp).values(), *vars(aiohttp.client_exceptions).values(), *vars(http_exceptions).values()]
    kinds = {kind for kind in named if inspect.isclass(kind) and issubclass(kind, Exception)}
    kinds -= {
        kind for kind in kinds if issubclass(kind, Warning) or kind.__name__.startswith(("WebSocket", "WSMessage"))
    }
    below = {
        TimeoutError, OSError, ConnectionResetError, BrokenPipeError, ssl.SSLError, ssl.SSLEOFError,
        ssl.SSLCertVerificationError, ValueError, UnicodeDecodeError, UnicodeError, zlib.error,
    }  # fmt: skip
    return sorted(kinds | below, key=lambda kind: kind.__name__)


def an_instance(kind: type[Exception]) -> Exception:
    """Return an exception with the token in everything that it may print, made without its constructor."""
    error = kind.__new__(kind, TOKEN)
    error.args = (TOKEN,)
    return error


def test_every_foreign_exception_is_translated_without_a_word_of_it() -> None:
    for kind in foreign_exceptions():
        foreign = an_instance(kind)
        assert isinstance(foreign, transport.FOREIGN), kind
        error = transport._translated(foreign)
        assert isinstance(error, Retryable | Fatal), kind
        assert error.status is None, "only a status read from a real answer may be permanent"
        assert TOKEN not in f"{error!r}{error}{error.message}", kind
        assert error.__cause__ is None, kind


@pytest.mark.parametrize("error", [ServerFault("x"), asyncio.CancelledError(), ZeroDivisionError()])
async def test_our_own_errors_and_cancellation_pass_untouched(error: BaseException) -> None:
    async def handler(_: aiohttp.ClientRequest) -> aiohttp.ClientResponse:
        raise error

    with pytest.raises(type(error)) as caught:
        await transport._Signed("")(cast("aiohttp.ClientRequest", None), handler)
    assert caught.value is error


# --- one timer for all that is under way


async def work(deadlines: Deadlines, seconds: float) -> float | None:
    """Work for some seconds; return how long it took, None if that was too long."""
    began, late = clock(), False
    task = deadlines.begin()
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        late = True
    if deadlines.end(task):
        assert clock() - began == pytest.approx(10, abs=0.01)
        return None
    assert not late
    return clock() - began


def test_each_task_has_its_whole_time_and_no_more() -> None:
    """Whichever tasks begin and end meanwhile, and however often a task begins again."""

    async def scenario() -> None:
        chance, deadlines = random.Random(1), Deadlines(10.0)

        async def some(count: int) -> None:
            for _ in range(count):
                seconds = chance.uniform(0, 20)
                took = await work(deadlines, seconds)
                assert (took is None) == (seconds > 10)
                assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]
                await asyncio.sleep(chance.uniform(0, 30))

        await asyncio.gather(*(some(20) for _ in range(30)))
        deadlines.close()

    run(scenario)


def test_a_cancelled_task_is_not_late() -> None:
    async def scenario(moment: float) -> bool:
        deadlines, said = Deadlines(10.0), []

        async def one() -> None:
            task = deadlines.begin()
            try:
                await asyncio.sleep(100)
            finally:
                said.append(deadlines.end(task))

        working = asyncio.create_task(one())
        asyncio.get_running_loop().call_later(moment, working.cancel)
        await asyncio.wait({working})
        deadlines.close()
        assert working.cancelled()
        return said[0]

    assert run(lambda: scenario(5)) is False


def test_a_task_that_is_cancelled_as_it_is_late_stays_cancelled() -> None:
    """As when a run is stopped in the moment of a timeout: it must not go on."""

    async def scenario() -> bool:
        deadlines = Deadlines(10.0)
        working = asyncio.create_task(work(deadlines, 100))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_at(clock() + 10, working.cancel)
        await asyncio.wait({working})
        deadlines.close()
        return working.exception() is None and working.result() is None

    assert not run(scenario)
