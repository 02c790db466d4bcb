"""Fleets for tests: accounts of a sandbox, each with a profile, a token, a job file and an input of its own; a
scheduler with workers; and the fleet's command.
"""

import csv
import json
import os
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from loader.sandbox import ManyPortals, Sandbox

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account: the name of its profile, its token, its number, what it allows, in `requests/seconds`, and by which
    method it is loaded.
    """

    name: str
    token: str
    portal_id: int
    rate: str
    method: str


def accounts(count: int, *, rate: str, batch: int = 0) -> list[Account]:
    """Return accounts, the last `batch` of which are loaded in batches; their tokens stand nowhere else."""
    return [
        Account(
            name=f"account{each:03}",
            token=f"canary-{os.urandom(12).hex()}",
            portal_id=1001 + each,
            rate=rate,
            method="put" if each < count - batch else "batch",
        )
        for each in range(count)
    ]


def sandbox_of(found: Sequence[Account]) -> ManyPortals:
    """Return a HubSpot that has the accounts, each with a limit of its own."""
    return ManyPortals(
        {
            each.token: Sandbox({"portal_id": each.portal_id}, rate=each.rate, daily=1_000_000, record_requests=False)
            for each in found
        }
    )


def write_fleet(folder: Path, url: str, found: Sequence[Account], *, rows: int) -> None:
    """Write FLEET.toml and what belongs to it; each input has that many rows.

    The tokens of every second account are in the environment (see `environment`), those of the others in files.
    """
    profiles, portals = [], []
    for number, each in enumerate(found):
        kept = f'token-env = "{_variable(each)}"' if number % 2 else f'token-file = "{each.name}.token"'
        if not number % 2:
            (folder / f"{each.name}.token").write_text(each.token)
        # Whoever knows the limit says it: until HubSpot does, a load begins at 100 per 10 s.
        profiles.append(
            f'[{each.name}]\nportal-id = {each.portal_id}\nbase-url = "{url}"\nrate = "{each.rate}"\n{kept}\n'
        )
        portals.append(f'[[portal]]\nprofile = "{each.name}"\njobs = ["{each.name}/contacts.toml"]\n')
        place = folder / each.name
        place.mkdir()
        (place / "contacts.toml").write_text(
            f'method = "{each.method}"\n'
            f'[[input]]\npath = "{each.name}/contacts.csv"\nfrom = "contacts"\nto = "companies"\n'
        )
        pairs = [(1_000 + row, 10_000_000 + number * 1_000 + row % 97) for row in range(rows)]
        with (place / "contacts.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("from_id", "to_id"), *pairs])
    (folder / "profiles.toml").write_text("\n".join(profiles))
    (folder / "FLEET.toml").write_text('results = "runs/"\n' + "\n".join(portals))


def _variable(account: Account) -> str:
    return f"TOKEN_OF_{account.name.upper()}"


def environment(folder: Path, found: Sequence[Account] = ()) -> dict[str, str]:
    """Return what a process has in its environment: where the profiles are, and the tokens of accounts, as workers."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("HUBSPOT_", "ASSOCIATION_LOADER_"))}
    tokens = {_variable(each): each.token for each in found[1::2]}
    profiles = {"ASSOCIATION_LOADER_PROFILES": str(folder / "profiles.toml"), "PYTHONPATH": str(ROOT)}
    return {**clean, **tokens, **profiles}


@contextmanager
def cluster(folder: Path, found: Sequence[Account], *, workers: int, threads: int) -> Iterator[tuple[str, str]]:
    """Run a scheduler and workers as processes, with a log each; gives the addresses of scheduler and dashboard."""
    facts = folder / "scheduler.json"
    common = ["--dashboard-address", "127.0.0.1:0"]
    commands = [["scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(facts), *common]]
    with ExitStack() as held:
        for number in range(workers + 1):
            if number == 1:
                while not facts.exists() or not facts.read_text():
                    time.sleep(0.1)
                scheduler = json.loads(facts.read_text())
                place = ["--no-nanny", "--nthreads", str(threads), "--local-directory", str(folder / "dask")]
                commands += [["worker", scheduler["address"], *place, *common]] * workers
            log = held.enter_context((folder / f"dask{number}.log").open("w"))
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *commands[number]],
                cwd=folder,
                env=environment(folder, found if number else ()),
                stdout=log,
                stderr=log,
            )
            held.callback(process.wait)
            held.callback(process.terminate)
        yield scheduler["address"], f"http://127.0.0.1:{scheduler['services']['dashboard']}"


def fleet_command(*words: str) -> list[str]:
    """Return the words that run the fleet's command."""
    return [sys.executable, "-m", "loader", "fleet", *words]


class Pieces:
    """Keeps every byte that is ever to be seen under a fleet's results, as long as a block lasts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.count = 0
        self.kept = bytearray()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self.kept += b"".join(contents(each) for each in self._folder.rglob("*") if each.is_file())

    def _look(self) -> None:
        seen: set[Path] = set()
        while not self._over.wait(0.2):
            for each in set(self._folder.rglob("*.piece")) - seen:
                if each.name.startswith("."):
                    continue
                try:
                    self.kept += contents(each)
                except FileNotFoundError:  # Its load has ended, and its journal is there instead.
                    continue
                seen.add(each)
                self.count += 1


def contents(path: Path) -> bytes:
    """Return what a file holds; of a piece what is packed in it, too."""
    content = path.read_bytes()
    if path.suffix != ".piece":
        return content
    return content + zlib.decompress(content[8 + int.from_bytes(content[:8]) :])


def canaries_in(content: bytes, found: Sequence[Account]) -> list[str]:
    """Return the accounts whose tokens a text has."""
    return [each.name for each in found if each.token.encode() in content]


def statuses(folder: Path, account: Account) -> Mapping[str, int]:
    """Return how many rows of an account's results have which status; each row stands there once."""
    with (folder / "runs" / account.name / "contacts.results.csv").open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    assert sorted(int(line["row"]) for line in lines) == list(range(2, len(lines) + 2))
    return Counter(line["status"] for line in lines)


def check(folder: Path, many: ManyPortals, found: Sequence[Account], *, rows: int) -> None:
    """Hold every account to its rows and to its limit."""
    for each in found:
        sandbox = many.portals[each.token]
        assert statuses(folder, each) == {"created": rows}, each.name
        assert {int(first[1]) for first, _, _ in sandbox.portal.associations.items()} >= set(range(1_000, 1_000 + rows))
        assert len(sandbox.portal.associations) == rows, each.name
        assert sandbox.max_window <= int(each.rate.partition("/")[0]), each.name
        assert sandbox.rate_limited == 0, each.name
    assert many.strangers.count() == 0
