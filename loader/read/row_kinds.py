"""The kind of a row, from its own cells, else from the header, else from the options."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from loader.model import FIELDS_OF_KINDS, RowKind
from loader.read.cells import split, trim
from loader.read.columns import Column, Columns
from loader.read.table import Cells
from loader.settings import InputSettings

# A file has few kinds of rows; but a label column with a different text on every row must not fill the memory.
_REMEMBERED = 10_000
# Characters of a cell: more than any list of labels has. A longer cell is not a list of labels.
_LONGEST = 10_000
_KEPT = 200
_CUT = "… (cut: the cell is far too long)"
# Our failures files put an apostrophe before a text that a spreadsheet would run as a formula: the label '-VIP.
_DEFUSED = re.compile(r"'(?=[\s\"]*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20])")


@dataclass(frozen=True, slots=True, kw_only=True)
class KindsOfRecords:
    """The kinds of rows of a batch's records: those of record n are `kinds[starts[n] : starts[n] + sizes[n]]`.

    The size is 0 for a record that lacks a required field.
    """

    kinds: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]


class RowKindsOf:
    """Finds the kinds of the rows of one column of to object ids; caches them, because most records have the same."""

    def __init__(self, columns: Columns, to: Column, settings: InputSettings) -> None:
        self._columns = columns
        self._to = to
        self._settings = settings
        self._fields = [field for field in FIELDS_OF_KINDS if field in columns.own]
        self._indexes = [columns.own[field].position for field in self._fields]
        self._memory: dict[tuple[str, ...], tuple[RowKind, ...]] = {}
        self._needs_label = settings.needs_label and columns.has_types()

    def missing(self, row_kind: RowKind) -> str:
        """Return the required field that a row of this kind lacks; blank if none."""
        for field in ("object_type", "to_object_type"):
            if not getattr(row_kind, field):
                return field
        named = row_kind.label or row_kind.association_type_id or row_kind.primary
        return "label" if self._needs_label and not named else ""

    def of(self, cells: Sequence[str]) -> tuple[RowKind, ...]:
        """Return the kinds of one record's rows, one for each label; a missing object type stays blank."""
        return self._of_key(tuple([cells[index] for index in self._indexes]))

    def in_columns(self, columns: Sequence[Cells], numbers: dict[RowKind, int]) -> KindsOfRecords:
        """Return the kinds of the rows of each record; a new kind is added to `numbers`."""
        own, count = [list(columns[index]) for index in self._indexes], len(columns[0])
        if all(column.count(column[0]) == count for column in own):
            found, which = [self._of_key(tuple([column[0] for column in own]))], np.zeros(count, np.int64)
        else:
            keys = list(zip(*own, strict=True))
            places = {key: place for place, key in enumerate(dict.fromkeys(keys))}
            found, which = list(map(self._of_key, places)), np.fromiter(map(places.__getitem__, keys), np.int64, count)
        lengths = np.array(list(map(len, found)))
        return KindsOfRecords(
            kinds=np.array([numbers.setdefault(each, len(numbers)) for row_kinds in found for each in row_kinds]),
            starts=(np.cumsum(lengths) - lengths)[which],
            sizes=np.where([not self.missing(row_kinds[0]) for row_kinds in found], lengths, 0)[which],
        )

    def _of_key(self, key: tuple[str, ...]) -> tuple[RowKind, ...]:
        known = self._memory.get(key)
        if known is not None:
            return known
        if len(self._memory) >= _REMEMBERED:
            self._memory.clear()
        own = dict(zip(self._fields, map(label_as_written, key), strict=True))
        labels = _labels(own.get("label", ""))
        row_kinds = tuple(self._row_kind({**own, "label": label}) for label in labels)
        if sum(map(len, key)) <= _LONGEST:
            self._memory[key] = row_kinds
        return row_kinds

    def _row_kind(self, own: dict[str, str]) -> RowKind:
        options, meaning = self._settings, self._to.meaning
        label, type_id = own.get("label", ""), own.get("association_type_id", "")
        category = own.get("association_category") or _text(options.association_category)
        if not (label or type_id):
            if meaning.type_id:
                type_id, category = meaning.type_id, "HUBSPOT_DEFINED"
            elif meaning.label or meaning.primary:
                label = meaning.label
            else:
                label, type_id = _text(options.label), _text(options.association_type_id)
        stated = self._columns.object_id.meaning.object_type
        return RowKind(
            object_type=own.get("object_type") or _text(options.object_type) or stated,
            to_object_type=own.get("to_object_type") or _text(options.to_object_type) or meaning.object_type,
            association_category=category,
            association_type_id=type_id,
            label=label,
            primary=meaning.primary,
            to_column=self._to.header,
        )


def labels_in(cell: str) -> list[str]:
    """Return the labels in a cell of the label column."""
    return _labels(label_as_written(cell))


def label_cell(label: str, written: Callable[[str], str]) -> str:
    """Return a cell that a load reads as this one label; `written` returns a cell as the file will have it.

    Most labels are their own cell. A label that would be split or changed is written as a JSON list of one.

    >>> label_cell("Boss", str), label_cell("Old; retired", str)
    ('Boss', '["Old; retired"]')
    """
    as_itself = not label or ("\0" not in label and labels_in(written(label)) == [label])
    return label if as_itself else json.dumps([label])


def _labels(label: str) -> list[str]:
    return [label] if label.endswith(_CUT) else split(label)


def label_as_written(cell: str) -> str:
    """Return a cell without outer blanks and without the apostrophe that our own files put before a formula."""
    bare = trim(cell)
    if len(bare) > _LONGEST:
        return bare[:_KEPT] + _CUT
    return trim(bare[1:]) if _DEFUSED.match(bare) else bare


def _text(option: str | None) -> str:
    return trim(option) if option else ""
