"""The failures file: the records that failed or were rejected, in their own columns, ready to be mended and loaded."""

import codecs
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from loader.record.defuse import csv_line
from loader.record.files import replacing, writing
from loader.record.journal import Journal, Line, failed_records
from loader.record.visible import visible

ADDED = ("_input", "_row", "_status", "_error_category", "_error_message", "_http_status", "_correlation_id")


def write_failures(path: Path, journal: Journal) -> int:
    """Write the failures file from the journal and return its number of lines; none: there is no such file after."""
    records = failed_records(journal)
    first = next(records, None)
    if first is None:
        with writing(path):
            path.unlink(missing_ok=True)
        return 0
    columns = _columns(journal)
    written = 0
    with replacing(path) as beside:
        file = codecs.getwriter("utf-8")(beside, "backslashreplace")
        file.write(csv_line((*(name for name, _ in columns), *ADDED)))
        for header, cells, line in chain([first], records):
            found = dict(zip(_numbered(header), cells, strict=True))
            file.write(csv_line((*(found.get(name, "") for name in columns), *_about(line))))
            written += 1
    return written


def _about(line: Line) -> tuple[str, ...]:
    status = "" if line.http_status is None else str(line.http_status)
    return (
        visible(line.input),
        str(line.row),
        line.status,
        line.error_category,
        line.error_message,
        status,
        line.correlation_id,
    )


Column = tuple[str, int]
"""A header, and which one of that name it is: a header may stand twice in a file."""


def _columns(journal: Journal) -> list[Column]:
    """The union of the inputs' columns, in their order; those of an earlier failures file are not carried along."""
    columns = [column for _, header, _ in journal.headers() for column in _numbered(header)]
    return [column for column in dict.fromkeys(columns) if column[0] not in ADDED]


def _numbered(header: Sequence[str]) -> list[Column]:
    seen: Counter[str] = Counter()
    numbered: list[Column] = []
    for name in header:
        seen[name] += 1
        numbered.append((name, seen[name]))
    return numbered
