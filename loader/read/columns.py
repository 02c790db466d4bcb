"""Columns are assigned to fields: by their headers or `--column`, never by a guess."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from loader.errors import InputError, UsageError
from loader.model import FIELDS
from loader.read.cells import show, show_all, trim
from loader.read.headers import (
    USUAL_NAMES,
    Meaning,
    are_different_types,
    fold,
    is_export,
    meaning,
    names_ids_of,
    same_type,
)
from loader.read.missing import header_missing, likeness
from loader.settings import InputSettings
from loader.text import counted

_REQUIRED = ("object_id", "to_object_id")
_EXAMPLES = {"object_type": "--from contacts", "to_object_type": "--to companies"}


class Column(NamedTuple):
    """One column of the file and the meaning of its header."""

    position: int
    header: str
    meaning: Meaning


class Columns(NamedTuple):
    """The columns that are read: one of object ids, one or more of to object ids, and other fields by name."""

    object_id: Column
    to: tuple[Column, ...]
    own: dict[str, Column]

    def has_types(self) -> bool:
        """Return whether a column says the label or the association type id."""
        return "label" in self.own or "association_type_id" in self.own or any(to.meaning.has_type for to in self.to)

    def by_field(self) -> dict[str, tuple[str, ...]]:
        """Return for each field the headers it is read from, in the fields' order."""
        found: dict[str, tuple[str, ...]] = {name: (column.header,) for name, column in self.own.items()}
        found["object_id"] = (self.object_id.header,)
        if self.to:
            found["to_object_id"] = tuple(column.header for column in self.to)
        return {name: found[name] for name in FIELDS if name in found}

    def notes(self) -> list[str]:
        """Return sentences about columns that were recognised by an ambiguous word."""
        usual = [
            f"{show(column.header)} as {field}"
            for field, column in self.own.items()
            if column.meaning.field and not meaning(column.header).field
        ]
        labelled = [show(column.header) for column in self.to if column.meaning.type_id]
        notes = (
            [f"These column headers are labels, and their rows get them: {', '.join(labelled)}."] if labelled else []
        )
        if usual:
            leave = "to ignore one, add --column FIELD= with nothing after the ="
            notes.append(f"Read as their names suggest: {', '.join(usual)}; {leave}.")
        return notes


def check_fields(mapping: Mapping[str, str]) -> None:
    """Raise UsageError if `--column` names an unknown field; a blank header means that the field is not read."""
    for field, wanted in mapping.items():
        if not wanted and field in _REQUIRED:
            raise UsageError(f"--column {field}=: this field must have a column; write its header after the =.")
        if field not in FIELDS:
            raise UsageError(f"--column {field}={wanted}: there is no such field; the fields are {', '.join(FIELDS)}.")


def is_header(cells: Sequence[str], settings: InputSettings) -> bool:
    """Return whether a row names a column for the object id and one for the to object id."""
    candidates = _candidates(cells, settings)
    return all(candidates[field] for field in _required(settings))


def id_columns(header: Sequence[str], settings: InputSettings) -> frozenset[int]:
    """Return the columns that may hold ids."""
    candidates = _candidates(header, settings)
    return frozenset(column.position for field in _REQUIRED for column in candidates[field])


def assign(name: str, header: Sequence[str], settings: InputSettings) -> Columns:
    """Assign a column to each field; raises UsageError for a field with two columns, or a needed field without."""
    _check_mapping(name, header, settings.columns)
    candidates = _candidates(header, settings)
    for field in _required(settings):
        if not candidates[field]:
            raise no_header(name, [header], settings)
    object_id = _object_id(name, candidates["object_id"], settings)
    if settings.records_only:
        types = candidates["object_type"]
        return Columns(object_id, (), {"object_type": _only(name, "object_type", types)} if types else {})
    to = _narrowed(name, candidates["to_object_id"], settings)
    own = {
        field: _only(name, field, candidates[field]) for field in FIELDS if candidates[field] and field not in _REQUIRED
    }
    columns = Columns(object_id, to, own)
    _check_labels(name, columns, settings)
    _check_types(name, header, columns, settings)
    return columns


