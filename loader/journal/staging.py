"""The making of a journal: rows are appended as they are read, settled, and grouped into pairs, all in a scratch file.

Nothing is visible under the journal's own name until `install`; a run that is refused leaves no trace.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import chain, islice, repeat
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from loader.files import sync_folder, writing
from loader.journal import grouping
from loader.journal.bound import bound
from loader.journal.facts import Facts, to_rows
from loader.journal.grouping import OF_ROW, REJECT, Mixture
from loader.journal.own_keys import OwnKeys
from loader.journal.schema import create, guarded, packed, scratch, storable
from loader.model import (
    Asked,
    AssociationType,
    Chunk,
    Direction,
    End,
    Reject,
    Rows,
    Settled,
    Specification,
    Unsettled,
)

ROWS_AT_ONCE = 100


class Figures(NamedTuple):
    """`rows` are result lines, `rejected` those of them that are never sent; `without` cells that ask for nothing.

    `records` are those of each input, in order; `looked_up` how many records are read before anything is sent, of many
    rows an estimate.
    """

    rows: int
    pairs: int
    rejected: int
    reasons: dict[str, int]
    without: int
    records: tuple[int, ...]
    looked_up: int


class Staging:
    """A journal under construction in `path`, which must not exist yet.

    `stopping` is asked now and then while rows are grouped, and ends that with RecordError when True.
    """

    def __init__(self, path: Path, *, stopping: Callable[[], bool] = lambda: False) -> None:
        self._path = path
        self._stopping = stopping
        self._kinds: dict[Asked, int] = {}
        self._label_columns: dict[str, str] = {}
        self._rows_of_kind: Counter[int] = Counter()
        self._input = 0
        self._records = 0
        self._without = 0
        self._rejects = 0

    def __enter__(self) -> Self:
        with writing(self._path):
            self._path.unlink(missing_ok=True)
            create(self._path)
        with guarded(self._path):
            self._database = scratch(self._path)
            self.keys = OwnKeys(self._path, self._database)
            self._database.execute("BEGIN")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()
        with suppress(OSError):  # What stays is removed by the next run; it must not hide what went wrong here.
            self._path.unlink()

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
    ) -> None:
        """Announce the input that the next chunks belong to.

        `to_columns` and `label_column` are the headers whose cells may be lists; `id_properties` the properties that
        its ids are values of, if any.
        """
        self._input += 1
        self._records = self._without = 0
        self._execute(
            "INSERT INTO inputs VALUES (?, ?, ?, ?, ?, 0, 0)",
            (self._input, storable(name), sha256, json.dumps(list(header)), json.dumps(list(to_columns))),
        )
        self.keys.begin_input(self._input, id_properties)
        self._label_columns[str(self._input)] = label_column
        self.remember(label_columns=self._label_columns)

    def append(self, chunk: Chunk) -> None:
        """Take over a chunk of the current input."""
        with guarded(self._path):
            if chunk.rows:
                self._database.execute(
                    "INSERT INTO records (input, before, first_row, last_row, body) VALUES (?, ?, ?, ?, ?)",
                    (self._input, self._records, chunk.rows[0], chunk.rows[-1], packed(chunk.rows, chunk.cells)),
                )
            self._insert(self._numbered(chunk.links))
            self._database.executemany(
                "INSERT INTO staged_rejects (input, row, part, object_id, to_object_id, kind, reason, message)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                map(self._reject, chunk.rejects),
            )
        self._records += len(chunk.rows)
        self._without += chunk.without
        self._rejects += len(chunk.rejects)

    def _insert(self, rows: Iterator[tuple[int, ...]]) -> None:
        """Write rows down, many by one statement: one by one, that takes twice as long."""
        while some := list(islice(rows, ROWS_AT_ONCE)):
            values = ", ".join(["(?, ?, ?, ?, ?, ?)"] * len(some))
            self._database.execute(
                f"INSERT INTO rows (input, row, part, object_id, to_object_id, kind) VALUES {values}",  # noqa: S608 - ours
                list(chain.from_iterable(some)),
            )

    def _numbered(self, links: Rows) -> Iterator[tuple[int, ...]]:
        numbers = [self._kinds.get(each) or self._new_kind(each) for each in links.asked]
        kinds = [numbers[place] for place in links.kinds.tolist()]
        self._rows_of_kind.update(kinds)
        object_ids, to_object_ids = self.keys.numbered(links)
        rows, parts = links.rows.tolist(), links.parts.tolist()
        return zip(repeat(self._input), rows, parts, object_ids, to_object_ids, kinds, strict=False)

    def _reject(self, reject: Reject) -> tuple[int, int, int, str, str, int, str, str]:
        kind = self._kinds.get(reject.asked) or self._new_kind(reject.asked)
        row, part, object_id, to_object_id, _, reason, message = reject
        return self._input, row, part, storable(object_id), storable(to_object_id), kind, reason, storable(message)

    def _new_kind(self, asked: Asked) -> int:
        self._kinds[asked] = kind = len(self._kinds) + 1
        self._database.execute(
            "INSERT INTO kinds (id, object_type, to_object_type, association_category, association_type_id, label,"
            " is_primary, to_column) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (kind, *(storable(text) for text in asked[:5]), asked.primary, storable(asked.to_column)),
        )
        return kind

    def end_input(self) -> None:
        """Close the current input."""
        self._execute(
            "UPDATE inputs SET records = ?, without = ? WHERE id = ?", (self._records, self._without, self._input)
        )

    # --- settling

    def kinds(self) -> dict[int, Asked]:
        """Return what the sound rows ask for, by number."""
        return {kind: asked for asked, kind in self._kinds.items() if self._rows_of_kind[kind]}

    def all_kinds(self) -> dict[int, Asked]:
        """Return what all rows ask for, the rejected ones too, by number."""
        return {kind: asked for asked, kind in self._kinds.items()}

    def name_types(self, kind: int, from_type: str | None, to_type: str | None) -> None:
        """Write down the object types of a kind by their ids where they are known, whether it is sent or not."""
        self._execute("UPDATE kinds SET from_type = ?, to_type = ? WHERE id = ?", (from_type, to_type, kind))

    def rows_of_kind(self, limit: int | None = None) -> Mapping[int, int]:
        """Return how many sound rows ask for each kind; with a limit, of its records, before rows are grouped."""
        if limit is None:
            return self._rows_of_kind
        with guarded(self._path):
            counts = self._database.execute(
                "SELECT kind, count(*) FROM rows WHERE (input, row) <= (?, ?) GROUP BY kind",
                bound(self._database, limit),
            )
            return Counter(dict(counts.fetchall()))

    def settle(self, settled: Mapping[int, Settled], ends: Mapping[int, End]) -> None:
        """Write down what each kind is sent as."""
        with guarded(self._path):
            grouping.settle(self._database, settled, ends)

    def note_inverses(self, direction: Direction, inverses: Mapping[AssociationType, AssociationType]) -> None:
        """Write down what the types of a direction are called from the other end, where that is known."""
        with guarded(self._path):
            grouping.note_inverses(self._database, direction, inverses)

    def reject_kinds(self, why: Mapping[int, Unsettled]) -> None:
        """Reject every row of the kinds that cannot be sent."""
        with guarded(self._path):
            self._database.execute("CREATE TEMP TABLE unsettled (kind INTEGER PRIMARY KEY, reason TEXT, message TEXT)")
            self._database.executemany(
                "INSERT INTO unsettled VALUES (?, ?, ?)",
                [(kind, each.reason, storable(each.message)) for kind, each in why.items()],
            )
            self._database.execute(
                f"{REJECT} reason, {OF_ROW} || message FROM said JOIN unsettled USING (kind) ORDER BY id"
            )
            self._database.execute("DROP TABLE unsettled")

    # --- grouping

    def group(self, *, by_record: bool = False) -> list[Mixture]:
        """Make one pair of all rows that name the same two records; return the mixtures of kinds that occur.

        Pairs are sent in the order in which the rows first name them, or, `by_record`, so that those of one record lie
        together, at the end that has fewer records.
        """
        with guarded(self._path), self._interruptible():
            self.keys.replace()
            return grouping.group(self._database, by_record=by_record)

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        self._database.set_progress_handler(self._stopping, 100_000)
        try:
            yield
        finally:
            self._database.set_progress_handler(None, 0)

    @property
    def whole(self) -> bool:
        """False once a statement was ended in its middle: SQLite then drops everything that was read."""
        return self._database.in_transaction

    def note_unlabelled(self, unlabelled: Mapping[Direction, Iterable[AssociationType]]) -> None:
        """Remember the types that HubSpot adds to every pair by itself."""
        self.remember(unlabelled=[(*direction, sorted(types)) for direction, types in unlabelled.items()])

    def specify(self, mixture: Mixture, specification: Specification) -> None:
        """Write down what the pairs of one mixture are sent as, and reject the rows that cannot go along."""
        with guarded(self._path):
            grouping.specify(self._database, mixture, specification)

    def pairs_by_record(self, wanted: Sequence[tuple[str, bool]]) -> Iterator[tuple[str, str, int]]:
        """Yield record, other record and number of pairs of certain kinds, record by record (see `grouping`)."""
        with guarded(self._path):
            yield from grouping.pairs_by_record(self._database, wanted)

    def reject_pairs(self, reason: str, messages: Mapping[int, str]) -> None:
        """Reject all rows of pairs, by number, each pair with its message."""
        with guarded(self._path):
            grouping.reject_pairs(self._database, reason, messages)

    def keep_only(self, pairs: Sequence[int]) -> None:
        """Leave out every pair but these, by number (from 1); their rows count no more."""
        with guarded(self._path):
            self._database.execute("CREATE TEMP TABLE kept (id INTEGER PRIMARY KEY)")
            self._database.executemany("INSERT INTO kept VALUES (?)", [(pair,) for pair in pairs])
            self._database.execute("DELETE FROM pairs WHERE id NOT IN (SELECT id FROM kept)")

    # --- closing

    def figures(self, limit: int | None = None) -> Figures:
        """Return what was read and grouped, in figures; with a limit, what of that its records come to."""
        with guarded(self._path):
            execute = self._database.execute
            end = bound(self._database, limit)
            rows, pairs = execute(
                "SELECT coalesce(sum(size), 0), count(*) FROM pairs WHERE (input, row) <= (?, ?)", end
            ).fetchone()
            (looked_up,) = execute("SELECT coalesce(sum(records), 0) FROM families").fetchone()
            inputs = execute("SELECT records, without FROM inputs ORDER BY id").fetchall()
            reasons = dict(
                execute(
                    "SELECT reason, count(*) FROM staged_rejects WHERE (input, row) <= (?, ?)"
                    " GROUP BY 1 ORDER BY 2 DESC, 1",
                    end,
                ).fetchall()
            )
        rejected = sum(reasons.values())
        without = sum(blank for _, blank in inputs)
        records = tuple(each for each, _ in inputs)
        looked_up = looked_up if limit is None else min(looked_up, pairs)
        return Figures(rows + rejected, pairs, rejected, reasons, without, records, looked_up)

    def remember(self, /, **changes: object) -> None:
        """Give some of the journal's facts their values; see `Facts.changed`."""
        Facts().changed(changes)
        with guarded(self._path):
            self._database.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", to_rows(changes))

    def install(self, journal: Path) -> None:
        """Give the finished journal its name, whole and on disk."""
        # Numbered in the order of the inputs, so that a results file knows by one number how far it is.
        self._execute(
            "INSERT INTO rejects SELECT NULL, input, row, part, object_id, to_object_id, kind, reason, message"
            " FROM staged_rejects ORDER BY input, row, part",
            (),
        )
        self._execute("COMMIT", ())
        self._database.close()
        with writing(journal):
            with self._path.open("rb") as file:
                os.fsync(file.fileno())
            for left in ("-wal", "-shm"):
                # A log that another journal of this name left behind would be played into this one.
                journal.with_name(journal.name + left).unlink(missing_ok=True)
            self._path.rename(journal)
            sync_folder(journal.parent)

    def _execute(self, statement: str, values: Sequence[object]) -> None:
        with guarded(self._path):
            self._database.execute(statement, tuple(values))
