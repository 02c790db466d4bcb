"""What commands wrote into a folder."""

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq


def lines_of(path: Path) -> list[dict[str, str]]:
    """Return the lines of a CSV, JSON lines or Parquet file, every cell as text."""
    if path.suffix == ".jsonl":
        found = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    elif path.suffix == ".parquet":
        found = pq.read_table(path).to_pylist()
    else:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    return [{key: "" if value is None else str(value) for key, value in line.items()} for line in found]


def names_in(folder: Path) -> set[str]:
    """Return the names of what lies in a folder."""
    return {path.name for path in folder.iterdir()}


def hold_nowhere(secret: str, folder: Path) -> None:
    """Fail for a file of a folder that holds a secret, but for those that are there to hold it."""
    for file in folder.rglob("*"):
        if file.is_file() and file.suffix != ".token":
            assert secret.encode() not in file.read_bytes(), f"the token is in {file.name}"
