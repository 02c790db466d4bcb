"""Records become rows: valid ones in columns, and rejects with a reason.

Nearly all records are plain: nothing but ids as HubSpot writes them. Their rows are made as columns, by numpy. Only the
others are looked at one by one, cell by cell; that gives the same for a plain record, and takes ten times as long.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from loader.model import Chunk, Problem, Reject, RowKind, Rows
from loader.read import ids
from loader.read.cells import keep
from loader.read.columns import Column, Columns
from loader.read.hints import ColumnHints
from loader.read.ids import Judged
from loader.read.opening import OpenTable
from loader.read.row_kinds import RowKindsOf
from loader.read.second_header import SecondHeader
from loader.read.table import Mark, RecordBatch
from loader.read.totals import Totals

_MISSING = {
    "MISSING_OBJECT_TYPE": "the object type of the first record is blank; fill it in, or add --from",
    "MISSING_TO_OBJECT_TYPE": "the object type of the second record is blank; fill it in, or add --to",
    "MISSING_LABEL": (
        "the row has neither a label nor an association type id, but the file has a column for it; fill it in, or "
        "add --whole-pair if a blank one means the whole pair"
    ),
}

_LOST = ("MERGED_CELL", "ERROR_CELL", "FORMULA_WITHOUT_VALUE")

_KEY_OPTIONS = ("--from-id-property", "--to-id-property")

MOST_ROWS = 50_000
"""The most rows of a chunk, as one cell may hold millions of ids."""
_MOST_OF_PLAIN = 20
"""The most rows of one cell that are made as columns; with more, a batch would need much memory at once."""

_Numbers = npt.NDArray[np.int64]
_Table = npt.NDArray[np.int64]
"""Rows as five lines: the spreadsheet's row, the part, the object id, the to object id, and the kind."""


class _Link(NamedTuple):
    """One row whose ids are in order, or a cell that asks for nothing: then its to object id is blank.

    The object id of such a cell is blank, too, where it is not in order.
    """

    row: int
    part: int
    object_id: str
    to_object_id: str
    row_kind: RowKind


_Marked = tuple[str, Column, Mark | None]
"""A field of a row, the column that it is read from, and what is wrong with that cell, if anything."""


