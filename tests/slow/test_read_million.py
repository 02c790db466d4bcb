"""A million rows: memory stays the same, and the checks cost little more than pandas' mere reading."""

import random
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROWS = 1_000_000
PROGRAM = """
import pathlib, re, sys, time
from loader.read import open_inputs
from loader.settings import InputSettings
start = time.perf_counter()
(source,) = open_inputs(InputSettings(inputs=(sys.argv[1],), object_type="0-1", to_object_type="0-2"))
count = sum(len(chunk.links) for chunk in source.chunks())
seconds = time.perf_counter() - start
# Not ru_maxrss: a child process inherits its parent's.
peak = re.search("VmHWM:[^0-9]+([0-9]+) kB", pathlib.Path("/proc/self/status").read_text())
print(count, seconds, int(peak[1]) / 1024)
"""
PANDAS = """
import sys, time
import pandas
start = time.perf_counter()
frame = pandas.read_csv(sys.argv[1], dtype=str)
print(len(frame), time.perf_counter() - start, 0)
"""


def run(program: str, path: Path) -> tuple[float, float]:
    """Return seconds and megabytes of a process of its own."""
    done = subprocess.run([sys.executable, "-c", program, str(path)], check=True, capture_output=True, text=True)
    count, seconds, megabytes = done.stdout.split()
    assert int(count) == ROWS
    return float(seconds), float(megabytes)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[int], list[int], Path]:
    dice = random.Random(1)
    folder = tmp_path_factory.mktemp("million")
    return (
        [dice.randrange(10**9, 10**12) for _ in range(ROWS)],
        [dice.randrange(10**9, 10**12) for _ in range(ROWS)],
        folder,
    )


def test_a_million_csv_rows_cost_at_most_three_times_pandas(made: tuple[list[int], list[int], Path]) -> None:
    """Median of five rounds, side by side; the ratio and the memory are printed."""
    one, two, folder = made
    path = folder / "a.csv"
    with path.open("w") as file:
        file.write("object_id,to_object_id,label\n")
        file.writelines(f"{a},{b},Decision maker\n" for a, b in zip(one, two, strict=True))
    ratios = []
    for _ in range(5):
        seconds, megabytes = run(PROGRAM, path)
        ratios.append(seconds / run(PANDAS, path)[0])
        assert megabytes < 150
    ratio = sorted(ratios)[2]
    print(f"\nCSV: {ratio:.2f} times pandas.read_csv(dtype=str), {seconds:.2f} s, {megabytes:.0f} MB")
    assert ratio <= 3


def test_a_million_parquet_rows_cost_at_most_three_times_pandas_reading_them_as_csv(
    made: tuple[list[int], list[int], Path],
) -> None:
    """Side by side, in constant memory; pyarrow itself takes a hundred megabytes, and the rows add little."""
    one, two, folder = made
    path, same = folder / "a.parquet", folder / "b.csv"
    pq.write_table(pa.table({"object_id": one, "to_object_id": [str(number) for number in two]}), path)
    with same.open("w") as file:
        file.write("object_id,to_object_id\n")
        file.writelines(f"{a},{b}\n" for a, b in zip(one, two, strict=True))
    ratios = []
    for _ in range(5):
        seconds, megabytes = run(PROGRAM, path)
        ratios.append(seconds / run(PANDAS, same)[0])
        assert megabytes < 300
    ratio = sorted(ratios)[2]
    print(f"\nParquet: {ratio:.2f} times pandas.read_csv(dtype=str), {seconds:.2f} s, {megabytes:.0f} MB")
    assert ratio <= 3
