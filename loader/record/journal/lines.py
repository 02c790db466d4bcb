"""The lines of the results and of the failures file, read back from a journal."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from loader.reasons import WHOLE_RECORD, advised
from loader.record.journal.journal import Journal
from loader.record.journal.schema import unpacked


class Line(NamedTuple):
    """One line of the results: a row and what became of it. The fields are the columns of the file, in their order."""

    input: str
    row: int
    status: str
    object_type: str
    object_id: str
    to_object_type: str
    to_object_id: str
    association_category: str
    association_type_id: str
    label: str
    created_resource_id: str
    labels: str
    http_status: int | None
    error_category: str
    error_message: str
    correlation_id: str
    attempts: int
    finished_at: str


class FailedRecord(NamedTuple):
    """A line that failed or was rejected, and its record's cells; of several to object ids only the line's is left."""

    header: tuple[str, ...]
    cells: list[str]
    line: Line


_VIEWS = {
    "settled": "SELECT * FROM settled_lines WHERE number > ? ORDER BY number",
    "rejected": "SELECT * FROM rejected_lines WHERE number > ? ORDER BY number",
}

_NUMBERED = {
    "settled": "SELECT * FROM settled_lines WHERE number = ? ORDER BY input_id, row, part LIMIT 1",
    "rejected": "SELECT * FROM rejected_lines WHERE number = ?",
}

_UNSUCCESSFUL = """
SELECT * FROM settled_lines WHERE status = 'failed' UNION ALL SELECT * FROM rejected_lines
ORDER BY input_id, row, part
"""

_FIRST_COLUMN = 4
"""The views begin with number, input_id, part and to_column."""


def lines(journal: Journal, view: str, after: int) -> Iterator[tuple[int, Line]]:
    """Yield the lines of a view (`settled` or `rejected`) that come after a number, each with its number."""
    for row in journal.query(_VIEWS[view], (after,)):
        # `_make` is Python and would cost a million lines a third of a second.
        yield row[0], tuple.__new__(Line, row[_FIRST_COLUMN:])


def line_at(journal: Journal, view: str, number: int) -> Line:
    """Return the line of a view that has a number; the first one where a pair stands for several rows."""
    row = next(journal.query(_NUMBERED[view], (number,)))
    return Line._make(row[_FIRST_COLUMN:])


def failed_records(journal: Journal) -> Iterator[FailedRecord]:
    """Yield every line that failed or was rejected, in the order of the inputs; each message says what to do."""
    inputs = {number: (header, to_columns) for number, header, to_columns in journal.headers()}
    records = _Records(journal)
    own_text = _OwnTexts(journal)
    for row in journal.query(_UNSUCCESSFUL):
        _, number, part, to_column = row[:_FIRST_COLUMN]
        line = _advised(Line._make(row[_FIRST_COLUMN:]))
        header, to_columns = inputs[number]
        cells = list(records.cells(number, line.row))
        if line.error_category not in WHOLE_RECORD:
            text = own_text.of(number, line.row, part) or line.to_object_id
            _reduce(cells, header, to_columns, to_column, text)
        yield FailedRecord(header, cells, line)


def _advised(line: Line) -> Line:
    # A reject's message says what to do; a failed row's is HubSpot's own, and stands as such in the results.
    if line.status != "failed":
        return line
    return line._replace(error_message=advised(line.error_category, line.http_status, line.error_message))


class _OwnTexts:
    """What stood for a record in a cell that holds several own keys: the record's id is none of the user's words."""

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
    """The records of a journal, a chunk unpacked at a time; asked for in their order."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._input = 0
        self._cells: dict[int, list[str]] = {}

    def cells(self, number: int, row: int) -> list[str]:
        if number != self._input or row not in self._cells:
            (body,) = next(
                self._journal.query(
                    "SELECT body FROM records WHERE input = ? AND first_row <= ? AND last_row >= ?", (number, row, row)
                )
            )
            rows, cells = unpacked(body)
            self._input, self._cells = number, dict(zip(rows, cells, strict=True))
        return self._cells[row]


def _reduce(cells: list[str], header: Sequence[str], to_columns: Sequence[str], to_column: str, text: str) -> None:
    for column in to_columns:
        position = header.index(column)
        if column != to_column:
            cells[position] = ""
        elif ";" in cells[position]:
            cells[position] = text
