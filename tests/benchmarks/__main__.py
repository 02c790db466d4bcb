"""`make benchmark`: the loader against its peers, as ratios, in one interleaved run; prints a table in Markdown.

`BENCHMARK_OUTPUT` names a file that gets the table as well: between its marks, where it has them, as the README does;
`BENCHMARK_ONLY` names a few of the functions below, where not all is to be measured.

What compares with a peer is measured in rounds, nothing beside it. Memory is measured once, CSV and Parquet side by
side; that of PUTs beside the limiter's worse situations, for which it keeps the cores busy.
"""

import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.limiter import Situation, situation
from tests.benchmarks.measure import Bench, Cost, Figure, machine, rows_of, run, timed
from tests.benchmarks.servers import Bare

ROUNDS = 5

ROUNDS_OF_NIGHTS = 3

PERMITTED_BATCH_ROWS = 38_000
"""190 requests per 10 s, each with 2,000 pairs."""

MARKS = re.compile(r"(?<=<!-- figures -->\n).*?(?=<!-- end of figures -->)", re.DOTALL)

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
    many = bench.rows(60_000)
    slower = {"hubspot_hoisted": 2_000, "hubspot_readme": 600, "requests_threads": 1_500, "hubspot_sdk": 300}
    cpu: list[float] = []
    faster: dict[str, list[float]] = {name: [] for name in slower}
    for _ in range(ROUNDS):
        ours, pool = bench.put(many), bench.peer("aiohttp_pool", bench.rows(10_000))
        cpu.append(ours.cpu / rows_of(many) / (pool.cpu / 10_000))
        for name, count in slower.items():
            theirs = bench.peer(name, bench.rows(count))
            faster[name].append(_rate(ours, rows_of(many)) / _rate(theirs, count))
    hoisted, readme, requests, sdk = faster.values()
    return [
        Figure("PUT: CPU per row against a bare aiohttp pool", "≤ 1.25", "≤ 1.0", cpu),
        Figure("PUT: requests per second against the official client, threads", "≥ 2.5", "≥ 3.5", hoisted),
        Figure("… against the official client as its README shows it, threads", "", "", readme),
        Figure("… against requests, threads", "", "", requests),
        Figure("… against hubspot-sdk, asynchronous", "", "", sdk, "{:.0f}"),
    ]


def batches(bench: Bench) -> list[Figure]:
    """Batches of 2,000 from end to end, rows per second, against the official client and naive aiohttp."""
    many, fewer, few = bench.rows(1_000_000), bench.rows(200_000), bench.rows(10_000)
    official, naive, cpu, busy = [], [], [], []
    for _ in range(ROUNDS):
        before = bench.for_batches.counts()["cpu"]
        ours = bench.batch(many)
        busy.append((bench.for_batches.counts()["cpu"] - before) / ours.seconds)
        rate = _rate(ours, rows_of(many))
        official.append(rate / _rate(bench.peer("hubspot_batch", few), rows_of(few)))
        naive.append(rate / _rate(bench.peer("aiohttp_batch", fewer), rows_of(fewer)))
        cpu.append(ours.cpu / rows_of(many) * PERMITTED_BATCH_ROWS)
    return [
        Figure("batch: rows per second against the official client's batch API", "≥ 25", "≥ 40", official, "{:.1f}"),
        Figure("batch: rows per second against naive aiohttp", "≥ 1.5", "≥ 2.5", naive),
        Figure("batch: CPU at 38,000 rows/s, of one core", "≤ 0.35", "≤ 0.25", cpu),
        Figure("… the server's CPU meanwhile, of one core", "", "", busy),
    ]


def _rate(cost: Cost, rows: int) -> float:
    return rows / cost.seconds


def limiter_alone(bench: Bench) -> list[Figure]:
    """100 s at 190 per 10 s and 100 ms latency, from a cold start: what is used of the limit, and what is above it."""
    found = situation(bench.folder / "limiter")
    share = [found.shares[0] * 100]
    return [
        Figure("limiter: share of the limit used over 100 s at 100 ms", "≥ 98 %", "≥ 99 %", share, "{:.1f} %"),
        _above("from a cold start", found),
    ]


