"""The table of faults tells the truth: every test that it names exists, and hardly a fault has none."""

import ast
from functools import cache
from pathlib import Path

from tests.faults.table import ANSWERS, CONNECTIONS, MACHINE, TABLE, Covered

TESTS = Path(__file__).parents[1]
FAULTS = 70
ENOUGH = 65


@cache
def functions(stem: str) -> frozenset[str]:
    """Return the test functions of the file of that name."""
    found = [
        node.name
        for path in TESTS.rglob(f"{stem}.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return frozenset(found)


def missing(table: dict[int, Covered]) -> list[str]:
    """Return the tests that a table names and that do not exist."""
    named = [name for entry in table.values() for name in entry.tests]
    return [name for name in named if name.partition("::")[2] not in functions(name.partition("::")[0])]


def test_every_named_test_exists() -> None:
    """A renamed test must not leave a fault uncovered in silence."""
    assert missing(TABLE) == []


def test_every_fault_has_a_test_or_a_reason() -> None:
    """Entries without a test say why; numbers are those of the list and stand in one range only."""
    assert len(TABLE) == len(ANSWERS) + len(CONNECTIONS) + len(MACHINE)
    assert set(TABLE) == set(range(1, FAULTS + 1))
    assert sum(bool(entry.tests) for entry in TABLE.values()) >= ENOUGH
    assert [number for number, entry in TABLE.items() if not (entry.tests or entry.cannot)] == []


def test_the_table_can_be_read() -> None:
    """Every entry has a line of its own; run with `-s` to read the table."""
    for number in range(1, FAULTS + 1):
        entry = TABLE[number]
        print(f"{number:3}  {entry.fault}")
        for line in entry.tests or [f"no test: {entry.cannot}"]:
            print(f"       {line}")
        if entry.note:
            print(f"       ({entry.note})")
        assert entry.fault
