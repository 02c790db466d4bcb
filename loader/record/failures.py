"""The failures file: the records that failed or were rejected, in their own columns, to be corrected and loaded.

People correct it by hand. So it is replaced or removed only while it is what the loader wrote: the journal has its
checksum. A file that was changed is renamed, never overwritten.
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
"""Columns of the results that follow the record's own columns."""

ADDED = tuple(f"_{name}" for name in ABOUT)
"""Their names in this file."""

_CELLS_ABOUT = attrgetter(*ABOUT)


_LONGEST_HEADER = 2**20


MOST_NAMED = 10
"""How many lines of each reason the end of a run names."""


class Failures(NamedTuple):
    """How many lines the failures file has, and where a file that the user had changed was kept, if any.

    `named` are the first lines of each reason: by code and meaning.
    """

    lines: int
    kept: Path | None
    named: Mapping[tuple[str, Reason], list[Line]] = MappingProxyType({})


def write_failures(outputs: Outputs, journal: Journal, now: datetime) -> Failures:
    """Write the failures file from the journal; without lines the file is removed."""
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
            # For very many lines the meaning is no longer looked up: only the first ones are named.
            if unnamed[line.error_category] < MOST_NAMED**2:
                reason = explain(line.error_category, line.http_status, line.error_message)
                same = named.setdefault((line.error_category, reason), [])
                same += [line] * (len(same) < MOST_NAMED)
                unnamed[line.error_category] += 1
        table.close()
        beside.seek(0)
        digest = hashlib.file_digest(beside, "sha256").hexdigest()
        # The file may be the same already: a plan has written it.
        kept = None if digest in digests(path) else _make_way(outputs, journal, now)
        # Before the new file has its name: after a crash in between, either file is recognised as the loader's.
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
    """Return the writer of a failures file in the format of its name."""
    if is_workbook(path):
        return WorkbookWriter(file, header, title=form.sheet)
    return _CsvWriter(file, header, form)


def is_mended(path: Path, journal: Journal) -> bool:
    """Return True if a failures file is not what the run of this journal wrote last."""
    return bool(set(digests(path)) - set(journal.facts.failures_written))


def is_copy(path: Path, outputs: Outputs, copied_last: str) -> bool:
    """Return True if a failures file is unchanged since this run (`copied_last`) or an earlier one copied it elsewhere.

    Then it has no corrections. An earlier run is known as long as its journal is kept.
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
    """Return True if a file has the columns that the loader adds, with any delimiter."""
    with writing(path), path.open("rb") as file:
        if is_workbook(path):
            return any(map(_has_our_columns, _texts_of_workbook(file)))
        return _has_our_columns(file.readline(_LONGEST_HEADER))


def _has_our_columns(text: bytes) -> bool:
    return all(name in text for name in (b"_row", b"_error_category"))


def _texts_of_workbook(file: BinaryIO) -> Iterator[bytes]:
    """Yield the beginnings of the parts with a workbook's texts: its sheets, or their shared strings."""
    with suppress(zipfile.BadZipFile, NotImplementedError, RuntimeError), zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            if name.startswith(("xl/worksheets/", "xl/sharedStrings")):
                with archive.open(name) as part:
                    yield part.read(_LONGEST_HEADER)


def has_mended_files(journal: Journal) -> bool:
    """Return True if a failures file that the user has changed is still there."""
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
    # Noted in the journal, so that the file is not taken for an input of its folder.
    name = kept.name if kept.parent == outputs.results.parent else str(kept)
    journal.remember(kept_failures=(*journal.facts.kept_failures, name))
    return kept


Column = tuple[str, int]
"""A header and its count among equal ones: a file may have a header twice."""


def _numbered(header: Sequence[str]) -> list[Column]:
    seen: Counter[str] = Counter()
    numbered: list[Column] = []
    for name in header:
        seen[name] += 1
        numbered.append((name, seen[name]))
    return numbered
