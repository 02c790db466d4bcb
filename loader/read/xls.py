"""Excel's old `.xls`, read by xlrd."""

import datetime
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import xlrd

from loader.errors import InputError
from loader.read.packed import Packed
from loader.read.sheet import (
    Sheet,
    Value,
    choose,
    emptied,
    error_mark,
    is_duration_format,
    refuse_sprawl,
    unreadable_mark,
)

_BLANK_KINDS = bytes([xlrd.XL_CELL_EMPTY, xlrd.XL_CELL_BLANK])
# An .xlsx with a password is a compound file, like an .xls, with a stream of this name.
_ENCRYPTED_XLSX = "EncryptedPackage".encode("utf-16-le")


class Xls:
    """An old workbook; the file is open, and a sheet in memory, only while it is read."""

    def __init__(self, packed: Packed) -> None:
        self._packed = packed
        self.notes: list[str] = []

    def read(self, wanted: str | None, has_header: Callable[[Sheet], bool]) -> Sheet:
        """Return the wanted sheet, or the only visible one that is not empty."""
        with self._packed.open() as stream:
            data = stream.read()
        if _ENCRYPTED_XLSX in data:
            raise InputError(f"{self._packed.name}: is protected by a password; save a copy without one.")
        # Without formats, merged cells and durations are not known. Ragged rows keep the memory of xlrd small if the
        # cells of a sheet are far apart.
        book = xlrd.open_workbook(
            file_contents=data, logfile=_Silence(), formatting_info=True, on_demand=True, ragged_rows=True
        )
        visible, bounds = {}, {}
        for name in book.sheet_names():
            sheet = book.sheet_by_name(name)
            visible[name] = sheet.visibility == 0
            bounds[name] = _bounds(sheet)
            if book.nsheets > 1:
                book.unload_sheet(name)
        refuse_sprawl(self._packed.name, sum(each.cells for each in bounds.values()), len(data))

        def loaded(name: str) -> Sheet:
            return _sheet(book, book.sheet_by_name(name), bounds[name])

        return loaded(
            choose(
                self._packed.name,
                visible,
                wanted,
                is_filled=lambda each: bounds[each].cells > 0,
                has_header=lambda each: has_header(loaded(each)),
            )
        )


class _Silence(io.TextIOBase):
    """Ignores what xlrd prints about odd records."""

    def write(self, text: str) -> int:
        return len(text)


@dataclass(frozen=True, kw_only=True)
class _Bounds:
    """The first and last non-empty row and column of a sheet, counted from 0."""

    top: int = 0
    bottom: int = -1
    left: int = 0
    right: int = -1

    @property
    def cells(self) -> int:
        return (self.bottom + 1) * (self.right - self.left + 1)


def _bounds(sheet: Any) -> _Bounds:
    rows, firsts, lasts = [], [], []
    for row in range(sheet.nrows):
        kinds = bytes(sheet.row_types(row)).rstrip(_BLANK_KINDS)
        if kinds:
            rows.append(row)
            firsts.append(len(kinds) - len(kinds.lstrip(_BLANK_KINDS)))
            lasts.append(len(kinds) - 1)
    return _Bounds(top=rows[0], bottom=rows[-1], left=min(firsts), right=max(lasts)) if rows else _Bounds()


def _sheet(book: Any, sheet: Any, bounds: _Bounds) -> Sheet:
    ranges = ((top, below - 1, first, beyond - 1) for top, below, first, beyond in sheet.merged_cells)
    return Sheet(
        name=sheet.name,
        top=bounds.top,
        left=bounds.left,
        rows=(_row(book, sheet, row)[bounds.left :] for row in range(bounds.bottom + 1)),
        merged=emptied(ranges, bounds.bottom, bounds.right),
    )


def _row(book: Any, sheet: Any, row: int) -> list[Value]:
    values: list[Value] = sheet.row_values(row)
    for column, kind in enumerate(sheet.row_types(row)):
        if kind == xlrd.XL_CELL_ERROR:
            values[column] = error_mark(xlrd.error_text_from_code.get(values[column], "#ERROR"))
        elif kind == xlrd.XL_CELL_BOOLEAN:
            values[column] = bool(values[column])
        elif kind in (xlrd.XL_CELL_NUMBER, xlrd.XL_CELL_DATE):
            style = book.xf_list[sheet.cell_xf_index(row, column)]
            number = sheet.cell_value(row, column)
            if is_duration_format(book.format_map[style.format_key].format_str):
                values[column] = _duration(number)
            elif kind == xlrd.XL_CELL_DATE:
                values[column] = _moment(number, book.datemode)
    return values


def _duration(days: float) -> Value:
    try:
        return datetime.timedelta(days=days)
    except (OverflowError, ValueError):
        return unreadable_mark(f"{days:g}")


def _moment(days: float, mode: int) -> Value:
    """Return a date, a time or both; the number itself if there is no such day."""
    try:
        moment: datetime.datetime = xlrd.xldate_as_datetime(days, mode)
    except (OverflowError, ValueError):
        return days
    if 0 <= days < 1:
        return moment.time()
    return moment.date() if days.is_integer() else moment
