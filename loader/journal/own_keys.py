"""Own keys are stored as numbers until their records are found.

The ids of rows are integers, but a value such as `00123` or `1e5` must never become one. So each distinct value has a
number in a table of its own, and a row holds that number negated: it cannot be mistaken for a record id, neither when
rows are grouped nor in a URL.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from loader.columns import Flags, Ids, Small, distinct
from loader.journal.schema import guarded
from loader.model import Direction, FoundRecord, Question, Rows

Blocks = Callable[[], Iterator[npt.NDArray[np.void]]]
"""Yields the rows that were read, many at once, as they are written: `from`, `to`, `input`, `row`, `part`, `kind`."""

PAGE = 1000

_AT_ONCE = 50_000

_SIDES = ("from", "to")

_TABLES = """
CREATE TEMP TABLE own_keys (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TEMP TABLE key_inputs (input INTEGER PRIMARY KEY, from_property TEXT, to_property TEXT);
CREATE TEMP TABLE questions (id INTEGER PRIMARY KEY, object_type TEXT NOT NULL, id_property TEXT NOT NULL);
CREATE TEMP TABLE wanted (question INTEGER NOT NULL, key INTEGER NOT NULL, PRIMARY KEY (question, key)) WITHOUT ROWID;
CREATE TEMP TABLE asked (question INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (question, text)) WITHOUT ROWID;
CREATE TEMP TABLE found (question INTEGER NOT NULL, text TEXT NOT NULL, record_id INTEGER, reason TEXT NOT NULL,
    message TEXT NOT NULL, PRIMARY KEY (question, text)) WITHOUT ROWID;
"""

# What is known of each key of the rows.
_ANSWERS = """
FROM wanted w JOIN questions q ON q.id = w.question JOIN own_keys o ON o.id = w.key
    JOIN found f ON (f.question, f.text) = (w.question, asked_as(q.id_property, o.text))
WHERE w.question = ?
"""


class OwnKeys:
    """The keys of one new journal, in its database `path`; `lookups` is the file with their answers beside it."""

    def __init__(self, path: Path, database: sqlite3.Connection, rows: Blocks) -> None:
        self.lookups_path = path.with_name(f"{path.name.removesuffix('-staging')}-lookups")
        self._path = path
        self._database = database
        self._rows = rows
        self._questions: dict[Question, int] = {}
        # By side, input and kind: the number of the question for the row's key, 0 for record ids.
        self._question_of: dict[str, Small] = {}
        self._answers: dict[int, tuple[Ids, Ids]] = {}
        database.executescript(_TABLES)

    def begin_input(self, number: int, id_properties: tuple[str | None, str | None]) -> None:
        """Announce the input that the next rows belong to, and which properties its ids are values of, if any."""
        with guarded(self._path):
            self._database.execute("INSERT INTO key_inputs VALUES (?, ?, ?)", (number, *id_properties))

    def numbered(self, number: int, rows: Rows) -> tuple[Ids, Ids]:
        """Return the ids of both ends, each key as a number below 0; remember the keys of cells that hold several."""
        with guarded(self._path):
            if isinstance(rows.to_object_ids, list):
                parts = list(zip(rows.rows.tolist(), rows.parts.tolist(), rows.to_object_ids, strict=True))
                several = {row for row, part, _ in parts if part}
                self._database.executemany(
                    "INSERT INTO own_parts VALUES (?, ?, ?, ?)",
                    [(number, *each) for each in parts if each[0] in several],
                )
            return self._as_numbers(rows.object_ids), self._as_numbers(rows.to_object_ids)

    def numbers(self, keys: Sequence[str]) -> Ids:
        """Return a number below 0 for each key, and 0 for a blank one."""
        found = np.zeros(len(keys), np.int64)
        with guarded(self._path):
            found[[bool(key) for key in keys]] = self._as_numbers([key for key in keys if key])
        return found

    def _as_numbers(self, ids: Ids | list[str]) -> Ids:
        if not isinstance(ids, list):
            return ids
        texts = sorted(set(ids))
        self._database.executemany("INSERT OR IGNORE INTO own_keys (text) VALUES (?)", [(text,) for text in texts])
        found = self._database.execute(
            "SELECT text, -id FROM own_keys WHERE text IN (SELECT value FROM json_each(?))", (json.dumps(texts),)
        )
        keys: dict[str, int] = dict(found.fetchall())
        return np.array([keys[text] for text in ids], np.int64)

    def identity(self) -> dict[str, object]:
        """Return what stored answers are valid for: the inputs' content, and the properties of their ids."""
        with guarded(self._path):
            found = self._database.execute(
                "SELECT sha256, from_property, to_property FROM inputs JOIN key_inputs ON input = id ORDER BY id"
            )
            return {"inputs": found.fetchall()}

    def texts(self, numbers: Sequence[int]) -> dict[int, str]:
        """Return the text of each number of a row's end: the key, or the record id."""
        keys = sorted({-number for number in numbers if number < 0})
        with guarded(self._path):
            found = self._database.execute(
                "SELECT -id, text FROM own_keys WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(keys),)
            )
            return {number: str(number) for number in numbers} | dict(found.fetchall())

    # --- what is to be asked

    def questions(
        self, directions: Mapping[int, Direction], asked_as: Callable[[str, str], str]
    ) -> dict[Question, int]:
        """Return the questions, each with the number of distinct values.

        `directions` are the object types of the kinds that can be sent. `asked_as` returns the value of a property as
        it is sent to HubSpot.
        """
        with guarded(self._path):
            self._database.create_function("asked_as", 2, asked_as, deterministic=True)
            inputs = self._database.execute("SELECT input, from_property, to_property FROM key_inputs").fetchall()
            for place, side in enumerate(_SIDES):
                self._question_of[side] = self._numbers_of(
                    {input_: properties[place] for input_, *properties in inputs if properties[place]},
                    {kind: direction[place] for kind, direction in directions.items()},
                )
            if not self._questions:
                return {}
            for block in self._rows():
                for side in _SIDES:
                    questions = self._of_question(block, side)
                    for question in distinct(questions[questions > 0]).tolist():
                        keys = distinct(-block[side][questions == question]).tolist()
                        self._database.executemany(
                            "INSERT OR IGNORE INTO wanted VALUES (?, ?)", [(question, key) for key in keys]
                        )
            self._database.execute(
                "INSERT INTO asked SELECT DISTINCT w.question, asked_as(q.id_property, o.text)"
                " FROM wanted w JOIN questions q ON q.id = w.question JOIN own_keys o ON o.id = w.key"
            )
            counted = dict(self._database.execute("SELECT question, count(*) FROM asked GROUP BY 1").fetchall())
            return {
                question: counted[number] for question, number in sorted(self._questions.items()) if number in counted
            }

    def _numbers_of(self, properties: Mapping[int, str], types: Mapping[int, str]) -> Small:
        """Return the number of the question for each input and kind of row; new questions are written down."""
        found = np.zeros((max(properties, default=0) + 1, max(types, default=0) + 1), np.int32)
        for input_, id_property in properties.items():
            for kind, object_type in types.items():
                question = Question(object_type, id_property)
                if question not in self._questions:
                    self._questions[question] = number = len(self._questions) + 1
                    self._database.execute("INSERT INTO questions VALUES (?, ?, ?)", (number, *question.key))
                found[input_, kind] = self._questions[question]
        return found

    def _of_question(self, block: npt.NDArray[np.void], side: str) -> Small:
        """Return the question for each row's key, 0 for record ids and for rows that are not sent."""
        numbers = self._question_of[side]
        inputs, kinds = block["input"], block["kind"]
        known = (block[side] < 0) & (inputs < numbers.shape[0]) & (kinds < numbers.shape[1])
        found = np.zeros(len(block), np.int32)
        found[known] = numbers[inputs[known], kinds[known]]
        return found

    def values(self, question: Question) -> Iterator[list[str]]:
        """Yield the distinct values of a question in their order, a thousand at a time."""
        last = ""
        while True:
            with guarded(self._path):
                found = self._database.execute(
                    "SELECT text FROM asked WHERE question = ? AND text > ? ORDER BY text LIMIT ?",
                    (self._number(question), last, PAGE),
                ).fetchall()
            if not found:
                return
            yield [text for (text,) in found]
            ((last,),) = found[-1:]

    def _number(self, question: Question) -> int:
        return self._questions[Question(question.object_type, question.id_property)]

    # --- what was found

    def answer(self, question: Question, answers: Iterable[tuple[str, FoundRecord]]) -> None:
        """Store the record of each value of a question."""
        number = self._number(question)
        with guarded(self._path):
            self._database.executemany(
                "INSERT INTO found VALUES (?, ?, ?, ?, ?)",
                ((number, text, each.record_id or None, each.reason, each.message) for text, each in answers),
            )
            cursor = self._database.execute(f"SELECT w.key, coalesce(f.record_id, 0) {_ANSWERS} ORDER BY 1", (number,))
            pages = [np.zeros((0, 2), np.int64)]
            while page := cursor.fetchmany(_AT_ONCE):
                pages.append(np.array(page, np.int64))
        both = np.concatenate(pages)
        self._answers[number] = both[:, 0].copy(), both[:, 1].copy()

    def replace(self, block: npt.NDArray[np.void]) -> Iterator[tuple[str, Flags, Iterator[tuple[str, str]]]]:
        """Replace keys by record ids, and yield rows whose record was not found: side, rows, and why.

        A row with two records that were not found is yielded for the first. Without an answer nothing is known of any
        record: then rows keep their keys.
        """
        if not self._answers:
            return
        lost = np.zeros(len(block), np.bool_)
        for side in _SIDES:
            ids = block[side].copy()
            unfound: dict[int, Flags] = {}
            questions = self._of_question(block, side)
            for question in distinct(questions[questions > 0]).tolist():
                these = questions == question
                keys, records = self._answers[question]
                ids[these] = records[np.searchsorted(keys, -block[side][these])]
                unfound[question] = these & (ids == 0) & ~lost
            for question, rows in unfound.items():
                if rows.any():
                    yield side, rows, self._why(question, (-block[side][rows]).tolist())
                    lost |= rows
            block[side] = np.where(ids == 0, block[side], ids)

    def _why(self, question: int, keys: Sequence[int]) -> Iterator[tuple[str, str]]:
        for start in range(0, len(keys), PAGE):
            page = keys[start : start + PAGE]
            with guarded(self._path):
                found: list[Any] = self._database.execute(
                    f"SELECT w.key, f.reason, f.message {_ANSWERS} AND w.key IN (SELECT value FROM json_each(?))",
                    (question, json.dumps(page)),
                ).fetchall()
            reasons = {key: (reason, message) for key, reason, message in found}
            yield from ((reasons[key][0], f"{reasons[key][1]}.") for key in page)
