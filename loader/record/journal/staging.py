"""The making of a journal: rows are appended as they are read, settled, and grouped into pairs, all in a scratch file.

Nothing is visible under the journal's own name until `install`; a run that is refused leaves no trace.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from loader.model import Asked, Chunk, End, Link, Reject, Settled, Specification, Unsettled
from loader.record.files import sync_folder, writing
from loader.record.journal.own_keys import OwnKeys
from loader.record.journal.schema import create, guarded, packed, scratch, storable

_GROUP = """
INSERT INTO pairs (object_id, to_object_id, forward, backward, first_row, all_rows, size)
SELECT a, b,
    group_concat(DISTINCT CASE WHEN swapped THEN NULL ELSE kind END),
    group_concat(DISTINCT CASE WHEN swapped THEN kind END),
    min(id) AS first_row,
    CASE WHEN count(*) > 1 THEN group_concat(id) END,
    count(*)
FROM (
    SELECT rows.id AS id, rows.kind AS kind, kinds.family AS family, swapped,
        CASE WHEN swapped THEN to_object_id ELSE object_id END AS a,
        CASE WHEN swapped THEN object_id ELSE to_object_id END AS b
    FROM rows JOIN kinds ON kinds.id = rows.kind WHERE family IS NOT NULL AND from_type <> to_type
    UNION ALL
    SELECT rows.id, rows.kind, kinds.family, object_id > to_object_id,
        min(object_id, to_object_id), max(object_id, to_object_id)
    FROM rows JOIN kinds ON kinds.id = rows.kind WHERE family IS NOT NULL AND from_type = to_type
)
GROUP BY family, a, b
ORDER BY first_row
"""


# A record can have one primary record only. Whose it is, is known for each kind (see `model.End`).
_CONTRADICTING = """
CREATE TEMP TABLE contradicting AS
SELECT one_type, other_type, record, min(other) AS first, max(other) AS last FROM (
    SELECT from_type AS one_type, to_type AS other_type, object_id AS record, to_object_id AS other
    FROM rows JOIN kinds ON kinds.id = rows.kind WHERE single = 'from'
    UNION ALL
    SELECT to_type, from_type, to_object_id, object_id
    FROM rows JOIN kinds ON kinds.id = rows.kind WHERE single = 'to'
)
GROUP BY one_type, other_type, record HAVING min(other) <> max(other)
"""

_CONTRADICTING_ROWS = """
CREATE TEMP TABLE contradicting_rows AS
SELECT rows.id AS id, 'record ' || record || ' would have two primary ' || CASE other_type WHEN '0-2' THEN 'companies'
    ELSE 'records' END || ', ' || first || ' and ' || last || ', and can have only one: take the label off the others'
    AS message
FROM rows JOIN kinds ON kinds.id = rows.kind JOIN contradicting ON (one_type, other_type, record) = (
    CASE single WHEN 'from' THEN from_type ELSE to_type END,
    CASE single WHEN 'from' THEN to_type ELSE from_type END,
    CASE single WHEN 'from' THEN object_id ELSE to_object_id END
)
WHERE single <> ''
"""

_REJECT = """
INSERT INTO staged_rejects (input, row, part, object_id, to_object_id, kind, reason, message)
SELECT input, row, part, object_id, to_object_id, kind,
"""


_ENDS = """
SELECT rows.id, kind, CASE WHEN from_type <> to_type THEN swapped ELSE object_id > to_object_id END
FROM rows JOIN kinds ON kinds.id = rows.kind
"""


class Mixture(NamedTuple):
    """The kinds of the rows of a pair, as the journal writes them: from the main end, from the rarer end."""

    forward: str | None
    backward: str | None

    @property
    def kinds(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Both as numbers, in order."""
        return _numbers(self.forward), _numbers(self.backward)


def _numbers(text: str | None) -> tuple[int, ...]:
    return tuple(sorted(map(int, text.split(",")))) if text else ()


