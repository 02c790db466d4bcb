"""`--on-end`: a program of the user's that runs when a command has ended, and changes nothing of it."""

import json
import os
import signal
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from loader.run import on_end
from loader.sandbox import Sandbox
from tests.cli.conftest import CONTACTS, TOKEN, Run, refused, until

NIGHTLY = Path(__file__).parents[2] / "samples" / "nightly"
SECRETS = {
    "HUBSPOT_CLIENT_SECRET": "client-secret-of-somebody",
    "ASSOCIATION_LOADER_DATABASE_URL": "postgresql://me:password@db/crm",
    "AUTHORIZATION": f"Bearer {TOKEN}",
}


@pytest.fixture
def noting(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], tuple[dict[str, Any], dict[str, str]]]:
    """Have every command run a program that writes down what it gets; return that, once."""
    (folder / "note.sh").write_text("#!/bin/sh\ncat >got.json\nenv >got.env\necho printed by the program\n")
    (folder / "note.sh").chmod(0o700)
    (folder / "a.csv").write_text("from_id,to_id\n101,201\nx,202\n")
    monkeypatch.setenv("ASSOCIATION_LOADER_ON_END", "./note.sh 'an argument'")
    monkeypatch.setenv("ASSOCIATION_LOADER_RATE", "9999/1")

    def got() -> tuple[dict[str, Any], dict[str, str]]:
        summary = json.loads((folder / "got.json").read_text())
        lines = (folder / "got.env").read_text().splitlines()
        for name in ("got.json", "got.env"):
            (folder / name).unlink()
        return summary, dict(line.partition("=")[::2] for line in lines)

    return got


def test_the_program_gets_the_summary(noting: Run, sandbox: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, after load, verify, undo, remove and export; what it prints is on standard error."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    done = run("load", "a.csv", *CONTACTS, "--json")
    summary, environment = noting()
    assert summary == json.loads(Path("a.summary.json").read_text())
    assert environment["ASSOCIATION_LOADER_EXIT_CODE"] == str(done.code) == "1"
    assert environment["HUBSPOT_BASE_URL"] == sandbox.url
    assert not {"HUBSPOT_ACCESS_TOKEN", "ASSOCIATION_LOADER_ON_END", *SECRETS} & set(environment)
    assert done.events[-1]["event"] == "summary"
    assert done.err.count("printed by the program") == 1
    for words, key in (
        (("verify", "a.csv", *CONTACTS, "--wait", "0"), "rows"),
        (("undo", "a.results.csv", "--yes"), "pairs"),
        (("remove", "a.csv", *CONTACTS, "--yes"), "rows"),
        (("export", "contacts", "companies", "--output", "out.csv"), "records"),
    ):
        code = run(*words).code
        summary, environment = noting()
        assert isinstance(summary[key], dict)
        assert summary["command"].startswith(f"association-loader {words[0]} ")
        assert environment["ASSOCIATION_LOADER_EXIT_CODE"] == str(summary["exit_code"]) == str(code)


def test_the_program_runs_after_a_stop_and_not_where_nothing_began(noting: Run, hubspot: Run, run: Run) -> None:
    """Exit 3 and 4 have a summary; a plan, a refused command, a wrong --on-end itself have none."""
    with hubspot(faults=[{"fault": "401", "method": "PUT"}]):
        assert run("load", "a.csv", *CONTACTS).code == 3
        assert noting()[0]["exit_code"] == 3
        assert run("load", "a.csv", *CONTACTS, "--dry-run").code == 1
        assert run("plan", "a.csv", *CONTACTS).code == 1
        assert run("load", "nowhere.csv", *CONTACTS).code == 2
        refused(run("load", "a.csv", *CONTACTS, "--on-end", "./note.sh 'an argument"), "quotes in pairs")
    assert not Path("got.json").exists()


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("./nowhere", "could not be run (No such file or directory)"),
        ("./a.csv", "could not be run (Permission denied)"),
        ("sh -c 'exit 3'", "ended with exit code 3"),
        ("sh -c 'kill -9 $$'", "was ended by a signal (9)"),
        ("sh -c 'exec 0<&- 1>&- 2>&-'", None),
        ("sh -c 'sleep 60 & wait'", "had not ended after 0.2 s and was killed"),
    ],
)
def test_a_program_that_fails_is_a_warning(
    program: str, said: str | None, noting: Run, sandbox: Sandbox, run: Run, monkeypatch: Any
) -> None:
    """Exit code, summary and standard output are those of the load; with --quiet and in the log, too."""
    monkeypatch.setattr(on_end, "SECONDS", 0.2 if "sleep" in program else 60)
    arguments = ("--quiet", "--json", "--log-file", "log", "--on-end", program)
    done = run("load", "a.csv", *CONTACTS, *arguments)
    assert done.code == json.loads(Path("a.summary.json").read_text())["exit_code"] == 1
    assert done.events[-1]["event"] == "summary"
    first = program.partition(" ")[0]
    message = f"--on-end: {first} {said}; that changes nothing of the run"
    assert (message in done.err) == (message in Path("log").read_text()) == (said is not None)
    assert done.err.count("--on-end") == (said is not None)


