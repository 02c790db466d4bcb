"""A million rows: reading and checking them takes little memory. What it costs in time, `make benchmark` measures."""

import random
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROWS = 1_000_000
PROGRAM = """
import sys
from loader.read import open_inputs
from loader.settings import InputSettings
from tests.memory import peak_megabytes
(source,) = open_inputs(InputSettings(inputs=(sys.argv[1],), object_type="0-1", to_object_type="0-2"))
count = sum(len(chunk.links) for chunk in source.chunks())
print(count, peak_megabytes())
"""
DICE = random.Random(1)


def megabytes(path: Path) -> float:
    """Return the highest memory of a process that reads the file, in megabytes."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(path)], check=True, capture_output=True, text=True)
    count, peak = done.stdout.split()
    assert int(count) == ROWS
    return float(peak)


@pytest.fixture(scope="module")
def ids() -> tuple[list[int], list[int]]:
    """Two columns of record ids."""
    one, two = ([DICE.randrange(10**9, 10**12) for _ in range(ROWS)] for _ in range(2))
    return one, two


def test_a_million_csv_rows_are_read_in_little_memory(ids: tuple[list[int], list[int]], tmp_path: Path) -> None:
    """The whole file is never held at once."""
    path = tmp_path / "a.csv"
    with path.open("w") as file:
        file.write("object_id,to_object_id,label\n")
        file.writelines(f"{a},{b},Decision maker\n" for a, b in zip(*ids, strict=True))
    assert megabytes(path) < 150


def test_a_million_parquet_rows_are_read_in_little_memory(ids: tuple[list[int], list[int]], tmp_path: Path) -> None:
    """Pyarrow itself takes a hundred megabytes, and the rows add little."""
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"object_id": ids[0], "to_object_id": [str(number) for number in ids[1]]}), path)
    assert megabytes(path) < 300
