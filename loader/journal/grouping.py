"""Rows become pairs: all rows that name the same two records, whichever end they are written from, are one request."""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from loader.journal.families import Family, families
from loader.model import AssociationType, Direction, End, Settled, Specification, hides_leads

_GROUP = "INSERT INTO pairs (object_id, to_object_id, kinds, first_row, all_rows, size, input, row, part) "

# A record can have one primary record only, and a company one parent. Whose it is, is known for each kind (see
# `model.End`).
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
SELECT rows.id AS id, 'record ' || record || ' would have two ' || CASE WHEN one_type = other_type THEN 'parent '
    ELSE 'primary ' END || CASE other_type WHEN '0-1' THEN 'contacts' WHEN '0-2' THEN 'companies'
    WHEN '0-3' THEN 'deals' ELSE 'records' END || ', ' || first || ' and ' || last
    || ', and can have only one: take the label off the others' AS message
FROM rows JOIN kinds ON kinds.id = rows.kind JOIN contradicting ON (one_type, other_type, record) = (
    CASE single WHEN 'from' THEN from_type ELSE to_type END,
    CASE single WHEN 'from' THEN to_type ELSE from_type END,
    CASE single WHEN 'from' THEN object_id ELSE to_object_id END
)
WHERE single <> ''
"""

_WITH_ITSELF = """
FROM rows JOIN kinds ON kinds.id = rows.kind WHERE from_type = to_type AND object_id = to_object_id
"""

REJECT = """
INSERT INTO staged_rejects (input, row, part, object_id, to_object_id, kind, reason, message)
SELECT input, row, part, object_id, to_object_id, kind,
"""

OF_ROW = "'Row ' || row || ': '"
"""Begins a message with its row, as those of the read stage begin."""

_REJECT_PAIR = f"""
{REJECT} ?, {OF_ROW} || ? FROM rows WHERE id IN (
    SELECT value FROM pairs, json_each('[' || coalesce(all_rows, first_row) || ']') WHERE pairs.id = ?)
ORDER BY id
"""  # noqa: S608 - our own text

FEW_ROWS = 100_000
SAMPLED = 61
"""Above so many rows one record in 61 is counted, by its number: a sort of a million ids takes seconds."""

FEW_FAMILIES = 20

_OTHER_END = {"from": "to", "to": "from"}


class Mixture(NamedTuple):
    """The kinds of the rows of a pair, as the journal writes them: from the main end, a bar, from the rarer end."""

    text: str

    @property
    def kinds(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Those from the main end and those from the rarer one, as numbers in order."""
        forward, _, backward = self.text.partition("|")
        return _numbers(forward), _numbers(backward)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(sorted(map(int, text.split(",")))) if text else ()


