"""The action of an undo: what a run added to pairs is taken away again, after a look at what they have now."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from loader.model import Direction, Pair, Result
from loader.send.archive import Archive, Results
from loader.send.clocks import Moment, timestamp
from loader.send.gateway import Gateway
from loader.send.give_back import Giver
from loader.send.outcomes import Record, failed, outcome, plain
from loader.send.outgoing import Draft
from loader.send.reading import CurrentAssociations, Reading, read_fresh
from loader.send.removal import GONE, NOTHING, Removal, removal


class _Step(NamedTuple):
    """What is to be done about one pair."""

    pair: Pair
    removal: Removal


class TakeBack:
    """Takes away what a run added: whole pairs by `batch/archive`, labels of old pairs by `batch/labels/archive`.

    `labels` gives the label of each association type by its key (see `removal`). `intend` commits, before a request
    leaves, that these pairs (by number) are being taken back; `intended` are those that an earlier undo was at when it
    ended: what is not there any more was then taken away by it. `replaced`: the run took the other labels off pairs,
    which get them back first.
    """

    capacity = 1000

    def __init__(
        self,
        gateway: Gateway,
        *,
        version: str,
        labels: Mapping[str, str],
        intend: Callable[[Sequence[int]], Awaitable[None]],
        intended: Collection[int],
        now: Callable[[], datetime],
        replaced: bool = False,
        max_attempts: int = 8,
    ) -> None:
        self._gateway = gateway
        self._replaced = replaced
        self._giver = Giver(gateway, version=version, max_attempts=max_attempts, now=now)
        self._archive = Archive(gateway, version=version, now=now)
        self._current = CurrentAssociations(gateway, version=version)
        self._labels = labels
        self._intend = intend
        self._intended = intended
        self._now = now

    async def apply(self, draft: Draft, record: Record) -> None:
        """Record what becomes of the pairs: `removed`, `unchanged`, `left` or `failed`; all are of one direction.

        What could not leave while its reading was young is read and judged once more.
        """
        pairs = list(draft.pairs.each())
        tried: set[int] = set()
        while pairs:
            reading, read_at = await read_fresh(
                self._current, self._gateway.clocks, _direction(pairs[0]), [pair.object_id for pair in pairs]
            )
            steps = [
                _Step(pair, self._judged(pair, reading, tried)) for pair in pairs if pair.object_id in reading.found
            ]
            tried |= {step.pair.pair_id for step in steps if step.removal.needed}
            await self._intend([step.pair.pair_id for step in steps if step.removal.needed])
            results = await self._carry_out(steps, read_at) | self._unread(pairs, reading)
            record([outcome(pair, results[pair.pair_id]) for pair in pairs if pair.pair_id in results])
            pairs = [pair for pair in pairs if pair.pair_id not in results]

    def _unread(self, pairs: Iterable[Pair], reading: Reading) -> Results:
        moment = timestamp(self._now())
        return {
            pair.pair_id: failed(error, attempts=error.attempts, finished_at=moment)
            for pair in pairs
            if (error := reading.unreadable.get(pair.object_id))
        }

    def _judged(self, pair: Pair, reading: Reading, tried: Collection[int]) -> Removal:
        now = reading.found[pair.object_id].get(pair.to_object_id, NOTHING)
        found = removal(frozenset(pair.types), pair.before or NOTHING, now, self._labels, replaced=self._replaced)
        if found == GONE and (pair.pair_id in self._intended or pair.pair_id in tried):
            return GONE._replace(status="removed", why="")
        return found

    async def _carry_out(self, steps: Sequence[_Step], read_at: Moment) -> Results:
        """Give back first, as that sends all that a pair has; then take off. What would leave too late has no result.

        A pair's second request is only made once its first one has succeeded.
        """
        given = await self._give_back([step for step in steps if step.removal.back], read_at)
        done = {number for number, result in given.items() if result.status != "failed"}
        left = [step for step in steps if not step.removal.back or step.pair.pair_id in done]
        whole = [step.pair for step in left if step.removal.whole]
        labelled = [(step.pair, step.removal.types) for step in left if step.removal.types]
        taken = await self._archive.whole(whole, read_at) | await self._archive.labels(labelled, read_at)
        results = {number: result for number, result in (given | taken).items() if result.status == "failed"}
        moment = timestamp(self._now())
        for step in left:
            number, goes = step.pair.pair_id, step.removal.whole or step.removal.types
            if number not in results and (not goes or number in taken):
                results[number] = _done(step.removal, moment)
        return results

    async def _give_back(self, steps: Sequence[_Step], read_at: Moment) -> Results:
        given = {
            step.pair.pair_id: (
                step.pair.object_id,
                step.pair.to_object_id,
                tuple(sorted(step.removal.now | step.removal.back)),
            )
            for step in steps
        }
        return await self._giver.give(_direction(steps[0].pair), given, read_at) if steps else {}


def _direction(pair: Pair) -> Direction:
    return pair.object_type, pair.to_object_type


def _done(done: Removal, moment: str) -> Result:
    category = "CHANGED_SINCE" if done.status == "left" else ""
    result = plain(done.status, finished_at=moment, attempts=1)
    return result._replace(error_category=category, error_message=done.why)