def no_header(name: str, rows: Sequence[Sequence[str]], settings: InputSettings) -> InputError:
    """Return the error for a table in which no row is a header; `rows` are its first ones."""
    place = max(range(len(rows)), key=lambda each: likeness(rows[each]))
    found = {
        field: [column.header for column in columns] for field, columns in _candidates(rows[place], settings).items()
    }
    return header_missing(name, rows[place:], {field: found[field] for field in _required(settings)}, settings)


def _required(settings: InputSettings) -> tuple[str, ...]:
    return _REQUIRED[:1] if settings.records_only else _REQUIRED


def _candidates(header: Sequence[str], settings: InputSettings) -> dict[str, list[Column]]:
    """Return the columns that may be each field: as `--column` says, else as the header says.

    If no header names a field exactly, it may have one of the usual names, and ids may be under the name of the object
    type of `--from` or `--to`. A column whose header names the field is preferred.
    """
    mapping = settings.columns
    named = {field: _named(header, wanted) if wanted else [] for field, wanted in mapping.items()}
    taken = {column.position for columns in named.values() for column in columns}
    found: dict[str, list[Column]] = {field: named.get(field, []) for field in FIELDS}
    for index, cell in enumerate(header):
        found_meaning = meaning(cell)
        if found_meaning.field and found_meaning.field not in mapping and index not in taken:
            found[found_meaning.field].append(Column(index, cell, found_meaning))
    missing = {field for field in FIELDS if not found[field] and field not in mapping}
    free = [(index, cell) for index, cell in enumerate(header) if index not in taken and not meaning(cell).field]
    for index, cell in free if missing else ():
        field = USUAL_NAMES.get(fold(cell), "")
        if field in missing:
            found[field].append(Column(index, cell, Meaning(field)))
    if "association_category" in missing and not found["association_type_id"] and is_export(header):
        found["association_category"] = []  # Tickets have a property called Category.
    _find_ends(found, missing, free, settings)
    return found


def _find_ends(
    found: dict[str, list[Column]], missing: set[str], free: list[tuple[int, str]], settings: InputSettings
) -> None:
    """Find the id column of one end by its object type, if `--from` or `--to` gives it."""
    types = {"object_id": settings.object_type, "to_object_id": settings.to_object_type}
    is_one_type = all(types.values()) and same_type(types["object_id"] or "", types["to_object_id"] or "")
    if "to_object_id" in missing and types["to_object_id"] and not is_one_type:
        # `Record ID - Company` alone is the object id; beside `Record ID - Contact` it is the other end.
        other = [each for each in found["object_id"] if same_type(each.meaning.object_type, types["to_object_id"])]
        if len(found["object_id"]) > len(other):
            found["object_id"] = [each for each in found["object_id"] if each not in other]
            found["to_object_id"] += [
                each._replace(meaning=each.meaning._replace(field="to_object_id")) for each in other
            ]
    for field, object_type in types.items():
        own_type = found["object_type" if field == "object_id" else "to_object_type"]
        if field not in missing or found[field] or own_type or not object_type:
            continue
        end = "from" if field == "object_id" else "to"
        prefixes = (end,) if is_one_type else ("", "hubspot", "hs", end)
        found[field] += [
            Column(index, cell, Meaning(field))
            for index, cell in free
            if names_ids_of(cell, object_type, prefixes=prefixes)
        ]


def _named(header: Sequence[str], wanted: str) -> list[Column]:
    exact = [index for index, cell in enumerate(header) if trim(cell) == trim(wanted)]
    indexes = exact or [index for index, cell in enumerate(header) if trim(cell) and fold(cell) == fold(wanted)]
    return [Column(index, header[index], meaning(header[index])) for index in indexes]


