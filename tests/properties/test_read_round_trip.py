"""Whatever table is written by csv, pandas or openpyxl is read back exactly."""

import csv
import gzip
import io
import random
import re
import tempfile
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loader.model import Chunk
from loader.read import ids, open_inputs
from loader.settings import InputSettings
from tests.rows import links_of, records_of

HEADER = ["object_id", "note", "to_object_id", "label"]
# None is far shorter than another: beside a note that reads "total" it would be the count in a row of totals.
RECORD_IDS = st.integers(10**9, 2**63 - 1).map(str)
# What every format can hold: no surrogates; no NUL, which rejects its row and has tests of its own.
NOTES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
# What a sheet's XML can hold, and calamine does not trim.
SHEET_NOTES = st.text(st.characters(categories=["L", "N", "P"]), max_size=20).filter(
    lambda text: not text.startswith(("=", "#")) and "_x" not in text
)
# What both Windows text and UTF-8 hold, on one line.
WINDOWS_NOTES = st.text("abc XYZ 0189,;|\t\"'=+-@.äöüÄÖÜßéèñ€\u201c\u201d", max_size=20)
quick = settings(max_examples=30, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))


def tables(notes: Any) -> Any:
    # Several labels in one cell are several rows; that has tests of its own.
    labels = notes.filter(lambda text: ";" not in text and "[" not in text)
    return st.lists(st.tuples(RECORD_IDS, notes, RECORD_IDS, labels).map(list), min_size=1, max_size=12)


def read(content: bytes, name: str) -> list[Chunk]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        (source,) = open_inputs(InputSettings(inputs=(str(path),), object_type="0-1", to_object_type="0-2"))
        with closing(source):
            return list(source.chunks())


def check(table: list[list[str]], chunks: list[Chunk], above: int = 0) -> None:
    """Every record is there, in order, with its own row, and asks for what its cells say."""
    assert [no for chunk in chunks for no in chunk.rejects] == []
    assert [cells for chunk in chunks for cells in records_of(chunk)] == table
    links = links_of(chunks)
    assert [(link.row, link.object_id, link.to_object_id) for link in links] == [
        (row, cells[0], cells[2]) for row, cells in enumerate(table, start=2 + above)
    ]


@quick
@given(
    table=tables(NOTES.filter(lambda text: "\n" not in text and "\r" not in text)),
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
)
def test_every_dialect_of_csv_is_read_back(
    table: list[list[str]], delimiter: str, quoting: Any, end: str, encoding: str
) -> None:
    """Delimiter, quotes, line ends, encoding and packing change nothing."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer, delimiter=delimiter, quoting=quoting, lineterminator=end).writerows([HEADER, *table])
    content = buffer.getvalue().encode(encoding)
    packed = len(table) % 2 == 0
    check(table, read(gzip.compress(content) if packed else content, "a.csv.gz" if packed else "a.csv"))


@pytest.mark.slow
@quick
@given(table=tables(NOTES.filter(lambda text: not any(digit in text for digit in "0123456789@."))))
def test_line_breaks_within_quotes_are_read_back(table: list[list[str]]) -> None:
    """A cell may hold any line breaks and any quotes."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows([HEADER, *table])
    check(table, read(buffer.getvalue().encode(), "a.csv"))


@pytest.mark.slow
@quick
@given(table=tables(NOTES))
def test_what_pandas_writes_as_parquet_is_read_back(table: list[list[str]]) -> None:
    """Ids as text or as whole numbers are the same ids."""
    for kind in (str, "int64"):
        frame = pd.DataFrame(table, columns=pd.Index(HEADER)).astype({"object_id": kind, "to_object_id": kind})
        buffer = io.BytesIO()
        frame.to_parquet(buffer, index=False)
        check(table, read(buffer.getvalue(), "a.parquet"))


@pytest.mark.slow
@quick
@given(table=tables(NOTES))
def test_what_pandas_writes_as_jsonl_is_read_back(table: list[list[str]]) -> None:
    """pandas' own escapes are understood."""
    frame = pd.DataFrame(table, columns=pd.Index(HEADER))
    check(table, read(frame.to_json(orient="records", lines=True).encode(), "a.jsonl"))


