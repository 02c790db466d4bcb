"""The results file: one line for each row, appended after its outcome is in the journal; it can always be rebuilt."""

import json
import os
import zlib
from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import Self

from loader.errors import UsageError
from loader.files import checksum_of, open_private, replacing, write_all, writing
from loader.journal import Journal, Line, OutputTable, Written, lines
from loader.record.csv_text import LINES_AT_ONCE, LinesOf, TextsOf, csv_lines, csv_texts, texts_of
from loader.text import visible_json

ENDINGS = (".csv", ".jsonl", ".parquet")


class TextResults:
    """Results as CSV or JSON lines, appended to.

    The file's length and checksum are journaled with the next commit: what a crash left beyond that point is cut off
    and written again. If the file is not what was written, it is rebuilt from the journal.
    """

    def __init__(
        self,
        path: Path,
        journal: Journal,
        texts_of: TextsOf,
        head: str,
        *,
        name: str = "results",
    ) -> None:
        self._path = path
        self._journal = journal
        self._texts_of = texts_of
        self._head = head.encode()
        self._name = name
        self._descriptor = -1

    def __enter__(self) -> Self:
        with writing(self._path):
            self._descriptor = open_private(self._path)
            try:
                if not self._resume():
                    empty = os.fstat(self._descriptor).st_size == 0
                    _take_name(self._path, self._journal, self._name, empty=empty)
                    self._begin()
            except BaseException:
                self.close()
                raise
        return self

    def _resume(self) -> bool:
        table = self._journal.facts.tables.get(self._name)
        if table is None or table.written is None:
            return False
        self._size, self._checksum = table.written.size, table.written.checksum
        if checksum_of(self._descriptor, self._size) != self._checksum:
            return False
        os.ftruncate(self._descriptor, self._size)
        os.lseek(self._descriptor, self._size, os.SEEK_SET)
        self._number = {"outcomes": table.written.outcomes, "rejected": table.written.rejected}
        return True

    def _begin(self) -> None:
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self._size = self._checksum = 0
        self._number = {"outcomes": 0, "rejected": 0}
        self._write(self._head)

    def __exit__(self, *_: object) -> None:
        self.close()

    def catch_up(self) -> dict[str, object]:
        """Write every line that the file lacks; return the changes of facts that say how far it is."""
        for view in self._number:
            for number, text in self._texts_of(self._journal, view, self._number[view]):
                self._write(text)
                self._number[view] = number
        table = OutputTable(
            name=self._path.name, written=Written(size=self._size, checksum=self._checksum, **self._number)
        )
        return {"tables": {**self._journal.facts.tables, self._name: table}}

    def _write(self, data: bytes) -> None:
        with writing(self._path):
            write_all(self._descriptor, data)
        self._size += len(data)
        self._checksum = zlib.crc32(data, self._checksum)

    def finish(self) -> None:
        """Flush to disk; if the file was truncated or removed meanwhile, write it again."""
        with writing(self._path):
            if not self._in_place():
                self.close()
                self._descriptor = open_private(self._path)
                self._begin()
                self.catch_up()
            os.fsync(self._descriptor)

    def _in_place(self) -> bool:
        ours = os.fstat(self._descriptor)
        try:
            named = self._path.lstat()
        except FileNotFoundError:
            return False
        return (named.st_dev, named.st_ino, named.st_size) == (ours.st_dev, ours.st_ino, self._size)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class ParquetResults:
    """Results as Parquet: written whole at every orderly exit, because a Parquet file cannot grow."""

    def __init__(self, path: Path, journal: Journal) -> None:
        self._path = path
        self._journal = journal

    def __enter__(self) -> Self:
        with writing(self._path):
            empty = not self._path.exists() or self._path.stat().st_size == 0
            _take_name(self._path, self._journal, "results", empty=empty)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def catch_up(self) -> dict[str, object]:
        """Write nothing yet: the file is written at the end."""
        return {}

    def finish(self) -> None:
        """Write the whole file from the journal."""
        import pyarrow as pa  # noqa: PLC0415 - takes a quarter of a second, for a Parquet file only
        from pyarrow import parquet  # noqa: PLC0415

        types = {name: pa.string() if kind is str else pa.int64() for name, kind in Line.__annotations__.items()}
        schema = pa.schema(types)
        with replacing(self._path) as beside, parquet.ParquetWriter(beside, schema) as writer:
            for view in ("outcomes", "rejected"):
                numbered = lines(self._journal, view, 0)
                while batch := [line for _, line in islice(numbered, LINES_AT_ONCE)]:
                    columns = zip(*batch, strict=True)
                    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
                    writer.write_batch(pa.record_batch(arrays, schema=schema))

    def close(self) -> None:
        """Do nothing: the file is not open."""


def open_results(path: Path, journal: Journal) -> TextResults | ParquetResults:
    """Return the results file in the format of its name's ending.

    Entering it raises UsageError when a file of that name is there that this run did not write.
    """
    ending = path.suffix.lower()
    if ending == ".parquet":
        return ParquetResults(path, journal)
    if ending == ".jsonl":
        return TextResults(path, journal, texts_of(lines, _json_lines), "")
    return TextResults(path, journal, csv_texts, ",".join(Line._fields) + "\n")


def open_table(
    path: Path,
    journal: Journal,
    columns: Sequence[str],
    lines_of: LinesOf,
    *,
    name: str = "results",
    marks: Collection[str] = (),
) -> TextResults:
    """Return another table of a journal as CSV: of what `verify` found, or of what `undo` did.

    `name` is the table's name in the journal, which may have several. `marks` are cells that no spreadsheet takes for
    formulas, whatever they begin with.
    """

    def text(batch: Iterable[Line]) -> str:
        return csv_lines(map(attrgetter(*columns), batch), marks)

    return TextResults(path, journal, texts_of(lines_of, text), ",".join(columns) + "\n", name=name)


def _take_name(path: Path, journal: Journal, name: str, *, empty: bool) -> None:
    """Note the name in the journal before anything is written there."""
    tables = journal.facts.tables
    if name in tables and tables[name].name == path.name:
        return
    if not empty:
        raise UsageError(
            f"{path} exists, and the run in {journal.path} did not write it: move it away, or give the --results that "
            "the run began with"
        )
    journal.remember(tables={**tables, name: OutputTable(name=path.name)})


def _json_lines(batch: Iterable[Line]) -> str:
    encode = json.JSONEncoder(ensure_ascii=False).encode
    return "".join(f"{visible_json(encode(line._asdict()))}\n" for line in batch)
