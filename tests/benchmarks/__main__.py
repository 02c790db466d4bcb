"""`make benchmark`: the loader against its peers, as ratios, in one interleaved run; prints a table in Markdown.

`BENCHMARK_OUTPUT` names a file to write the table to as well; `BENCHMARK_ONLY` a few figures, by the functions' names.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from loader.sandbox import SandboxThread
from tests.benchmarks.measure import TOKEN, Bench, Figure, machine, run, told

ROUNDS = 5

PUT = ("--method", "put", "--existing", "replace", "--concurrency", "50")

BATCH = ("--method", "batch", "--existing", "replace")

PERMITTED_BATCH_ROWS = 38_000
"""190 requests per 10 s, each with 2,000 pairs."""

EVERYTHING = """
import importlib, pkgutil, loader
for module in pkgutil.walk_packages(loader.__path__, "loader."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
import pandas, pyarrow, python_calamine, rich, aiohttp
"""


def start_up(bench: Bench) -> list[Figure]:
    """The command's help against importing everything that the loader may ever need."""
    shares = []
    for _ in range(ROUNDS):
        helped = run([sys.executable, "-m", "loader", "--help"], Path.cwd())
        shares.append(helped.seconds / run([sys.executable, "-c", EVERYTHING], Path.cwd()).seconds)
    return [Figure("`--help` against importing everything, wall time", "≤ 0.3", "≤ 0.1", shares)]


def single_puts(bench: Bench) -> list[Figure]:
    """A PUT for each row, 50 in flight, against a bare pool and the other clients."""
    many, few = bench.rows(10_000), bench.rows(1_000)
    slower = ("hubspot_hoisted", "hubspot_readme", "requests_threads", "hubspot_sdk")
    cpu: list[float] = []
    faster: dict[str, list[float]] = {name: [] for name in slower}
    for _ in range(ROUNDS):
        ours, pool = bench.loader(many, *PUT), bench.peer("aiohttp_pool", many)
        cpu.append(ours.cpu / pool.cpu)
        for name in slower:
            rows = few if name != "hubspot_sdk" else bench.rows(200)
            theirs = float(bench.peer(name, rows).out) / _rows(rows)
            faster[name].append(theirs * _rows(many) / ours.seconds)
    hoisted, readme, requests, sdk = faster.values()
    return [
        Figure("PUT: CPU per row against a bare aiohttp pool", "≤ 1.25", "≤ 1.0", cpu),
        Figure("PUT: requests per second against the official client, threads", "≥ 2.5", "≥ 3.5", hoisted),
        Figure("… against the official client as its README shows it, threads", "", "", readme),
        Figure("… against requests, threads", "", "", requests),
        Figure("… against hubspot-sdk, asynchronous", "", "", sdk, "{:.0f}"),
    ]


def put_memory(bench: Bench) -> list[Figure]:
    """How much more memory five times as many rows take."""
    return [_growth(bench, "PUT 100 k → 500 k", (100_000, 500_000), PUT, ending) for ending in ("csv", "parquet")]


def _growth(bench: Bench, what: str, sizes: tuple[int, int], options: Sequence[str], ending: str) -> Figure:
    few, many = (bench.loader(bench.rows(count, ending), *options).peak for count in sizes)
    return Figure(f"peak memory growth, {what} rows, {ending}, MB", "≤ 60", "≤ 20", [many - few], "{:.0f}")


def batches(bench: Bench) -> list[Figure]:
    """Batches of 2,000 from end to end, rows per second, against the official client and naive aiohttp."""
    many, few = bench.rows(200_000), bench.rows(10_000)
    official, naive, cpu = [], [], []
    for _ in range(ROUNDS):
        ours = bench.loader(many, *BATCH)
        official.append(float(bench.peer("hubspot_batch", few).out) / _rows(few) * _rows(many) / ours.seconds)
        naive.append(float(bench.peer("aiohttp_batch", many).out) / ours.seconds)
        cpu.append(ours.cpu / _rows(many) * PERMITTED_BATCH_ROWS)
    return [
        Figure("batch: rows per second against the official client's batch API", "≥ 10", "≥ 40", official, "{:.1f}"),
        Figure("batch: rows per second against naive aiohttp", "≥ 0.5", "≥ 1.5", naive),
        Figure("batch: CPU at 38,000 rows/s, of one core", "≤ 0.6", "≤ 0.3", cpu),
    ]


def batch_memory(bench: Bench) -> list[Figure]:
    """How much more memory five times as many rows take."""
    return [_growth(bench, "batch 1 M → 5 M", (1_000_000, 5_000_000), BATCH, ending) for ending in ("csv", "parquet")]


def nights(bench: Bench) -> list[Figure]:
    """A million rows, the finished run again, and the second night's file, of which one row in a hundred is new."""
    first_file, second_file = bench.rows(1_000_000), bench.rows(1_000_000, changed=100)
    first = bench.loader(first_file, "--method", "batch")
    again = bench.again(first_file, "--method", "batch")
    before = bench.counts()
    second = bench.loader(second_file, "--method", "batch")
    after = bench.counts()
    reads, records, writes = (after[kind] - before[kind] for kind in ("read", "records_read", "pairs_created"))
    return [
        Figure("resume of a finished million-row run, seconds", "≤ 5", "≤ 2", [again.seconds]),
        Figure("second night, 1 M rows, 1 % changed: pairs written", "10,000", "", [writes], "{:.0f}"),
        Figure("second night: reads for each 1,000 records", "≤ 1", "", [reads * 1000 / records]),
        Figure(
            "second night: wall time against the first at 0 ms latency",
            "≤ 0.6",
            "≤ 0.3",
            [second.seconds / first.seconds],
        ),
    ]


def limiter(bench: Bench) -> list[Figure]:
    """100 s at 190 per 10 s and 100 ms latency: how much of the limit is used, and whether it is ever passed."""
    rows = bench.rows(1995)
    with SandboxThread(rate="190/10", latency="100ms", record_requests=True) as sandbox:
        environment = {"HUBSPOT_BASE_URL": sandbox.url, "HUBSPOT_ACCESS_TOKEN": TOKEN}
        command = [sys.executable, "-m", "loader", "load", str(rows), "--from", "contacts", "--to", "companies"]
        given = ["--results", "limit.results.csv", "--rate", "190/10", "--quiet", "--existing", "replace"]
        run([*command, *given], bench.folder, XDG_CACHE_HOME=str(bench.folder), **environment)
        times = [request.time for request in sandbox.requests if request.method == "PUT"]
        above = max(0, sandbox.max_window - 190)
    used = sum(moment < times[0] + 100 for moment in times) / 1900
    return [
        Figure("limiter: most arrivals in a rolling window above the limit", "0", "0", [above], "{:.0f}"),
        Figure("limiter: share of the limit used over 100 s at 100 ms", "≥ 98 %", "≥ 99 %", [used * 100], "{:.1f} %"),
    ]


def _rows(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])


MEASURES: tuple[Callable[[Bench], Sequence[Figure]], ...] = (
    start_up,
    single_puts,
    batches,
    put_memory,
    batch_memory,
    nights,
    limiter,
)


def table(figures: Sequence[Figure]) -> str:
    """Return all figures as a table, under the date and the machine."""
    lines = [
        f"Measured on {datetime.now(UTC):%Y-%m-%d}, {machine()}, Python {sys.version.split()[0]}:",
        "",
        "| Figure | must | aim | median | spread |",
        "|---|---|---|---|---|",
        *(figure.line() for figure in figures),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure everything, or what is asked for, and print the table."""
    only = os.environ.get("BENCHMARK_ONLY", "").split()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="association-loader-benchmark-") as folder, Bench(Path(folder)) as bench:
        for measure in MEASURES:
            if not only or measure.__name__ in only:
                with told(measure.__name__):
                    figures += measure(bench)
    text = table(figures)
    sys.stdout.write(text)
    if output := os.environ.get("BENCHMARK_OUTPUT"):
        Path(output).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
