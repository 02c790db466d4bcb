"""Own keys are staged as numbers that nothing can take for an id, and every value stays the text that it is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from loader.journal import Journal
from loader.model import FoundRecord, Question
from loader.planning.own_keys import asked_as
from loader.planning.staging import Staging
from tests.rows import Link
from tests.stages.fake_portal import row_kind
from tests.stages.staged import HEADER, chunk, claim, group

EMAIL = Question("0-1", "email")
LIKE_NUMBERS = ["00123", "123", "1e2", "100", "1E2", " 7", "7", "0x10", "9223372036854775808"]


@pytest.fixture
def staging(tmp_path: Path) -> Iterator[Staging]:
    with Staging(tmp_path / "r.journal-staging") as made:
        yield made


def pairs(staging: Staging, folder: Path) -> list[tuple[str, str, int]]:
    """Install the journal, and return the ids and the number of rows of every pair."""
    staging.journal.remember(planned=True)
    staging.install(folder / "r.journal")
    with Journal(folder / "r.journal") as journal:
        return [(pair.object_id, pair.to_object_id, pair.rows) for pair in claim(journal, 100)]


def begin(staging: Staging, first: str | None, second: str | None) -> None:
    staging.begin_input("a.csv", "sha", HEADER, ["to_object_id"], (first, second))


def test_values_like_numbers_are_never_numbers(staging: Staging) -> None:
    """`00123`, `123`, `1e2` and `100` are four values, and each makes a pair of its own with one record."""
    begin(staging, "external_id", None)
    staging.append(chunk([Link(n, 0, text, "1", row_kind()) for n, text in enumerate(LIKE_NUMBERS, 2)]))
    question = Question("0-1", "external_id")
    assert staging.keys.questions({1: ("0-1", "0-2")}, asked_as) == {question: len(LIKE_NUMBERS)}
    assert [text for page in staging.keys.values(question) for text in page] == sorted(LIKE_NUMBERS)
    group(staging)
    assert staging.journal.figures().pairs == len(LIKE_NUMBERS)


def test_each_input_has_its_own_property(staging: Staging, tmp_path: Path) -> None:
    """The same text under two properties is two questions, and may be two records."""
    other = Question("0-1", "external_id")
    begin(staging, "email", None)
    staging.append(chunk([Link(2, 0, "x", "1", row_kind())]))
    begin(staging, "external_id", None)
    staging.append(chunk([Link(2, 0, "x", "1", row_kind())]))
    assert staging.keys.questions({1: ("0-1", "0-2")}, asked_as) == {EMAIL: 1, other: 1}
    staging.keys.answer(EMAIL, [("x", FoundRecord("5", "", ""))])
    staging.keys.answer(other, [("x", FoundRecord("6", "", ""))])
    group(staging)
    assert pairs(staging, tmp_path) == [("5", "1", 1), ("6", "1", 1)]
