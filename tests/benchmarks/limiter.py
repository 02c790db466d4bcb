"""The limiter at the server: what arrived in any window of 10 s, and how much of the limit was used."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from loader.sandbox import Sandbox, SandboxThread
from tests.benchmarks.measure import TOKEN

REQUESTS, WINDOW = 190, 10
LIMIT = f"{REQUESTS}/{WINDOW}"
SECONDS = 100
ROWS = 1995
"""For 105 seconds: those of the limit's share are whole."""


class Situation(NamedTuple):
    """How many arrivals more than the limit there were in the fullest window, and each loader's share of the limit.

    Shares are those of the 100 seconds after the last of the loaders began.
    """

    above: int
    shares: Sequence[float]


def situation(
    folder: Path, *, loaders: int = 1, rows: int = ROWS, latency: str = "100ms", faults: str = ""
) -> Situation:
    """Run loaders of one token side by side, each in a folder and on `rows` rows of its own."""
    folder.mkdir()
    with SandboxThread(rate=LIMIT, latency=latency, faults=faults) as sandbox:
        numbers = range(loaders)
        processes = [_begin(folder / str(number), sandbox, number, rows) for number in numbers]
        for process in processes:
            _, said = process.communicate()
            if process.returncode:
                raise RuntimeError(f"a loader ended with {process.returncode}: {said[-2000:]}")
        arrivals = [_arrivals(sandbox, number) for number in numbers]
        above = max(0, sandbox.max_window - REQUESTS)
    began = max(times[0] for times in arrivals)
    used = [sum(began <= moment < began + SECONDS for moment in times) for times in arrivals]
    return Situation(above, [count * WINDOW / REQUESTS / SECONDS for count in used])


def _begin(folder: Path, sandbox: Sandbox, number: int, rows: int) -> subprocess.Popen[str]:
    folder.mkdir()
    lines = "".join(f"{_first(number) + row},{row % 50 + 1}\n" for row in range(rows))
    (folder / "rows.csv").write_text(f"from_id,to_id\n{lines}", "ascii")
    command = [sys.executable, "-m", "loader", "load", "rows.csv", "--from", "contacts", "--to", "companies"]
    given = ["--results", "r.results.csv", "--rate", LIMIT, "--quiet", "--existing", "replace", "--unread"]
    environment = {"HUBSPOT_BASE_URL": sandbox.url, "HUBSPOT_ACCESS_TOKEN": TOKEN, "XDG_CACHE_HOME": str(folder.parent)}
    return subprocess.Popen(
        [*command, *given], cwd=folder, env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True
    )


def _first(number: int) -> int:
    return 1_000_000 * (number + 1)


def _arrivals(sandbox: Sandbox, number: int) -> list[float]:
    found = ((each.time, each.path.split("/")) for each in sandbox.requests if each.method == "PUT")
    return [moment for moment, parts in found if _first(number) <= int(parts[5]) < _first(number + 1)]
