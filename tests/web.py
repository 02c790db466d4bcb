"""A web server on this machine that answers each path as a test says, over TLS if it has a certificate."""

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(kw_only=True)
class Page:
    """An answer. `missing` bytes of its body are announced and not sent; `silent`: none is, as long as the test runs.

    The `refusals` are statuses of the answers before it.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    missing: int = 0
    silent: bool = False
    refusals: list[int] = field(default_factory=list)


@dataclass(kw_only=True)
class Web:
    """A running server: its address, its pages by path (the query does not count), and what it was asked for."""

    url: str
    pages: dict[str, Page]
    asked: list[str] = field(default_factory=list)


@contextmanager
def serving(context: ssl.SSLContext | None = None, **pages: Page) -> Iterator[Web]:
    """Serve pages by their names (`a_csv` for /a.csv) for a block."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            web.asked.append(self.path)
            page = web.pages.get(self.path.partition("?")[0], Page(status=404))
            if page.refusals:
                page = Page(status=page.refusals.pop(0))
            self.send_response(page.status)
            for name, value in page.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(page.body) + page.missing))
            self.end_headers()
            self.wfile.write(page.body)
            self.wfile.flush()
            if page.silent:
                over.wait()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    scheme = "http" if context is None else "https"
    named = {f"/{name.replace('_csv', '.csv')}": page for name, page in pages.items()}
    web = Web(url=f"{scheme}://127.0.0.1:{server.server_port}", pages=named)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield web
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()
