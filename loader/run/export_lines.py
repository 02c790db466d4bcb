"""Associations as the lines of an export, in a form that a load can read."""

import json
from collections.abc import Callable, Mapping

from loader.model import FIELDS, AssociationType, Direction, Types
from loader.planning.association_types import USER_DEFINED, standard
from loader.read.row_kinds import label_cell
from loader.record.csv_text import csv_line, defused
from loader.send.links import Links

Row = tuple[str, str, str]
"""Association category, association type id and label of one line."""


class Lines:
    """Makes the lines of associations of one direction, one for each type.

    `ending` is that of the output; Parquet is made of JSON lines. `by_label` leaves out the type
    ids of the portal's own labels, which are others in every portal. `labels` are the texts of the types by their keys.
    """

    def __init__(self, direction: Direction, ending: str, labels: Mapping[str, str], *, by_label: bool) -> None:
        self.direction = direction
        self._by_label = by_label
        self._standard = {entry.type: entry.label for entry in standard().get(direction, ())}
        self._written: Callable[[str], str] = defused if ending == ".csv" else str
        self._is_json = ending != ".csv"
        self.head = "" if self._is_json else ",".join(FIELDS) + "\n"
        self.learn(labels)

    def learn(self, labels: Mapping[str, str]) -> None:
        """Use new labels of the types."""
        self._labels = labels
        self._ends: dict[Types, list[str]] = {}

    def unknown(self, links: Links) -> set[str]:
        """Return the keys of the unknown types among these."""
        return {each.key for types in links.sets for each in types} - self._labels.keys()

    def of(self, links: Links) -> list[str]:
        """Return the lines of associations; the lines of one pair are consecutive."""
        first, second = self.direction
        ends = [self._ends.get(types) or self._ends.setdefault(types, self._ends_of(types)) for types in links.sets]
        lines: list[str] = []
        for record, other, place in zip(
            *(each.tolist() for each in (links.records, links.others, links.types)), strict=True
        ):
            begin = (
                f'{{"object_type": "{first}", "object_id": "{record}", "to_object_type": "{second}", '
                f'"to_object_id": "{other}", '
                if self._is_json
                else f"{first},{record},{second},{other},"
            )
            lines += [f"{begin}{end}" for end in ends[place]]
        return lines

    def _ends_of(self, types: Types) -> list[str]:
        rows = [self._row(each) for each in sorted(types, key=lambda each: (bool(self._label_of(each)), each))]
        if self._is_json:
            return [json.dumps(dict(zip(FIELDS[4:], row, strict=True)))[1:] + "\n" for row in rows]
        return [csv_line(row) for row in rows]

    def _label_of(self, kind: AssociationType) -> str:
        return self._labels.get(kind.key, "")

    def _row(self, kind: AssociationType) -> Row:
        label = self._label_of(kind)
        if self._by_label and kind.category == USER_DEFINED:
            # The type without a label only says that two records are associated.
            return kind.category if label else "", "", label_cell(label, self._written)
        if self._by_label:
            label = self._standard.get(kind, label)  # A portal may have renamed it.
        return kind.category, str(kind.type_id), label_cell(label, self._written)
