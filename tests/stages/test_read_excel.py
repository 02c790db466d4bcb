"""Excel: a cell is an id only while all its digits are there; rows, sheets and cells are named as Excel names them."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlwt

from loader.errors import InputError
from tests.rows import records_of
from tests.stages.read_files import judged, opened

HEAD = ("object_id", "to_object_id")


def xlsx(tmp_path: Path, rows: Any, *, top: int = 1, left: int = 1, change: Any = None) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    for row, values in enumerate(rows, start=top):
        for column, value in enumerate(values, start=left):
            sheet.cell(row, column, value)
    if change:
        change(book, sheet)
    book.save(tmp_path / "a.xlsx")
    return tmp_path / "a.xlsx"


def xls(tmp_path: Path, cells: Mapping[tuple[int, int], Any]) -> Path:
    book = xlwt.Workbook()
    sheet = book.add_sheet("Sheet")
    for (row, column), value in cells.items():
        sheet.write(row, column, value)
    book.save(str(tmp_path / "a.xls"))
    return tmp_path / "a.xls"


def test_an_error_in_a_column_where_blank_means_nothing_is_rejected(tmp_path: Path) -> None:
    """A lookup that failed is not the same as no association."""
    source = opened(xlsx(tmp_path, [("Record ID", "Associated Company IDs"), (1, "#N/A"), (2, None), (3, 4)]))
    assert judged(source) == ([(4, "3", "4")], [(2, "ERROR_CELL")])
    assert sum(chunk.without for chunk in source.chunks()) == 1


def test_a_lost_label_is_no_blank_label(tmp_path: Path) -> None:
    """An error in the label's cell does not make the row unlabelled."""
    source = opened(xlsx(tmp_path, [(*HEAD, "label"), (1, 2, "#N/A"), (1, 2, 7), (1, 2, None)]))
    assert judged(source) == ([(3, "1", "2"), (4, "1", "2")], [(2, "ERROR_CELL")])


def test_the_cell_is_named_as_excel_names_it(tmp_path: Path) -> None:
    """Row and column are the sheet's own, also where the table begins further down and right."""
    source = opened(xlsx(tmp_path, [("My report",), (), HEAD, (1, 2), (), (3, 1e16)], top=4, left=2))
    assert source.understood.header_row == 6
    assert judged(source) == ([(7, "1", "2")], [(9, "DIGITS_LOST")])
    assert next(source.chunks()).rejects[0].message.startswith('Sheet!C9 ("to_object_id"): "1e+16" is a number')
    assert records_of(next(source.chunks())) == [["1", "2"], ["3", "1e+16"]]


@pytest.mark.slow
def test_a_sheet_at_its_limit_is_said(tmp_path: Path) -> None:
    """The last row is the last that the format holds."""
    path = xls(tmp_path, {(0, 0): HEAD[0], (0, 1): HEAD[1], (65535, 0): 1, (65535, 1): 2})
    source = opened(path)
    assert judged(source) == ([(65536, "1", "2")], [])
    assert "65,536" in source.understood.notes[0]


def test_an_old_workbook_is_read_like_a_new_one(tmp_path: Path) -> None:
    """Numbers, texts, true and false, offsets and long numbers; the kind is known whatever the name says."""
    cells: dict[tuple[int, int], Any] = {(2, 1): HEAD[0], (2, 2): HEAD[1]}
    for row, value in enumerate([101, "102", 10**15, 1.5, True], start=3):
        cells |= {(row, 1): value, (row, 2): 7}
    path = xls(tmp_path, cells).rename(tmp_path / "b.csv")
    source = opened(path)
    assert source.understood.format == "xls"
    assert judged(source) == ([(4, "101", "7"), (5, "102", "7")], [(6, "DIGITS_LOST"), (7, "FRACTION"), (8, "BOOLEAN")])


def test_an_error_in_an_old_workbook_is_no_blank(tmp_path: Path) -> None:
    """Every sheet has errors of its own."""
    book = xlwt.Workbook()
    for name in ("First", "S\u00e9cond"):
        sheet = book.add_sheet(name)
        for column, header in enumerate(("Record ID", "Associated Company IDs")):
            sheet.write(0, column, header)
        for row in range(1, 600):
            sheet.write(row, 0, row)
            sheet.write(row, 1, row)
    sheet.row(600).set_cell_error(1, 0x2A)
    sheet.write(600, 0, 9)
    book.save(str(tmp_path / "a.xls"))
    links, rejects = judged(opened(tmp_path / "a.xls", sheet="S\u00e9cond"))
    assert rejects == [(601, "ERROR_CELL")]
    assert len(links) == 599
    assert judged(opened(tmp_path / "a.xls", sheet="First"))[1] == []


