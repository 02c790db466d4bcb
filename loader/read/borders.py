"""Whether a cell with line breaks in it is one text, or records that a missing quote has swallowed."""

import csv
import re
from collections.abc import Collection, Sequence

LINE_END = re.compile(r"\r\n|\r|\n")
# Record ids, lists of them, or the email addresses and domains that stand for records.
_LIKE_IDS = re.compile(r"\s*(?:[0-9]+(?:\s*;\s*[0-9]+)*|[^\s,;|]+[@.][^\s,;|]+)\s*", re.ASCII)


def lines_of(record: Sequence[str]) -> int:
    """Return how many physical lines a record was written on."""
    return 1 + sum(len(LINE_END.findall(cell)) for cell in record)


def has_swallowed(record: Sequence[str], id_columns: Collection[int], delimiter: str) -> bool:
    """Tell whether the lines within one of the record's cells read like records of their own.

    A quote that opens and is closed only rows later makes those rows part of one cell, with the right number of fields
    and no error. Then every line between is as wide as the header and has ids where ids belong, or the first and the
    last piece complete each other to such records.
    """
    return any(
        _is_swallowing(cell, index, len(record), id_columns, delimiter)
        for index, cell in enumerate(record)
        if "\n" in cell or "\r" in cell
    )


def _is_swallowing(cell: str, index: int, width: int, id_columns: Collection[int], delimiter: str) -> bool:
    first, *between, last = LINE_END.split(cell)
    for line in between:
        fields = _fields(line, delimiter)
        if len(fields) == width and _ids_at(fields, 0, id_columns):
            return True
    head, tail = _fields(first, delimiter), _fields(last, delimiter)
    if len(head) != width - index or len(tail) != index + 1:
        return False
    return _ids_at(head, index, id_columns) and _ids_at(tail, 0, id_columns)


def _fields(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter), [""])


def _ids_at(fields: list[str], offset: int, id_columns: Collection[int]) -> bool:
    """Tell whether every id column that these fields reach holds an id (of none: True)."""
    return all(
        _LIKE_IDS.fullmatch(fields[column - offset]) for column in id_columns if offset <= column < offset + len(fields)
    )
