"""Every trap of people's files gives exactly the rows, rejects and row numbers of the table, or one sentence."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from loader.errors import InputError, LoaderError, UsageError
from loader.read import open_inputs
from loader.reasons import REASONS
from loader.settings import InputSettings
from tests.inputs.traps import TRAPS, Case
from tests.rows import links_of

TESTS = Path(__file__).parents[1]
ITEMS = 33
CASES = [
    pytest.param(case, id=f"{number} {trap.item}: {case.about}")
    for number, trap in TRAPS.items()
    for case in trap.cases
]


@pytest.mark.parametrize("case", CASES)
def test_a_trap_gives_exactly_what_the_table_says(case: Case, tmp_path: Path) -> None:
    """No record is lost: each is a row, a reject with its own row number, or the file is refused in words."""
    path = tmp_path / case.file
    path.write_bytes(case.content if isinstance(case.content, bytes) else case.content())
    options = {"object_type": "contacts", "to_object_type": "companies", **dict(case.options)}
    settings = InputSettings(inputs=(str(path),), **options)
    if case.refused:
        with pytest.raises((InputError, UsageError), match=case.refused) as caught:
            _read(settings)
        _check_sentence(caught.value, path)
        return
    rows, rejects, messages, notes = _read(settings)
    assert (rows, rejects) == (list(case.rows), list(case.rejects))
    assert case.said in " ".join(notes)
    for (row, _, reason), message in zip(rejects, messages, strict=True):
        assert reason in REASONS
        assert re.search(rf"(?<![0-9]){row}(?![0-9])", message), "the message names the row"
        assert message.isprintable()


def _read(settings: InputSettings) -> tuple[list[object], list[tuple[int, int, str]], list[str], list[str]]:
    (source,) = open_inputs(settings)
    chunks = list(source.chunks())
    links = links_of(chunks)
    rejects = [no for chunk in chunks for no in chunk.rejects]
    return (
        [tuple(link[:4]) for link in links],
        [(no.row, no.part, no.reason) for no in rejects],
        [no.message for no in rejects],
        source.understood.notes,
    )


def _check_sentence(error: LoaderError, path: Path) -> None:
    said = str(error)
    assert said.startswith(str(path)), "it names the file"
    assert said.isprintable()
    assert said.endswith("."), "it is a sentence"


@cache
def _functions(stem: str) -> frozenset[str]:
    return frozenset(
        node.name
        for path in TESTS.rglob(f"{stem}.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef)
    )


def test_the_table_of_traps_is_whole() -> None:
    """Every item has a case or a test, and every test that is named exists."""
    assert list(TRAPS) == list(range(1, ITEMS + 1))
    for number, trap in TRAPS.items():
        assert trap.cases or trap.tests, number
        for name in trap.tests:
            stem, _, function = name.partition("::")
            assert function in _functions(stem), f"item {number} names {name}, and there is no such test"
