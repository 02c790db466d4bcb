"""What odd files cost: time that grows as their bytes do, and memory within bounds, however they are made."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from loader.sandbox import SandboxThread

MOST_MEGABYTES = 300
MOST_SECONDS = 90
"""Of the processor: ten times what the slowest of them takes, and a fraction of what the square of it would."""

IDS = "from_id,to_id\n"
LABELS = "from_id,to_id,label\n"
TYPES = "object_type,from_id,to_object_type,to_id\n"
MANY = 20_000
LONG = 10_000_000


def rows(form: str, count: int = MANY) -> Iterator[str]:
    """Yield lines in each of which `{n}` is another number."""
    return (form.format(n=number) + "\n" for number in range(1, count + 1))


FILES: dict[str, tuple[Callable[[], Iterator[str]], int]] = {
    "distinct labels": (lambda: iter([LABELS, *rows("{n},{n},Label {n}")]), 0),
    "distinct type ids": (lambda: iter(["from_id,to_id,association_type_id\n", *rows("{n},{n},9{n}")]), 1),
    "distinct categories": (lambda: iter(["from_id,to_id,association_category\n", *rows("{n},{n},C_{n}")]), 1),
    "distinct object types": (lambda: iter([TYPES, *rows("thing {n},{n},companies,{n}")]), 1),
    "distinct pairs of types": (lambda: iter([TYPES, *rows("2-{n},{n},2-9{n},{n}")]), 0),
    "a label of ten million characters": (lambda: iter([f"{LABELS}1,2,{'x' * LONG}\n3,4,\n"]), 0),
    "an id of ten million digits": (lambda: iter([f"{IDS}{'1' * LONG},2\n3,4\n"]), 1),
    "an object type of ten million characters": (lambda: iter([f"{TYPES}{'x' * LONG},1,companies,2\n"]), 1),
    "a cell that nobody reads": (lambda: iter([f"from_id,to_id,notes\n1,2,{'y' * LONG}\n"]), 0),
    "ten million blanks": (lambda: iter([f"{IDS}{' ' * LONG}1,2\n"]), 0),
    "invisible characters by turns": (lambda: iter([IDS, "\u200b \ufeff\u00a0" * 1_000_000, "12,2\n"]), 0),
    "invisible characters in a label": (lambda: iter([LABELS, "1,2,", "\u200b \ufeff\u00a0" * 1_000_000, "\n"]), 0),
    "two million ids in a cell": (lambda: iter([f"{IDS}1,", ";".join(map(str, range(1, 2_000_001))), "\n"]), 0),
    "half a million words in a cell": (lambda: iter([f"{IDS}1,", ";".join(["x"] * 500_000), "\n"]), 1),
    "a million labels in a cell": (lambda: iter([f"{LABELS}1,2,", ";".join(map(str, range(10**6))), "\n"]), 0),
    "nothing but delimiters": (lambda: iter(["," * LONG]), 2),
    "lines of nothing but delimiters": (lambda: iter([",,,,,,,,,\n" * 1_000_000]), 2),
    "a million columns": (lambda: iter([",".join(map(str, range(10**6))), ",from_id,to_id\n"]), 2),
    "a million labels as columns": (lambda: iter([IDS[:-1], *(f",label {n}" for n in range(10**6)), "\n"]), 2),
    "a record of ten million fields": (lambda: iter([f"{IDS}1,2{',' * LONG}\n"]), 1),
    "a header of ten million characters": (lambda: iter([f"from_id,to_id,{'h' * LONG}\n1,2,3\n"]), 2),
    "ten million empty lines": (lambda: iter([IDS, "\n" * LONG, "1,2\n"]), 0),
}
"""Each with the exit code of its plan."""


class Spent(NamedTuple):
    """What a command came to, and what it took."""

    code: int
    said: str
    seconds: float
    megabytes: float


MEASURE = """
import json, resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
spent = resource.getrusage(resource.RUSAGE_CHILDREN)
with open("spent", "w") as file:
    json.dump([code, spent.ru_utime + spent.ru_stime, spent.ru_maxrss / 1024], file)
"""
"""Starts the command from a small process: what a process takes is at least what the one took that it comes from."""


def run(folder: Path, *arguments: str, **environment: str) -> Spent:
    """Run a command in a process of its own."""
    plain = {name: text for name, text in os.environ.items() if not name.startswith("HUBSPOT_")}
    with (folder / "said").open("wb") as said:
        subprocess.run(
            [sys.executable, "-c", MEASURE, sys.executable, "-m", "loader", *arguments],
            cwd=folder,
            env={**plain, "PYTHONPATH": str(Path(__file__).parents[2]), **environment},
            stdout=said,
            stderr=said,
            check=True,
        )
    code, seconds, megabytes = json.loads((folder / "spent").read_text())
    return Spent(code, (folder / "said").read_text("utf-8"), seconds, megabytes)


def check(spent: Spent, code: int) -> None:
    print(f"{spent.seconds:.1f} s, {spent.megabytes:.0f} MB")
    assert spent.code == code, spent.said[:2000]
    assert spent.seconds <= MOST_SECONDS
    assert spent.megabytes <= MOST_MEGABYTES
    assert len(spent.said) < 30_000


@pytest.mark.parametrize("kind", FILES)
def test_a_file_costs_no_more_than_its_bytes(tmp_path: Path, kind: str) -> None:
    """And what is said of it can be read."""
    made, code = FILES[kind]
    with (tmp_path / "a.csv").open("w", encoding="utf-8") as file:
        file.writelines(made())
    options = () if made().__next__().startswith("object_type") else ("--from", "contacts", "--to", "companies")
    check(run(tmp_path, "plan", "a.csv", *options), code)


PORTAL = [{"category": "USER_DEFINED", "typeId": number, "label": f"Label {number}"} for number in range(1, 100_001)]


@pytest.mark.parametrize(
    ("form", "count", "code"),
    [
        ("{n},{n},Lable {n}", 1, 1),
        ("{n},{n},Lable {n}", MANY, 1),
        ("{n},{n},Label {n}", MANY, 0),
        ("{n},{n},No such thing as {n}", MANY, 1),
    ],
)
def test_a_portal_of_a_hundred_thousand_labels(tmp_path: Path, form: str, count: int, code: int) -> None:
    """One label misspelt, or twenty thousand; the nearest are named for the first hundred."""
    (tmp_path / "a.csv").write_text(LABELS + "".join(rows(form, count)))
    body: Any = json.dumps({"results": PORTAL})
    faults = [{"fault": "200", "route": "labels", "body": body, "content_type": "application/json"}]
    with SandboxThread(faults=faults) as sandbox:
        spent = run(
            tmp_path,
            *("plan", "a.csv", "--from", "contacts", "--to", "companies"),
            HUBSPOT_BASE_URL=sandbox.url,
            HUBSPOT_ACCESS_TOKEN="any",
        )
    check(spent, code)
    if "Lable" in form:
        assert "did you mean 'Label 1'" in spent.said
