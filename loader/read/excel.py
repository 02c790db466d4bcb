"""Excel's `.xlsx` and `.xls`, read by calamine; a number cell is an id only while a double holds all its digits."""

import datetime
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import islice
from typing import BinaryIO

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from loader.errors import InputError, UsageError
from loader.read.columns import is_header, no_header
from loader.read.faults import reading
from loader.read.headers import fold
from loader.read.ids import is_blank
from loader.read.mended import mended
from loader.read.missing import likeness
from loader.read.packed import Packed
from loader.read.quiet import quiet
from loader.read.second_header import SecondHeader
from loader.read.show import show, show_all
from loader.read.table import BATCH, FULL_SHEETS, HEADER_WITHIN, Batch, Mark, full_sheet_note
from loader.read.workbook import column_letters, facts, guard
from loader.read.xls import guard_old, is_encrypted, odd_cells, patches
from loader.settings import InputSettings

_TOO_LONG = Mark("DATE", "has a duration that is too long to be read; format the column as text")

Value = int | float | str | bool | datetime.time | datetime.date | datetime.datetime | datetime.timedelta

# Excel keeps 15 digits of a number and zeroes the rest before a file is ever written.
_EXACT = 10**15
_MERGED = Mark("MERGED_CELL", "the cell is merged with the one above or beside it; unmerge, and fill in each cell")


class Excel:
    """One sheet of a workbook: the one named, or the only visible one with anything in it."""

    encoding: str | None = None
    delimiter: str | None = None

    def __init__(self, packed: Packed, sheet: str | None, settings: InputSettings) -> None:
        self.format = packed.kind
        self.notes: list[str] = []
        self._name = packed.name
        self._packed = packed
        with reading(self._name):
            self._find_header(self._open(packed, sheet), settings)
        self._second_header = SecondHeader(self._name, self.header, settings)

    def _open(self, packed: Packed, wanted: str | None) -> CalamineSheet:
        with packed.open_seekable() as stream:
            if packed.kind == "xlsx":
                guard(self._name, stream)
            elif is_encrypted(stream):
                raise InputError(f"{self._name}: is protected by a password; save a copy without one.")
            else:
                guard_old(self._name, stream)
            self._part = ""
            self._patches = patches(stream.read()) if packed.kind == "xls" else []
            with self._workbook(stream) as workbook:
                self.sheet: str | None = _chosen(self._name, workbook, wanted)
                sheet = _loaded(workbook, self.sheet)
            self._learn(stream, thorough=sheet is None)
            return self._load(stream) if sheet is None or self._part else sheet

    def _learn(self, stream: BinaryIO, *, thorough: bool) -> None:
        """Find out what calamine does not tell of the sheet, and what must be replaced before it reads it."""
        self._odd: dict[tuple[int, int], Mark] = {}
        if self._packed.kind == "xls":
            self._odd = odd_cells(stream.read(), self.sheet or "")
            return
        told = facts(stream, self.sheet or "", thorough=thorough)
        self._odd, self._patches = told.odd, told.patches
        self._part = told.part if told.patches else ""
        if told.hides_rows:
            self.notes.append(f"Sheet {show(self.sheet or '')} hides rows (a filter?); they are read too.")

    def _load(self, stream: BinaryIO) -> CalamineSheet:
        with self._workbook(stream) as workbook:
            return workbook.get_sheet_by_name(self.sheet or "")

    @contextmanager
    def _workbook(self, stream: BinaryIO) -> Iterator[CalamineWorkbook]:
        """Open the workbook, with what calamine cannot represent replaced; the stream is left at its start."""
        stream.seek(0)
        copy = mended(stream, self._part, self._patches) if self._patches else nullcontext(stream)
        with copy as whole, quiet(), CalamineWorkbook.from_filelike(whole) as workbook:
            yield workbook
        stream.seek(0)

    def _find_header(self, sheet: CalamineSheet, settings: InputSettings) -> None:
        if sheet.start is None:
            raise InputError(f"{self._name}: no visible sheet has anything in it; there is nothing to load.")
        likeliest: list[str] = []
        top, self._left = sheet.start
        for row, values in _rows(sheet):
            cells = [_text(value) for value in values or ()]
            if is_header(cells, settings):
                # An error is read as blank, and is a column's header all the same.
                while cells and is_blank(cells[-1]) and (row - 1, self._left + len(cells) - 1) not in self._odd:
                    cells.pop()
                self.header_row, self.header = row, tuple(cells)
                return
            likeliest = max(likeliest, cells, key=likeness)
            if row >= top + HEADER_WITHIN:
                break
        raise no_header(self._name, likeliest, settings)

    def cell_name(self, row: int, column: int) -> str:
        """Return the cell as a spreadsheet names it, `Sheet1!B412`, with its column's header."""
        return f"{self.sheet}!{column_letters(self._left + column)}{row} ({show(self.header[column])})"

    def close(self) -> None:
        """Nothing stays open between readings."""

    def batches(self, told: Counter[str]) -> Iterator[Batch]:
        """Yield the records below the header, with the sheet's true rows.

        calamine holds the sheet whole while this runs, and no longer: many workbooks may be open at once. Excel's own
        limit of a million rows bounds it.
        """
        batch = Batch([], [], {}, {})
        row = 0
        with reading(self._name):
            with self._packed.open_seekable() as stream:
                sheet = self._load(stream)
            merged = self._merged(sheet)
            for row, values in _rows(sheet):
                if row <= self.header_row:
                    continue
                self._record(row, values, merged, batch)
                if len(batch.rows) == BATCH:
                    yield batch
                    batch = Batch([], [], {}, {})
        if batch.rows:
            yield batch
        if row in FULL_SHEETS:
            told[full_sheet_note(row)] += 1

    def _record(self, row: int, values: list[Value] | None, merged: set[tuple[int, int]], batch: Batch) -> None:
        width, place = len(self.header), len(batch.rows)
        if values is None:
            batch.faults[place] = _TOO_LONG
            values = []
        texts = [_text(value) for value in values]
        marks = {}
        for column, value in enumerate(values[:width]):
            if type(value) is str and value:
                continue
            where = row - 1, self._left + column
            if where in self._odd:
                texts[column] = ""
            mark = self._odd.get(where) or (_MERGED if where in merged else _mark(value, texts[column]))
            if mark is not None:
                marks[place, column] = mark
        if (
            all(map(is_blank, texts))
            and not any(mark is not _MERGED for mark in marks.values())
            and place not in batch.faults
        ):
            return
        if any(not is_blank(text) for text in texts[width:]):
            self._second_header.repeats(row, texts)
            batch.faults[place] = Mark("FIELD_COUNT", "has a cell to the right of the header's last column; move it")
        if "\0" in "".join(texts):
            batch.faults[place] = Mark("NUL_CHARACTER", "holds a NUL character; write the row again")
        batch.marks.update(marks)
        batch.rows.append(row)
        batch.cells.append((texts + [""] * width)[:width])

    def _merged(self, sheet: CalamineSheet) -> set[tuple[int, int]]:
        """Return the cells that merging has emptied: all but the first of each range, within the table."""
        bottom, right = sheet.end or (0, 0)
        emptied = set()
        for (top, left), (last_row, last_column) in sheet.merged_cell_ranges or []:
            for row in range(max(top, self.header_row), min(last_row, bottom) + 1):
                for column in range(left, min(last_column, right) + 1):
                    if (row, column) != (top, left):
                        emptied.add((row, column))
        return emptied


