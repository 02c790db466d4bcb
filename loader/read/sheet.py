"""One sheet of a workbook, for old and new files."""

import datetime
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from loader.errors import InputError, UsageError
from loader.read.cells import show, show_all
from loader.read.headers import fold
from loader.read.packed import MOST_TIMES
from loader.read.table import Mark

# A sheet is read as a full rectangle: a file of 1 kB with two cells in far corners must not fill the memory.
_BYTES_OF_A_CELL = 32
_FREE_CELLS = 6 << 20

Value = int | float | str | bool | datetime.time | datetime.date | datetime.datetime | datetime.timedelta | Mark
"""The value of a cell: a blank text for nothing, a Mark for an error or a value that cannot be read."""


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A sheet that is in memory as a whole.

    `top` and `left` are the first non-empty row and column, counted from 0. `rows` are all rows from the sheet's first,
    even if that is empty, to the last non-empty one; each begins at the column `left`, and is None if a value in it
    cannot be read. `merged` has the cells, as (row, column) from 0, that are empty because they were merged.
    """

    name: str
    top: int
    left: int
    rows: Iterator[list[Value] | None]
    merged: frozenset[tuple[int, int]]


class Workbook(Protocol):
    """A file of sheets, old or new; `notes` are known once one was read."""

    notes: list[str]

    def read(self, wanted: str | None, has_header: Callable[[Sheet], bool]) -> Sheet:
        """Return the wanted sheet, or the only visible one that is not empty; nothing stays open."""
        ...


_DURATION = re.compile(r"\[(h+|m+|s+)\]", re.IGNORECASE)

Range = tuple[int, int, int, int]
"""The first and last row, the first and last column, counted from 0."""


def emptied(ranges: Iterable[Range], bottom: int, right: int) -> frozenset[tuple[int, int]]:
    """Return the cells of merged ranges, up to a last row and column, that are not the first of their range."""
    return frozenset(
        (row, column)
        for top, last_row, left, last_column in ranges
        for row in range(top, min(last_row, bottom) + 1)
        for column in range(left, min(last_column, right) + 1)
        if (row, column) != (top, left)
    )


def choose(
    name: str,
    sheets: dict[str, bool],
    wanted: str | None,
    is_filled: Callable[[str], bool],
    has_header: Callable[[str], bool],
) -> str:
    """Return which sheet to read: the wanted one, or the only visible one that is not empty.

    `sheets` maps each worksheet to whether it is visible. Raises UsageError if the user must choose; it proposes the
    first sheet with a header of ids (`has_header`).
    """
    names = list(sheets)
    if wanted:
        exact = [there for there in names if there == wanted] or [
            there for there in names if fold(there) == fold(wanted)
        ]
        if len(exact) != 1:
            raise UsageError(f"{name}: there is no sheet {show(wanted)}; the sheets are {show_all(names)}.")
        return exact[0]
    visible = [sheet for sheet, is_visible in sheets.items() if is_visible]
    # A single sheet is loaded anyway, even if it is empty.
    filled = visible if len(visible) == 1 else list(filter(is_filled, visible))
    if not filled:
        raise InputError(f"{name}: no visible sheet has anything in it; the sheets are {show_all(names)}.")
    if len(filled) > 1:
        first, *others = list(filter(has_header, filled)) or filled[:1]
        each = f"; {show_all(others)} can be loaded by the same command, one after the other" if others else ""
        raise UsageError(
            f"{name}: has several sheets: {show_all(filled)}; choose one with --sheet {show(first)}{each}."
        )
    return filled[0]


def refuse_sprawl(name: str, cells: int, size: int) -> None:
    """Raise InputError if the rectangles of the sheets have far too many cells for a file of `size` bytes."""
    if cells > max(_FREE_CELLS, MOST_TIMES * size // _BYTES_OF_A_CELL):
        raise InputError(f"{name}: a sheet's few cells lie too far apart; copy the table to a sheet of its own.")


def is_duration_format(text: str) -> bool:
    """Return True if a format shows a number as a duration: `[h]:mm`."""
    return _DURATION.search(text) is not None


def unreadable_mark(value: str) -> Mark:
    """Return the mark for a cell whose value its own format cannot show."""
    why = f"the cell holds {show(value)}, which its format cannot show; format the column as text, and type it again"
    return Mark("ERROR_CELL", why)


def error_mark(text: str) -> Mark:
    """Return the mark for a cell that holds a spreadsheet's error."""
    return Mark("ERROR_CELL", f"the cell holds the error {text[:20]}; fix the formula, or paste the values")


def column_number(letters: str) -> int:
    """Return a column's place from 0.

    >>> column_number("A"), column_number("AB")
    (0, 27)
    """
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def column_letters(number: int) -> str:
    """Return the letters of a column counted from 0.

    >>> column_letters(0), column_letters(27)
    ('A', 'AB')
    """
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
