"""HubSpot's answers about own keys, stored on disk as they come.

A million values are ten thousand requests, and a load that is stopped or killed meanwhile must not repeat them: the
answers are in a file beside the journal until the journal has the rows with their records. The file is only a cache; if
it is damaged, or belongs to another input, it is deleted.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from loader.files import writing
from loader.journal.schema import closed_on_error, create, guarded
from loader.model import FoundRecord, Question

_TABLES = """
CREATE TABLE bound (identity TEXT NOT NULL);
CREATE TABLE answers (object_type TEXT NOT NULL, id_property TEXT NOT NULL, asked TEXT NOT NULL,
    record_id TEXT NOT NULL, reason TEXT NOT NULL, message TEXT NOT NULL,
    PRIMARY KEY (object_type, id_property, asked)) WITHOUT ROWID;
"""


class LookupCounts(NamedTuple):
    """How many values were looked up, and for how many a record was found."""

    answered: int
    found: int


class Lookups:
    """The answers so far, in the file `path`, for a block; `identity` says what they are valid for."""

    def __init__(self, path: Path, identity: Mapping[str, object]) -> None:
        self._path = path
        self._identity = json.dumps(identity, sort_keys=True)

    def __enter__(self) -> Self:
        if not self._is_ours():
            forget_lookups(self._path)
            with writing(self._path):
                create(self._path)
        with guarded(self._path):
            self._database = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            with closed_on_error(self._database):
                for pragma in ("journal_mode = WAL", "synchronous = NORMAL"):
                    self._database.execute(f"PRAGMA {pragma}")
                if not self._database.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                    self._database.executescript(f"BEGIN;{_TABLES}COMMIT;")
                    self._database.execute("INSERT INTO bound VALUES (?)", (self._identity,))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def _is_ours(self) -> bool:
        """Return True if there is an undamaged file with the same identity."""
        if self._path.is_symlink() or not self._path.is_file():
            return False
        try:
            database = sqlite3.connect(self._path)
            try:
                whole = database.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
                return whole and database.execute("SELECT identity FROM bound").fetchall() == [(self._identity,)]
            finally:
                database.close()
        except sqlite3.DatabaseError:
            return False

    def unknown(self, question: Question, values: Iterable[Sequence[str]]) -> Iterator[str]:
        """Yield the values without an answer, of values given page by page."""
        for page in values:
            with guarded(self._path):
                known = self._database.execute(
                    "SELECT asked FROM answers WHERE (object_type, id_property) = (?, ?)"
                    " AND asked IN (SELECT value FROM json_each(?))",
                    (*question.key, json.dumps(page)),
                ).fetchall()
            answered = {text for (text,) in known}
            yield from (text for text in page if text not in answered)

    def save(self, question: Question, answers: Mapping[str, FoundRecord]) -> None:
        """Commit answers, all or none."""
        with guarded(self._path):
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (*question.key, asked, answer.record_id, answer.reason, answer.message)
                    for asked, answer in answers.items()
                ],
            )
            self._database.execute("COMMIT")

    def counts(self, question: Question) -> LookupCounts:
        """Return the progress of a question."""
        with guarded(self._path):
            found = self._database.execute(
                "SELECT count(*), count(nullif(record_id, '')) FROM answers WHERE (object_type, id_property) = (?, ?)",
                question.key,
            )
            return LookupCounts(*found.fetchone())

    def answers(self, question: Question) -> Iterator[tuple[str, FoundRecord]]:
        """Yield every value of a question with its record."""
        with guarded(self._path):
            for asked, *answer in self._database.execute(
                "SELECT asked, record_id, reason, message FROM answers WHERE (object_type, id_property) = (?, ?)",
                question.key,
            ):
                yield asked, FoundRecord(*answer)


def forget_lookups(path: Path) -> None:
    """Remove the file, if there is one, with what SQLite keeps beside it."""
    with writing(path):
        for ending in ("", "-wal", "-shm"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
