"""The association types of a portal: HubSpot's own and the portal's labels, each in one direction."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from loader.sandbox.standard_types import FAR_ENDS, LABELS, OBJECT_TYPES, SINGLES, TYPE_IDS

TypeKey = tuple[str, int]
"""(association category, association type id): an id is unique within its category only (documented)."""

TypeSet = frozenset[TypeKey]


@dataclass(frozen=True, slots=True)
class AssociationType:
    """One association type in its one direction.

    ``label`` is None for the unlabelled type; ``name`` is the internal name of a portal's own label. ``inverse`` is the
    type that the far record shows, None where the documentation lists none. ``single`` means that a record has one such
    association at most.
    """

    key: TypeKey
    from_type: str
    to_type: str
    label: str | None = None
    inverse: TypeKey | None = None
    single: bool = False
    name: str = ""


@cache
def standard_types() -> tuple[AssociationType, ...]:
    """HubSpot's own types with their inverses, from the documented table."""
    ids = {name: object_type_id for name, (object_type_id, _) in OBJECT_TYPES.items()}
    entries = dict(_entries())
    inverses = {
        (from_name, to_name, qualifier): entries.get((to_name, from_name, FAR_ENDS.get(qualifier, qualifier)))
        for from_name, to_name, qualifier in entries
    }
    return tuple(
        AssociationType(
            key=("HUBSPOT_DEFINED", type_id),
            from_type=ids.get(from_name, from_name),
            to_type=ids.get(to_name, to_name),
            label=_label(qualifier, from_name, to_name),
            inverse=None if inverse is None else ("HUBSPOT_DEFINED", inverse),
            single=qualifier in SINGLES,
        )
        for ((from_name, to_name, qualifier), type_id), inverse in zip(entries.items(), inverses.values(), strict=True)
    )


def _label(qualifier: str, from_name: str, to_name: str) -> str | None:
    text = LABELS.get(qualifier)
    return None if text is None else text.format_map({"from": from_name.capitalize(), "to": to_name.capitalize()})


def _entries() -> Iterator[tuple[tuple[str, str, str], int]]:
    for from_name, listing in TYPE_IDS.items():
        for entry in listing.split(", "):
            type_id, _, target = entry.partition(" ")
            to_name, _, qualifier = target.partition("/")
            yield (from_name, to_name, qualifier), int(type_id)


class AssociationTypes:
    """Finds types by key and by direction, and keeps the portal's labels."""

    def __init__(self) -> None:
        self._types: dict[TypeKey, AssociationType] = {}
        self._by_direction: dict[tuple[str, str], list[TypeKey]] = {}
        self._next_user_defined = 1
        self._inverse: dict[TypeSet, TypeSet] = {}
        self._singles: dict[TypeSet, tuple[AssociationType, ...]] = {}
        self._described: dict[tuple[str, TypeSet], tuple[AssociationType, ...]] = {}
        for association_type in standard_types():
            self._add(association_type)

    def get(self, key: TypeKey) -> AssociationType | None:
        """The type of that category and id, in any direction."""
        return self._types.get(key)

    def between(self, from_type: str, to_type: str) -> list[AssociationType]:
        """All types that lead from one object type to another, as the labels endpoint lists them."""
        return [self._types[key] for key in self._by_direction.get((from_type, to_type), ())]

    def directions(self) -> list[tuple[str, str]]:
        """Every (from object type, to object type) that has a type."""
        return [direction for direction, keys in self._by_direction.items() if keys]

    def unlabelled(self, from_type: str, to_type: str) -> TypeKey | None:
        """The type that every associated pair has, or None where there is no default definition."""
        for key in self._by_direction.get((from_type, to_type), ()):
            if self._types[key].label is None:
                return key
        return None

    def inverse(self, types: TypeSet) -> TypeSet:
        """The same association seen from its other end; a type without an inverse stays as it is."""
        inverse = self._inverse.get(types)
        if inverse is None:
            inverse = frozenset(self._types[key].inverse or key for key in types)
            self._inverse[types] = inverse
        return inverse

    def describe(self, from_type: str, types: TypeSet) -> tuple[AssociationType, ...]:
        """The types that a record of ``from_type`` shows, unlabelled first, then by category and id."""
        shown = self._described.get((from_type, types))
        if shown is None:
            found = (self._types[key] for key in types)
            ranked = sorted(found, key=lambda each: (each.label is not None, each.key))
            shown = tuple(each for each in ranked if each.from_type == from_type)
            self._described[from_type, types] = shown
        return shown

    def add_label(
        self,
        from_type: str,
        to_type: str,
        label: str | None,
        inverse_label: str | None = None,
        type_ids: tuple[int | None, int | None] = (None, None),
        *,
        name: str = "",
    ) -> list[AssociationType]:
        """Defines a USER_DEFINED label and returns one type for each direction.

        Between two object types each direction has an id of its own. Within one object type a label without
        an ``inverse_label`` reads the same from both ends and is one type; a paired one is two.
        ``type_ids`` fixes the ids; those left None are the next free ones. Raises ValueError on a taken id.
        """
        forward = self._new_key(type_ids[0])
        if from_type == to_type and inverse_label is None:
            return [self._add(AssociationType(forward, from_type, to_type, label, forward, name=name))]
        backward = self._new_key(type_ids[1])
        return [
            self._add(AssociationType(forward, from_type, to_type, label, backward, name=name)),
            self._add(AssociationType(backward, to_type, from_type, inverse_label or label, forward, name=name)),
        ]

    def rename(self, key: TypeKey, label: str, inverse_label: str | None) -> None:
        """Gives a label, and its other end if it is paired, new texts."""
        known = self._types[key]
        paired = known.inverse is not None and self._types[known.inverse].label != known.label
        self._types[key] = replace(known, label=label)
        if known.inverse is not None and known.inverse != key:
            other = self._types[known.inverse]
            text = inverse_label or (other.label if paired else label)
            self._types[other.key] = replace(other, label=text)
        self._forget_answers()

    def relabel(self, key: TypeKey, label: str) -> None:
        """Gives one type another text and leaves its other end as it is."""
        self._types[key] = replace(self._types[key], label=label)
        self._forget_answers()

    def remove(self, key: TypeKey) -> TypeSet:
        """Removes a type with its other end and returns their keys."""
        gone = frozenset(each for each in (key, self._types[key].inverse) if each is not None)
        for each in gone:
            known = self._types.pop(each)
            self._by_direction[known.from_type, known.to_type].remove(each)
        self._forget_answers()
        return gone

    def singles(self, types: TypeSet) -> tuple[AssociationType, ...]:
        """The types of which a record can have only one association."""
        found = self._singles.get(types)
        if found is None:
            found = self._singles[types] = tuple(self._types[key] for key in types if self._types[key].single)
        return found

    def _add(self, association_type: AssociationType) -> AssociationType:
        self._types[association_type.key] = association_type
        direction = (association_type.from_type, association_type.to_type)
        self._by_direction.setdefault(direction, []).append(association_type.key)
        return association_type

    def _new_key(self, type_id: int | None) -> TypeKey:
        if type_id is None:
            while ("USER_DEFINED", self._next_user_defined) in self._types:
                self._next_user_defined += 1
            type_id = self._next_user_defined
            self._next_user_defined += 1
        key = ("USER_DEFINED", type_id)
        if key in self._types:
            raise ValueError(f"the association type id {type_id} is given to two labels")
        return key

    def _forget_answers(self) -> None:
        self._inverse.clear()
        self._singles.clear()
        self._described.clear()
