"""Rows before they are grouped: each is seen in the main direction, and those that cannot be sent are rejected.

`a` is the record at the from end of the main direction, `b` the other; of two records of one object type, `a` is the
one of the lower id. A to B and B to A are one pair: HubSpot's PUT replaces all labels of a pair, so the rows of
both ends must go out in one request. It is written from the end that more rows are written from, or from the other
where only that can name all types; a row whose type can be named from neither is rejected.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from loader.columns import Flags
from loader.model import Direction, Problem, Resolved, Specification, hides_leads
from loader.planning.spool import Records, Spool

ROW = [("from", "i8"), ("to", "i8"), ("input", "i4"), ("row", "i4"), ("part", "i4"), ("kind", "i4")]
"""A row as it is written."""

ORIENTED = [
    *(("a", "i8"), ("b", "i8"), ("input", "i4"), ("row", "i4"), ("part", "i4"), ("type_pair", "i4"), ("code", "i4")),
]
"""A row seen from the main end; `code` is twice its kind, and one more for a row that is written from the other end."""

_SINGLE = [("types", "i4"), ("record", "i8"), ("other", "i8")]


TakeRejects: TypeAlias = Callable[[Records, Iterable[Problem]], None]
"""Takes over rows, as they are written (see `ROW`), that are never sent."""


class ResolvedKinds:
    """The kinds of rows that can be sent, in arrays by kind; all others are of type pair 0.

    `rows` counts the rows of each kind: the direction of a type pair that more of them have is its main direction.
    """

    def __init__(self, resolved: Mapping[int, Resolved], rows: Mapping[int, int]) -> None:
        self.resolved = resolved
        size = max(rows, default=0) + 1
        self.type_pair = np.zeros(size, np.int32)
        self.backward = np.zeros(size, np.bool_)
        self.within = np.zeros(size, np.bool_)
        self.single = np.zeros(size, np.int8)
        self.types = np.zeros(size, np.int32)
        weights: Counter[Direction] = Counter()
        for kind, each in resolved.items():
            weights[each.direction] += rows[kind]
        numbers: dict[frozenset[str], int] = {}
        self.directions: dict[int, Direction] = {}
        for direction in sorted(weights, key=lambda direction: -weights[direction]):
            number = numbers.setdefault(frozenset(direction), len(numbers) + 1)
            self.directions.setdefault(number, direction)
        self.known = dict.fromkeys(self.directions, True)
        self.removes = any(each.removes for each in resolved.values())
        # Whose record a single type limits: the object types, seen from that record.
        self.sided: list[Direction] = []
        for kind, each in resolved.items():
            type_pair = numbers[frozenset(each.direction)]
            self.type_pair[kind] = type_pair
            self.backward[kind] = each.direction != self.directions[type_pair]
            self.within[kind] = each.direction[0] == each.direction[1]
            self.known[type_pair] &= each.inverse is not None
            if each.single:
                self.single[kind] = ("", "from", "to").index(each.single)
                if each.single_types not in self.sided:
                    self.sided.append(each.single_types)
                self.types[kind] = self.sided.index(each.single_types)


def specify(forward: Sequence[int], backward: Sequence[int], resolved: Mapping[int, Resolved]) -> Specification:
    """Return the request for a pair whose rows are of these kinds, written in the main direction and backward.

    It is written in the main direction unless only the other can say it all, or the other is that from a lead: what a
    lead has is read and written from the lead's end where that can say it all. What neither can say is refused.
    """
    main = resolved[forward[0]].direction if forward else resolved[backward[0]].direction[::-1]
    forward_names_all, backward_names_all = _all_known(backward, resolved), _all_known(forward, resolved)
    if hides_leads(main) and backward_names_all:
        turn = True
    elif hides_leads(main[::-1]) and forward_names_all:
        turn = False
    else:
        turn = not forward or (backward_names_all and not forward_names_all)
    own, folded = (backward, forward) if turn else (forward, backward)
    refused = tuple(kind for kind in folded if resolved[kind].inverse is None)
    types = [resolved[kind].type for kind in own]
    types += [inverse for kind in folded if (inverse := resolved[kind].inverse) is not None]
    removes = any(resolved[kind].removes for kind in (*forward, *backward))
    return Specification(
        main[::-1] if turn else main, tuple(dict.fromkeys(types)), backward=turn, refused=refused, removes=removes
    )


def _all_known(kinds: Sequence[int], resolved: Mapping[int, Resolved]) -> bool:
    """Return True when it is known what each of these kinds is called from the other end."""
    return all(resolved[kind].inverse is not None for kind in kinds)


def oriented(
    rows: Spool, kinds: ResolvedKinds, reject: TakeRejects, ids: Callable[[Records], Flags]
) -> Iterator[Records]:
    """Yield the rows that can be sent, seen from their main ends.

    `ids` puts record ids in the place of own keys, rejects rows of which a record was not found, and tells the others.
    """
    for every in rows.blocks():
        block = every.compress(kinds.type_pair[every["kind"]] > 0)
        stay = ids(block)
        itself = kinds.within[block["kind"]] & (block["from"] == block["to"]) & stay
        if itself.any():
            lost = block.compress(itself)
            why = "object_id and to_object_id are both {}: a record cannot be associated with itself"
            both = lost["from"].tolist()
            reject(lost, (Problem("RECORD_WITH_ITSELF", why.format(record), "to_object_id") for record in both))
            stay &= ~itself
        block = block.compress(stay)
        kind = block["kind"].copy()
        backward = np.where(kinds.within[kind], block["from"] > block["to"], kinds.backward[kind])
        found = np.empty(len(block), ORIENTED)
        found["a"] = np.where(backward, block["to"], block["from"])
        found["b"] = np.where(backward, block["from"], block["to"])
        for name in ("input", "row", "part"):
            found[name] = block[name]
        found["type_pair"] = kinds.type_pair[kind]
        found["code"] = 2 * kind + backward
        yield found


def begins(records: Records, *keys: str) -> Flags:
    """Tell the records that differ from the one before, by these fields."""
    new = np.zeros(len(records), np.bool_)
    new[:1] = True
    for key in keys:
        new[1:] |= records[key][1:] != records[key][:-1]
    return new


def as_written(rows: Records) -> Records:
    """Return rows as they are written."""
    backward = (rows["code"] & 1).astype(np.bool_)
    found = np.empty(len(rows), ROW)
    found["from"] = np.where(backward, rows["b"], rows["a"])
    found["to"] = np.where(backward, rows["a"], rows["b"])
    for name in ("input", "row", "part"):
        found[name] = rows[name]
    found["kind"] = rows["code"] >> 1
    return found


# --- primary records


def contradicting(rows: Spool, path: Path, kinds: ResolvedKinds) -> dict[tuple[int, int], tuple[int, int]]:
    """Return the records that rows would give two primary or parent records, with the first and last of those.

    Each by the number of its two object types (see `ResolvedKinds.sided`) and its id. No row tells which one is meant.
    """
    found: dict[tuple[int, int], tuple[int, int]] = {}
    with Spool(path, _SINGLE) as singles:
        for block in rows.blocks():
            singles.append(_singles(as_written(block), kinds))
        for each in singles.parts(("types", "record")):
            part = each.take(np.lexsort((each["other"], each["record"], each["types"])))
            firsts = np.flatnonzero(begins(part, "types", "record"))
            lasts = np.append(firsts[1:], len(part)) - 1
            several = part["other"][firsts] != part["other"][lasts]
            for first, last in zip(part[firsts[several]].tolist(), part[lasts[several]].tolist(), strict=True):
                found[first[0], first[1]] = first[2], last[2]
    return found


def _singles(rows: Records, kinds: ResolvedKinds) -> Records:
    rows = rows[kinds.single[rows["kind"]] > 0]
    at_to = kinds.single[rows["kind"]] == 2
    found = np.empty(len(rows), _SINGLE)
    found["types"] = kinds.types[rows["kind"]]
    found["record"] = np.where(at_to, rows["to"], rows["from"])
    found["other"] = np.where(at_to, rows["from"], rows["to"])
    return found


def without_contradictions(
    block: Records, kinds: ResolvedKinds, found: Mapping[tuple[int, int], tuple[int, int]], reject: TakeRejects
) -> Records:
    """Return the rows that give no record a second primary record, and reject all the others."""
    written = as_written(block)
    asking = np.flatnonzero(kinds.single[written["kind"]] > 0)
    records = [(types, record) for types, record, _ in _singles(written, kinds).tolist()]
    lost = np.array([key in found for key in records], np.bool_)
    messages = (_two(kinds.sided[key[0]], key[1], *found[key]) for key in records if key in found)
    reject(written[asking[lost]], (Problem("CONFLICTING_PRIMARY", message) for message in messages))
    return np.delete(block, asking[lost])


def _two(types: Direction, record: int, first: int, last: int) -> str:
    what = {"0-1": "contacts", "0-2": "companies", "0-3": "deals"}.get(types[1], "records")
    return (
        f"record {record} would have two {'parent' if types[0] == types[1] else 'primary'} {what}, {first} and {last}, "
        "and can have only one: remove the label from the others"
    )
