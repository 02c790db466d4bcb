"""The failures file: the records that failed or were rejected, in their own columns, ready to be mended and loaded.

It is meant to be mended by hand. So it is written or removed only as long as it is what the loader wrote: the journal
keeps the checksum of that. A file that was changed is renamed, never overwritten.
"""

import codecs
import hashlib
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import chain
from operator import attrgetter
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, NamedTuple

from loader.errors import JournalError, RecordError
from loader.files import replacing, writing
from loader.journal import Journal, Line, failed_records
from loader.reasons import Reason, explain
from loader.record.csv_text import csv_line
from loader.record.outputs import FailuresForm, Outputs, dated_names, is_set_aside, is_workbook
from loader.record.workbook import WorkbookWriter
from loader.text import visible

ABOUT = ("input", "row", "status", "error_category", "error_message", "http_status", "correlation_id")
"""Columns of the results that stand behind a record's own ones."""

ADDED = tuple(f"_{name}" for name in ABOUT)
"""How they are called here."""

_CELLS_ABOUT = attrgetter(*ABOUT)


_LONGEST_HEADER = 2**20


MOST_NAMED = 10
"""The lines of each reason that an ending names."""


class Failures(NamedTuple):
    """How many lines the failures file has, and where one was kept that the user had changed, if there was one.

    `named` are the first lines by their code and what it means for them.
    """

    lines: int
    kept: Path | None
    named: Mapping[tuple[str, Reason], list[Line]] = MappingProxyType({})


def write_failures(outputs: Outputs, journal: Journal, now: datetime) -> Failures:
    """Write the failures file from the journal; without a line to write there is no such file after."""
    path = outputs.failures
    records = failed_records(journal)
    first = next(records, None)
    if first is None:
        kept = _make_way(outputs, journal, now)
        with writing(path):
            path.unlink(missing_ok=True)
        return Failures(0, kept)
    # The union of the inputs' columns, in their order; those of an earlier failures file are not carried along.
    columns = [
        column
        for column in dict.fromkeys(column for _, header, _ in journal.headers() for column in _numbered(header))
        if column[0] not in ADDED
    ]
    written = 0
    named: dict[tuple[str, Reason], list[Line]] = {}
    unnamed = Counter[str]()
    with replacing(path) as beside:
        table = _opened(path, beside, (*(name for name, _ in columns), *ADDED), outputs.form)
        for header, cells, line in chain([first], records):
            found = dict(zip(_numbered(header), cells, strict=True))
            about = ("" if cell is None else visible(str(cell)) for cell in _CELLS_ABOUT(line))
            table.write((*(found.get(name, "") for name in columns), *about))
            written += 1
            # Of very many the meaning is looked up no more: those that are named are among the first.
            if unnamed[line.error_category] < MOST_NAMED**2:
                reason = explain(line.error_category, line.http_status, line.error_message)
                same = named.setdefault((line.error_category, reason), [])
                same += [line] * (len(same) < MOST_NAMED)
                unnamed[line.error_category] += 1
        table.close()
        beside.seek(0)
        digest = hashlib.file_digest(beside, "sha256").hexdigest()
        # What is there may be the same already, as a plan wrote it.
        kept = None if digest in digests(path) else _make_way(outputs, journal, now)
        # Before the new file has its name: after a crash between the two, either is known as the loader's.
        journal.remember(failures_written=(*digests(path), digest))
    return Failures(written, kept, named)


class _CsvWriter:
    """Writes lines as CSV: with the delimiter of the inputs, and with a byte order mark where they need one."""

    def __init__(self, file: BinaryIO, header: Sequence[str], form: FailuresForm) -> None:
        self._file = file
        self._delimiter = form.delimiter
        file.write(codecs.BOM_UTF8 if form.byte_order_mark else b"")
        self.write(header)

    def write(self, cells: Sequence[str]) -> None:
        """Write one line."""
        self._file.write(csv_line(cells, self._delimiter).encode("utf-8", "backslashreplace"))

    def close(self) -> None:
        """Do nothing: the file stays open."""


def _opened(path: Path, file: BinaryIO, header: Sequence[str], form: FailuresForm) -> _CsvWriter | WorkbookWriter:
    """Return what writes the lines of a failures file in the format that its name says."""
    if is_workbook(path):
        return WorkbookWriter(file, header, title=form.sheet)
    return _CsvWriter(file, header, form)


def is_mended(path: Path, journal: Journal) -> bool:
    """Return True for a failures file that is not what the run of this journal wrote last."""
    return bool(set(digests(path)) - set(journal.facts.failures_written))


def is_copy(path: Path, outputs: Outputs, copied_last: str) -> bool:
    """Return True for a failures file that is as it was copied elsewhere by this run (`copied_last`) or an earlier one.

    Then it holds no corrections. An earlier run is known as long as its journal is kept.
    """
    found = set(digests(path))
    if found <= {copied_last, *digests(outputs.failures)}:
        return True
    journals = (each for each in outputs.journal.parent.iterdir() if is_set_aside(each, outputs.stem))
    for journal in sorted(journals, reverse=True):  # The latest first.
        with suppress(JournalError, RecordError), Journal(journal, read_only=True) as earlier:
            if found <= {earlier.facts.failures_copied}:
                return True
    return False


def is_failures_file(path: Path) -> bool:
    """Return True when a file has the columns that the loader adds, whatever wrote it and whatever separates them."""
    with writing(path), path.open("rb") as file:
        if is_workbook(path):
            return any(map(_has_our_columns, _texts_of_workbook(file)))
        return _has_our_columns(file.readline(_LONGEST_HEADER))


def _has_our_columns(text: bytes) -> bool:
    return all(name in text for name in (b"_row", b"_error_category"))


def _texts_of_workbook(file: BinaryIO) -> Iterator[bytes]:
    """Yield the beginnings of the parts that hold a workbook's texts: its sheets, or the one that they share."""
    with suppress(zipfile.BadZipFile, NotImplementedError, RuntimeError), zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            if name.startswith(("xl/worksheets/", "xl/sharedStrings")):
                with archive.open(name) as part:
                    yield part.read(_LONGEST_HEADER)


def has_mended_files(journal: Journal) -> bool:
    """Return True when a failures file of a run is still there that the user has changed."""
    failures = journal.path.parent / journal.facts.outputs.get("failures", "")
    kept = (journal.path.parent / name for name in journal.facts.kept_failures)
    return is_mended(failures, journal) or any(path.exists() for path in kept)


def digests(path: Path) -> list[str]:
    """Return the SHA-256 of a file that is there and holds something, else nothing."""
    with writing(path):
        if not path.is_file() or not path.stat().st_size:
            return []
        with path.open("rb") as file:
            return [hashlib.file_digest(file, "sha256").hexdigest()]


def _make_way(outputs: Outputs, journal: Journal, now: datetime) -> Path | None:
    """Rename a failures file that the user has changed, and return its new path; None where there was none."""
    path = outputs.failures
    if not is_mended(path, journal):
        return None
    (kept,) = dated_names([path], outputs.stem, now.isoformat()).values()
    with writing(path):
        path.rename(kept)
    # Named in the journal, so that a folder's inputs do not grow by it.
    name = kept.name if kept.parent == outputs.results.parent else str(kept)
    journal.remember(kept_failures=(*journal.facts.kept_failures, name))
    return kept


Column = tuple[str, int]
"""A header, and which one of that name it is: a file may have a header twice."""


def _numbered(header: Sequence[str]) -> list[Column]:
    seen: Counter[str] = Counter()
    numbered: list[Column] = []
    for name in header:
        seen[name] += 1
        numbered.append((name, seen[name]))
    return numbered
