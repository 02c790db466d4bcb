"""Pairs as they leave the journal, alone or in lots that are looked up together, and what they were before."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from loader.model import AssociationType, Direction, Image, Lot, Pair, Types
from loader.record.journal.schema import OLD

_NEXT = """
SELECT pairs.id, object_id, to_object_id, forward, backward, size, first_row, images.types
FROM pairs LEFT JOIN befores ON befores.pair = pairs.id LEFT JOIN images ON images.id = befores.image
WHERE pairs.id > ? AND first_row <= ? AND NOT EXISTS (SELECT 1 FROM settled WHERE pair = pairs.id)
ORDER BY pairs.id
"""

_PROMOTED = """
SELECT record FROM promoted JOIN json_each(?) wanted ON wanted.value = record
WHERE object_type = ? AND to_object_type = ? AND (SELECT first_row FROM pairs WHERE id = promoted.pair) <= ?
    AND NOT EXISTS (SELECT 1 FROM outcomes WHERE outcomes.pair = promoted.pair AND status = 'failed')
"""

_OLD_ROWS = f"""
SELECT count(*) FROM pairs p JOIN befores b ON b.pair = p.id
    JOIN specifications s ON s.forward IS p.forward AND s.backward IS p.backward,
    json_each('[' || coalesce(p.all_rows, p.first_row) || ']') j JOIN rows r ON r.id = j.value
    JOIN kinds k ON k.id = r.kind
