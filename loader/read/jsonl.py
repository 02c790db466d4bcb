"""JSON lines: JSONL, one object a line, and the rows of a query, as `loader.fetch.query` writes them.

In JSONL the keys are the columns, and numbers are read digit for digit.
"""

import json
from collections import Counter
from collections.abc import Iterator

from loader.errors import InputError
from loader.read.cells import show
from loader.read.columns import is_header, no_header
from loader.read.faults import reading
from loader.read.packed import Packed
from loader.read.table import Mark, Record, RecordBatch, Table, in_batches
from loader.read.text import Text
from loader.settings import InputSettings
from loader.text import visible
from loader.values import joined

_MOST_KEYS = 10_000


class _Number(str):
    """The digits of a number, distinct from a string, so that a nested value can be written back unchanged."""

    __slots__ = ()


class _Twice(ValueError):
    """An object that has one key twice: it is not clear which value counts."""


class JsonLines(Table):
    """One JSONL file; its header is the union of all records' keys, in the order of their first use."""

    format = "jsonl"

    def __init__(self, text: Text, settings: InputSettings) -> None:
        self.encoding = text.encoding
        self.notes = list(text.notes)
        self._text = text
        self._name = text.packed.name
        self.header = self._union()
        if not is_header(self.header, settings):
            raise no_header(self._name, [self.header], settings)

    def cell_name(self, row: int, column: int) -> str:
        """Return the row and the key in quotes."""
        return f"Row {row}, key {show(self.header[column])}"

    def batches(self, counts: Counter[str]) -> Iterator[RecordBatch]:
        """Yield the records; a broken line is one wrong record."""
        return in_batches(self._records(), len(self.header))

    def _records(self) -> Iterator[Record]:
        for row, parsed in self._lines():
            if isinstance(parsed, Mark):
                yield row, (), parsed, {}
            else:
                yield row, [_text_of(parsed.get(key)) for key in self.header], None, {}

    def _union(self) -> tuple[str, ...]:
        keys: dict[str, None] = {}
        wrong = ""
        for row, parsed in self._lines():
            if isinstance(parsed, Mark):
                wrong = wrong or f"line {row - 1} {parsed.why}"
            elif not parsed.keys() <= keys.keys():
                keys.update(dict.fromkeys(parsed))
                if len(keys) > _MOST_KEYS:
                    raise InputError(f"{self._name}: has more than {_MOST_KEYS:,} different keys; it is not a table.")
        if not keys:
            raise InputError(f"{self._name}: has no line with a JSON object in it; {wrong or 'it is empty'}.")
        return tuple(keys)

    def _lines(self) -> Iterator[tuple[int, dict[str, object] | Mark]]:
        decoder = json.JSONDecoder(
            parse_int=_Number, parse_float=_Number, parse_constant=_Number, object_pairs_hook=_object
        )
        with reading(self._name), self._text.open() as lines:
            # The first record is row 2 as in a spreadsheet, where the header would be row 1.
            for row, line in enumerate(lines, start=2):
                text = line.removeprefix("\ufeff").strip()
                if text:
                    yield row, _parsed(decoder, text)


class QueryRows(Table):
    """The result of a query, columns and then rows; its first row is row 2, as if the columns were a header."""

    format = "sql"

    def __init__(self, packed: Packed, settings: InputSettings) -> None:
        self.notes = []
        self._packed = packed
        with reading(packed.name), packed.open() as lines:
            self.header = tuple(json.loads(lines.readline()))
        if not is_header(self.header, settings):
            raise no_header(packed.name, [self.header], settings)

    def batches(self, counts: Counter[str]) -> Iterator[RecordBatch]:
        """Yield the rows; an empty one is left out."""
        return in_batches(self._records(), len(self.header))

    def _records(self) -> Iterator[Record]:
        with reading(self._packed.name), self._packed.open() as lines:
            lines.readline()
            for row, line in enumerate(lines, start=2):
                yield row, json.loads(line), None, {}


def _parsed(decoder: json.JSONDecoder, text: str) -> dict[str, object] | Mark:
    try:
        value = decoder.decode(text)
    except _Twice as error:
        return Mark("MALFORMED_JSON", f"has the key {show(str(error))} twice; take one out")
    except ValueError as error:
        return Mark("MALFORMED_JSON", f"is not a JSON object ({visible(str(error))}); correct the line")
    except RecursionError:
        return Mark("MALFORMED_JSON", "is nested too deeply; correct the line")
    if not isinstance(value, dict):
        return Mark("MALFORMED_JSON", "is not a JSON object; write {…} with the columns as keys")
    return value


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = {_whole(key): value for key, value in pairs}
    if len(made) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Twice(key)
            seen.add(key)
    return made


def _text_of(value: object) -> str:
    if isinstance(value, str):
        return _whole(str(value))
    if value is None:
        return ""
    if isinstance(value, list) and not any(isinstance(item, list | dict) for item in value):
        return joined(map(_text_of, value))
    return _whole(_written(value))


def _written(value: object) -> str:
    """Write a nested value as JSON, its numbers digit for digit."""
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(_written, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {_written(item)}" for key, item in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def _whole(text: str) -> str:
    """Replace halves of surrogate pairs: JSON can have them, UTF-8 cannot."""
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
