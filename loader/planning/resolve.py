"""What a row asks for is resolved: names become ids, or a reason says why not, and what would be right.

Kinds of rows are resolved (`model.RowKind`), not rows: they are few, however many rows there are.
"""

from loader.model import WHOLE_PAIR, AssociationType, Direction, Problem, Resolved, RowKind
from loader.planning.association_types import (
    CATEGORIES,
    HUBSPOT_DEFINED,
    UNCHECKED,
    AssociationTypes,
    Known,
    standard_direction,
)
from loader.planning.object_types import ObjectTypes, quoted

LARGEST_TYPE_ID = 2**31 - 1
"""The API's `associationTypeId` is an int32."""

Verdict = Resolved | Problem

_WHERE = {"object_type": ", in the cell or with --from", "to_object_type": ", in the cell or with --to"}


def direction_of(row_kind: RowKind, names: ObjectTypes) -> Direction | Problem:
    """Return the object types as ids."""
    first = find_type(row_kind.object_type, names, "object_type")
    second = find_type(row_kind.to_object_type, names, "to_object_type")
    if isinstance(first, Problem):
        return first
    return second if isinstance(second, Problem) else (first, second)


def find_type(name: str, names: ObjectTypes, field: str) -> str | Problem:
    """Return an object type's id; `field` says where the name comes from."""
    type_id = names.find(name)
    if type_id is not None:
        return type_id
    if sharing := names.sharing(name):
        where = _WHERE.get(field, "")
        message = (
            f"{quoted(name)} may be {' or '.join(sharing)}, which have that name in this HubSpot account: write the id "
            f"in its place{where}"
        )
        return Problem("UNKNOWN_OBJECT_TYPE", message, field)
    near = names.nearest(name)
    if near:
        hint = f"did you mean {' or '.join(near)}?"
    elif names.custom:
        hint = f"this HubSpot account's custom objects are {', '.join(names.custom[:10])}"
    else:
        hint = "write its name or its id"
    return Problem(
        "UNKNOWN_OBJECT_TYPE", f"{quoted(name)} is not an object type of this HubSpot account: {hint}", field
    )


def wanted_label(row_kind: RowKind) -> str:
    """Return the label that a row asks for; a `(Primary)` column means the primary label."""
    return row_kind.label or ("Primary" if row_kind.primary and not row_kind.association_type_id else "")


def names_whole_pair(row_kind: RowKind) -> bool:
    """Return True for a row that names two records and nothing else."""
    return not (wanted_label(row_kind) or row_kind.association_type_id or row_kind.association_category)


def resolve_removal(row_kind: RowKind, direction: Direction, types: AssociationTypes) -> Verdict:
    """Return what to take off, or why nothing can be; an unknown label never means the whole pair."""
    if names_whole_pair(row_kind):
        return Resolved(direction, WHOLE_PAIR, "", WHOLE_PAIR, removes=True)
    verdict = resolve(row_kind, direction, types)
    # Two primary records for one record are a contradiction only if they are added, not if they are taken off.
    return verdict._replace(single="", removes=True) if isinstance(verdict, Resolved) else verdict


def needs_portal(row_kind: RowKind, direction: Direction, types: AssociationTypes) -> bool:
    """Return True when only the portal's own labels can resolve this."""
    if types.looked_up(direction):
        return False
    if wanted_label(row_kind):
        return True  # A portal can give any text to its own labels, and to HubSpot's.
    if row_kind.association_type_id:
        kind = _type_id(row_kind.association_type_id)
        if kind is None or (category := category_of(row_kind)) is None:
            return False
        if not row_kind.association_category:
            return True  # The same type id may be HubSpot's own type and, in another category, a label of this portal.
        if any(entry.type.category == category for entry in types.numbered(direction, kind)):
            return False
        return category != HUBSPOT_DEFINED or standard_direction(kind) is None
    return types.unlabelled(direction) is None


def known_by_table(row_kind: RowKind, direction: Direction, types: AssociationTypes) -> bool:
    """Return True if HubSpot's table has a type for this: then a token that can only write is enough."""
    verdict = resolve(row_kind, direction, types)
    return isinstance(verdict, Resolved) and any(entry.type == verdict.type for entry in types.of(direction))


def resolve(row_kind: RowKind, direction: Direction, types: AssociationTypes) -> Verdict:
    """Return what to send, or why nothing can be sent. Without the portal's list, the standard table decides."""
    category = category_of(row_kind)
    if category is None:
        return Problem(
            "UNKNOWN_CATEGORY",
            f"{quoted(row_kind.association_category)} is not an association category: write "
            f"{', '.join(CATEGORIES[:3])} or "
            "nothing; if that column is something else, add --column association_category= to ignore it",
            "association_category",
        )
    label = wanted_label(row_kind)
    if label:
        named = (types.primary(direction) if row_kind.primary and not row_kind.label else []) or types.named(
            direction, label
        )
        return _by_label(row_kind._replace(label=label), named, direction, types)
    if row_kind.association_type_id:
        return _by_type_id(row_kind, category, direction, types)
    return _unlabelled(row_kind, direction, types)


