"""The scope of a mirror: the records in the file, and the pairs that its rows want for each, from either end.

A record is in the file if a row is written from it, or if a blank cell says that it has nothing. If a row of a record
is rejected, it is not known what that record should have: it is exempt, and nothing is taken off it. If it is not
certain which record a rejected row is written from, the row may mean any pair of its to record: then that record is
exempt, too.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from loader.columns import PAIRS_IN_A_LOT, RECORDS_IN_A_LOT, Ids, PlannedLot, ScopeLot
from loader.journal.own_keys import OwnKeys
from loader.model import Chunk, Direction, Reject, RowKind, Specification
from loader.planning.orient import ROW, begins
from loader.planning.spool import Records, Spool
from loader.read.ids import judge, judge_value

_STANDS, _EXEMPT, _UNSURE, _PERHAPS = -1, -2, -3, -4
"""These values stand in the part of a row, and say what is known of its from record.

It has nothing; it has a rejected row; it has one if the row is written from it; a wrong cell may mean it.
"""

REJECTED, PERHAPS, OTHER_END = "rejected", "perhaps", "other end"
"""Why records are exempt. Records at the other end of a rejected row count only if they are in scope themselves."""

OF_FROM_END = ("object_id", "object_type")
"""If one of these fields is wrong, it is not certain which record a row is written from."""

ENTRY = [
    *(("direction", "i4"), ("record", "i8"), ("other", "i8"), ("pair", "i8"), ("request", "i4"), ("rows", "i4")),
    *(("stands", "?"), ("at_to", "?"), ("counted", "?")),
]
"""A pair seen from one of its records; pair 0: the record has nothing. `counted` is set once for each pair."""

_NUMBER = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)


class Marks(Spool):
    """Records that the file lists with nothing, and records of rejected rows, until their ids are known.

    They are spooled as rows; their ids may be own keys, and are 0 if unknown.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, ROW)

    def note(
        self, number: int, chunk: Chunk, keys: OwnKeys, kind: Callable[[RowKind], int], *, by_key: tuple[bool, bool]
    ) -> None:
        """Add the blank cells and the rejects of a chunk of an input; `by_key`: from ids and to ids are own keys."""
        if chunk.blank is not None and len(chunk.blank):
            blank = chunk.blank
            found = np.zeros(len(blank), ROW)
            found["from"], _ = keys.numbered(number, blank)
            found["input"], found["row"], found["part"] = number, blank.rows, _STANDS
            found["kind"] = np.array([kind(each) for each in blank.row_kinds], np.int32)[blank.kinds]
            self.append(found)
        meant = [(each, *record) for each in chunk.rejects for record in _meant(each, by_key)]
        if meant:
            rejects, from_texts, to_texts, codes = zip(*meant, strict=True)
            found = np.zeros(len(meant), ROW)
            for side, texts, keyed in (("from", from_texts, by_key[0]), ("to", to_texts, by_key[1])):
                found[side] = keys.numbers(texts) if keyed else [int(text or 0) for text in texts]
            found["input"], found["row"], found["part"] = number, [each.row for each in rejects], codes
            found["kind"] = [kind(each.row_kind) for each in rejects]
            self.append(found)


def _meant(reject: Reject, by_key: tuple[bool, bool]) -> Iterator[tuple[str, str, int]]:
    """Yield the from records that a rejected row may mean, its to record, and how certain that is; blank: unknown.

    The to record is left out if it is certain which record the row is written from.
    """
    judges = [judge_value if keyed else judge for keyed in by_key]
    record, other = judges[0](reject.object_id).record_id, judges[1](reject.to_object_id).record_id
    if not record:
        yield "", other, _PERHAPS
        if not by_key[0]:
            # An id is never guessed. It does no harm that a record keeps what it has.
            numbers = _NUMBER.findall(reject.object_id)
            yield from ((number, "", _PERHAPS) for number in numbers if int(number) < 2**63)
    elif reject.field in ("", *OF_FROM_END):
        yield record, other, _UNSURE
    else:
        yield record, other if by_key[0] else "", _EXEMPT


def exempt_records(
    marks: Iterable[Records], types: Mapping[int, tuple[str | None, str | None]]
) -> Iterator[tuple[str, int, str]]:
    """Yield object type (blank: unknown), record id and reason of the records that rejected rows mean.

    `types` are the object types of each kind. An own key without a known record is skipped.
    """
    for block in marks:
        some = block.compress(block["part"] != _STANDS)
        for record, other, _, _, code, kind in some.tolist():
            first, second = types[kind]
            if record > 0:
                yield first or "", record, PERHAPS if code == _PERHAPS else REJECTED
            if other > 0 and (record <= 0 or code != _EXEMPT):
                yield second or "", other, OTHER_END