@pytest.mark.parametrize("content", [b"PK\x03\x04rubbish", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rubbish", b"PAR1rubbish"])
def test_a_damaged_workbook_is_refused_in_words(tmp_path: Path, content: bytes) -> None:
    """No traceback, but the file's name and what to do."""
    path = tmp_path / "a.xlsx"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.xlsx: cannot be read; it is damaged"):
        opened(path)


def test_a_protected_workbook_is_refused_in_words(tmp_path: Path) -> None:
    """A password is not asked for: save a copy without one."""
    book = xlwt.Workbook()
    book.add_sheet("Sheet").write(0, 0, "x")
    buffer = io.BytesIO()
    book.save(buffer)
    entry = "Workbook".encode("utf-16-le")
    renamed = "EncryptedPackage".encode("utf-16-le")
    content = bytearray(buffer.getvalue())
    place = content.index(entry)
    content[place : place + len(renamed)] = renamed
    content[place + 64 : place + 66] = (34).to_bytes(2, "little")
    path = tmp_path / "a.xlsx"
    path.write_bytes(content)
    with pytest.raises(InputError, match="password"):
        opened(path)


def test_a_protected_old_workbook_is_refused_in_words(tmp_path: Path) -> None:
    """Its records are encrypted after the one that says so."""
    path = xls(tmp_path, {(0, 0): HEAD[0], (0, 1): HEAD[1], (1, 0): 1, (1, 1): 2})
    content = path.read_bytes()
    path.write_bytes(content.replace(b"\xc1\x00\x02\x00\x00\x00", b"\x2f\x00\x02\x00\x00\x00", 1))
    with pytest.raises(InputError, match=r"a\.xls: is protected by a password; save a copy without one\."):
        opened(path)


def test_two_cells_in_far_corners_do_not_fill_the_memory(tmp_path: Path) -> None:
    """A sheet is a full rectangle in memory; one that is almost only holes is refused."""
    path = xlsx(tmp_path, [HEAD, (1, 2)], change=lambda _, sheet: sheet.cell(1_048_576, 16_384, 1))
    with pytest.raises(InputError, match="too far apart"):
        opened(path)
    cells = {(0, 0): HEAD[0], (0, 1): HEAD[1], (65_535, 255): 1}
    with pytest.raises(InputError, match="too far apart"):
        opened(xls(tmp_path, cells))


def test_a_cut_old_workbook_prints_nothing_on_the_screen(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What xlrd has to say of it is held back; there is our sentence alone."""
    cells = {(row, column): f"{row:030}" for row in range(1, 40) for column in (0, 1)}
    path = xls(tmp_path, {(0, 0): HEAD[0], (0, 1): HEAD[1], **cells})
    path.write_bytes(path.read_bytes()[:-52])
    with pytest.raises(InputError, match="damaged or cut short"):
        opened(path)
    assert capfd.readouterr() == ("", "")


def test_dates_and_durations_of_an_old_workbook_are_shown_as_such(tmp_path: Path) -> None:
    """In a column that is not read they are kept as text; a day that no calendar has is the number that it is."""
    book = xlwt.Workbook()
    sheet = book.add_sheet("Sheet")
    moments = [
        (45293, "yyyy-mm-dd", "2024-01-02"),
        (45293.5, "yyyy-mm-dd hh:mm", "2024-01-02 12:00:00"),
        (0.25, "hh:mm", "06:00:00"),
        (1.25, "[h]:mm", "1 day, 6:00:00"),
        (7, "[h]", "7 days, 0:00:00"),
        (18259732943, "yyyy-mm-dd", "18259732943"),
        (7, '0 "days"', "7"),
    ]
    for column, name in enumerate((*HEAD, "note")):
        sheet.write(0, column, name)
    for row, (number, number_format, _) in enumerate(moments, start=1):
        sheet.write(row, 0, row)
        for column in (1, 2):
            sheet.write(row, column, number, xlwt.easyxf(num_format_str=number_format))
    sheet.write_merge(8, 9, 0, 0, 8)
    sheet.write(9, 1, 7)
    book.save(str(tmp_path / "a.xls"))
    source = opened(tmp_path / "a.xls")
    links, rejects = judged(source)
    assert links == [(7, "6", "18259732943"), (8, "7", "7")]
    assert rejects == [(row, "DATE") for row in range(2, 7)] + [(9, "MISSING_RECORD_ID"), (10, "MERGED_CELL")]
    assert list(next(source.chunks()).cells[2])[:7] == [text for _, _, text in moments]