WHERE p.id = ? AND {OLD}
"""  # noqa: S608 - our own text


class _Specification(NamedTuple):
    direction: Direction
    types: tuple[AssociationType, ...]
    flipped: bool
    family: int


class _Family(NamedTuple):
    direction: Direction
    by_b: bool


@dataclass(slots=True)
class _Drawn:
    """What is claimed so far of a lot: pairs with the row that first names them, and the records they have."""

    family: int
    straight: list[tuple[int, Pair]] = field(default_factory=list)
    turned: list[tuple[int, Pair]] = field(default_factory=list)
    records: int = 0
    last_record: int | None = None
    last: int = 0

    @property
    def pairs(self) -> int:
        return len(self.straight) + len(self.turned)


class Plan:
    """What was settled before anything was sent, as a journal holds it."""

    def __init__(self, database: sqlite3.Connection) -> None:
        execute = database.execute
        self.specifications = {
            (forward, backward): _Specification((first, second), _types(types), bool(flipped), family)
            for forward, backward, first, second, types, flipped, family in execute("SELECT * FROM specifications")
        }
        self.families = {
            family: _Family((first, second), bool(by_b))
            for family, first, second, by_b, _ in execute("SELECT * FROM families")
        }
        self.singles: dict[Direction, dict[AssociationType, str]] = {}
        for first, second, category, type_id, single in execute("SELECT * FROM singles"):
            self.singles.setdefault((first, second), {})[AssociationType(category, type_id)] = single
        self._inverses: dict[Direction, dict[AssociationType, AssociationType]] = {}
        for first, second, *known in execute("SELECT * FROM inverses"):
            types = AssociationType(*known[:2]), AssociationType(*known[2:])
            self._inverses.setdefault((first, second), {})[types[0]] = types[1]
        self._images: dict[str, Types] = {}

    def pair(  # noqa: PLR0917 - a row of the table
        self, pair_id: int, first: int, second: int, forward: str | None, backward: str | None, rows: int
    ) -> Pair:
        """Return a row of the table of pairs as what is to be sent."""
        (object_type, to_object_type), types, flipped, _ = self.specifications[forward, backward]
        if flipped:
            first, second = second, first
        return Pair(pair_id, object_type, str(first), to_object_type, str(second), types, rows)

    def image(self, text: str) -> Types:
        """Return a set of types that was written down."""
        if text not in self._images:
            self._images[text] = frozenset(_types(text))
        return self._images[text]

    def inverse(self, direction: Direction) -> Mapping[AssociationType, AssociationType]:
        """Return what the types that are read in a direction are called from the other end; ambiguous ones left out."""
        known = self._inverses.get((direction[1], direction[0]), {})
        names = list(known.values())
        return {other: name for name, other in known.items() if names.count(other) == 1}


def claim(  # noqa: PLR0917 - called by the journal only
    database: sqlite3.Connection, plan: Plan, after: int, last_row: int, most_records: int, most_pairs: int
) -> tuple[int, Lot] | None:
    """Return the next lot behind a pair, and the number of its last pair; None when there is none."""
    drawn: _Drawn | None = None
    for *row, first_row, image in database.execute(_NEXT, (after, last_row)):
        _, a, b, forward, backward, _ = row
        specification = plan.specifications[forward, backward]
        family = plan.families[specification.family]
        drawn = drawn or _Drawn(specification.family)
        record = b if family.by_b else a
        if _ends(drawn, specification.family, record, most_records, most_pairs):
            break
        drawn.records += record != drawn.last_record
        drawn.last_record, drawn.last = record, row[0]
        pair = plan.pair(*row)
        if image is not None:
            pair = pair._replace(before=plan.image(image))
        (drawn.turned if specification.flipped != family.by_b else drawn.straight).append((first_row, pair))
    return None if drawn is None else (drawn.last, _lot(database, plan, drawn, last_row))


def _ends(drawn: _Drawn, family: int, record: int, most_records: int, most_pairs: int) -> bool:
    """True when a lot is full: the pairs of one record stay together, unless there are more than a lot may have."""
    if family != drawn.family or drawn.pairs >= most_pairs:
        return True
    return record != drawn.last_record and drawn.records >= most_records


def _lot(database: sqlite3.Connection, plan: Plan, drawn: _Drawn, last_row: int) -> Lot:
    (a, b), by_b = plan.families[drawn.family]
    direction = (b, a) if by_b else (a, b)
    straight, turned = (
        [pair for _, pair in sorted(pairs, key=lambda numbered: numbered[0])]
        for pairs in (drawn.straight, drawn.turned)
    )
    if plan.singles:
        straight = _without_demoted(database, plan, straight, last_row)
        turned = _without_demoted(database, plan, turned, last_row)
    return Lot(direction, straight, turned, plan.inverse(direction))


def _without_demoted(database: sqlite3.Connection, plan: Plan, pairs: list[Pair], last_row: int) -> list[Pair]:
    """Have pairs drop the type of a primary record whose place another record is to take."""
    for direction in {(pair.object_type, pair.to_object_type) for pair in pairs}:
        for type_, end in plan.singles.get(direction, {}).items():
            types = direction if end == "from" else (direction[1], direction[0])
            ids = json.dumps([int(pair.object_id if end == "from" else pair.to_object_id) for pair in pairs])
            found = {str(record) for (record,) in database.execute(_PROMOTED, (ids, *types, last_row))}
            if found:
                pairs = [_dropping(pair, type_, end, found) for pair in pairs]
    return pairs


def _dropping(pair: Pair, type_: AssociationType, end: str, promoted: set[str]) -> Pair:
    record_id = pair.object_id if end == "from" else pair.to_object_id
    return pair._replace(dropped=pair.dropped | {type_}) if record_id in promoted else pair


def keep(database: sqlite3.Connection, images: Sequence[Image]) -> list[int]:
    """Write down what pairs were, where that is not known yet; return how many rows of each are so still."""
    numbers: dict[Types, int] = {}
    for image in images:
        if image.types not in numbers:
            numbers[image.types] = _number(database, image.types)
    database.executemany(
        "INSERT INTO befores VALUES (?, ?, ?) ON CONFLICT (pair) DO UPDATE SET there = excluded.there",
        [(image.pair.pair_id, numbers[image.types], _listed(image.there)) for image in images],
    )
    return [_rows(database, image) if image.there else 0 for image in images]


def _number(database: sqlite3.Connection, types: Types) -> int:
    text = json.dumps(sorted(types))
    database.execute("INSERT OR IGNORE INTO images (types) VALUES (?)", (text,))
    (number,) = database.execute("SELECT id FROM images WHERE types = ?", (text,)).fetchone()
    return int(number)


def _listed(types: Types) -> str | None:
    return f";{';'.join(sorted(each.key for each in types))};" if types else None


def _rows(database: sqlite3.Connection, image: Image) -> int:
    """Return how many rows of a pair ask for what is there: one pair in many has rows that ask for several types."""
    (count,) = database.execute(_OLD_ROWS, (image.pair.pair_id,)).fetchone()
    return int(count)


def _types(text: str) -> tuple[AssociationType, ...]:
    return tuple(AssociationType(category, type_id) for category, type_id in json.loads(text))
