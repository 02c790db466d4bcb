"""Parquet, read by pyarrow batch by batch; only an exact whole number or a text can be an id."""

import datetime
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from loader.read.cells import is_blank, show
from loader.read.columns import is_header, no_header
from loader.read.faults import reading
from loader.read.packed import Packed, is_bomb, refuse_bomb
from loader.read.table import BATCH, NUL, Cells, Mark, NumberColumn, RecordBatch, Table
from loader.settings import InputSettings
from loader.values import significand_bits, text_of

_NO_SUCH_VALUE = (OverflowError, ValueError, pa.ArrowException)
_UNREADABLE = Mark("ERROR_CELL", "the cell holds a date or time that cannot be read; write it as text")


class Parquet(Table):
    """One Parquet file. This module alone imports pyarrow, and is itself imported only for such a file."""

    format = "parquet"

    def __init__(self, packed: Packed, settings: InputSettings) -> None:
        self._name = packed.name
        self._packed = packed
        self.notes = []
        with (
            reading(self._name),
            packed.open_seekable() as stream,
            pq.ParquetFile(stream, pre_buffer=False) as file,
        ):
            _refuse_bombs(self._name, file.metadata, packed.path.stat().st_size)
            self.header = tuple(file.schema_arrow.names)
        if not is_header(self.header, settings):
            raise no_header(self._name, [self.header], settings)

    def batches(self, counts: Counter[str]) -> Iterator[RecordBatch]:
        """Yield the records; a column is converted to text as a whole if its type allows it."""
        with reading(self._name):
            row, unpacked, size = 2, 0, self._packed.path.stat().st_size
            with (
                self._packed.open_seekable() as stream,
                pq.ParquetFile(stream, pre_buffer=False) as file,
            ):
                for part in file.iter_batches(batch_size=BATCH, use_threads=False):
                    marks: dict[tuple[int, int], Mark] = {}
                    plain = [_plain(column) for column in part.columns]
                    # A value that is repeated a million times takes little space in the file, but much in memory.
                    unpacked += sum(column.nbytes for column in plain)
                    if is_bomb(unpacked, size):
                        raise refuse_bomb(self._name)
                    columns: list[Cells] = [_texts(column, index, marks) for index, column in enumerate(plain)]
                    yield _batch(columns, row, marks)
                    row += len(columns[0])


def _refuse_bombs(name: str, metadata: pq.FileMetaData, size: int) -> None:
    """Raise InputError if a file of `size` bytes unpacks to far more: pyarrow unpacks a page as a whole."""
    # The columns of row groups are not read: with a damaged footer, that ends the whole process.
    groups = map(metadata.row_group, range(metadata.num_row_groups))
    if is_bomb(sum(group.total_byte_size for group in groups), size):
        raise refuse_bomb(name)


def _batch(columns: list[Cells], row: int, marks: dict[tuple[int, int], Mark]) -> RecordBatch:
    rows = range(row, row + len(columns[0]))
    batch = RecordBatch(rows=rows, columns=columns, marks=marks)
    for column in columns:
        if not isinstance(column, NumberColumn) and "\0" in "".join(column):
            batch.faults.update({place: NUL for place, cell in enumerate(column) if "\0" in cell})
    if isinstance(columns[0], NumberColumn) or all(columns[0]):
        return batch
    blank = {place for place, cell in enumerate(columns[0]) if not cell and all(map(is_blank, batch.record(place)))}
    kept = [place for place in range(len(rows)) if place not in blank]
    moved = {old: new for new, old in enumerate(kept)}
    return RecordBatch(
        rows=[rows[old] for old in kept],
        columns=[[column[old] for old in kept] for column in columns],
        faults={moved[old]: mark for old, mark in batch.faults.items()},
        marks={(moved[old], column): mark for (old, column), mark in marks.items() if old in moved},
    )


def _plain(column: Any) -> Any:
    """Return a column in its storage type (of an extension type) and with full values (of a dictionary)."""
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.storage
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _texts(column: Any, index: int, marks: dict[tuple[int, int], Mark]) -> Cells:
    """Return a column's cells as text; cells that can never be ids are marked."""
    kind = column.type
    if pa.types.is_signed_integer(kind) and not column.null_count:
        whole = pc.cast(column, pa.int64())
        return NumberColumn(np.frombuffer(whole.buffers()[1], np.int64, len(whole), 8 * whole.offset))
    if pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        texts: list[Any] = pc.cast(column, pa.large_string()).to_pylist()
        # Not by pc.fill_null: like to_numpy, it imports pandas, which takes half a second.
        return [text or "" for text in texts] if column.null_count else texts
    bits = significand_bits(kind)
    cells = []
    for place, value in enumerate(_values(column)):
        text = "" if value is _UNREADABLE else text_of(value, bits) or ""
        mark = _mark(value, text)
        if mark is not None:
            marks[place, index] = mark
        cells.append(text)
    return cells


def _values(column: Any) -> list[object]:
    """Return a column's cells as Python values; for example a date after the year 9999 becomes a mark."""
    try:
        values: list[object] = column.to_pylist()
    except _NO_SUCH_VALUE:
        return list(map(_value, column))
    return values


def _value(cell: Any) -> object:
    try:
        return cell.as_py()
    except _NO_SUCH_VALUE:
        return _UNREADABLE


def _mark(value: object, text: str) -> Mark | None:
    if isinstance(value, Mark):
        return value
    if isinstance(value, bool):
        return Mark("BOOLEAN", f"{show(text)} is true or false, not a record id; write the id as text")
    if isinstance(value, datetime.date | datetime.time | datetime.timedelta):
        return Mark("DATE", f"{show(text)} is a date or time, not a record id; write the id as text")
    if isinstance(value, list):
        return next((mark for mark in (_mark(item, str(item)) for item in value) if mark), None)
    return None
