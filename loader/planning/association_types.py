"""The association types of two object types: the standard table, and what a portal's labels endpoint adds to it.

`association_types.csv` holds HubSpot's table of defined association types (guide "Associations", edition 2026-09, as
far as the ids of both object types are published): all of category HUBSPOT_DEFINED, one line for each direction, with
the id of the same association seen from the other end. `label` is HubSpot's own text, which a portal may change;
`also_called` is another text in use. `single` is the end (`from` or `to`) whose record can have only one association of
this type: a contact has one primary company, a child company one parent. The table is not complete: HubSpot adds to it.
So an id that is not in it is looked up or sent, never refused.
"""

import csv
import heapq
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from importlib import resources
from itertools import islice
from typing import NamedTuple

from loader.model import AssociationType, Direction
from loader.planning.object_types import Nearest, ObjectTypes

HUBSPOT_DEFINED = "HUBSPOT_DEFINED"
USER_DEFINED = "USER_DEFINED"
CATEGORIES = (HUBSPOT_DEFINED, USER_DEFINED, "INTEGRATOR_DEFINED", "WORK")

UNCHECKED = AssociationType("UNCHECKED", 0)
"""The placeholder for a type that only the portal knows, in a plan without a portal; it is never sent."""


def folded(label: str) -> str:
    """Return a label for comparison: without case, blanks and differences in how accents are written."""
    return " ".join(unicodedata.normalize("NFC", label).casefold().split())


class Known(NamedTuple):
    """One association type of a direction. `label` is blank for the unlabelled one; `inverse` None where unknown.

    `single` is `from` or `to`, the end whose record can have only one of this type, or blank; `also_called` is another
    text for the label, or blank.
    """

    type: AssociationType
    label: str
    inverse: AssociationType | None
    single: str = ""
    also_called: str = ""


@cache
def standard() -> Mapping[Direction, tuple[Known, ...]]:
    """Return HubSpot's own association types by direction."""
    table: dict[Direction, list[Known]] = {}
    text = resources.files("loader.planning").joinpath("association_types.csv").read_text("utf-8")
    for line in csv.DictReader(text.splitlines()):
        inverse = line["inverse_type_id"]
        table.setdefault((line["object_type"], line["to_object_type"]), []).append(
            Known(
                AssociationType(HUBSPOT_DEFINED, int(line["type_id"])),
                line["label"],
                AssociationType(HUBSPOT_DEFINED, int(inverse)) if inverse else None,
                line["single"],
                line["also_called"],
            )
        )
    return {direction: tuple(known) for direction, known in table.items()}


def standard_direction(type_id: int) -> Direction | None:
    """Return the one direction that a HUBSPOT_DEFINED type id belongs to, or None if the table lacks it."""
    return _standard_directions().get(type_id)


@cache
def _standard_directions() -> Mapping[int, Direction]:
    return {entry.type.type_id: direction for direction, known in standard().items() for entry in known}


MOST_SHOWN = 10


class _Index:
    """The types of one direction, indexed, because a portal may have many.

    `plain` is the type that only says that two records are associated; None if it is not certain which.
    """

    def __init__(self, direction: Direction, known: Sequence[Known]) -> None:
        self.by_label: dict[str, list[Known]] = {}
        self.by_type_id: dict[int, list[Known]] = {}
        for entry in known:
            self.by_type_id.setdefault(entry.type.type_id, []).append(entry)
            if entry.label:
                self.by_label.setdefault(folded(entry.label), []).append(entry)
        self.labels = {name: entries[-1].label for name, entries in self.by_label.items()}
        self.first_labels = heapq.nsmallest(MOST_SHOWN, self.labels.values())
        self.first_labelled = list(islice((entry for entry in known if entry.label), MOST_SHOWN))
        self.blank = [entry for entry in known if not entry.label]
        self.plain = self._plain({entry.type for entry in standard().get(direction, ())})

    def _plain(self, ours: Collection[AssociationType]) -> Known | None:
        for wanted in (
            [entry for entry in self.blank if entry.type in ours],
            [entry for entry in self.blank if entry.type.category == HUBSPOT_DEFINED],
            self.blank,
        ):
            if wanted:
                return wanted[0] if len(wanted) == 1 else None
        return None


