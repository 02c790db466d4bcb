"""The rows of a query, as `loader.fetch.query` has written them: columns and rows as JSON, a line each."""

import json
from collections import Counter
from collections.abc import Iterator

from loader.read.columns import is_header, no_header
from loader.read.faults import reading
from loader.read.packed import Packed
from loader.read.table import BATCH, BatchBuilder, RecordBatch, Table
from loader.settings import InputSettings


class QueryRows(Table):
    """What a query gave; its first row is row 2, as if its columns were a header above it."""

    format = "sql"

    def __init__(self, packed: Packed, settings: InputSettings) -> None:
        self.notes = []
        self._packed = packed
        with reading(packed.name), packed.open() as lines:
            self.header = tuple(json.loads(lines.readline()))
        if not is_header(self.header, settings):
            raise no_header(packed.name, [self.header], settings)

    def batches(self, counts: Counter[str]) -> Iterator[RecordBatch]:
        """Yield the rows; one that holds nothing is counted and left out."""
        records = BatchBuilder(len(self.header))
        with reading(self._packed.name), self._packed.open() as lines:
            lines.readline()
            for row, line in enumerate(lines, start=2):
                records.add(row, json.loads(line))
                if len(records.rows) == BATCH:
                    yield records.batch()
                    records = BatchBuilder(len(self.header))
        yield records.batch()