def _chosen(name: str, workbook: CalamineWorkbook, wanted: str | None) -> str:
    """Return the name of the sheet to read."""
    sheets = [sheet for sheet in workbook.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]
    names = [sheet.name for sheet in sheets]
    if wanted:
        exact = [there for there in names if there == wanted] or [
            there for there in names if fold(there) == fold(wanted)
        ]
        if len(exact) != 1:
            raise UsageError(f"{name}: there is no sheet {show(wanted)}; the sheets are {show_all(names)}.")
        return exact[0]
    visible = [sheet.name for sheet in sheets if sheet.visible == SheetVisibleEnum.Visible]
    # A lone sheet is loaded anyway, and found to be blank then.
    filled = visible if len(visible) == 1 else [sheet for sheet in visible if _is_filled(workbook, sheet)]
    if not filled:
        raise InputError(f"{name}: no visible sheet has anything in it; the sheets are {show_all(names)}.")
    if len(filled) > 1:
        raise UsageError(f"{name}: has several sheets: {show_all(filled)}; say which with --sheet {show(filled[0])}.")
    return filled[0]


def _is_filled(workbook: CalamineWorkbook, name: str) -> bool:
    sheet = _loaded(workbook, name)
    return sheet is None or sheet.start is not None


def _loaded(workbook: CalamineWorkbook, name: str) -> CalamineSheet | None:
    """Return a sheet, None for one with a cell that calamine cannot represent."""
    try:
        return workbook.get_sheet_by_name(name)
    except CalamineError:
        return None


def _rows(sheet: CalamineSheet) -> Iterator[tuple[int, list[Value] | None]]:
    """Yield each row with its number, None for one with a date or duration that cannot be represented."""
    rows, number = _given(sheet), 0
    while True:
        with quiet():
            some = list(islice(rows, BATCH))
        if not some:
            return
        for values in some:
            number += 1
            yield number, values


def _given(sheet: CalamineSheet) -> Iterator[list[Value] | None]:
    rows = sheet.iter_rows()
    while True:
        try:
            yield next(rows)
        except StopIteration:
            return
        except OverflowError:
            yield None
        except BaseException as error:
            if type(error).__module__ != "pyo3_runtime":  # a panic of calamine is no Exception
                raise
            yield None


def _text(value: Value) -> str:
    """Return a cell's exact text: a whole number without a fraction, true and false as Excel says them."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < _EXACT else repr(value)
    return str(value)


def _mark(value: Value, text: str) -> Mark | None:
    if isinstance(value, bool):
        return Mark("BOOLEAN", f"{show(text)} is true or false, not a record id; write the id as text")
    if isinstance(value, datetime.date | datetime.time | datetime.timedelta):
        return Mark("DATE", f"{show(text)} is a date or time, not a record id; format the column as text")
    if isinstance(value, int | float) and abs(value) >= _EXACT:
        why = f"{show(text)} is a number of more digits than Excel keeps; format the column as text, and export again"
        return Mark("DIGITS_LOST", why)
    return None
