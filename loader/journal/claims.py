"""Pairs leave the journal to be sent, alone or in lots that are looked up together."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from loader.columns import Ids, PlannedLot, distinct
from loader.journal.lots import Lots, ranges, spread
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


class Claims:
    """Hands out the pairs without an outcome, in their order; it can begin again with the first.

    Pairs that only rows after the place `end` name are left out. `after` is the pair that was handed out last. `turn`:
    only pairs of these lots are handed out (see `Lots.turns`). `no_waiting`: no pair waits for another one.
    """

    def __init__(self, database: sqlite3.Connection, planned: StoredPlan, lots: Lots, end: int) -> None:
        self._database = database
        self._planned = planned
        self._lots = lots
        self.end = end
        self.turn = 0
        self.no_waiting = False
        self.begin_again()

    def begin_again(self) -> None:
        """Begin with the first pair. After the last outcome, pairs need not be checked for one."""
        self.after = 0
        statement = "SELECT coalesce(max(last_pair), 0) FROM outcomes"
        (self._last_outcome,) = self._database.execute(statement).fetchone()

    def open_pairs(self) -> Iterator[tuple[PlannedLot, Ids]]:
        """Yield each lot that has pairs without an outcome, with the indexes of these."""
        lots, next_pair = self._lots, self.after + 1
        if not len(lots):
            return
        start = max(0, int(lots.index_of(np.array([next_pair]))[0]))
        within = (lots.first_places[start:] <= self.end) & (lots.turns[start:] == self.turn)
        for index in np.flatnonzero(within).tolist():
            lot = lots[start + index]
            found = lot.places <= self.end
            found[: max(0, next_pair - lot.first_pair)] = False
            if lot.first_pair <= self._last_outcome:
                outcomes = ranges(self._database, "outcomes", "result", lot.first_pair, lot.last_pair)
                found &= spread(outcomes, 2, lot.first_pair, lot.last_pair) == 0
            if found.any():
                yield lot, np.flatnonzero(found)

    def pairs(self, most: int) -> list[Pairs]:
        """Hand out the next pairs, those of each direction; none when nothing is left."""
        planned = self._planned
        by_direction: dict[int, list[Pairs]] = {}
        for lot, found in self.open_pairs():
            some = found[:most]
            most -= len(some)
            self.after = lot.first_pair + int(some[-1])
            of = planned.direction_of[lot.requests[some]]
            for place in distinct(of).tolist():
                run = pairs_of(planned, lot, some[of == place], planned.directions[place])
                by_direction.setdefault(place, []).append(run)
            if most <= 0:
                break
        return [concatenate(by_direction[place]) for place in sorted(by_direction)]

    def lot(self, *, in_row_order: bool) -> Lot | None:
        """Hand out the pairs without an outcome of the next planned lot; None when nothing is left.

        The pairs of one record lie together, or, `in_row_order`, as the rows name them.
        """
        lot, some = next(self.open_pairs(), (None, np.zeros(0, np.int64)))
        if lot is None:
            return None
        planned = self._planned
        self.after = lot.first_pair + int(some[-1])
        if in_row_order:
            some = some[np.lexsort((lot.parts[lot.starts[some]], lot.places[some]))]
        at_to = planned.lookup_backward[lot.requests[some]]
        direction = planned.type_pairs[lot.type_pair]
        known = ranges(self._database, "befores", "image", lot.first_pair, lot.last_pair)
        images = spread(known, 2, lot.first_pair, lot.last_pair) if known else None
        return Lot(
            own=self._giving_up(pairs_of(planned, lot, some[~at_to], direction, images=images)),
            other=self._giving_up(pairs_of(planned, lot, some[at_to], direction[::-1], images=images)),
            inverse=planned.inverse(direction),
        )

    def _giving_up(self, pairs: Pairs) -> Pairs:
        """Mark pairs that lose a type like primary because another pair has it by now, or that wait because it will.

        If that other pair failed, they keep it: a record is not left without a primary one.
        """
        dropped: dict[int, Types] = {}
        contested: dict[int, Types] = {}
        for type_, end in self._planned.singles.get(pairs.direction, {}).items():
            records, types = (
                (pairs.from_ids, pairs.direction) if end == "from" else (pairs.to_ids, pairs.direction[::-1])
            )
            found = {
                record: (pair, status)
                for record, pair, status in self._database.execute(
                    PROMOTED, (json.dumps(distinct(records).tolist()), *types, self.end)
                )
                if status is not None or not self.no_waiting
            }
            for number, record in zip(pairs.numbers.tolist(), records.tolist(), strict=True) if found else ():
                other, status = found.get(record, (number, None))
                if other != number:
                    lost = contested if status is None else dropped
                    lost[number] = lost.get(number, NO_TYPES) | {type_}
        return pairs.changed("dropped", dropped).changed("contested", contested)


def pairs_of(
    planned: StoredPlan,
    lot: PlannedLot,
    indexes: Ids,
    direction: Direction,
    *,
    images: Ids | None = None,
    unknown: Types | None = None,
) -> Pairs:
    """Return pairs of a lot, by index, all of one direction, as pairs to send.

    `images` gives for each pair of the lot the number of its before-image, 0 if it has none: then it is `unknown`.
    """
    intents, table = lot.requests[indexes], planned.intents
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
        from_ids=lot.from_ids[indexes],
        to_ids=lot.to_ids[indexes],
        rows=lot.sizes[indexes],
        intents=intents,
        table=table,
    )