def put_memory(bench: Bench) -> list[Figure]:
    """How much more memory five times as many PUTs take; beside it, the limiter where it is harder to hold."""
    harder: dict[str, Callable[[Path], Situation]] = {
        "answers after 50 to 150 ms": partial(situation, latency="50ms-150ms"),
        "one answer in twenty a 500, a few a 429": partial(situation, rows=1500, faults="500:0.05,429:0.002"),
        "two loaders at once": partial(situation, loaders=2, rows=1125),
    }
    with ThreadPoolExecutor() as beside:
        situations = {
            name: beside.submit(measure, bench.folder / f"limiter-{number}")
            for number, (name, measure) in enumerate(harder.items())
        }
        figures = _growths(bench, "PUT 100 k → 500 k", (100_000, 500_000), bench.put)
        found = {name: future.result() for name, future in situations.items()}
    shares = [share * 100 for share in found["two loaders at once"].shares]
    return [
        *figures,
        *(_above(f"cores busy, {name}", each) for name, each in found.items()),
        Figure("… the share of the limit that the two used together", "", "", [sum(shares)], "{:.1f} %"),
        Figure("… the share of each", "", "", shares, "{:.1f} %"),
    ]


def _above(where: str, found: Situation) -> Figure:
    what = f"limiter: arrivals above the limit in any rolling window, {where}"
    return Figure(what, "0", "0", [found.above], "{:.0f}")


def batch_memory(bench: Bench) -> list[Figure]:
    """How much more memory five times as many rows take in batches."""
    return _growths(bench, "batch 1 M → 5 M", (1_000_000, 5_000_000), bench.batch)


def _growths(bench: Bench, what: str, sizes: Sequence[int], load: Callable[..., Cost]) -> list[Figure]:
    def growth(ending: str) -> Figure:
        few, many = (load(bench.rows(count, ending), name=f"{ending}-{count}").peak for count in sizes)
        return Figure(f"peak memory growth, {what} rows, {ending}, MB", "≤ 20", "0", [round(many - few)], "{}")

    with ThreadPoolExecutor() as side_by_side:
        return list(side_by_side.map(growth, ("csv", "parquet")))


def nights(bench: Bench) -> list[Figure]:
    """A million rows, the finished run again, and the second night's file, of which one row in a hundred is new."""
    open_wide = [_nights(bench) for _ in range(ROUNDS_OF_NIGHTS)]
    limited = _nights(bench, "--rate", "190/10")
    return [
        Figure("resume of a finished million-row run, seconds", "≤ 5", "≤ 2", [each.again for each in open_wide]),
        Figure(
            "second night, 1 M rows, 1 % changed: pairs written",
            "10,000",
            "",
            [each.written for each in open_wide],
            "{:,.0f}",
        ),
        Figure("second night: reads for each 1,000 records", "≤ 1", "", [each.reads for each in open_wide]),
        Figure(
            "second night: wall time against the first at 0 ms latency",
            "≤ 0.6",
            "≤ 0.3",
            [each.second / each.first for each in open_wide],
        ),
        Figure("… at 190 requests per 10 s", "", "", [limited.second / limited.first]),
        Figure("… seconds", "", "", [limited.second], "{:.0f}"),
    ]


PANDAS = "import sys, pandas; pandas.read_csv(sys.argv[1], dtype=str)"


def whole_road(bench: Bench) -> list[Figure]:
    """A million rows by batch, what is there kept, 20,000 companies: what planning and two nights cost for each row."""
    path = bench.rows(1_000_000, companies=20_000)
    million = rows_of(path)
    plans, against, first_cpu, second_cpu, second_seconds = [], [], [], [], []
    for _ in range(ROUNDS):
        plan = bench.plan(path)
        plans.append(plan.cpu / million * 1e6)
        against.append(plan.cpu / run([sys.executable, "-c", PANDAS, str(path)], Path.cwd()).cpu)
        with Bare(remember=True) as server:
            first_cpu.append(bench.load(path, server.url, "--method", "batch").cpu / million * 1e6)
            second = bench.load(path, server.url, "--method", "batch", name="second")
            second_cpu.append(second.cpu / million * 1e6)
            second_seconds.append(second.seconds)
    return [
        Figure("plan of 1 M rows: CPU, microseconds per row", "≤ 3", "≤ 2", plans, "{:.1f}"),
        Figure("… CPU against pandas.read_csv(dtype=str)", "≤ 2.5", "≤ 1.5", against),
        Figure("first night, 1 M rows by batch, merge: CPU, microseconds per row", "≤ 9", "≤ 6", first_cpu, "{:.1f}"),
        Figure("the night after, nothing changed: CPU, microseconds per row", "≤ 7", "≤ 4", second_cpu, "{:.1f}"),
        Figure("… seconds", "≤ 8", "≤ 5", second_seconds, "{:.1f}"),
    ]


