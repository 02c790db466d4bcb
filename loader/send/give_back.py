"""An undo gives back what a load took from other pairs: the type like primary.

HubSpot takes that type off the old pair when another pair gets it. Once the new pair has lost it again, the old one
gets it back, if it is still there and no third one was made the primary one since.
"""

from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from loader.model import AssociationType, Demotion, Direction, Intent, Outcome, Pairs, Result
from loader.send.batch import Batch
from loader.send.clocks import Moment
from loader.send.gateway import Gateway
from loader.send.outgoing import Draft, DraftSource, PreparedPairs
from loader.send.pool import Action
from loader.send.reading import CurrentAssociations, Reading

GIVEN, KEPT, LEFT, FAILED = "given", "kept", "left", "failed"
"""Possible results: given back; never lost; the pair is gone, or another one is primary; HubSpot refused it."""


class WhileYoung(DraftSource):
    """Applies an action to pairs that were just read, outside of a pool.

    They are sent only while their reading is young; older ones are abandoned, to be read again.
    """

    def __init__(self, gateway: Gateway, action: Action) -> None:
        super().__init__()
        self._gateway = gateway
        self._action = action

    def is_old(self, moment: Moment) -> bool:
        """Return True if a reading of that moment is too old to be used."""
        return self._gateway.clocks.is_old(moment)

    async def renew(self, draft: Draft) -> None:
        """Abandon the pairs."""
        draft.become(draft.prepared.take(slice(0)))

    async def apply(
        self, direction: Direction, given: Mapping[int, tuple[str, str, tuple[AssociationType, ...]]], read_at: Moment
    ) -> dict[int, Result]:
        """Return the results of pairs, by number, without pairs whose reading became too old before they could leave.

        Each has the ids of its two records, and all types that it is to have, or to lose.
        """
        outcomes: list[Outcome] = []
        if given:
            pairs = _pairs(direction, given)
            prepared = PreparedPairs(wanted=pairs, to_send=pairs, read_at=read_at)
            await self._action.apply(Draft(prepared, self), outcomes.extend)
        return {pair: each.result for each in outcomes for pair in each.pair_ids.tolist()}


def _pairs(direction: Direction, given: Mapping[int, tuple[str, str, tuple[AssociationType, ...]]]) -> Pairs:
    from_ids, to_ids, types = zip(*given.values(), strict=True)
    return Pairs(
        direction=direction,
        numbers=np.array(list(given), np.int64),
        from_ids=np.array(list(map(int, from_ids)), np.int64),
        to_ids=np.array(list(map(int, to_ids)), np.int64),
        rows=np.ones(len(given), np.int32),
        intents=np.arange(len(given), dtype=np.int32),
        table=tuple(Intent(types=each) for each in types),
    )


class GiveBack:
    """Gives pairs back the type that they lost, together with all that they have; `capacity` pairs at once."""

    capacity = 1000

    def __init__(self, gateway: Gateway) -> None:
        self._current = CurrentAssociations(gateway)
        self._giving = WhileYoung(gateway, Batch(gateway))

    async def apply(self, demoted: Mapping[int, Demotion]) -> dict[int, str]:
        """Return the result of each, by number; raises Fatal when no request can succeed, Stopped at the run's end."""
        by_direction: dict[Direction, dict[int, Demotion]] = defaultdict(dict)
        for number, each in demoted.items():
            by_direction[each.object_type, each.to_object_type][number] = each
        found: dict[int, str] = {}
        for direction, some in by_direction.items():
            while left := {number: each for number, each in some.items() if number not in found}:
                found |= await self._once(direction, left)
        return found

    async def _once(self, direction: Direction, demoted: Mapping[int, Demotion]) -> dict[int, str]:
        records = [int(each.object_id) for each in demoted.values()]
        reading, read_at = await self._current.read_fresh(direction, records)
        found = {number: _state_of(each, reading) for number, each in demoted.items()}
        given = {}
        for number, status in found.items():
            if status == GIVEN:
                record, other = demoted[number].object_id, demoted[number].to_object_id
                given[number] = record, other, (demoted[number].single, *sorted(reading.of(int(record))[int(other)]))
        done = await self._giving.apply(direction, given, read_at)
        late = given.keys() - done.keys()
        found |= {number: FAILED for number, result in done.items() if result.status == "failed"}
        return {number: status for number, status in found.items() if number not in late}


def _state_of(demoted: Demotion, reading: Reading) -> str:
    """Return what to do with a pair, by the current associations of its record."""
    if int(demoted.object_id) in reading.unreadable:
        return FAILED
    held, other = reading.of(int(demoted.object_id)), int(demoted.to_object_id)
    if demoted.single in held.get(other, frozenset()):
        return KEPT
    if other not in held or any(demoted.single in types for types in held.values()):
        return LEFT
    return GIVEN
