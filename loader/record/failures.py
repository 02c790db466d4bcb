"""The failures file: the records that failed or were rejected, in their own columns, ready to be mended and loaded."""

import csv
from pathlib import Path

from loader.record.defuse import defused
from loader.record.files import replacing
from loader.record.journal import Journal, Line, failed_records

ADDED = ("_input", "_row", "_status", "_error_category", "_error_message", "_http_status", "_correlation_id")


def write_failures(path: Path, journal: Journal) -> int:
    """Write the failures file from the journal and return its number of lines; none: there is no such file after."""
    columns = _columns(journal)
    written = 0
    with replacing(path) as beside, beside.open("w", encoding="utf-8", errors="replace", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([defused(name) for name in (*columns, *ADDED)])
        for header, cells, line in failed_records(journal):
            found = dict(zip(header, cells, strict=True))
            writer.writerow([defused(cell) for cell in (*(found.get(name, "") for name in columns), *_about(line))])
            written += 1
    if not written:
        path.unlink()
    return written


def _about(line: Line) -> tuple[str, ...]:
    status = "" if line.http_status is None else str(line.http_status)
    return line.input, str(line.row), line.status, line.error_category, line.error_message, status, line.correlation_id


def _columns(journal: Journal) -> list[str]:
    """The union of the inputs' columns, in their order; those of an earlier failures file are not carried along."""
    names = [name for _, header, _ in journal.headers() for name in header]
    return [name for name in dict.fromkeys(names) if name not in ADDED]