@pytest.mark.slow
def test_a_signal_ends_the_run_and_the_next_one_the_program(noting: Run, hubspot: Run, start: Run) -> None:
    """The program hears of the first; at the second, it and all that it has started end, and the exit code stays."""
    Path("a.csv").write_text("from_id,to_id\n" + "".join(f"{n},2\n" for n in range(1, 200)))
    Path("note.sh").write_text("#!/bin/sh\ncat >got.json\nsleep 60 &\necho $! >pid\nwait\n")
    with hubspot(latency="50ms") as sandbox:
        process = start("load", "a.csv", *CONTACTS, "--concurrency", "1")
        until(lambda: sandbox.count("PUT") > 1)
        process.send(signal.SIGINT)
        until(lambda: Path("pid").exists() and Path("pid").read_text().endswith("\n"))
        process.send(signal.SIGINT)
        assert process.wait(5).code == 130
    assert json.loads(Path("got.json").read_text())["exit_code"] == 130
    sleeping = int(Path("pid").read_text())
    until(lambda: not is_alive(sleeping))


def is_alive(process: int) -> bool:
    """Return True for a process that has not ended; one that has, and is not asked for its code, counts as ended."""
    try:
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


# --- the samples


class Mails(socketserver.StreamRequestHandler):
    """A mail server that takes whatever comes."""

    def handle(self) -> None:
        """Speak as much SMTP as it takes."""
        self.wfile.write(b"220 here\r\n")
        for line in self.rfile:
            if line.strip().upper() == b"DATA":
                self.wfile.write(b"354 send it\r\n")
                text = b"".join(iter(self.rfile.readline, b".\r\n"))
                self.server.got.append(("", text.decode()))  # type: ignore[attr-defined]
            self.wfile.write(b"221 bye\r\n" if line.strip().upper() == b"QUIT" else b"250 good\r\n")


class Posts(BaseHTTPRequestHandler):
    """A web server that takes whatever is posted."""

    def do_POST(self) -> None:
        """Keep path and body."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.got.append((self.path, body))  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def serving(server: Any) -> Iterator[list[tuple[str, str]]]:
    """Serve for a block; what came is in the list."""
    server.got = []
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("name", ["slack", "email", "healthcheck"])
def test_the_samples_report_a_real_load(name: str, sandbox: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """To a local server of their kind; the addresses come from the environment."""
    server = socketserver.TCPServer(("127.0.0.1", 0), Mails) if name == "email" else HTTPServer(("127.0.0.1", 0), Posts)
    with serving(server) as got:
        host, port = server.server_address[:2]
        addresses = {
            "no_proxy": "*",
            "SLACK_WEBHOOK_URL": f"http://{host!s}:{port}/services/T0/B0/x",
            "HEALTHCHECK_URL": f"http://{host!s}:{port}/ping/uuid/",
            "SMTP_HOST": str(host),
            "SMTP_PORT": str(port),
            "MAIL_FROM": "loader@example.com",
            "MAIL_TO": "team@example.com",
        }
        for variable, value in addresses.items():
            monkeypatch.setenv(variable, value)
        Path("<!here>.csv").write_text("from_id,to_id\n101,201\nx,202\n")
        done = run("load", "<!here>.csv", *CONTACTS, "--on-end", str(NIGHTLY / f"on_end_{name}.py"))
    assert "--on-end: " not in done.err
    ((path, body),) = got
    if name == "slack":
        assert path == "/services/T0/B0/x"
        text = json.loads(body)["text"]
        assert "exit code 1: 2 total, 1 created, 1 rejected\nNext: association-loader load '&lt;!here&gt;" in text
    elif name == "healthcheck":
        assert (path, json.loads(body)["rows"]["created"]) == ("/ping/uuid/0", 1)
    else:
        assert "Subject: association-loader ended with exit code 1" in body
        assert '"created": 1' in body
