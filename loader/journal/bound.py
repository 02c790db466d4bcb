"""How far `--limit` goes: the input and the row of the last record that counts."""

import sqlite3

from loader.journal.schema import unpacked

Bound = tuple[int, int]

END: Bound = (2**63 - 1, 0)
"""After every record."""

WITHIN_BOUND = "(input, row) <= (SELECT input, row FROM bound)"
"""An SQL condition for rows within the limit."""


def bound(database: sqlite3.Connection, limit: int | None) -> Bound:
    """Return where the first `limit` records of all inputs end; None: all of them."""
    if limit is None:
        return END
    seen = 0
    for number, size in database.execute("SELECT id, records FROM inputs ORDER BY id"):
        if seen < limit <= seen + size:
            before, body = database.execute(
                "SELECT before, body FROM records WHERE input = ? AND before < ? ORDER BY id DESC LIMIT 1",
                (number, limit - seen),
            ).fetchone()
            rows, _ = unpacked(body)
            return number, rows[limit - seen - before - 1]
        seen += size
    return END if limit > seen else (0, 0)


def bound_place(end: Bound) -> int:
    """Return a bound as one number, to compare with places (see `columns.place`)."""
    return min(2**63 - 1, end[0] << 32 | end[1])
