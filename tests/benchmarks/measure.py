"""How the benchmark measures: processes one after another, in rounds, so that all of a round meet the same machine."""

import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from tests.benchmarks import servers

TOKEN = "any"

COMPANIES = 50_000


class Cost(NamedTuple):
    """What a command took: seconds on the clock, seconds of CPU, its peak memory in MB, and what it wrote."""

    seconds: float
    cpu: float
    peak: float
    out: str


class Figure(NamedTuple):
    """One line of the table: what was measured in each round, and what it must and should be."""

    name: str
    must: str
    aim: str
    values: Sequence[float]
    form: str = "{:.2f}"

    def line(self) -> str:
        """Return it as a line of Markdown: the median, and the least and the most where there were rounds."""
        middle = self.form.format(statistics.median(self.values))
        spread = " to ".join(self.form.format(value) for value in (min(self.values), max(self.values)))
        return (
            f"| {self.name} | {self.must} | {self.aim} | {middle} | {spread if len(self.values) > 1 else 'one run'} |"
        )


def run(command: Sequence[str], folder: Path, **environment: str) -> Cost:
    """Run a command to its end; RuntimeError with what it said when it fails."""
    # A child inherits its parent's peak until it begins to run, so it is started by a small process of its own.
    program = [sys.executable, "-S", "-c", _CHILD, *command]
    surroundings = {**os.environ, **environment}
    done = subprocess.run(program, cwd=folder, env=surroundings, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-2000:]}")
    out, _, figures = done.stdout.rpartition("\n--\n")
    seconds, cpu, peak = map(float, figures.split())
    return Cost(seconds, cpu, peak, out)


_CHILD = """
import os, resource, subprocess, sys, time
began = time.perf_counter()
done = subprocess.run(sys.argv[1:])
seconds = time.perf_counter() - began
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print("\\n--\\n%f %f %f" % (seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024))
sys.exit(done.returncode)
"""


class Bench:
    """A folder and two servers, for a block: the loader and its peers as commands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.for_puts = servers.for_puts(folder)
        self.for_batches = servers.Bare()
        self._held = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as held:
            held.enter_context(self.for_puts)
            held.enter_context(self.for_batches)
            self._held = held.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    def rows(self, count: int, ending: str = "csv", *, changed: int = 0, companies: int = COMPANIES) -> Path:
        """Return an input with `count` pairs, made when it is first needed.

        For CSV, one pair in `changed` is another one, and `companies` says how many companies there are.
        """
        path = self.folder / f"rows-{changed}-{companies}-{count}.{ending}"
        if not path.exists() and ending == "parquet":
            _write_parquet(path, count)
        elif not path.exists():
            with path.open("w", encoding="utf-8") as file:
                file.write("from_id,to_id\n")
                file.writelines(f"{first},{second}\n" for first, second in _pairs(count, changed, companies))
        return path

    def load(self, path: Path, url: str, *options: str, name: str = "run") -> Cost:
        """Load a file from the start with the limiter wide open, as one command, in a folder of this name."""
        shutil.rmtree(self.folder / name, ignore_errors=True)
        (self.folder / name).mkdir()
        return self.again(path, url, *options, name=name)

    def again(self, path: Path, url: str, *options: str, name: str = "run") -> Cost:
        """Give the same command once more."""
        folder = self.folder / name
        command = [sys.executable, "-m", "loader", "load", str(path), "--from", "contacts", "--to", "companies"]
        given = ["--results", "r.results.csv", "--rate", "1000000/1", "--quiet", *options]
        environment = {"HUBSPOT_BASE_URL": url, "HUBSPOT_ACCESS_TOKEN": TOKEN, "XDG_CACHE_HOME": str(folder)}
        return run([*command, *given], folder, **environment)

    def put(self, path: Path, **options: str) -> Cost:
        """Load a file by PUTs, 50 in flight."""
        given = ("--method", "put", "--existing", "replace", "--unread", "--concurrency", "50")
        return self.load(path, self.for_puts.url, *given, **options)

    def batch(self, path: Path, **options: str) -> Cost:
        """Load a file by batches that replace what is there."""
        return self.load(
            path, self.for_batches.url, "--method", "batch", "--existing", "replace", "--unread", **options
        )

    def plan(self, path: Path) -> Cost:
        """Plan the load of a file without a token, so that no request is made."""
        command = [sys.executable, "-m", "loader", "plan", str(path), "--from", "contacts", "--to", "companies"]
        return run([*command, "--quiet"], self.folder)

    def peer(self, name: str, path: Path) -> Cost:
        """Have a peer send a file; seconds and CPU are those without its imports."""
        url = self.for_batches.url if name.endswith("batch") else self.for_puts.url
        whole = run([sys.executable, "-m", "tests.benchmarks.peers", name, url, str(path)], Path.cwd())
        seconds, cpu = map(float, whole.out.split())
        return whole._replace(seconds=seconds, cpu=cpu)


def rows_of(path: Path) -> int:
    """Return how many rows an input of `Bench.rows` has."""
    return int(path.stem.rpartition("-")[2])


def _pairs(count: int, changed: int, companies: int) -> Iterator[tuple[int, int]]:
    for number in range(count):
        # Another one of a hundred each time round, so that no company loses all that it has.
        moved = int(bool(changed) and number % changed == number // companies % changed)
        yield 1_000_000_000 + number, 2_000_000_000 + (number + moved) % companies


def _write_parquet(path: Path, count: int) -> None:
    import numpy as np
    import pyarrow as pa
    from pyarrow import parquet

    numbers = np.arange(count)
    ids = {"from_id": 1_000_000_000 + numbers, "to_id": 2_000_000_000 + numbers % COMPANIES}
    parquet.write_table(pa.table(ids), path)


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Say on standard error what is being measured, and how long that took."""
    began = time.monotonic()
    yield
    sys.stderr.write(f"{what}: {time.monotonic() - began:.0f} s\n")


def machine() -> str:
    """Return the machine's size in a few words."""
    memory = re.search(r"MemTotal: +([0-9]+)", Path("/proc/meminfo").read_text("ascii"))
    model = re.search(r"model name\t: (.*)", Path("/proc/cpuinfo").read_text("utf-8"))
    gigabytes = int(memory[1]) / 2**20 if memory else 0
    return f"{os.cpu_count()} cores ({model[1] if model else 'unknown'}), {gigabytes:.0f} GB"
