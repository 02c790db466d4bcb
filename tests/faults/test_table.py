"""No fault of the table is without a test that injects it, as the docstrings of the tests say."""

import ast
import re
from collections import defaultdict
from pathlib import Path

from tests.faults.table import FAULTS

TESTS = Path(__file__).parents[1]


def items(docstring: str) -> set[int]:
    """Return the numbers that a docstring begins with, as `Item 5: ...` or `Items 1, 24 to 27 for batches: ...`."""
    beginning = re.match(r"Items? ((\d+(, | to )?)+)", docstring)
    spans = beginning[1].rstrip(", ").split(", ") if beginning else []
    ends = [list(map(int, span.split(" to "))) for span in spans]
    return {number for span in ends for number in range(span[0], span[-1] + 1)}


def test_every_fault_has_a_test() -> None:
    """And no test is about one that is not there; run with `-s` to read the table."""
    found = defaultdict(list)
    for path in TESTS.rglob("test_*.py"):
        if "Item" in (text := path.read_text("utf-8")):
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                    for number in items(ast.get_docstring(node) or ""):
                        found[number].append(f"{path.relative_to(TESTS)}::{node.name}")
    for number, fault in FAULTS.items():
        print(f"{number:3}  {fault}", *found[number], sep="\n       ")
    assert sorted(number for number, tests in found.items() if tests) == sorted(FAULTS)
