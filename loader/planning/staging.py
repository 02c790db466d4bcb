"""Rows are read and planned: they wait in a file until they are grouped, and become a journal."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from loader.columns import Flags, PlannedLot, place
from loader.errors import RecordError
from loader.journal import NewJournal, put_in_place
from loader.journal.bound import bound_place
from loader.model import (
    AssociationType,
    Chunk,
    Direction,
    Problem,
    Reject,
    Resolved,
    RowKind,
    Specification,
)
from loader.planning.association_types import AssociationTypes
from loader.planning.group import group
from loader.planning.object_types import ObjectTypes
from loader.planning.orient import ROW, ResolvedKinds, oriented
from loader.planning.scope import ENTRY, OF_FROM_END, OTHER_END, REJECTED, Entries, Marks, exempt_records
from loader.planning.spool import Records, Spool

_OF_RECORD = [("record", "i8"), ("place", "i8"), ("part", "i4"), ("other", "i8"), ("pair", "i8")]

REJECTS_AT_ONCE = 5000


class Staging:
    """A journal under construction in `path`, which must not exist yet, and the rows that it is made of.

    `stopping` is called now and then while rows are grouped; True ends the grouping with RecordError. `mirror`: note
    which records are in the file, and which of them have rejected rows (see `planning.scope`). Without `cells` no
    failures file can be written from the journal.
    """

    def __init__(
        self, path: Path, *, stopping: Callable[[], bool] = lambda: False, mirror: bool = False, cells: bool = True
    ) -> None:
        self._path = path
        self._stopping = stopping
        self._mirror = mirror
        self._cells = cells
        self._spool = Spool(path, ROW)
        self._marks = Marks(path)
        self.journal = NewJournal(path, lambda: chain(self._spool.blocks(), self._marks.blocks()))
        self._by_key = False, False
        self._named: dict[int, tuple[str | None, str | None]] = {}
        self._kinds: dict[RowKind, int] = {}
        self._label_columns: dict[str, str] = {}
        self._copied: dict[str, Mapping[str, str | int]] = {}
        self._rows_of_kind: Counter[int] = Counter()
        self._resolved: dict[int, Resolved] = {}
        self._specifications: dict[int, Specification] = {}
        self._input = 0
        self._records = 0
        self._without = 0
        self.whole = True

    def __enter__(self) -> Self:
        with ExitStack() as held:
            held.enter_context(self.journal)
            held.enter_context(self._spool)
            held.enter_context(self._marks)
            self._held = held.pop_all()
        self.keys = self.journal.keys
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    # --- reading

    def begin_input(
        self,
        name: str,
        sha256: str,
        header: Sequence[str],
        to_columns: Sequence[str],
        id_properties: tuple[str | None, str | None] = (None, None),
        *,
        label_column: str = "",
        copied: Mapping[str, str | int] | None = None,
    ) -> None:
        """Announce the input that the next chunks belong to.

        `to_columns` and `label_column` are the headers whose cells may be lists; `id_properties` the properties that
        its ids are values of, if any. `copied` are facts about the remote object, if the input is a copy of one.
        """
        self._input += 1
        self._records = self._without = 0
        self.journal.begin_input(self._input, name, sha256, header, to_columns)
        self.keys.begin_input(self._input, id_properties)
        self._by_key = id_properties[0] is not None, id_properties[1] is not None
        self._label_columns[str(self._input)] = label_column
        if copied:
            self._copied[str(self._input)] = copied
        self.journal.remember(label_columns=self._label_columns, copied=self._copied)

    def append(self, chunk: Chunk) -> None:
        """Add a chunk of the current input."""
        self.journal.add_records(self._input, self._records, chunk.rows, chunk.cells if self._cells else ())
        if len(chunk.links):
            rows = chunk.links
            found = np.empty(len(rows), ROW)
            found["from"], found["to"] = self.keys.numbered(self._input, rows)
            found["input"], found["row"], found["part"] = self._input, rows.rows, rows.parts
            found["kind"] = np.array([self._kind(each) for each in rows.row_kinds], np.int32)[rows.kinds]
            counts = np.bincount(found["kind"])
            self._rows_of_kind.update({kind: int(counts[kind]) for kind in np.flatnonzero(counts).tolist()})
            self._spool.append(found)
        self.journal.reject((self._input, self._kind(each.row_kind), each) for each in chunk.rejects)
        if self._mirror:
            self._marks.note(self._input, chunk, self.keys, self._kind, by_key=self._by_key)
        self._records += len(chunk.rows)
        self._without += chunk.without

    def _kind(self, row_kind: RowKind) -> int:
        if row_kind not in self._kinds:
            self._kinds[row_kind] = len(self._kinds) + 1
            self.journal.add_kind(self._kinds[row_kind], row_kind)
        return self._kinds[row_kind]

    def end_input(self) -> None:
        """Close the current input."""
        self.journal.end_input(self._input, self._records, self._without)

    # --- what rows ask for

    def kinds(self) -> dict[int, RowKind]:
        """Return the kinds of the rows that are not rejected, by number."""
        return {kind: row_kind for row_kind, kind in self._kinds.items() if self._rows_of_kind[kind]}

    def name_types(self, names: ObjectTypes) -> None:
        """Write down the object type ids of all kinds, if known, whether their rows are sent or not."""
        for row_kind, kind in self._kinds.items():
            found = names.find(row_kind.object_type), names.find(row_kind.to_object_type)
            self._named[kind] = found
            self.journal.name_types(kind, *found)

    def rows_of_kind(self, limit: int | None = None) -> Mapping[int, int]:
        """Return how many rows of each kind are not rejected; with a limit, only rows within it, before grouping."""
        if limit is None:
            return dict(self._rows_of_kind)
        end = bound_place(self.journal.end_of(limit))
        counts = np.zeros(len(self._kinds) + 1, np.int64)
        for block in self._spool.blocks():
            within = place(block["input"], block["row"]) <= end
            counts += np.bincount(block["kind"][within], minlength=len(counts))
        return Counter({kind: int(counts[kind]) for kind in np.flatnonzero(counts).tolist()})

    # --- rejects

    def _reject_kinds(self, why: Mapping[int, Problem]) -> None:
        """Reject every row of the kinds that cannot be sent."""
        kinds = np.array(sorted(why), np.int32)
        unsure = [kind for kind, each in why.items() if each.field in OF_FROM_END]
        for block in self._spool.blocks() if len(kinds) else ():
            rows = block[np.isin(block["kind"], kinds)]
            self.reject(rows, (why[kind] for kind in rows["kind"].tolist()))
            self._exempt(rows[np.isin(rows["kind"], unsure)], unsure=True)

    def reject(self, rows: Records, why: Iterable[Problem]) -> None:
        """Reject rows, as they are written, each with a reason and a sentence."""
        reasons, row_kinds = iter(why), list(self._kinds)
        for start in range(0, len(rows), REJECTS_AT_ONCE):
            some = rows[start : start + REJECTS_AT_ONCE]
            texts = self.keys.texts([*some["from"].tolist(), *some["to"].tolist()])
            self.journal.reject(
                (
                    number,
                    kind,
                    Reject(
                        row=row,
                        part=part,
                        object_id=texts[one],
                        to_object_id=texts[other],
                        row_kind=row_kinds[kind - 1],
                        reason=each.reason,
                        message=f"Row {row}: {each.message}",
                        field=each.field,
                    ),
                )
                for (one, other, number, row, part, kind), each in zip(some.tolist(), reasons, strict=False)
            )
        self._rows_of_kind.subtract(Counter(rows["kind"].tolist()))
        self._exempt(rows)

    def _exempt(self, rows: Records, *, unsure: bool = False) -> None:
        """Note that the records of rejected rows are exempt from a mirror, as far as their ids are known.

        The to record is exempt, too, if the from record is unknown, or `unsure`: then any pair of it may be meant.
        """
        if not self._mirror:
            return
        some = rows.copy()
        self._replace_keys(some)
        for side, reason, these in (
            ("from", REJECTED, some["from"] > 0),
            ("to", OTHER_END, (some["to"] > 0) & ((some["from"] <= 0) | unsure)),
        ):
            records = zip(some["kind"][these].tolist(), some[side][these].tolist(), strict=True)
            place = int(side == "to")
            self.journal.exempt((self._named[kind][place] or "", record, reason) for kind, record in records)

    def _replace_keys(self, block: Records) -> None:
        """Replace own keys by record ids, if the record was found."""
        for _ in self.keys.replace(block):
            pass  # These rows are rejected already, or are no rows.

    # --- the scope of a mirror

    def note_scope(self, types: AssociationTypes, portal_id: str | None, *, all_labels: bool) -> None:
        """Write down the scope of a mirror: the records, the pairs that rows want for each, and the association types.

        These are the types that rows ask for, or, with `all_labels`, all that their directions have.
        """
        directions = self.sound_directions()
        number = len(self._kinds)
        for direction, asked in directions.items():
            # Only for a listed type is it known whether it is a label, which may be taken off by itself.
            for each in types.of(direction):
                if all_labels or each.type in asked:
                    number += 1
                    self.journal.scope_type(number, direction, each.type, each.label, types.inverse(direction, each))
        self.journal.exempt(exempt_records(self._marked(), self._named))
        with Spool(self._path, ENTRY) as spool:
            entries = Entries(spool, directions)
            entries.add_blank(self._marked(), self._kinds_of_blank(portal_id))
            for lot in self.journal.lots():
                entries.add(lot, self._specifications)
            for scope_lot in entries.lots():
                self.journal.scope_lot(scope_lot)

    def sound_directions(self) -> dict[Direction, set[AssociationType]]:
        """Return the directions of the rows that are not rejected, each with the types that they ask for."""
        found: dict[Direction, set[AssociationType]] = {}
        for kind, verdict in self._resolved.items():
            if self._rows_of_kind[kind] > 0:
                found.setdefault(verdict.direction, set()).add(verdict.type)
        return found

    def _marked(self) -> Iterator[Records]:
        """Yield the marks with record ids instead of own keys, if the record was found."""
        for block in self._marks.blocks():
            self._replace_keys(block)
            yield block

    def _kinds_of_blank(self, portal_id: str | None) -> dict[int, Direction]:
        """Return the object types of the kinds with both types known and with records in this portal."""
        found = self.named_directions()
        for row_kind, kind in self._kinds.items():
            if kind in found and row_kind.address not in ("", f"{portal_id}/{found[kind][0]}"):
                del found[kind]
        return found

    def named_directions(self) -> dict[int, Direction]:
        """Return the object types of each kind with both types known, even if its rows are rejected."""
        return {kind: (first, second) for kind, (first, second) in self._named.items() if first and second}

    # --- grouping

    def group(
        self, verdicts: Mapping[int, Resolved | Problem], types: AssociationTypes, *, by_record: bool = False
    ) -> dict[int, Specification]:
        """Make one pair of all rows that name the same two records; return the specifications by number.

        `verdicts` say by kind what its rows are sent as, or why they are rejected. Pairs are sent in the order in which
        the rows first name them, or, `by_record`, sorted by the records of the end that has fewer of them.
        """
        self._reject_kinds({kind: each for kind, each in verdicts.items() if isinstance(each, Problem)})
        self._resolved = {kind: verdict for kind, verdict in verdicts.items() if isinstance(verdict, Resolved)}
        for kind, verdict in self._resolved.items():
            self.journal.resolve(kind, verdict)
        for direction in {verdict.direction for verdict in self._resolved.values()}:
            self.journal.note_inverses(direction, types.inverses(direction))
        both = {each for verdict in self._resolved.values() for each in (verdict.direction, verdict.direction[::-1])}
        # HubSpot adds its types without a label to every pair by itself.
        plain = {each: sorted(known.type for known in types.of(each) if not known.label) for each in sorted(both)}
        self.journal.remember(unlabelled=[(*direction, kinds) for direction, kinds in plain.items()])
        self.whole = False
        kinds = ResolvedKinds(self._resolved, self._rows_of_kind)
        rows = oriented(self._spool, kinds, self.reject, self._ids)
        self._specifications = group(
            rows, self._path, kinds, self.journal, by_record=by_record, reject=self.reject, check=self._check
        )
        self.whole = True
        return self._specifications

    def _ids(self, block: Records) -> Flags:
        """Replace own keys by record ids, reject rows with a missing record, and return which rows stay."""
        stay = np.ones(len(block), np.bool_)
        written = block.copy()
        for side, lost, why in self.keys.replace(block):
            field = {"from": "object_id", "to": "to_object_id"}[side]
            self.reject(written[lost], (Problem(*each, field) for each in why))
            stay &= ~lost
        return stay

    def _check(self) -> None:
        if self._stopping():
            raise RecordError(f"{self._path}: the grouping of rows was ended")

    # --- grouped

    def pairs_by_record(self, wanted: Sequence[tuple[int, bool]]) -> Iterator[tuple[int, int, int]]:
        """Yield record, other record and number of pairs, record by record; those of one record in the rows' order.

        `wanted` has numbers of specifications, and whether the record is the one at the pairs' to end.
        """
        with Spool(self._path, _OF_RECORD) as spool:
            for lot in self.journal.lots():
                for request, at_to in wanted:
                    pairs = np.flatnonzero(lot.requests == request)
                    found = np.empty(len(pairs), _OF_RECORD)
                    ends = (lot.to_ids, lot.from_ids) if at_to else (lot.from_ids, lot.to_ids)
                    found["record"], found["other"] = (ids[pairs] for ids in ends)
                    found["place"], found["part"] = lot.places[pairs], lot.parts[lot.starts[pairs]]
                    found["pair"] = lot.first_pair + pairs
                    spool.append(found)
            for part in spool.parts(("record",)):
                order = np.lexsort((part["part"], part["place"], part["record"]))
                for record, _, _, other, pair in part[order].tolist():
                    yield record, other, pair

    def reject_pairs(self, reason: str, messages: Mapping[int, str]) -> None:
        """Reject all rows of pairs, by number, each pair with its message; the others get new numbers."""
        numbers = np.array(sorted(messages), np.int64)
        for lot in self.journal.lots() if messages else ():
            of_lot = numbers[slice(*np.searchsorted(numbers, (lot.first_pair, lot.last_pair + 1)))]
            if len(of_lot):
                some = lot.take(of_lot - lot.first_pair)
                why = (Problem(reason, messages[pair]) for pair in np.repeat(of_lot, some.sizes).tolist())
                self.reject(_written(some), why)
        if messages:
            self.journal.drop_pairs(numbers)

    def keep_only(self, pairs: Sequence[int]) -> None:
        """Keep only these pairs, by number (from 1); the rows of all others no longer count."""
        self.journal.drop_pairs(np.setdiff1d(np.arange(1, self.journal.figures().pairs + 1), np.array(pairs, np.int64)))

    # --- closing

    def complete(self) -> None:
        """Complete the journal and close it; it keeps the name that it was made with."""
        self.journal.count_rows(self._rows_of_kind)
        self.journal.note_promoted({kind: each for kind, each in self._resolved.items() if each.single})
        self.journal.complete()

    def install(self, journal: Path) -> None:
        """Complete the journal and give it its name, whole and on disk."""
        self.complete()
        put_in_place(self._path, journal)


def _written(lot: PlannedLot) -> Records:
    """Return the rows of a lot as they are written."""
    found = np.empty(len(lot.rows), ROW)
    from_ids, to_ids = np.repeat(lot.from_ids, lot.sizes), np.repeat(lot.to_ids, lot.sizes)
    found["from"] = np.where(lot.backward, to_ids, from_ids)
    found["to"] = np.where(lot.backward, from_ids, to_ids)
    for name, column in (("input", lot.inputs), ("row", lot.rows), ("part", lot.parts), ("kind", lot.kinds)):
        found[name] = column
    return found
