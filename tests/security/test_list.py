"""The security list tells the truth: every item has tests that exist."""

import pytest

from tests.faults.test_table import functions
from tests.security.table import TABLE

ITEMS = 23


@pytest.mark.parametrize("number", sorted(TABLE))
def test_every_named_test_exists(number: int) -> None:
    """A renamed test must not leave a risk uncovered in silence."""
    for name in TABLE[number].tests:
        stem, _, function = name.partition("::")
        assert function.startswith("test_"), name
        assert function in functions(stem), f"item {number} names {name}, and there is no such test"


def test_every_item_has_a_test_or_a_reason() -> None:
    """Run with `-s` to read the list."""
    assert sorted(TABLE) == list(range(1, ITEMS + 1))
    for number, entry in sorted(TABLE.items()):
        print(f"{number:3}  {entry.fault}")
        for line in entry.tests or [f"no test: {entry.cannot}"]:
            print(f"       {line}")
        assert entry.tests or entry.cannot
