"""Five thousand rows taken off a portal of twenty thousand associations, and put back: to the last label, both ways."""

import json
import random
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from loader.sandbox import Sandbox, SandboxThread
from tests.cli.portals import association, labels_by_pair
from tests.slow.command import command, seed
from tests.written import lines_of

LABELS = [{"from": "contacts", "to": "companies", "label": label} for label in ("Boss", "Champion", "Foreign")]
TYPES = ("--from", "contacts", "--to", "companies")

KILLS = 30
"""At most, half of them of the undo: it may be over before."""

Pair = tuple[int, int]
Labels = dict[Pair, set[str]]


class Portal:
    """A portal of 20,000 associations with labels, and a file of 5,000 rows that names some of them."""

    def __init__(self, draw: random.Random) -> None:
        pairs = {(draw.randrange(1, 8_000), draw.randrange(100_000, 101_000)) for _ in range(21_000)}
        self.held = {
            pair: draw.sample(["Boss", "Champion", "Foreign"], draw.choice([0, 1, 1, 2]))
            for pair in sorted(pairs)[:20_000]
        }
        some = draw.sample(list(self.held), 4_000)
        self.rows = [(pair, draw.choice(["Boss", "Champion"])) for pair in some]
        self.rows += [(pair, "") for pair in draw.sample(list(self.held), 500)]
        self.rows += [((draw.randrange(9_000, 9_500), 100_001), "Boss") for _ in range(500)]
        draw.shuffle(self.rows)

    def given(self) -> dict[str, Any]:
        """The portal as the sandbox takes it."""
        return {"labels": LABELS, "associations": [association(*pair, *labels) for pair, labels in self.held.items()]}

    def afterwards(self) -> Labels:
        """What must be there once the file is taken off."""
        named: defaultdict[Pair, set[str]] = defaultdict(set)
        for pair, label in self.rows:
            named[pair].add(label)
        return {pair: {"", *labels} - named[pair] for pair, labels in self.held.items() if "" not in named[pair]}

    def statuses(self) -> dict[str, str]:
        """What must become of each row, by its number."""
        return {
            str(number): "removed" if pair in self.held and label in {"", *self.held[pair]} else "unchanged"
            for number, (pair, label) in enumerate(self.rows, 2)
        }


def writes(sandbox: Sandbox) -> int:
    """How many requests changed something, or tried to."""
    return sum(sandbox.count("POST", f"batch/{what}") for what in ("archive", "labels/archive", "create"))


def run(sandbox: Sandbox, folder: Path, *words: str, draw: random.Random | None = None) -> int:
    """Run a command to its end, killed at random moments of its writing; return how often that was."""
    kills = 0
    while True:
        words_of_all = ("--yes", "--quiet", "--rate", "9999/1")
        process = command(sandbox, folder, *words, *words_of_all, XDG_CACHE_HOME=str(folder / "cache"))
        if draw and kills < KILLS // 2:
            # Half of them at a request, half of them at any time.
            enough, until = writes(sandbox) + draw.randrange(3), time.monotonic() + draw.uniform(0.3, 1.5)
            at_request, moment = draw.random() < 0.5, draw.uniform(0.0, 0.1)
            while process.poll() is None and (writes(sandbox) <= enough if at_request else time.monotonic() < until):
                time.sleep(0.002)
            time.sleep(moment)
        if process.poll() is None and draw and kills < KILLS // 2:
            process.kill()
            process.wait()
            kills += 1
            continue
        code = process.wait(timeout=180)
        assert code == 0, f"exit code {code} after {kills} kills"
        return kills


@pytest.mark.parametrize(
    ("faults", "killed"),
    [("", False), ("429:0.07,500:0.06,reset:0.04,close-body:0.03", False), ("", True)],
    ids=["calm", "20 % faults", "killed at random"],
)
def test_a_removal_and_its_undo_end_in_the_exact_sets(faults: str, killed: bool, tmp_path: Path) -> None:
    """Nothing that the file does not name is ever touched, and afterwards everything is as it was."""
    drawn = seed()
    draw = random.Random(drawn)
    portal = Portal(draw)
    rows = "".join(f"{one},{other},{label}\n" for (one, other), label in portal.rows)
    (tmp_path / "a.csv").write_text(f"from_id,to_id,label\n{rows}")
    moments = draw if killed else None
    latency = "30ms-120ms" if killed else "5ms"
    began = time.monotonic()
    with SandboxThread(portal.given(), faults=faults, seed=drawn, latency=latency) as sandbox:
        before = labels_by_pair(sandbox)
        assert len(before) == len(portal.held)
        kills = run(sandbox, tmp_path, "remove", "a.csv", *TYPES, "--whole-pair", draw=moments)
        assert labels_by_pair(sandbox) == portal.afterwards()
        lines = lines_of(tmp_path / "a.removed.results.csv")
        assert {line["row"]: line["status"] for line in lines} == portal.statuses()
        assert len(lines) == len(portal.rows)
        kills += run(sandbox, tmp_path, "undo", "a.removed.results.csv", draw=moments)
        assert labels_by_pair(sandbox) == before
    undone = Counter(line["status"] for line in lines_of(tmp_path / "a.removed.undo.csv"))
    assert set(undone) == {"restored"}
    counts = json.loads((tmp_path / "a.removed.summary.json").read_text())["rows"]
    sys.stdout.write(f"{counts}, {dict(undone)}, {kills} kills, {time.monotonic() - began:.0f} s\n")
    assert not killed or kills >= KILLS // 3, "most of it was done before it could be killed"
