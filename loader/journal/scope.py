"""What a mirror asks of a journal and writes down there: records in scope, and what is to be taken off them.

What is to go becomes pairs like those that rows ask for, in lots `beside` them: they are claimed, recorded and undone
in the same way. All of them are known, and committed, before anything is written in the portal.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from loader.columns import Flags, Ids, PlannedLot, ScopeLot, Small
from loader.errors import JournalError, RecordError
from loader.journal.journal import Journal
from loader.journal.lines import PAIRS_AT_ONCE, SharedLines
from loader.journal.lots import Lots, packed_lot, unpacked_scope
from loader.journal.planned import StoredPlan
from loader.journal.ranges import ranges, spread
from loader.journal.schema import guarded
from loader.model import NO_TYPES, WHOLE_PAIR, AssociationType, Direction, Lot, Types

UNREAD, FAILED, PERHAPS = "unread", "failed", "perhaps"
"""Why a record is exempt, beside its rejected rows: see `Journal.exempt_records`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeTypes:
    """The association types of a direction that a mirror may take off: labels, and those without a label."""

    labels: Types
    unlabelled: Types

    def counted(self, types: Types) -> Types:
        """Return what counts as an association among types: the labels; of a pair without one, what it has instead."""
        return types & self.labels or types & self.unlabelled


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnreadScope:
    """Records in scope that are to be read, with what is known of them and of what rows ask.

    `exempt` says by record, `open` by pair that it has no outcome yet and was never sent. `asked` gives for each
    request its types as they are called from its pairs' from end, and from the other one, None where that is not known.
    `inverse` is what the types of this direction are called from the other end, where that is known. `other_ends` are
    the records whose own reading counts their associations with records of this lot, each once: within one object type,
    those with a smaller id only.
    """

    number: int
    lot: ScopeLot
    exempt: Flags
    open: Flags
    types: ScopeTypes
    asked: Mapping[int, tuple[Types, Types | None]]
    inverse: Mapping[AssociationType, AssociationType]
    other_ends: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Surplus:
    """Pairs that lose something, in columns: `which` says by index into `types` what that is.

    `WHOLE_PAIR` is among the types where the pair itself goes, if it has nothing else by then.
    """

    from_ids: Ids
    to_ids: Ids
    which: Small
    types: Sequence[Types]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BesidePairs:
    """Pairs of a lot that no row names, in columns; `rows` are the associations that each is to lose."""

    direction: Direction
    numbers: Ids
    from_ids: Ids
    to_ids: Ids
    rows: Small


NO_SCOPE = ScopeTypes(labels=NO_TYPES, unlabelled=NO_TYPES)
"""Of a direction whose types are not listed: of none of them is it known whether it is a label."""