class RecordJudge:
    """Judges the batches of one table; `repairs` counts what was repaired, by sentence."""

    def __init__(self, table: OpenTable, columns: Columns, repairs: Counter[str]) -> None:
        settings = table.settings
        self._table = table
        self._columns = columns
        self._repairs = repairs
        self._by_property = bool(settings.from_id_property), bool(settings.to_id_property)
        self._hints = ColumnHints()
        # A blank cell of HubSpot's own export says something.
        self._ids = [columns.object_id, *(each for each in columns.to if not each.meaning.associated)]
        self._row_kinds_of = [RowKindsOf(columns, to, settings) for to in columns.to]
        self._second_header = SecondHeader(table.shown, table.header, settings)
        ends = zip(self._by_property, ([columns.object_id], columns.to), strict=True)
        ids_at = [each.position for is_key, found in ends if not is_key for each in found]
        self._read = frozenset(each.position for each in (columns.object_id, *columns.to, *columns.own.values()))
        self._totals = Totals(ids_at, self._read)

    def chunks(self, batch: RecordBatch) -> Iterator[Chunk]:
        """Judge one batch: plain records as columns, the others one by one; the rows are in the file's order.

        Its records are all in the last chunk; the chunks before hold the rows of cells with very long lists of ids.
        """
        for place, fault in self._totals.find(batch):
            batch.faults.setdefault(place, fault)
        numbers: dict[RowKind, int] = {}
        plain, others, blank, without = self._plain_rows(batch, numbers)
        start = 0
        links: list[_Link] = []
        empty: list[_Link] = []
        rejects: list[Reject] = []
        for place in others:
            for each in self._record(place, batch):
                if isinstance(each, Reject):
                    rejects.append(each)
                elif each.to_object_id:
                    links.append(each)
                else:
                    without += 1
                    if each.object_id:
                        empty.append(each._replace(to_object_id="0"))
                if len(links) + len(rejects) >= MOST_ROWS:
                    end = int(np.searchsorted(plain[0], batch.rows[place]))
                    found = self._rows(plain[:, start:end], links, numbers)
                    yield Chunk(rows=[], cells=[], links=found, rejects=rejects, without=0)
                    start, links, rejects = end, [], []
        yield Chunk(
            rows=list(batch.rows),
            cells=batch.columns,
            links=self._rows(plain[:, start:], links, numbers),
            rejects=rejects,
            without=without,
            blank=self._rows(blank, empty, numbers, asking=False) if empty or blank.size else None,
        )

    def hints(self, records: int) -> list[str]:
        """Return sentences on what columns hold instead of ids, once all records are judged."""
        return self._hints.notes(records)

    def _plain_rows(self, batch: RecordBatch, numbers: dict[RowKind, int]) -> tuple[_Table, list[int], _Table, int]:
        """Return the rows of plain records, the places of the other records, and the plain cells that ask for nothing.

        Those come as rows to the record 0, and as their number: of a cell without its object types there is no row.
        A record is plain if nothing is wrong with it, its cells hold plain ids, or nothing where that may be, and it
        asks for few rows. `numbers` gives each kind of row its number.
        """
        count = len(batch.rows)
        if any(self._by_property):
            return np.empty((5, 0), np.int64), list(range(count)), np.empty((5, 0), np.int64), 0
        object_ids, counts = ids.plain_ids(batch.columns[self._columns.object_id.position], lists=False)
        by_record = np.zeros(count, np.int64)
        by_record[counts == 1] = object_ids
        is_plain = counts == 1
        is_plain[[*batch.faults, *(place for place, column in batch.marks if column in self._read)]] = False
        without = np.zeros(count, np.int64)
        columns: list[tuple[_Numbers, _Numbers, _Numbers]] = []
        blanks: list[tuple[_Numbers, _Numbers]] = []
        for row_kinds_of, to in zip(self._row_kinds_of, self._columns.to, strict=True):
            to_ids, counts = ids.plain_ids(batch.columns[to.position], lists=True)
            found_kinds = row_kinds_of.in_columns(batch.columns, numbers)
            is_few = (counts > 0) & (found_kinds.sizes > 0) & (counts * found_kinds.sizes <= _MOST_OF_PLAIN)
            asks_nothing = (counts == 0) & to.meaning.associated
            is_plain &= is_few | asks_nothing
            without += asks_nothing
            nothing = np.flatnonzero(asks_nothing & (found_kinds.sizes > 0))
            blanks.append((nothing, found_kinds.kinds[found_kinds.starts[nothing]]))
            places, found, nth = _repeated(counts, np.where(is_few, found_kinds.sizes, 0))
            columns.append((places, to_ids[found], found_kinds.kinds[found_kinds.starts[places] + nth]))
        places, to_object_ids, kinds = (np.concatenate(each) for each in zip(*columns, strict=True))
        kept = np.flatnonzero(is_plain[places])
        kept = kept[np.argsort(places[kept], kind="stable")]
        places = places[kept]
        parts = np.arange(len(places)) - np.searchsorted(places, places)
        given = batch.rows
        rows = np.arange(given.start, given.stop) if isinstance(given, range) else np.array(given, np.int64)
        table = np.stack([rows[places], parts, by_record[places], to_object_ids[kept], kinds[kept]])
        places, kinds = (np.concatenate(each) for each in zip(*blanks, strict=True))
        places, kinds = places[is_plain[places]], kinds[is_plain[places]]
        zeros = np.zeros(len(places), np.int64)
        blank = np.stack([rows[places], zeros, by_record[places], zeros, kinds])
        return table, np.flatnonzero(~is_plain).tolist(), blank, int(without[is_plain].sum())

    def _rows(self, plain: _Table, links: list[_Link], numbers: dict[RowKind, int], *, asking: bool = True) -> Rows:
        """Return plain rows and those that were judged one by one, in the order of their records.

        Those that ask for nothing (not `asking`) have the record id 0 at the other end, and never a key.
        """
        first, second = self._by_property[0], self._by_property[1] and asking
        object_ids, to_object_ids = [link.object_id for link in links], [link.to_object_id for link in links]
        places = [(link.row, link.part, numbers.setdefault(link.row_kind, len(numbers))) for link in links]
        found = np.array(places, np.int64).reshape(-1, 3).T
        rows, parts, kinds = np.concatenate([plain[[0, 1, 4]], found], axis=1)
        order = np.argsort(rows, kind="stable")
        kinds, used = _by_first_use(kinds[order], list(numbers))
        # Where an end has keys, no row is plain.
        return Rows(
            rows=rows[order].astype(np.int32),
            parts=parts[order].astype(np.int32),
            object_ids=object_ids if first else np.append(plain[2], np.array(object_ids, np.int64))[order],
            to_object_ids=to_object_ids if second else np.append(plain[3], np.array(to_object_ids, np.int64))[order],
            kinds=kinds,
            row_kinds=used,
        )

    def _record(self, place: int, batch: RecordBatch) -> Iterator[_Link | Reject]:
        """Yield the rows of one record, and its cells that ask for nothing."""
        row, cells = batch.rows[place], batch.record(place)
        cell = cells[self._columns.object_id.position]
        mark = batch.marks.get((place, self._columns.object_id.position))
        judged = Judged("", mark=mark) if mark else self._judge(cell, 0, self._columns.object_id)
        fault = batch.faults.get(place)
        if (judged.mark or self._by_property[0]) and self._second_header.repeats(row, cells) and fault is None:
            fault = Mark("REPEATED_HEADER", "repeats the header; delete the row")
        if fault is not None:
            ids_as_text = keep(cell), keep(cells[self._columns.to[0].position])
            row_kind, *_ = self._row_kinds_of[0].of(cells)
            yield Reject(row, 0, *ids_as_text, row_kind, fault.reason, f"Row {row} {fault.why}.")
            return
        if place and any(not cells[each.position].strip() for each in self._ids):
            self._hints.see_blank([each.header for each in self._ids if not cells[each.position].strip()])
        unsure = self._unsure(place, batch) if batch.marks else []
        part = 0
        for row_kinds_of, column in zip(self._row_kinds_of, self._columns.to, strict=True):
            row_kinds = row_kinds_of.of(cells)
            missing = row_kinds_of.missing(row_kinds[0])
            in_order = not (judged.mark or unsure or missing)
            before = part
            for text, to_judged in self._judged_parts(place, column, cells, batch):
                for each in row_kinds:
                    if in_order and not to_judged.mark:
                        found = _with_addresses(each, judged, to_judged)
                        yield _Link(row, part, judged.record_id, to_judged.record_id, found)
                    else:
                        first = "object_id", self._columns.object_id, judged.mark
                        second = "to_object_id", column, to_judged.mark
                        problem = self._problem(row, (first, second, *unsure), missing)
                        yield Reject(row, part, keep(cell), keep(text), each, *problem)
                    part += 1
            if part == before:
                object_id = judged.record_id if in_order else ""
                yield _Link(row, 0, object_id, "", _with_addresses(row_kinds[0], judged, None))

    def _unsure(self, place: int, batch: RecordBatch) -> list[_Marked]:
        """Return the record's type, category and label cells whose content is lost: they only look blank."""
        own = self._columns.own.items()
        marked = [(field, column, batch.marks.get((place, column.position))) for field, column in own]
        return [(field, column, mark) for field, column, mark in marked if mark and mark.reason in _LOST]

    def _judged_parts(
        self, place: int, column: Column, cells: list[str], batch: RecordBatch
    ) -> Iterator[tuple[str, Judged]]:
        cell = cells[column.position]
        mark = batch.marks.get((place, column.position)) if batch.marks else None
        if mark is not None:
            yield cell, Judged("", mark=mark)
            return
        by_property = self._by_property[1]
        texts = ids.parts(cell, lenient=column.meaning.associated and not by_property)
        if not texts and not column.meaning.associated:
            texts = [""]
        for text in texts:
            yield text, self._judge(text, 1, column)

    def _judge(self, cell: str, end: int, column: Column) -> Judged:
        judged = ids.judge_value(cell) if self._by_property[end] else ids.judge(cell, _KEY_OPTIONS[end])
        if judged.mark is not None and judged.mark.reason == "INVALID_RECORD_ID":
            self._hints.see(column.header, _KEY_OPTIONS[end], cell.strip()[:200])
        if judged.repair:
            self._repairs[f"{{n}} {judged.repair}."] += 1
        return judged

    def _problem(self, row: int, cells: Sequence[_Marked], missing: str) -> Problem:
        """Return the first thing that is wrong with a row: one of its cells, or the field that is `missing`."""
        for field, column, mark in cells:
            if mark is not None:
                return Problem(mark.reason, f"{self._table.cell_name(row, column.position)}: {mark.why}.", field)
        reason = f"MISSING_{missing.upper()}"
        return Problem(reason, f"Row {row}: {_MISSING[reason]}.", missing)