def category_of(row_kind: RowKind) -> str | None:
    """Return the category that a row says, HUBSPOT_DEFINED where it says none, None for what is no category."""
    text = row_kind.association_category.strip().upper().replace(" ", "_").replace("-", "_")
    return text if text in CATEGORIES else (None if text else HUBSPOT_DEFINED)


def _type_id(text: str) -> int | None:
    plain = text.strip().removesuffix(".0")
    valid = plain.isascii() and plain.isdigit() and len(plain) <= 10 and 0 < int(plain) <= LARGEST_TYPE_ID
    return int(plain) if valid else None


def _resolved(entry: Known, direction: Direction, types: AssociationTypes) -> Resolved:
    return Resolved(direction, entry.type, entry.label, types.inverse(direction, entry), entry.single)


def _unchecked(label: str, direction: Direction) -> Resolved:
    return Resolved(direction, UNCHECKED, label, UNCHECKED)


def _by_label(row_kind: RowKind, named: list[Known], direction: Direction, types: AssociationTypes) -> Verdict:
    """Resolve a kind of row by its label; `named` are the types that have it."""
    found = [
        entry for entry in named if not row_kind.association_category or entry.type.category == category_of(row_kind)
    ]
    if named and not found and types.complete(direction):
        return _wrong_category(row_kind, named, f"the label {quoted(row_kind.label)}", direction, types)
    if len(found) > 1 and row_kind.association_type_id:
        wanted = _type_id(row_kind.association_type_id)
        found = [entry for entry in found if entry.type.type_id == wanted] or found[:1]
    if len(found) == 1:
        type_id = found[0].type.type_id
        if row_kind.association_type_id and _type_id(row_kind.association_type_id) != type_id:
            return Problem(
                "LABEL_AND_TYPE_ID_DISAGREE",
                f"the label {quoted(row_kind.label)} is association type {type_id}, but the row also says "
                f"{quoted(row_kind.association_type_id)}: leave one of the two blank",
                "label",
            )
        return _resolved(found[0], direction, types)
    if found:
        ids = " and ".join(f"{entry.type.category} {entry.type.type_id}" for entry in found)
        return Problem(
            "AMBIGUOUS_LABEL",
            f"the label {quoted(row_kind.label)} could be {ids}: give the category and the association type id",
            "label",
        )
    if types.offline:
        return _unchecked(row_kind.label, direction)
    return Problem("ASSOCIATION_LABEL_NOT_FOUND", _no_such_label(row_kind.label, direction, types), "label")


_CHECK = "check both object types, or give the association type id"


def _not_listed(direction: Direction, types: AssociationTypes) -> str:
    return f"HubSpot does not list the association types of {types.shown(direction)}"


def _no_such_label(label: str, direction: Direction, types: AssociationTypes) -> str:
    pair = types.shown(direction)
    if not types.complete(direction):
        return f"{_not_listed(direction, types)}, so the label {quoted(label)} is not known: {_CHECK}"
    near, first = types.labels_like(direction, label)
    choice = ", ".join(repr(name) for name in near or first)
    if not types.of(direction):
        return (
            f"this HubSpot account has no association type from {pair}, so none with the label {quoted(label)}: "
            "create one in "
            "HubSpot"
        )
    hint = f"did you mean {choice}?" if near else f"there are {choice}" if choice else "there are no labels at all"
    other = direction[1], direction[0]
    if other != direction and types.named(other, label):
        hint = f"it is a label of {types.shown(other)}, so write the row from that side; from this side {hint}"
    return f"{pair} have no label {quoted(label)}: {hint}"


