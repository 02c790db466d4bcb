"""Pairs as they leave the journal to be sent, alone or in lots that are looked up together."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from loader.columns import Ids
from loader.journal.lots import Lots, StoredLot, ranges, spread
from loader.journal.planned import StoredPlan
from loader.model import NO_TYPES, Direction, Lot, Pairs, Types, concatenate

_ITS_OUTCOME = """
outcomes.first_pair = (SELECT max(first_pair) FROM outcomes WHERE first_pair <= pair) AND outcomes.last_pair >= pair
"""

PROMOTED = f"""
SELECT record, pair, status FROM json_each(?) wanted CROSS JOIN promoted ON record = wanted.value
    LEFT JOIN outcomes ON {_ITS_OUTCOME} LEFT JOIN results ON results.id = outcomes.result
WHERE object_type = ? AND to_object_type = ? AND place <= ? AND status IS NOT 'failed'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """Where a claim begins: behind the pair `after`. Behind the pair `last_outcome` none has an outcome.

    Pairs that only rows behind the place `end` ask for are left out. `no_waiting`: no pair waits for another one any
    more. `turn`: the claim is of the pairs of these lots (see `Lots.turns`), and of no others.
    """

    after: int
    last_outcome: int
    end: int
    no_waiting: bool = False
    turn: int = 0


def open_pairs(database: sqlite3.Connection, lots: Lots, begin: Begin) -> Iterator[tuple[StoredLot, Ids]]:
    """Yield each lot that has pairs without an outcome, with the indexes of these."""
    if not len(lots):
        return
    start = max(0, int(lots.index_of(np.array([begin.after + 1]))[0]))
    within = (lots.first_places[start:] <= begin.end) & (lots.turns[start:] == begin.turn)
    for index in np.flatnonzero(within).tolist():
        lot = lots[start + index]
        found = lot.places <= begin.end
        found[: max(0, begin.after + 1 - lot.first_pair)] = False
        if lot.first_pair <= begin.last_outcome:
            outcomes = ranges(database, "outcomes", "result", lot.first_pair, lot.last_pair)
            found &= spread(outcomes, 2, lot.first_pair, lot.last_pair) == 0
        if found.any():
            yield lot, np.flatnonzero(found)


def claim(
    database: sqlite3.Connection, planned: StoredPlan, lots: Lots, begin: Begin, most: int
) -> tuple[int, list[Pairs]]:
    """Return the next pairs, those of each direction, and the number of the last; 0 where there are none."""
    last = 0
    by_direction: dict[int, list[Pairs]] = {}
    for lot, found in open_pairs(database, lots, begin):
        some = found[:most]
        most -= len(some)
        last = lot.first_pair + int(some[-1])
        of = planned.direction_of[lot.lot.requests[some]]
        for place in np.unique(of).tolist():
            run = pairs_of(planned, lot, some[of == place], planned.directions[place])
            by_direction.setdefault(place, []).append(run)
        if most <= 0:
            break
    return last, [concatenate(by_direction[place]) for place in sorted(by_direction)]


def pairs_of(
    planned: StoredPlan,
    lot: StoredLot,
    indexes: Ids,
    direction: Direction,
    *,
    images: Ids | None = None,
    unknown: Types | None = None,
) -> Pairs:
    """Return pairs of a lot, by index, all of one direction, as what is to be sent.

    `images` gives for each pair of the lot the number of what it was before, 0 where that is `unknown`.
    """
    columns = lot.lot
    intents, table = columns.requests[indexes], planned.intents
    if images is not None and len(indexes):
        both, places = np.unique(np.stack((intents, images[indexes])), axis=1, return_inverse=True)
        intents = places.reshape(-1).astype(np.int32)
        table = tuple(
            replace(planned.intents[request], before=planned.image(image) if image else unknown)
            for request, image in both.T.tolist()
        )
    return Pairs(
        direction=direction,
        numbers=lot.first_pair + indexes,
        from_ids=columns.from_ids[indexes],
        to_ids=columns.to_ids[indexes],
        rows=columns.sizes[indexes],
        intents=intents,
        table=table,
    )


def claim_lot(
    database: sqlite3.Connection, planned: StoredPlan, lots: Lots, begin: Begin, *, in_row_order: bool
) -> tuple[int, Lot] | None:
    """Return the next lot, and the number of its last pair; None when there is none.

    It has those pairs of a planned lot that have no outcome. The pairs of one record lie together, or, `in_row_order`,
    as the rows name them.
    """
    lot, some = next(open_pairs(database, lots, begin), (None, np.zeros(0, np.int64)))
    if lot is None:
        return None
    columns = lot.lot
    last = lot.first_pair + int(some[-1])
    if in_row_order:
        some = some[np.lexsort((columns.parts[lot.starts[some]], lot.places[some]))]
    at_to = planned.lookup_backward[columns.requests[some]]
    direction = planned.type_pairs[columns.type_pair]
    known = ranges(database, "befores", "image", lot.first_pair, lot.last_pair)
    images = spread(known, 2, lot.first_pair, lot.last_pair) if known else None
    own = pairs_of(planned, lot, some[~at_to], direction, images=images)
    other = pairs_of(planned, lot, some[at_to], direction[::-1], images=images)
    return last, Lot(
        own=_giving_up(database, planned, own, begin),
        other=_giving_up(database, planned, other, begin),
        inverse=planned.inverse(direction),
    )


def _giving_up(database: sqlite3.Connection, planned: StoredPlan, pairs: Pairs, begin: Begin) -> Pairs:
    """Have pairs give up the type of a primary record where another pair has it by now, or wait where it is to get it.

    Where that other pair failed, they keep it: a record is not left without a primary one.
    """
    dropped: dict[int, Types] = {}
    contested: dict[int, Types] = {}
    for type_, end in planned.singles.get(pairs.direction, {}).items():
        records, types = (pairs.from_ids, pairs.direction) if end == "from" else (pairs.to_ids, pairs.direction[::-1])
        found = {
            record: (pair, status)
            for record, pair, status in database.execute(
                PROMOTED, (json.dumps(np.unique(records).tolist()), *types, begin.end)
            )
            if status is not None or not begin.no_waiting
        }
        for number, record in zip(pairs.numbers.tolist(), records.tolist(), strict=True) if found else ():
            other, status = found.get(record, (number, None))
            if other != number:
                lost = contested if status is None else dropped
                lost[number] = lost.get(number, NO_TYPES) | {type_}
    return pairs.changed("dropped", dropped).changed("contested", contested)