def _with_addresses(row_kind: RowKind, judged: Judged, to_judged: Judged | None) -> RowKind:
    to_address = to_judged.address if to_judged else ""
    if not (judged.address or to_address):
        return row_kind
    return row_kind._replace(address=judged.address, to_address=to_address)


def _repeated(counts: _Numbers, sizes: _Numbers) -> tuple[_Numbers, _Numbers, _Numbers]:
    """Return for each row of a column of to object ids: the places of its record, of its id, and of its kind.

    `counts` are the ids in each record's cell; for each of them the record asks for `sizes` rows.
    """
    records = np.repeat(np.arange(len(counts)), np.maximum(counts, 0))
    times = sizes[records]
    found = np.repeat(np.arange(len(records)), times)
    nth = np.arange(len(found)) - (np.cumsum(times) - times)[found]
    return records[found], found, nth


def _by_first_use(kinds: _Numbers, row_kinds: list[RowKind]) -> tuple[npt.NDArray[np.int32], tuple[RowKind, ...]]:
    """Number the kinds again, in the order of their first rows; kinds without a row are left out."""
    first = np.full(len(row_kinds), len(kinds))
    first[kinds[::-1]] = np.arange(len(kinds))[::-1]
    used = np.argsort(first)[: np.count_nonzero(first < len(kinds))]
    numbers = np.empty(len(row_kinds), np.int32)
    numbers[used] = np.arange(len(used))
    return numbers[kinds], tuple(row_kinds[kind] for kind in used)