def _by_type_id(row_kind: RowKind, category: str, direction: Direction, types: AssociationTypes) -> Verdict:
    type_id = _type_id(row_kind.association_type_id)
    if type_id is None:
        return Problem(
            "INVALID_ASSOCIATION_TYPE_ID",
            f"{quoted(row_kind.association_type_id)} is not an association type id: write digits only, such as 279",
            "association_type_id",
        )
    numbered = types.numbered(direction, type_id)
    same = [entry for entry in numbered if entry.type.category == category or not row_kind.association_category]
    if len(same) > 1:
        meanings = " and ".join(_described(entry) for entry in same)
        return Problem(
            "AMBIGUOUS_ASSOCIATION_TYPE_ID",
            f"association type {type_id} of {types.shown(direction)} may be {meanings}: give the association category, "
            "too",
            "association_type_id",
        )
    if same:
        return _resolved(same[0], direction, types)
    if numbered and types.complete(direction):
        return _wrong_category(row_kind, numbered, f"association type {type_id}", direction, types)
    home = _home(row_kind, type_id, category, direction, types)
    if home or types.complete(direction):
        message = _right_ids(type_id, home, direction, types)
        return Problem("WRONG_ASSOCIATION_TYPE_ID", message, "association_type_id")
    # The portal does not list it, and HubSpot's table is not complete: HubSpot itself will judge this id.
    return Resolved(direction, AssociationType(category, type_id), "", None)


def _described(entry: Known) -> str:
    label = repr(entry.label) if entry.label else "no label"
    return f"{entry.type.category} {entry.type.type_id} ({label})"


def _wrong_category(
    row_kind: RowKind, known: list[Known], what: str, direction: Direction, types: AssociationTypes
) -> Problem:
    """Return the problem of a type that exists, but in another category than the row's."""
    right = " or ".join(dict.fromkeys(entry.type.category for entry in known))
    return Problem(
        "WRONG_CATEGORY",
        f"{what} of {types.shown(direction)} is {right}, not {row_kind.association_category.strip()}: write {right}, "
        "or leave the category blank",
        "association_category",
    )


def _home(
    row_kind: RowKind, type_id: int, category: str, direction: Direction, types: AssociationTypes
) -> tuple[Direction, list[Known]] | None:
    """Return the direction that a wrong type id belongs to, if known, and its types there."""
    other = direction[1], direction[0]
    same = types.numbered(other, type_id) if other != direction else []
    if row_kind.association_category:
        same = [entry for entry in same if entry.type.category == category]
    if same:
        return other, same
    home = standard_direction(type_id) if category == HUBSPOT_DEFINED else None
    return (home, []) if home and home != direction else None


def _right_ids(
    type_id: int, home: tuple[Direction, list[Known]] | None, direction: Direction, types: AssociationTypes
) -> str:
    pair = types.shown(direction)
    wrong = f"association type {type_id} does not link {pair}"
    if home is not None:
        there, entries = home
        wrong += f" (it goes from {types.shown(there)})"
        inverses = [types.inverse(there, entry) for entry in entries]
        right = [inverse for inverse in inverses if inverse is not None]
        if right and len(right) == len(inverses):
            which = "which is" if len(right) == 1 else "which are"
            ids = " or ".join(_id_of(inverse, direction, types) for inverse in right)
            return f"{wrong}: use {ids}, {which} the same from this side"
    if not types.of(direction) and types.complete(direction):
        return f"{wrong}: this HubSpot account has no association type from {pair} at all, so they cannot be associated"
    unlabelled = types.unlabelled(direction)
    others = [f"{_id_of(entry.type, direction, types)} {entry.label!r}" for entry in types.first_labelled(direction)]
    plain = [f"{_id_of(unlabelled.type, direction, types)} (unlabelled)"] if unlabelled else []
    return f"{wrong}: use {', '.join((plain + others)[:6]) or 'a type id of this pair'}"


def _id_of(kind: AssociationType, direction: Direction, types: AssociationTypes) -> str:
    """Return the type id of a type, with its category where another type of the direction has the same id."""
    return " ".join(map(str, kind)) if len(types.numbered(direction, kind.type_id)) > 1 else str(kind.type_id)


def _unlabelled(row_kind: RowKind, direction: Direction, types: AssociationTypes) -> Verdict:
    entry = types.unlabelled(direction)
    pair = types.shown(direction)
    if entry is not None and row_kind.association_category and entry.type.category != category_of(row_kind):
        return Problem(
            "CATEGORY_WITHOUT_TYPE",
            f"the row has the category {row_kind.association_category.strip()} and neither a label nor a type id, and "
            f"{pair} without a label is {_described(entry)}: give a label or a type id, or leave the category blank",
            "association_category",
        )
    if entry is not None:
        return _resolved(entry, direction, types)
    if types.offline:
        return _unchecked("", direction)
    if not types.of(direction) and types.complete(direction):
        message = (
            f"this HubSpot account has no association type from {pair}, so they cannot be associated: "
            "create one in HubSpot"
        )
    elif types.has_unlabelled(direction):
        message = f"{pair} have several association types without a label: give the right one with --type-id"
    elif types.complete(direction):
        message = f"HubSpot does not associate {pair} without a label: give one"
    else:
        message = f"{_not_listed(direction, types)}: {_CHECK}"
    return Problem("NO_UNLABELLED_TYPE", message, "to_object_type")
