"""The sentence for a file whose id columns are not understood: what was found, what is missing, what to add."""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from loader.errors import InputError
from loader.read.cells import show, show_all, trim
from loader.read.headers import LONGEST, are_different_types, fold, hint, looks_like_id, same_type, type_in
from loader.settings import InputSettings
from loader.text import counted

_KEYS = {"email": "email", "domain": "domain"}
"""Words of headers, and HubSpot's property with keys of that kind."""

_ID = re.compile(r"[1-9][0-9]{5,18}", re.ASCII)
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+")

_TYPE_WORDS = {
    "contacts": ("contact", "kontakt", "contat", "ansprechpartner", "コンタクト", "連絡先"),
    "companies": (
        "compan",
        "unternehm",
        "firm",
        "entreprise",
        "société",
        "empresa",
        "aziend",
        "bedrijf",
        "会社",
        "企業",
    ),
    "deals": ("deal", "geschäft", "transaction", "negocio", "negócio", "trattativ", "取引"),
    "tickets": ("ticket", "チケット"),
}
"""Beginnings of words for HubSpot's objects, in several languages; only for proposals to people."""


def likeness(cells: Sequence[str]) -> tuple[int, int]:
    """Return how much a row looks like a header: how many cells have letters, then how many cells there are."""
    return sum(any(map(str.isalpha, cell[:LONGEST])) for cell in cells), len(cells)


def header_missing(
    name: str, rows: Sequence[Sequence[str]], found: Mapping[str, Sequence[str]], settings: InputSettings
) -> InputError:
    """Return the error for a table in which no row is a header.

    `rows` begin with the one that is most like a header; `found` has, for the object id and the to object id, the
    headers in it that are understood as that field.
    """
    header = rows[0]
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
        f"{_way_on(rows, found, settings)} The columns are {show_all(there) or 'without names'}."
    )


def refuse_pivot(name: str, rows: Sequence[Sequence[str]]) -> None:
    """Raise InputError if a table's first rows show a pivot table: the ids of one end are the column headers."""
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


def _way_on(rows: Sequence[Sequence[str]], found: Mapping[str, Sequence[str]], settings: InputSettings) -> str:
    """Return the options to add, ready to be copied."""
    header = rows[0]
    missing = [field for field, headers in found.items() if not headers]
    ends = {field: headers[0] for field, headers in found.items() if headers}
    with_ids = [cell for place, cell in enumerate(header) if trim(cell) and _holds(_ID, rows[1:], place)]
    keys = {cell: "email" for place, cell in enumerate(header) if _holds(_EMAIL, rows[1:], place)}
    keys.update({cell: key for cell in header for word, key in _KEYS.items() if word in fold(cell)})
    if twice := next((cell for cell in with_ids if with_ids.count(cell) > 1), ""):
        return f"{counted(with_ids.count(twice), 'column')} with ids are called {show(twice)}: give each its own name."
    rest = [
        cell
        for cell in dict.fromkeys(cell for cell in header if trim(cell))
        if cell not in ends.values() and len(cell) <= LONGEST and cell.isprintable() and any(map(str.isalpha, cell))
    ]
    for field in missing:
        wanted = _option(field, settings)
        likely = [cell for cell in rest if _may_be_of(cell, wanted)]
        if likely:
            ends[field] = max(
                likely, key=lambda cell: _likelihood(cell, wanted, holds_ids=cell in with_ids, holds_keys=cell in keys)
            )
            rest.remove(ends[field])
    options = " ".join(column_option(field, ends.get(field, "…")) for field in missing)
    for field in missing:
        if key := keys.get(ends.get(field, "")):
            options += f" {'--from-id-property' if field == 'object_id' else '--to-id-property'} {key}"
    if not ends.keys() >= set(missing):
        return f"Add {options}, with your column's name in place of the dots."
    types = {field: type_in(ends[field]) for field in found if not _option(field, settings)}
    if all(types.get(field) for field in missing):
        flags = {"object_id": "--from", "to_object_id": "--to"}
        named = " ".join(f"{flags[field]} {object_type}" for field, object_type in types.items() if object_type)
        return f"Did you mean {named}? Or {options}?"
    return f"Did you mean {options}?"


def _holds(pattern: re.Pattern[str], rows: Iterable[Sequence[str]], place: int) -> bool:
    """Return True if most filled cells of a column match."""
    filled = [cell for row in rows if place < len(row) and (cell := trim(row[place]))]
    return sum(pattern.fullmatch(cell) is not None for cell in filled) * 2 > len(filled)


def _likelihood(header: str, object_type: str, *, holds_ids: bool, holds_keys: bool) -> tuple[bool, ...]:
    """Return how likely a column has ids or keys of an object type; greater is likelier.

    Phone numbers look like ids, too: a column of emails is preferred to a column of only such numbers.
    """
    words = (*re.split(r"[\W_]+", header), *_types_named(header))
    mentions = bool(object_type) and any(same_type(word, object_type) for word in words)
    named = mentions or looks_like_id(header)
    return holds_ids and named, holds_keys, holds_ids, mentions, named


def _types_named(header: str) -> set[str]:
    """Return the standard object types that a header names, also in other languages."""
    words = re.split(r"[\W_]+", header.casefold())
    named = type_in(header)
    return (
        {named}
        if named
        else {name for name, beginnings in _TYPE_WORDS.items() if any(word.startswith(beginnings) for word in words)}
    )


def _may_be_of(header: str, object_type: str) -> bool:
    named = _types_named(header)
    return not named or not all(are_different_types(each, object_type) for each in named)


def column_option(field: str, header: str) -> str:
    """Return the option that names a column, quoted for a shell."""
    if set(header) & set('"$`\\!'):
        return f"--column {shlex.quote(f'{field}={header}')}"
    return f'--column {field}="{header}"'
