"""The action of an undo: pairs are read, what a run added to them is removed, and what it took off is put back."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from loader.errors import ApiError
from loader.model import NO_TYPES, WHOLE_PAIR, AssociationType, Direction, Pair, Result, Singles, Types
from loader.send.batch import Batch
from loader.send.clocks import Moment
from loader.send.gateway import Gateway
from loader.send.give_back import WhileYoung
from loader.send.outcomes import Record, failed, outcome
from loader.send.outgoing import Draft
from loader.send.reading import CurrentAssociations, Reading
from loader.send.take_off import TakeOff


class Removal(NamedTuple):
    """What is to be removed, and the resulting status of the pair.

    `whole`: the pair itself; else `types`, which are all labels. `back` are types that the run took off and that the
    pair gets back, together with `now`, all that it has. `status` is `removed`, `restored` (it only gets something
    back), `unchanged` (what the run did is no longer there) or `left` (the pair was changed since, and stays); `why` is
    a sentence.
    """

    whole: bool
    types: Types
    status: str
    why: str = ""
    back: Types = NO_TYPES
    now: Types = NO_TYPES

    @property
    def needed(self) -> bool:
        """True if anything is to be sent."""
        return self.whole or bool(self.types or self.back)


BACK = Removal(False, NO_TYPES, "unchanged", "what the run took off is there again")

GONE = Removal(False, NO_TYPES, "unchanged", "what the run added is not there any more")


def removal(given: Types, before: Types, now: Types, labels: Mapping[str, str], *, replaced: bool = False) -> Removal:
    """Return what to remove from a pair that had the types `before` and got the types `given` from the run.

    `replaced`: the run took everything else off it, and that is given back.

    `labels` gives the label of each type by its key, blank for an unlabelled one, and lacks types that are not known.
    Archiving an unlabelled type removes everything (guide "Associations v4"), so only known labels are taken off by
    themselves.
    """
    if not now:
        return GONE
    if before:
        old = _of_an_old_pair((given - before) & now, labels)
        back = frozenset(each for each in before - given - now if labels.get(each.key) != "") if replaced else NO_TYPES
        if not back:
            return old
        return Removal(False, NO_TYPES, "removed", "", back, now) if old == GONE else old._replace(back=back, now=now)
    came_since = frozenset(each for each in now - given if labels.get(each.key) != "")
    if not came_since:
        return Removal(True, NO_TYPES, "removed")
    ours = _labels_among(given & now, labels)
    others = ", ".join(labels.get(each.key) or each.key for each in sorted(came_since))
    return Removal(False, ours, "left", f"somebody has added {others} since, so the pair itself stays")


def restoration(taken: Types, now: Types, others: Types) -> Removal:
    """Return what to put back on a pair that the run took the types `taken` off.

    `others` are single types that another pair of the record has got meanwhile: they are not put back.
    """
    back = taken - now
    if not back:
        return BACK
    if lost := back & others:
        names = ", ".join(each.key for each in sorted(lost))
        why = f"{names} is not put back: another record has it since, and there can be only one"
        return Removal(False, NO_TYPES, "left", why, back - lost, now)
    return Removal(False, NO_TYPES, "restored", "", back, now)


def _of_an_old_pair(added: Types, labels: Mapping[str, str]) -> Removal:
    if not added:
        return GONE
    removable = _labels_among(added, labels)
    if removable == added:
        return Removal(False, added, "removed")
    others = ", ".join(each.key for each in sorted(added - removable))
    return Removal(
        False,
        removable,
        "left",
        f"it is not known whether {others} is a label, and removing it might remove all labels",
    )


def _labels_among(types: Types, labels: Mapping[str, str]) -> frozenset[AssociationType]:
    return frozenset(each for each in types if labels.get(each.key))


class _Step(NamedTuple):
    """What is to be done about one pair."""

    pair: Pair
    removal: Removal


class TakeBack:
    """Removes what a run added, whole pairs or labels of old pairs, and puts back what it took off (`Pair.gone`).

    `labels` gives the label of each association type by its key (see `removal`). `intend` commits, before a request
    leaves, that these pairs (by number) are being taken back; `intended` are those that an earlier undo was sending
    when it ended: what is gone now was then removed by it. `replaced`: the run took other labels off pairs, which get
    them back first. `singles` are the types of which a record can have only one. `catch_up` waits until readings show
    what the run changed, and returns False if that is so long ago that no wait is needed.
    """

    capacity = 1000

    def __init__(
        self,
        gateway: Gateway,
        *,
        labels: Mapping[str, str],
        intend: Callable[[Sequence[int]], Awaitable[None]],
        intended: Collection[int],
        catch_up: Callable[[], Awaitable[bool]],
        replaced: bool = False,
        singles: Singles | None = None,
    ) -> None:
        self._gateway = gateway
        self._replaced = replaced
        self._singles = singles or {}
        self._giving = WhileYoung(gateway, Batch(gateway))
        self._taking = WhileYoung(gateway, TakeOff(gateway))
        self._current = CurrentAssociations(gateway)
        self._labels = labels
        self._intend = intend
        self._intended = intended
        self._catch_up = catch_up

    async def apply(self, draft: Draft, record: Record) -> None:
        """Take pairs back, all of one direction, and record their outcomes (see `loader.model.TAKEN_BACK`).

        Pairs that could not leave while their reading was young are read and judged again. So are, after a wait, pairs
        without a trace of the run: a reading that lags behind the run's writes looks the same, and the outcome is
        final.
        """
        pairs = list(draft.pairs.each())
        tried: set[int] = set()
        waited = False
        while pairs:
            records = [int(pair.object_id) for pair in pairs]
            reading, read_at = await self._current.read_fresh(_direction(pairs[0]), records)
            other_end = await self._other_end(pairs, reading)
            unread = _unread(pairs, reading, other_end)
            steps = [
                _Step(pair, self._judged(pair, now, self._held_by_others(pair, reading, other_end), tried))
                for pair, now in zip(pairs, reading.types_of(pairs), strict=True)
                if pair.pair_id not in unread
            ]
            if not waited and any(step.removal in (BACK, GONE) for step in steps) and await self._catch_up():
                waited = True
                continue
            tried |= {step.pair.pair_id for step in steps if step.removal.needed}
            await self._intend([step.pair.pair_id for step in steps if step.removal.needed])
            moment = self._gateway.clocks.timestamp()
            results = await self._carry_out(steps, read_at) | {
                number: failed(error, attempts=error.attempts, finished_at=moment) for number, error in unread.items()
            }
            record([outcome(pair, results[pair.pair_id]) for pair in pairs if pair.pair_id in results])
            pairs = [pair for pair in pairs if pair.pair_id not in results]

    async def _other_end(self, pairs: Sequence[Pair], reading: Reading) -> Reading:
        """Read the records at the to ends of pairs that get something back, if another pair may lose a type by that.

        These can have only one of a type. Or they may be merged into others that the from record is associated with.
        """
        direction = _direction(pairs[0])
        ends = self._singles.get(direction, {})
        records = {
            int(pair.to_object_id)
            for pair, now in zip(pairs, reading.types_of(pairs), strict=True)
            if any(ends.get(each) == "to" for each in pair.gone)
            or (pair.gone and not now and reading.of(int(pair.object_id)))
        }
        if not records:
            return Reading([], {})
        found, _ = await self._current.read_fresh(direction[::-1], list(records))
        return found

    def _held_by_others(self, pair: Pair, reading: Reading, other_end: Reading) -> Types:
        """Return the single types that the pair lost and that another pair of the record has now."""
        ends = self._singles.get(_direction(pair), {})
        back = self._singles.get(_direction(pair)[::-1], {})
        one, other = int(pair.object_id), int(pair.to_object_id)
        return frozenset(
            type_
            for type_ in pair.gone
            if (
                ends.get(type_) == "from"
                and any(type_ in types for to, types in reading.of(one).items() if to != other)
            )
            or (
                ends.get(type_) == "to"
                and any(
                    back.get(its) == "from" for to, types in other_end.of(other).items() if to != one for its in types
                )
            )
        )

    def _judged(self, pair: Pair, now: Types, held_by_others: Types, tried: Collection[int]) -> Removal:
        if pair.gone:
            found = restoration(pair.gone, now, held_by_others)
            if found == BACK and (pair.pair_id in self._intended or pair.pair_id in tried):
                return BACK._replace(status="restored", why="")
            return found
        found = removal(frozenset(pair.types), pair.before or NO_TYPES, now, self._labels, replaced=self._replaced)
        if found == GONE and (pair.pair_id in self._intended or pair.pair_id in tried):
            return GONE._replace(status="removed", why="")
        return found

    async def _carry_out(self, steps: Sequence[_Step], read_at: Moment) -> dict[int, Result]:
        """Give back first, because that sends all that a pair has; then take off. What is too late has no result.

        A pair's second request is made only after its first one has succeeded.
        """
        direction = _direction(steps[0].pair) if steps else ("", "")
        given = await self._giving.apply(
            direction,
            {
                step.pair.pair_id: (*_ids(step.pair), tuple(sorted(step.removal.now | step.removal.back)))
                for step in steps
                if step.removal.back
            },
            read_at,
        )
        done = {number for number, result in given.items() if result.status != "failed"}
        left = [step for step in steps if not step.removal.back or step.pair.pair_id in done]
        goes = {step.pair.pair_id: step for step in left if step.removal.whole or step.removal.types}
        to_lose = {
            number: (*_ids(step.pair), (WHOLE_PAIR,) if step.removal.whole else tuple(sorted(step.removal.types)))
            for number, step in goes.items()
        }
        taken = await self._taking.apply(direction, to_lose, read_at)
        results = {number: result for number, result in (given | taken).items() if result.status == "failed"}
        moment = self._gateway.clocks.timestamp()
        for step in left:
            number = step.pair.pair_id
            if number not in results and (number not in goes or number in taken):
                result = Result(step.removal.status, finished_at=moment, attempts=1)
                category = "CHANGED_SINCE" if step.removal.status == "left" else ""
                results[number] = result._replace(error_category=category, error_message=step.removal.why)
        return results


def _unread(pairs: Iterable[Pair], reading: Reading, other_end: Reading) -> dict[int, ApiError]:
    """Return by number why pairs are left unchanged: one of their records could not be read, or is merged."""
    found: dict[int, ApiError] = {}
    for pair in pairs:
        own, other = reading.unreadable.get(int(pair.object_id)), other_end.unreadable.get(int(pair.to_object_id))
        if error := own or other:
            found[pair.pair_id] = error
    return found


def _direction(pair: Pair) -> Direction:
    return pair.object_type, pair.to_object_type


def _ids(pair: Pair) -> tuple[str, str]:
    return pair.object_id, pair.to_object_id
