"""One world for every fault: a sandbox on a real socket, a real input, the real command, and one check at the end.

The command runs in the test's own process, where that makes no difference; what is killed has a process of its own.

The check is the same whatever went wrong: the portal holds the sound rows minus those that failed for good, each row
has one outcome, nothing else was ever sent, no window was exceeded (the HTTP library's own repeats counted), and the
token is in no byte that was written.
"""

import csv
import io
import json
import logging
import os
import random
import re
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any
from unittest.mock import patch

from loader.cli import run as run_command
from loader.sandbox import Sandbox
from loader.sandbox.faults import Faults
from loader.sandbox.requests import Request
from tests.faults.process import Command, Harm
from tests.written import lines_of

CANARY = "pat-na1-canary-7f3e91c2"
"""The token of every fault test; it must never be found in anything that is written."""

SECRETS = (CANARY, "sandbox-access-", "sandbox-refresh-")
"""What must not be found: the canary, and the tokens that a sandbox gives out."""

LIMIT = "500/1"

Pair = tuple[str, str]
_PUT_PATH = re.compile(r"/crm/v4/objects/0-1/([0-9]+)/associations/0-2/([0-9]+)")


@dataclass
class Ending:
    """How one command ended: exit code, what it said, its summary and its result lines."""

    exit_code: int
    said: str
    summary: dict[str, Any]
    lines: list[dict[str, str]] = field(default_factory=list)

    def rows(self, status: str) -> set[Pair]:
        """Return the pairs of the lines with this status."""
        return {(line["object_id"], line["to_object_id"]) for line in self.lines if line["status"] == status}


def pairs(count: int) -> list[Pair]:
    """Return this number of distinct pairs of record ids."""
    return [(str(1000 + number), str(500_000 + number)) for number in range(count)]


def pair_of(request: Request) -> Pair:
    """Return the pair that a PUT names."""
    match = _PUT_PATH.fullmatch(request.path)
    assert match, f"a PUT went elsewhere: {request.path}"
    return match[1], match[2]


def pairs_in(request: Request) -> set[Pair]:
    """Return the pairs that a batch names, where the sandbox keeps bodies."""
    inputs = json.loads(request.body or b'{"inputs": []}')["inputs"]
    return {(str(each["from"]["id"]), str(each["to"]["id"])) for each in inputs}


class Hung(KeyboardInterrupt):
    """A command that does not end; a subclass, because an event loop lets nothing else through."""


@contextmanager
def ended_within(seconds: float) -> Iterator[None]:
    """Interrupt a block that takes longer, and fail."""

    def ring(number: int, frame: FrameType | None) -> None:
        del number, frame
        rung.append(True)
        raise Hung

    rung: list[bool] = []
    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert not rung, f"the command has not ended within {seconds:g} s"


@contextmanager
def once(holds: Callable[[], object], act: Callable[[], object]) -> Iterator[None]:
    """During a block, do something as soon as something holds; fail if it never held."""
    over = threading.Event()
    acted: list[bool] = []

    def watch() -> None:
        while not over.wait(0.002):
            if holds():
                act()
                acted.append(True)
                return

    watcher = threading.Thread(target=watch, name="once")
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
    assert acted, "the command ended before it was to be disturbed"


@contextmanager
def signalled(number: signal.Signals, holds: Callable[[], object]) -> Iterator[None]:
    """During a block, send a signal to this process as soon as something holds; one that comes too late is ignored."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with once(holds, lambda: os.kill(os.getpid(), number)):
            yield
    finally:
        signal.signal(number, before)


@contextmanager
def everything_logged(stream: io.StringIO) -> Iterator[None]:
    """Have every library's log of a block written to a stream, debug messages too."""
    root, handler = logging.getLogger(), logging.StreamHandler(stream)
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.setLevel(before)
        root.removeHandler(handler)


