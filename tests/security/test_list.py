"""The security list tells the truth: every item has tests that exist."""

import ast
from functools import cache
from pathlib import Path

from tests.security.table import TABLE

TESTS = Path(__file__).parents[1]
ITEMS = 23


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


def test_every_item_has_tests_that_exist() -> None:
    """A renamed test must not leave a risk uncovered in silence; run with `-s` to read the list."""
    assert sorted(TABLE) == list(range(1, ITEMS + 1))
    for number, entry in sorted(TABLE.items()):
        print(f"{number:3}  {entry.fault}", *entry.tests, sep="\n       ")
        assert entry.tests
    named = [name for entry in TABLE.values() for name in entry.tests]
    assert [name for name in named if name.partition("::")[2] not in functions(name.partition("::")[0])] == []
