"""Lines as CSV text, defused: any table's, and those of the results a hundred times as often."""

import csv
import io
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from loader.journal import Journal, Line, LineBlock, line_blocks, lines
from loader.record.defuse import Cell, defused_lines

LinesOf = Callable[[Journal, str, int], Iterator[tuple[int, Line]]]
"""Yields the lines of a journal's view (`outcomes` or `rejected`) that come after a number, each with its number."""

TextsOf = Callable[[Journal, str, int], Iterator[tuple[int, str]]]
"""The same as text, many lines at once, with the number of the last."""

LINES_AT_ONCE = 2000


def texts_of(lines_of: LinesOf, text_of: Callable[[Iterable[Any]], str]) -> TextsOf:
    """Return a function that yields many lines as one text."""

    def texts(journal: Journal, view: str, after: int) -> Iterator[tuple[int, str]]:
        numbered = lines_of(journal, view, after)
        while batch := list(islice(numbered, LINES_AT_ONCE)):
            yield batch[-1][0], text_of(line for _, line in batch)

    return texts


def csv_lines(batch: Iterable[Sequence[Cell]], marks: Collection[str] = ()) -> str:
    """Return lines, of one length, as CSV; `marks` are cells of our own that stay as they are."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(defused_lines(batch, marks))
    return text.getvalue()


def csv_texts(journal: Journal, view: str, after: int) -> Iterator[tuple[int, str]]:
    """Yield the results' lines of a journal's view that come after a number, many at once, each time the last number.

    A load writes millions of rows, and most cells have the same text in many of them. Such cells are made into text
    once, with places for the row's own numbers.
    """
    if view == "outcomes":
        for block in line_blocks(journal, after):
            yield block.number, _block_text(block)
    else:
        yield from texts_of(lines, csv_lines)(journal, view, after)


def _block_text(block: LineBlock) -> str:
    forms = csv_lines(map(_form, block.shared)).split("\n")
    return "".join(
        [
            f"{forms[which]}\n" % (row, object_id, to_object_id)
            for which, row, object_id, to_object_id in block.own_cells()
        ]
    )


def _form(shared: Line) -> list[Cell]:
    """Return the cells of a shared line with places for a row's own numbers, which stand in this order in a line."""
    own = ("row", "object_id", "to_object_id")
    return [
        "%d" if name in own else cell.replace("%", "%%") if isinstance(cell, str) else cell
        for name, cell in shared._asdict().items()
    ]
