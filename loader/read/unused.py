"""The columns that are not read, and which of them look as if they describe the associations."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from loader.read.cells import show, trim
from loader.read.columns import Columns
from loader.read.headers import (
    LONGEST,
    are_different_types,
    fold,
    is_export,
    is_standard,
    meaning,
    names_ids_of,
    names_standard_ids,
    same_type,
)
from loader.read.missing import column_option
from loader.settings import InputSettings

# Columns of our own results and failures files: they look like fields, but are not read.
_OURS = frozenset({"error_category", "_error_category"})
_OUR_RESULTS = frozenset({"created_resource_id", "labels"})
# A file with a thousand wrong columns is one mistake, and need not be reported a thousand times.
_MOST = 20
_ROLES = frozenset({
    "role", "roles", "relation", "relationship", "rolle", "rollen", "beziehung", "rôle", "rol", "relación", "ruolo",
    "beschriftung", "bezeichnung", "libellé", "étiquette", "etiqueta", "etichetta", "ラベル", "役割",
})  # fmt: skip
"""Also in German, French, Spanish, Italian and Japanese."""
_NUMBER = re.compile(r"[\s_#.(-]*[0-9]+\)?$", re.ASCII)
_NAME = {"label": "label", "type": "association_type_id", "category": "association_category"}
# The words of a header: `Company type`, `company_type`, `companyType`.
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_ENDS = ("object_id", "to_object_id")


class Unused(NamedTuple):
    """The headers of unread columns, without blank ones, and a sentence about each suspicious one.

    `types` are the sentences about columns that may give the association type.
    """

    headers: tuple[str, ...]
    warnings: tuple[str, ...]
    types: tuple[str, ...]


def unused(header: Sequence[str], columns: Columns, settings: InputSettings) -> Unused:
    """Return the unread columns of a table.

    A column gets a warning if its header contains `label`, `type` or `category`, or seems to name more ids. It gets
    none if it clearly describes one of the records, or if `--column` names the column of that field.
    """
    used = [columns.object_id, *columns.to, *columns.own.values()]
    positions = {column.position for column in used}
    left = [text for index, text in enumerate(header) if index not in positions and trim(text)]
    looks = _Looks(header, columns, settings)
    sentences = [sentence for sentence in map(looks.sentence, left) if sentence]
    more = [f"{len(sentences) - _MOST:,} more unused columns look like these."] if len(sentences) > _MOST else []
    return Unused(tuple(left), (*sentences[:_MOST], *more), tuple(looks.types[:_MOST]))


class _Looks:
    """Finds which field an unread column looks like, and what to do about it."""

    def __init__(self, header: Sequence[str], columns: Columns, settings: InputSettings) -> None:
        self._read = columns.by_field()
        self._numbered = {
            fold(_NUMBER.sub("", header)): field for field, headers in self._read.items() for header in headers
        }
        types = settings.object_type, settings.to_object_type
        self._types = {field: each for field, each in zip(_ENDS, types, strict=True) if each}
        self._is_export = is_export(header)
        self._ours = _OURS | _OUR_RESULTS if set(header) >= _OUR_RESULTS else _OURS
        self._given = settings.columns.keys()
        self._has_label = "label" in self._read
        self.types: list[str] = []

    def sentence(self, text: str) -> str:
        """Return what an unread column looks like and what to do, blank if it looks like nothing."""
        bare = fold(_NUMBER.sub("", text))
        if text in self._ours:
            return ""
        if bare != fold(text) and (field := self._of_number(bare)):
            return self._advice(text, field, "")
        field = self._named(text, bare) or self._of_ids(text, bare)
        if not field or field in self._given:
            return ""
        advice = self._advice(text, field, self._way_out(field))
        if field in ("label", "association_type_id"):
            self.types.append(advice)
        return advice

    def _advice(self, text: str, field: str, way_out: str) -> str:
        if field == "to_object_id":
            looks = "like more ids; put all ids into one cell, separated by ;, or load it separately with"
        elif field == "label" and self._has_label:
            looks = "like another label; to load both, put them into one cell, separated by ;, or load once more with"
            way_out = ""
        else:
            self._has_label |= field == "label"
            looks = f"like the {field}; if it is, add"
        return f"the column {show(text)} is not used, but looks {looks} {column_option(field, text)}{way_out}."

    def _way_out(self, field: str) -> str:
        """Return the option that says that an unread column is not the field, if there is one."""
        read = self._read.get(field, ())
        if not read:
            return f"; if it is not, add --column {field}= to end this warning"
        return f"; if it is not, add {column_option(field, *read)} to end this warning" if len(read) == 1 else ""

    def _of_number(self, bare: str) -> str:
        """Return the field of `Label 2` beside `Label 1`, or of `Company 2`."""
        ends = [end for end, each in self._types.items() if same_type(bare, each)]
        return self._numbered.get(bare) or "".join(ends[-1:])

    def _named(self, text: str, bare: str) -> str:
        field = next((field for word, field in _NAME.items() if word in bare), "")
        if field in ("", "label"):
            return field or ("label" if bare in _ROLES else "")
        return "" if self._is_property(text, bare) else field

    def _is_property(self, text: str, bare: str) -> bool:
        """Return True for the type or category of a record: `Company type`, or any in HubSpot's own export."""
        if "associat" in bare or "relation" in bare:
            return False
        words = _WORDS.findall(text[:LONGEST])
        ends = [word for word in words if any(same_type(word, each) for each in self._types.values())]
        if len(ends) > 1:
            return False  # `contact_company_type` is the type of the pair.
        return self._is_export or bool(ends) or any(map(is_standard, words))

    def _of_ids(self, text: str, bare: str) -> str:
        ends = [end for end, each in self._types.items() if names_ids_of(text, each)]
        if ends:
            return ends[-1]
        stated, wanted = meaning(text).object_type, self._types.get("to_object_id")
        is_left_out = bool(stated and wanted and are_different_types(stated, wanted))  # By `--to`.
        other = names_standard_ids(text) or self._is_export or is_left_out
        return "to_object_id" if bare.endswith("ids") and not other else ""
