"""The action of a verification: what the rows want is compared with what HubSpot has; nothing is changed."""

from collections.abc import Mapping

from loader.model import WHOLE_PAIR, Direction, Outcome, Result, Types
from loader.send.gateway import Gateway
from loader.send.judging import same_types
from loader.send.outcomes import Record, failed, outcomes
from loader.send.outgoing import Draft
from loader.send.reading import CurrentAssociations


class Compare:
    """Reads the current types of pairs and judges which are as they should be.

    With `removed`, they are as they should be if nothing that the rows name is left. `plain` are the unlabelled types
    of each direction, which HubSpot adds to every pair by itself. With `exact`, a pair may have only these and what the
    rows want. A pair that is not as it should be gets an outcome only with `final`: before that, the read may lag
    behind a write.
    """

    capacity = 5000

    def __init__(
        self,
        gateway: Gateway,
        *,
        plain: Mapping[Direction, Types],
        exact: bool,
        removed: bool,
        final: bool,
    ) -> None:
        self._current = CurrentAssociations(gateway)
        self._plain = plain
        self._exact = exact
        self._removed = removed
        self._final = final

    async def apply(self, draft: Draft, record: Record) -> None:
        """Record the outcomes of the pairs that can be judged now: `same`, `other`, `missing` or `failed`."""
        pairs = draft.pairs
        reading = await self._current.read(pairs.direction, pairs.from_ids)
        moment = self._current.clocks.timestamp()
        found: list[Outcome] = []
        for record_id, error in reading.unreadable.items():
            mask = pairs.from_ids == record_id
            found += outcomes(pairs.take(mask), failed(error, attempts=error.attempts, finished_at=moment))
            pairs = pairs.take(~mask)
        for places, held in same_types(pairs, *reading.held(pairs.from_ids, pairs.to_ids)):
            status = self._status(frozenset(pairs.at(places[0]).types), held, pairs.direction)
            if status == "same" or self._final:
                result = Result(status, finished_at=moment, attempts=1)
                labels = tuple(each.key for each in sorted(held))
                found += outcomes(pairs.take(places), result._replace(labels=labels))
        record(found)

    def _status(self, wanted: Types, held: Types, direction: Direction) -> str:
        if self._removed:
            there = held if WHOLE_PAIR in wanted else held & wanted
            return "other" if there else "same"
        if not held:
            return "missing"
        beside = held - wanted - self._plain.get(direction, frozenset())
        return "same" if wanted <= held and not (self._exact and beside) else "other"