class Figures(NamedTuple):
    """`rows` are result lines, `rejected` those of them that are never sent; `without` cells that ask for nothing.

    `records` are those of each input, in order.
    """

    rows: int
    pairs: int
    rejected: int
    reasons: dict[str, int]
    without: int
    records: tuple[int, ...]


class Staging:
    """A journal under construction in `path`, which must not exist yet.

    `stopping` is asked now and then while rows are grouped, and ends that with RecordError when True.
    """

    def __init__(self, path: Path, *, stopping: Callable[[], bool] = lambda: False) -> None:
        self._path = path
        self._stopping = stopping
        self._kinds: dict[Asked, int] = {}
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
    ) -> None:
        """Announce the input that the next chunks belong to, and of which properties its ids are values, if any."""
        self._input += 1
        self._records = self._without = 0
        self._execute(
            "INSERT INTO inputs VALUES (?, ?, ?, ?, ?, 0, 0)",
            (self._input, storable(name), sha256, json.dumps(list(header)), json.dumps(list(to_columns))),
        )
        self.keys.begin_input(self._input, id_properties)

    def append(self, chunk: Chunk) -> None:
        """Take over a chunk of the current input."""
        with guarded(self._path):
            if chunk.rows:
                self._database.execute(
                    "INSERT INTO records (input, before, first_row, last_row, body) VALUES (?, ?, ?, ?, ?)",
                    (self._input, self._records, chunk.rows[0], chunk.rows[-1], packed(chunk.rows, chunk.cells)),
                )
            self._database.executemany(
                "INSERT INTO rows (input, row, part, object_id, to_object_id, kind) VALUES (?, ?, ?, ?, ?, ?)",
                map(self._row, self.keys.numbered(chunk.links)),
            )
            self._database.executemany(
                "INSERT INTO staged_rejects (input, row, part, object_id, to_object_id, kind, reason, message)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                map(self._reject, chunk.rejects),
            )
        self._records += len(chunk.rows)
        self._without += chunk.without
        self._rejects += len(chunk.rejects)

    def _row(self, link: Link) -> tuple[int, int, int, str, str, int]:
        kind = self._kinds.get(link.asked) or self._new_kind(link.asked)
        self._rows_of_kind[kind] += 1
        return self._input, link.row, link.part, link.object_id, link.to_object_id, kind

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

    def rows_of_kind(self) -> Mapping[int, int]:
        """Return how many sound rows ask for each kind."""
        return self._rows_of_kind

    def settle(self, settled: Mapping[int, Settled], ends: Mapping[int, End]) -> None:
        """Write down what each kind is sent as."""
        with guarded(self._path):
            for kind, verdict in settled.items():
                self._database.execute(
                    "UPDATE kinds SET from_type = ?, to_type = ?, category = ?, type_id = ?, settled_label = ?,"
                    " inverse_category = ?, inverse_type_id = ?, family = ?, swapped = ?, single = ? WHERE id = ?",
                    (
                        *verdict.direction,
                        *verdict.type,
                        verdict.label,
                        *(verdict.inverse or (None, None)),
                        *ends[kind],
                        kind,
                    ),
                )

    def reject_kind(self, kind: int, why: Unsettled) -> None:
        """Reject every row of a kind that cannot be sent."""
        self._execute(f"{_REJECT} ?, ? FROM said WHERE kind = ? ORDER BY id", (why.reason, why.message, kind))

    # --- grouping

    def group(self) -> list[Mixture]:
        """Make one pair of all rows that name the same two records; return the mixtures of kinds that occur.

        Rows that would give one record two primary records are rejected first: all of them, as no row tells which one
        is meant.
        """
        with guarded(self._path), self._interruptible():
            self.keys.replace()
            (primary,) = self._database.execute("SELECT EXISTS (SELECT 1 FROM kinds WHERE single <> '')").fetchone()
            if primary:
                self._reject_contradicting()
            self._database.execute(_GROUP)
            found = self._database.execute("SELECT DISTINCT forward, backward FROM pairs").fetchall()
        return [Mixture(*texts) for texts in found]

    def _reject_contradicting(self) -> None:
        execute = self._database.execute
        execute(_CONTRADICTING)
        execute(_CONTRADICTING_ROWS)
        execute(
            f"{_REJECT} 'CONFLICTING_PRIMARY', message FROM rows JOIN contradicting_rows USING (id) ORDER BY rows.id"
        )
        execute("DELETE FROM rows WHERE id IN (SELECT id FROM contradicting_rows)")

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

    def specify(self, mixture: Mixture, specification: Specification) -> None:
        """Write down what the pairs of one mixture are sent as, and reject the rows that cannot go along."""
        self._execute(
            "INSERT INTO specifications VALUES (?, ?, ?, ?, ?, ?)",
            (*mixture, *specification[:2], json.dumps(specification.types), specification.flipped),
        )
        if specification.refused:
            self._refuse(mixture, specification.refused)

    def _refuse(self, mixture: Mixture, refused: Sequence[int]) -> None:
        message = (
            "other rows link the same two records from the other end, and what this row's association type is called "
            "there is not known: write this row from the other end, too"
        )
        with guarded(self._path):
            pairs = self._database.execute(
                "SELECT id, all_rows FROM pairs WHERE forward IS ? AND backward IS ?", mixture
            ).fetchall()
            for pair, all_rows in pairs:
                rows = self._database.execute(f"{_ENDS} WHERE rows.id IN ({all_rows}) ORDER BY rows.id").fetchall()
                # Within one object type, rows of one kind may be written from both ends.
                leave = {row for row, kind, swapped in rows if swapped and kind in refused}
                stay = [row for row, _, _ in rows if row not in leave]
                for row in sorted(leave):
                    self._reject_row(row, "UNKNOWN_INVERSE_TYPE", message)
                self._database.execute(
                    "UPDATE pairs SET first_row = ?, all_rows = ?, size = ? WHERE id = ?",
                    (stay[0], ",".join(map(str, stay)) if len(stay) > 1 else None, len(stay), pair),
                )

    def _reject_row(self, row: int, reason: str, message: str) -> None:
        self._database.execute(f"{_REJECT} ?, ? FROM rows WHERE id = ?", (reason, message, row))

    def keep_only(self, pairs: Sequence[int]) -> None:
        """Leave out every pair but these, by number (from 1); their rows count no more."""
        with guarded(self._path):
            self._database.execute("CREATE TEMP TABLE kept (id INTEGER PRIMARY KEY)")
            self._database.executemany("INSERT INTO kept VALUES (?)", [(pair,) for pair in pairs])
            self._database.execute("DELETE FROM pairs WHERE id NOT IN (SELECT id FROM kept)")

    # --- closing

    def figures(self) -> Figures:
        """Return what was read and grouped, in figures."""
        with guarded(self._path):
            execute = self._database.execute
            rows, pairs = execute("SELECT coalesce(sum(size), 0), count(*) FROM pairs").fetchone()
            inputs = execute("SELECT records, without FROM inputs ORDER BY id").fetchall()
            reasons = dict(
                execute("SELECT reason, count(*) FROM staged_rejects GROUP BY 1 ORDER BY 2 DESC, 1").fetchall()
            )
        rejected = sum(reasons.values())
        without = sum(blank for _, blank in inputs)
        return Figures(rows + rejected, pairs, rejected, reasons, without, tuple(records for records, _ in inputs))

    def remember(self, facts: Mapping[str, object]) -> None:
        """Write facts down; each value is anything that JSON can hold."""
        with guarded(self._path):
            self._database.executemany(
                "INSERT OR REPLACE INTO facts VALUES (?, ?)", [(key, json.dumps(value)) for key, value in facts.items()]
            )

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
