"""The servers that the benchmark sends to: nginx for PUTs, where it is installed, and our bare protocol for the rest.

The answer to a batch names the pairs of its request, which nginx cannot do without a module: batches always go to the
bare protocol.
"""

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

SECONDS_TO_START = 10.0

CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log warn;
events {{ worker_connections 512; }}
http {{
    access_log off;
    default_type application/json;
    keepalive_requests 100000000;
    keepalive_timeout 600s;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location ~ "^/crm/v4/objects/[^/]+/([0-9]+)/associations/[^/]+/([0-9]+)$" {{
            return 201
                '{{"fromObjectTypeId":"0-1","fromObjectId":$1,"toObjectTypeId":"0-2","toObjectId":$2,"labels":[]}}';
        }}
        location ~ "/labels$" {{ return 200 '{{"results":[]}}'; }}
        location / {{ return 404 '{{}}'; }}
    }}
}}
"""


class Bare:
    """Our bare protocol, for a block; with `remember` it reads back what batches wrote. `latency` is in seconds."""

    name = "a bare asyncio protocol"

    def __init__(self, *, remember: bool = False, latency: float = 0.0) -> None:
        self._command = [sys.executable, "-m", "tests.benchmarks.server", str(latency), *["remember"] * remember]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{self._process.stdout.readline().strip()}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate("")

    def counts(self) -> dict[str, float]:
        """Return what it has been asked so far, and the seconds of CPU that it took."""
        with urllib.request.urlopen(f"{self.url}/counts") as answer:  # noqa: S310 - our own server
            found: dict[str, float] = json.load(answer)
        return found


class Nginx:
    """One worker of nginx, for a block: it answers 201 to every PUT and echoes both ids. Its files are in `folder`."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program = program
        self._folder = folder
        said = subprocess.run([program, "-v"], capture_output=True, text=True, check=True).stderr
        self.name = said.rpartition(" ")[2].strip().replace("/", " ")

    def __enter__(self) -> Self:
        self._folder.mkdir()
        port = _free_port()
        path = self._folder / "nginx.conf"
        path.write_text(CONFIGURATION.format(folder=self._folder, port=port), "utf-8")
        command = [self._program, "-p", str(self._folder), "-c", str(path)]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{port}"
        self._wait(port)
        return self

    def _wait(self, port: int) -> None:
        deadline = time.monotonic() + SECONDS_TO_START
        while self._process.poll() is None and time.monotonic() < deadline:
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", port)):
                    return
            time.sleep(0.01)
        self._process.terminate()
        _, said = self._process.communicate()
        raise RuntimeError(f"nginx did not start: {said}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.communicate()


def for_puts(folder: Path) -> Nginx | Bare:
    """Return the cheapest server for PUTs that this machine has."""
    program = shutil.which("nginx")
    return Nginx(program, folder / "nginx") if program else Bare()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