def settle(database: sqlite3.Connection, settled: Mapping[int, Settled], ends: Mapping[int, End]) -> None:
    """Write down what each kind is sent as, the families that they make, and the types that a record can have once."""
    for kind, verdict in settled.items():
        family, swapped, single = ends[kind]
        database.execute(
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
        first, second = verdict.direction
        main = (second, first) if swapped else (first, second)
        database.execute("INSERT OR IGNORE INTO families VALUES (?, ?, ?, 0, 0)", (family, *main))
        if single:
            _note_single(database, verdict, single)


def _note_single(database: sqlite3.Connection, verdict: Settled, end: str) -> None:
    first, second = verdict.direction
    insert = "INSERT OR IGNORE INTO singles VALUES (?, ?, ?, ?, ?)"
    database.execute(insert, (first, second, *verdict.type, end))
    if verdict.inverse is not None:
        database.execute(insert, (second, first, *verdict.inverse, _OTHER_END[end]))


def note_inverses(
    database: sqlite3.Connection, direction: Direction, inverses: Mapping[AssociationType, AssociationType]
) -> None:
    """Write down what the types of a direction are called from the other end."""
    database.executemany(
        "INSERT OR REPLACE INTO inverses VALUES (?, ?, ?, ?, ?, ?)",
        [(*direction, *known, *other) for known, other in inverses.items()],
    )


def group(database: sqlite3.Connection, *, by_record: bool) -> list[Mixture]:
    """Make one pair of all rows that name the same two records; return the mixtures of kinds that occur.

    Pairs are numbered in the order in which the rows first name them, or, `by_record`, record by record from the end
    that has fewer of them. Rows that would give one record two primary records are rejected first, all of them, as no
    row tells which one is meant; so are rows that name one record twice.
    """
    (within,) = database.execute("SELECT EXISTS (SELECT 1 FROM kinds WHERE from_type = to_type)").fetchone()
    if within:
        _reject_with_itself(database)
    (primary,) = database.execute("SELECT EXISTS (SELECT 1 FROM singles)").fetchone()
    if primary:
        _reject_contradicting(database)
    there = families(database)
    many = len(there) > FEW_FAMILIES
    if many:  # Each family is a look at its own rows then, and not at all.
        database.execute("CREATE INDEX rows_by_kind ON rows (kind)")
        database.execute("CREATE INDEX kinds_by_family ON kinds (family)")
    if by_record:
        (rows,) = database.execute("SELECT count(*) FROM rows").fetchone()
        for family in there:
            by_b = _choose_end(database, family, SAMPLED if rows > FEW_ROWS else 1)
            database.execute(_GROUP + family.pairs("b, a" if by_b else "a, b"))
    elif there:
        _group_in_order(database, there)
    if many:
        database.execute("DROP INDEX rows_by_kind")
        database.execute("DROP INDEX kinds_by_family")
    found = database.execute("SELECT DISTINCT kinds FROM pairs").fetchall()
    return [Mixture(*texts) for texts in found]


def _group_in_order(database: sqlite3.Connection, there: Sequence[Family]) -> None:
    """Make the pairs of all families, in the order in which the rows first name them."""
    if len(there) <= FEW_FAMILIES:
        in_families = " UNION ALL ".join(family.pairs("a, b") for family in there)
        database.execute(f"{_GROUP} SELECT * FROM ({in_families}) ORDER BY first_row")  # noqa: S608 - our own text
        return
    # SQLite joins no more than 500 SELECTs.
    database.execute("CREATE TEMP TABLE grouped (a, b, mixture, first_row, all_rows, size, input, row, part)")
    for family in there:
        database.execute(f"INSERT INTO grouped {family.pairs('a, b')}")
    database.execute(f"{_GROUP} SELECT * FROM grouped ORDER BY first_row")  # noqa: S608 - our own text
    database.execute("DROP TABLE grouped")


def _reject_with_itself(database: sqlite3.Connection) -> None:
    message = "object_id and to_object_id are both ' || object_id || ': a record cannot be associated with itself"
    database.execute(f"{REJECT} 'RECORD_WITH_ITSELF', {OF_ROW} || '{message}' {_WITH_ITSELF} ORDER BY rows.id")
    database.execute(f"DELETE FROM rows WHERE id IN (SELECT rows.id {_WITH_ITSELF})")  # noqa: S608 - our own text


def _reject_contradicting(database: sqlite3.Connection) -> None:
    database.execute(_CONTRADICTING)
    database.execute(_CONTRADICTING_ROWS)
    database.execute(
        f"{REJECT} 'CONFLICTING_PRIMARY', {OF_ROW} || message FROM rows JOIN contradicting_rows USING (id)"
        " ORDER BY rows.id"
    )
    database.execute("DELETE FROM rows WHERE id IN (SELECT id FROM contradicting_rows)")


def _choose_end(database: sqlite3.Connection, family: Family, share: int) -> bool:
    """Choose the end from which a family's pairs are read: a lead's, else that of fewer records; True: the rarer.

    One record in `share` is counted.
    """
    records = {end: share * _count(database, family, end, share) for end in ("a", "b")}
    (known,) = database.execute(_KNOWN_FROM_B, (family.number,)).fetchone()
    main = database.execute(
        "SELECT object_type, to_object_type FROM families WHERE id = ?", (family.number,)
    ).fetchone()
    by_b = hides_leads(main) or bool(records["b"] < records["a"] and known and not hides_leads(main[::-1]))
    looked_up = records["b" if by_b else "a"]
    database.execute("UPDATE families SET by_b = ?, records = ? WHERE id = ?", (by_b, looked_up, family.number))
    return by_b


def _count(database: sqlite3.Connection, family: Family, end: str, share: int) -> int:
    counting = f"SELECT count(DISTINCT {end}) FROM ({family.rows()}) WHERE {end} % ? = 0"  # noqa: S608 - our own text
    (count,) = database.execute(counting, (share,)).fetchone()
    return int(count)


_KNOWN_FROM_B = "SELECT NOT EXISTS (SELECT 1 FROM kinds WHERE family = ? AND inverse_type_id IS NULL)"


def specify(database: sqlite3.Connection, mixture: Mixture, specification: Specification) -> None:
    """Write down what the pairs of one mixture are sent as, and reject the rows that cannot go along."""
    kinds = [kind for some in mixture.kinds for kind in some]
    database.execute(
        "INSERT INTO specifications SELECT ?, ?, ?, ?, ?, family FROM kinds WHERE id = ?",
        (mixture.text, *specification[:2], json.dumps(specification.types), specification.flipped, kinds[0]),
    )
    if specification.refused:
        (family,) = (each for each in families(database) if kinds[0] in each.kinds)
        _refuse(database, family, mixture, specification.refused)
    for kinds_of_end, swapped in zip(mixture.kinds, (False, True), strict=True):
        for kind in kinds_of_end:
            if not (swapped and kind in specification.refused):
                _note_promoted(database, mixture, kind, swapped=swapped)


def pairs_by_record(database: sqlite3.Connection, wanted: Sequence[tuple[str, bool]]) -> Iterator[tuple[str, str, int]]:
    """Yield record, other record and number of pairs, record by record, and those of a record in their rows' order.

    `wanted` gives the kinds of pairs, and whether the record is the one at their rarer end.
    """
    each = "SELECT {}, {}, id, first_row FROM pairs WHERE kinds = ?"
    ends = ("object_id", "to_object_id")
    union = " UNION ALL ".join(each.format(*(reversed(ends) if rarer else ends)) for _, rarer in wanted)
    found = database.execute(f"{union} ORDER BY 1, first_row", [kinds for kinds, _ in wanted])
    return ((str(record), str(other), pair) for record, other, pair, _ in found)


def reject_pairs(database: sqlite3.Connection, reason: str, messages: Mapping[int, str]) -> None:
    """Reject all rows of pairs, each pair with its message, and leave the pairs out."""
    for pair, message in messages.items():
        database.execute(_REJECT_PAIR, (reason, message, pair))
        database.execute("DELETE FROM pairs WHERE id = ?", (pair,))


def _note_promoted(database: sqlite3.Connection, mixture: Mixture, kind: int, *, swapped: bool) -> None:
    """Write down the records that get a primary or parent record by rows of a kind, `swapped` from the rarer end."""
    first, second, single = database.execute(
        "SELECT from_type, to_type, single FROM kinds WHERE id = ?", (kind,)
    ).fetchone()
    if not single:
        return
    types = (first, second) if single == "from" else (second, first)
    # Within one object type a kind is written from both ends: the mixture says from which.
    column = "object_id" if (single == "from") != swapped else "to_object_id"
    database.execute(
        f"INSERT OR IGNORE INTO promoted SELECT ?, ?, {column}, id FROM pairs"  # noqa: S608 - a column of our own
        " WHERE kinds = ?",
        (*types, mixture.text),
    )


def _refuse(database: sqlite3.Connection, family: Family, mixture: Mixture, refused: Sequence[int]) -> None:
    message = (
        "other rows link the same two records from the other end, and what this row's association type is called "
        "there is not known: write this row from the other end, too, or delete it where another row says the same"
    )
    pairs = database.execute("SELECT id, all_rows FROM pairs WHERE kinds = ?", mixture).fetchall()
    for pair, all_rows in pairs:
        rows = database.execute(
            f"SELECT id, kind, swapped FROM ({family.rows()}) WHERE id IN ({all_rows}) ORDER BY id"  # noqa: S608 - ours
        ).fetchall()
        # Within one object type, rows of one kind may be written from both ends.
        leave = {row for row, kind, swapped in rows if swapped and kind in refused}
        stay = [row for row, _, _ in rows if row not in leave]
        for row in sorted(leave):
            database.execute(
                f"{REJECT} ?, {OF_ROW} || ? FROM rows WHERE id = ?", ("UNKNOWN_INVERSE_TYPE", message, row)
            )
        database.execute(
            "UPDATE pairs SET first_row = ?, all_rows = ?, size = ?, (input, row, part) ="
            " (SELECT input, row, part FROM rows WHERE id = ?) WHERE id = ?",
            (stay[0], ",".join(map(str, stay)), len(stay), stay[0], pair),
        )
