"""Records become rows: links whose ids are in order, and rejects with a reason."""

from collections import Counter
from collections.abc import Iterator
from itertools import repeat
from operator import itemgetter

from loader.model import Asked, Chunk, Link, Reject
from loader.read import ids
from loader.read.asked import AskedOf
from loader.read.columns import Column, Columns
from loader.read.headers import fold
from loader.read.ids import Judged
from loader.read.show import keep
from loader.read.table import Batch, Mark, Table
from loader.settings import InputSettings

_MISSING_TYPE = {
    "MISSING_OBJECT_TYPE": "the object type is blank; fill it in, or add --from",
    "MISSING_TO_OBJECT_TYPE": "the to object type is blank; fill it in, or add --to",
}

_LOST = ("MERGED_CELL", "ERROR_CELL", "FORMULA_WITHOUT_VALUE")
Verdicts = tuple[tuple[Column, Judged], ...]


class Judge:
    """Judges the batches of one table; `told` counts what was repaired, by sentence."""

    def __init__(self, table: Table, columns: Columns, settings: InputSettings, told: Counter[str]) -> None:
        self._table = table
        self._columns = columns
        self._told = told
        self._by_property = bool(settings.from_id_property), bool(settings.to_id_property)
        self._asked = [AskedOf(columns, to, settings) for to in columns.to]
        self._folded_header = [fold(header) for header in table.header]

    def chunk(self, batch: Batch) -> Chunk:
        """Judge one batch: all records at once where every id is plain, else one by one."""
        links = self._plain_links(batch)
        if links is not None:
            return Chunk(batch.rows, batch.cells, links, [], 0)
        chunk = Chunk(batch.rows, batch.cells, [], [], 0)
        without = sum(self._record(place, batch, chunk) for place in range(len(batch.rows)))
        return chunk._replace(without=without)

    def _plain_links(self, batch: Batch) -> list[Link] | None:
        if batch.faults or batch.marks or len(self._columns.to) > 1 or any(self._by_property):
            return None
        objects = list(map(itemgetter(self._columns.object_id.position), batch.cells))
        to_objects = list(map(itemgetter(self._columns.to[0].position), batch.cells))
        if not (_all_plain(objects) and _all_plain(to_objects)):
            return None
        asked = self._asked[0].column(batch.cells)
        if asked is None:
            return None
        # The class's own __new__ is Python and would double the time of a million rows; the tuple's is C.
        return list(map(tuple.__new__, repeat(Link), zip(batch.rows, repeat(0), objects, to_objects, asked)))

    def _record(self, place: int, batch: Batch, chunk: Chunk) -> int:
        """Judge one record into the chunk; returns how many of its cells ask for nothing."""
        row, cells = batch.rows[place], batch.cells[place]
        object_column = self._columns.object_id
        fault = batch.faults.get(place)
        judged = self._judged_object(place, cells, batch)
        if fault is None and judged.reason and [fold(cell) for cell in cells] == self._folded_header:
            fault = Mark("REPEATED_HEADER", "is the header once more; delete the row")
        if fault is not None:
            self._reject_record(row, cells, fault, chunk)
            return 0
        unsure = self._unsure(place, batch)
        without = part = 0
        for number, column in enumerate(self._columns.to):
            asked = self._asked[number].of(cells)
            texts = list(self._judged_parts(place, column, cells, batch))
            without += not texts
            for text, to_judged in texts:
                verdicts = (object_column, judged), (column, to_judged), *unsure
                problem = self._problem(row, verdicts, asked)
                if problem is None:
                    chunk.links.append(Link(row, part, judged.record_id, to_judged.record_id, asked))
                else:
                    said = keep(cells[object_column.position]), keep(text)
                    chunk.rejects.append(Reject(row, part, *said, asked, problem.reason, problem.why))
                part += 1
        return without

    def _judged_object(self, place: int, cells: list[str], batch: Batch) -> Judged:
        index = self._columns.object_id.position
        mark = batch.marks.get((place, index))
        if mark is not None:
            return Judged("", "", mark.reason, mark.why)
        return self._judge(cells[index], by_property=self._by_property[0])

    def _unsure(self, place: int, batch: Batch) -> list[tuple[Column, Judged]]:
        """Return the record's type, category and label cells whose content is lost: a blank there is no blank."""
        if not batch.marks:
            return []
        marked = [(column, batch.marks.get((place, column.position))) for column in self._columns.own.values()]
        return [
            (column, Judged("", "", mark.reason, mark.why)) for column, mark in marked if mark and mark.reason in _LOST
        ]

    def _judged_parts(self, place: int, column: Column, cells: list[str], batch: Batch) -> Iterator[tuple[str, Judged]]:
        cell = cells[column.position]
        mark = batch.marks.get((place, column.position))
        if mark is not None:
            yield cell, Judged("", "", mark.reason, mark.why)
            return
        by_property = self._by_property[1]
        texts = ids.parts(cell, lenient=column.meaning.associated and not by_property)
        if not texts and not column.meaning.associated:
            texts = [""]
        for text in texts:
            yield text, self._judge(text, by_property=by_property)

    def _judge(self, cell: str, *, by_property: bool) -> Judged:
        if by_property:
            return ids.judge_value(cell)
        if ids.PLAIN.fullmatch(cell):
            return Judged(cell)
        judged = ids.judge(cell)
        if judged.repair:
            self._told[f"Ids that had {judged.repair} taken off: {{n}}."] += 1
        return judged

    def _problem(self, row: int, verdicts: Verdicts, asked: Asked) -> Mark | None:
        for where, verdict in verdicts:
            if verdict.reason:
                return Mark(verdict.reason, f"{self._table.cell_name(row, where.position)}: {verdict.why}.")
        missing = _missing_type(asked)
        return None if missing is None else Mark(missing, f"Row {row}: {_MISSING_TYPE[missing]}.")

    def _reject_record(self, row: int, cells: list[str], fault: Mark, chunk: Chunk) -> None:
        said = keep(cells[self._columns.object_id.position]), keep(cells[self._columns.to[0].position])
        asked = self._asked[0].of(cells)
        chunk.rejects.append(Reject(row, 0, *said, asked, fault.reason, f"Row {row} {fault.why}."))


def _all_plain(column: list[str]) -> bool:
    joined = "\n".join(column)
    # The count tells a cell with a line break in it, "1\n2", from two cells.
    return bool(ids.PLAIN_COLUMN.fullmatch(joined)) and joined.count("\n") == len(column) - 1


def _missing_type(asked: Asked) -> str | None:
    if not asked.object_type:
        return "MISSING_OBJECT_TYPE"
    return None if asked.to_object_type else "MISSING_TO_OBJECT_TYPE"
