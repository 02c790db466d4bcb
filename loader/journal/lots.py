"""The lots of a journal: pairs and their rows in columns, read a lot at a time."""

import sqlite3
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from loader.columns import Flags, Ids, PlannedLot, ScopeLot, Small, distinct, expanded
from loader.model import Direction

HELD = 8
"""Lots held in memory: those that are being sent, so that their result lines need not be read back."""

_OF_PAIRS = (("from_ids", "i8"), ("to_ids", "i8"), ("requests", "i4"), ("sizes", "i4"))
_OF_ROWS = (("inputs", "i4"), ("rows", "i4"), ("parts", "i4"), ("kinds", "i4"), ("backward", "?"))


def packed_lot(lot: PlannedLot) -> bytes:
    """Return the columns of a lot as one text of bytes."""
    return b"".join(getattr(lot, name).astype(dtype).tobytes() for name, dtype in (*_OF_PAIRS, *_OF_ROWS))


def unpacked_lot(type_pair: int, first_pair: int, pairs: int, rows: int, columns: bytes) -> PlannedLot:
    """Unpack a lot."""
    found: dict[str, Any] = _columns(columns, (_OF_PAIRS, pairs), (_OF_ROWS, rows))
    return PlannedLot(type_pair=type_pair, first_pair=first_pair, **found)


def _columns(data: bytes, *parts: tuple[Sequence[tuple[str, str]], int]) -> dict[str, npt.NDArray[np.generic]]:
    """Unpack columns; each part has its fields and their number of entries."""
    found: dict[str, npt.NDArray[np.generic]] = {}
    offset = 0
    for fields, size in parts:
        for name, dtype in fields:
            found[name] = np.frombuffer(data, dtype, size, offset)
            offset += found[name].nbytes
    return found


_OF_RECORDS = (("records", "i8"), ("sizes", "i4"))
_OF_ASKED = (("others", "i8"), ("pairs", "i8"), ("requests", "i4"), ("rows", "i4"), ("at_to", "?"), ("counted", "?"))


def packed_scope(lot: ScopeLot) -> bytes:
    """Return the columns of records in scope as one text of bytes."""
    return b"".join(getattr(lot, name).astype(dtype).tobytes() for name, dtype in (*_OF_RECORDS, *_OF_ASKED))


def unpacked_scope(direction: Direction, records: int, pairs: int, columns: bytes) -> ScopeLot:
    """Unpack records in scope."""
    return ScopeLot(direction=direction, **_columns(columns, (_OF_RECORDS, records), (_OF_ASKED, pairs)))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LotRows:
    """Rows of pairs in columns; `pairs` gives for each row the index of its pair among the requested ones.

    `object_ids` and `to_object_ids` are as the row is written, which is `backward` where its pair's request is written
    from the other end.
    """

    pairs: Ids
    inputs: Small
    rows: Small
    parts: Small
    kinds: Small
    object_ids: Ids
    to_object_ids: Ids
    backward: Flags
    alone: Flags
    """True for the rows that are the only ones of their pairs."""

    def take(self, which: Ids) -> "LotRows":
        """Return some of the rows, by index."""
        return LotRows(**{name: getattr(self, name)[which] for name in self.__dataclass_fields__})


def joined(parts: Sequence[LotRows]) -> LotRows:
    """Return rows of several look-ups, at least one, one after the other."""
    return LotRows(
        **{name: np.concatenate([getattr(rows, name) for rows in parts]) for name in LotRows.__dataclass_fields__}
    )


