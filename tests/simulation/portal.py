"""The state of the simulated HubSpot: which records are associated, as what, and how it came to that.

This is the simulation's own reading of HubSpot's documentation; it shares no code with the loader or its sandbox.
"""

from collections.abc import Iterable
from typing import NamedTuple

Record = tuple[str, int]
"""Object type id and record id."""

Pair = tuple[Record, Record]
"""Two records, the lesser first: the same pair from whichever end it is named."""

Kind = tuple[str, int]
"""An association type: category and id."""

CONTACT, COMPANY, DEAL = "0-1", "0-2", "0-3"

HUBSPOT, USER = "HUBSPOT_DEFINED", "USER_DEFINED"

PRIMARY = (HUBSPOT, 1)


class Named(NamedTuple):
    """An association type in one direction, its label (None: unlabelled), and the same seen from the other end."""

    kind: Kind
    label: str | None
    inverse: Kind


def _both(ends: tuple[str, str], *types: tuple[str, int, int, str | None]) -> dict[tuple[str, str], list[Named]]:
    """Return types in both directions; a label with a slash has the second name at the other end."""
    forward, backward = [], []
    for category, one, other, label in types:
        name, _, inverse = (label or "").partition("/")
        forward.append(Named((category, one), name or None, (category, other)))
        if one != other or ends[0] != ends[1]:
            backward.append(Named((category, other), inverse or name or None, (category, one)))
    return {ends: forward + backward} if ends[0] == ends[1] else {ends: forward, ends[::-1]: backward}


TYPES: dict[tuple[str, str], list[Named]] = {
    **_both(
        (CONTACT, COMPANY),
        (HUBSPOT, 279, 280, None),
        (HUBSPOT, 1, 2, "Primary"),
        (USER, 11, 12, "Decision maker"),
        (USER, 13, 14, "Champion"),
        (USER, 19, 20, "Left behind"),
        (USER, 31, 32, "Client/Supplier"),
        (USER, 33, 34, "Tenant/Landlord"),
    ),
    **_both((CONTACT, DEAL), (HUBSPOT, 4, 3, None), (USER, 15, 16, "Signer")),
    **_both((CONTACT, CONTACT), (HUBSPOT, 449, 449, None), (USER, 23, 23, "Colleague"), (USER, 35, 36, "Parent/Child")),
}
"""The portal's association types by direction."""

NEVER_WANTED = {"Left behind"}
"""Labels that no input asks for."""

PAIRED = {"Client", "Supplier", "Tenant", "Landlord", "Parent", "Child"}
"""Labels of which the loader does not know the name at the other end. Only the inputs of mirrors ask for them."""

INVERSE: dict[tuple[str, Kind], Kind] = {
    (ends[0], named.kind): named.inverse for ends, all_named in TYPES.items() for named in all_named
}


def pair_of(first: Record, second: Record) -> tuple[Pair, bool]:
    """Return the pair, and whether it was named from its other end."""
    return ((first, second), False) if first <= second else ((second, first), True)


def seen_from_first(kinds: Iterable[Kind], object_type: str, *, backward: bool) -> frozenset[Kind]:
    """Return association types, given from the end `object_type`, as they are seen from the pair's first record."""
    return frozenset(INVERSE[object_type, kind] if backward else kind for kind in kinds)


def named(first: str, second: str, kind: Kind) -> Named | None:
    """Return the association type of a direction, or None where there is none."""
    return next((one for one in TYPES.get((first, second), ()) if one.kind == kind), None)


def unlabelled(pair: Pair) -> Kind:
    """Return the type that every associated pair has, as seen from its first record."""
    return next(one.kind for one in TYPES[pair[0][0], pair[1][0]] if one.label is None)


class Change(NamedTuple):
    """One change of a pair's association types. `by` is the number of the exchange that did it, 0 for anybody else."""

    when: float
    by: int
    before: frozenset[Kind]
    after: frozenset[Kind]


class Portal:
    """The associations, and every change of them. Types are those seen from the pair's first record."""

    def __init__(self) -> None:
        self.types: dict[Pair, frozenset[Kind]] = {}
        self.changes: dict[Pair, list[Change]] = {}
        self._primary: dict[Record, Pair] = {}

    def of(self, pair: Pair) -> frozenset[Kind]:
        """Return what two records are to each other now; empty when they are nothing."""
        return self.types.get(pair, frozenset())

    def replace(self, pair: Pair, kinds: frozenset[Kind], when: float, by: int) -> None:
        """Give a pair exactly these types, and the unlabelled one; a contact's other company loses its primary."""
        if PRIMARY in kinds and pair[1][0] == COMPANY:
            other = self._primary.get(pair[0], pair)
            if other != pair:
                self._set(other, self.of(other) - {PRIMARY}, when, by)
            self._primary[pair[0]] = pair
        elif self._primary.get(pair[0]) == pair:
            del self._primary[pair[0]]
        self._set(pair, kinds | {unlabelled(pair)}, when, by)

    def add(self, pair: Pair, kinds: frozenset[Kind], when: float) -> None:
        """Somebody else gives a pair more types."""
        self.replace(pair, self.of(pair) | kinds, when, 0)

    def take_off(self, pair: Pair, kinds: frozenset[Kind], when: float, by: int) -> None:
        """Take types off a pair; all that it has with none of them, or with the unlabelled one."""
        everything = not kinds or unlabelled(pair) in kinds
        after = frozenset() if everything else self.of(pair) - kinds
        if PRIMARY not in after and self._primary.get(pair[0]) == pair:
            del self._primary[pair[0]]
        if after != self.of(pair):
            self._set(pair, after, when, by)

    def _set(self, pair: Pair, after: frozenset[Kind], when: float, by: int) -> None:
        self.changes.setdefault(pair, []).append(Change(when, by, self.of(pair), after))
        self.types[pair] = after
