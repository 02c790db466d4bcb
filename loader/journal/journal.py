"""A planned run: which pairs are still to be sent, and what became of the others."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from loader.journal import lots, settling
from loader.journal.bound import bound
from loader.journal.facts import from_rows, to_rows
from loader.journal.lots import Plan
from loader.journal.recent import Recent
from loader.journal.schema import IS_SETTLED, connect, guarded
from loader.model import Demotion, Direction, Image, Lot, Outcome, Pairs, Singles, Types
from loader.reasons import Reason, explain


@dataclass(slots=True)
class Counts:
    """How many rows stand where; `total` is the sum of the others. `pairs` are requests, however many rows each has."""

    total: int = 0
    created: int = 0
    replaced: int = 0
    unchanged: int = 0
    failed: int = 0
    rejected: int = 0
    pairs: int = 0

    @property
    def pending(self) -> int:
        """Rows that are not settled yet."""
        return self.total - self.created - self.replaced - self.unchanged - self.failed - self.rejected

    def add(self, outcome: Outcome) -> None:
        """Count the rows of an outcome."""
        self.unchanged += outcome.unchanged * len(outcome.pair_ids)
        if outcome.status == "created":
            self.created += outcome.rows
        elif outcome.status == "replaced":
            self.replaced += outcome.rows
        elif outcome.status == "unchanged":
            self.unchanged += outcome.rows
        else:
            self.failed += outcome.rows

    def rows(self) -> dict[str, int]:
        """Return the counts of rows, as the summary shows them."""
        names = ("total", "created", "replaced", "unchanged", "failed", "rejected", "pending")
        return {name: getattr(self, name) for name in names}


class Journal:
    """An installed journal that this process holds (see `Lock`); one thread at a time may use it."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self.recent = Recent()
        self._read_only = read_only
        self._insisting = False

    def __enter__(self) -> Self:
        with guarded(self.path):
            self._database = connect(self.path, read_only=self._read_only)
        try:
            self._load()
        except BaseException:
            self._database.close()
            raise
        return self

    def _load(self) -> None:
        with guarded(self.path):
            self.facts = from_rows(self._database.execute("SELECT key, value FROM facts"))
            self._plan = Plan(self._database)
        self._from_the_start()
        self._last_row = self._last_within_bound()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def query(self, statement: str, values: Sequence[object] | Mapping[str, object] = ()) -> Iterator[Sequence[Any]]:
        """Yield the rows of a SELECT."""
        with guarded(self.path):
            yield from self._database.execute(statement, values)

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
        """Have a table written anew by whoever opens it next."""
        self.remember(**self._rewritten(table))

    def _rewritten(self, table: str) -> dict[str, Any]:
        tables = self.facts.tables
        return {"tables": {**tables, table: replace(tables[table], written=None)}} if table in tables else {}

    @contextmanager
    def _commit(self, changes: Mapping[str, object] | None = None) -> Iterator[None]:
        """Make one commit of a block and of changes of facts, or nothing of both."""
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
    def unlabelled(self) -> Mapping[Direction, Types]:
        """The types of each direction that HubSpot adds to every pair by itself."""
        return {(first, second): frozenset(types) for first, second, types in self.facts.unlabelled}

    @property
    def singles(self) -> Singles:
        """The types asked for of which a record can have only one, with the end that this record stands at."""
        return self._plan.singles

    def directions(self) -> list[Direction]:
        """Return the directions that requests are written in, each once."""
        return list(dict.fromkeys(each.direction for each in self._plan.specifications.values()))

    # --- the way forward

    def limit(self, records: int | None) -> bool:
        """Go no further than the first so many records of all inputs; None: to the end.

        Return True when the end was further before: rejected rows beyond the new one count as pending again.
        """
        with guarded(self.path):
            before = tuple(self._one("SELECT input, row FROM bound"))
            end = bound(self._database, records)
            self._database.execute("UPDATE bound SET input = ?, row = ?", end)
        self._last_row = self._last_within_bound()
        return end < before

    def last_active_at(self) -> str | None:
        """Return when a command last worked on the run: UTC, ISO 8601; None where the journal does not say."""
        (outcome,) = next(self.query("SELECT finished_at FROM results ORDER BY id DESC LIMIT 1"), (None,))
        moments = [outcome, self.facts.started_at, self.facts.finished_at]
        moments += [command.began_at for command in self.facts.commands[-1:]]
        if (undo := self.facts.undo) is not None:
            moments += [undo.started_at, undo.finished_at]
        return max(filter(None, moments), default=None)

    def _last_within_bound(self) -> int:
        # Rows are numbered in the order of the inputs, so the last one that counts is found from the end.
        last = list(
            self.query(
                "SELECT id FROM rows WHERE (input, row) <= (SELECT input, row FROM bound) ORDER BY id DESC LIMIT 1"
            )
        )
        return int(last[0][0]) if last else 0

    def _from_the_start(self) -> None:
        """Let claims begin with the first pair; behind the last settled one they need not look whether one is."""
        self._claimed = 0
        (self._settled_to,) = self._one("SELECT coalesce(max(last_pair), 0) FROM settled")

    def has_work(self) -> bool:
        """Return True when a pair within the bound has no outcome yet; `claim` then begins at the first of them."""
        first = next(
            self.query(
                f"SELECT id FROM pairs WHERE id > ? AND first_row <= ? AND NOT {IS_SETTLED}"  # noqa: S608 - our own text
                " ORDER BY id LIMIT 1",
                (self._claimed, self._last_row),
            ),
            None,
        )
        if first is not None:
            self._claimed = first[0] - 1
        return first is not None

    def claim(self, most: int) -> list[Pairs]:
        """Return the next pairs without an outcome, those of each direction, after committing the intent to send them.

        A pair counts as within the limit when one of its rows is: its other rows are settled along with it.
        """
        with guarded(self.path):
            begin = lots.Begin(self._claimed, self._settled_to, self._last_row)
            found = lots.following(self._database, begin).fetchmany(most)
        if found:
            self._claim(found)
        return self._plan.pairs(found)

    def _claim(self, rows: Sequence[Sequence[Any]]) -> None:
        self._claimed = rows[-1][0]
        self.remember(claimed=max(self._claimed, self.facts.claimed))
        self.recent.claimed(rows)

    def claim_lot(self, records: int, pairs: int, *, scattered: bool = False) -> Lot | None:
        """Return the next pairs that are to be looked up together, None when there are none left.

        They have at most so many records between them at the end that is looked up, and about so many pairs; those of
        one record together, or, `scattered`, in the order in which rows name them.
        """
        with guarded(self.path):
            begin = lots.Begin(self._claimed, self._settled_to, self._last_row, self._insisting)
            claimed = lots.claim(self._database, self._plan, begin, lots.Size(records, pairs, scattered))
        if claimed is None:
            return None
        rows, lot = claimed
        self._claim(rows)
        return lot

    def keep(self, images: Sequence[Image], demoted: Sequence[Demotion] = ()) -> dict[int, int]:
        """Commit what pairs were before they are sent, unless that is known, and which pairs lose a type to them.

        Return by pair how many of its rows are so still, where any is. To be called before a pair's request leaves, so
        that what a crash leaves behind can be told from what was there.
        """
        with self._commit():
            return lots.keep(self._database, images, demoted)

    def record(self, outcomes: Iterable[Outcome], changes: Mapping[str, object]) -> None:
        """Commit outcomes together with what changed of the facts at the same moment."""
        with self._commit(changes):
            entries = settling.settle(self._database, outcomes)
        for entry in entries:
            self.recent.settled(entry)

    def failed_in_passing(self) -> bool:
        """Return True when a pair failed for a reason that says that sending it again may help."""
        with guarded(self.path):
            return settling.has(self._database, settling.PASSING)

    def forget_failed(self, *, all_of_them: bool) -> int:
        """Take back the outcome of failed pairs, so that they are sent again; return how many there were.

        Without `all_of_them`, of those that failed for a reason that says that sending them again may help. The results
        file is given up in the same commit: numbers of lines that it has are used again.
        """
        with self._commit(self._rewritten("results")):
            forgotten = settling.forget(self._database, settling.FAILED if all_of_them else settling.PASSING)
        self._from_the_start()
        return forgotten

    def forget_all_but(self, status: str) -> None:
        """Take back every outcome of another status, as `forget_failed` does."""
        with self._commit(self._rewritten("results")):
            settling.forget(self._database, "status <> ?", status)
        self._from_the_start()

    def claim_again(self, *, insisting: bool = False) -> None:
        """Let `claim` begin from the first pair without an outcome again; `insisting`: no pair waits for another."""
        self._from_the_start()
        self.recent.claim_again()
        self._insisting = insisting

    def rename_outputs(self, names: Mapping[str, str]) -> None:
        """Write down the new names of output files that were renamed."""
        tables = self.facts.tables.items()
        self.remember(
            outputs={kind: names.get(name, name) for kind, name in self.facts.outputs.items()},
            tables={kind: replace(table, name=names.get(table.name, table.name)) for kind, table in tables},
        )

    # --- the view back

    def counts(self) -> Counts:
        """Return how many rows stand where."""
        pairs, rows = self._one("SELECT count(*), coalesce(sum(size), 0) FROM pairs")
        if not self.facts.planned:
            # A run may end between the rejecting of rows that the portal speaks against and the end of its plan.
            (rows,) = self._one(
                "SELECT count(*) FROM rows WHERE (input, row, part) NOT IN (SELECT input, row, part FROM rejects)"
            )
        (rejects,) = self._one("SELECT count(*) FROM rejects")
        (rejected,) = self._one("SELECT count(*) FROM rejected_lines")
        settled = self._table(
            "SELECT status, sum((SELECT sum(size - unchanged) FROM pairs WHERE id BETWEEN first_pair AND last_pair))"
            " FROM settled JOIN results ON results.id = result GROUP BY status"
        )
        (beside,) = self._one("SELECT coalesce(sum(unchanged * (last_pair - first_pair + 1)), 0) FROM settled")
        unchanged = settled.get("unchanged", 0) + beside
        return Counts(
            total=rows + rejects,
            created=settled.get("created", 0),
            replaced=settled.get("replaced", 0),
            unchanged=unchanged,
            failed=settled.get("failed", 0),
            rejected=rejected,
            pairs=pairs,
        )

    def is_finished(self) -> bool:
        """Return True when no row is pending, without counting what became of each."""
        waiting = "pairs" if self.facts.planned else "rows"
        (waiting_for,) = self._one(f"SELECT count(*) FROM {waiting}")  # noqa: S608 - one of two
        (settled,) = self._one("SELECT coalesce(sum(last_pair - first_pair + 1), 0) FROM settled")
        (beyond,) = self._one("SELECT (SELECT count(*) FROM rejects) - (SELECT count(*) FROM rejected_lines)")
        return waiting_for == settled and not beyond

    def reasons(self) -> dict[str, int]:
        """Return how many rows failed or were rejected, by reason, the most frequent first."""
        return self._table(
            "SELECT reason, sum(size) AS total FROM ("
            " SELECT reason, count(*) AS size FROM rejects WHERE (input, row) <= (SELECT input, row FROM bound)"
            " GROUP BY reason UNION ALL"
            " SELECT error_category, sum(size - unchanged) FROM outcomes WHERE status = 'failed'"
            " GROUP BY error_category"
            ") GROUP BY reason ORDER BY total DESC, reason"
        )

    def explained(self) -> list[tuple[str, Reason, int]]:
        """Return how many rows failed or were rejected, by code and what it means for them, the most frequent first."""
        counts: Counter[tuple[str, Reason]] = Counter()
        for code, status, message, rows in self.query(
            "SELECT error_category, http_status, error_message, size - unchanged FROM outcomes WHERE status = 'failed'"
            " UNION ALL SELECT reason, NULL, '', count(*) FROM rejects"
            " WHERE (input, row) <= (SELECT input, row FROM bound) GROUP BY reason"
        ):
            counts[code, explain(code, status, message)] += rows
        found = [(code, reason, rows) for (code, reason), rows in counts.items()]
        return sorted(found, key=lambda each: (-each[2], each[0]))
