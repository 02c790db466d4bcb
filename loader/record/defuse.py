"""Cells that a spreadsheet would run as a formula are made plain text [OWASP: CSV injection]."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from loader.text import visible

STANDARD_INPUT = "-"
"""The name of that input; a sign alone is no formula."""

Cell = str | int | None

# A cell that begins with an apostrophe is text already; the wide signs count in some of Excel's languages, and what
# does not print (C0 signs, zero-width and direction marks) may be dropped by the program that opens the file.
_FORMULA = re.compile(
    r"[\s\"\0-\x20\u200B-\u200F\u202A-\u202E\u2060-\u206F\uFEFF]*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20]|[\t\r\n]"
)
QUOTE = '"'
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
    return delimiter.join(_quoted(defused(cell), delimiter) for cell in cells) + "\n"


def _quoted(cell: str, delimiter: str) -> str:
    return f'"{cell.replace(QUOTE, QUOTE * 2)}"' if delimiter in cell or _SPECIAL.search(cell) else cell


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
