"""What a mirror reads from a journal and writes there: records in scope, and what is to be taken off them.

What is to be taken off becomes pairs like those of rows, in lots of their own (`Lots.beside`): they are claimed,
recorded and undone in the same way. All of them are committed before anything is written in the portal.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from loader.columns import Flags, Ids, PlannedLot, ScopeLot, Small, distinct
from loader.errors import JournalError, RecordError
from loader.journal.journal import Journal
from loader.journal.lines import PAIRS_AT_ONCE, SharedLines
from loader.journal.lots import packed_lot, ranges, spread, unpacked_scope
from loader.journal.planned import StoredPlan
from loader.journal.schema import guarded
from loader.model import NO_TYPES, AssociationType, Direction, Lot, Types

UNREAD, FAILED, PERHAPS = "unread", "failed", "perhaps"
"""Why a record is exempt, besides its rejected rows: see `planning.scope`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeTypes:
    """The association types of a direction that a mirror may take off: labels, and those without a label."""

    labels: Types
    unlabelled: Types

    def counted(self, types: Types) -> Types:
        """Return the types that count as associations: the labels; or, for a pair without any, its other types."""
        return types & self.labels or types & self.unlabelled


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnreadScope:
    """Records in scope that are still to be read, with what is known of them and what rows ask for.

    `exempt` has a flag for each record. `open` has one for each pair: it has no outcome yet and was never sent. `asked`
    gives for each request its types from the from end of its pairs, and from the other end (None if not known).
    `inverse` maps the types of this direction to those of the other end, as far as known.

    `other_ends` are the records that are in the file from the other end. A pair with one of them is read from both
    ends. The first reading handles all types in scope of either end (`first`), the second one only types without a
    known inverse at the first end (`second`). `is_first` says which reading this is; within one object type it is None,
    and the first reading is that of the lower id. `unlabelled` are the types without a label.

    `moving` are types of which a record can have only one. `moved` are the records to which rows give such a type:
    their other pairs lose it by that.
    """

    number: int
    lot: ScopeLot
    exempt: Flags
    open: Flags
    types: ScopeTypes
    asked: Mapping[int, tuple[Types, Types | None]]
    inverse: Mapping[AssociationType, AssociationType]
    other_ends: frozenset[int]
    first: ScopeTypes
    second: ScopeTypes
    is_first: bool | None
    unlabelled: Types
    moving: Types
    moved: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Surplus:
    """Pairs that lose something, in columns; `which` are indexes into `types`: what each pair loses.

    The types include `WHOLE_PAIR` if the pair itself goes, unless it has something else by then. `readings` is 1 or 2
    for the first or the second reading of pairs that are read from both ends, and 0 for all others. `bare` is True for
    pairs that keep no label.
    """

    from_ids: Ids
    to_ids: Ids
    which: Small
    readings: Small
    bare: Flags
    types: Sequence[Types]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BesidePairs:
    """Pairs of a lot that no row names, in columns; `rows` are the associations that each is to lose."""

    direction: Direction
    numbers: Ids
    from_ids: Ids
    to_ids: Ids
    rows: Small


_UPDATE_TYPES = (
    "UPDATE kinds SET category = ?, type_id = ? WHERE category = ? AND type_id = ?",
    "UPDATE kinds SET inverse_category = ?, inverse_type_id = ? WHERE inverse_category = ? AND inverse_type_id = ?",
    "UPDATE inverses SET category = ?, type_id = ? WHERE category = ? AND type_id = ?",
    "UPDATE inverses SET other_category = ?, other_type_id = ? WHERE other_category = ? AND other_type_id = ?",
)

NO_SCOPE = ScopeTypes(labels=NO_TYPES, unlabelled=NO_TYPES)
"""For a direction whose types are not listed: it is not known which of them are labels."""


