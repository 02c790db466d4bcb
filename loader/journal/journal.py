"""A planned run: which pairs are still to be sent, and the outcomes of the others."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from msgspec.structs import replace

from loader.columns import Flags, Ids, Small, expanded
from loader.journal import outcomes
from loader.journal.bound import WITHIN_BOUND, bound, bound_place
from loader.journal.claims import Claims
from loader.journal.facts import from_rows, to_rows
from loader.journal.lots import LotRows, Lots
from loader.journal.planned import StoredPlan
from loader.journal.schema import connect, guarded
from loader.model import STATUSES, Demotion, Direction, Image, Lot, Outcome, Pairs, Singles, Types
from loader.reasons import Reason, explain

Place = tuple[int, int, int]
"""The place of a row: the number of its input, its spreadsheet row, and its part of that record."""

OUTCOMES = "SELECT sequence, first_pair, last_pair, result, unchanged FROM outcomes"


@dataclass(slots=True, kw_only=True)
class Counts:
    """How many rows there are: `total` are those with an outcome, the rejected and the pending ones together.

    `pairs` have one row or more each. `verb` is that of the run: `rows` has only its statuses.
    """

    total: int = 0
    rejected: int = 0
    pairs: int = 0
    by_status: Counter[str] = field(default_factory=Counter)
    verb: str = "load"

    @property
    def failed(self) -> int:
        """Rows that were sent and failed."""
        return self.by_status["failed"]

    @property
    def pending(self) -> int:
        """Rows that have no outcome yet."""
        return self.total - self.rejected - self.by_status.total()

    def add(self, outcome: Outcome) -> None:
        """Count the rows of an outcome."""
        if outcome.beside:
            return
        if outcome.status == "rejected":
            self.rejected += outcome.rows
        else:
            self.by_status[outcome.status] += outcome.rows
        self.by_status["unchanged"] += outcome.unchanged * len(outcome.pair_ids)

    def rows(self) -> dict[str, int]:
        """Return the counts of rows, as the summary shows them."""
        by_status = {status: self.by_status[status] for status in STATUSES[self.verb]}
        return {"total": self.total, **by_status, "rejected": self.rejected, "pending": self.pending}


class Journal:
    """An installed journal that this process has locked (see `Lock`); one thread at a time may use it."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._read_only = read_only

    def __enter__(self) -> Self:
        with guarded(self.path):
            self._database = connect(self.path, read_only=self._read_only)
        try:
            with guarded(self.path):
                self.facts = from_rows(self._database.execute("SELECT key, value FROM facts"))
                self._read_plan()
        except BaseException:
            self._database.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def _read_plan(self) -> None:
        """Read what is planned."""
        self._planned = StoredPlan(self._database)
        self.lots = Lots(self._database)
        end = self._database.execute("SELECT input, row FROM bound").fetchone()
        self.claims = Claims(self._database, self._planned, self.lots, bound_place(end))

    def query(self, statement: str, values: Sequence[object] | Mapping[str, object] = ()) -> Iterator[Sequence[Any]]:
        """Yield the rows of a SELECT."""
        with guarded(self.path):
            yield from self._database.execute(statement, values)

    def named(self, statement: str, values: Sequence[object] | Mapping[str, object] = ()) -> Iterator[dict[str, Any]]:
        """Yield the rows of a SELECT, each by the names of its columns."""
        with guarded(self.path):
            cursor = self._database.execute(statement, values)
            names = [name for name, *_ in cursor.description]
            for row in cursor:
                yield dict(zip(names, row, strict=True))

    def _table(self, statement: str) -> dict[str, int]:
        rows: Iterator[Any] = self.query(statement)
        return dict(rows)

    def _one(self, statement: str, values: Sequence[object] = ()) -> Sequence[Any]:
        return next(self.query(statement, values))

    # --- facts

    def remember(self, /, **changes: object) -> None:
        """Give some of the facts new values, all in one commit; see `Facts.changed`."""
        with self._commit(changes):
            pass

    def rewrite(self, table: str) -> None:
        """Make the next command that opens a table write it again from its beginning."""
        self.remember(**self._rewritten(table))

    def _rewritten(self, table: str) -> dict[str, Any]:
        tables = self.facts.tables
        return {"tables": {**tables, table: replace(tables[table], written=None)}} if table in tables else {}

    @contextmanager
    def _commit(self, changes: Mapping[str, object] | None = None) -> Iterator[None]:
        """Commit a block and changes of facts together, or neither."""
        given = changes or {}
        facts = self.facts.changed(given)
        new = {name: value for name, value in given.items() if name == "pace" or value != getattr(self.facts, name)}
        with guarded(self.path):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", to_rows(new))
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise
        self.facts = facts

    def inputs(self) -> list[dict[str, object]]:
        """Return `path, sha256, rows, without` of each input, as the summary shows them."""
        return [
            {"path": name, "sha256": sha256, "rows": records, "without": without}
            for name, sha256, records, without in self.query(
                "SELECT name, sha256, records, without FROM inputs ORDER BY id"
            )
        ]

    def headers(self) -> list[tuple[int, tuple[str, ...], tuple[str, ...]]]:
        """Return number, header and to object id columns of each input."""
        return [
            (number, tuple(json.loads(header)), tuple(json.loads(to_columns)))
            for number, header, to_columns in self.query("SELECT id, header, to_columns FROM inputs ORDER BY id")
        ]

    @property
    def verb(self) -> str:
        """What the commands of this run do: `load` or `remove`."""
        return str(self.facts.identity.get("verb", "load"))

    @property
    def unlabelled(self) -> Mapping[Direction, Types]:
        """By direction, the types that HubSpot adds to every pair by itself."""
        return {(first, second): frozenset(types) for first, second, types in self.facts.unlabelled}

    @property
    def singles(self) -> Singles:
        """The requested types of which a record can have only one, with the end of the pair where this record is."""
        return self._planned.singles

    def directions(self) -> list[Direction]:
        """Return the directions that requests are written in, each once."""
        return self._planned.directions

    # --- the way forward

    def limit(self, records: int | None) -> bool:
        """Set the limit: stop after the first `records` records of all inputs; None: at the end.

        Return True if the limit was higher before: rejected rows beyond the new limit count as pending again.
        """
        with guarded(self.path):
            before = tuple(self._one("SELECT input, row FROM bound"))
            end = bound(self._database, records)
            self._database.execute("UPDATE bound SET input = ?, row = ?", end)
        self.claims.end = bound_place(end)
        return end < before

    def last_active_at(self) -> str | None:
        """Return when a command last worked on the run: UTC, ISO 8601; None where the journal does not say."""
        (outcome,) = next(self.query("SELECT finished_at FROM results ORDER BY id DESC LIMIT 1"), (None,))
        moments = [outcome, self.facts.started_at, self.facts.finished_at]
        moments += [command.began_at for command in self.facts.commands[-1:]]
        if (undo := self.facts.undo) is not None:
            moments += [undo.started_at, undo.finished_at]
        return max(filter(None, moments), default=None)

    def has_work(self) -> bool:
        """Return True if a pair within the limit has no outcome yet; `claim` then begins at the first of them."""
        with guarded(self.path):
            for lot, found in self.claims.open_pairs():
                self.claims.after = lot.first_pair + int(found[0]) - 1
                return True
        return False

    def open_places(self) -> list[Place]:
        """Return the places of the rows within the limit that have no outcome yet."""
        found: list[Place] = []
        with guarded(self.path):
            for lot, pairs in self.claims.open_pairs():
                rows = expanded(lot.starts[pairs], lot.sizes[pairs])
                columns = (lot.inputs[rows], lot.rows[rows], lot.parts[rows])
                found += zip(*(column.tolist() for column in columns), strict=True)
        return found

    def claim(self, most: int) -> list[Pairs]:
        """Return the next pairs without an outcome, by direction, after committing the intent to send them.

        A pair is within the limit if one of its rows is: its other rows get the same outcome.
        """
        with guarded(self.path):
            found = self.claims.pairs(most)
        if found:
            self._intend()
        return found

    def _intend(self) -> None:
        self.remember(claimed=max(self.claims.after, self.facts.claimed))

    def next_lot(self, *, in_row_order: bool = False) -> Lot | None:
        """Return the next pairs that are looked up together, None when there are none left.

        They are in the order of their records, or, `in_row_order`, in that of their rows.
        """
        with guarded(self.path):
            return self.claims.lot(in_row_order=in_row_order)

    def claim_lot(self, *, in_row_order: bool = False) -> Lot | None:
        """Return the next lot (see `next_lot`), after committing the intent to send its pairs."""
        if (lot := self.next_lot(in_row_order=in_row_order)) is not None:
            self._intend()
        return lot

    def keep(self, images: Sequence[Image], demoted: Sequence[Demotion] = ()) -> dict[int, int]:
        """Commit before-images that are not known yet, and which other pairs lose a type, before pairs are sent.

        Return by pair how many of its rows are unchanged, if any is. Must be called before a pair's request leaves, so
        that after a crash it is known what was there before.
        """
        with self._commit():
            return outcomes.keep(self._database, self._planned, self.lots, images, demoted)

    def record(self, found: Iterable[Outcome], changes: Mapping[str, object]) -> None:
        """Commit outcomes together with changes of facts."""
        with self._commit(changes):
            outcomes.record(self._database, found)

    def failed_in_passing(self) -> bool:
        """Return True if a pair failed for a reason after which it may help to send it again."""
        with guarded(self.path):
            return outcomes.has(self._database, outcomes.PASSING)

    def forget_failed(self, *, all_of_them: bool) -> int:
        """Delete the outcomes of failed pairs, so that they are sent again; return how many there were.

        Without `all_of_them`, only of pairs that failed for a reason after which it may help to send them again. The
        same commit marks the results file to be written again, because the numbers of its lines are reused.
        """
        with self._commit({**self._rewritten("results"), "removals_done": False}):
            forgotten = outcomes.forget(self._database, outcomes.FAILED if all_of_them else outcomes.PASSING)
            self.claims.begin_again()
        return forgotten

    def forget_all_but(self, status: str) -> None:
        """Delete every outcome that has not this status, as `forget_failed` does."""
        with self._commit(self._rewritten("results")):
            outcomes.forget(self._database, "status <> ?", status)
            self.claims.begin_again()

    def claim_again(self, *, no_waiting: bool = False) -> None:
        """Let claims begin with the first pair without an outcome again; `no_waiting`: no pair waits for another."""
        with guarded(self.path):
            self.claims.begin_again()
        self.claims.no_waiting = no_waiting

    def rename_outputs(self, names: Mapping[str, str]) -> None:
        """Write down the new names of output files that were renamed."""
        tables = self.facts.tables.items()
        self.remember(
            outputs={kind: names.get(name, name) for kind, name in self.facts.outputs.items()},
            tables={kind: replace(table, name=names.get(table.name, table.name)) for kind, table in tables},
        )

    # --- the view back

    def outcomes(
        self, after: int, pairs: int, *, failed: bool = False
    ) -> Iterator[list[tuple[int, int, int, int, int]]]:
        """Yield the outcomes after a number, at least `pairs` pairs at once; or only the `failed` ones.

        Each with its number, the first and the last of its pairs, its result's number, and how many rows of each pair
        are unchanged.
        """
        unsuccessful = "status IN ('failed', 'rejected') AND NOT beside"
        which = f" AND result IN (SELECT id FROM results WHERE {unsuccessful})" if failed else ""
        some: list[tuple[int, int, int, int, int]] = []
        size = 0
        for number, first, last, result, unchanged in self.query(
            f"{OUTCOMES} WHERE sequence > ?{which} ORDER BY sequence",
            (after,),
        ):
            some.append((number, first, last, result, unchanged))
            size += last - first + 1
            if size >= pairs:
                yield some
                some, size = [], 0
        if some:
            yield some

    def unchanged_rows(self, pairs: Ids, rows: LotRows) -> Flags:
        """Return which rows of pairs, by number, are unchanged: their own type was there before the pair was sent."""
        with guarded(self.path):
            return outcomes.unchanged_rows(self._database, self._planned, pairs, rows)

    def own_among(self, types: Types, kinds: Small, backward: Flags) -> Flags:
        """Return which rows have their own type, seen from the own end of their pair, among some types."""
        return self._planned.own_among(types, kinds, backward)

    def counts(self) -> Counts:
        """Return the number of rows by status."""
        rows = self.lots.rows
        if not self.facts.planned:
            # A run may end after rows were rejected for a reason from the portal, and before its plan is complete.
            (rows,) = self._one("SELECT coalesce(sum(rows), 0) FROM kinds")
        (rejects,) = self._one("SELECT count(*) FROM rejects")
        (rejected,) = self._one(f"SELECT count(*) FROM rejects WHERE {WITHIN_BOUND}")
        by_status = Counter(self._table("SELECT status, sum(rows) FROM results WHERE NOT beside GROUP BY status"))
        (so_before,) = self._one(
            "SELECT coalesce(sum(unchanged * (last_pair - first_pair + 1)), 0) FROM outcomes WHERE last_pair <= ?",
            (self.lots.pairs,),
        )
        by_status["unchanged"] += so_before
        rejected += by_status.pop("rejected", 0)
        return Counts(
            total=rows + rejects, rejected=rejected, pairs=self.lots.pairs, by_status=by_status, verb=self.verb
        )

    @property
    def is_mirror(self) -> bool:
        """True for a load with `--existing mirror`."""
        return bool(self.facts.identity.get("existing") == "mirror")

    def is_to_remove(self) -> bool:
        """Return True for a mirror that has not yet taken off everything that it should."""
        return self.is_mirror and not self.facts.removals_done

    def removals(self) -> dict[str, int]:
        """Return how many associations a mirror took off and failed to, and how many records are exempt."""
        counted = self._table("SELECT status, sum(rows) FROM results WHERE beside GROUP BY status")
        (exempt,) = self._one(
            "SELECT count(*) FROM (SELECT DISTINCT object_type, record FROM exempt"
            " WHERE why NOT IN ('perhaps', 'other end'))"
        )
        return {
            "removed": counted.get("removed", 0),
            "failed": counted.get("failed", 0),
            "exempt_records": exempt,
        }

    def found_gone(self) -> int:
        """Return how many associations a mirror was to take off and found gone."""
        (found,) = self._one("SELECT coalesce(sum(rows), 0) FROM results WHERE beside AND status = 'unchanged'")
        return int(found)

    def is_finished(self) -> bool:
        """Return True if no row is pending, without counting the outcomes."""
        waiting_for = self.lots.pairs
        if not self.facts.planned:
            (waiting_for,) = self._one("SELECT coalesce(sum(rows), 0) FROM kinds")
        if self.is_to_remove():
            return False
        (done,) = self._one(
            "SELECT coalesce(sum(last_pair - first_pair + 1), 0) FROM outcomes WHERE last_pair <= ?", (self.lots.pairs,)
        )
        (beyond,) = self._one(f"SELECT EXISTS (SELECT 1 FROM rejects WHERE NOT {WITHIN_BOUND})")
        return bool(waiting_for == done) and not beyond

    def reasons(self) -> dict[str, int]:
        """Return how many rows failed or were rejected, by reason, the most frequent first."""
        return self._table(
            "SELECT reason, sum(size) AS total FROM ("
            f" SELECT reason, count(*) AS size FROM rejects WHERE {WITHIN_BOUND}"
            " GROUP BY reason UNION ALL"
            " SELECT error_category, sum(rows) FROM results"
            " WHERE status IN ('failed', 'rejected') GROUP BY error_category"
            ") GROUP BY reason ORDER BY total DESC, reason"
        )

    def explained(self) -> list[tuple[str, Reason, int]]:
        """Return how many rows failed or were rejected, by code and what it means for them, the most frequent first."""
        counts: Counter[tuple[str, Reason]] = Counter()
        for code, status, message, rows in self.query(
            "SELECT error_category, http_status, error_message, rows FROM results"
            " WHERE status IN ('failed', 'rejected') UNION ALL SELECT reason, NULL, '', count(*) FROM rejects"
            f" WHERE {WITHIN_BOUND} GROUP BY reason"
        ):
            counts[code, explain(code, status, message)] += rows
        found = [(code, reason, rows) for (code, reason), rows in counts.items()]
        return sorted(found, key=lambda each: (-each[2], each[0]))
