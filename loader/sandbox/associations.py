"""The set of associations of a portal, compact enough for a million pairs."""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from loader.sandbox.association_types import AssociationTypes, TypeSet

NONE: TypeSet = frozenset()
_SHIFT = 64
_MASK = (1 << _SHIFT) - 1

Direction = tuple[str, str]


class _Change(NamedTuple):
    """When a pair was changed, its records in canonical orientation, and the types that it had before."""

    moment: float
    first: tuple[str, int]
    second: tuple[str, int]
    before: TypeSet


class AssociationSet:
    """Which records are associated, and by which types.

    One entry holds a pair for both its ends: it is kept in one canonical orientation (the lesser object type id first;
    within one object type the lesser record id first) and reversed when it is read from the other end. The two ids are
    packed into one integer, equal type sets are one object, and a record with one neighbour has no container of its
    own: about 200 bytes a pair.
    """

    def __init__(self, types: AssociationTypes) -> None:
        self._types = types
        self._pairs: dict[Direction, dict[int, TypeSet]] = {}
        self._neighbours: dict[Direction, dict[int, int | array[int]]] = {}
        self._interned: dict[TypeSet, TypeSet] = {}
        self.links_changed = 0
        """Grows whenever a record gets or loses an associated record."""
        self.clock: Callable[[], float] | None = None
        """If it is set, changes are kept that a lagging read does not show yet."""
        self._changes: list[_Change] = []

    def __len__(self) -> int:
        return sum(map(len, self._pairs.values()))

    def types_of(self, from_type: str, from_id: int, to_type: str, to_id: int) -> TypeSet:
        """The types of a pair as its from record shows them; empty when the two are not associated."""
        if _is_canonical(from_type, from_id, to_type, to_id):
            return self._pairs.get((from_type, to_type), {}).get(from_id << _SHIFT | to_id, NONE)
        stored = self._pairs.get((to_type, from_type), {}).get(to_id << _SHIFT | from_id, NONE)
        return self._types.inverse(stored)

    def set_types(self, from_type: str, from_id: int, to_type: str, to_id: int, types: TypeSet) -> None:
        """Makes these the types of the pair, as seen from its from record; an empty set removes it."""
        if not _is_canonical(from_type, from_id, to_type, to_id):
            self.set_types(to_type, to_id, from_type, from_id, self._types.inverse(types))
            return
        pairs = self._pairs.setdefault((from_type, to_type), {})
        packed = from_id << _SHIFT | to_id
        if self.clock is not None:
            before = pairs.get(packed, NONE)
            self._changes.append(_Change(self.clock(), (from_type, from_id), (to_type, to_id), before))
        if not types:
            if pairs.pop(packed, None) is not None:
                self._unlink((from_type, to_type), from_id, to_id)
                self._unlink((to_type, from_type), to_id, from_id)
            return
        if packed not in pairs:
            self._link((from_type, to_type), from_id, to_id)
            self._link((to_type, from_type), to_id, from_id)
        pairs[packed] = self._interned.setdefault(types, types)

    def neighbours(self, from_type: str, from_id: int, to_type: str) -> Sequence[int]:
        """The ids of the records of one object type that a record is associated with, ascending."""
        found = self._neighbours.get((from_type, to_type), {}).get(from_id, ())
        return (found,) if isinstance(found, int) else found

    def seen(self, from_type: str, from_id: int, to_type: str, lag: float) -> dict[int, TypeSet]:
        """What a record was associated with ``lag`` seconds ago, by record id, ascending."""
        found = {
            to_id: self.types_of(from_type, from_id, to_type, to_id)
            for to_id in self.neighbours(from_type, from_id, to_type)
        }
        here = (from_type, from_id)
        for change in reversed(self._changes if self.clock is not None else ()):
            if self.clock is None or change.moment <= self.clock() - lag:
                break
            if change.first == here and change.second[0] == to_type:
                found[change.second[1]] = change.before
            elif change.second == here and change.first[0] == to_type:
                found[change.first[1]] = self._types.inverse(change.before)
        return {to_id: types for to_id, types in sorted(found.items()) if types}

    def records(self, object_type: str) -> set[int]:
        """The ids of the records of an object type that are associated with any other."""
        directions = [direction for direction in self._neighbours if direction[0] == object_type]
        return set().union(*(self._neighbours[direction] for direction in directions))

    def drop(self, object_type: str, record_id: int) -> list[tuple[str, int, TypeSet]]:
        """Takes off all associations of a record; returns what it had: object type, record id and types."""
        found = [
            (to_type, to_id, self.types_of(object_type, record_id, to_type, to_id))
            for from_type, to_type in tuple(self._neighbours)
            if from_type == object_type
            for to_id in tuple(self.neighbours(object_type, record_id, to_type))
        ]
        for to_type, to_id, _ in found:
            self.set_types(object_type, record_id, to_type, to_id, NONE)
        return found

    def strip(self, gone: TypeSet) -> None:
        """Takes types off every pair, as when a label is deleted."""
        for pairs in self._pairs.values():
            for packed, types in pairs.items():
                if types & gone:
                    kept = types - gone
                    pairs[packed] = self._interned.setdefault(kept, kept)

    def items(self) -> Iterator[tuple[tuple[str, int], tuple[str, int], TypeSet]]:
        """Every pair once, in its canonical orientation; also while another thread changes them."""
        for (from_type, to_type), pairs in list(self._pairs.items()):
            for packed, types in list(pairs.items()):
                yield (from_type, packed >> _SHIFT), (to_type, packed & _MASK), types

    def _link(self, direction: Direction, from_id: int, to_id: int) -> None:
        self.links_changed += 1
        index = self._neighbours.setdefault(direction, {})
        known = index.get(from_id)
        if known is None:
            index[from_id] = to_id
        elif not isinstance(known, int):
            place = bisect_left(known, to_id)
            if place == len(known) or known[place] != to_id:
                known.insert(place, to_id)
        elif known != to_id:
            index[from_id] = array("Q", sorted((known, to_id)))

    def _unlink(self, direction: Direction, from_id: int, to_id: int) -> None:
        self.links_changed += 1
        index = self._neighbours[direction]
        known = index.get(from_id)
        if known == to_id:
            del index[from_id]
        elif isinstance(known, array):
            known.remove(to_id)
            if not known:
                del index[from_id]


def _is_canonical(from_type: str, from_id: int, to_type: str, to_id: int) -> bool:
    return from_type < to_type or (from_type == to_type and from_id <= to_id)
