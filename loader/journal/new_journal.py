"""A journal under construction: what is read and planned is written into a scratch file.

Nothing is visible under the journal's own name until `put_in_place`; a run that is refused leaves no trace.
"""

import errno
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np

from loader.columns import Ids, PlannedLot, ScopeLot
from loader.files import sync_folder, writing
from loader.journal.bound import Bound, bound, bound_place
from loader.journal.facts import Facts, to_rows
from loader.journal.lots import packed_lot, packed_scope, unpacked_lot
from loader.journal.own_keys import Blocks, OwnKeys
from loader.journal.schema import closed_on_error, create, guarded, packed, scratch, storable
from loader.model import FIELDS_OF_KINDS, AssociationType, Direction, Reject, Resolved, RowKind, Specification

_OTHER_END = {"from": "to", "to": "from"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """`rows` are result lines, `rejected` those of them that are never sent; `without` are cells that ask for nothing.

    `records` are those of each input, in order; `looked_up` is how many records are read before anything is sent, an
    estimate if there are many rows.
    """

    rows: int
    pairs: int
    rejected: int
    reasons: dict[str, int]
    without: int
    records: tuple[int, ...]
    looked_up: int


class FirstReject(NamedTuple):
    """A row that is never sent: the place of its input (from 0), and which field is wrong, with its text.

    `to_column` is the header that its to object id comes from; `field` is blank where the record is wrong as a whole.
    """

    input: int
    row: int
    field: str
    to_column: str
    message: str
    value: str


class NewJournal:
    """A journal under construction in `path`, which must not exist yet; `rows` yields the rows that were read."""

    def __init__(self, path: Path, rows: Blocks) -> None:
        self.path = path
        self._rows = rows
        self._pairs = 0

    def __enter__(self) -> Self:
        with writing(self.path):
            self.path.unlink(missing_ok=True)
            create(self.path)
        with guarded(self.path):
            self._database = scratch(self.path)
            with closed_on_error(self._database):
                self.keys = OwnKeys(self.path, self._database, self._rows)
                self._database.execute("BEGIN")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()
        with suppress(OSError):  # The next run removes a file that stays; its error must not hide what went wrong here.
            self.path.unlink()

    def _execute(self, statement: str, values: Sequence[object] = ()) -> None:
        with guarded(self.path):
            self._database.execute(statement, tuple(values))

    # --- what is read

    def begin_input(
        self, number: int, name: str, sha256: str, header: Sequence[str], to_columns: Sequence[str]
    ) -> None:
        """Announce an input; `to_columns` are the headers whose cells may be lists of ids."""
        self._execute(
            "INSERT INTO inputs VALUES (?, ?, ?, ?, ?, 0, 0)",
            (number, storable(name), sha256, json.dumps(list(header)), json.dumps(list(to_columns))),
        )

    def add_records(self, number: int, before: int, rows: list[int], cells: Sequence[Sequence[str]]) -> None:
        """Store records of an input as they were read; `before` is how many of it were stored already."""
        if rows:
            self._execute(
                "INSERT INTO records (input, before, first_row, last_row, body) VALUES (?, ?, ?, ?, ?)",
                (number, before, rows[0], rows[-1], packed(rows, cells)),
            )

    def end_input(self, number: int, records: int, without: int) -> None:
        """Close an input, with the number of its records and of its cells that ask for nothing."""
        self._execute("UPDATE inputs SET records = ?, without = ? WHERE id = ?", (records, without, number))

    def add_kind(self, number: int, row_kind: RowKind) -> None:
        """Write down what rows of a kind ask for."""
        texts = {name: storable(getattr(row_kind, name)) for name in (*FIELDS_OF_KINDS, "to_column")}
        self._execute(
            f"INSERT INTO kinds (id, is_primary, {', '.join(texts)}) VALUES (?, ?{', ?' * len(texts)})",
            (number, row_kind.primary, *texts.values()),
        )

    def reject(self, rejects: Iterable[tuple[int, int, Reject]]) -> None:
        """Write down rows that are never sent, each after the numbers of its input and its kind."""
        with guarded(self.path):
            self._database.executemany(
                "INSERT INTO staged_rejects (input, kind, row, part, reason, field, object_id, to_object_id, message)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    (number, kind, each.row, each.part, each.reason, each.field, *map(storable, texts))
                    for number, kind, each in rejects
                    for texts in [(each.object_id, each.to_object_id, each.message)]
                ),
            )

    # --- what is planned

    def name_types(self, kind: int, from_type: str | None, to_type: str | None) -> None:
        """Write down the object type ids of a kind, if known, whether it is sent or not."""
        self._execute("UPDATE kinds SET from_type = ?, to_type = ? WHERE id = ?", (from_type, to_type, kind))

    def resolve(self, kind: int, verdict: Resolved) -> None:
        """Write down what a kind is sent as."""
        first, second = verdict.direction
        self._execute(
            "UPDATE kinds SET from_type = ?, to_type = ?, category = ?, type_id = ?, sent_label = ?,"
            " inverse_category = ?, inverse_type_id = ? WHERE id = ?",
            (first, second, *verdict.type, verdict.label, *(verdict.inverse or (None, None)), kind),
        )
        if not verdict.single:
            return
        insert = "INSERT OR IGNORE INTO singles VALUES (?, ?, ?, ?, ?)"
        self._execute(insert, (first, second, *verdict.type, verdict.single))
        if verdict.inverse is not None:
            self._execute(insert, (second, first, *verdict.inverse, _OTHER_END[verdict.single]))

    def count_rows(self, rows_of_kind: Mapping[int, int]) -> None:
        """Write down how many rows of each kind are still to be sent."""
        with guarded(self.path):
            self._database.executemany(
                "UPDATE kinds SET rows = ? WHERE id = ?", [(rows, kind) for kind, rows in rows_of_kind.items()]
            )

    def note_inverses(self, direction: Direction, inverses: Mapping[AssociationType, AssociationType]) -> None:
        """Write down the known inverses of the types of a direction."""
        with guarded(self.path):
            self._database.executemany(
                "INSERT OR REPLACE INTO inverses VALUES (?, ?, ?, ?, ?, ?)",
                [(*direction, *known, *other) for known, other in inverses.items()],
            )

    def type_pair(self, number: int, direction: Direction, records: int) -> None:
        """Write down two object types, from the end that is looked up, and the approximate number of records there."""
        self._execute("INSERT INTO type_pairs VALUES (?, ?, ?, ?)", (number, *direction, records))

    def request(self, number: int, what: Specification, *, lookup_backward: bool) -> None:
        """Write down a specification; `lookup_backward`: its pairs are looked up by the record at their to end."""
        self._execute(
            "INSERT INTO requests (id, object_type, to_object_type, types, lookup_backward, removes)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (number, *what.direction, json.dumps(what.types), lookup_backward, what.removes),
        )

    def lot(self, lot: PlannedLot) -> None:
        """Write down the next pairs."""
        self._write_lot(None, lot)

    def _write_lot(self, number: int | None, lot: PlannedLot) -> None:
        first_place = int(lot.places.min())
        self._execute(
            "INSERT INTO lots (id, type_pair, first_pair, pairs, rows, first_place, columns)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (number, lot.type_pair, self._pairs + 1, len(lot), len(lot.rows), first_place, packed_lot(lot)),
        )
        self._pairs += len(lot)

    def lots(self) -> Iterator[PlannedLot]:
        """Yield the lots in order."""
        last = 0
        while found := self._next_lot(last):
            last, lot = found
            yield lot

    def _next_lot(self, last: int) -> tuple[int, PlannedLot] | None:
        """Return the next lot after a number, with its own number."""
        with guarded(self.path):
            found = self._database.execute(
                "SELECT id, type_pair, first_pair, pairs, rows, columns FROM lots WHERE id > ? ORDER BY id LIMIT 1",
                (last,),
            ).fetchone()
        return (found[0], unpacked_lot(*found[1:])) if found else None

    def drop_pairs(self, numbers: Ids) -> None:
        """Delete pairs, by number, sorted; those that stay get new numbers."""
        last = self._pairs = 0
        while found := self._next_lot(last):
            last, lot = found
            begin, end = np.searchsorted(numbers, (lot.first_pair, lot.last_pair + 1))
            self._execute("DELETE FROM lots WHERE id = ?", (last,))
            if begin < end:
                lot = lot.take(np.delete(np.arange(len(lot)), numbers[begin:end] - lot.first_pair))
            if len(lot):
                self._write_lot(last, lot)

    def note_promoted(self, single: Mapping[int, Resolved]) -> None:
        """Write down the records that get a primary or parent record, and from which pair.

        `single` has the kinds with a type of which a record can have only one, by number.
        """
        kinds = np.array(sorted(single), np.int32)
        for lot in self.lots() if single else ():
            found = np.flatnonzero(np.isin(lot.kinds, kinds))
            if not len(found):
                continue
            pairs = np.searchsorted(lot.starts, found, "right") - 1
            at_to = np.array([single[kind].single == "to" for kind in lot.kinds[found].tolist()], np.bool_)
            records = np.where(lot.backward[found] != at_to, lot.to_ids[pairs], lot.from_ids[pairs])
            columns = (lot.kinds[found], records, lot.first_pair + pairs, lot.places[pairs])
            with guarded(self.path):
                self._database.executemany(
                    "INSERT OR IGNORE INTO promoted VALUES (?, ?, ?, ?, ?)",
                    [
                        (*single[kind].single_types, record, pair, place)
                        for kind, record, pair, place in zip(*(each.tolist() for each in columns), strict=True)
                    ],
                )

    # --- the scope of a mirror

    def scope_type(
        self,
        number: int,
        direction: Direction,
        type_: AssociationType,
        label: str,
        inverse: AssociationType | None,
    ) -> None:
        """Write down a type that a mirror may take off, as a kind with this number; blank label: no label."""
        self._execute(
            "INSERT INTO kinds (id, object_type, to_object_type, association_category, association_type_id, label,"
            " is_primary, to_column, from_type, to_type, category, type_id, sent_label, inverse_category,"
            " inverse_type_id) VALUES (?, '', '', '', '', '', 0, '', ?, ?, ?, ?, ?, ?, ?)",
            (number, *direction, *type_, storable(label), *(inverse or (None, None))),
        )
        self._execute("INSERT INTO scope_types VALUES (?)", (number,))

    def scope_lot(self, lot: ScopeLot) -> None:
        """Write down records in scope, and the pairs that rows want for them.

        Records that are exempt as the other end of a rejected row now count as records with a rejected row.
        """
        self._execute(
            "INSERT INTO scope (object_type, to_object_type, records, pairs, columns) VALUES (?, ?, ?, ?, ?)",
            (*lot.direction, len(lot), len(lot.pairs), packed_scope(lot)),
        )
        self._execute(
            "INSERT OR IGNORE INTO exempt SELECT object_type, record, 'rejected' FROM json_each(?)"
            " CROSS JOIN exempt ON record = value WHERE object_type IN (?, '') AND why = 'other end'",
            (json.dumps(lot.records.tolist()), lot.direction[0]),
        )

    def exempt(self, records: Iterable[tuple[str, int, str]]) -> None:
        """Write down records, each with its object type and a word for the reason, that nothing is taken off."""
        with guarded(self.path):
            self._database.executemany("INSERT OR IGNORE INTO exempt VALUES (?, ?, ?)", records)

    # --- closing

    def end_of(self, limit: int | None) -> Bound:
        """Return the input and the row of the last record within a limit."""
        with guarded(self.path):
            return bound(self._database, limit)

    def figures(self, limit: int | None = None) -> Figures:
        """Return figures of what was read and grouped; with a limit, only of the records within it."""
        end = self.end_of(limit)
        with guarded(self.path):
            execute = self._database.execute
            rows, pairs = execute("SELECT coalesce(sum(rows), 0), coalesce(sum(pairs), 0) FROM lots").fetchone()
            (looked_up,) = execute("SELECT coalesce(sum(records), 0) FROM type_pairs").fetchone()
            inputs = execute("SELECT records, without FROM inputs ORDER BY id").fetchall()
            reasons = dict(
                execute(
                    "SELECT reason, count(*) FROM staged_rejects WHERE (input, row) <= (?, ?)"
                    " GROUP BY 1 ORDER BY 2 DESC, 1",
                    end,
                ).fetchall()
            )
        if limit is not None:
            within = [(lot.sizes[lot.places <= bound_place(end)]) for lot in self.lots()]
            rows, pairs = sum(int(sizes.sum()) for sizes in within), sum(map(len, within))
        rejected = sum(reasons.values())
        return Figures(
            rows=rows + rejected,
            pairs=pairs,
            rejected=rejected,
            reasons=reasons,
            without=sum(blank for _, blank in inputs),
            records=tuple(each for each, _ in inputs),
            looked_up=looked_up if limit is None else min(looked_up, pairs),
        )

    def first_rejects(self, reason: str, most: int, limit: int | None = None) -> list[FirstReject]:
        """Return the first rows that are rejected for a reason, in the order of the inputs."""
        statement = """
            SELECT x.input - 1 AS input, x.row, x.field, k.to_column, x.message,
                CASE x.field WHEN 'object_id' THEN x.object_id WHEN 'to_object_id' THEN x.to_object_id
                WHEN 'object_type' THEN k.object_type WHEN 'to_object_type' THEN k.to_object_type
                WHEN 'association_category' THEN k.association_category
                WHEN 'association_type_id' THEN k.association_type_id WHEN 'label' THEN k.label ELSE '' END
            FROM staged_rejects x JOIN kinds k ON k.id = x.kind
            WHERE x.reason = ? AND (x.input, x.row) <= (?, ?) ORDER BY x.input, x.row, x.part LIMIT ?
        """
        end = self.end_of(limit)
        with guarded(self.path):
            return list(map(FirstReject._make, self._database.execute(statement, (reason, *end, most))))

    def remember(self, /, **changes: object) -> None:
        """Give some of the journal's facts their values; see `Facts.changed`."""
        Facts().changed(changes)
        with guarded(self.path):
            self._database.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", to_rows(changes))

    def complete(self) -> None:
        """Write down what is known at the end only, and close the journal."""
        # Numbered in the order of the inputs, so that a results file knows by one number how far it is.
        self._execute(
            "INSERT INTO rejects SELECT NULL, input, row, part, object_id, to_object_id, kind, reason, message"
            " FROM staged_rejects ORDER BY input, row, part"
        )
        self._execute("COMMIT")
        self._database.close()


def put_in_place(path: Path, journal: Path) -> None:
    """Give a finished journal, which no process has open, its name, whole and on disk."""
    with writing(journal):
        if path.with_name(f"{path.name}-wal").exists():
            # The log could not be written into the journal when it was closed.
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with path.open("rb") as file:
            os.fsync(file.fileno())
        for left in ("-wal", "-shm"):
            # The log of an earlier journal of this name would be applied to this one.
            journal.with_name(journal.name + left).unlink(missing_ok=True)
        path.rename(journal)
        sync_folder(journal.parent)
