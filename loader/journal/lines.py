"""The lines of the results, read back from a journal, many at once and in columns."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np

from loader.columns import Ids, expanded
from loader.journal.bound import WITHIN_BOUND
from loader.journal.journal import Journal
from loader.journal.lots import LotRows
from loader.model import Result


class Line(NamedTuple):
    """One line of the results: a row and what became of it. The fields are the columns of the file, in their order.

    Every line is made by name, so a new column needs a field here, and the statement or the `Result` that has its
    cells. What a rejected row has no cell for is blank. The tables of `verify` and `undo` have some of the columns.
    """

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
    created_resource_id: str = ""
    labels: str = ""
    http_status: int | None = None
    error_category: str = ""
    error_message: str = ""
    correlation_id: str = ""
    attempts: int = 0
    finished_at: str = ""


ROW_COLUMNS = tuple(name for name in Line._fields if name not in Line._field_defaults)
"""The columns that say which row it is and what became of it: every table of lines begins with them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LineBlock:
    """Some rows with outcomes in columns; `number` is that of their last outcome, and all of its rows are here.

    `shared` are the lines that the rows have, but for row and record ids: few, however many rows there are. `which`
    gives each row its index into them.
    """

    number: int
    rows: LotRows
    which: Ids
    shared: Sequence[Line]

    def own_cells(self) -> Ids:
        """Return of each row what its line has for itself: the row, the object id and the to object id."""
        return np.column_stack((self.rows.rows, self.rows.object_ids, self.rows.to_object_ids))

    def lines(self) -> Iterator[Line]:
        """Yield the rows as lines of the results."""
        for which, (row, object_id, to_object_id) in zip(self.which.tolist(), self.own_cells().tolist(), strict=True):
            yield self.shared[which]._replace(row=row, object_id=str(object_id), to_object_id=str(to_object_id))


PAIRS_AT_ONCE = 10_000


def line_blocks(journal: Journal, after: int = 0) -> Iterator[LineBlock]:
    """Yield the rows that have outcomes after a number, in the order in which these became known.

    All rows of a number come before it counts as read.
    """
    shared_lines = SharedLines(journal)
    for outcomes in journal.outcomes(after, PAIRS_AT_ONCE):
        yield shared_lines.block(outcomes)


Outcomes = Sequence[tuple[int, int, int, int, int]]
"""Sequence, first pair, last pair, result and unchanged."""


class SharedLines:
    """What the lines of rows with outcomes have in common, by the numbers of their inputs, kinds and results."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    @cached_property
    def inputs(self) -> dict[int, str]:
        """The name of each input; blank for 0, which stands for none."""
        named: Iterator[Any] = self._journal.query("SELECT id, name FROM inputs")
        return {0: "", **dict(named)}

    @cached_property
    def kinds(self) -> dict[int, dict[str, Any]]:
        """The cells of each kind of row: what its rows are sent as."""
        return {cells.pop("id"): cells for cells in self._journal.named(_KINDS)}

    def block(self, outcomes: Outcomes) -> LineBlock:
        """Return the rows of outcomes with their cells."""
        return self.of(outcomes[-1][0], *self.rows(outcomes))

    def rows(self, outcomes: Outcomes) -> tuple[LotRows, Ids]:
        """Return the rows of outcomes, and of each twice its result's number, one more where the row is unchanged."""
        _, first, last, result, unchanged = np.array(outcomes, np.int64).T
        sizes = last - first + 1
        pairs = expanded(first, sizes)
        rows = self._journal.lots.rows_of(pairs)
        result_keys = 2 * np.repeat(result, sizes)[rows.pairs]
        if unchanged.any():
            # A pair's only row shares its result, whatever was there.
            beside = np.repeat(unchanged > 0, sizes)[rows.pairs] & ~rows.alone
            result_keys += beside & self._journal.unchanged_rows(pairs, rows)
        return rows, result_keys

    def of(self, number: int, rows: LotRows, result_keys: Ids) -> LineBlock:
        """Return rows with their cells."""
        # Three numbers as one, because to sort pairs of numbers takes ten times as long.
        codes = (result_keys * (int(rows.kinds.max()) + 1) + rows.kinds) * (int(rows.inputs.max()) + 1) + rows.inputs
        _, first, which = np.unique(codes, return_index=True, return_inverse=True)
        keys = result_keys[first].tolist()
        results = _results(self._journal, keys)
        shared = [
            Line(input=self.inputs[input_], row=0, object_id="", to_object_id="", **self.kinds[kind], **results[key])
            for input_, kind, key in zip(rows.inputs[first].tolist(), rows.kinds[first].tolist(), keys, strict=True)
        ]
        # What was to be taken off, and was gone before, has no row.
        gone = [not each.input and each.status == "unchanged" for each in shared]
        if any(gone):
            left = np.flatnonzero(~np.array(gone)[which])
            rows, which = rows.take(left), which[left]
        return LineBlock(number=number, rows=rows, which=which, shared=shared)


