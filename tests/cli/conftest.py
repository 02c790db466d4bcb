"""What every test of the command line needs: a folder to work in, an environment, a sandbox, and the command.

Every fixture begins in the test's own folder, so tests name their files as a user would: `Path("a.csv")`.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from loader.cli import run as run_command
from loader.fleets import engine
from loader.fleets.lease import Timing
from loader.fleets.work import work
from loader.run.schema import schema
from loader.sandbox import Sandbox, SandboxThread
from tests.written import hold_nowhere, lines_of

TOKEN = "canary-51c2-never-shown"
TIMING = Timing(heartbeat=0.02, fence=5.0, take_over=0.2, piece=0.05)
CONTACTS = ("--from", "contacts", "--to", "companies")

Run = Callable[..., Any]
"""The type of a fixture that a test calls: a command, or a sandbox for a block."""


class Done(NamedTuple):
    """What a command left on the screen, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """The objects that `--json` wrote."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def event(self) -> dict[str, Any]:
        """The one object that `--json` wrote."""
        (found,) = self.events
        return found


def refused(done: Done, *says: str, code: int = 2) -> None:
    """Fail unless a command ended with this exit code and one sentence on standard error that says all of this."""
    assert (done.code, done.out, done.err.count("\n")) == (code, "", 1), done
    assert [text for text in says if text not in done.err] == [], done.err


@cache
def schemas() -> dict[str | None, list[Draft202012Validator]]:
    """Return what validates the objects of `--json`, by their `event`, and under None what does a summary file."""
    found: dict[str | None, list[Draft202012Validator]] = {None: [Draft202012Validator(schema("summary"))]}
    events = schema("events")
    for part in events["anyOf"]:
        event = events["$defs"][part["$ref"].rpartition("/")[2]]["properties"]["event"]["const"]
        found.setdefault(event, []).append(Draft202012Validator({**part, "$defs": events["$defs"]}))
    return found


def hold_to_schema(written: Mapping[str, Any]) -> None:
    """Fail unless an object of `--json` or a summary file is as its schema says."""
    errors = [best_match(each.iter_errors(written)) for each in schemas()[written.get("event")]]
    assert None in errors, [f"{error.json_path}: {error.message}" for error in errors if error]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of the test, in an environment that says nothing but the token."""
    for name in list(os.environ):
        if name.startswith(("HUBSPOT_", "ASSOCIATION_LOADER_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", TOKEN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextmanager
def _running(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Iterator[Sandbox]:
    with SandboxThread(**settings) as running:
        monkeypatch.setenv("HUBSPOT_BASE_URL", running.url)
        yield running


@pytest.fixture
def hubspot(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Start a sandbox HubSpot for a block; HUBSPOT_BASE_URL names it."""
    del folder
    return lambda **settings: _running(monkeypatch, **settings)


@pytest.fixture
def sandbox(hubspot: Run) -> Iterator[Sandbox]:
    """A sandbox HubSpot without a rate limit."""
    with hubspot() as running:
        yield running


@pytest.fixture
def run(folder: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run the command in this process; the token must be in no byte that it wrote, and --json keeps to its schema."""

    def ran(*arguments: str) -> Done:
        capfd.readouterr()
        code = run_command(list(arguments))
        done = Done(code, *capfd.readouterr())
        assert TOKEN not in done.out + done.err, "the token is on the screen"
        hold_nowhere(TOKEN, folder)
        if "--json" in arguments:
            for event in done.events:
                hold_to_schema(event)
        return done

    return ran


@pytest.fixture
def paste(run: Callable[..., Done]) -> Callable[[str], Done]:
    """Run a command as a shell understands it, in this process."""

    def pasted(command: str) -> Done:
        script = f"set -- {command}\nprintf '%s\\0' \"$@\"".encode("utf-8", "surrogateescape")
        made = subprocess.run(["sh", "-c", script], capture_output=True, check=True).stdout
        program, *words = map(os.fsdecode, made.split(b"\0")[:-1])
        assert program == "association-loader"
        return run(*words)

    return pasted


@pytest.fixture
def load(run: Callable[..., Done]) -> Callable[..., Done]:
    """Run `load` from contacts to companies at full speed; with a `text`, the first argument is a file that gets it."""

    def loaded(*arguments: str, text: str | None = None) -> Done:
        if text is not None:
            Path(arguments[0]).write_text(text)
        return run("load", *arguments, *CONTACTS, "--rate", "9999/1")

    return loaded


def contents() -> dict[str, str]:
    """Return every file of the working folder with its hash, to see that nothing changed."""
    return {
        str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(Path().rglob("*")) if file.is_file()
    }


def names(pattern: str = "*") -> list[str]:
    """Return what the working folder holds, in the order of the names."""
    return sorted(path.name for path in Path().glob(pattern))


def lines(name: str) -> list[dict[str, str]]:
    """Read a CSV file of the working folder, every cell as text; results are in the order of their rows."""
    return sorted(lines_of(Path(name)), key=lambda line: int(line.get("row", 0)))


def statuses(name: str) -> list[str]:
    """Return the status of each row of a results file, in the order of the rows."""
    return [line["status"] for line in lines(name)]


def outcomes(name: str) -> list[tuple[str, str]]:
    """Return the status of each row of a results file, and why it failed or was rejected, in the order of the rows."""
    return [(line["status"], line["error_category"]) for line in lines(name)]


def summary(name: str) -> dict[str, Any]:
    """Read a summary of the working folder; its rows add up."""
    found: dict[str, Any] = json.loads(Path(name).read_text("utf-8"))
    hold_to_schema(found)
    rows = found["rows"]
    assert rows["total"] == sum(count for key, count in rows.items() if key != "total")
    return found


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], object]]:
    """Type a text at the terminal of the next command."""
    ours, theirs = os.openpty()
    with os.fdopen(theirs) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        yield lambda text: os.write(ours, text.encode())
    os.close(ours)


class Process:
    """The command as a process of its own, killed at the end of the test at the latest."""

    def __init__(self, arguments: tuple[str, ...], **settings: Any) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "loader", *arguments],
            **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **settings},
        )

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.popen.send_signal(number)

    def wait(self, seconds: float = 15) -> Done:
        """Wait for the end."""
        out, err = self.popen.communicate(timeout=seconds)
        done = Done(self.popen.returncode, (out or b"").decode(), (err or b"").decode())
        assert TOKEN not in done.out + done.err, "the token is on the screen"
        return done


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., Process]]:
    """Start the command as a process."""
    started: list[Process] = []

    def begin(*arguments: str, **settings: Any) -> Process:
        started.append(Process(arguments, **settings))
        return started[-1]

    yield begin
    for process in started:
        if process.popen.poll() is None:
            process.popen.kill()
        process.popen.communicate()
    hold_nowhere(TOKEN, folder)


def until(holds: Callable[[], bool], seconds: float = 10) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.fixture
def in_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a fleet's workers be threads of this process, which find out sooner what others do."""

    @contextmanager
    def cluster(at_once: int, scheduler: str | None) -> Iterator[engine.Submit]:
        assert scheduler is None
        with ThreadPoolExecutor(at_once) as pool:
            yield lambda order: pool.submit(work, order, timing=TIMING)

    monkeypatch.setattr(engine, "on_dask", cluster)
    monkeypatch.setattr(engine, "LOOK_SECONDS", 0.02)
