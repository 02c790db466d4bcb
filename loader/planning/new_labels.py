"""Labels that rows name and the portal lacks: with `--create-labels` they are planned as if they were there.

Their association types are not known before they are made. Until then a plan has placeholders, which no request ever
carries: types of the portal's own category with negative ids.
"""

import hashlib
import re
import unicodedata
from collections.abc import Mapping, MutableMapping

from loader.events import NewLabel
from loader.model import AssociationType, Problem, RowKind
from loader.planning.association_types import USER_DEFINED, AssociationTypes
from loader.planning.object_types import ObjectTypes
from loader.planning.resolve import Verdict, category_of, direction_of, resolve

LONGEST_NAME = 60


def internal_name(label: str) -> str:
    """Return the internal name of a label that is to be made: no hyphen and no digit first [HubSpot's guide].

    Labels that differ must have different names. Where a name says less than its label, a hash of the label tells it
    from others.

    >>> internal_name("Decision maker"), internal_name("C-Level")
    ('decision_maker', 'c_level_98fa7d')
    """
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:LONGEST_NAME]
    if name == label.lower().replace(" ", "_") and not name[:1].isdigit():
        return name
    digest = hashlib.sha256(label.encode("utf-8", "backslashreplace")).hexdigest()[:6]
    return f"{'' if name[:1].isalpha() else 'label_'}{name}_{digest}".replace("__", "_")


def placeholders(number: int) -> tuple[AssociationType, AssociationType]:
    """Return what stands for a new label from each end; `number` is its place among the new labels, from 0."""
    return AssociationType(USER_DEFINED, -2 * number - 1), AssociationType(USER_DEFINED, -2 * number - 2)


def plan_labels(
    kinds: Mapping[int, RowKind],
    rows: Mapping[int, int],
    verdicts: MutableMapping[int, Verdict],
    names: ObjectTypes,
    types: AssociationTypes,
) -> tuple[NewLabel, ...]:
    """Return the labels to be made, and resolve the kinds of rows that name them; `rows` counts those of each kind.

    A label that the portal has from the other end alone is not made: such rows are written from the wrong end. Nor is
    one for a row that says a type id or another category, too, or where HubSpot associates no such records at all.
    """
    found: list[NewLabel] = []
    for kind, verdict in verdicts.items():
        row_kind = kinds[kind]
        direction = direction_of(row_kind, names)
        if not isinstance(verdict, Problem) or verdict.reason != "ASSOCIATION_LABEL_NOT_FOUND":
            continue
        if isinstance(direction, Problem) or not row_kind.label or row_kind.association_type_id:
            continue
        if row_kind.association_category and category_of(row_kind) != USER_DEFINED:
            continue
        if not (types.complete(direction) and types.of(direction)):
            continue
        if not types.named(direction, row_kind.label):
            if types.named(direction[::-1], row_kind.label):
                continue
            near, _ = types.labels_like(direction, row_kind.label)
            types.expect(direction, row_kind.label, placeholders(len(found)))
            found.append(NewLabel(*direction, types.shown(direction), row_kind.label, 0, tuple(near)))
        verdicts[kind] = resolve(row_kind, direction, types)
    named = {placeholder: place for place in range(len(found)) for placeholder in placeholders(place)}
    for kind, verdict in verdicts.items():
        if not isinstance(verdict, Problem) and verdict.type in named:
            place = named[verdict.type]
            found[place] = found[place]._replace(rows=found[place].rows + rows[kind])
    return tuple(found)
