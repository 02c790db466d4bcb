"""What is known of pairs, from one number to another: few lines in a table, however many pairs there are."""

import sqlite3
from collections.abc import Sequence
from typing import Any

import numpy as np

from loader.columns import Ids

Range = Sequence[Any]
"""The first pair, the last pair, and what is known of them."""


def ranges(database: sqlite3.Connection, table: str, columns: str, first: int, last: int) -> list[Range]:
    """Return the lines of a table that tell of pairs from one number to another, in the order of the pairs."""
    return database.execute(
        f"SELECT first_pair, last_pair, {columns} FROM {table} WHERE last_pair >= ?1 AND first_pair <= ?2"
        f" AND first_pair >= coalesce((SELECT max(first_pair) FROM {table} WHERE first_pair <= ?1), ?1)"
        " ORDER BY first_pair",
        (first, last),
    ).fetchall()


def spread(found: Sequence[Range], column: int, first: int, last: int) -> Ids:
    """Return a column of such lines for each pair from one number to another, 0 where nothing is known."""
    values = np.zeros(last - first + 1, np.int64)
    for each in found:
        values[max(0, each[0] - first) : each[1] - first + 1] = each[column]
    return values
