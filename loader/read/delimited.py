"""CSV, TSV and their kin, read by the standard library's csv module.

Not by pandas: it cannot count fields. One field more than the header on every row silently makes the first column the
index, so that 101,201,301 becomes (201, 301), and `index_col=False` drops the extra field without a word. Here every
record's fields are counted, quotes are read strictly, and memory stays the same however long the file is.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice
from typing import TYPE_CHECKING

from loader.errors import InputError, UsageError
from loader.read.borders import has_swallowed, lines_of
from loader.read.columns import id_columns, is_header, no_header
from loader.read.faults import reading
from loader.read.ids import is_blank
from loader.read.missing import likeness
from loader.read.second_header import SecondHeader
from loader.read.show import show
from loader.read.table import (
    BATCH,
    FULL_SHEETS,
    HEADER_WITHIN,
    MOST_COLUMNS,
    Batch,
    Column,
    Mark,
    Records,
    full_sheet_note,
    in_columns,
)
from loader.read.text import Text
from loader.settings import InputSettings
from loader.text import visible

if TYPE_CHECKING:
    import _csv

_DELIMITERS = (",", ";", "\t", "|")
_DELIMITER_NAMES = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
_SEPARATOR_LINE = re.compile(r'\s*"?sep=(.)"?\s*', re.IGNORECASE)
_SAMPLE = 1 << 18
# Characters that are cut at once: more are no faster, since they leave the processor's cache.
_BLOCK = 1 << 17
_LONGEST_HEADER = 1 << 20
_LARGEST_FIELD = 16 << 20
_MALFORMED = "has text after a closing quote; double the quotes that belong to the text"


class Delimited:
    """One CSV or TSV file whose header row and delimiter are found. `format` is csv or tsv."""

    sheet: str | None = None

    def __init__(self, text: Text, kind: str, delimiter: str | None, settings: InputSettings) -> None:
        self.format = kind
        self.encoding: str | None = text.encoding
        self.notes = list(text.notes)
        self._name = text.packed.name
        self._text = text
        # The module's own limit of 131,072 is below an honest cell's size; it is only ever raised, and stays bounded.
        csv.field_size_limit(max(csv.field_size_limit(), _LARGEST_FIELD))
        with reading(self._name), text.open() as lines:
            sample = lines.readlines(_SAMPLE)
        sample[0] = sample[0].removeprefix("\ufeff")
        separator = _SEPARATOR_LINE.fullmatch(sample[0])
        # A spreadsheet obeys this line and does not show it, so it has no row number.
        self._preamble = 1 if separator else 0
        given = _given(delimiter) or (separator[1] if separator else None)
        with reading(self._name):
            found = self._find(sample[self._preamble :], (given,) if given else _order(kind), settings)
        self._delimiter = found[0]
        self.delimiter: str | None = found[0]
        self.header_row, self.header = found[1], tuple(found[2])
        self._id_columns = id_columns(self.header, settings)
        self._second_header = SecondHeader(self._name, self.header, settings)

    def _find(
        self, sample: list[str], delimiters: tuple[str, ...], settings: InputSettings
    ) -> tuple[str, int, list[str]]:
        likeliest: list[str] = []
        # A header is looked for in so much of each line: more would be more columns than any table has.
        beginnings = [line if len(line) <= _LONGEST_HEADER else line[:_LONGEST_HEADER] + "\n" for line in sample]
        for delimiter in delimiters:
            rows = list(islice(csv.reader(beginnings, delimiter=delimiter), HEADER_WITHIN))
            for number, cells in enumerate(rows, start=1):
                if is_header(cells[:MOST_COLUMNS], settings):
                    self._check_width(cells, sample[:number])
                    return delimiter, number, cells
            likeliest = max([likeliest, *(cells[:MOST_COLUMNS] for cells in rows)], key=likeness)
        raise no_header(self._name, likeliest, settings)

    def _check_width(self, header: list[str], lines: list[str]) -> None:
        if len(header) > MOST_COLUMNS or max(map(len, lines)) > _LONGEST_HEADER:
            raise InputError(
                f"{self._name}: the header has more than {MOST_COLUMNS:,} columns or a million characters, which no "
                "table of associations has; leave the columns out that are not needed."
            )

    def cell_name(self, row: int, column: int) -> str:
        """Return the column's header in quotes."""
        return f"Row {row}, column {show(self.header[column])}"

    def close(self) -> None:
        """Nothing stays open between readings."""

    def batches(self, told: Counter[str]) -> Iterator[Batch]:
        """Yield the records below the header; raises InputError where the records' borders are in doubt.

        Text without a quote is cut at its delimiters, many records at once. From the first quote on, the csv module
        reads, which takes five times as long.
        """
        with reading(self._name), self._text.open() as text:
            first = text.readline().removeprefix("\ufeff")
            above = csv.reader(chain(() if self._preamble else (first,), text), delimiter=self._delimiter, strict=True)
            for _ in range(self.header_row):
                with suppress(csv.Error):  # A title with odd quotes is still one row above the header.
                    next(above, None)
            row, line = self.header_row, above.line_num
            for block in _blocks(text):
                if '"' in block:
                    row = yield from self._quoted(chain(io.StringIO(block, newline=""), text), row, line)
                    break
                lines = _lines_of(block)
                yield self._unquoted(lines, row)
                row, line = row + lines.count("\n"), line + lines.count("\n")
        if row in FULL_SHEETS:
            told[full_sheet_note(row)] += 1

    def _unquoted(self, lines: str, row: int) -> Batch:
        """Cut lines at their delimiters; each line end becomes a cell, to see that all lines are equally wide."""
        width, count = len(self.header), lines.count("\n")
        cells = lines.replace("\n", f"{self._delimiter}\n{self._delimiter}").split(self._delimiter)
        if len(cells) == count * (width + 1) + 1 and cells[width :: width + 1].count("\n") == count:
            columns = [cells[place : -1 : width + 1] for place in range(width)]
            if self._is_sound(columns):
                return Batch(rows=range(row + 1, row + 1 + count), columns=[*columns])
        return self._judged([line.split(self._delimiter) for line in lines.split("\n")[:-1]], row, None)

    def _quoted(self, rest: Iterable[str], row: int, line: int) -> Generator[Batch, None, int]:
        """Yield the records of lines that may have quotes; returns the last one's row."""
        lines = _Lines(rest)
        reader = csv.reader(lines, delimiter=self._delimiter, strict=True)
        while True:
            records: list[list[str]] = []
            line_before = line + reader.line_num
            broken = self._fill(records, reader, lines, row, line)
            if not records and broken is None:
                return row
            if line + reader.line_num - line_before > len(records):
                self._check_borders(records, row, line_before)
            if broken is None and set(map(len, records)) == {len(self.header)}:
                columns = in_columns(records, len(self.header))
                if self._is_sound(columns):
                    yield Batch(rows=range(row + 1, row + 1 + len(records)), columns=columns)
                    row += len(records)
                    continue
            yield self._judged(records, row, broken)
            row += len(records)

    def _is_sound(self, columns: Sequence[Column]) -> bool:
        """Tell whether no record is blank, or wrong as a whole."""
        return not self._text.nul and all(map(str.strip, columns[0]))

    def _fill(
        self, records: list[list[str]], reader: "_csv.Reader", lines: "_Lines", row: int, above: int
    ) -> Mark | None:
        """Read up to a batch; a record with odd quotes ends the batch, as its last record, and is told."""
        line = above + reader.line_num + 1
        try:
            # extend keeps what came before the error
            records.extend(islice(reader, BATCH))
        except csv.Error as error:
            line += sum(map(lines_of, records))
            at = f"row {row + len(records) + 1} (line {line + self._preamble})"
            raw = lines.last
            if above + reader.line_num != line or not _ends_outside_quotes(raw, self._delimiter):
                raise InputError(
                    f"{self._name}: the quote that opens in {at} is not closed properly ({visible(str(error))}), "
                    "so it is in doubt where records end; put the closing quote in, or export the file again."
                ) from error
            records.append(next(csv.reader([raw], delimiter=self._delimiter)))
            return Mark("MALFORMED_QUOTES", _MALFORMED)
        return None

    def _check_borders(self, records: list[list[str]], row: int, line_before: int) -> None:
        line = line_before + 1
        for place, record in enumerate(records):
            taken = lines_of(record)
            if taken > 1 and has_swallowed(record, self._id_columns, self._delimiter):
                raise InputError(
                    f"{self._name}: the quote that opens in row {row + place + 1} (line {line + self._preamble}) spans "
                    f"{taken:,} lines that look like records of their own; put the closing quote in."
                )
            line += taken

    def _judged(self, records: list[list[str]], row: int, broken: Mark | None) -> Batch:
        """Give the records their rows; blank ones are dropped, those of another length are told."""
        width = len(self.header)
        kept = Records([], [], {}, {})
        last = len(records) - 1
        for place, record in enumerate(records):
            if all(map(is_blank, record)):
                continue
            fault = broken if place == last and broken else self._fault(record)
            if fault is not None:
                looked_at = record[: width + MOST_COLUMNS]
                self._second_header.repeats(row + 1 + place, looked_at)
                self._second_header.check_glued(row + 1 + place, looked_at)
                kept.faults[len(kept.rows)] = fault
            kept.rows.append(row + 1 + place)
            kept.cells.append(record if len(record) == width else (record + [""] * width)[:width])
        return kept.batch(width)

    def _fault(self, record: list[str]) -> Mark | None:
        width = len(self.header)
        if len(record) != width:
            return Mark("FIELD_COUNT", f"has {len(record)} fields where the header has {width}; mend its delimiters")
        if self._text.nul and any("\0" in cell for cell in record):
            return Mark("NUL_CHARACTER", "holds a NUL character; it may be damaged, write the row again")
        return None