@pytest.mark.slow
@quick
@given(
    table=tables(WINDOWS_NOTES),
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    packed=st.sampled_from(["", "gzip", "zip"]),
    has_sep_line=st.booleans(),
)
def test_every_dialect_that_pandas_writes_is_read_back(
    table: list[list[str]], delimiter: str, quoting: Any, encoding: str, packed: str, has_sep_line: bool
) -> None:
    """Windows text too, in `.gz` or `.zip`, with or without Excel's `sep=` line before it."""
    frame = pd.DataFrame(table, columns=pd.Index(HEADER))
    text = frame.to_csv(index=False, sep=delimiter, quoting=quoting, lineterminator="\r\n")
    content = (f"sep={delimiter}\r\n{text}" if has_sep_line else text).encode(encoding)
    if packed == "zip":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("export.csv", content)
        content = buffer.getvalue()
    elif packed:
        content = gzip.compress(content)
    check(table, read(content, {"": "a.csv", "gzip": "a.csv.gz", "zip": "a.zip"}[packed]))


@pytest.mark.slow
@settings(quick, max_examples=12)
@given(table=tables(SHEET_NOTES.filter(bool)), above=st.integers(0, 5))
def test_what_pandas_writes_as_a_workbook_is_read_back(table: list[list[str]], above: int) -> None:
    """Below titles, too; short ids as numbers, long ones as text, are the same ids."""
    typed = [[_typed(one), note, _typed(other), label] for one, note, other, label in table]
    buffer = io.BytesIO()
    with pd.ExcelWriter(buffer, engine="openpyxl") as writer:
        frame = pd.DataFrame(typed, columns=pd.Index(HEADER), dtype=object)
        frame.to_excel(writer, index=False, startrow=above)
    chunks = read(buffer.getvalue(), "a.xlsx")
    check(table, chunks, above)


def _typed(record_id: str) -> int | str:
    """An id as a number cell where Excel keeps all its digits."""
    return int(record_id) if len(record_id) <= 15 else record_id


@settings(quick, max_examples=12)
@given(table=tables(SHEET_NOTES))
def test_what_openpyxl_writes_is_read_back(table: list[list[str]]) -> None:
    """Text cells of any number of digits are exact."""
    book = openpyxl.Workbook()
    for row, cells in enumerate([HEADER, *table], start=1):
        for column, value in enumerate(cells, start=1):
            cell = book.active.cell(row, column)
            cell.value, cell.data_type = value, "s"
    buffer = io.BytesIO()
    book.save(buffer)
    check(table, read(buffer.getvalue(), "a.xlsx"))


def test_an_id_is_always_one_to_nineteen_ascii_digits() -> None:
    """Whatever a cell says: an id of 1 to 19 digits, all of which stood in the cell, or a reason."""
    chance = random.Random(1)
    for characters in (
        "0123456789",
        "0123456789.,;eE+-'\"= \u00a0\u200b\u0661\n\0",
        "01.0 \u2003\uff11\U0001f4a9x\ud800/",
    ):
        for _ in range(1000):
            cell = "".join(chance.choices(characters, k=chance.randrange(25)))
            judged = ids.judge(cell)
            assert bool(judged.record_id) != bool(judged.mark), repr(cell)
            if judged.record_id:
                assert re.fullmatch("[1-9][0-9]{0,18}", judged.record_id, re.ASCII), repr(cell)
                assert int(judged.record_id) <= 2**63 - 1, repr(cell)
                digits = "".join(char for char in cell if char in "0123456789")
                assert digits.startswith(judged.record_id), repr(cell)
                assert set(digits[len(judged.record_id) :]) <= {"0"}, repr(cell)


@quick
@given(st.lists(RECORD_IDS | st.sampled_from(["", " ", "x", "1,5"]), max_size=8))
def test_a_list_is_split_into_exactly_its_parts(parts: list[str]) -> None:
    """No part is lost but blank ones, none is made up."""
    assert ids.parts(";".join(parts), lenient=False) == [part for part in parts if part.strip()]