class LoadJournal(Journal):
    """The journal of a load; for a mirror, with its scope and with what is to be taken off."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        super().__init__(path, read_only=read_only)
        self._read_to = 0
        self._in_scope: dict[Direction, frozenset[int]] = {}

    def replace_types(self, made: Mapping[AssociationType, AssociationType]) -> None:
        """Replace association types by others, everywhere in the journal."""
        with self._commit():
            execute = self._database.execute
            for planned, real in made.items():
                for update in _UPDATE_TYPES:
                    execute(update, (*real, *planned))
            for number, types in execute("SELECT id, types FROM requests").fetchall():
                known = [AssociationType(*each) for each in json.loads(types)]
                text = json.dumps([made.get(each, each) for each in known])
                execute("UPDATE requests SET types = ? WHERE id = ?", (text, number))

    # --- the records in scope

    def next_scope(self) -> UnreadScope | None:
        """Return the next unread records, each once in a command; None when there are none left."""
        found = next(
            self.query(
                "SELECT id, object_type, to_object_type, records, pairs, columns FROM scope"
                " WHERE id > ? AND associations IS NULL ORDER BY id LIMIT 1",
                (self._read_to,),
            ),
            None,
        )
        if found is None:
            return None
        number, *direction, records, pairs, columns = found
        self._read_to = number
        here, there = (direction[0], direction[1]), (direction[1], direction[0])
        lot = unpacked_scope(here, records, pairs, columns)
        types, nameless = self.scope_types().get(here, NO_SCOPE), self._nameless(here)
        both = self._of_both_ends(here)
        # If one end knows the inverse of all types, a reading from there shows everything.
        is_first = (len(nameless), there) > (len(self._nameless(there)), here)
        return UnreadScope(
            number=number,
            lot=lot,
            exempt=np.isin(lot.records, self._exempt_among(here[0], lot.records)),
            open=self._open_among(lot.pairs),
            types=types,
            asked={request: self._planned.both_names(request) for request in distinct(lot.requests).tolist()},
            inverse=self._planned.inverse(here),
            other_ends=self._records_in_scope(there),
            first=both,
            second=ScopeTypes(labels=nameless, unlabelled=both.unlabelled),
            is_first=None if here == there else is_first,
            unlabelled=self.unlabelled.get(here, NO_TYPES),
            moving=frozenset(each for each, end in self.singles.get(here, {}).items() if end == "from"),
            moved=self._moved(here, lot.records),
        )

    def _moved(self, direction: Direction, records: Ids) -> frozenset[int]:
        found = self.query(
            "SELECT record FROM json_each(?) CROSS JOIN promoted ON record = value"
            " WHERE (object_type, to_object_type) = (?, ?)",
            (json.dumps(records.tolist()), *direction),
        )
        return frozenset(record for (record,) in found)

    def _nameless(self, direction: Direction) -> Types:
        """Return the labels in scope without a known inverse."""
        return self.scope_types().get(direction, NO_SCOPE).labels - self._planned.inverse(direction).keys()

    def _of_both_ends(self, direction: Direction) -> ScopeTypes:
        """Return the types in scope of a direction, and those of the other direction with a known inverse here."""
        types, names = self.scope_types(), self._planned.inverse(direction[::-1])
        here, there = types.get(direction, NO_SCOPE), types.get(direction[::-1], NO_SCOPE)
        return ScopeTypes(
            labels=here.labels | {names[each] for each in there.labels if each in names},
            unlabelled=here.unlabelled | {names[each] for each in there.unlabelled if each in names},
        )

    def _records_in_scope(self, direction: Direction) -> frozenset[int]:
        if direction not in self._in_scope:
            found = self.query(
                "SELECT records, pairs, columns FROM scope WHERE (object_type, to_object_type) = (?, ?)", direction
            )
            lots = (unpacked_scope(direction, *columns) for columns in found)
            self._in_scope[direction] = frozenset(record for lot in lots for record in lot.records.tolist())
        return self._in_scope[direction]

    def scope_types(self) -> dict[Direction, ScopeTypes]:
        """Return what may be taken off, by direction."""
        labels: dict[Direction, set[AssociationType]] = {}
        unlabelled: dict[Direction, set[AssociationType]] = {}
        for direction, type_, label, _ in self._scope_kinds():
            for found in (labels, unlabelled):
                found.setdefault(direction, set())
            (labels if label else unlabelled)[direction].add(type_)
        return {
            direction: ScopeTypes(labels=frozenset(labels[direction]), unlabelled=frozenset(unlabelled[direction]))
            for direction in labels
        }

    def _scope_kinds(self) -> list[tuple[Direction, AssociationType, str, int]]:
        return [
            ((first, second), AssociationType(category, type_id), label, kind)
            for kind, first, second, category, type_id, label in self.query(
                "SELECT id, from_type, to_type, category, type_id, sent_label FROM scope_types"
                " JOIN kinds ON id = kind ORDER BY id"
            )
        ]

    def _exempt_among(self, object_type: str, records: Ids) -> Ids:
        found = self.query(
            "SELECT DISTINCT record FROM json_each(?) CROSS JOIN exempt ON record = value WHERE object_type IN (?, '')",
            (json.dumps(distinct(records).tolist()), object_type),
        )
        return np.array([record for (record,) in found], np.int64)

    def exempt_pairs(self, direction: Direction, from_ids: Ids, to_ids: Ids) -> Flags:
        """Return True for the pairs with an exempt record."""
        found: Flags = np.isin(from_ids, self._exempt_among(direction[0], from_ids))
        return found | np.isin(to_ids, self._exempt_among(direction[1], to_ids))

    def _open_among(self, pairs: Ids) -> Flags:
        """Return True for the pairs that have no outcome yet and were never sent."""
        known: set[int] = set()
        for table in ("outcomes", "befores"):
            (some,) = self._one(f"SELECT EXISTS (SELECT 1 FROM {table})")
            if some:
                known.update(
                    pair
                    for (pair,) in self.query(
                        f"SELECT value FROM json_each(?) WHERE value <= (SELECT last_pair FROM {table}"
                        f" WHERE first_pair = (SELECT max(first_pair) FROM {table} WHERE first_pair <= value))",
                        (json.dumps(pairs.tolist()),),
                    )
                )
        return ~np.isin(pairs, np.array(sorted(known), np.int64))

    # --- what is to be taken off

    def note_scope(self, number: int, direction: Direction, associations: int, surplus: Surplus, unread: Ids) -> None:
        """Commit what a reading of records in scope found: how many associations they have, and which are to go.

        Pairs with an exempt record, at either end, are left out. `unread` are records that could not be read: they are
        exempt from now on.
        """
        with self._commit():
            self._database.executemany(
                "INSERT OR IGNORE INTO exempt VALUES (?, ?, ?)",
                [(direction[0], record, UNREAD) for record in unread.tolist()],
            )
            if len(surplus.from_ids):
                stays = np.isin(surplus.to_ids, self._exempt_among(direction[1], surplus.to_ids))
                self._add_beside(direction, _some(surplus, ~stays & (surplus.readings < 2)), turn=1)
                self._note_second(direction, _some(surplus, ~stays))
            self._database.execute("UPDATE scope SET associations = ? WHERE id = ?", (associations, number))

    def _note_second(self, direction: Direction, surplus: Surplus) -> None:
        """Note what the second reading of pairs takes off; it is nothing if no label is left by then."""
        if self._nameless(direction[::-1]):
            bare = _some(surplus, surplus.bare & (surplus.readings == 1))
            self._database.executemany(
                "INSERT OR REPLACE INTO second_readings VALUES (?, ?, ?, ?, NULL)",
                [(*direction[::-1], *ends) for ends in zip(bare.to_ids.tolist(), bare.from_ids.tolist(), strict=True)],
            )
        second = _some(surplus, surplus.readings == 2)
        self._database.executemany(
            "INSERT OR IGNORE INTO second_readings VALUES (?, ?, ?, ?, ?)",
            [
                (*direction, record, other, json.dumps(sorted(surplus.types[which])))
                for record, other, which in zip(
                    second.from_ids.tolist(), second.to_ids.tolist(), second.which.tolist(), strict=True
                )
            ],
        )

    def _add_second(self) -> None:
        """Write down what second readings take off, once all first readings are known."""
        found: dict[Direction, list[tuple[int, int, Types]]] = {}
        for first, second, *ends, text in self._database.execute("SELECT * FROM second_readings WHERE types NOTNULL"):
            types = frozenset(AssociationType(*each) for each in json.loads(text))
            found.setdefault((first, second), []).append((*ends, types))
        for direction, pairs in found.items():
            places = {types: place for place, types in enumerate({types for *_, types in pairs})}
            columns = np.array([(record, other, places[types]) for record, other, types in pairs], np.int64)
            surplus = Surplus(
                from_ids=columns[:, 0],
                to_ids=columns[:, 1],
                which=columns[:, 2].astype(np.int32),
                readings=np.full(len(pairs), 2, np.int32),
                bare=np.zeros(len(pairs), np.bool_),
                types=list(places),
            )
            self._add_beside(direction, surplus, turn=2)
        self._database.execute("DELETE FROM second_readings")

    def _add_beside(self, direction: Direction, surplus: Surplus, *, turn: int) -> None:
        """Write pairs that lose something as a lot, with a row for each association that goes."""
        if not len(surplus.from_ids):
            return
        type_pair = next((number for number, each in self._planned.type_pairs.items() if each == direction), None)
        if type_pair is None:
            (type_pair,) = self._database.execute(
                "INSERT INTO type_pairs (object_type, to_object_type, records) VALUES (?, ?, 0) RETURNING id", direction
            ).fetchone()
            self._planned = StoredPlan(self._database)
        kinds_of = self._kinds_of(direction)
        scope = self._of_both_ends(direction)
        requests = np.zeros(len(surplus.types), np.int32)
        kinds: dict[int, list[tuple[int, bool]]] = {}
        for place in distinct(surplus.which).tolist():
            types = surplus.types[place]
            requests[place] = self._request(direction, types)
            kinds[place] = [kinds_of[each] for each in sorted(scope.counted(types))]
        sizes = np.array([len(kinds.get(place, ())) for place in range(len(surplus.types))], np.int32)[surplus.which]
        of_rows = [kind for place in surplus.which.tolist() for kind in kinds[place]]
        zeros = np.zeros(len(of_rows), np.int32)
        lot = PlannedLot(
            type_pair=type_pair,
            from_ids=surplus.from_ids,
            to_ids=surplus.to_ids,
            requests=requests[surplus.which],
            sizes=sizes,
            inputs=zeros,
            rows=zeros,
            parts=zeros,
            kinds=np.array([kind for kind, _ in of_rows], np.int32),
            backward=np.array([backward for _, backward in of_rows], np.bool_),
        )
        self._database.execute(
            "INSERT INTO lots (type_pair, first_pair, pairs, rows, first_place, columns, turn)"
            " SELECT ?, coalesce(max(first_pair + pairs), 1), ?, ?, 0, ?, ? FROM lots",
            (type_pair, len(lot), len(of_rows), packed_lot(lot), turn),
        )

    def _kinds_of(self, direction: Direction) -> dict[AssociationType, tuple[int, bool]]:
        """Return the kind of each type in scope of a direction, and whether it belongs to the other direction."""
        own, others = {}, {}
        names = self._planned.inverse(direction[::-1])
        for each, type_, _, kind in self._scope_kinds():
            if each == direction:
                own[type_] = kind, False
            if each == direction[::-1] and type_ in names:
                others[names[type_]] = kind, True
        return others | own

    def _request(self, direction: Direction, types: Types) -> int:
        """Return the number of the request that takes types off, written down where it is new."""
        values = (*direction, json.dumps(sorted(types)))
        find = "SELECT id FROM requests WHERE (object_type, to_object_type, types) = (?, ?, ?) AND removes"
        found = self._database.execute(find, values).fetchone()
        if found is None:
            self._database.execute(
                "INSERT INTO requests (object_type, to_object_type, types, lookup_backward, removes)"
                " VALUES (?, ?, ?, 0, 1)",
                values,
            )
            found = self._database.execute(find, values).fetchone()
        number: int = found[0]
        return number

    def plan_removals(self) -> tuple[int, int]:
        """Load the lots of what is to go, once all is known; return how many associations go, and of how many."""
        with self._commit():
            self._add_second()
        with guarded(self.path):
            self._read_plan()
        (removals,) = self._one("SELECT coalesce(sum(rows), 0) FROM lots WHERE turn")
        (associations,) = self._one("SELECT coalesce(sum(associations), 0) FROM scope")
        return removals, associations

    def forget_removals(self) -> None:
        """Forget what was to go, before anything was taken off: the records in scope are read again."""
        with self._commit():
            for statement in (
                "DELETE FROM lots WHERE turn",
                "DELETE FROM second_readings",
                "UPDATE scope SET associations = NULL",
                f"DELETE FROM exempt WHERE why = '{UNREAD}'",
            ):
                self._database.execute(statement)
        self._read_to = 0
        self.plan_removals()

    def to_remove(self) -> Iterator[tuple[Direction, str, str, str]]:
        """Yield direction, both records and label (blank: none) of all associations that are to be taken off."""
        kinds = SharedLines(self).kinds
        for number in np.flatnonzero(self.lots.beside).tolist():
            lot = self.lots[number]
            rows = self.lots.rows_of(np.arange(lot.first_pair, lot.last_pair + 1))
            columns = (rows.kinds, rows.object_ids, rows.to_object_ids)
            for kind, *records in zip(*(each.tolist() for each in columns), strict=True):
                its = kinds[kind]
                direction = its["object_type"], its["to_object_type"]
                yield direction, *map(str, records), its["label"]

    def to_remove_by_type(self) -> Counter[tuple[Direction, AssociationType]]:
        """Return how many associations of each type are to be taken off."""
        types = {kind: (direction, type_) for direction, type_, _, kind in self._scope_kinds()}
        found: Counter[tuple[Direction, AssociationType]] = Counter()
        for number in np.flatnonzero(self.lots.beside).tolist():
            for kind, rows in enumerate(np.bincount(self.lots[number].kinds).tolist()):
                if rows:
                    found[types[kind]] += rows
        return found

    def beside_pairs(self, number: int) -> BesidePairs | None:
        """Return the pairs of a lot that are to lose something; None for a lot of rows' pairs."""
        if not self.lots.beside[number]:
            return None
        lot = self.lots[number]
        return BesidePairs(
            direction=self._planned.type_pairs[lot.type_pair],
            numbers=np.arange(lot.first_pair, lot.last_pair + 1),
            from_ids=lot.from_ids,
            to_ids=lot.to_ids,
            rows=lot.sizes,
        )

    def removed_pairs(self, number: int) -> BesidePairs | None:
        """Return the pairs of a lot that something was taken off; None for a lot of rows' pairs."""
        pairs = self.beside_pairs(number)
        if pairs is None:
            return None
        statuses = "(SELECT status = 'removed' FROM results WHERE results.id = result)"
        first, last = int(pairs.numbers[0]), int(pairs.numbers[-1])
        found = spread(ranges(self._database, "outcomes", statuses, first, last), 2, first, last) > 0
        return replace(
            pairs,
            numbers=pairs.numbers[found],
            from_ids=pairs.from_ids[found],
            to_ids=pairs.to_ids[found],
            rows=pairs.rows[found],
        )

    def labels(self) -> dict[tuple[Direction, AssociationType], str]:
        """Return the label of each type that rows ask for or that may be taken off; blank: no label."""
        return {
            ((first, second), AssociationType(category, type_id)): label
            for first, second, category, type_id, label in self.query(
                "SELECT from_type, to_type, category, type_id, sent_label FROM kinds WHERE category IS NOT NULL"
            )
        }

    def unchanged_pairs(self) -> int:
        """Return how many pairs have all that rows ask for, as far as records in scope were read."""
        (pairs,) = self._one("SELECT coalesce(sum(last_pair - first_pair + 1), 0) FROM outcomes")
        return int(pairs)

    # --- taking off

    def begin_removals(self, turn: int) -> None:
        """Let claims hand out what is to be taken off in a turn; records with a failed row are exempt."""
        with self._commit():
            self._database.execute("DELETE FROM exempt WHERE why = ?", (FAILED,))
            lines = SharedLines(self)
            for some in self.outcomes(0, PAIRS_AT_ONCE, failed=True):
                rows, keys = lines.rows(some)
                failed = keys % 2 == 0
                records = zip(rows.kinds[failed].tolist(), rows.object_ids[failed].tolist(), strict=True)
                self._database.executemany(
                    "INSERT OR IGNORE INTO exempt VALUES (?, ?, ?)",
                    [(lines.kinds[kind]["object_type"], record, FAILED) for kind, record in records],
                )
            self.claims.begin_again()
        self.claims.turn = turn

    def claim_lot(self, *, in_row_order: bool = False) -> Lot | None:
        """Return the next pairs that are to be looked up together; of those to be taken off, none of exempt records."""
        while (lot := super().claim_lot(in_row_order=in_row_order)) is not None and self.claims.turn:
            exempt = self.exempt_pairs(lot.own.direction, lot.own.from_ids, lot.own.to_ids)
            if not exempt.all():
                return replace(lot, own=lot.own.take(~exempt))
        return lot


def known_before(path: Path, pairs: BesidePairs) -> tuple[Flags, Flags]:
    """Return True for pairs that the run of another journal took something off, and for those that were exempt there.

    The other journal is not changed.
    """
    exempt = np.zeros(len(pairs.numbers), np.bool_)
    found = np.zeros(len(pairs.numbers), np.bool_)
    with suppress(JournalError, RecordError), LoadJournal(path, read_only=True) as journal:
        exempt = journal.exempt_pairs(pairs.direction, pairs.from_ids, pairs.to_ids)
        for number in range(len(journal.lots)):
            removed = journal.removed_pairs(number)
            if removed is not None and removed.direction == pairs.direction:
                before = set(zip(removed.from_ids.tolist(), removed.to_ids.tolist(), strict=True))
                now = zip(pairs.from_ids.tolist(), pairs.to_ids.tolist(), strict=True)
                found |= np.array([each in before for each in now], np.bool_)
    return found, exempt


def _some(surplus: Surplus, which: Flags) -> Surplus:
    return replace(
        surplus,
        **{name: getattr(surplus, name)[which] for name in ("from_ids", "to_ids", "which", "readings", "bare")},
    )