class _Lines:
    """Physical lines; `last` is the one that was given out last."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = lines
        self.last = ""

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.last = line
            yield line


def _blocks(text: io.TextIOWrapper) -> Iterator[str]:
    """Yield a file's next lines, many at once, all of them whole."""
    block = text.read(_BLOCK)
    # A read that comes up short is the last: a file that grows while it is read would never end.
    while len(block) == _BLOCK:
        # Between a carriage return and its line feed no line ends.
        yield block if block.endswith("\n") else block + text.readline()
        block = text.read(_BLOCK)
    if block:
        yield block


def _lines_of(block: str) -> str:
    """Return unquoted lines, each with a line feed at its end."""
    if "\r" in block:
        block = block.replace("\r\n", "\n").replace("\r", "\n")
    return block if block.endswith("\n") else f"{block}\n"


def _ends_outside_quotes(raw: str, delimiter: str) -> bool:
    """Tell whether a line with odd quotes ends its record, however generously it is read."""
    reader = csv.reader([raw, "\n"], delimiter=delimiter)
    next(reader)
    return reader.line_num == 1


def _order(kind: str) -> tuple[str, ...]:
    return ("\t", *(delimiter for delimiter in _DELIMITERS if delimiter != "\t")) if kind == "tsv" else _DELIMITERS


def _given(delimiter: str | None) -> str | None:
    if not delimiter:
        return None
    known = _DELIMITER_NAMES.get(delimiter.lower(), delimiter)
    if len(known) != 1 or known in '"\r\n\0 ':
        raise UsageError(f"--delimiter {show(delimiter)}: must be one character, such as , ; | or tab.")
    return known
