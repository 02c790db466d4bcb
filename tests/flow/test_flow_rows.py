"""Rows that a Python program has itself: mappings, tuples and iterators take the road of every file."""

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import loader
from loader import errors
from loader.api.spool import ROWS_AT_ONCE, RowFile
from loader.sandbox import Sandbox, SandboxThread
from tests.written import names_in

TYPES: dict[str, Any] = {"object_type": "contacts", "to_object_type": "companies", "token": "any", "rate": "9999/1"}
BIG = 2**63 - 1

Named = namedtuple("Named", ["from_id", "to_id"])  # noqa: PYI024 - untyped ones are what programs hold


ROWS: dict[str, Callable[[], Any]] = {
    "mappings": lambda: [{"from_id": 101, "to_id": "201"}, {"to_id": 202, "from_id": BIG}],
    "an iterator of mappings": lambda: ({"from_id": one, "to_id": other} for one, other in ((101, 201), (BIG, 202))),
    "tuples of two ids": lambda: [(101, "201"), (str(BIG), 202.0)],
    "tuples of all fields": lambda: iter(
        [("contact", 101, "company", 201, None, None, None), ("0-1", BIG, "0-2", 202, "", 279, "")]
    ),
    "named tuples": lambda: (Named(one, other) for one, other in ((101, 201), (BIG, 202))),
    "numbers of other libraries": lambda: [(np.int64(101), Decimal("201.0")), (np.int64(BIG), np.float64(202))],
}


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("make", ROWS.values(), ids=ROWS)
async def test_rows_are_loaded_with_exact_ids(make: Callable[[], Any], sandbox: Sandbox, folder: Path) -> None:
    """The first is row 2; results lie in a file of their own name."""
    report = await loader.load(make(), **TYPES, base_url=sandbox.url)
    assert report.exit_code == 0
    found = report.results.sort_values("row")
    assert list(found["row"]) == ["2", "3"]
    assert list(found["object_id"]) == ["101", str(BIG)]
    assert list(found["to_object_id"]) == ["201", "202"]
    assert (folder / "rows.results.csv").exists()


async def test_cells_that_are_no_ids_reject_their_row(sandbox: Sandbox, folder: Path) -> None:
    """A float that cannot hold its digits, a fraction, nothing; and a list asks for several."""
    rows = [(float(2**60), 1), (1.5, 2), (None, 3), (True, 4), (5, [6, "7", 8.0])]
    report = await loader.load(rows, **TYPES, base_url=sandbox.url)
    assert sorted(report.results["status"]) == ["created"] * 3 + ["rejected"] * 4
    assert set(report.results.query("status == 'created'")["to_object_id"]) == {"6", "7", "8"}
    assert list(report.failures["_row"]) == ["2", "3", "4", "5"]
    assert (folder / "rows.failures.csv").exists()


@pytest.mark.usefixtures("folder")
async def test_the_same_rows_again_send_nothing(sandbox: Sandbox) -> None:
    """Rows are known by their content, like a file."""
    given: dict[str, Any] = {**TYPES, "base_url": sandbox.url}
    await loader.load(((n, 1) for n in range(1, 4)), **given)
    await loader.load(((n, 1) for n in range(1, 4)), **given)
    assert sandbox.count("PUT") == 3
    report = await loader.load(iter([]), **given)
    assert (report.exit_code, report.summary["rows"]["total"]) == (0, 0)
    assert report.results.empty
    assert report.failures.empty


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("sync", [True, False], ids=["load_sync", "load"])
async def test_an_iterator_is_asked_in_the_thread_of_whoever_made_it(sync: bool, folder: Path) -> None:
    """A database's cursor refuses every other thread."""
    del folder
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE pairs (one, other)")
    database.executemany("INSERT INTO pairs VALUES (?, ?)", [(n, n + 1) for n in range(1, 2500)])
    try:
        with SandboxThread() as running:
            rows = database.execute("SELECT * FROM pairs")
            given: dict[str, Any] = {**TYPES, "base_url": running.url, "limit": 3}
            report = loader.load_sync(rows, **given) if sync else await loader.load(rows, **given)
    finally:
        database.close()
    assert report.summary["inputs"][0]["rows"] == 2499
    assert report.summary["rows"]["created"] == 3


async def test_paths_may_come_from_an_iterator_too(sandbox: Sandbox, folder: Path) -> None:
    """As `Path.glob` gives them."""
    (folder / "a.csv").write_text("from_id,to_id\n101,201\n")
    (folder / "b.csv").write_text("from_id,to_id\n102,201\n")
    planned = await loader.plan(iter([Path("a.csv"), Path("b.csv")]), **TYPES, base_url=sandbox.url)
    assert (planned.rows, planned.pairs, planned.rejected) == (2, 2, 0)
    assert sandbox.count("PUT") == 0


WRONG: dict[str, tuple[Any, str]] = {
    "a number": (5, "int cannot be loaded"),
    "one mapping": ({"from_id": 1}, "dict cannot be loaded"),
    "a row of three": ([(1, 2), (1, 2, 3)], "row 2 is a tuple of 3"),
    "a list as a row": ([[1, 2]], "row 1 is a list"),
    "a path among rows": ([(1, 2), "a.csv"], "row 2 is a str"),
    "rows of iterrows": (
        list(pd.DataFrame({"from_id": [101], "to_id": [201]}).iterrows()),
        r"itertuples\(index=False\)",
    ),
    "a row among paths": (["a.csv", (1, 2)], "a tuple is among the paths"),
}


@pytest.mark.parametrize(("given", "said"), WRONG.values(), ids=WRONG)
async def test_what_is_no_source_is_said_before_anything_is_done(
    given: Any, said: str, sandbox: Sandbox, folder: Path
) -> None:
    """In one sentence, with the row."""
    with pytest.raises(errors.UsageError, match=said):
        await loader.load(given, **TYPES, base_url=sandbox.url)
    with pytest.raises(errors.UsageError, match=said):
        loader.load_sync(given, **TYPES, base_url=sandbox.url)
    assert not names_in(folder)
    assert sandbox.count() == 0


async def test_what_an_iterator_raises_comes_out_as_it_is(sandbox: Sandbox, folder: Path) -> None:
    """It is the caller's own error; nothing is left behind."""

    def rows() -> Iterator[tuple[int, int]]:
        yield 1, 2
        raise LookupError("the caller's own")

    with pytest.raises(LookupError, match="the caller's own"):
        await loader.load(rows(), **TYPES, base_url=sandbox.url)
    with pytest.raises(LookupError, match="the caller's own"):
        loader.load_sync(rows(), **TYPES, base_url=sandbox.url)
    assert not names_in(folder)


def test_an_iterator_is_read_in_slices() -> None:
    """However many rows it has, they are not held in memory."""
    taken = []

    def rows() -> Iterator[tuple[int, int]]:
        for number in range(1, 3 * ROWS_AT_ONCE):
            taken.append(number)
            yield number, 1

    file = RowFile(rows())
    assert not taken
    assert file.take()
    assert len(taken) == ROWS_AT_ONCE
    while file.take():
        pass
    assert len(file.opened().readlines()) == len(taken)
    file.close()
