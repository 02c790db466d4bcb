"""A PostgreSQL server of this machine, in a folder of its own, on a free port."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

USER = "ada-canary-31e5"
PASSWORD = "pass/c0ffee@canary-9b02"
ADDRESS = "postgresql://ada-canary-31e5:pass%2Fc0ffee%40canary-9b02@127.0.0.1:{port}/postgres"


@contextmanager
def postgres() -> Iterator[str]:
    """Yield the address of a new database, with user and password."""
    folder = Path(tempfile.mkdtemp(prefix="association-loader-postgres-"))
    # The server refuses to run as root; Debian's package has made this user.
    user: dict[str, Any] = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
    try:
        (folder / "password").write_text(PASSWORD)
        if user:
            for path in (folder, folder / "password"):
                shutil.chown(path, "postgres", "postgres")
        subprocess.run(
            [
                _program("initdb"),
                "-D",
                folder / "data",
                "-U",
                USER,
                "--pwfile",
                folder / "password",
                "-A",
                "scram-sha-256",
            ],
            check=True,
            capture_output=True,
            cwd=folder,
            **user,
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = ("-c", "fsync=off", "-c", "listen_addresses=127.0.0.1")
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [_program("postgres"), "-D", folder / "data", "-p", str(port), "-k", folder, *options],
                stderr=log,
                stdout=log,
                cwd=folder,
                **user,
            )
        try:
            address = ADDRESS.format(port=port)
            while server.poll() is None:
                with suppress(psycopg.OperationalError), psycopg.connect(address):
                    break
                time.sleep(0.05)
            yield address
        finally:
            server.send_signal(signal.SIGINT)  # At once, whoever is connected.
            server.wait()
    finally:
        shutil.rmtree(folder)


def _program(name: str) -> str:
    folders = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    found = shutil.which(name, path=os.pathsep.join([*folders, os.environ["PATH"]]))
    assert found, "make test-long installs postgresql"
    return found
