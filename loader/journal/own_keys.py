"""Rows that name their records by a unique property's value: staged as numbers, until the records are found.

The ids of staged rows are integers, and a value such as `00123` or `1e5` must never become one. So each distinct value
has a number in a table of its own, and a row holds that number with a minus before it: it cannot be taken for a record
id, neither when rows are grouped nor on the way to a URL.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from loader.journal.schema import guarded
from loader.model import Direction, FoundRecord, Question, Rows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

PAGE = 1000

_TABLES = """
CREATE TEMP TABLE own_keys (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TEMP TABLE key_inputs (input INTEGER PRIMARY KEY, from_property TEXT, to_property TEXT);
CREATE TEMP TABLE key_kinds (kind INTEGER PRIMARY KEY, from_type TEXT NOT NULL, to_type TEXT NOT NULL);
CREATE TEMP TABLE questions (object_type TEXT NOT NULL, id_property TEXT NOT NULL, asked TEXT NOT NULL,
    PRIMARY KEY (object_type, id_property, asked)) WITHOUT ROWID;
CREATE TEMP TABLE found (object_type TEXT NOT NULL, id_property TEXT NOT NULL, asked TEXT NOT NULL,
    record_id INTEGER, reason TEXT NOT NULL, message TEXT NOT NULL,
    PRIMARY KEY (object_type, id_property, asked)) WITHOUT ROWID;
CREATE TEMP VIEW said AS SELECT id, input, row, part,
    CASE WHEN object_id < 0 THEN (SELECT text FROM own_keys WHERE own_keys.id = -object_id)
        ELSE CAST(object_id AS TEXT) END AS object_id,
    CASE WHEN to_object_id < 0 THEN (SELECT text FROM own_keys WHERE own_keys.id = -to_object_id)
        ELSE CAST(to_object_id AS TEXT) END AS to_object_id,
    kind FROM rows;
"""

_QUESTIONS = """
INSERT OR IGNORE INTO questions
SELECT k.{side}_type, i.{side}_property, asked_as(i.{side}_property, o.text)
FROM (SELECT DISTINCT input, kind, {column} AS key FROM rows WHERE {column} < 0) r
    JOIN key_kinds k ON k.kind = r.kind JOIN key_inputs i ON i.input = r.input JOIN own_keys o ON o.id = -r.key
"""

# What each key stands for, by the input and the kind of its rows; few combinations, however many rows there are.
_ANSWERS = """
CREATE TEMP TABLE {side}_answers (input INTEGER, kind INTEGER, key INTEGER, record_id INTEGER, reason TEXT,
    message TEXT, PRIMARY KEY (key, kind, input)) WITHOUT ROWID;
INSERT INTO {side}_answers
SELECT r.input, r.kind, r.key, f.record_id, f.reason, f.message
FROM (SELECT DISTINCT input, kind, {column} AS key FROM rows WHERE {column} < 0) r
    JOIN key_kinds k ON k.kind = r.kind JOIN key_inputs i ON i.input = r.input JOIN own_keys o ON o.id = -r.key
    JOIN found f ON (f.object_type, f.id_property, f.asked)
        = (k.{side}_type, i.{side}_property, asked_as(i.{side}_property, o.text));
"""

# A row of which neither record was found is rejected for its first one.
_UNFOUND = """
CREATE TEMP TABLE unfound AS
SELECT id, reason, message, min(side) FROM (
    SELECT rows.id AS id, 0 AS side, a.reason AS reason, a.message AS message
    FROM rows JOIN from_answers a ON (a.key, a.kind, a.input) = (rows.object_id, rows.kind, rows.input)
    WHERE a.record_id IS NULL
    UNION ALL
    SELECT rows.id, 1, a.reason, a.message
    FROM rows JOIN to_answers a ON (a.key, a.kind, a.input) = (rows.to_object_id, rows.kind, rows.input)
    WHERE a.record_id IS NULL
) GROUP BY id;
INSERT INTO staged_rejects (input, row, part, object_id, to_object_id, kind, reason, message)
SELECT input, row, part, object_id, to_object_id, kind, reason, 'Row ' || row || ': ' || message || '.'
FROM said JOIN unfound USING (id) ORDER BY id;
DELETE FROM rows WHERE id IN (SELECT id FROM unfound);
"""

_SETTLE = """
UPDATE rows SET {column} = a.record_id FROM {side}_answers a
WHERE {column} < 0 AND (a.key, a.kind, a.input) = (rows.{column}, rows.kind, rows.input)
"""

_SIDES = (("from", "object_id"), ("to", "to_object_id"))

_REPLACE = tuple(
    statement
    for script in (
        *(_ANSWERS.format(side=side, column=column) for side, column in _SIDES),
        _UNFOUND,
        *(_SETTLE.format(side=side, column=column) for side, column in _SIDES),
    )
    for statement in script.split(";\n")
)
"""One by one: a script would commit what is staged."""


class OwnKeys:
    """The keys of one staging, in its own database `path`; `lookups` is where their answers are kept beside it."""

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self.lookups = path.with_name(f"{path.name.removesuffix('-staging')}-lookups")
        self._path = path
        self._database = database
        self._input = 0
        self._answered = False
        database.executescript(_TABLES)

    def begin_input(self, number: int, id_properties: tuple[str | None, str | None]) -> None:
        """Announce the input that the next links belong to, and which properties its ids are values of, if any."""
        self._input = number
        with guarded(self._path):
            self._database.execute("INSERT INTO key_inputs VALUES (?, ?, ?)", (number, *id_properties))

    def numbered(self, rows: Rows) -> tuple[list[int], list[int]]:
        """Return the ids of both ends, each key as a number below 0; remember the keys of cells that hold several."""
        object_ids = self._as_numbers(rows.object_ids)
        if isinstance(rows.to_object_ids, list):
            self._keep_parts(rows, rows.to_object_ids)
        return object_ids, self._as_numbers(rows.to_object_ids)

    def _as_numbers(self, ids: "npt.NDArray[np.int64] | list[str]") -> list[int]:
        if not isinstance(ids, list):
            numbers: list[int] = ids.tolist()
            return numbers
        texts = sorted(set(ids))
        self._database.executemany("INSERT OR IGNORE INTO own_keys (text) VALUES (?)", [(text,) for text in texts])
        found = self._database.execute(
            "SELECT text, -id FROM own_keys WHERE text IN (SELECT value FROM json_each(?))", (json.dumps(texts),)
        )
        keys: dict[str, int] = dict(found.fetchall())
        return [keys[text] for text in ids]

    def _keep_parts(self, rows: Rows, texts: list[str]) -> None:
        found = list(zip(rows.rows.tolist(), rows.parts.tolist(), texts, strict=True))
        several = {row for row, part, _ in found if part}
        self._database.executemany(
            "INSERT INTO own_parts VALUES (?, ?, ?, ?)", [(self._input, *each) for each in found if each[0] in several]
        )

    def identity(self) -> dict[str, object]:
        """Return what answers are bound to: the inputs' content, and which properties their ids are values of."""
        with guarded(self._path):
            found = self._database.execute(
                "SELECT sha256, from_property, to_property FROM inputs JOIN key_inputs ON input = id ORDER BY id"
            )
            return {"inputs": found.fetchall()}

    # --- what is to be asked

    def questions(
        self, directions: Mapping[int, Direction], asked_as: Callable[[str, str], str]
    ) -> dict[Question, int]:
        """Return what must be asked, with the number of distinct values.

        `directions` are the object types of the sound kinds; `asked_as` says how a property's value is asked for.
        """
        with guarded(self._path):
            self._database.create_function("asked_as", 2, asked_as, deterministic=True)
            self._database.executemany(
                "INSERT INTO key_kinds VALUES (?, ?, ?)", [(kind, *direction) for kind, direction in directions.items()]
            )
            for side, column in _SIDES:
                self._database.execute(_QUESTIONS.format(side=side, column=column))
            counted = self._database.execute("SELECT object_type, id_property, count(*) FROM questions GROUP BY 1, 2")
            return {Question(object_type, id_property): count for object_type, id_property, count in counted}

    def values(self, question: Question) -> Iterator[list[str]]:
        """Yield the distinct values of a question in their order, a thousand at a time."""
        last = ""
        while page := self._page(question, last):
            yield page
            last = page[-1]

    def _page(self, question: Question, after: str) -> list[str]:
        with guarded(self._path):
            found = self._database.execute(
                "SELECT asked FROM questions WHERE (object_type, id_property) = (?, ?) AND asked > ? ORDER BY asked"
                " LIMIT ?",
                (*question[:2], after, PAGE),
            ).fetchall()
        return [text for (text,) in found]

    # --- what was found

    def answer(self, question: Question, answers: Iterable[tuple[str, FoundRecord]]) -> None:
        """Take over what each value of a question stands for."""
        self._answered = True
        with guarded(self._path):
            self._database.executemany(
                "INSERT INTO found VALUES (?, ?, ?, ?, ?, ?)",
                ((*question[:2], asked, answer.record_id or None, *answer[1:]) for asked, answer in answers),
            )

    def replace(self) -> None:
        """Give every row the ids of its records; rows of which one was not found are rejected, with what they said.

        Without an answer nothing is known of any record: then rows keep their keys.
        """
        if not self._answered:
            return
        for statement in _REPLACE:
            self._database.execute(statement)
