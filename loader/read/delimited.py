"""CSV, TSV and the like: many lines are split into cells at once if that is safe, else by the csv module.

Not by pandas: it cannot count fields. One field more than the header on every row silently makes the first column the
index, so that 101,201,301 becomes (201, 301), and `index_col=False` drops the extra field silently. Here every
record's fields are counted, quotes are read strictly, and memory stays the same however long the file is.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice

from loader.errors import InputError, UsageError
from loader.read.cells import is_blank, show, show_all
from loader.read.columns import id_columns, is_header, no_header
from loader.read.faults import reading
from loader.read.missing import likeness, refuse_pivot
from loader.read.second_header import SecondHeader
from loader.read.table import (
    BATCH,
    FULL_SHEETS,
    HEADER_WITHIN,
    MOST_COLUMNS,
    BatchBuilder,
    Cells,
    Mark,
    RecordBatch,
    Table,
    full_sheet_note,
    in_columns,
)
from loader.read.text import Text
from loader.settings import InputSettings
from loader.text import counted, visible

_DELIMITERS = (",", ";", "\t", "|")
_DELIMITER_NAMES = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
_SEPARATOR_LINE = re.compile(r'\s*"?sep=(.)"?\s*', re.IGNORECASE)
_SAMPLE = 1 << 18
# Characters that are split at once: more are not faster, because they leave the processor's cache.
_BLOCK = 1 << 17
_LONGEST_HEADER = 1 << 20
_LARGEST_FIELD = 16 << 20
_LINE_END = re.compile(r"\r\n|\r|\n")
# Record ids, lists of them, or the email addresses and domains that stand for records.
_LIKE_IDS = re.compile(r"\s*(?:[0-9]+(?:\s*;\s*[0-9]+)*|[^\s,;|]+[@.][^\s,;|]+)\s*", re.ASCII)
_MALFORMED = "has text after a closing quote; double the quotes that belong to the text"


class Delimited(Table):
    """One CSV or TSV file whose header row and delimiter are found. `format` is csv or tsv."""

    def __init__(self, text: Text, kind: str, delimiter: str | None, settings: InputSettings) -> None:
        self.format = kind
        self.encoding = text.encoding
        self.byte_order_mark = text.byte_order_mark
        self.notes = list(text.notes)
        self._name = text.packed.name
        self._text = text
        # The module's own limit of 131,072 is below an honest cell's size; it is only ever raised, and stays bounded.
        csv.field_size_limit(max(csv.field_size_limit(), _LARGEST_FIELD))
        with reading(self._name), text.open() as lines:
            sample = lines.readlines(_SAMPLE)
        sample[0] = sample[0].removeprefix("\ufeff")
        separator = _SEPARATOR_LINE.fullmatch(sample[0])
        # A spreadsheet does not show this line, so it has no row number.
        self._preamble = 1 if separator else 0
        given = _given(delimiter) or (separator[1] if separator else None)
        delimiters = tuple(dict.fromkeys(("\t", *_DELIMITERS))) if kind == "tsv" else _DELIMITERS
        with reading(self._name):
            found = self._find(sample[self._preamble :], (given,) if given else delimiters, settings)
        self._delimiter = found[0]
        self.delimiter = found[0]
        self.header_row, self.header = found[1], tuple(found[2])
        self._id_columns = id_columns(self.header, settings)
        self._second_header = SecondHeader(self._name, self.header, settings)

    def _find(
        self, sample: list[str], delimiters: tuple[str, ...], settings: InputSettings
    ) -> tuple[str, int, list[str]]:
        seen: list[list[list[str]]] = []
        # A header is searched in this many characters of each line: no table has more columns than fit there.
        beginnings = [line if len(line) <= _LONGEST_HEADER else line[:_LONGEST_HEADER] + "\n" for line in sample]
        for delimiter in delimiters:
            rows = list(islice(csv.reader(beginnings, delimiter=delimiter), HEADER_WITHIN))
            for number, cells in enumerate(rows, start=1):
                if is_header(cells[:MOST_COLUMNS], settings):
                    if len(cells) > MOST_COLUMNS or max(map(len, sample[:number])) > _LONGEST_HEADER:
                        raise InputError(
                            f"{self._name}: the header has more than {counted(MOST_COLUMNS, 'column')} or a million "
                            "characters, which no table of associations has; remove the columns that are not needed."
                        )
                    return delimiter, number, cells
            seen.append([cells[:MOST_COLUMNS] for cells in rows])
        for rows in seen:
            refuse_pivot(self._name, rows)
        table = max(seen, key=lambda rows: max(map(likeness, rows)))
        if self._text.hint:
            raise InputError(
                f"{self._name}: I can't tell which columns hold the ids. {self._text.hint} Read as Windows text, the "
                f"columns are {show_all(max(table, key=likeness))}."
            )
        raise no_header(self._name, table, settings)

    def batches(self, counts: Counter[str]) -> Iterator[RecordBatch]:
        """Yield the records below the header; raises InputError where it is not certain where a record ends.

        Most files are split many lines at once, which takes a fifth of the time of the csv module. From the first lines
        that are not so simple, the csv module reads the rest of the file.
        """
        with reading(self._name), self._text.open() as text:
            first = text.readline().removeprefix("\ufeff")
            above = csv.reader(chain(() if self._preamble else (first,), text), delimiter=self._delimiter, strict=True)
            for _ in range(self.header_row):
                with suppress(csv.Error):  # A title with odd quotes is still one row above the header.
                    next(above, None)
            row, line = self.header_row, above.line_num
            for block in _blocks(text):
                lines = _lines_in(block)
                columns = self._cut(lines)
                if columns is None and '"' in lines:
                    row = yield from self._by_csv(chain(io.StringIO(block, newline=""), text), row, line)
                    break
                count = lines.count("\n")
                if columns is not None:
                    yield RecordBatch(rows=range(row + 1, row + 1 + count), columns=columns)
                else:
                    yield self._batch([each.split(self._delimiter) for each in lines.split("\n")[:-1]], row)
                row, line = row + count, line + count
        if row in FULL_SHEETS:
            counts[full_sheet_note(row)] += 1

    def _cut(self, lines: str) -> list[Cells] | None:
        """Return the columns of lines that are one record each, without quotes or with quotes around every cell.

        The line ends are kept as cells (unquoted) or as the texts between two quotes (quoted): they must be at every
        place that the header's width gives. None for all other lines.
        """
        width, count, mark = len(self.header), lines.count("\n"), self._delimiter
        if '"' in lines:
            pieces = lines.split('"')
            cells, between = pieces[1::2], pieces[2::2]
            ends, marks = between[width - 1 :: width], between.count(mark)
            is_even = not pieces[0] and len(between) == count * width and marks == count * (width - 1)
            columns: list[Cells] = [cells[place::width] for place in range(width)]
        else:
            cells = lines.replace("\n", f"{mark}\n{mark}").split(mark)
            ends = cells[width :: width + 1]
            is_even = len(cells) == count * (width + 1) + 1
            columns = [cells[place : -1 : width + 1] for place in range(width)]
        return columns if is_even and ends.count("\n") == count and self._is_plain(columns) else None

    def _is_plain(self, columns: Sequence[Cells]) -> bool:
        """Return True if it is certain that no record is blank or has a NUL character."""
        return not self._text.nul and all(map(str.strip, columns[0]))

    def _by_csv(self, rest: Iterable[str], row: int, above: int) -> Generator[RecordBatch, None, int]:
        """Yield the records of lines that may have quotes; returns the last one's row."""
        lines = _Lines(rest)
        reader = csv.reader(lines, delimiter=self._delimiter, strict=True)
        while True:
            records: list[list[str]] = []
            broken = None
            line = above + reader.line_num + 1
            try:
                # extend keeps the records before the error
                records.extend(islice(reader, BATCH))
            except csv.Error as error:
                broken_line = line + sum(map(_lines_of, records))
                if above + reader.line_num != broken_line or not _ends_outside_quotes(lines.last, self._delimiter):
                    at = f"row {row + len(records) + 1} (line {broken_line + self._preamble})"
                    raise InputError(
                        f"{self._name}: the quote that opens in {at} is not closed properly ({visible(str(error))}), "
                        "so it is not clear where records end; add the closing quote, or export the file again."
                    ) from error
                # Odd quotes within one line are one wrong record.
                records.append(next(csv.reader([lines.last], delimiter=self._delimiter)))
                broken = Mark("MALFORMED_QUOTES", _MALFORMED)
            if not records:
                return row
            if above + reader.line_num - line >= len(records):
                self._check_borders(records, row, line)
            yield self._batch(records, row, broken)
            row += len(records)

    def _check_borders(self, records: list[list[str]], row: int, line: int) -> None:
        for place, record in enumerate(records):
            taken = _lines_of(record)
            if taken > 1 and _has_swallowed(record, self._id_columns, self._delimiter):
                raise InputError(
                    f"{self._name}: the quote that opens in row {row + place + 1} (line {line + self._preamble}) spans "
                    f"{taken:,} lines that look like records of their own; add the closing quote."
                )
            line += taken

    def _batch(self, records: list[list[str]], row: int, broken: Mark | None = None) -> RecordBatch:
        """Give the records their rows; blank ones are left out. `broken` says what is wrong with the last one."""
        width = len(self.header)
        if broken is None and set(map(len, records)) == {width}:
            columns = in_columns(records, width)
            if self._is_plain(columns):
                return RecordBatch(rows=range(row + 1, row + 1 + len(records)), columns=columns)
        kept = BatchBuilder(width)
        for number, record in enumerate(records, start=row + 1):
            fault = broken if broken and number == row + len(records) else None
            if all(map(is_blank, record)):
                continue
            if fault is None and len(record) != width:
                fields = f"has {counted(len(record), 'field')} where the header has {width}; correct its delimiters"
                fault = Mark("FIELD_COUNT", fields)
            if fault is not None:
                looked_at = record[: width + MOST_COLUMNS]
                self._second_header.repeats(number, looked_at)
                self._second_header.check_glued(number, looked_at)
            kept.add(number, record, fault)
        return kept.batch()


