"""What commands wrote into a folder."""

import csv
from pathlib import Path


def lines_of(path: Path) -> list[dict[str, str]]:
    """Return the lines of a CSV file, every cell as text."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def names_in(folder: Path) -> set[str]:
    """Return the names of what lies in a folder."""
    return {path.name for path in folder.iterdir()}


def hold_nowhere(secret: str, folder: Path) -> None:
    """Fail for a file of a folder that holds a secret, but for those that are there to hold it."""
    for file in folder.rglob("*"):
        if file.is_file() and file.suffix != ".token":
            assert secret.encode() not in file.read_bytes(), f"the token is in {file.name}"
