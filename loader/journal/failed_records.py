"""The records of the failures file, read back from a journal."""

import json
import re
from collections.abc import Iterator, Sequence
from heapq import merge
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from loader.journal.journal import Journal, Place
from loader.journal.lines import PAIRS_AT_ONCE, Line, PlacedLine, SharedLines, rejected
from loader.journal.lots import joined
from loader.journal.schema import unpacked
from loader.reasons import WHOLE_RECORD, advised

# What separates addresses in a list, also in one written as JSON.
_SEPARATOR = re.compile(r"[\s;\"',\[\]]+")


class FailedRecord(NamedTuple):
    """A line that failed or was rejected, and its record's cells; lists of ids or labels have only the line's own."""

    header: tuple[str, ...]
    cells: list[str]
    line: Line


def failed_records(journal: Journal) -> Iterator[FailedRecord]:
    """Yield every line that failed or was rejected, in the order of the inputs; each message says what to do."""
    label_columns = journal.facts.label_columns
    inputs = {number: (header, to_columns) for number, header, to_columns in journal.headers()}
    records = _Records(journal)
    own_text = _OwnTexts(journal)
    rejects = rejected(journal, "ORDER BY input_number, row, part")
    for _, place, to_column, line in merge(_failed(journal), rejects, key=attrgetter("place")):
        number, _, part = place
        if line.status == "failed":  # A reject's message says what to do; the message of a failed row is HubSpot's own.
            message = advised(line.error_category, line.http_status, line.error_message)
            line = line._replace(error_message=message)  # noqa: PLW2901 - the same line, for people
        header, to_columns = inputs[number]
        cells = records.cells(number, line.row)
        if line.error_category not in WHOLE_RECORD:
            text = own_text.of(number, line.row, part) or line.to_object_id
            _reduce(cells, header, to_columns, to_column, text)
            _reduce_label(cells, header, label_columns.get(str(number), ""), line.label)
        yield FailedRecord(header, cells, line)


def failed_places(journal: Journal) -> set[Place]:
    """Return the places of all rows that were sent and failed."""
    return {line.place for line in _failed(journal)}


def _failed(journal: Journal) -> Iterator[PlacedLine]:
    shared_lines = SharedLines(journal)
    to_columns = {kind: str(column) for kind, column in journal.query("SELECT id, to_column FROM kinds")}
    found = [shared_lines.rows(some) for some in journal.outcomes(0, PAIRS_AT_ONCE, failed=True)]
    if not found:
        return
    rows, result_keys = joined([rows for rows, _ in found]), np.concatenate([result_keys for _, result_keys in found])
    order = np.lexsort((rows.parts, rows.rows, rows.inputs))
    order = order[result_keys[order] % 2 == 0]  # The others are unchanged.
    for start in range(0, len(order), PAIRS_AT_ONCE):
        some = order[start : start + PAIRS_AT_ONCE]
        block = shared_lines.of(0, rows.take(some), result_keys[some])
        places = zip(*(each.tolist() for each in (rows.inputs[some], rows.rows[some], rows.parts[some])), strict=True)
        for place, kind, line in zip(places, rows.kinds[some].tolist(), block.lines(), strict=True):
            yield PlacedLine(0, place, to_columns[kind], line)


class _OwnTexts:
    """The own key of a record, for a cell with several of them: the record id is not what the user wrote."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        ((self._some,),) = journal.query("SELECT EXISTS (SELECT 1 FROM own_parts)")

    def of(self, number: int, row: int, part: int) -> str:
        if not self._some:
            return ""
        place = number, row, part
        found = self._journal.query("SELECT text FROM own_parts WHERE (input, row, part) = (?, ?, ?)", place)
        return next((str(text) for (text,) in found), "")


class _Records:
    """The records of a journal, unpacked chunk by chunk; they must be read in their order."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._input = 0
        self._cells: dict[int, tuple[str, ...]] = {}

    def cells(self, number: int, row: int) -> list[str]:
        if number != self._input or row not in self._cells:
            (body,) = next(
                self._journal.query(
                    "SELECT body FROM records WHERE input = ? AND first_row <= ? AND last_row >= ?", (number, row, row)
                )
            )
            rows, columns = unpacked(body)
            self._input, self._cells = number, dict(zip(rows, zip(*columns, strict=True), strict=True))
        return list(self._cells[row])


def _reduce(cells: list[str], header: Sequence[str], to_columns: Sequence[str], to_column: str, text: str) -> None:
    for column in to_columns:
        position = header.index(column)
        if column != to_column:
            cells[position] = ""
        elif _is_list(cells[position]):
            cells[position] = _as_written(cells[position], text)


def _as_written(cell: str, record_id: str) -> str:
    """Return a list's item as the cell has it: a record's address also says in which portal the record is."""
    if "hubspot" not in cell:
        return record_id
    address = re.compile(rf"\S*/{re.escape(record_id)}(?![0-9])\S*")
    return next((item for item in _SEPARATOR.split(cell) if address.fullmatch(item)), record_id)


def _reduce_label(cells: list[str], header: Sequence[str], column: str, label: str) -> None:
    if column and label and _is_list(cells[header.index(column)]):
        # A semicolon within a label would be taken for two labels when the file is loaded.
        cells[header.index(column)] = json.dumps([label], ensure_ascii=False) if ";" in label else label


def _is_list(cell: str) -> bool:
    return ";" in cell or cell.lstrip().startswith("[")
