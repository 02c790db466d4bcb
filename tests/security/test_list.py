"""The security list tells the truth: every item has tests that exist."""

from tests.faults.test_table import missing
from tests.security.table import TABLE

ITEMS = 23


def test_every_named_test_exists() -> None:
    """A renamed test must not leave a risk uncovered in silence."""
    assert missing(TABLE) == []


def test_every_item_has_a_test_or_a_reason() -> None:
    """Run with `-s` to read the list."""
    assert sorted(TABLE) == list(range(1, ITEMS + 1))
    for number, entry in sorted(TABLE.items()):
        print(f"{number:3}  {entry.fault}")
        for line in entry.tests or [f"no test: {entry.cannot}"]:
            print(f"       {line}")
        assert entry.tests or entry.cannot
