"""Lines as CSV text, defused: any table's, and those of the results a hundred times as often."""

import csv
import io
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeVar

from loader.record.defuse import Cell, defused_lines
from loader.record.journal import Journal, Stretch, lines, settled

Key = TypeVar("Key")

_LINES_AT_ONCE = 2000


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
            yield stretch.rows[-1].number, _settled_text(stretch)
    else:
        numbered = lines(journal, view, after)
        while batch := list(islice(numbered, _LINES_AT_ONCE)):
            yield batch[-1][0], csv_lines(line for _, line in batch)


def _settled_text(stretch: Stretch) -> str:
    inputs = _texts({number: (name,) for number, name in stretch.inputs.items()})
    kinds = stretch.kinds
    first_types = _texts({number: (kind.object_type,) for number, kind in kinds.items()})
    second_types = _texts({number: (kind.to_object_type,) for number, kind in kinds.items()})
    types = _texts({number: kind[2:5] for number, kind in kinds.items()})
    statuses = _texts({key: (said.status,) for key, said in stretch.said.items()})
    rest = _texts({key: said[1:] for key, said in stretch.said.items()})
    return "".join(
        [
            f"{inputs[input_]},{row},{statuses[result, was_so]},{first_types[kind]},{object_id},{second_types[kind]},"
            f"{to_object_id},{types[kind]},{rest[result, was_so]}\n"
            for _, result, was_so, input_, row, _, kind, object_id, to_object_id in stretch.rows
        ]
    )


def _texts(cells: Mapping[Key, Sequence[Cell]]) -> dict[Key, str]:
    """Return each line of cells as text without its end; nothing in it breaks a line, as it is defused."""
    return dict(zip(cells, csv_lines(cells.values()).split("\n"), strict=False))
