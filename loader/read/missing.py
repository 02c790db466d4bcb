"""The sentence for a file whose id columns are not understood: what was found, what is missing, what to add."""

import re
import shlex
from collections.abc import Mapping, Sequence
from itertools import pairwise

from loader.errors import InputError
from loader.read.cells import show, show_all, trim
from loader.read.headers import LONGEST, are_different_types, fold, hint, looks_like_id, same_type, type_in
from loader.settings import InputSettings

_KEYS = {"email": "email", "domain": "domain"}
"""Words of headers, and the property of HubSpot that holds such keys."""

_ID = re.compile(r"[1-9][0-9]{5,18}", re.ASCII)


def likeness(cells: Sequence[str]) -> tuple[int, int]:
    """Return how much a row looks like a header: its cells with letters in them, then all its cells."""
    return sum(any(map(str.isalpha, cell[:LONGEST])) for cell in cells), len(cells)


def header_missing(
    name: str, header: Sequence[str], found: Mapping[str, Sequence[str]], settings: InputSettings
) -> InputError:
    """Return the error for a file in which no row is a header.

    `header` is the row most like one; `found` has, for the object id and the to object id, the headers in it that are
    understood as that field.
    """
    there = [cell for cell in header if trim(cell)]
    if sum(_ID.fullmatch(trim(cell)) is not None for cell in there) > 1:
        return InputError(
            f"{name}: has no header row: its first row holds {show_all(there, limit=3)}. Write one above it, such as "
            "object_id,to_object_id."
        )
    known = "".join(
        f" {show(headers[0])} holds the {_in_words(field, settings)}." for field, headers in found.items() if headers
    )
    missing = [field for field, headers in found.items() if not headers]
    which = "the ids" if len(missing) > 1 else f"the {_in_words(missing[0], settings)}"
    gone = "".join(f"There is no column {show(each)}. " for each in map(settings.columns.get, missing) if each)
    why = next((f" {words[0].upper()}{words[1:]}." for words in map(hint, header) if words), "")
    return InputError(
        f"{name}: {gone}I can't tell which {'columns hold' if len(missing) > 1 else 'column holds'} "
        f"{which}.{known}{why} "
        f"{_way_on(there, found, settings)} The columns are {show_all(there) or 'without names'}."
    )


def refuse_pivot(name: str, rows: Sequence[Sequence[str]]) -> None:
    """Raise InputError where a table's first rows show a pivot table: the ids of one end are the names of columns."""
    for number, (row, below) in enumerate(pairwise(rows), start=1):
        ids = [place for place, cell in enumerate(row) if _ID.fullmatch(trim(cell))]
        marks = [trim(below[place]) for place in ids if place < len(below)]
        if len(ids) > 1 and _ID.fullmatch(trim(row[0])) is None and not any(map(_ID.fullmatch, marks)):
            raise InputError(
                f"{name}: row {number} has record ids where the names of columns belong "
                f"({show_all([trim(row[place]) for place in ids], limit=2)}), as a pivot table has. Make one row for "
                "each pair first: in Excel, Data > From Table/Range, then Unpivot Other Columns."
            )


def _in_words(field: str, settings: InputSettings) -> str:
    object_type = _option(field, settings)
    number = "first" if field == "object_id" else "second"
    return f"ids of the {object_type}" if object_type else f"ids of the {number} records ({field})"


def _option(field: str, settings: InputSettings) -> str:
    return (settings.object_type if field == "object_id" else settings.to_object_type) or ""


def _way_on(there: Sequence[str], found: Mapping[str, Sequence[str]], settings: InputSettings) -> str:
    """Return the options to add, ready to be copied."""
    missing = [field for field, headers in found.items() if not headers]
    ends = {field: headers[0] for field, headers in found.items() if headers}
    rest = [
        cell
        for cell in dict.fromkeys(there)
        if cell not in ends.values() and len(cell) <= LONGEST and cell.isprintable() and any(map(str.isalpha, cell))
    ]
    rest.sort(key=lambda cell: not looks_like_id(cell))
    for field in missing:
        wanted = _option(field, settings)
        likely = [cell for cell in rest if _mentions(cell, wanted)] or [
            cell for cell in rest if not are_different_types(type_in(cell), wanted)
        ]
        if likely:
            ends[field] = likely[0]
            rest.remove(ends[field])
    options = " ".join(column_option(field, ends.get(field, "…")) for field in missing)
    options += "".join(_key_option(field, ends.get(field, "")) for field in missing)
    if not ends.keys() >= set(missing):
        return f"Add {options}, with your column's name in place of the dots."
    types = {field: type_in(ends[field]) for field in found if not _option(field, settings)}
    if all(types.get(field) for field in missing):
        flags = {"object_id": "--from", "to_object_id": "--to"}
        named = " ".join(f"{flags[field]} {object_type}" for field, object_type in types.items() if object_type)
        return f"Did you mean {named}? Or {options}?"
    return f"Did you mean {options}?"


def _key_option(field: str, header: str) -> str:
    """Return the option for a column whose header names another key than a record id, blank for any other."""
    key = next((key for word, key in _KEYS.items() if word in fold(header)), "")
    option = "--from-id-property" if field == "object_id" else "--to-id-property"
    return f" {option} {key}" if key else ""


def _mentions(header: str, object_type: str) -> bool:
    return bool(object_type) and any(same_type(word, object_type) for word in re.split(r"[\W_]+", header))


def column_option(field: str, header: str) -> str:
    """Return the option that names a column, quoted for a shell."""
    if set(header) & set('"$`\\!'):
        return f"--column {shlex.quote(f'{field}={header}')}"
    return f'--column {field}="{header}"'
