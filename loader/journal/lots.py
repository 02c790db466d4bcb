"""Pairs as they leave the journal, alone or in lots that are looked up together, and what they were before."""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from loader.journal.schema import IS_SETTLED, ITS_OUTCOME, OLD
from loader.model import NO_TYPES, AssociationType, Demotion, Direction, Image, Lot, Pairs, Types

COLUMNS = "id, object_id, to_object_id, kinds, size, input, row, part"
"""What is claimed of the table of pairs; the last three are for the line of a pair of one row (see `recent`)."""

_NEXT = f"""
SELECT {COLUMNS} FROM pairs
WHERE id > ? AND (id > ? OR NOT {IS_SETTLED}) AND first_row <= ?
ORDER BY id
"""  # noqa: S608 - our own text

_BEFORES = """
SELECT pair, types FROM befores JOIN images ON images.id = befores.image WHERE pair BETWEEN ? AND ?
"""

PROMOTED = f"""
SELECT record, promoted.pair, status FROM json_each(?) wanted CROSS JOIN promoted ON record = wanted.value
    JOIN pairs ON pairs.id = promoted.pair LEFT JOIN settled ON {ITS_OUTCOME}
    LEFT JOIN results ON results.id = settled.result
WHERE object_type = ? AND to_object_type = ? AND first_row <= ? AND status IS NOT 'failed'
"""  # noqa: S608 - our own text

