"""Columns with types of their own: an id that a float cannot hold is never sent, an unreadable date costs a row."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import loader
from loader.sandbox import Sandbox

TYPES: dict[str, Any] = {"object_type": "contacts", "to_object_type": "companies", "token": "any", "rate": "9999/1"}

WIDTHS = {"float16": 11, "float32": 24, "float64": 53}
"""Bits of the significand: every whole number below 2 to their power is held exactly."""


def ids_around(name: str) -> tuple[list[int], list[int]]:
    """Whole numbers that a float of this name holds, and some that become their neighbour."""
    edge = 2 ** WIDTHS[name]
    lost = [edge + 1, edge + 3, 11 * edge // 8 + 1]
    return [201, edge - 1], [*lost, 18259732943] if name == "float32" else lost


def parquet(column: Any) -> Path:
    pq.write_table(pa.table({"from_id": range(101, 101 + len(column)), "to_id": column}), "a.parquet")
    return Path("a.parquet")


def frame(column: Any) -> pd.DataFrame:
    return pd.DataFrame({"from_id": range(101, 101 + len(column)), "to_id": column})


def rows(column: Any) -> list[dict[str, Any]]:
    return [{"from_id": 101 + place, "to_id": cell} for place, cell in enumerate(column)]


def array(values: list[int], kind: str) -> Any:
    return np.array(values, dtype=kind)


SHAPES: dict[str, Callable[[list[int], str], Any]] = {
    "Parquet": lambda ids, kind: parquet(array(ids, kind)),
    "Parquet, dictionary": lambda ids, kind: parquet(pa.array(array(ids, kind)).cast(kind).dictionary_encode()),
    "Parquet, lists": lambda ids, kind: parquet(pa.array([list(array([each], kind)) for each in ids])),
    "Parquet, lists of lists": lambda ids, kind: parquet(pa.array([[list(array([each], kind))] for each in ids])),
    "Parquet, fixed lists": lambda ids, kind: parquet(pa.FixedSizeListArray.from_arrays(pa.array(array(ids, kind)), 1)),
    "frame": lambda ids, kind: frame(array(ids, kind)),
    "frame, nullable": lambda ids, kind: frame(
        pd.array(pa.array(array(ids, kind)), pd.ArrowDtype(getattr(pa, kind)()))
    ),
    "frame, categories": lambda ids, kind: frame(pd.Categorical(pd.Series(array(ids, kind)))),
    "frame, sparse": lambda ids, kind: frame(pd.arrays.SparseArray(array(ids, kind))),
    "frame, arrays": lambda ids, kind: frame(pd.Series([array([each], kind) for each in ids])),
    "frame, mixed": lambda ids, kind: frame(pd.Series([*array(ids, kind)], dtype=object)),
    "rows": lambda ids, kind: rows(array(ids, kind)),
    "rows of lists": lambda ids, kind: rows([[each] for each in array(ids, kind)]),
    "rows of Arrow": lambda ids, kind: rows(pa.array(array(ids, kind))),
}


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("shape", "kind"),
    [(shape, "float32") for shape in SHAPES]
    + [(shape, kind) for shape in ("Parquet", "frame", "rows") for kind in ("float16", "float64")],
)
async def test_only_ids_that_a_float_holds_are_sent(shape: str, kind: str, sandbox: Sandbox, folder: Path) -> None:
    """Those below its limit are loaded; beyond it the row is rejected, and nothing is sent for it."""
    held, lost = ids_around(kind)
    report = await loader.load(SHAPES[shape](held + lost, kind), **TYPES, base_url=sandbox.url)
    found = report.results.sort_values("row", key=lambda column: column.astype(int))
    assert list(found["status"]) == ["created"] * len(held) + ["rejected"] * len(lost)
    assert list(found["to_object_id"][: len(held)]) == list(map(str, held))
    assert set(found["error_category"][len(held) :]) == {"DIGITS_LOST"}
    sent = [
        sandbox.portal.types_of("contacts", 101 + len(held), "companies", int(array([each], kind)[0])) for each in lost
    ]
    assert not any(sent)


async def test_a_bad_float_in_a_list_costs_its_own_part_only(sandbox: Sandbox, folder: Path) -> None:
    """The other ids of the cell are loaded."""
    report = await loader.load(
        parquet(pa.array([[201.0, 18259732943.0]], pa.list_(pa.float32()))), **TYPES, base_url=sandbox.url
    )
    assert sorted(report.results["status"]) == ["created", "rejected"]
    assert sandbox.portal.types_of("contacts", 101, "companies", 201)


async def test_blanks_and_fractions_of_narrow_floats_are_rejected(sandbox: Sandbox, folder: Path) -> None:
    """A half float of a nullable column: blank, a fraction, a number without end."""
    values: Any = pd.array(pa.array([201, None, 1.5, float("inf")], pa.float16()), pd.ArrowDtype(pa.float16()))
    report = await loader.load(frame(values), **TYPES, base_url=sandbox.url)
    found = report.results.sort_values("row")
    assert list(found["error_category"]) == ["", "MISSING_RECORD_ID", "FRACTION", "DIGITS_LOST"]


UNREADABLE = {
    "a moment beyond all years": pa.array([10**15, None], pa.timestamp("s")),
    "a day beyond all years": pa.array([2**31 - 1, None], pa.int32()).cast(pa.date32()),
    "a list of moments": pa.array([[10**15], None], pa.list_(pa.timestamp("s"))),
    "an unknown time zone": pa.array([1, None], pa.timestamp("us", "Nowhere/Town")),
}


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("kind", UNREADABLE)
async def test_a_date_that_python_has_not_costs_at_most_its_row(kind: str, sandbox: Sandbox, folder: Path) -> None:
    """In a column that nobody reads it costs nothing; as an id or a label it is no blank."""
    for column, expected in (("note", ["created"] * 2), ("label", ["rejected", "created"])):
        columns = {"from_id": [101, 102], "to_id": [201, 201], column: UNREADABLE[kind]}
        pq.write_table(pa.table(columns), "a.parquet")
        report = await loader.load("a.parquet", **TYPES, base_url=sandbox.url, fresh=True)
        assert list(report.results.sort_values("row")["status"].replace("unchanged", "created")) == expected
