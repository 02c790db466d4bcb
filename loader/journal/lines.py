"""The lines of the results, read back from a journal, many at once and in columns."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np

from loader.columns import Ids, expanded
from loader.journal.journal import Journal
from loader.journal.lots import LotRows


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


class ResultCells(NamedTuple):
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

    def before(self) -> "ResultCells":
        """Return the cells of a row whose type was there before."""
        return ResultCells("unchanged", "", "", None, "", "", "", 0, self.finished_at)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SharedCells:
    """What lines have in common: the input's name, what the rows are sent as, and what is said of them."""

    input: str
    kind: Kind
    result: ResultCells


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stretch:
    """Some rows with outcomes in columns; `number` is that of their last outcome, and all of its rows are here.

    `which` gives each row its index into `shared`: the cells that many lines have in common. Those are few.
    """

    number: int
    rows: LotRows
    which: Ids
    shared: Sequence[SharedCells]

    def lines(self) -> Iterator[Line]:
        """Yield the rows as lines of the results."""
        rows = self.rows
        columns = (self.which, rows.rows, rows.object_ids, rows.to_object_ids)
        for which, row, object_id, to_object_id in zip(*(each.tolist() for each in columns), strict=True):
            each = self.shared[which]
            first, second, category, type_id, label, _ = each.kind
            ends = first, str(object_id), second, str(to_object_id)
            yield Line(each.input, row, each.result.status, *ends, category, type_id, label, *each.result[1:])


PAIRS_AT_ONCE = 10_000


def settled(journal: Journal, after: int = 0) -> Iterator[Stretch]:
    """Yield the rows of settled pairs that come after a number, in the order in which they were settled.

    Whoever wants to go on behind a number takes all that it has.
    """
    meanings = Meanings(journal)
    for outcomes in journal.outcomes(after, PAIRS_AT_ONCE):
        yield meanings.stretch(outcomes)


Outcomes = Sequence[tuple[int, int, int, int, int]]
"""Sequence, first pair, last pair, result and unchanged."""


class Meanings:
    """What the numbers of settled rows mean."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    @cached_property
    def inputs(self) -> dict[int, str]:
        """The name of each input."""
        return {number: name for number, name, *_ in self._journal.query("SELECT id, name FROM inputs")}

    @cached_property
    def kinds(self) -> dict[int, Kind]:
        """What rows of each kind are sent as."""
        return {number: Kind(*cells) for number, *cells in self._journal.query(_KINDS)}

    def stretch(self, outcomes: Outcomes) -> Stretch:
        """Return the rows of outcomes with what is said of them."""
        return self.of(outcomes[-1][0], *self.rows(outcomes))

    def rows(self, outcomes: Outcomes) -> tuple[LotRows, Ids]:
        """Return the rows of outcomes; of each, twice its result's number is said, and one more if it was so before."""
        _, first, last, result, unchanged = np.array(outcomes, np.int64).T
        sizes = last - first + 1
        pairs = expanded(first, sizes)
        rows = self._journal.lots.rows_of(pairs)
        result_keys = 2 * np.repeat(result, sizes)[rows.pairs]
        if unchanged.any():
            # A pair's only row shares its result, whatever was there.
            beside = np.repeat(unchanged > 0, sizes)[rows.pairs] & ~rows.alone
            result_keys += beside & self._journal.old_rows(pairs, rows)
        return rows, result_keys

    def of(self, number: int, rows: LotRows, result_keys: Ids) -> Stretch:
        """Return rows with what is said of them."""
        # Three numbers as one, because to sort pairs of numbers takes ten times as long.
        codes = (result_keys * (int(rows.kinds.max()) + 1) + rows.kinds) * (int(rows.inputs.max()) + 1) + rows.inputs
        _, first, which = np.unique(codes, return_index=True, return_inverse=True)
        meant = _result_cells(self._journal, result_keys[first].tolist())
        shared = [
            SharedCells(input=self.inputs[input_], kind=self.kinds[kind], result=meant[key])
            for input_, kind, key in zip(
                rows.inputs[first].tolist(), rows.kinds[first].tolist(), result_keys[first].tolist(), strict=True
            )
        ]
        return Stretch(number=number, rows=rows, which=which, shared=shared)


_KINDS = """
SELECT id, from_type, to_type, category, CAST(type_id AS TEXT), settled_label, to_column FROM kinds
WHERE category IS NOT NULL
"""

_RESULT_CELLS = """
SELECT id, status, created_resource_id, labels, http_status, error_category, error_message, correlation_id, attempts,
    finished_at
FROM results WHERE id IN (SELECT value FROM json_each(?))
"""


def _result_cells(journal: Journal, keys: Sequence[int]) -> Mapping[int, ResultCells]:
    """Return what is said of rows, by twice the number of a result, and one more for a row that was so before."""
    numbers = json.dumps(sorted({key // 2 for key in keys}))
    cells = {number: ResultCells(*each) for number, *each in journal.query(_RESULT_CELLS, (numbers,))}
    return {key: cells[key // 2].before() if key % 2 else cells[key // 2] for key in keys}


REJECTED = "SELECT * FROM rejected_lines"

FIRST_COLUMN = 4
"""The view begins with number, input_id, part and to_column."""


def lines(journal: Journal, view: str, after: int) -> Iterator[tuple[int, Line]]:
    """Yield the lines of a view (`settled` or `rejected`) that come after a number, each with its number."""
    if view == "settled":
        for stretch in settled(journal, after):
            yield from zip(repeat(stretch.number), stretch.lines(), strict=False)
    else:
        for row in journal.query(f"{REJECTED} WHERE number > ? ORDER BY number", (after,)):
            yield row[0], Line._make(row[FIRST_COLUMN:])


def line_of_pair(journal: Journal, outcome: Sequence[Any], pair: int) -> Line:
    """Return the line of a pair that has an outcome; the first one where it stands for several rows."""
    number, _, _, result, unchanged = outcome
    return next(Meanings(journal).stretch([(number, pair, pair, result, unchanged)]).lines())


def line_of_reject(journal: Journal, number: int) -> Line:
    """Return the line of a rejected row."""
    return Line._make(next(journal.query(f"{REJECTED} WHERE number = ?", (number,)))[FIRST_COLUMN:])
