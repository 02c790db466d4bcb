"""The results file: one line for each row, appended as outcomes are journaled; a view that can always be made again."""

import csv
import io
import json
import os
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from loader.record.defuse import defused
from loader.record.files import open_private, replacing, write_all, writing
from loader.record.journal import Journal, Line, lines

ENDINGS = (".csv", ".jsonl", ".parquet")

_LINES_AT_ONCE = 2000


class Results(Protocol):
    """A results file that is open for writing."""

    def catch_up(self) -> dict[str, object]:
        """Write every line that the journal has and the file has not; return the facts that say how far it is."""

    def finish(self) -> None:
        """Bring the file to its final form for this exit."""

    def close(self) -> None:
        """Let go of the file."""


class TextResults:
    """Results as CSV or JSON lines, appended to.

    How far the file is, is journaled with the next commit: what a crash left beyond that point is cut off and written
    again. A file that is shorter than that, or another one, is written anew from the journal.
    """

    def __init__(self, path: Path, journal: Journal, text_of: Callable[[Iterable[Line]], str], head: str) -> None:
        self._path = path
        self._journal = journal
        self._text_of = text_of
        self._head = head.encode()
        self._descriptor = -1
        self._number = {"settled": 0, "rejected": 0}
        self._size = 0

    def __enter__(self) -> Self:
        with writing(self._path):
            self._descriptor = open_private(self._path)
            if not self._resume():
                os.ftruncate(self._descriptor, 0)
                os.lseek(self._descriptor, 0, os.SEEK_SET)
                write_all(self._descriptor, self._head)
                self._size = len(self._head)
        return self

    def _resume(self) -> bool:
        written = self._journal.fact("results.written")
        if not isinstance(written, dict):
            return False
        size = written["size"]
        if os.fstat(self._descriptor).st_size < size or os.pread(self._descriptor, len(self._head), 0) != self._head:
            return False
        os.ftruncate(self._descriptor, size)
        os.lseek(self._descriptor, size, os.SEEK_SET)
        self._size = size
        self._number = {view: written[view] for view in self._number}
        return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def catch_up(self) -> dict[str, object]:
        """Write every line that the journal has and the file has not; return the facts that say how far it is."""
        for view in self._number:
            self._append(view)
        return {"results.written": {"size": self._size, **self._number}}

    def _append(self, view: str) -> None:
        numbered = lines(self._journal, view, self._number[view])
        while batch := list(islice(numbered, _LINES_AT_ONCE)):
            self._write(line for _, line in batch)
            self._number[view] = batch[-1][0]

    def _write(self, batch: Iterable[Line]) -> None:
        data = self._text_of(batch).encode("utf-8", "replace")
        with writing(self._path):
            write_all(self._descriptor, data)
        self._size += len(data)

    def finish(self) -> None:
        """Put what was written on disk."""
        with writing(self._path):
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class ParquetResults:
    """Results as Parquet: written whole at every orderly exit, because a Parquet file cannot grow."""

    def __init__(self, path: Path, journal: Journal) -> None:
        self._path = path
        self._journal = journal

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def catch_up(self) -> dict[str, object]:
        """Write nothing yet."""
        return {}

    def finish(self) -> None:
        """Write the whole file from the journal."""
        import pyarrow as pa  # noqa: PLC0415 - a quarter of a second that only a Parquet file is worth
        from pyarrow import parquet  # noqa: PLC0415

        whole = {"row": pa.int64(), "http_status": pa.int64(), "attempts": pa.int64()}
        schema = pa.schema([(name, whole.get(name, pa.string())) for name in Line._fields])
        with replacing(self._path) as beside, parquet.ParquetWriter(beside, schema) as writer:
            for view in ("settled", "rejected"):
                numbered = lines(self._journal, view, 0)
                while batch := [line for _, line in islice(numbered, _LINES_AT_ONCE)]:
                    columns = zip(*batch, strict=True)
                    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
                    writer.write_batch(pa.record_batch(arrays, schema=schema))

    def close(self) -> None:
        """Let go of nothing."""


def open_results(path: Path, journal: Journal) -> TextResults | ParquetResults:
    """Return the results file in the form that its name's ending asks for."""
    if path.suffix == ".parquet":
        return ParquetResults(path, journal)
    if path.suffix == ".jsonl":
        return TextResults(path, journal, _json_lines, "")
    return TextResults(path, journal, _csv_lines, ",".join(Line._fields) + "\n")


def _csv_lines(batch: Iterable[Line]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([defused(cell) if isinstance(cell, str) else cell for cell in line] for line in batch)
    return text.getvalue()


def _json_lines(batch: Iterable[Line]) -> str:
    return "".join(json.dumps(line._asdict(), ensure_ascii=False) + "\n" for line in batch)
