"""A file of records, not of associations: its object ids are judged like those of any other input."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from loader.columns import distinct
from loader.read import ids
from loader.read.cells import keep, trim
from loader.read.columns import Columns
from loader.read.ids import Judged
from loader.read.opening import OpenTable
from loader.read.table import RecordBatch


class RecordIds(NamedTuple):
    """Record ids of one object type, as the file writes it; blank if it does not say.

    `address` is the portal and the object type of the address that an id was read from, as `55/0-1`, else blank.
    """

    ids: npt.NDArray[np.int64]
    object_type: str
    address: str = ""


class OwnKey(NamedTuple):
    """A record that is named by the value of a unique property, and its row."""

    row: int
    value: str
    object_type: str


class BadId(NamedTuple):
    """A record with a wrong id: its row, the text of the cell, a key of `reasons.REASONS`, and a sentence."""

    row: int
    cell: str
    reason: str
    message: str


def judged(
    batch: RecordBatch, table: OpenTable, columns: Columns, *, by_property: bool
) -> Iterator[RecordIds | OwnKey | BadId]:
    """Yield the object ids of a batch: the plain ones of each object type at once, the others one by one.

    With `by_property` the cells hold own keys, which are yielded one by one.
    """
    place_of_ids = columns.object_id.position
    cells = batch.columns[place_of_ids]
    types = batch.columns[columns.own["object_type"].position] if columns.own else None
    found, counts = ids.plain_ids(cells, lists=False)
    is_plain = counts == 1
    if by_property:
        is_plain[:] = False
        found = found[:0]
    numbers = np.zeros(len(counts), np.int64)
    numbers[is_plain] = found
    is_plain[[*batch.faults, *(place for place, column in batch.marks if column == place_of_ids)]] = False
    if types is None:
        yield RecordIds(numbers[is_plain], "")
    else:
        written = np.array([trim(cell) for cell in types], np.str_)
        for each in distinct(written[is_plain]).tolist():
            yield RecordIds(numbers[is_plain & (written == each)], each)
    for place in np.flatnonzero(~is_plain).tolist():
        row, cell = batch.rows[place], cells[place]
        fault, mark = batch.faults.get(place), batch.marks.get((place, place_of_ids))
        verdict = Judged("", mark=mark) if mark else (ids.judge_value if by_property else ids.judge)(cell)
        if fault is not None:
            yield BadId(row, keep(cell), fault.reason, f"Row {row} {fault.why}.")
        elif verdict.mark is not None:
            where = table.cell_name(row, place_of_ids)
            yield BadId(row, keep(cell), verdict.mark.reason, f"{where}: {verdict.mark.why}.")
        elif by_property:
            yield OwnKey(row, verdict.record_id, trim(types[place]) if types is not None else "")
        else:
            object_type = trim(types[place]) if types is not None else ""
            yield RecordIds(np.array([int(verdict.record_id)], np.int64), object_type, verdict.address)