_OLD_ROWS = f"""
SELECT count(*) FROM pairs p JOIN befores b ON b.pair = p.id
    JOIN specifications s ON s.kinds = p.kinds,
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


class Begin(NamedTuple):
    """Where a claim begins: behind the pair `after`. Behind `settled_to` no pair has an outcome.

    Pairs that only rows behind `last_row` ask for are left out. `insisting`: no pair waits for another one any more.
    """

    after: int
    settled_to: int
    last_row: int
    insisting: bool = False


class Plan:
    """What was settled before anything was sent, as a journal holds it."""

    def __init__(self, database: sqlite3.Connection) -> None:
        execute = database.execute
        self.specifications = {
            kinds: _Specification((first, second), _types(types), bool(flipped), family)
            for kinds, first, second, types, flipped, family in execute("SELECT * FROM specifications")
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
        sent_as = self.specifications.values()
        self._place = {kinds: place for place, kinds in enumerate(self.specifications)}
        self._types = tuple(each.types for each in sent_as)
        self._flipped = np.array([each.flipped for each in sent_as], np.bool_)
        self._directions = list(dict.fromkeys(each.direction for each in sent_as))
        self._direction_of = np.array([self._directions.index(each.direction) for each in sent_as], np.int32)

    def pairs(self, rows: Sequence[Sequence[Any]], befores: Mapping[int, Types] | None = None) -> list[Pairs]:
        """Return rows of the table of pairs, as `COLUMNS` has them, as what is to be sent, a run for each direction."""
        if not rows:
            return []
        requests = self.requests(rows)
        which, found = np.unique(self._direction_of[requests], return_inverse=True)
        return [
            self.run(
                [rows[at] for at in np.flatnonzero(found == place).tolist()] if len(which) > 1 else rows,
                self._directions[number],
                befores or {},
            )
            for place, number in enumerate(which)
        ]

    def requests(self, rows: Sequence[Sequence[Any]]) -> npt.NDArray[np.int32]:
        """Return what rows of the table of pairs are sent as, by the place of that among the specifications."""
        return np.fromiter(map(self._place.__getitem__, map(_KINDS, rows)), np.int32, len(rows))

    def run(self, rows: Sequence[Sequence[Any]], direction: Direction, befores: Mapping[int, Types]) -> Pairs:
        """Return rows of the table of pairs, all of one direction, as what is to be sent."""
        requests = self.requests(rows)
        numbers, main, other, sizes = (
            np.fromiter(map(itemgetter(column), rows), np.int64, len(rows)) for column in (0, 1, 2, 4)
        )
        flipped = self._flipped[requests]
        return Pairs(
            direction=direction,
            numbers=numbers,
            from_ids=np.where(flipped, other, main),
            to_ids=np.where(flipped, main, other),
            requests=requests,
            rows=sizes.astype(np.int32),
            types=self._types,
            before=befores,
        )

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


_KINDS = itemgetter(3)
"""The kinds of what `_NEXT` finds say what it is sent as (see `grouping`)."""

_FIRST_ROW = itemgetter(5, 6, 7)


def following(database: sqlite3.Connection, begin: Begin) -> sqlite3.Cursor:
    """Return what is still to be sent from there on, as `COLUMNS` has it."""
    return database.execute(_NEXT, begin[:3])


class Size(NamedTuple):
    """How large a lot may be; `scattered` has its pairs in the order of their rows, not those of a record together."""

    records: int
    pairs: int
    scattered: bool


def claim(database: sqlite3.Connection, plan: Plan, begin: Begin, size: Size) -> tuple[list[Sequence[Any]], Lot] | None:
    """Return the next lot, and its rows in the table of pairs in their order; None when there is none."""
    rows = _draw(following(database, begin), plan, size)
    if not rows:
        return None
    befores = {pair: plan.image(text) for pair, text in database.execute(_BEFORES, (rows[0][0], rows[-1][0]))}
    (a, b), by_b = plan.families[plan.specifications[_KINDS(rows[0])].family]
    direction = (b, a) if by_b else (a, b)
    own: list[Sequence[Any]] = []
    other: list[Sequence[Any]] = []
    for row in sorted(rows, key=_FIRST_ROW) if size.scattered else rows:
        (other if plan.specifications[_KINDS(row)].flipped != by_b else own).append(row)
    lot = Lot(
        own=_giving_up(database, plan, plan.run(own, direction, befores), begin),
        other=_giving_up(database, plan, plan.run(other, direction[::-1], befores), begin),
        inverse=plan.inverse(direction),
    )
    return rows, lot


def _draw(found: Iterable[Sequence[Any]], plan: Plan, size: Size) -> list[Sequence[Any]]:
    """Return the rows of one lot: so many, of so many records of one family.

    The pairs of one record stay together, unless there are more than a lot may have.
    """
    rows: list[Sequence[Any]] = []
    families = {kinds: each.family for kinds, each in plan.specifications.items()}
    record: int | None = None
    records = 0
    for row in islice(found, size.pairs):
        if not rows:
            family = families[_KINDS(row)]
            record_at = 2 if plan.families[family].by_b else 1
        elif families[_KINDS(row)] != family:
            break
        if row[record_at] != record:
            if records >= size.records:
                break
            record, records = row[record_at], records + 1
        rows.append(row)
    return rows


def _giving_up(database: sqlite3.Connection, plan: Plan, pairs: Pairs, begin: Begin) -> Pairs:
    """Have pairs give up the type of a primary record where another pair has it by now, or wait where it is to get it.

    Where that other pair failed, they keep it: a record is not left without a primary one.
    """
    dropped: dict[int, Types] = {}
    contested: dict[int, Types] = {}
    for type_, end in plan.singles.get(pairs.direction, {}).items():
        records, types = (pairs.from_ids, pairs.direction) if end == "from" else (pairs.to_ids, pairs.direction[::-1])
        found = {
            record: (pair, status)
            for record, pair, status in database.execute(
                PROMOTED, (json.dumps(records.tolist()), *types, begin.last_row)
            )
            if status is not None or not begin.insisting
        }
        for number, record in zip(pairs.numbers.tolist(), records.tolist(), strict=True) if found else ():
            other, status = found.get(record, (number, None))
            if other != number:
                lost = contested if status is None else dropped
                lost[number] = lost.get(number, NO_TYPES) | {type_}
    return replace(pairs, dropped=dropped, contested=contested)


def keep(database: sqlite3.Connection, images: Sequence[Image], demoted: Sequence[Demotion]) -> dict[int, int]:
    """Write down what pairs were, where that is not known yet; return how many rows of a pair are so still."""
    for each in demoted:
        database.execute(
            "INSERT OR IGNORE INTO demoted VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)",
            (*each[:5], each.single.key, _number(database, each.types)),
        )
    for image in images:
        # One statement for all: to step through it pair by pair is what costs.
        database.execute(
            "INSERT INTO befores SELECT value, ?, ? FROM json_each(?) WHERE TRUE"
            " ON CONFLICT (pair) DO UPDATE SET there = excluded.there",
            (_number(database, image.types), _listed(image.there), json.dumps(image.numbers.tolist())),
        )
    return {pair: _rows(database, pair) for image in images if image.there for pair in image.numbers.tolist()}


def _number(database: sqlite3.Connection, types: Types) -> int:
    text = json.dumps(sorted(types))
    database.execute("INSERT OR IGNORE INTO images (types) VALUES (?)", (text,))
    (number,) = database.execute("SELECT id FROM images WHERE types = ?", (text,)).fetchone()
    return int(number)


def _listed(types: Types) -> str | None:
    return f";{';'.join(sorted(each.key for each in types))};" if types else None


def _rows(database: sqlite3.Connection, pair: int) -> int:
    """Return how many rows of a pair ask for what is there: one pair in many has rows that ask for several types."""
    (count,) = database.execute(_OLD_ROWS, (pair,)).fetchone()
    return int(count)


def _types(text: str) -> tuple[AssociationType, ...]:
    return tuple(AssociationType(category, type_id) for category, type_id in json.loads(text))
