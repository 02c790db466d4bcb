"""Records become rows: links whose ids are in order, and rejects with a reason."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import repeat
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from loader.model import Asked, Chunk, Reject, Rows
from loader.read import ids
from loader.read.asked import AskedOf
from loader.read.columns import Column, Columns
from loader.read.ids import Judged
from loader.read.second_header import SecondHeader
from loader.read.show import keep
from loader.read.table import Batch, Mark, Table
from loader.read.totals import Totals
from loader.settings import InputSettings

_MISSING_TYPE = {
    "MISSING_OBJECT_TYPE": "the object type is blank; fill it in, or add --from",
    "MISSING_TO_OBJECT_TYPE": "the to object type is blank; fill it in, or add --to",
}

_LOST = ("MERGED_CELL", "ERROR_CELL", "FORMULA_WITHOUT_VALUE")
_DIGITS = re.compile("[0-9]+", re.ASCII)

MOST_ROWS = 50_000
"""In a chunk: a cell may hold millions of ids."""


class _Link(NamedTuple):
    """One row whose ids are in order."""

    row: int
    part: int
    object_id: str
    to_object_id: str
    asked: Asked


Verdicts = tuple[tuple[Column, Judged], ...]


class Judge:
    """Judges the batches of one table; `told` counts what was repaired, by sentence."""

    def __init__(self, name: str, table: Table, columns: Columns, settings: InputSettings, told: Counter[str]) -> None:
        self._table = table
        self._columns = columns
        self._told = told
        self._by_property = bool(settings.from_id_property), bool(settings.to_id_property)
        self._asked = [AskedOf(columns, to, settings) for to in columns.to]
        self._second_header = SecondHeader(name, table.header, settings)
        ends = zip(self._by_property, ([columns.object_id], columns.to), strict=True)
        ids_at = [each.position for is_key, found in ends if not is_key for each in found]
        self._totals = Totals(
            ids_at, [each.position for each in (columns.object_id, *columns.to, *columns.own.values())]
        )

    def chunks(self, batch: Batch) -> Iterator[Chunk]:
        """Judge one batch: plain records in one go, the others one by one, in the file's order.

        Its records are all in the last chunk; those before have what the lists of a cell hold more than one chunk of.
        """
        for place, fault in self._totals.find(batch):
            batch.faults.setdefault(place, fault)
        links: list[_Link] = []
        rejects: list[Reject] = []
        plain, odd = self._plain_links(batch)
        with_care = bool(batch.faults or batch.marks or any(self._by_property))
        without = start = 0
        for place in odd:
            links.extend(plain[start:place])
            start = place + 1
            found = None if with_care else self._plain_record(batch.rows[place], batch.cells[place])
            for each in self._record(place, batch) if found is None else found:
                if isinstance(each, _Link):
                    links.append(each)
                elif isinstance(each, Reject):
                    rejects.append(each)
                else:
                    without += each
                if len(links) + len(rejects) >= MOST_ROWS:
                    yield Chunk(rows=[], cells=[], links=self._in_columns(links), rejects=rejects, without=0)
                    links, rejects = [], []
        links.extend(plain[start:])
        yield Chunk(rows=batch.rows, cells=batch.cells, links=self._in_columns(links), rejects=rejects, without=without)

    def _in_columns(self, links: list[_Link]) -> Rows:
        rows, parts, object_ids, to_object_ids, asked = list(zip(*links, strict=True)) or ((), (), (), (), ())
        kinds = {each: kind for kind, each in enumerate(dict.fromkeys(asked))}
        first, second = self._by_property
        return Rows(
            rows=np.array(rows, np.int32),
            parts=np.array(parts, np.int32),
            object_ids=list(object_ids) if first else np.array(list(map(int, object_ids)), np.int64),
            to_object_ids=list(to_object_ids) if second else np.array(list(map(int, to_object_ids)), np.int64),
            kinds=np.array([kinds[each] for each in asked], np.int32),
            asked=tuple(kinds),
        )

    def _plain_links(self, batch: Batch) -> tuple[list[_Link], Sequence[int]]:
        """Return a link for each record, and the places of those that must be judged by themselves after all."""
        everything = range(len(batch.rows))
        if len(self._columns.to) > 1 or any(self._by_property):
            return [], everything
        objects = list(map(itemgetter(self._columns.object_id.position), batch.cells))
        to_objects = list(map(itemgetter(self._columns.to[0].position), batch.cells))
        asked = self._asked[0].column(batch.cells)
        if asked is None:
            return [], everything
        # The class's own __new__ is Python and would double the time of a million rows; the tuple's is C.
        links = list(map(tuple.__new__, repeat(_Link), zip(batch.rows, repeat(0), objects, to_objects, asked)))
        if not (batch.faults or batch.marks) and _all_plain(objects) and _all_plain(to_objects):
            return links, ()
        plain = ids.PLAIN.fullmatch
        told = {*batch.faults, *(place for place, _ in batch.marks)}
        pairs = zip(objects, to_objects, strict=True)
        return links, [
            place for place, (one, other) in enumerate(pairs) if place in told or not (plain(one) and plain(other))
        ]

    def _plain_record(self, row: int, cells: list[str]) -> Iterator[_Link | int] | None:
        """Return the links of a record whose cells hold plain ids, lists of them, or nothing where that may be.

        Numbers among them are of cells that ask for nothing. None if the record must be judged with care.
        """
        object_id = cells[self._columns.object_id.position]
        if not ids.PLAIN.fullmatch(object_id):
            return None
        asking: list[tuple[str, tuple[Asked, ...]]] = []
        for asked_of, column in zip(self._asked, self._columns.to, strict=True):
            cell = cells[column.position]
            if not cell and column.meaning.associated:
                continue
            asked = asked_of.of(cells)
            if not (ids.PLAIN_LIST.fullmatch(cell) and asked[0].object_type and asked[0].to_object_type):
                return None
            asking.append((cell, asked))
        return self._links(row, object_id, asking)

    def _links(
        self, row: int, object_id: str, asking: Sequence[tuple[str, tuple[Asked, ...]]]
    ) -> Iterator[_Link | int]:
        yield len(self._columns.to) - len(asking)
        part = 0
        for cell, asked in asking:
            for found in _DIGITS.finditer(cell):
                for each in asked:
                    yield _Link(row, part, object_id, found[0], each)
                    part += 1

    def _record(self, place: int, batch: Batch) -> Iterator[_Link | Reject | int]:
        """Yield the rows of one record, and for each of its cells that asks for nothing a one."""
        row, cells = batch.rows[place], batch.cells[place]
        said = cells[self._columns.object_id.position]
        judged = self._judged_object(place, said, batch)
        fault = batch.faults.get(place)
        if (judged.reason or self._by_property[0]) and self._second_header.repeats(row, cells) and fault is None:
            fault = Mark("REPEATED_HEADER", "is the header once more; delete the row")
        if fault is not None:
            yield self._rejected_record(row, cells, fault)
            return
        unsure = self._unsure(place, batch) if batch.marks else []
        part = 0
        for asked_of, column in zip(self._asked, self._columns.to, strict=True):
            asked = asked_of.of(cells)
            in_order = not (judged.reason or unsure) and asked[0].object_type and asked[0].to_object_type
            before = part
            for text, to_judged in self._judged_parts(place, column, cells, batch):
                for each in asked:
                    if in_order and not to_judged.reason:
                        found = _with_addresses(each, judged, to_judged)
                        yield _Link(row, part, judged.record_id, to_judged.record_id, found)
                    else:
                        verdicts = (self._columns.object_id, judged), (column, to_judged), *unsure
                        problem = self._problem(row, verdicts, each)
                        yield Reject(row, part, keep(said), keep(text), each, problem.reason, problem.why)
                    part += 1
            if part == before:
                yield 1

    def _judged_object(self, place: int, cell: str, batch: Batch) -> Judged:
        mark = batch.marks.get((place, self._columns.object_id.position)) if batch.marks else None
        if mark is not None:
            return Judged("", "", mark.reason, mark.why)
        return self._judge(cell, self._by_property[0])

    def _unsure(self, place: int, batch: Batch) -> list[tuple[Column, Judged]]:
        """Return the record's type, category and label cells whose content is lost: a blank there is no blank."""
        marked = [(column, batch.marks.get((place, column.position))) for column in self._columns.own.values()]
        return [
            (column, Judged("", "", mark.reason, mark.why)) for column, mark in marked if mark and mark.reason in _LOST
        ]

    def _judged_parts(self, place: int, column: Column, cells: list[str], batch: Batch) -> Iterator[tuple[str, Judged]]:
        cell = cells[column.position]
        mark = batch.marks.get((place, column.position)) if batch.marks else None
        if mark is not None:
            yield cell, Judged("", "", mark.reason, mark.why)
            return
        by_property = self._by_property[1]
        texts = ids.parts(cell, lenient=column.meaning.associated and not by_property)
        if not texts and not column.meaning.associated:
            texts = [""]
        for text in texts:
            yield text, self._judge(text, by_property)

    def _judge(self, cell: str, by_property: bool) -> Judged:
        if not by_property and ids.PLAIN.fullmatch(cell):
            return Judged(cell)
        judged = ids.judge_value(cell) if by_property else ids.judge(cell)
        if judged.repair:
            self._told[f"Ids that had {judged.repair} taken off: {{n}}."] += 1
        return judged

    def _problem(self, row: int, verdicts: Verdicts, asked: Asked) -> Mark:
        """Return the first thing that is wrong with a row that is not in order."""
        for where, verdict in verdicts:
            if verdict.reason:
                return Mark(verdict.reason, f"{self._table.cell_name(row, where.position)}: {verdict.why}.")
        missing = "MISSING_TO_OBJECT_TYPE" if asked.object_type else "MISSING_OBJECT_TYPE"
        return Mark(missing, f"Row {row}: {_MISSING_TYPE[missing]}.")

    def _rejected_record(self, row: int, cells: list[str], fault: Mark) -> Reject:
        said = keep(cells[self._columns.object_id.position]), keep(cells[self._columns.to[0].position])
        asked, *_ = self._asked[0].of(cells)
        return Reject(row, 0, *said, asked, fault.reason, f"Row {row} {fault.why}.")


def _with_addresses(asked: Asked, judged: Judged, to_judged: Judged) -> Asked:
    if not (judged.address or to_judged.address):
        return asked
    return asked._replace(address=judged.address, to_address=to_judged.address)


def _all_plain(column: list[str]) -> bool:
    joined = "\n".join(column)
    # The count tells a cell with a line break in it, "1\n2", from two cells.
    return bool(ids.PLAIN_COLUMN.fullmatch(joined)) and joined.count("\n") == len(column) - 1
