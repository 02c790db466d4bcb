"""Lines as CSV text, defused: any table's, and those of the results a hundred times as often."""

import csv
import io
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from loader.journal import Journal, Stretch, lines, settled
from loader.record.defuse import Cell, defused_lines

Key = TypeVar("Key")

LinesOf = Callable[[Journal, str, int], Iterator[tuple[int, Sequence[Any]]]]
"""Yields the lines of a journal's view (`settled` or `rejected`) that come after a number, each with its number."""

TextsOf = Callable[[Journal, str, int], Iterator[tuple[int, str]]]
"""The same as text, many lines at once, with the number of the last."""

LINES_AT_ONCE = 2000


def texts_of(lines_of: LinesOf, text_of: Callable[[Iterable[Any]], str]) -> TextsOf:
    """Return what yields lines as text, made of many at once."""

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

    Settled rows are what a load writes by the million, and most of their cells are those of the row before: each
    input, kind and result is made text once, and a line is put together from these and the row's own numbers.
    """
    if view == "settled":
        for stretch in settled(journal, after):
            yield stretch.alike[-1].number, _settled_text(stretch)
    else:
        yield from texts_of(lines, csv_lines)(journal, view, after)


def _settled_text(stretch: Stretch) -> str:
    inputs = _texts({number: (name,) for number, name in stretch.inputs.items()})
    kinds = stretch.kinds
    first_types = _texts({number: (kind.object_type,) for number, kind in kinds.items()})
    second_types = _texts({number: (kind.to_object_type,) for number, kind in kinds.items()})
    types = _texts({number: kind[2:5] for number, kind in kinds.items()})
    statuses = _texts({key: (said.status,) for key, said in stretch.said.items()})
    rest = _texts({key: said[1:] for key, said in stretch.said.items()})
    text: list[str] = []
    for _, key, number, kind, rows, object_ids, to_object_ids, _ in stretch.alike:
        start = f"{inputs[number]},"
        first = f",{statuses[key]},{first_types[kind]},"
        second = f",{second_types[kind]},"
        end = f",{types[kind]},{rest[key]}\n"
        text += [
            f"{start}{row}{first}{object_id}{second}{to_object_id}{end}"
            for row, object_id, to_object_id in zip(rows, object_ids, to_object_ids, strict=True)
        ]
    return "".join(text)


def _texts(cells: Mapping[Key, Sequence[Cell]]) -> dict[Key, str]:
    """Return each line of cells as text without its end; nothing in it breaks a line, as it is defused."""
    return dict(zip(cells, csv_lines(cells.values()).split("\n"), strict=False))