class AssociationTypes:
    """What is known of the association types: the standard table, and the directions that were read from a portal.

    `offline` says that there is no portal to read from; `names` are what people call the object types.
    """

    def __init__(self, *, offline: bool = False, names: ObjectTypes | None = None) -> None:
        self.offline = offline
        self._names = names or ObjectTypes()
        self._listed: dict[Direction, tuple[Known, ...]] = {}
        self._indexes: dict[Direction, _Index] = {}
        self._nearest = Nearest(0.5)
        self._unavailable: set[Direction] = set()

    def shown(self, direction: Direction) -> str:
        """Return a direction in words: `contacts to companies`."""
        return " to ".join(map(self._names.shown, direction))

    def learn(self, direction: Direction, answer: Iterable[Mapping[str, object]]) -> None:
        """Add the entries (`category`, `typeId`, `label`) of the labels endpoint for one direction."""
        known = {entry.type: entry for entry in standard().get(direction, ())}
        for item in answer:
            category, type_id, label = item.get("category"), item.get("typeId"), item.get("label")
            if isinstance(category, str) and isinstance(type_id, int):
                kind = AssociationType(category, type_id)
                before = known.get(kind, Known(kind, "", None))
                known[kind] = before._replace(label=label if isinstance(label, str) and label else before.label)
        self._listed[direction] = tuple(known.values())
        self._indexes.pop(direction, None)

    def expect(self, direction: Direction, label: str, types: tuple[AssociationType, AssociationType]) -> None:
        """Add a label as if the portal had it; `types` are its types from this end and from the other."""
        other = direction[::-1]
        ends = ((direction, *types), (other, *types[::-1]))
        for end, kind, inverse in [(direction, types[0], types[0])] if other == direction else ends:
            self._listed[end] = (*self.of(end), Known(kind, label, inverse))
            self._indexes.pop(end, None)

    def cannot_learn(self, direction: Direction) -> None:
        """Note that the portal does not list the types of this direction."""
        self._unavailable.add(direction)

    def complete(self, direction: Direction) -> bool:
        """Return True when the portal itself named the types of this direction."""
        return direction in self._listed

    def looked_up(self, direction: Direction) -> bool:
        """Return True when this direction was read from the portal, or the portal did not list it."""
        return direction in self._listed or direction in self._unavailable

    def of(self, direction: Direction) -> tuple[Known, ...]:
        """Return every association type known for a direction."""
        return self._listed.get(direction) or standard().get(direction, ())

    def named(self, direction: Direction, label: str) -> list[Known]:
        """Return the types of a label: by the portal's labels, else by HubSpot's table.

        Case and blanks are ignored, unless two labels of the portal differ in nothing else.
        """
        wanted = folded(label)
        found = self._index(direction).by_label.get(wanted, [])
        if exact := [entry for entry in found if len(found) > 1 and entry.label.strip() == label.strip()]:
            return exact
        return found or self._named_by_hubspot(direction, wanted)

    def primary(self, direction: Direction) -> list[Known]:
        """Return HubSpot's own primary type of a direction, whatever label the portal gives it."""
        return self._named_by_hubspot(direction, folded("Primary"))

    def _named_by_hubspot(self, direction: Direction, wanted: str) -> list[Known]:
        """Return the types that have this folded label in HubSpot's table."""
        table = [
            entry.type
            for entry in standard().get(direction, ())
            if entry.label and wanted in (folded(entry.label), folded(entry.also_called))
        ]
        return [entry for kind in table for entry in self.numbered(direction, kind.type_id) if entry.type == kind]

    def numbered(self, direction: Direction, type_id: int) -> list[Known]:
        """Return the types of a direction that have this id, in any category."""
        return self._index(direction).by_type_id.get(type_id, [])

    def first_labelled(self, direction: Direction) -> list[Known]:
        """Return some types of a direction with a label, as examples to show."""
        return self._index(direction).first_labelled

    def has_unlabelled(self, direction: Direction) -> bool:
        """Return True if a direction has at least one type without a label."""
        return bool(self._index(direction).blank)

    def labels_like(self, direction: Direction, label: str) -> tuple[list[str], list[str]]:
        """Return labels of a direction that look like this one, and the first of all its labels, sorted."""
        index = self._index(direction)
        near = self._nearest.to(folded(label), index.labels, of=direction)
        return [index.labels[name] for name in near], index.first_labels

    def unlabelled(self, direction: Direction) -> Known | None:
        """Return the type that only says that two records are associated; None if it is not certain which."""
        return self._index(direction).plain

    def _index(self, direction: Direction) -> _Index:
        found = self._indexes.get(direction)
        if found is None:
            found = self._indexes[direction] = _Index(direction, self.of(direction))
        return found

    def inverse(self, direction: Direction, entry: Known) -> AssociationType | None:
        """Return the same association seen from the other end: by the standard table, else by the same label there.

        Within one object type a label of the portal's own that has no partner reads the same from both ends, and is
        one type. HubSpot makes the two types of a paired label together, with numbers that follow one another.
        """
        if entry.inverse is not None:
            return entry.inverse
        other = (direction[1], direction[0])
        if not entry.label:
            plain = self.unlabelled(other) if entry == self.unlabelled(direction) else None
            return plain.type if plain else None
        same = [known.type for known in self._index(other).by_label.get(folded(entry.label), ())]
        same = [kind for kind in same if kind.category == entry.type.category and kind != entry.type]
        if not same and direction == other and self.complete(direction) and not self._may_be_paired(direction, entry):
            return entry.type
        return same[0] if len(same) == 1 else None

    def _may_be_paired(self, direction: Direction, entry: Known) -> bool:
        """Return True for a label within one object type that may read differently from the other end."""
        category, type_id = entry.type
        beside = (*self.numbered(direction, type_id - 1), *self.numbered(direction, type_id + 1))
        return category != USER_DEFINED or any(known.label and known.type.category == category for known in beside)

    def inverses(self, direction: Direction) -> dict[AssociationType, AssociationType]:
        """Return what each type of a direction is called from the other end, where that is known."""
        found = ((entry.type, self.inverse(direction, entry)) for entry in self.of(direction))
        return {kind: inverse for kind, inverse in found if inverse is not None}
