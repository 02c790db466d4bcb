"""A mirror of 5,000 rows over a portal of 20,000 associations ends in the exact sets, calm, under faults and killed."""

import random
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from loader.sandbox import Sandbox, SandboxThread
from tests.cli.portals import association, labels_by_pair
from tests.slow.command import command, seed
from tests.written import lines_of

NAMES = ("Boss", "Clerk", "Foreign")
"""No row names the last of these labels."""

LABELS = [{"from": "contacts", "to": "companies", "label": name} for name in NAMES]

Pairs = dict[tuple[int, int], frozenset[str]]
Row = tuple[int, int, str]

FAULTS = [{"fault": "429", "share": 0.08}, {"fault": "500", "share": 0.08}, {"fault": "reset", "share": 0.04}]
"""A fifth of the requests."""

OPTIONS = ("--from", "contacts", "--to", "companies", "--existing", "mirror", "--max-removals", "off", "--quiet")


class Night:
    """A portal, a file, and what a mirror makes of both."""

    def __init__(self, draw: random.Random, rows: int, associations: int) -> None:
        contacts, companies = associations // 6, max(50, associations // 60)
        self.had: Pairs = {}
        while len(self.had) < associations:
            pair = draw.randrange(1, contacts), draw.randrange(1, companies)
            self.had[pair] = frozenset(draw.sample(NAMES, draw.randrange(3)))
        ours = draw.sample([pair for pair in self.had if pair[0] % 3], rows * 4 // 5)
        new = [
            (draw.randrange(1, contacts), draw.randrange(companies, companies + 90)) for _ in range(rows - len(ours))
        ]
        self.rows: list[Row] = [(*pair, draw.choice(["", "Boss", "Clerk"])) for pair in [*ours, *new]]
        draw.shuffle(self.rows)

    @property
    def wanted(self) -> Pairs:
        """What the portal is to have at the end: every label is in scope, and the pair itself, but for `Foreign`."""
        named: dict[tuple[int, int], set[str]] = {}
        for contact, company, label in self.rows:
            named.setdefault((contact, company), set()).update({label} - {""})
        scope = {contact for contact, _, _ in self.rows}
        found: Pairs = {}
        for pair in self.had.keys() | named.keys():
            its = self.had.get(pair, frozenset())
            if pair[0] not in scope:
                found[pair] = its
            elif pair in named:
                found[pair] = frozenset(named[pair]) | (its & {"Foreign"})
            elif "Foreign" in its:
                found[pair] = frozenset({"Foreign"})
        return found

    def removed(self) -> int:
        """Return how many associations go: the labels, and of a pair without one, the pair."""
        wanted = self.wanted
        count = 0
        for pair, its in self.had.items():
            if pair not in wanted:
                count += max(1, len(its))
            else:
                count += len(its - wanted[pair])
        return count

    def portal(self) -> dict[str, Any]:
        """Return what the sandbox begins with."""
        return {"labels": LABELS, "associations": [association(*pair, *labels) for pair, labels in self.had.items()]}

    def write(self, folder: Path) -> None:
        """Write the file."""
        lines = "".join(f"{contact},{company},{label}\n" for contact, company, label in self.rows)
        (folder / "a.csv").write_text(f"from_id,to_id,label\n{lines}")


def had(sandbox: Sandbox) -> Pairs:
    """Return the labels of every pair of the sandbox."""
    return {pair: frozenset(labels - {""}) for pair, labels in labels_by_pair(sandbox).items()}


def start(sandbox: Sandbox, folder: Path, *words: str) -> "subprocess.Popen[bytes]":
    """Start a command in the folder."""
    return command(sandbox, folder, *words, "--rate", "9999/1", XDG_CACHE_HOME=str(folder / "cache"))


def load(sandbox: Sandbox, folder: Path, method: str) -> "subprocess.Popen[bytes]":
    """Start the mirror."""
    return start(sandbox, folder, "load", "a.csv", *OPTIONS, "--method", method, "--concurrency", "6")


@pytest.mark.parametrize(("method", "faults"), [("batch", []), ("put", FAULTS)])
def test_a_mirror_and_its_undo_end_in_the_exact_sets(method: str, faults: list[dict[str, Any]], tmp_path: Path) -> None:
    """5,000 rows; a second night over the result sends nothing; undo leaves what was there before."""
    drawn = seed()
    night = Night(random.Random(drawn), 5000, 20_000)
    night.write(tmp_path)
    with SandboxThread(night.portal(), faults=faults, seed=drawn) as sandbox:
        assert load(sandbox, tmp_path, method).wait(timeout=240) == 0
        assert had(sandbox) == night.wanted
        written = sandbox.count("POST", "batch/archive"), sandbox.count("PUT"), sandbox.count("POST", "batch/create")
        again = start(sandbox, tmp_path, "load", "a.csv", *OPTIONS, "--results", "again.csv")
        assert again.wait(timeout=240) == 0
        after = sandbox.count("POST", "batch/archive"), sandbox.count("PUT"), sandbox.count("POST", "batch/create")
        assert after == written
        assert start(sandbox, tmp_path, "undo", "a.results.csv", "--yes", "--quiet").wait(timeout=240) == 0
        assert had(sandbox) == night.had
    lines = Counter(line["status"] for line in lines_of(tmp_path / "a.results.csv"))
    assert lines["removed"] == night.removed()
    assert lines.total() - lines["removed"] == 5000


def until_done(sandbox: Sandbox, folder: Path, draw: random.Random, *words: str, most: float) -> int:
    """Run a command again and again, killed after less than `most` seconds, ten times; return how often it was."""
    killed = 0
    while True:
        process = start(sandbox, folder, *words)
        try:
            assert process.wait(timeout=draw.uniform(0.5, most) if killed < 10 else 120) == 0
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed += 1
        else:
            return killed


def test_a_mirror_that_is_killed_thirty_times_ends_in_the_exact_sets(tmp_path: Path) -> None:
    """At random moments, while it reads, adds, takes off and undoes: nothing out of scope ever changes."""
    draw = random.Random(seed())
    kills = nights = 0
    while kills < 30:
        nights += 1
        folder = tmp_path / str(nights)
        folder.mkdir()
        night = Night(draw, 1200, 4000)
        night.write(folder)
        words = ("load", "a.csv", *OPTIONS, "--method", draw.choice(["put", "batch"]), "--concurrency", "4")
        with SandboxThread(night.portal(), latency="5ms-30ms") as sandbox:
            kills += until_done(sandbox, folder, draw, *words, most=3.0)
            assert had(sandbox) == night.wanted
            lines = Counter(line["status"] for line in lines_of(folder / "a.results.csv"))
            assert lines["removed"] == night.removed()
            assert lines.total() - lines["removed"] == 1200
            kills += until_done(sandbox, folder, draw, "undo", "a.results.csv", "--yes", "--quiet", most=2.0)
            assert had(sandbox) == night.had
    print(f"{kills} kills of {nights} nights")
