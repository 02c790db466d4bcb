"""Pairs are looked up before they are sent: what they have is written down, and what they lack is returned.

What the other end shows of a pair is believed where it shows something. Where it shows nothing, the pair's own end is
read before the pair is written over or written down as new: a reading from one end may be blind.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import NamedTuple, Protocol

import numpy as np

from loader.errors import ApiError, RecordMerged, ServerFault
from loader.model import (
    AssociationType,
    Demotion,
    Direction,
    Image,
    Lot,
    Outcome,
    Pair,
    Result,
    Singles,
    Types,
    hides_leads,
)
from loader.send.demoting import demotions, promotions
from loader.send.freshness import NEVER, Clocks, Moment
from loader.send.judging import Cases, Judge, Judgement, sort_out
from loader.send.outcomes import failed, outcome, outcomes, plain
from loader.send.outgoing import direction_of
from loader.send.put import timestamp
from loader.send.reading import Current, Reading, read_fresh
from loader.send.replies import printable

PAIRS_AT_ONCE = 2000
"""Between two looks at what else is to be done."""


class Ledger(Protocol):
    """Where is written down what pairs were and what became of them."""

    @property
    def singles(self) -> Singles:
        """The types asked for of which a record can have only one."""

    async def keep(self, images: Sequence[Image], demoted: Sequence[Demotion]) -> dict[int, int]:
        """Commit what pairs were before they are sent, and which pairs lose a type to them.

        Return by pair how many rows are so already, where any is.
        """

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """Take outcomes over at once; they are written down a moment later. Raises Stopped to end the run."""


class Looked(NamedTuple):
    """A pair as the file asks for it, what it was before, when it was looked up, and as it is to be sent.

    One whose own end is still to be read was looked up `NEVER`; `shown` says that the other end shows it.
    """

    asked: Pair
    before: Types | None
    read_at: Moment
    pair: Pair
    shown: bool = False

    def again(self) -> Pair:
        """Return the pair as it is to be looked up once more: what it was at first does not change."""
        return self.asked._replace(before=self.before)


class Lookup:
    """Looks pairs up, records those that need no request, and returns the others once it is kept what they were.

    Those that lack nothing are recorded as unchanged, those whose records HubSpot does not show as failed: nothing is
    ever sent blindly. Those that would lose a type to another pair, which has no outcome yet, are left out: `waiting`
    holds their numbers.
    """

    def __init__(
        self,
        ledger: Ledger,
        current: Current,
        *,
        clocks: Clocks,
        now: Callable[[], datetime],
        judge: Judge,
    ) -> None:
        self._ledger = ledger
        self._current = current
        self._clocks = clocks
        self._now = now
        self._judge = judge
        self.waiting: set[int] = set()

    async def lot(self, lot: Lot) -> list[list[Looked]]:
        """Look a lot up; return the pairs that lack something, then those whose own end is to be read, too."""
        own, other = list(lot.own.each()), list(lot.other.each())
        believed = [] if hides_leads(lot.direction[::-1]) else other
        reading, read_at = await read_fresh(self._current, self._clocks, lot.direction, _records(own, believed))
        cases = await self._settle(own, reading, apart=self._singles_of(lot.direction))
        back = lot.direction[::-1]
        cases += await self._settle(believed, reading, lot.inverse, apart=self._singles_of(back))
        looked = await self._kept(cases, read_at)
        for each in cases:
            looked += [_to_read(each.hidden, shown=False), _to_read(each.unsure, shown=True)]
            await asyncio.sleep(0)
        left = [] if believed is other else other
        for start in range(0, len(left), PAIRS_AT_ONCE):
            looked.append(_to_read(left[start : start + PAIRS_AT_ONCE], shown=False))
            await asyncio.sleep(0)
        return looked

    async def alone(self, pairs: Sequence[Looked]) -> list[Looked]:
        """Look pairs up from their own end, where nothing has to be translated; return those that lack something."""
        looked: list[Looked] = []
        for direction in dict.fromkeys(direction_of(each.asked) for each in pairs):
            same = [each.again() for each in pairs if direction_of(each.asked) == direction]
            shown = {each.asked.pair_id for each in pairs if each.shown}
            reading, read_at = await read_fresh(
                self._current, self._clocks, direction, [pair.object_id for pair in same]
            )
            doubted = await self._doubted(same, reading, shown)
            self._fail(doubted)
            left = {pair.pair_id for pair, _ in doubted}
            sound = [pair for pair in same if pair.pair_id not in left] if doubted else same
            cases = await self._settle(sound, reading)
            demoted = await self._demoted(cases, reading)
            looked += chain.from_iterable(await self._kept(cases, read_at, demoted))
        return looked

    def _singles_of(self, direction: Direction) -> Collection[AssociationType]:
        return self._ledger.singles.get(direction, {}).keys()

    async def _demoted(self, cases: Sequence[Cases], reading: Reading) -> list[Demotion]:
        """Return the pairs that lose a type to those that are to be sent, by a look at the records that have one."""
        promoted = promotions(chain.from_iterable(each.lacking for each in cases), self._ledger.singles)
        readings = {"from": reading}
        if records := dict.fromkeys(each.pair.to_object_id for each in promoted if each.end == "to"):
            direction = direction_of(promoted[0].pair)[::-1]
            readings["to"], _ = await read_fresh(self._current, self._clocks, direction, records)
        return demotions(promoted, readings)

    async def _doubted(
        self, pairs: Sequence[Pair], reading: Reading, shown: Collection[int]
    ) -> list[tuple[Pair, ApiError]]:
        """Return the pairs of which their own end shows nothing although the other end does, or may well do."""
        empty = [pair for pair in pairs if _shows_nothing(pair, reading)]
        contradicted = [pair for pair in empty if pair.pair_id in shown]
        asked = [
            pair for pair in empty if pair.pair_id not in shown and (hides_leads(direction_of(pair)) or pair.before)
        ]
        if not asked:
            return [(pair, _ends_disagree(pair)) for pair in contradicted]
        direction = direction_of(asked[0])
        other, _ = await read_fresh(
            self._current, self._clocks, direction[::-1], dict.fromkeys(pair.to_object_id for pair in asked)
        )
        doubted = [
            (pair, other.unreadable[pair.to_object_id]) for pair in asked if pair.to_object_id in other.unreadable
        ]
        contradicted += [pair for pair in asked if pair.object_id in other.found.get(pair.to_object_id, ())]
        return doubted + [(pair, _ends_disagree(pair)) for pair in contradicted]

    async def _settle(
        self,
        pairs: Sequence[Pair],
        reading: Reading,
        inverse: Mapping[AssociationType, AssociationType] | None = None,
        *,
        apart: Collection[AssociationType] = (),
    ) -> list[Cases]:
        """Sort pairs out, and record those that need no request."""
        all_cases: list[Cases] = []
        for start in range(0, len(pairs), PAIRS_AT_ONCE):
            cases = sort_out(pairs[start : start + PAIRS_AT_ONCE], reading, self._judge, inverse, apart)
            self.waiting.update(pair.pair_id for pair in cases.waiting)
            self._fail(cases.unreadable)
            same = [pair for some, judgement in cases.judged if judgement is None for pair in some]
            self._ledger.record(outcomes(same, plain("unchanged", finished_at=timestamp(self._now()))))
            all_cases.append(cases)
            await asyncio.sleep(0)
        return all_cases

    def _fail(self, unreadable: Sequence[tuple[Pair, ApiError]]) -> None:
        moment = timestamp(self._now())
        self._ledger.record([outcome(pair, _unreadable(error, moment)) for pair, error in unreadable])

    async def _kept(
        self, all_cases: Sequence[Cases], read_at: Moment, demoted: Sequence[Demotion] = ()
    ) -> list[list[Looked]]:
        """Return the pairs that lack something, in their order, once the journal has what they were."""
        images = [
            Image(
                numbers=np.array([pair.pair_id for pair in pairs], np.int64),
                types=judgement.before,
                there=judgement.there,
            )
            for cases in all_cases
            for pairs, judgement in cases.lacking
        ]
        unchanged = await self._ledger.keep(images, demoted) if images else {}
        looked: list[list[Looked]] = []
        for cases in all_cases:
            looked.append(_in_order(cases, read_at, unchanged))
            await asyncio.sleep(0)
        return looked


def _to_read(pairs: Sequence[Pair], *, shown: bool) -> list[Looked]:
    return [Looked(pair, pair.before, NEVER, pair, shown) for pair in pairs]


def _records(straight: Sequence[Pair], turned: Sequence[Pair]) -> dict[str, None]:
    return dict.fromkeys([pair.object_id for pair in straight] + [pair.to_object_id for pair in turned])


def _shows_nothing(pair: Pair, reading: Reading) -> bool:
    return pair.object_id in reading.found and pair.to_object_id not in reading.found[pair.object_id]


def _in_order(cases: Cases, read_at: Moment, unchanged: Mapping[int, int]) -> list[Looked]:
    looked = [
        Looked(asked, judgement.before, read_at, _to_send(asked, judgement, unchanged.get(asked.pair_id, 0)))
        for pairs, judgement in cases.lacking
        for asked in pairs
    ]
    if len(cases.lacking) > 1:
        place = {pair.pair_id: number for number, pair in enumerate(cases.pairs)}
        looked.sort(key=lambda each: place[each.asked.pair_id])
    return looked


def _to_send(asked: Pair, judgement: Judgement, unchanged: int) -> Pair:
    if judgement.types == asked.types and not unchanged and not judgement.gone:
        return asked  # All that a first night sends, and to make a million pairs anew takes a second.
    return asked._replace(types=judgement.types, rows=asked.rows - unchanged, unchanged=unchanged, gone=judgement.gone)


def _unreadable(error: ApiError, moment: str) -> Result:
    why = "" if isinstance(error, RecordMerged) else ", because what the record is associated with could not be read"
    message = f"nothing was sent{why}: {error.message}"
    return failed(error, attempts=0, finished_at=moment)._replace(error_message=printable(message))


def _ends_disagree(pair: Pair) -> ServerFault:
    return ServerFault(
        f"HubSpot shows from record {pair.to_object_id} that it is associated with record {pair.object_id}, and not "
        "from that one, so that the labels of this pair are not known",
        category="ENDS_DISAGREE",
    )