class MirrorJournal(Journal):
    """The journal of a load; of one that is a mirror, with its scope, and with what is to be taken off."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        super().__init__(path, read_only=read_only)
        self._read_to = 0
        self._in_scope: dict[Direction, frozenset[int]] = {}

    # --- the records in scope

    def next_scope(self) -> UnreadScope | None:
        """Return the next records that were not read, each once in a command; None when there are none left."""
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
        number, first, second, records, pairs, columns = found
        self._read_to = number
        lot = unpacked_scope((first, second), records, pairs, columns)
        return UnreadScope(
            number=number,
            lot=lot,
            exempt=np.isin(lot.records, self._exempt_among(first, lot.records)),
            open=self._open_among(lot.pairs),
            types=self.scope_types().get((first, second), NO_SCOPE),
            asked={request: self._planned.both_names(request) for request in np.unique(lot.requests).tolist()},
            inverse=self._planned.inverse((first, second)),
            other_ends=self._records_in_scope((second, first)) if second <= first else frozenset(),
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
            (json.dumps(np.unique(records).tolist()), object_type),
        )
        return np.array([record for (record,) in found], np.int64)

    def _open_among(self, pairs: Ids) -> Flags:
        """Tell the pairs that have no outcome yet and were never sent."""
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
        """Commit what a reading of records in scope found: the number of their associations, and those that are to go.

        Nothing of records that are exempt, at either end, and nothing that is to go already as it was found from the
        other end. `unread` are records that could not be read: they are exempt from now on.
        """
        with self._commit():
            self._database.executemany(
                "INSERT OR IGNORE INTO exempt VALUES (?, ?, ?)",
                [(direction[0], record, UNREAD) for record in unread.tolist()],
            )
            if len(surplus.from_ids):
                exempt = np.isin(surplus.to_ids, self._exempt_among(direction[1], surplus.to_ids))
                self._add_beside(direction, self._without_known(direction, _some(surplus, ~exempt)))
            self._database.execute("UPDATE scope SET associations = ? WHERE id = ?", (associations, number))

    def _without_known(self, direction: Direction, surplus: Surplus) -> Surplus:
        """Leave out what goes already as it was found from the other end, and take note of what goes from this one."""
        if direction[::-1] not in self.scope_types():
            return surplus
        ends = list(zip(surplus.from_ids.tolist(), surplus.to_ids.tolist(), strict=True))
        back = self._planned.inverse(direction)
        types, which, left = list(surplus.types), surplus.which.copy(), np.ones(len(ends), np.bool_)
        for place, (record, other) in enumerate(ends):
            text = self._database.execute(
                "SELECT types FROM found_beside WHERE (object_type, object_id, to_object_id) = (?, ?, ?)",
                (direction[1], other, record),
            ).fetchone()
            if text is not None:
                gone = {AssociationType(*each) for each in json.loads(text[0])}
                new = frozenset(each for each in types[which[place]] if back.get(each, each) not in gone)
                # Within one object type both ends would be put back in one request, each without the other's labels.
                within = direction[0] == direction[1]
                left[place] = bool(new - {WHOLE_PAIR}) and WHOLE_PAIR not in gone and not within
                types.append(new)
                which[place] = len(types) - 1
            if left[place]:
                self._database.execute(
                    "INSERT OR REPLACE INTO found_beside VALUES (?, ?, ?, ?)",
                    (direction[0], record, other, json.dumps(sorted(types[which[place]]))),
                )
        return _some(Surplus(from_ids=surplus.from_ids, to_ids=surplus.to_ids, which=which, types=types), left)

    def _add_beside(self, direction: Direction, surplus: Surplus) -> None:
        """Write pairs that lose something down as a lot, with a row for each association that goes."""
        if not len(surplus.from_ids):
            return
        type_pair = next((number for number, each in self._planned.type_pairs.items() if each == direction), None)
        if type_pair is None:
            (type_pair,) = self._database.execute(
                "INSERT INTO type_pairs (object_type, to_object_type, records) VALUES (?, ?, 0) RETURNING id", direction
            ).fetchone()
            self._planned = StoredPlan(self._database)
        kinds_of = {type_: kind for each, type_, _, kind in self._scope_kinds() if each == direction}
        scope = self.scope_types()[direction]
        used = np.unique(surplus.which).tolist()
        requests = np.zeros(len(surplus.types), np.int32)
        kinds: dict[int, list[int]] = {}
        for place in used:
            types = surplus.types[place]
            requests[place] = self._request(direction, types)
            kinds[place] = [kinds_of[each] for each in sorted(scope.counted(types))]
        sizes = np.array([len(kinds.get(place, ())) for place in range(len(surplus.types))], np.int32)[surplus.which]
        rows = int(sizes.sum())
        zeros = np.zeros(rows, np.int32)
        lot = PlannedLot(
            type_pair=type_pair,
            from_ids=surplus.from_ids,
            to_ids=surplus.to_ids,
            requests=requests[surplus.which],
            sizes=sizes,
            inputs=zeros,
            rows=zeros,
            parts=zeros,
            kinds=np.array([kind for place in surplus.which.tolist() for kind in kinds[place]], np.int32),
            backward=np.zeros(rows, np.bool_),
        )
        self._database.execute(
            "INSERT INTO lots (type_pair, first_pair, pairs, rows, first_place, columns, beside)"
            " SELECT ?, coalesce(max(first_pair + pairs), 1), ?, ?, 0, ?, 1 FROM lots",
            (type_pair, len(lot), rows, packed_lot(lot)),
        )

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
        """Take into account what is to go, once all is known; return how many associations that is, and of how many."""
        with guarded(self.path):
            self._planned = StoredPlan(self._database)
            self.lots = Lots(self._database)
        self._from_the_start()
        (removals,) = self._one("SELECT coalesce(sum(rows), 0) FROM lots WHERE beside")
        (associations,) = self._one("SELECT coalesce(sum(associations), 0) FROM scope")
        return removals, associations

    def forget_removals(self) -> None:
        """Forget what was to go, before any of it went: the records in scope are read once more."""
        with self._commit():
            for statement in (
                "DELETE FROM lots WHERE beside",
                "DELETE FROM found_beside",
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
            lot = self.lots[number].lot
            for pair, kind in zip(np.repeat(np.arange(len(lot)), lot.sizes).tolist(), lot.kinds.tolist(), strict=True):
                its = kinds[kind]
                direction = its["object_type"], its["to_object_type"]
                yield direction, str(lot.from_ids[pair]), str(lot.to_ids[pair]), its["label"]

    def beside_pairs(self, number: int) -> BesidePairs | None:
        """Return the pairs of a lot that are to lose something; None for a lot of pairs that rows name."""
        if not self.lots.beside[number]:
            return None
        lot = self.lots[number]
        return BesidePairs(
            direction=self._planned.type_pairs[lot.lot.type_pair],
            numbers=np.arange(lot.first_pair, lot.last_pair + 1),
            from_ids=lot.lot.from_ids,
            to_ids=lot.lot.to_ids,
            rows=lot.lot.sizes,
        )

    def removed_pairs(self, number: int) -> BesidePairs | None:
        """Return the pairs of a lot that something was taken off; None for a lot of pairs that rows name."""
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
        """Return the label of each type that rows ask for or that may be taken off; blank: none."""
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

    def begin_removals(self) -> None:
        """Let claims hand out what is to be taken off: nothing of records that have a row that failed."""
        with self._commit():
            self._database.execute("DELETE FROM exempt WHERE why = ?", (FAILED,))
            kinds = SharedLines(self).kinds
            for some in self.outcomes(0, PAIRS_AT_ONCE, failed=True):
                pairs = np.concatenate([np.arange(first, last + 1) for _, first, last, _, _ in some])
                if len(pairs := pairs[pairs <= self.lots.pairs]):
                    rows = self.lots.rows_of(pairs)
                    records = zip(rows.kinds.tolist(), rows.object_ids.tolist(), strict=True)
                    self._database.executemany(
                        "INSERT OR IGNORE INTO exempt VALUES (?, ?, ?)",
                        [(kinds[kind]["object_type"], record, FAILED) for kind, record in records],
                    )
        self.beside = True
        self._from_the_start()

    def claim_lot(self, records: int, *, scattered: bool = False) -> Lot | None:
        """Return the next pairs that are to be looked up together; of those to be taken off, none of exempt records."""
        while (lot := super().claim_lot(records, scattered=scattered)) is not None and self.beside:
            first, second = lot.own.direction
            exempt = np.isin(lot.own.from_ids, self._exempt_among(first, lot.own.from_ids))
            exempt |= np.isin(lot.own.to_ids, self._exempt_among(second, lot.own.to_ids))
            if not exempt.all():
                return replace(lot, own=lot.own.take(~exempt))
        return lot


def removed_before(path: Path, pairs: BesidePairs) -> Flags:
    """Return which pairs something was taken off by the run of another journal, which is read and not changed."""
    found = np.zeros(len(pairs.numbers), np.bool_)
    with suppress(JournalError, RecordError), MirrorJournal(path, read_only=True) as journal:
        for number in range(len(journal.lots)):
            removed = journal.removed_pairs(number)
            if removed is not None and removed.direction == pairs.direction:
                before = set(zip(removed.from_ids.tolist(), removed.to_ids.tolist(), strict=True))
                now = zip(pairs.from_ids.tolist(), pairs.to_ids.tolist(), strict=True)
                found |= np.array([each in before for each in now], np.bool_)
    return found


def _some(surplus: Surplus, which: Flags) -> Surplus:
    return replace(surplus, from_ids=surplus.from_ids[which], to_ids=surplus.to_ids[which], which=surplus.which[which])
