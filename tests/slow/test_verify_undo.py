"""A migration proven and taken back: two thousand rows over a portal that has pairs and labels of its own already."""

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from loader.sandbox import Sandbox, SandboxThread
from tests.cli.portals import association
from tests.slow.command import command, seed
from tests.written import lines_of

LABELS = [{"from": "contacts", "to": "companies", "label": label} for label in ("Boss", "Champion", "Foreign")]
NAMES = ["", "", "Boss", "Champion"]
TYPES = ("--from", "contacts", "--to", "companies")

Pair = tuple[int, int]


class Migration:
    """A folder with `a.csv`, and a portal before anything was loaded."""

    def __init__(self, folder: Path, draw: random.Random) -> None:
        self.folder = folder
        pairs = [(n, draw.randrange(100_000, 100_400)) for n in range(1, 1_601)]
        self.rows: list[tuple[Pair, str]] = [(pair, draw.choice(NAMES)) for pair in pairs]
        self.rows += [(draw.choice(pairs), draw.choice(NAMES)) for _ in range(400)]
        draw.shuffle(self.rows)
        inside = draw.sample(pairs, 600)
        outside = [(n, draw.randrange(100_000, 100_400)) for n in range(5_001, 5_201)]
        self.held: dict[Pair, list[str]] = {
            pair: draw.sample(["Boss", "Champion", "Foreign"], draw.randrange(3)) for pair in inside + outside
        }
        with (folder / "a.csv").open("w") as file:
            file.write("from_id,to_id,label\n")
            file.writelines(f"{one},{other},{label}\n" for (one, other), label in self.rows)

    def portal(self) -> dict[str, Any]:
        """The portal: 800 pairs, some of the file's and some not, with labels of the file's and a foreign one."""
        return {"labels": LABELS, "associations": [association(*pair, *labels) for pair, labels in self.held.items()]}

    def expected(self) -> Counter[str]:
        """What `verify` must say before the load, row by row."""
        marks: Counter[str] = Counter()
        for pair, label in self.rows:
            held = self.held.get(pair)
            marks["+" if held is None else "=" if not label or label in held else "*"] += 1
        return marks

    def start(self, sandbox: Sandbox, *words: str) -> "subprocess.Popen[bytes]":
        """Start a command in the folder."""
        return command(sandbox, self.folder, *words, "--rate", "9999/1", "--quiet")

    def run(self, sandbox: Sandbox, *words: str) -> int:
        """Run a command to its end and return its exit code. The rows that failed are printed with the test."""
        code = self.start(sandbox, *words).wait(timeout=180)
        for failures in self.folder.glob("*.failures.csv") if code else ():
            sys.stdout.write(f"{failures.name} of {words[0]}:\n{failures.read_text()[:2000]}\n")
        return code

    def marks(self) -> Counter[str]:
        """The marks in the file that `verify` wrote."""
        return Counter(line["status"] for line in lines_of(self.folder / "a.verify.csv"))


@pytest.mark.parametrize("faults", ["", "429:0.07,500:0.06,reset:0.04,close-body:0.03"], ids=["calm", "20 % faults"])
def test_a_migration_is_verified_loaded_verified_and_taken_back_to_the_last_label(faults: str, tmp_path: Path) -> None:
    """`verify` is exact before and after; undo, killed half-way and run again, leaves the exact set from before."""
    drawn = seed()
    migration = Migration(tmp_path, random.Random(drawn))
    with SandboxThread(migration.portal(), faults=faults, seed=drawn, latency="20ms") as sandbox:
        before = dict(sandbox.portal.pairs())
        assert len(before) == 800
        assert migration.run(sandbox, "verify", "a.csv", *TYPES, "--wait", "1") == 1
        assert migration.marks() == migration.expected()
        assert dict(sandbox.portal.pairs()) == before
        assert migration.run(sandbox, "load", "a.csv", *TYPES) == 0
        loaded = len(sandbox.portal.pairs())
        assert migration.run(sandbox, "verify", "a.csv", *TYPES) == 0
        assert migration.marks() == {"=": 2_000}
        killed = _kill_half_way(migration, sandbox, loaded, len(before))
        assert migration.run(sandbox, "undo", "a.results.csv", "--yes") == 0
        assert dict(sandbox.portal.pairs()) == before
    assert json.loads((tmp_path / "a.summary.json").read_text())["rows"]["failed"] == 0
    undone = Counter(line["status"] for line in lines_of(tmp_path / "a.undo.csv"))
    sys.stdout.write(f"{loaded - 800} pairs added, killed with {killed} of them left; rows {dict(undone)}\n")
    assert undone == {"removed": sum(count for mark, count in migration.expected().items() if mark != "=")}


def _kill_half_way(migration: Migration, sandbox: Sandbox, loaded: int, before: int) -> int:
    """Kill an undo once some of its pairs are removed and some are not; return how many are left."""
    process = migration.start(sandbox, "undo", "a.results.csv", "--yes")
    deadline = time.monotonic() + 60
    while len(sandbox.portal.associations) > loaded - (loaded - before) // 4:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = len(sandbox.portal.associations) - before
    assert left > 0, "nothing was left when it was killed"
    return left
