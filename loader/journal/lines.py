"""The lines of the results, read back from a journal."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice, repeat
from operator import itemgetter
from typing import NamedTuple

from loader.journal.alike import Alike
from loader.journal.journal import Journal


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
    """Some settled rows, and what their numbers mean."""

    alike: Sequence[Alike]
    inputs: Mapping[int, str]
    kinds: Mapping[int, Kind]
    said: Mapping[int, Said]

    def lines(self, alike: Alike) -> Iterator[Line]:
        """Yield some of the rows as lines of the results."""
        said = self.said[alike.said]
        name = self.inputs[alike.input]
        first, second, category, type_id, label, _ = self.kinds[alike.kind]
        for row, object_id, to_object_id in zip(alike.rows, alike.object_ids, alike.to_object_ids, strict=True):
            ends = first, str(object_id), second, str(to_object_id)
            yield Line._make((name, row, said.status, *ends, category, type_id, label, *said[1:]))


def settled(journal: Journal, after: int = 0) -> Iterator[Stretch]:
    """Yield the rows of settled pairs that come after a number, in the order in which they were settled.

    Whoever wants to go on behind a number takes all that it has.
    """
    meanings = _Meanings(journal)
    for first, last, alike in journal.recent.take(after):
        if alike is None:
            yield from meanings.of(read(journal, BETWEEN, (first, last)))
        else:
            yield meanings.stretch(alike)
        after = last
    yield from meanings.of(read(journal, AFTER, (after,)))


# SQLite goes along the numbers, and sorts nothing, only where what it orders by is among the columns.
SETTLED = "SELECT number, pair, said, input, kind, row, object_id, to_object_id, part FROM settled_rows"

AFTER = f"{SETTLED} WHERE number > ? ORDER BY number, pair"
BETWEEN = f"{SETTLED} WHERE number BETWEEN ? AND ? ORDER BY number, pair"

_SAID = """
SELECT id, status, created_resource_id, labels, http_status, error_category, error_message, correlation_id, attempts,
    finished_at
FROM results WHERE id IN (SELECT value FROM json_each(?))
"""

ROWS_AT_ONCE = 2000


def read(journal: Journal, statement: str, values: Sequence[object] = ()) -> Iterator[list[Alike]]:
    """Yield the settled rows that a statement finds, which begins as `SETTLED`, many at once."""
    found = journal.query(statement, values)
    while rows := list(islice(found, ROWS_AT_ONCE)):
        yield [_alike(key, list(some)) for key, some in groupby(rows, key=_ALIKE)]


def _alike(key: tuple[int, int, int], some: Sequence[Sequence[int]]) -> Alike:
    _, _, _, _, _, rows, object_ids, to_object_ids, parts = zip(*some, strict=True)
    return Alike(some[-1][0], *key, rows, object_ids, to_object_ids, parts)


_ALIKE = itemgetter(2, 3, 4)


def stretches(journal: Journal, found: Iterable[Sequence[Alike]]) -> Iterator[Stretch]:
    """Yield settled rows with what their numbers mean."""
    return _Meanings(journal).of(found)


class _Meanings:
    """What the numbers of settled rows mean; inputs and kinds are read once, when there is a row."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._inputs: dict[int, str] = {}
        self._kinds: dict[int, Kind] = {}

    def of(self, found: Iterable[Sequence[Alike]]) -> Iterator[Stretch]:
        return map(self.stretch, found)

    def stretch(self, alike: Sequence[Alike]) -> Stretch:
        if not self._inputs:
            self._inputs.update((number, name) for number, name in self._journal.query("SELECT id, name FROM inputs"))
            self._kinds.update((number, Kind(*cells)) for number, *cells in self._journal.query(_KINDS))
        return Stretch(alike, self._inputs, self._kinds, _said(self._journal, {each.said for each in alike}))


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
            for alike in stretch.alike:
                yield from zip(repeat(alike.number), stretch.lines(alike), strict=False)
    else:
        for row in journal.query(f"{REJECTED} WHERE number > ? ORDER BY number", (after,)):
            yield row[0], Line._make(row[FIRST_COLUMN:])


def line_of_pair(journal: Journal, number: int, pair: int) -> Line:
    """Return the line of a pair that is settled under a number; the first one where it stands for several rows."""
    statement = f"{SETTLED} WHERE number = ? AND pair = ? ORDER BY input, row, part LIMIT 1"
    (stretch,) = stretches(journal, read(journal, statement, (number, pair)))
    return next(stretch.lines(stretch.alike[0]))


def line_of_reject(journal: Journal, number: int) -> Line:
    """Return the line of a rejected row."""
    return Line._make(next(journal.query(f"{REJECTED} WHERE number = ?", (number,)))[FIRST_COLUMN:])