class Entries:
    """The pairs of the records in scope, added in any order and returned record by record.

    `directions` are those of the rows that are not rejected.
    """

    def __init__(self, spool: Spool, directions: Iterable[Direction]) -> None:
        """Take an empty spool of entries (see `ENTRY`)."""
        self._spool = spool
        self._directions = sorted(directions)
        self._numbers = {direction: number for number, direction in enumerate(self._directions)}

    def add_blank(self, marks: Iterable[Records], directions: Mapping[int, Direction]) -> None:
        """Add the records that the file lists with nothing; `directions` are those of their kinds."""
        for block in marks:
            numbers = np.full(int(block["kind"].max(initial=0)) + 1, -1, np.int32)
            for kind, direction in directions.items():
                if kind < len(numbers):
                    numbers[kind] = self._numbers.get(direction, -1)
            of = numbers[block["kind"]]
            these = (block["part"] == _STANDS) & (block["from"] > 0) & (of >= 0)
            found = np.zeros(int(these.sum()), ENTRY)
            found["direction"], found["record"], found["stands"] = of[these], block["from"][these], True
            self._spool.append(found)

    def add(self, lot: PlannedLot, specifications: Mapping[int, Specification]) -> None:
        """Add the pairs of a lot, from both ends if both are in scope."""
        size = max(specifications) + 1
        own, back = np.full(size, -1, np.int32), np.full(size, -1, np.int32)
        for request, each in specifications.items():
            own[request] = self._numbers.get(each.direction, -1)
            back[request] = self._numbers.get(each.direction[::-1], -1)
        from_here = np.logical_or.reduceat(~lot.backward, lot.starts)
        from_there = np.logical_or.reduceat(lot.backward, lot.starts)
        numbers = lot.first_pair + np.arange(len(lot))
        for at_to, directions, ids, others, written, counted in (
            (False, own, lot.from_ids, lot.to_ids, from_here, from_here),
            (True, back, lot.to_ids, lot.from_ids, from_there, from_there & ~from_here),
        ):
            of = directions[lot.requests]
            these = of >= 0
            found = np.empty(int(these.sum()), ENTRY)
            found["at_to"] = at_to
            for name, column in (
                *(("direction", of), ("record", ids), ("other", others), ("pair", numbers)),
                *(("request", lot.requests), ("rows", lot.sizes), ("stands", written), ("counted", counted)),
            ):
                found[name] = column[these]
            self._spool.append(found)

    def lots(self) -> Iterator[ScopeLot]:
        """Yield the records of the file in lots, each record with all its pairs."""
        for part in self._spool.parts(("direction", "record")):
            entries = part.take(np.lexsort((part["other"], part["record"], part["direction"])))
            if not len(entries):
                continue
            starts = np.flatnonzero(begins(entries, "direction", "record"))
            stands = np.logical_or.reduceat(entries["stands"], starts)
            entries = entries[np.repeat(stands, np.diff(starts, append=len(entries)))]
            starts = np.flatnonzero(begins(entries, "direction", "record"))
            yield from self._divided(entries, starts)

    def _divided(self, entries: Records, starts: Ids) -> Iterator[ScopeLot]:
        ends = np.append(starts[1:], len(entries))
        directions = entries["direction"][starts]
        begin = 0
        while begin < len(starts):
            same = int(np.searchsorted(directions, directions[begin], "right"))
            full = int(np.searchsorted(ends, starts[begin] + PAIRS_IN_A_LOT, "right"))
            end = max(begin + 1, min(begin + RECORDS_IN_A_LOT, same, full))
            yield self._lot(int(directions[begin]), entries[starts[begin] : ends[end - 1]])
            begin = end

    def _lot(self, direction: int, entries: Records) -> ScopeLot:
        starts = np.flatnonzero(begins(entries, "record"))
        asked = entries["pair"] > 0
        some = entries[asked]
        return ScopeLot(
            direction=self._directions[direction],
            records=entries["record"][starts],
            sizes=np.add.reduceat(asked, starts, dtype=np.int32),
            others=some["other"],
            pairs=some["pair"],
            requests=some["request"],
            rows=some["rows"],
            at_to=some["at_to"],
            counted=some["counted"],
        )
