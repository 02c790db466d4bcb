"""What was planned before anything was sent, except the pairs themselves: it is small for any number of pairs."""

import json
import sqlite3
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from loader.columns import Flags, Small
from loader.model import AssociationType, Direction, Intent, Types

_KINDS = "SELECT id, category, type_id, inverse_category, inverse_type_id FROM kinds WHERE category IS NOT NULL"


class SentAs(NamedTuple):
    """The specification of a request, as the table `requests` has it."""

    object_type: str
    to_object_type: str
    types: str
    lookup_backward: int
    removes: int


class StoredPlan:
    """The specifications of requests, by number, and what is known of association types."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        requests = [
            SentAs(*cells)
            for cells in database.execute(f"SELECT {', '.join(SentAs._fields)} FROM requests ORDER BY id")
        ]
        self.types = tuple(_types(each.types) for each in requests)
        """The association types of each request."""
        self.intents = tuple(Intent(types=types) for types in self.types)
        """The intent of each request for a pair about which nothing is known yet."""
        self.lookup_backward: Flags = np.array([each.lookup_backward for each in requests], np.bool_)
        """True for the requests whose pairs are looked up by the record at their to end."""
        self.removes: Flags = np.array([each.removes for each in requests], np.bool_)
        """True for the requests whose types are taken off their pairs."""
        directions = [(each.object_type, each.to_object_type) for each in requests]
        self.directions: list[Direction] = list(dict.fromkeys(directions))
        """The directions that requests are written in, each once."""
        self.direction_of: Small = np.array([self.directions.index(each) for each in directions], np.int32)
        """The direction of each request, by its place among these."""
        self.type_pairs: dict[int, Direction] = {
            number: (first, second)
            for number, first, second in database.execute("SELECT id, object_type, to_object_type FROM type_pairs")
        }
        """Two object types each, from the end that is looked up."""
        self.singles: dict[Direction, dict[AssociationType, str]] = {}
        """The types of which a record can have only one, with the end of the pair where that record is."""
        for first, second, category, type_id, single in database.execute("SELECT * FROM singles"):
            self.singles.setdefault((first, second), {})[AssociationType(category, type_id)] = single
        self._inverses: dict[Direction, dict[AssociationType, AssociationType]] = {}
        for first, second, *known in database.execute("SELECT * FROM inverses"):
            types = AssociationType(*known[:2]), AssociationType(*known[2:])
            self._inverses.setdefault((first, second), {})[types[0]] = types[1]
        # By kind: its own type in a request from its own end, and in one from the other end.
        self._own: dict[int, tuple[AssociationType, AssociationType | None]] = {
            kind: (AssociationType(*types[:2]), AssociationType(*types[2:]) if types[2] is not None else None)
            for kind, *types in database.execute(_KINDS)
        }
        self._images: dict[int, Types] = {}

    def inverse(self, direction: Direction) -> Mapping[AssociationType, AssociationType]:
        """Return the inverses of the types that are read in a direction; ambiguous ones are left out."""
        known = self._inverses.get((direction[1], direction[0]), {})
        names = list(known.values())
        return {other: name for name, other in known.items() if names.count(other) == 1}

    def both_names(self, request: int) -> tuple[Types, Types | None]:
        """Return the types of a request from its from end, and from the other end: None if not known."""
        known = self._inverses.get(self.directions[self.direction_of[request]], {})
        types = self.types[request]
        return frozenset(types), frozenset(known[each] for each in types) if known.keys() >= set(types) else None

    def own_among(self, types: Types, kinds: Small, backward: Flags) -> Flags:
        """Return which rows have their own type, seen from the own end of their pair, among some types."""
        among = np.zeros((2, max(self._own, default=0) + 1), np.bool_)
        for kind, own in self._own.items():
            among[:, kind] = [each in types for each in own]
        return among[backward.astype(np.int8), kinds]

    def image(self, number: int) -> Types:
        """Return a set of types that was written down, by number."""
        if number not in self._images:
            (text,) = self._database.execute("SELECT types FROM images WHERE id = ?", (number,)).fetchone()
            self._images[number] = frozenset(_types(text))
        return self._images[number]

    def number_of(self, types: Types) -> int:
        """Return the number of a set of types; a new set is written down."""
        text = json.dumps(sorted(types))
        self._database.execute("INSERT OR IGNORE INTO images (types) VALUES (?)", (text,))
        (number,) = self._database.execute("SELECT id FROM images WHERE types = ?", (text,)).fetchone()
        return int(number)


def type_of(key: str) -> AssociationType:
    """Return a type by its key (see `AssociationType.key`)."""
    category, _, type_id = key.rpartition(":")
    return AssociationType(category, int(type_id))


def _types(text: str) -> tuple[AssociationType, ...]:
    return tuple(AssociationType(category, type_id) for category, type_id in json.loads(text))