_KINDS = """
SELECT id, from_type AS object_type, to_type AS to_object_type, category AS association_category,
    iif(type_id = 0, '', CAST(type_id AS TEXT)) AS association_type_id, sent_label AS label
FROM kinds WHERE category IS NOT NULL
"""

_RESULTS = f"SELECT id, {', '.join(Result._fields)} FROM results WHERE id IN (SELECT value FROM json_each(?))"


def _results(journal: Journal, keys: Sequence[int]) -> Mapping[int, dict[str, Any]]:
    """Return the cells of results, by twice the number of each, and one more for an unchanged row."""
    numbers = json.dumps(sorted({key // 2 for key in keys}))
    found = {cells.pop("id"): cells for cells in journal.named(_RESULTS, (numbers,))}
    return {
        key: {"status": "unchanged", "finished_at": found[key // 2]["finished_at"]} if key % 2 else found[key // 2]
        for key in keys
    }


REJECTED = f"""
SELECT rejects.id AS number, rejects.input AS input_number, part, to_column,
    inputs.name AS input, row, 'rejected' AS status,
    coalesce(from_type, object_type) AS object_type, object_id,
    coalesce(to_type, to_object_type) AS to_object_type, to_object_id,
    association_category, association_type_id, label, reason AS error_category, message AS error_message
FROM rejects JOIN kinds ON kinds.id = rejects.kind JOIN inputs ON inputs.id = rejects.input
WHERE {WITHIN_BOUND}
"""


class PlacedLine(NamedTuple):
    """A line with its number, the place of its row (input's number, row, part), and where its to object id is from."""

    number: int
    place: tuple[int, int, int]
    to_column: str
    line: Line


def rejected(journal: Journal, which: str, *values: int) -> Iterator[PlacedLine]:
    """Yield the lines of rejected rows; `which` is what follows `REJECTED`."""
    for cells in journal.named(f"{REJECTED} {which}", values):
        number, input_number, part = cells.pop("number"), cells.pop("input_number"), cells.pop("part")
        yield PlacedLine(number, (input_number, cells["row"], part), cells.pop("to_column"), Line(**cells))


def lines(journal: Journal, view: str, after: int) -> Iterator[tuple[int, Line]]:
    """Yield the lines of a view (`outcomes` or `rejected`) that come after a number, each with its number."""
    if view == "outcomes":
        for block in line_blocks(journal, after):
            yield from zip(repeat(block.number), block.lines(), strict=False)
    else:
        for each in rejected(journal, "AND number > ? ORDER BY number", after):
            yield each.number, each.line


def line_of_pair(journal: Journal, outcome: Sequence[Any], pair: int) -> Line:
    """Return the line of a pair that has an outcome; the first one where it stands for several rows."""
    number, _, _, result, unchanged = outcome
    return next(SharedLines(journal).block([(number, pair, pair, result, unchanged)]).lines())


def line_of_reject(journal: Journal, number: int) -> Line:
    """Return the line of a rejected row."""
    return next(rejected(journal, "AND number = ?", number)).line
