"""The figures that a whole load promises: every row once, and the rate limit held and used."""

import json
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from loader.sandbox import Sandbox, SandboxThread
from tests.slow.command import command
from tests.written import lines_of

TYPES = ("--from", "contacts", "--to", "companies")
MOST_OF_IT = 0.8
"""Of the limit, also on a busy machine; `make benchmark` measures how much it is on a quiet one."""


def load(sandbox: Sandbox, folder: Path, *options: str) -> "subprocess.Popen[bytes]":
    """Start `load a.csv` as a process in the folder."""
    return command(sandbox, folder, "load", "a.csv", *TYPES, "--quiet", *options)


def pairs_of(sandbox: Sandbox) -> set[tuple[int, int]]:
    """What HubSpot has in the end."""
    return {(int(first[1]), int(second[1])) for first, second in sandbox.portal.pairs()}


def test_three_thousand_rows_are_created_once_each(tmp_path: Path) -> None:
    """One result line for each row, HubSpot's set equal to the file's, one PUT for each distinct pair."""
    draw = random.Random(7)
    pairs = [(draw.randrange(1, 1_200), draw.randrange(10_000, 10_004)) for _ in range(3_000)]
    (tmp_path / "a.csv").write_text("from_id,to_id\n" + "".join(f"{a},{b}\n" for a, b in pairs))
    with SandboxThread() as sandbox:
        began = time.monotonic()
        assert load(sandbox, tmp_path, "--rate", "9999/1").wait(timeout=120) == 0
        seconds = time.monotonic() - began
        assert pairs_of(sandbox) == set(pairs)
        assert sandbox.count("PUT") == len(set(pairs)) < 3_000
        requests = len(sandbox.requests)
    found = Counter((line["row"], line["status"]) for line in lines_of(tmp_path / "a.results.csv"))
    assert found == Counter({(str(row), "created"): 1 for row in range(2, 3_002)})
    summary = json.loads((tmp_path / "a.summary.json").read_text())
    assert summary["rows"]["created"] == 3_000
    assert summary["pairs"] == len(set(pairs))
    # Beside the pairs: whose portal it is, its object types and limits, the day's quota, what the few companies have
    # already. And by the thousand: what the contacts have before a pair is written down as new, and whether a company
    # is merged where its contact has another one by then, whose label a PUT could take; each with a rest at the end.
    looks = 2 * (-(-len({contact for contact, _ in pairs}) // 1000) + 1)
    assert len(set(pairs)) < summary["requests"]["sent"] == requests <= len(set(pairs)) + 6 + looks
    sys.stdout.write(
        f"{len(set(pairs))} requests in {seconds:.1f} s, {summary['rate']['achieved_per_second']} per second" + "\n"
    )


@pytest.mark.parametrize(
    ("rate", "latency", "windows", "stated"),
    [("190/10", "50ms-150ms", 2, True), ("190/1", "5ms-15ms", 8, True), ("190/1", "5ms-15ms", 12, False)],
    ids=["190 per 10 s", "190 per 1 s", "190 per 1 s, auto"],
)
def test_the_rate_limit_is_never_passed_and_used(
    rate: str, latency: str, windows: int, stated: bool, tmp_path: Path
) -> None:
    """No rolling window has more than 190 requests, HubSpot never answers 429, and most of the limit is used."""
    limit, period = int(rate.partition("/")[0]), float(rate.partition("/")[2])
    count = int(limit * windows * 1.06)
    (tmp_path / "a.csv").write_text("from_id,to_id\n" + "".join(f"{n},7\n" for n in range(1, count + 1)))
    with SandboxThread(rate=rate, latency=latency) as sandbox:
        assert load(sandbox, tmp_path, *(["--rate", rate] if stated else [])).wait(timeout=120) == 0
        assert sandbox.max_window <= limit
        assert sandbox.count(status=429) == 0
        used = steady_use(sandbox, limit, period, skip=0 if stated else 2)
        sys.stdout.write(f"max_window {sandbox.max_window}, {used:.1%} of the limit used over {windows} windows" + "\n")
        assert used >= MOST_OF_IT


def steady_use(sandbox: Sandbox, limit: int, period: float, *, skip: int) -> float:
    """The share of the limit that was used in whole windows from the first PUT (or `skip` windows later) on."""
    times = [request.time for request in sandbox.requests if request.method == "PUT"]
    start = times[0] + skip * period
    whole = int((times[-1] - start) / period)
    end = start + whole * period
    return sum(start <= moment < end for moment in times) / (limit * whole)
