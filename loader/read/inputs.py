"""One input: a table whose columns are assigned to fields, read chunk by chunk, as often as needed."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, BinaryIO

from loader.errors import UsageError
from loader.fetch import Watch
from loader.model import Chunk, Understood
from loader.read.columns import assign
from loader.read.opening import OpenTable, open_tables
from loader.read.unused import unused
from loader.settings import InputSettings
from loader.text import counted

if TYPE_CHECKING:
    from loader.read.record_ids import BadId, OwnKey, RecordIds


class Input:
    """A table with its columns assigned to fields; see `OpenTable` for its names and paths.

    `to_columns` are the headers of the to object ids, and `label_column` is that of the labels, blank if none.
    `id_properties` are the properties with the values that its two ids are, None for record ids. `understood` says how
    the file was read; its notes are complete after the last chunk.
    """

    def __init__(self, table: OpenTable) -> None:
        settings, reader = table.settings, table.reader
        self.name = table.name
        self.file = table.file
        self.path = table.path
        self.copied = table.copied
        self.sha256 = table.sha256
        self.header = table.header
        self._table = table
        self._columns = assign(table.shown, table.header, settings)
        self.to_columns = tuple(column.header for column in self._columns.to)
        self.label_column = self._columns.own["label"].header if "label" in self._columns.own else ""
        self.id_properties = settings.from_id_property, settings.to_id_property
        self._opening_notes = [*table.notes, *self._columns.notes()]
        left = unused(table.header, self._columns, settings)
        if settings.strict and left.warnings:
            raise UsageError(f"{table.shown}: {' '.join(left.warnings)} (--strict)")
        names_type = self._columns.has_types() or settings.label or settings.association_type_id
        if settings.needs_label and left.types and not names_type:
            raise UsageError(
                f"{table.shown}: {' '.join(left.types)} Without it, whole pairs would be removed with every label that "
                "they have; if that is meant, add --whole-pair"
            )
        self.understood = Understood(
            format=reader.format,
            encoding=reader.encoding,
            delimiter=reader.delimiter,
            sheet=reader.sheet,
            header_row=reader.header_row,
            columns=self._columns.by_field(),
            notes=list(self._opening_notes),
            unused=left.headers,
            warnings=left.warnings,
            byte_order_mark=reader.byte_order_mark,
        )

    def chunks(self) -> Iterator[Chunk]:
        """Yield the records, judged, a few thousand at a time; may be called more than once.

        Raises InputError where the file is damaged, or has changed since it was opened.
        """
        from loader.read.judge import RecordJudge  # noqa: PLC0415 - numpy: only who reads rows waits for it

        counts = Counter[str]()
        judge = RecordJudge(self._table, self._columns, counts)
        records = 0
        for batch in self._table.batches(counts):
            if batch.rows:
                records += len(batch.rows)
                yield from judge.chunks(batch)
        if not records:
            what = "query gives no rows" if self._table.settings.rows_of else "file has a header and no rows"
            counts[f"The {what}; there is nothing to load."] += 1
        sentences = [sentence.replace("{n}", counted(count, "id")) for sentence, count in counts.items()]
        self.understood.notes[:] = [*self._opening_notes, *sentences, *judge.hints(records)]

    def record_ids(self) -> Iterator["RecordIds | OwnKey | BadId"]:
        """Yield the object ids or own keys alone, and those that are wrong; for `records_only`.

        Raises InputError where the file is damaged, or has changed since it was opened.
        """
        from loader.read.record_ids import judged  # noqa: PLC0415 - numpy: only who reads rows waits for it

        by_property = self._table.settings.from_id_property is not None
        for batch in self._table.batches(Counter()):
            yield from judged(batch, self._table, self._columns, by_property=by_property)

    def close(self) -> None:
        """Remove the private copy, if the input is not a user's file."""
        self._table.close()


def open_inputs(
    *groups: InputSettings, standard_input: BinaryIO | None = None, watch: Watch | None = None
) -> list[Input]:
    """Open every input that the settings name, as `open_tables` does; on an error, all are closed.

    Raises UsageError or InputError for the first that cannot be trusted, or whose columns are not understood.
    """
    with ExitStack() as stack:
        tables = open_tables(*groups, standard_input=standard_input, watch=watch)
        inputs = [Input(stack.enter_context(closing(table))) for table in tables]
        stack.pop_all()
    return inputs