def at_the_limit(bench: Bench) -> list[Figure]:
    """The same first night at 190 requests per 10 s and 100 ms, against what the limit itself needs."""
    path = bench.rows(1_000_000, companies=20_000)
    with Bare(remember=True, latency=0.1) as server:
        took = bench.load(path, server.url, "--method", "batch", "--rate", "190/10").seconds
        counts = server.counts()
    requests = sum(counts[kind] for kind in ("create", "read", "other"))
    return [
        Figure(
            "first night at 190 per 10 s: wall time against requests / 19", "≤ 1.15", "≤ 1.05", [took * 19 / requests]
        ),
        Figure("… requests", "", "", [requests], "{:,.0f}"),
    ]


class Nights(NamedTuple):
    """Seconds of the first night, of the same command again and of the second; what the second wrote and read."""

    first: float
    again: float
    second: float
    written: float
    reads: float


def _nights(bench: Bench, *options: str) -> Nights:
    first_file, second_file = bench.rows(1_000_000), bench.rows(1_000_000, changed=100)
    given = ("--method", "batch", *options)
    with Bare(remember=True) as server:
        first = bench.load(first_file, server.url, *given)
        again = bench.again(first_file, server.url, *given)
        before = server.counts()
        second = bench.again(second_file, server.url, *given)
        after = server.counts()
    reads, records, written = (after[kind] - before[kind] for kind in ("read", "records_read", "pairs_created"))
    return Nights(first.seconds, again.seconds, second.seconds, written, reads * 1000 / records)


MEASURES: tuple[Callable[[Bench], Sequence[Figure]], ...] = (
    start_up,
    single_puts,
    batches,
    limiter_alone,
    put_memory,
    batch_memory,
    nights,
    whole_road,
    at_the_limit,
)


def table(figures: Sequence[Figure], bench: Bench, seconds: float) -> str:
    """Return all figures as a table, under the date, the machine and the servers."""
    python = sys.version.split()[0]
    lines = [
        f"Measured on {datetime.now(UTC):%Y-%m-%d}, {machine()}, Python {python}, in {seconds / 60:.0f} minutes:",
        "",
        "| Figure | must | aim | median | spread |",
        "|---|---|---|---|---|",
        *(figure.line() for figure in figures),
        "",
        f"{_served_by(bench)} The limiter was held against the sandbox.",
    ]
    return "\n".join(lines) + "\n"


def _served_by(bench: Bench) -> str:
    if bench.for_puts.name == bench.for_batches.name:
        return f"PUTs and batches were answered by {bench.for_puts.name}; there was no nginx."
    return (
        f"PUTs were answered by {bench.for_puts.name}, batches by {bench.for_batches.name}, because a batch's answer "
        "names the pairs of its request, which nginx cannot do by itself."
    )


def keep(text: str, path: Path) -> None:
    """Put the table between a file's marks, or make it the file."""
    there = path.read_text("utf-8") if path.exists() else ""
    path.write_text(MARKS.sub(lambda _: text, there) if MARKS.search(there) else text, "utf-8")


def main() -> None:
    """Measure everything, or what is asked for, and print the table."""
    only = os.environ.get("BENCHMARK_ONLY", "").split()
    figures: list[Figure] = []
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="association-loader-benchmark-") as folder, Bench(Path(folder)) as bench:
        for measure in MEASURES:
            if not only or measure.__name__ in only:
                with timed(measure.__name__):
                    figures += measure(bench)
        text = table(figures, bench, time.monotonic() - began)
    sys.stdout.write(text)
    if output := os.environ.get("BENCHMARK_OUTPUT"):
        keep(text, Path(output))


if __name__ == "__main__":
    main()
