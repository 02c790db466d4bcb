"""Excel's `.xlsx` and `.xls` as tables; a number cell is an id only while a double holds all its digits."""

import datetime
from collections import Counter
from collections.abc import Iterator
from itertools import islice

from loader.errors import InputError
from loader.read.cells import is_blank, show
from loader.read.columns import is_header, no_header
from loader.read.faults import reading
from loader.read.missing import refuse_pivot
from loader.read.packed import Packed
from loader.read.second_header import SecondHeader
from loader.read.sheet import Sheet, Value, Workbook, column_letters
from loader.read.table import FULL_SHEETS, HEADER_WITHIN, Mark, Record, RecordBatch, Table, full_sheet_note, in_batches
from loader.settings import InputSettings

_TOO_LONG = Mark("DATE", "has a duration that is too long to be read; format the column as text")
# Excel keeps 15 digits of a number; it replaces the rest by zeros before a file is written.
_EXACT = 10**15
_MERGED = Mark("MERGED_CELL", "the cell is merged with the one above or beside it; unmerge, and fill in each cell")


class Excel(Table):
    """One sheet of a workbook: the one named, or the only visible one with anything in it."""

    def __init__(self, packed: Packed, workbook: Workbook, settings: InputSettings) -> None:
        self.format = packed.kind
        self._name = packed.name
        self._workbook = workbook
        self._settings = settings
        with reading(self._name):
            sheet = workbook.read(settings.sheet, self._has_header)
            self.sheet = sheet.name
            self._left = sheet.left
            self._find_header(sheet, settings)
        self.notes = workbook.notes
        self._second_header = SecondHeader(self._name, self.header, settings)

    def _has_header(self, sheet: Sheet) -> bool:
        first_rows = islice(sheet.rows, sheet.top + HEADER_WITHIN)
        return any(is_header([_text(value) for value in values or ()], self._settings) for values in first_rows)

    def _find_header(self, sheet: Sheet, settings: InputSettings) -> None:
        seen: list[list[str]] = []
        row = 0
        for row, values in enumerate(sheet.rows, start=1):
            cells = [_text(value) for value in values or ()]
            if is_header(cells, settings):
                # An error in the header row is read as blank, but its column has a header.
                while values and is_blank(cells[-1]) and not isinstance(values[len(cells) - 1], Mark):
                    cells.pop()
                self.header_row, self.header = row, tuple(cells)
                return
            seen.append(cells)
            if row >= sheet.top + HEADER_WITHIN:
                break
        if not row:
            raise InputError(f"{self._name}: no visible sheet has anything in it; there is nothing to load.")
        refuse_pivot(self._name, seen)
        raise no_header(self._name, seen, settings)

    def cell_name(self, row: int, column: int) -> str:
        """Return the cell as a spreadsheet names it, `Sheet1!B412`, with its column's header."""
        return f"{self.sheet}!{column_letters(self._left + column)}{row} ({show(self.header[column])})"

    def batches(self, counts: Counter[str]) -> Iterator[RecordBatch]:
        """Yield the records below the header, with their row numbers in the sheet.

        The whole sheet is in memory while this runs, and only then: many workbooks may be open at once. Excel's own
        limit of a million rows bounds it.
        """
        with reading(self._name):
            yield from in_batches(self._records(counts), len(self.header))

    def _records(self, counts: Counter[str]) -> Iterator[Record]:
        sheet = self._workbook.read(self.sheet, self._has_header)
        row = 0
        for row, values in enumerate(sheet.rows, start=1):
            if row > self.header_row:
                yield self._record(row, values, sheet.merged)
        if row in FULL_SHEETS:
            counts[full_sheet_note(row)] += 1

    def _record(self, row: int, values: list[Value] | None, merged: frozenset[tuple[int, int]]) -> Record:
        width = len(self.header)
        fault = _TOO_LONG if values is None else None
        values = values or []
        texts = [_text(value) for value in values]
        marks = {}
        for column, value in enumerate(values[:width]):
            if type(value) is str and value:
                continue
            mark = _MERGED if (row - 1, self._left + column) in merged else _mark(value, texts[column])
            if mark is not None:
                marks[column] = mark
        if all(map(is_blank, texts)) and all(mark is _MERGED for mark in marks.values()):
            marks = {}  # A blank row in a merged range is a blank row.
        if any(not is_blank(text) for text in texts[width:]):
            self._second_header.repeats(row, texts)
            fault = Mark("FIELD_COUNT", "has a cell to the right of the header's last column; move it")
        return row, texts, fault, marks


def _text(value: Value) -> str:
    """Return a cell's exact text: a whole number without a fraction, true and false as Excel says them."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mark):
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < _EXACT else repr(value)
    return str(value)


def _mark(value: Value, text: str) -> Mark | None:
    if isinstance(value, Mark):
        return value
    if isinstance(value, bool):
        return Mark("BOOLEAN", f"{show(text)} is true or false, not a record id; write the id as text")
    if isinstance(value, datetime.date | datetime.time | datetime.timedelta):
        return Mark("DATE", f"{show(text)} is a date or time, not a record id; format the column as text")
    if isinstance(value, int | float) and abs(value) >= _EXACT:
        why = f"{show(text)} is a number of more digits than Excel keeps; format the column as text, and export again"
        return Mark("DIGITS_LOST", why)
    return None
