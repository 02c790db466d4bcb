"""Lines as CSV text: any table's, and those of the results a hundred times as often.

Cells that a spreadsheet would run as a formula are made plain text [OWASP: CSV injection].
"""

import csv
import io
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from loader.journal import Journal, Line, LineBlock, line_blocks, lines
from loader.numbered_text import numbered
from loader.text import visible

Cell = str | int | None

# A cell that begins with an apostrophe is text already; the wide signs count in some of Excel's languages, and what
# does not print (C0 signs, zero-width and direction marks) may be dropped by the program that opens the file.
_FORMULA = re.compile(
    r"[\s\"\0-\x20\u200B-\u200F\u202A-\u202E\u2060-\u206F\uFEFF]*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20]|[\t\r\n]"
)
_SPECIAL = re.compile(r'[",\r\n]')
_NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?", re.ASCII)


def defused(text: str) -> str:
    """Return the text, after an apostrophe if a spreadsheet would take it for a formula; numbers and a dash stay."""
    if _FORMULA.match(text) and not _NUMBER.fullmatch(text) and text != "-":
        return f"'{text}"
    return text


def csv_line(cells: Iterable[str], delimiter: str = ",") -> str:
    """Return cells, defused, as one line of CSV; line breaks in them keep their form.

    Python's writer leaves a lone carriage return unquoted, and whatever follows it would begin a line of its own.
    """
    written = []
    for cell in map(defused, cells):
        is_special = delimiter in cell or _SPECIAL.search(cell)
        written.append('"' + cell.replace('"', '""') + '"' if is_special else cell)
    return delimiter.join(written) + "\n"


def defused_lines(lines: Iterable[Sequence[Cell]], marks: Collection[str] = ()) -> Iterator[tuple[Cell, ...]]:
    """Yield the lines, of one length, with every cell defused, and its control characters shown escaped.

    `marks` are cells of our own that stay as they are.
    """
    # By columns: most hold few different cells, and a million lines have eighteen each.
    return zip(*(_defused_column(column, marks) for column in zip(*lines, strict=True)), strict=True)


def _defused_column(column: Sequence[Cell], marks: Collection[str]) -> Sequence[Cell]:
    changed: dict[Cell, str] = {
        cell: safe
        for cell in set(column)
        if isinstance(cell, str)
        and cell not in marks
        and not (cell.isprintable() and cell[:1].isalnum())
        and (safe := defused(visible(cell))) != cell
    }
    return [changed.get(cell, cell) for cell in column] if changed else column


LinesOf = Callable[[Journal, str, int], Iterator[tuple[int, Line]]]
"""Yields the lines of a journal's view (`outcomes` or `rejected`) that come after a number, each with its number."""

TextsOf = Callable[[Journal, str, int], Iterator[tuple[int, bytes]]]
"""The same as text in UTF-8, many lines at once, with the number of the last."""

LINES_AT_ONCE = 2000


def texts_of(lines_of: LinesOf, text_of: Callable[[Iterable[Any]], str]) -> TextsOf:
    """Return a function that yields many lines as one text."""

    def texts(journal: Journal, view: str, after: int) -> Iterator[tuple[int, bytes]]:
        lines = lines_of(journal, view, after)
        while batch := list(islice(lines, LINES_AT_ONCE)):
            yield batch[-1][0], _encoded(text_of(line for _, line in batch))

    return texts


def csv_lines(batch: Iterable[Sequence[Cell]], marks: Collection[str] = ()) -> str:
    """Return lines, of one length, as CSV; `marks` are cells of our own that stay as they are."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(defused_lines(batch, marks))
    return text.getvalue()


def csv_texts(journal: Journal, view: str, after: int) -> Iterator[tuple[int, bytes]]:
    """Yield the results' lines of a journal's view that come after a number, many at once, each time the last number.

    A load writes millions of rows, and most cells have the same text in many of them. Such cells are made into text
    once, with places for the row's own numbers.
    """
    if view == "outcomes":
        for block in line_blocks(journal, after):
            yield block.number, _block_text(block)
    else:
        yield from texts_of(lines, csv_lines)(journal, view, after)


def _block_text(block: LineBlock) -> bytes:
    shared = _encoded(csv_lines(map(_form, block.shared), {_OWN}))
    forms = [line.split(b"\0") for line in shared.splitlines(keepends=True)]
    return numbered(forms, block.which, block.own_cells(), least=0)  # What a mirror takes off has row 0.


def _encoded(text: str) -> bytes:
    # Half a surrogate pair, as a file's name may have, is written as an escape.
    return text.encode("utf-8", "backslashreplace")


_OWN = "\0"
"""Stands where a row's own number goes: no other cell that is written has a NUL."""


def _form(shared: Line) -> list[Cell]:
    """Return the cells of a shared line with places for a row's own numbers, which stand in this order in a line."""
    own = ("row", "object_id", "to_object_id")
    return [
        _OWN if name in own else visible(cell) if isinstance(cell, str) else cell
        for name, cell in shared._asdict().items()
    ]
