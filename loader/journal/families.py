"""The rows of a family, two object types that rows link, as SQL sees them: `a` is the record at the main end.

Of two records of one object type, `a` is the one of the lower id. The text for each family is as plain as its kinds
allow, because it is run over every row: one join and one comparison less halve the time that grouping takes.
"""

import sqlite3
from typing import NamedTuple


class Family(NamedTuple):
    """A family by number. `kinds` are the kinds of its rows, `swapped` those that are written from the rarer end.

    `within_one_type`: either record may stand at either end, whatever the kind. `alone`: there is no other kind of row.
    """

    number: int
    kinds: tuple[int, ...]
    swapped: tuple[int, ...]
    within_one_type: bool
    alone: bool

    def rows(self) -> str:
        """Return a SELECT of its rows, with `swapped`, `a` and `b`."""
        where = "" if self.alone else f" WHERE kind IN ({_listed(self.kinds)})"
        if self.within_one_type:
            ends = (
                "object_id > to_object_id AS swapped, min(object_id, to_object_id) AS a, max(object_id, to_object_id)"
            )
        elif not self.swapped:
            ends = "0 AS swapped, object_id AS a, to_object_id"
        elif self.swapped == self.kinds:
            ends = "1 AS swapped, to_object_id AS a, object_id"
        else:
            swapped = f"kind IN ({_listed(self.swapped)})"
            ends = (
                f"{swapped} AS swapped, CASE WHEN {swapped} THEN to_object_id ELSE object_id END AS a,"
                f" CASE WHEN {swapped} THEN object_id ELSE to_object_id END"
            )
        return f"SELECT id, kind, input, row, part, {ends} AS b FROM rows{where}"  # noqa: S608 - our own numbers

    def pairs(self, order: str) -> str:
        """Return a SELECT of its pairs, grouped in an order of `a` and `b`, with the columns of the table of pairs.

        Its bare columns are those of the row that has the least id (SQLite: "Bare columns in an aggregate query").
        """
        several = "CASE WHEN count(*) > 1 THEN group_concat(id) END"
        columns = f"a, b, {self._mixture()}, min(id) AS first_row, {several}, count(*), input, row, part"
        return f"SELECT {columns} FROM ({self.rows()}) GROUP BY {order}"  # noqa: S608 - our own text

    def _mixture(self) -> str:
        """Return what names the kinds of a pair's rows: from the main end, a bar, from the rarer one."""
        if len(self.kinds) == 1 and not self.within_one_type:
            return f"'|{self.kinds[0]}'" if self.swapped else f"'{self.kinds[0]}|'"
        forward = "group_concat(DISTINCT CASE WHEN swapped THEN NULL ELSE kind END)"
        backward = "group_concat(DISTINCT CASE WHEN swapped THEN kind END)"
        return f"coalesce({forward}, '') || '|' || coalesce({backward}, '')"


def families(database: sqlite3.Connection) -> list[Family]:
    """Return the families of the rows that are sent, by number."""
    (all_kinds,) = database.execute("SELECT count(*) FROM kinds").fetchone()
    found: list[Family] = []
    for number, kinds, swapped, within in database.execute(
        "SELECT family, group_concat(id), coalesce(group_concat(CASE WHEN swapped THEN id END), ''),"
        " max(from_type = to_type) FROM (SELECT * FROM kinds WHERE family IS NOT NULL ORDER BY id) GROUP BY family"
    ):
        own = _numbers(kinds)
        found.append(Family(number, own, _numbers(swapped), bool(within), alone=len(own) == all_kinds))
    return found


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(sorted(map(int, filter(None, text.split(",")))))


def _listed(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))
