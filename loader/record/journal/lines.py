"""The lines of the results, read back from a journal."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from loader.record.journal.journal import Journal


class Line(NamedTuple):
    """One line of the results: a row and what became of it. The fields are the columns of the file, in their order."""

    input: str
    row: int
    status: str
    object_type: str
    object_id: str
    to_object_type: str
    to_object_id: str
    association_category: str
    association_type_id: str
    label: str
    created_resource_id: str
    labels: str
    http_status: int | None
    error_category: str
    error_message: str
    correlation_id: str
    attempts: int
    finished_at: str


class SettledRow(NamedTuple):
    """A row of a settled pair in numbers: its place in the results, what is said of it, and where it comes from."""

    number: int
    said: int
    input: int
    kind: int
    row: int
    object_id: int
    to_object_id: int
    part: int


class Kind(NamedTuple):
    """What rows of one kind are sent as; `to_column` is where their to object ids come from."""

    object_type: str
    to_object_type: str
    association_category: str
    association_type_id: str
    label: str
    to_column: str


class Said(NamedTuple):
    """What the lines of one result have in common: the fields of `Line` from `created_resource_id` on, and `status`."""

    status: str
    created_resource_id: str
    labels: str
    http_status: int | None
    error_category: str
    error_message: str
    correlation_id: str
    attempts: int
    finished_at: str

    def before(self) -> "Said":
        """Return what is said of a row that was so before."""
        return Said("unchanged", "", "", None, "", "", "", 0, self.finished_at)


class Stretch(NamedTuple):
    """Some settled rows, each with the fields of `SettledRow`, and what their numbers mean."""

    rows: Sequence[SettledRow]
    inputs: Mapping[int, str]
    kinds: Mapping[int, Kind]
    said: Mapping[int, Said]

    def lines(self) -> Iterator[Line]:
        """Yield the rows as lines of the results."""
        for _, key, number, kind, row, object_id, to_object_id, _ in self.rows:
            said = self.said[key]
            first, second, category, type_id, label, _ = self.kinds[kind]
            ends = first, str(object_id), second, str(to_object_id)
            cells = self.inputs[number], row, said.status, *ends, category, type_id, label
            yield Line._make((*cells, *said[1:]))


def settled(journal: Journal, after: int = 0) -> Iterator[Stretch]:
    """Yield the rows of settled pairs that come after a number, in the order in which they were settled."""
    for first, last, rows in journal.recent.take(after):
        read = f"{SETTLED} WHERE number BETWEEN ? AND ? ORDER BY number"
        yield from stretches(journal, iter(rows) if rows else journal.query(read, (first, last)))
        after = last
    yield from stretches(journal, journal.query(f"{SETTLED} WHERE number > ? ORDER BY number", (after,)))


SETTLED = "SELECT number, said, input, kind, row, object_id, to_object_id, part FROM settled_rows"

_SAID = """
SELECT id, status, created_resource_id, labels, http_status, error_category, error_message, correlation_id, attempts,
    finished_at
FROM results WHERE id IN (SELECT value FROM json_each(?))
"""

ROWS_AT_ONCE = 2000


def stretches(journal: Journal, found: Iterator[Sequence[Any]]) -> Iterator[Stretch]:
    """Yield rows that a query of `SETTLED` finds, with what their numbers mean."""
    inputs: dict[int, str] = {}
    kinds: dict[int, Kind] = {}
    while rows := list(map(_SETTLED_ROW, islice(found, ROWS_AT_ONCE))):
        if not inputs:
            inputs.update((number, name) for number, name in journal.query("SELECT id, name FROM inputs"))
            kinds.update((number, Kind(*cells)) for number, *cells in journal.query(_KINDS))
        yield Stretch(rows, inputs, kinds, _said(journal, {row[1] for row in rows}))


# `SettledRow._make` is Python, and would cost a million lines a third of a second.
_SETTLED_ROW: Callable[[Sequence[Any]], SettledRow] = partial(tuple.__new__, SettledRow)

_KINDS = """
SELECT id, from_type, to_type, category, CAST(type_id AS TEXT), settled_label, to_column FROM kinds
WHERE category IS NOT NULL
"""


def _said(journal: Journal, keys: Iterable[int]) -> dict[int, Said]:
    numbers = json.dumps(sorted({key // 2 for key in keys}))
    said = {number: Said(*cells) for number, *cells in journal.query(_SAID, (numbers,))}
    return {key: said[key // 2].before() if key % 2 else said[key // 2] for key in keys}


REJECTED = "SELECT * FROM rejected_lines"

FIRST_COLUMN = 4
"""The view begins with number, input_id, part and to_column."""


def lines(journal: Journal, view: str, after: int) -> Iterator[tuple[int, Line]]:
    """Yield the lines of a view (`settled` or `rejected`) that come after a number, each with its number."""
    if view == "settled":
        for stretch in settled(journal, after):
            yield from zip((row.number for row in stretch.rows), stretch.lines(), strict=True)
    else:
        for row in journal.query(f"{REJECTED} WHERE number > ? ORDER BY number", (after,)):
            yield row[0], Line._make(row[FIRST_COLUMN:])


def line_at(journal: Journal, view: str, number: int) -> Line:
    """Return the line of a view that has a number; the first one where a pair stands for several rows."""
    if view == "settled":
        ordered = f"{SETTLED} WHERE number = ? ORDER BY input, row, part LIMIT 1"
        (stretch,) = stretches(journal, journal.query(ordered, (number,)))
        return next(stretch.lines())
    return Line._make(next(journal.query(f"{REJECTED} WHERE number = ?", (number,)))[FIRST_COLUMN:])
