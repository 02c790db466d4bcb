"""What became of pairs, written down: those that follow one another and fared alike in one line."""

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from loader.model import Numbers, Outcome, Result
from loader.reasons import explain

_FARED = attrgetter("result", "unchanged")


class Entry(NamedTuple):
    """Pairs that fared alike, as runs from one to another; their result's number, their first and last `sequence`."""

    runs: list[tuple[int, int]]
    unchanged: int
    result: int
    first: int
    last: int


def settle(database: sqlite3.Connection, outcomes: Iterable[Outcome]) -> list[Entry]:
    """Write outcomes down; sqlite3.IntegrityError for a pair that has one already."""
    entries: list[Entry] = []
    # Those that fared alike one after the other as one: PUTs of one millisecond often do.
    for (result, unchanged), alike in groupby(outcomes, key=_FARED):
        pair_ids = np.sort(np.concatenate([outcome.pair_ids for outcome in alike]))
        entries.append(_settle(database, pair_ids, result, unchanged))
    return entries


def _settle(database: sqlite3.Connection, pair_ids: Numbers, result: Result, unchanged: int) -> Entry:
    number = database.execute(
        "INSERT INTO results VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*result[:3], ";".join(result.labels), *result[4:]),
    ).lastrowid
    runs = list(_runs(pair_ids))
    database.executemany(
        "INSERT INTO settled (first_pair, last_pair, result, unchanged) VALUES (?, ?, ?, ?)",
        [(*run, number, unchanged) for run in runs],
    )
    (last,) = database.execute("SELECT coalesce(max(sequence), 0) FROM settled").fetchone()
    return Entry(runs, unchanged, number or 0, last - len(runs) + 1, last)


def _runs(numbers: Numbers) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of numbers that follow one another without a gap; they are in order."""
    for run in np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1):
        yield int(run[0]), int(run[-1])


FAILED = "status = 'failed'"

PASSING = f"{FAILED} AND may_pass(error_category, http_status, error_message)"
"""Failed for a reason that says that sending the pair again may help."""


def _may_pass(category: str, http_status: int | None, message: str) -> bool:
    return explain(category, http_status, message).retry


def has(database: sqlite3.Connection, which: str) -> bool:
    """Return True when there are such results."""
    database.create_function("may_pass", 3, _may_pass)
    return database.execute(f"SELECT 1 FROM results WHERE {which} LIMIT 1").fetchone() is not None  # noqa: S608 - our own text


def forget(database: sqlite3.Connection, which: str, *values: str) -> int:
    """Take back the outcomes whose results are such; return how many pairs had one."""
    database.create_function("may_pass", 3, _may_pass)
    results = f"FROM results WHERE {which}"
    (pairs,) = database.execute(
        f"SELECT coalesce(sum(last_pair - first_pair + 1), 0) FROM settled WHERE result IN (SELECT id {results})",  # noqa: S608 - our own text
        values,
    ).fetchone()
    database.execute(f"DELETE FROM settled WHERE result IN (SELECT id {results})", values)  # noqa: S608
    database.execute(f"DELETE {results}", values)
    return int(pairs)