def _check_mapping(name: str, header: Sequence[str], mapping: Mapping[str, str]) -> None:
    used: dict[int, str] = {}
    for field, wanted in mapping.items():
        if not wanted:
            continue
        found = _named(header, wanted)
        if not found:
            there = show_all([cell for cell in header if trim(cell)])
            raise UsageError(f"{name}: --column {field} names {show(wanted)}, but the columns are {there}.")
        column = _only(name, field, found)
        if column.position in used:
            raise UsageError(f"{name}: --column names {show(wanted)} for both {used[column.position]} and {field}.")
        used[column.position] = field


def _only(name: str, field: str, found: list[Column]) -> Column:
    if len(found) == 1:
        return found[0]
    headers = [column.header for column in found]
    if len(set(headers)) < len(headers):
        raise InputError(f"{name}: the column {show(headers[0])} ({field}) is there twice; remove or rename one.")
    both = " Or put all labels of a row into one cell, separated by ;." if field == "label" else ""
    raise UsageError(
        f"{name}: {counted(len(found), 'column')} could be the {field}: {show_all(headers)}; "
        f'choose one with --column {field}="{headers[0]}".{both}'
    )


def _object_id(name: str, found: list[Column], settings: InputSettings) -> Column:
    option = settings.object_type
    if option and len(found) > 1:
        found = [column for column in found if same_type(column.meaning.object_type, option)] or found
    column = _only(name, "object_id", found)
    _check_agrees(name, column, "object_id", option, settings)
    return column


def _narrowed(name: str, found: list[Column], settings: InputSettings) -> tuple[Column, ...]:
    if len(found) > 1 and not all(column.meaning.associated for column in found):
        _only(name, "to_object_id", found)
    meanings = [column.meaning for column in found]
    option = settings.to_object_type
    types = {column.meaning.object_type for column in found}
    if option and len(types) > 1:
        found = [column for column in found if same_type(column.meaning.object_type, option)]
        if not found:
            raise UsageError(
                f"{name}: none of {show_all(sorted(types))} is the object type {show(option)} of --to; "
                'choose one with --column to_object_id="…".'
            )
    if len(set(meanings)) < len(meanings):
        _only(name, "to_object_id", [column for column in found if meanings.count(column.meaning) > 1] or found)
    for column in found:
        _check_agrees(name, column, "to_object_id", option, settings)
    return tuple(found)


def _check_agrees(name: str, column: Column, field: str, option: str | None, settings: InputSettings) -> None:
    flag = "--from" if field == "object_id" else "--to"
    stated = column.meaning.object_type
    if option and stated and field not in settings.columns and are_different_types(option, stated):
        raise UsageError(
            f"{name}: the column {show(column.header)} holds ids of another object type than {flag} {option}; "
            f'correct the option, or confirm the column with --column {field}="{column.header}".'
        )


def _check_labels(name: str, columns: Columns, settings: InputSettings) -> None:
    """A header like `Associated Company IDs (Primary)` and a label column are two columns for one field."""
    stated = next((column for column in columns.to if column.meaning.has_type), None)
    own = columns.own.get("label") or columns.own.get("association_type_id")
    if stated is not None and own is not None and not {"label", "association_type_id"} & settings.columns.keys():
        raise UsageError(
            f"{name}: the columns {show(stated.header)} and {show(own.header)} both hold the label; "
            f'choose the ids with --column to_object_id="…", or the label with --column '
            f'label="{own.header}".'
        )


def _check_types(name: str, header: Sequence[str], columns: Columns, settings: InputSettings) -> None:
    stated = {
        "object_type": settings.object_type or columns.object_id.meaning.object_type,
        "to_object_type": settings.to_object_type or all(column.meaning.object_type for column in columns.to),
    }
    for field, value in stated.items():
        if not value and field not in columns.own:
            ids = columns.object_id if field == "object_type" else columns.to[0]
            raise UsageError(
                f"{name}: What records are in {show(ids.header)}? Add {_EXAMPLES[field]}. Or, if a column says it, add "
                f'--column {field}="…"; the columns are {show_all(list(header))}.'
            )
