"""The action of a verification: what is asked for, held against what HubSpot has; it changes nothing there."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from loader.model import Direction, Pair, Result, Types
from loader.send.outcomes import Record, failed, outcomes, plain
from loader.send.outgoing import Freshness, direction_of
from loader.send.put import timestamp
from loader.send.reading import CurrentAssociations, Reading


class Compare:
    """Reads the current types of pairs and tells which are as they should be.

    `plain` are the unlabelled types of each direction, which HubSpot adds to every pair by itself. With `exact`, a pair
    may hold nothing else than those and what is asked for. A pair that is not as it should be has an outcome only with
    `final`: before, it may be that the read lags behind a write.
    """

    capacity = 5000

    def __init__(
        self,
        current: CurrentAssociations,
        *,
        plain: Mapping[Direction, Types],
        exact: bool,
        final: bool,
        now: Callable[[], datetime],
    ) -> None:
        self._current = current
        self._plain = plain
        self._exact = exact
        self._final = final
        self._now = now

    async def apply(self, pairs: Sequence[Pair], freshness: Freshness, record: Record) -> None:
        """Record the outcomes of those pairs that can be judged now: `same`, `other`, `missing` or `failed`.

        All of them are of one direction.
        """
        del freshness
        direction = direction_of(pairs[0])
        reading = await self._current.read(direction, (pair.object_id for pair in pairs))
        moment = timestamp(self._now())
        alike: dict[Result, list[Pair]] = {}
        for pair in pairs:
            if result := self._judged(pair, direction, reading, moment):
                alike.setdefault(result, []).append(pair)
        record([outcome for result, some in alike.items() for outcome in outcomes(some, result)])

    def _judged(self, pair: Pair, direction: Direction, reading: Reading, moment: str) -> Result | None:
        error = reading.unreadable.get(pair.object_id)
        if error is not None:
            return failed(error, attempts=error.attempts, finished_at=moment)
        held = reading.found[pair.object_id].get(pair.to_object_id, frozenset())
        status = self._status(frozenset(pair.types), held, direction)
        if status != "same" and not self._final:
            return None
        labels = tuple(each.key for each in sorted(held))
        return plain(status, finished_at=moment, attempts=1)._replace(labels=labels)

    def _status(self, asked: Types, held: Types, direction: Direction) -> str:
        if not held:
            return "missing"
        beside = held - asked - self._plain.get(direction, frozenset())
        return "same" if asked <= held and not (self._exact and beside) else "other"