class Lots:
    """The lots of a journal, by the numbers of their pairs; planned lots never change."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._held: OrderedDict[int, PlannedLot] = OrderedDict()
        found = database.execute(
            "SELECT id, first_pair, pairs, rows, first_place, turn FROM lots ORDER BY id"
        ).fetchall()
        self._ids = [row[0] for row in found]
        self.first_pairs: Ids = np.array([row[1] for row in found], np.int64)
        self.sizes: Ids = np.array([row[2] for row in found], np.int64)
        self.first_places: Ids = np.array([row[4] for row in found], np.int64)
        self.turns: Small = np.array([row[5] for row in found], np.int32)
        """When each lot is sent: 0 for pairs that rows name; 1 for pairs that a mirror takes something off; 2 for what
        it takes off the same pairs after that, because it is visible only from their other end."""
        self.beside: Flags = self.turns > 0
        """True for the lots with pairs that a mirror takes something off: no row names them, and they come last."""
        self.pairs = int(self.sizes[~self.beside].sum())
        self.rows = sum(row[3] for row in found if not row[5])

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: int) -> PlannedLot:
        if index in self._held:
            self._held.move_to_end(index)
            return self._held[index]
        packed = self._database.execute(
            "SELECT type_pair, first_pair, pairs, rows, columns FROM lots WHERE id = ?", (self._ids[index],)
        ).fetchone()
        self._held[index] = found = unpacked_lot(*packed)
        if len(self._held) > HELD:
            self._held.popitem(last=False)
        return found

    def index_of(self, pairs: Ids) -> npt.NDArray[np.intp]:
        """Return the index of the lot of each pair, by number."""
        return np.searchsorted(self.first_pairs, pairs, "right") - 1

    def after(self, pair: int, turn: int | None = None) -> Iterator[PlannedLot]:
        """Yield the lots (of a turn) that have pairs after a number, in order."""
        first = max(0, int(np.searchsorted(self.first_pairs, pair + 1, "right")) - 1)
        which = np.arange(first, len(self))
        return map(self.__getitem__, (which if turn is None else which[self.turns[first:] == turn]).tolist())

    def rows_of(self, pairs: Ids) -> LotRows:
        """Return the rows of pairs, by number, in the order of these; at least one."""
        indexes = self.index_of(pairs)
        parts: list[LotRows] = []
        for index in distinct(indexes).tolist():
            which = np.flatnonzero(indexes == index)
            rows = _rows_of(self[index], pairs[which])
            parts.append(replace(rows, pairs=which[rows.pairs]))
        found = joined(parts)
        return found if len(parts) == 1 else found.take(np.argsort(found.pairs, kind="stable"))


def _rows_of(lot: PlannedLot, pairs: Ids) -> LotRows:
    indexes = pairs - lot.first_pair
    sizes = lot.sizes[indexes]
    rows = expanded(lot.starts[indexes], sizes)
    of = np.repeat(np.arange(len(pairs)), sizes)
    backward = lot.backward[rows]
    from_ids, to_ids = lot.from_ids[indexes][of], lot.to_ids[indexes][of]
    return LotRows(
        pairs=of,
        inputs=lot.inputs[rows],
        rows=lot.rows[rows],
        parts=lot.parts[rows],
        kinds=lot.kinds[rows],
        object_ids=np.where(backward, to_ids, from_ids),
        to_object_ids=np.where(backward, from_ids, to_ids),
        backward=backward,
        alone=(sizes == 1)[of],
    )


# --- what is known of pairs, from one number to another: few lines in a table, however many pairs there are

Range = Sequence[Any]
"""The first pair, the last pair, and what is known about them."""


def ranges(database: sqlite3.Connection, table: str, columns: str, first: int, last: int) -> list[Range]:
    """Return the lines of a table about the pairs from one number to another, in the order of the pairs."""
    return database.execute(
        f"SELECT first_pair, last_pair, {columns} FROM {table} WHERE last_pair >= :first AND first_pair <= :last"
        f" AND first_pair >= coalesce((SELECT max(first_pair) FROM {table} WHERE first_pair <= :first), :first)"
        " ORDER BY first_pair",
        {"first": first, "last": last},
    ).fetchall()


def spread(found: Sequence[Range], column: int, first: int, last: int) -> Ids:
    """Return a column of these lines with one entry for each pair from one number to another, 0 if unknown."""
    values = np.zeros(last - first + 1, np.int64)
    for each in found:
        values[max(0, each[0] - first) : each[1] - first + 1] = each[column]
    return values