class World:
    """A folder, an input of contacts and companies, and a sandbox to send it to (entered by the caller)."""

    def __init__(self, folder: Path, sandbox: Sandbox, wanted: Sequence[Pair]) -> None:
        self.folder = folder
        self.sandbox = sandbox
        self.wanted = list(wanted)
        self.said: list[str] = []
        self._numbers = count()
        self.variables: dict[str, str] = {}
        """Of the environment of every command in this world, over the address and the canary."""
        self.write_input(wanted)

    def write_input(self, wanted: Iterable[Pair]) -> Path:
        """Write the input, `load.csv`: a header and one row for each pair."""
        path = self.folder / "load.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["object_id", "to_object_id"])
            writer.writerows(wanted)
        return path

    def arguments(self, *more: str) -> list[str]:
        """Return the command's words after the program's name."""
        return ["load", "load.csv", "--from", "contacts", "--to", "companies", "--rate", LIMIT, *more]

    def environment(self, **more: str) -> dict[str, str]:
        """Return a process environment with the address and the canary token, and no proxy of this machine.

        The API's version is named, so that the paths that tests look for do not depend on the day.
        """
        kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        own = {
            "HUBSPOT_BASE_URL": self.sandbox.url,
            "HUBSPOT_ACCESS_TOKEN": CANARY,
            "ASSOCIATION_LOADER_API_VERSION": "v4",
        }
        return {**kept, **own, **self.variables, **more}

    def start(self, *more: str, harm: Harm | None = None, **environment: str) -> Command:
        """Start the command as a process of its own; `harm` is done to that process first."""
        said = self.folder / f"said-{next(self._numbers)}"
        return Command(self.arguments(*more), self.folder, self.environment(**environment), said, harm)

    def run(self, *more: str, seconds: float = 60, **environment: str) -> Ending:
        """Run the command to its end in this process, debug logs and all; a hang is interrupted and fails the test."""
        streams = out, err, log = io.StringIO(), io.StringIO(), io.StringIO()
        with (
            chdir(self.folder),
            patch.dict(os.environ, self.environment(**environment), clear=True),
            redirect_stdout(out),
            redirect_stderr(err),
            everything_logged(log),
            ended_within(seconds),
        ):
            exit_code = run_command(self.arguments(*more))
        self.said += [stream.getvalue() for stream in streams]
        return Ending(exit_code, err.getvalue(), self.summary(), self.lines())

    def load(
        self,
        *more: str,
        exit_code: int = 0,
        failed: Iterable[Pair] = (),
        complete: bool | None = None,
        seconds: float = 60,
        **environment: str,
    ) -> Ending:
        """Run the command, which must end with this exit code, and check what it left.

        Unless `complete` says otherwise, nothing may be pending after exit code 0 or 1.
        """
        ending = self.run(*more, seconds=seconds, **environment)
        assert ending.exit_code == exit_code, ending.said
        self.check(ending, failed=failed, complete=exit_code < 2 if complete is None else complete)
        return ending

    def end(self, command: Command, seconds: float = 60) -> Ending:
        """Wait for a command that `start` gave, and read what it left; a hang is killed and fails the test."""
        exit_code = command.wait(seconds)
        self.said += command.said()
        return Ending(exit_code, self.said[-1], self.summary(), self.lines())

    def summary(self) -> dict[str, Any]:
        """Return the summary file's content, or nothing where there is none."""
        path = self.folder / "load.summary.json"
        found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
        return found

    def lines(self) -> list[dict[str, str]]:
        """Return the result lines, or none."""
        path = self.folder / "load.results.csv"
        return lines_of(path) if path.exists() else []

    def lines_by_pair(self) -> dict[Pair, dict[str, str]]:
        """Return the result lines by the pair that they are about."""
        return {(line["object_id"], line["to_object_id"]): line for line in self.lines()}

    # --- the sandbox

    def heal(self) -> None:
        """Let no fault strike any more, as when an outage is over; the portal and its counts stay."""
        self.sandbox._faults = Faults([], random.Random(0))

    def puts(self) -> list[Request]:
        """Return the requests that wrote, or tried to, in the order of their arrival."""
        return [request for request in self.sandbox.requests if request.method == "PUT"]

    def batches(self) -> list[Request]:
        """Return the requests that wrote many pairs at once, in the order of their arrival."""
        return [request for request in self.sandbox.requests if request.route == "batch/create"]

    def struck(self) -> list[Request]:
        """Return the requests that a fault hit, in the order of their arrival."""
        return [request for request in self.sandbox.requests if request.fault is not None]

    def there(self) -> set[Pair]:
        """Return the pairs that the portal holds."""
        return {(contact[1], company[1]) for contact, company in self.sandbox.portal.pairs()}

    def goes_on_and_completes(self, *more: str, **environment: str) -> Ending:
        """Let the faults be over: the same command sends what is left, nothing twice, and all is there."""
        self.heal()
        done, sent = len(self.lines_by_pair()), len(self.puts())
        ending = self.run(*more, seconds=60, **environment)
        assert ending.exit_code == 0, ending.said
        assert len(self.puts()) - sent == len(set(self.wanted)) - done
        self.check(ending)
        return ending

    # --- the check

    def check(self, ending: Ending, *, failed: Iterable[Pair] = (), complete: bool = True) -> None:
        """Hold the state after a command against what must be true after every one.

        `failed` are the pairs that HubSpot refuses for good; `complete` says that nothing may be pending.
        """
        self.check_outcomes(ending, set(failed), complete=complete)
        self.check_portal(ending, set(failed), complete=complete)
        self.check_traffic()
        self.check_secrets()

    def check_outcomes(self, ending: Ending, failed: set[Pair], *, complete: bool) -> None:
        """Every row has one outcome, and it is the true one."""
        assert ending.exit_code != 70, ending.said
        counts = ending.summary["rows"]
        assert counts["total"] == sum(counts[name] for name in counts if name != "total")
        assert counts["total"] == len(self.wanted)
        seen = Counter(line["row"] for line in ending.lines)
        assert set(seen.values()) <= {1}, "a row stands in the results more than once"
        assert len(ending.lines) == counts["total"] - counts["pending"]
        assert {line["status"] for line in ending.lines} <= {"created", "unchanged", "failed"}
        assert ending.rows("failed") <= failed, "a row failed that HubSpot does not refuse"
        if complete:
            assert counts["pending"] == 0
            assert ending.rows("failed") == failed
            assert ending.rows("created") | ending.rows("unchanged") == set(self.wanted) - failed

    def check_portal(self, ending: Ending, failed: set[Pair], *, complete: bool) -> None:
        """The portal holds what was recorded as created, and nothing that the input does not ask for."""
        there = self.there()
        done = ending.rows("created") | ending.rows("unchanged")
        assert done <= there, "a row is recorded as done, and HubSpot does not have it"
        assert there <= set(self.wanted), "HubSpot holds a pair that the input does not ask for"
        if complete:
            assert there == set(self.wanted) - failed

    def check_traffic(self) -> None:
        """Nothing but the input's pairs was ever sent, and no window held more than the limit."""
        sent = {pair_of(request) for request in self.puts()}.union(*map(pairs_in, self.batches()))
        assert sent <= set(self.wanted), "a pair was sent that the input does not hold"
        assert self.sandbox.max_window <= int(LIMIT.split("/", maxsplit=1)[0])

    def check_secrets(self) -> None:
        """No token is in a file of the folder or in anything that the command said."""
        written = {path.name: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}
        for secret in SECRETS:
            assert [name for name, content in written.items() if secret.encode() in content] == [], "files hold a token"
            assert all(secret not in text for text in self.said), "a token was shown"
