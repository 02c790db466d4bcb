"""What is there is kept, and what was ours stays ours, however often the loader is killed; by either method."""

import random
import subprocess
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from loader.sandbox import Sandbox, SandboxThread
from tests.cli.portals import association, labels_by_pair
from tests.slow.command import command, seed
from tests.written import lines_of

LABELS = [{"from": "contacts", "to": "companies", "label": name} for name in ("Boss", "Clerk")]
TYPES = ("--from", "contacts", "--to", "companies")


def start(sandbox: Sandbox, folder: Path, *options: str) -> "subprocess.Popen[bytes]":
    """Start `load a.csv` as a process in the folder."""
    words = ("load", "a.csv", *TYPES, "--quiet", "--rate", "9999/1", *options)
    return command(sandbox, folder, *words, XDG_CACHE_HOME=str(folder / "cache"))


@pytest.mark.parametrize("method", ["put", "batch"])
def test_a_killed_load_never_takes_its_own_labels_for_old_ones(method: str, tmp_path: Path) -> None:
    """2,500 rows over a portal half full: what was and what was asked, each row with its true status, at the end."""
    draw = random.Random(seed())
    rows = [(draw.randrange(1, 1500), draw.randrange(1, 150), draw.choice(["", "Boss", "Clerk"])) for _ in range(2500)]
    had = {(a, b): draw.choice([[], ["Boss"], ["Clerk"]]) for a, b, _ in rows[::2]}
    old = {pair: {"", *labels} for pair, labels in had.items()}
    wanted: defaultdict[tuple[int, int], set[str]] = defaultdict(set)
    for a, b, label in rows:
        wanted[a, b] |= {"", label} | old.get((a, b), set())
    (tmp_path / "a.csv").write_text("from_id,to_id,label\n" + "".join(f"{a},{b},{label}\n" for a, b, label in rows))
    there = [association(*pair, *labels) for pair, labels in had.items()]
    kills = 0
    with SandboxThread({"labels": LABELS, "associations": there}, latency="5ms-40ms") as sandbox:
        while kills < 8:
            process = start(sandbox, tmp_path, "--method", method, "--concurrency", "4")
            try:
                assert process.wait(timeout=draw.uniform(1.0, 3.0)) == 0
                break
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                kills += 1
        assert start(sandbox, tmp_path, "--method", method).wait(timeout=120) == 0
        found = labels_by_pair(sandbox)
    assert found == wanted
    lines = Counter((line["row"], line["status"]) for line in lines_of(tmp_path / "a.results.csv"))
    expected = {
        (str(number), "unchanged" if label in old.get((a, b), ()) else "created"): 1
        for number, (a, b, label) in enumerate(rows, 2)
    }
    assert lines == expected
    print(f"{kills} kills")
