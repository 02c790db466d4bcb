"""A failures file opens where its input was opened: Excel in, Excel out; a text keeps its delimiter and its mark."""

import codecs
import csv
import io
import shlex
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from loader.record import workbook
from loader.record.workbook import LONGEST_CELL, WorkbookWriter
from loader.sandbox import Sandbox
from tests.cli.conftest import Run, lines, names

ODD = ["=1+1", " a ", "a\r\nb", "_x0041_", "\x01", "é😀", "<&>\"'", "0018259732943", "\ufffe"]


def make_workbook(path: Path, *rows: tuple[Any, ...], title: str = "Links") -> None:
    """Write a workbook with one sheet."""
    book = openpyxl.Workbook()
    book.active.title = title
    for row in rows:
        book.active.append(row)
    book.save(path)


def test_the_failures_of_a_workbook_are_a_workbook_of_text(sandbox: Sandbox, load: Run, run: Run) -> None:
    """An id that is corrected there keeps all its digits, nothing in it runs, and the next command loads it."""
    notes = ["x" * 10, "2026-11-28"]
    rows = [(1, "9" * 25, note) for note in notes]
    make_workbook(Path("a.xlsx"), ("from_id", "to_id", "note"), (1, 2, "good"), *rows)
    done = load("a.xlsx", "--sheet", "Links")
    assert (done.code, names("*failures*")) == (1, ["a.failures.xlsx"])
    book = openpyxl.load_workbook(Path("a.failures.xlsx"))
    header, *cells = book["Links"].iter_rows(max_col=10)
    assert [cell.value for cell in header][:5] == ["from_id", "to_id", "note", "_input", "_row"]
    assert {(cell.data_type, cell.number_format) for row in cells for cell in row if cell.value} == {("s", "@")}
    assert "is larger than" in str(cells[0][7].value)
    for row, (first, *_) in enumerate(cells, start=2):
        first.value, book["Links"][f"B{row}"].value = "25310007160", f"1825973294{row}"
    book.save(Path("a.failures.xlsx"))
    (following,) = (line for line in done.err.splitlines() if line.startswith("Next: "))
    assert run(*shlex.split(following.removeprefix("Next: "))[1:]).code == 0
    assert {line["object_id"] for line in lines("a.failures.results.csv")} == {"25310007160"}


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "^"])
def test_failures_keep_delimiter_and_bom(mark: bytes, delimiter: str, sandbox: Sandbox, load: Run, run: Run) -> None:
    """So that the program that opened the input shows the failures in the same columns; the next command reads it."""
    odd = f'a{delimiter}b,"c"'
    with io.StringIO(newline="") as text:
        csv.writer(text, delimiter=delimiter).writerows([["from_id", "to_id", "note"], ["1", "x", odd]])
        Path("a.csv").write_bytes(mark + text.getvalue().encode())
    given = ["--delimiter", delimiter] if delimiter == "^" else []
    done = load("a.csv", *given)
    content = Path("a.failures.csv").read_bytes()
    assert content.startswith(codecs.BOM_UTF8) == bool(mark)
    (line,) = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=delimiter)
    assert (line["note"], line["_row"]) == (odd, "2")
    (following,) = (line for line in done.err.splitlines() if line.startswith("Next: "))
    again = run(*shlex.split(following.removeprefix("Next: "))[1:])
    (line,) = csv.DictReader(Path("a.failures.results.csv").read_text().splitlines())
    assert (again.code, line["to_object_id"]) == (1, "x")


def test_failures_of_windows_text_get_a_bom(sandbox: Sandbox, load: Run) -> None:
    """The failures are UTF-8: without it, Excel would show other letters than in the input."""
    Path("a.csv").write_bytes("from_id;to_id;Straße\n1;x;Müller\n".encode("cp1252"))
    assert load("a.csv").code == 1
    assert Path("a.failures.csv").read_bytes().startswith(codecs.BOM_UTF8)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("name", ["b.xlsx", "b.XLSX"])
def test_failures_can_be_a_workbook(name: str, sandbox: Sandbox, load: Run) -> None:
    """What no workbook wrote stays; what a load wrote there makes way with a date."""
    Path("a.csv").write_text("from_id,to_id\n1,x\n")
    make_workbook(Path(name), ("from_id", "to_id"), (1, 2))
    before = Path(name).read_bytes()
    done = load("a.csv", "--failures", name)
    assert (done.code, Path(name).read_bytes()) == (2, before)
    Path(name).unlink()
    assert load("a.csv", "--failures", name).code == 1
    first = Path(name).read_bytes()
    assert load("c.csv", "--failures", name, text="from_id,to_id\n1,y\n").code == 1
    (kept,) = Path().glob(f"c.2*{name}")
    assert kept.read_bytes() == first
    assert openpyxl.load_workbook(Path(name)).active["B2"].value == "y"


def test_failures_in_another_format_make_way_too(sandbox: Sandbox, load: Run) -> None:
    """A run of the same name that reads a workbook leaves no failures of the run before it beside its own."""
    assert load("a.csv", "--results", "night.csv", text="from_id,to_id\n1,x\n").code == 1
    old = Path("night.failures.csv").read_bytes()
    make_workbook(Path("a.xlsx"), ("from_id", "to_id"), (1, "y"))
    assert load("a.xlsx", "--results", "night.csv").code == 1
    assert Path("night.failures.xlsx").exists()
    assert not Path("night.failures.csv").exists()
    (kept,) = Path().glob("night.2*.failures.csv")
    assert kept.read_bytes() == old


def test_every_text_comes_back_and_no_row_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full sheet is followed by another; what Excel cannot hold ends with a sentence that is no record id."""
    monkeypatch.setattr(workbook, "MOST_ROWS", 6)
    with (tmp_path / "a.xlsx").open("w+b") as file:
        writer = WorkbookWriter(file, ["h", "n"], title='A long title & "more" of it')
        for text in [*ODD, "1;" * 20_000]:
            writer.write([text, ""])
        writer.close()
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    assert [sheet.title for sheet in book] == ['A long title & "more" of it', 'A long title & "more" of it (2)']
    assert [sheet["A1"].value for sheet in book] == ["h", "h"]
    *found, cut = (str(row[0].value) for sheet in book for row in sheet.iter_rows(min_row=2))
    assert [openpyxl.utils.escape.unescape(text) for text in found] == [
        text.replace("\ufffe", "\ufffe") for text in ODD
    ]
    assert len(cut) == LONGEST_CELL
    assert cut.endswith("longer ones]")
