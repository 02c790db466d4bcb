"""Faults below HTTP: raw bytes, resets, stalls. They replace aiohttp's way of writing an answer."""

import asyncio
import socket
import struct
import zlib
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from loader.sandbox.answers import Answer
from loader.sandbox.faults import Fault

_MEGABYTE = 1 << 20
_BUFFERED = 4 * _MEGABYTE
_SETTLE_SECONDS = 0.02
"""Between bytes and a reset, so that the client's side has received the bytes."""


class Wire(web.StreamResponse):
    """An answer that a fault writes itself; then the connection is closed."""

    def __init__(self, fault: Fault, answer: Answer, transport: asyncio.Transport) -> None:
        super().__init__(status=answer.status)
        self.force_close()
        self._fault = fault
        self._answer = answer
        self._transport = transport
        self._finished: Callable[[], None] | None = None

    def when_finished(self, notify: Callable[[], None]) -> None:
        """Calls ``notify`` when the fault is over or the client is gone."""
        self._finished = notify

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Does what the fault does."""
        del request
        try:
            await WIRE_FAULTS[self._fault.name](self._transport, self._fault, self._answer)
        finally:
            if self._finished is not None:
                self._finished()
        return None

    async def write_eof(self, data: bytes | bytearray | memoryview = b"") -> None:
        """Writes nothing: everything was written already."""
        del data


def response(answer: Answer) -> web.Response:
    """The ordinary response of an answer."""
    reply = web.Response(status=answer.status, body=answer.body, headers=answer.headers)
    if answer.body:
        reply.headers["Content-Type"] = answer.content_type
    elif "Content-Type" in reply.headers:
        del reply.headers["Content-Type"]
    return reply


def interim(fault: Fault) -> bytes:
    """The bytes of the 1xx answers before an answer."""
    return b"".join(
        f"HTTP/1.1 {status} {_phrase(status)}\r\nLink: </style.css>; rel=preload\r\n\r\n".encode()
        if status == 103
        else f"HTTP/1.1 {status} {_phrase(status)}\r\n\r\n".encode()
        for status in fault.interim
    )


def head(answer: Answer, *extra: str) -> bytes:
    """The head of an answer with further header lines."""
    lines = [f"HTTP/1.1 {answer.status} {_phrase(answer.status)}", f"Content-Type: {answer.content_type}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    return "\r\n".join([*lines, *extra, "", ""]).encode("latin-1")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def _with_length(answer: Answer, more: int = 0) -> bytes:
    return head(answer, f"Content-Length: {len(answer.body) + more}")


def _half(data: bytes) -> bytes:
    return data[: max(1, len(data) // 2)]


def _reset_now(transport: asyncio.Transport) -> None:
    connection = transport.get_extra_info("socket")
    if connection is not None:
        # A lingering time of 0 makes the close an RST.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _reset(transport: asyncio.Transport, fault: Fault, answer: Answer) -> None:
    del fault, answer
    _reset_now(transport)


async def _reset_head(transport: asyncio.Transport, fault: Fault, answer: Answer) -> None:
    del fault
    transport.write(_half(_with_length(answer)))
    await asyncio.sleep(_SETTLE_SECONDS)
    _reset_now(transport)


async def _reset_body(transport: asyncio.Transport, fault: Fault, answer: Answer) -> None:
    del fault
    transport.write(_with_length(answer, more=1) + _half(answer.body))
    await asyncio.sleep(_SETTLE_SECONDS)
    _reset_now(transport)


async def _close(transport: asyncio.Transport, fault: Fault, answer: Answer) -> None:
    del fault, answer
    transport.close()


async def _close_head(transport: asyncio.Transport, fault: Fault, answer: Answer) -> None:
    del fault
    transport.write(_half(_with_length(answer)))
    transport.close()


async def _close_body(transport: asyncio.Transport, fault: Fault, answer: Answer) -> None:
    del fault
    transport.write(_with_length(answer, more=1) + _half(answer.body))
    transport.close()


async def _close_after(transport: asyncio.Transport, fault: Fault, answer: Answer) -> None:
    del fault
    transport.write(_with_length(answer) + answer.body)
    transport.close()


async def _length_long(transport: asyncio.Transport, fault: Fault, answer: Answer) -> None:
    del fault
    transport.write(_with_length(answer, more=100) + answer.body)
    transport.close()


async def _chunked_short(transport: asyncio.Transport, fault: Fault, answer: Answer) -> None:
    del fault
    part = _half(answer.body)
    transport.write(head(answer, "Transfer-Encoding: chunked") + f"{len(part):x}\r\n".encode() + part + b"\r\n")
    transport.close()


async def _garbage(transport: asyncio.Transport, fault: Fault, answer: Answer) -> None:
    del answer
    transport.write(fault.body or b"\x16\x03\x01 this is not HTTP\r\n\r\n")
    transport.close()


async def _big_header(transport: asyncio.Transport, fault: Fault, answer: Answer) -> None:
    filler = "x" * (fault.size or 20_000)
    transport.write(head(answer, f"X-Filler: {filler}", f"Content-Length: {len(answer.body)}") + answer.body)
    transport.close()


async def _stall(transport: asyncio.Transport, fault: Fault, answer: Answer) -> None:
    del answer
    if fault.seconds is None:
        await asyncio.get_running_loop().create_future()
    else:
        await asyncio.sleep(fault.seconds)
    transport.close()


async def _drip(transport: asyncio.Transport, fault: Fault, answer: Answer) -> None:
    transport.write(_with_length(answer))
    for position in range(len(answer.body)):
        transport.write(answer.body[position : position + 1])
        await asyncio.sleep(0.1 if fault.seconds is None else fault.seconds)
    transport.close()


async def _huge(transport: asyncio.Transport, fault: Fault, answer: Answer) -> None:
    size = fault.size or 1_000_000_000
    transport.write(head(answer, f"Content-Length: {size}"))
    filler = b" " * _MEGABYTE
    for _ in range(size // _MEGABYTE):
        await _send(transport, filler)
    await _send(transport, filler[: size % _MEGABYTE])
    transport.close()


async def _gzip_bomb(transport: asyncio.Transport, fault: Fault, answer: Answer) -> None:
    blank, checksum = b" " * _MEGABYTE, 0
    blocks = max(1, (fault.size or 100_000_000) // _MEGABYTE)
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    # After a full flush a block does not depend on earlier ones, so the same bytes can be sent again.
    block = compressor.compress(blank) + compressor.flush(zlib.Z_FULL_FLUSH)
    transport.write(head(answer, "Content-Encoding: gzip", "Connection: close"))
    transport.write(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff")
    for _ in range(blocks):
        checksum = zlib.crc32(blank, checksum)
        await _send(transport, block)
    transport.write(compressor.flush(zlib.Z_FINISH) + struct.pack("<II", checksum, blocks * _MEGABYTE % 2**32))
    transport.close()


async def _send(transport: asyncio.Transport, data: bytes) -> None:
    transport.write(data)
    await asyncio.sleep(0)
    while transport.get_write_buffer_size() > _BUFFERED and not transport.is_closing():  # noqa: ASYNC110 - a transport tells only its protocol
        await asyncio.sleep(0.001)


WireFault = Callable[[asyncio.Transport, Fault, Answer], Awaitable[None]]

WIRE_FAULTS: dict[str, WireFault] = {
    "reset": _reset,
    "reset-head": _reset_head,
    "reset-body": _reset_body,
    "close": _close,
    "close-reused": _close,
    "close-head": _close_head,
    "close-body": _close_body,
    "close-after": _close_after,
    "chunked-short": _chunked_short,
    "length-long": _length_long,
    "garbage": _garbage,
    "big-header": _big_header,
    "stall": _stall,
    "drip": _drip,
    "huge": _huge,
    "gzip-bomb": _gzip_bomb,
}
"""By fault, a function that writes to the transport and closes it."""
