"""The columns that are not read, and which of them look as if they said something about the associations."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from loader.read.columns import Columns
from loader.read.headers import are_different_types, fold, meaning, names_ids_of, same_type
from loader.read.show import show, trim
from loader.settings import InputSettings

# The columns of our own results and failures files that look like more than they are.
_OURS = frozenset({"error_category", "_error_category"})
_OUR_RESULTS = frozenset({"created_resource_id", "labels"})
# A file of a thousand such columns is one mistake, and need not be told a thousand times.
_MOST = 20
_ROLES = frozenset({"role", "roles", "relation", "relationship"})
_NUMBER = re.compile(r"[\s_#.(-]*[0-9]+\)?$", re.ASCII)
_NAME = {"label": "label", "type": "association_type_id", "category": "association_category"}


class Unused(NamedTuple):
    """The headers of the columns that are not read, blank ones left out, and a sentence about each that looks wrong."""

    headers: tuple[str, ...]
    warnings: tuple[str, ...]


def unused(header: Sequence[str], columns: Columns, settings: InputSettings) -> Unused:
    """Return what of a table is not read.

    A column is warned of if its header holds `label`, `type` or `category`, or seems to name more ids.
    """
    used = [columns.object_id, *columns.to, *columns.own.values()]
    positions = {column.position for column in used}
    left = [text for index, text in enumerate(header) if index not in positions and trim(text)]
    numbered = {fold(_NUMBER.sub("", column.header)) for column in used}
    ours = _OURS | _OUR_RESULTS if set(header) >= _OUR_RESULTS else _OURS
    looks = [(text, "" if text in ours else _looks_like(text, numbered, settings)) for text in left]
    sentences = [_sentence(text, what) for text, what in looks if what]
    more = [f"{len(sentences) - _MOST:,} more unread columns look like these."] if len(sentences) > _MOST else []
    return Unused(tuple(left), (*sentences[:_MOST], *more))


def _looks_like(text: str, numbered: set[str], settings: InputSettings) -> str:
    """Return the field that an unread column looks like, blank if none."""
    folded = fold(text)
    for word, field in _NAME.items():
        if word in folded:
            return field
    bare = fold(_NUMBER.sub("", text))
    if bare in _ROLES:
        return "label"
    types = [each for each in (settings.object_type, settings.to_object_type) if each]
    if _is_of_another_type(text, settings):
        return ""
    more = folded.endswith("ids") or any(names_ids_of(text, each) for each in types)
    again = bare != folded and (bare in numbered or any(same_type(bare, each) for each in types))
    return "to_object_id" if more or again else ""


def _is_of_another_type(text: str, settings: InputSettings) -> bool:
    """Tell whether `--to` has left a column of HubSpot's export out."""
    stated = meaning(text).object_type
    return bool(stated and settings.to_object_type and are_different_types(stated, settings.to_object_type))


def _sentence(text: str, field: str) -> str:
    if field == "to_object_id":
        return (
            f"the column {show(text)} is not read, and looks as if it held more ids; write all ids into one cell, "
            f'separated by ;, or load it by itself with --column to_object_id="{text}".'
        )
    return f'the column {show(text)} is not read, and looks like the {field}; if it is, add --column {field}="{text}".'