class _Lines:
    """Physical lines; `last` is the one that was returned last."""

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
        # A carriage return and its line feed must stay together.
        yield block if block.endswith("\n") else block + text.readline()
        block = text.read(_BLOCK)
    if block:
        yield block


def _lines_in(block: str) -> str:
    """Return unquoted lines, each with a line feed at its end."""
    if "\r" in block:
        block = block.replace("\r\n", "\n").replace("\r", "\n")
    return block if block.endswith("\n") else f"{block}\n"


def _ends_outside_quotes(raw: str, delimiter: str) -> bool:
    """Return True if a line with an odd number of quotes ends its record, when stray quotes are allowed."""
    reader = csv.reader([raw, "\n"], delimiter=delimiter)
    next(reader)
    return reader.line_num == 1


def _given(delimiter: str | None) -> str | None:
    if not delimiter:
        return None
    known = _DELIMITER_NAMES.get(delimiter.lower(), delimiter)
    if len(known) != 1 or known in '"\r\n\0 ':
        raise UsageError(
            f"--delimiter {show(delimiter)}: must be one character, such as a comma, a semicolon or a tab."
        )
    return known


def _lines_of(record: Sequence[str]) -> int:
    """Return how many physical lines a record was written on."""
    return 1 + sum(len(_LINE_END.findall(cell)) for cell in record)


def _has_swallowed(record: Sequence[str], id_columns: Collection[int], delimiter: str) -> bool:
    """Return True if the lines within one of the record's cells look like records of their own.

    If a quote is closed only many rows later, these rows become part of one cell, with the right number of fields and
    without an error. Then every line between is as wide as the header and has ids in the id columns, or the first and
    the last piece together are such records.
    """
    return any(
        _is_swallowing(cell, index, len(record), id_columns, delimiter)
        for index, cell in enumerate(record)
        if "\n" in cell or "\r" in cell
    )


def _is_swallowing(cell: str, index: int, width: int, id_columns: Collection[int], delimiter: str) -> bool:
    first, *between, last = _LINE_END.split(cell)
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
    """Return True if every id column among these fields has an id (True without any)."""
    return all(
        _LIKE_IDS.fullmatch(fields[column - offset]) for column in id_columns if offset <= column < offset + len(fields)
    )
