"""Labels that rows name and the portal lacks: with `--create-labels` they are planned as if they existed.

Their association types are not known before they are made. Until then a plan has placeholders that are never sent:
types of the portal's own category with negative ids.
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
    """Return the internal name for a new label: no hyphen, and no digit first [HubSpot's guide].

    Different labels must have different names. If the name loses a part of its label, a hash of the label is added.

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
    """Return the placeholder types of a new label from each end; `number` counts the new labels from 0."""
    return AssociationType(USER_DEFINED, -2 * number - 1), AssociationType(USER_DEFINED, -2 * number - 2)


def plan_labels(
    kinds: Mapping[int, RowKind],
    rows: Mapping[int, int],
    verdicts: MutableMapping[int, Verdict],
    names: ObjectTypes,
    types: AssociationTypes,
) -> tuple[NewLabel, ...]:
    """Return the labels to make, and resolve the kinds of rows that name them; `rows` counts the rows of each kind.

    A label that the portal has only from the other end is not made: such rows are written from the wrong end. No label
    is made either for a row with a type id or another category, or if HubSpot does not associate these object types.
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
