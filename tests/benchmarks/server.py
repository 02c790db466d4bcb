"""A HubSpot that costs next to nothing: a bare asyncio protocol, in a process of its own.

It answers 201 to every PUT and batch create, and with `remember` reads back what batches wrote; it checks nothing and
limits nothing. `python -m tests.benchmarks.server LATENCY [remember]`, in seconds, prints its port and runs until its
standard input ends.
"""

import asyncio
import json
import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from typing import cast

IDS = re.compile(rb'"id": ?"?([0-9]+)')

CREATED = b'{"fromObjectTypeId":"0-1","fromObjectId":%s,"toObjectTypeId":"0-2","toObjectId":%s,"labels":[]}'

Answer = tuple[bytes, bytes]


class Portal:
    """Which records are associated with which: contacts with companies, unlabelled, and no id is both's."""

    def __init__(self, *, remember: bool) -> None:
        self._remember = remember
        self._pairs: dict[bytes, list[bytes]] = defaultdict(list)
        self._templates: dict[int, bytes] = {}
        self._counts = dict.fromkeys(("put", "create", "pairs_created", "read", "records_read", "other"), 0)

    def answer(self, method: bytes, path: bytes, body: bytes) -> Answer:
        """Return status line and body."""
        if method == b"PUT":
            return self._put(path)
        if path.endswith(b"/batch/create"):
            return self._create(body)
        if path.endswith(b"/batch/read"):
            return self._read(path, body)
        if path == b"/counts":
            return b"200 OK", json.dumps({**self._counts, "cpu": time.process_time()}).encode()
        self._counts["other"] += 1
        return (b"200 OK", b'{"results":[]}') if path.endswith(b"/labels") else (b"404 Not Found", b"{}")

    def _put(self, path: bytes) -> Answer:
        self._counts["put"] += 1
        parts = path.split(b"/")
        return b"201 Created", CREATED % (parts[5], parts[8])

    def _create(self, body: bytes) -> Answer:
        ids = IDS.findall(body)
        count = len(ids) // 2
        self._counts["create"] += 1
        self._counts["pairs_created"] += count
        if self._remember:
            for first, second in zip(ids[::2], ids[1::2], strict=True):
                self._pairs[first].append(second)
                self._pairs[second].append(first)
        return b"201 Created", self._template(count) % tuple(ids)

    def _template(self, count: int) -> bytes:
        # One formatting for the whole answer: with one for each pair, the server took as long as the loader.
        if count not in self._templates:
            self._templates[count] = b'{"status":"COMPLETE","results":[%s]}' % b",".join([CREATED] * count)
        return self._templates[count]

    def _read(self, path: bytes, body: bytes) -> Answer:
        self._counts["read"] += 1
        records = IDS.findall(body)
        self._counts["records_read"] += len(records)
        backward = path.endswith((b"/companies/contacts/batch/read", b"/0-2/0-1/batch/read"))
        plain = b',"associationTypes":[{"category":"HUBSPOT_DEFINED","typeId":%d,"label":null}]}' % (279 + backward)
        results = [
            b'{"from":{"id":"%s"},"to":[{"toObjectId":%s]}'
            % (first, (plain + b',{"toObjectId":').join(self._pairs[first]) + plain)
            for first in records
            if first in self._pairs
        ]
        return b"200 OK", b'{"status":"COMPLETE","results":[%s]}' % b",".join(results)


class Connection(asyncio.Protocol):
    """HTTP/1.1 as far as the clients of the benchmark speak it: kept alive, bodies with a length."""

    def __init__(self, answer: Callable[[bytes, bytes, bytes], Answer], latency: float) -> None:
        self._answer = answer
        self._latency = latency
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            place = head.lower().find(b"content-length:")
            length = int(head[place + 15 :].split(b"\r\n", 1)[0]) if place >= 0 else 0
            if len(self._buffer) < end + 4 + length:
                return
            body, self._buffer = self._buffer[end + 4 : end + 4 + length], self._buffer[end + 4 + length :]
            method, path, _ = head.split(b"\r\n", 1)[0].split(b" ")
            status, answer = self._answer(method, path, body)
            self._send(
                b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                % (status, len(answer), answer)
            )

    def _send(self, text: bytes) -> None:
        if self._latency:
            asyncio.get_running_loop().call_later(self._latency, self._transport.write, text)
        else:
            self._transport.write(text)


async def main() -> None:
    """Serve until standard input ends."""
    portal = Portal(remember="remember" in sys.argv)
    loop = asyncio.get_running_loop()
    latency = float(sys.argv[1])
    server = await loop.create_server(lambda: Connection(portal.answer, latency), "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    try:
        import uvloop
    except ImportError:
        asyncio.run(main())
    else:
        uvloop.run(main())
