"""Pairs are looked up before they are sent: their before-images are stored, and pairs that lack something returned.

A pair is judged, and its before-image stored, by a reading from its own end: the end that its request is written from.
A reading from the other end, where fewer records cover many pairs, can only show that nothing must be sent: it may miss
associations, and may have types without a known inverse.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np

from loader.columns import Flags, Ids
from loader.errors import ApiError, RecordMerged, ServerFault
from loader.model import (
    AssociationType,
    Demotion,
    Image,
    Intent,
    Lot,
    Outcome,
    Pair,
    Pairs,
    Result,
    Singles,
    Types,
    hides_leads,
)
from loader.send.clocks import Moment
from loader.send.judging import Case, Judge, Judgement, cases, renamed
from loader.send.outcomes import divided, failed, outcomes
from loader.send.outgoing import PreparedPairs, as_wanted
from loader.send.reading import CurrentAssociations, Reading
from loader.send.replies import printable

Lacking = tuple[Case, Judgement]
"""Pairs with something to send."""


class LotLedger(Protocol):
    """Where pairs come from, and where before-images and outcomes are stored."""

    @property
    def singles(self) -> Singles:
        """The types that rows want and of which a record can have only one."""

    async def keep(self, images: Sequence[Image], demoted: Sequence[Demotion]) -> dict[int, int]:
        """Commit before-images, and which other pairs lose a type, before pairs are sent.

        Return by pair how many of its rows are unchanged, where any is.
        """

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """Record outcomes without waiting; they are written a moment later. Raises Stopped to end the run."""

    async def claim_lot(self, *, in_row_order: bool) -> Lot | None:
        """Return the next pairs that are to be looked up together, None when nothing is left.

        They are in the order of their records, or, `in_row_order`, in that of their rows.
        """


class Lookup:
    """Looks pairs up, records those that need no request, and returns the others after storing their before-images.

    Pairs that lack nothing are recorded as unchanged; pairs whose records HubSpot does not show are recorded as failed,
    because nothing is sent without a reading. Pairs that would lose a type to another pair without an outcome are left
    out: `waiting` has their numbers.
    """

    def __init__(self, ledger: LotLedger, current: CurrentAssociations, judge: Judge) -> None:
        self._ledger = ledger
        self._current = current
        self._judge = judge
        self.waiting: set[int] = set()

    async def lot(self, lot: Lot) -> list[PreparedPairs]:
        """Look up a lot; return the pairs that lack something, and those that must still be read from their own end.

        The latter are the pairs that were read from the other end, and pairs that get a primary type: another record
        loses its primary one by that, and must be read just before.
        """
        blind = hides_leads(lot.other.direction) or self._judge.removes
        seen = lot.other.take(slice(0)) if blind else lot.other
        records = np.concatenate((lot.own.from_ids, seen.to_ids))
        reading, read_at = await self._current.read_fresh(lot.direction, records)
        single = self._ledger.singles.get(lot.own.direction, {})
        primary = lot.own.where(lambda intent: not single.keys().isdisjoint(intent.types))
        own = [
            await self._prepared(lot.own.take(~primary), reading, read_at),
            self._without_complete(
                lot.own.take(primary), lot.own.from_ids[primary], lot.own.to_ids[primary], reading, None
            ),
        ]
        if seen is lot.other:
            return [*own, self._without_complete(seen, seen.to_ids, seen.from_ids, reading, lot.inverse)]
        return [*own, as_wanted(lot.other)]

    async def own_end(self, prepared: PreparedPairs) -> PreparedPairs:
        """Look up pairs from their own end; return those that lack something."""
        pairs = prepared.wanted
        reading, read_at = await self._current.read_fresh(pairs.direction, pairs.from_ids)
        return await self._prepared(pairs, reading, read_at, prepared.shown)

    def _without_complete(
        self,
        pairs: Pairs,
        records: Ids,
        others: Ids,
        reading: Reading,
        inverse: Mapping[AssociationType, AssociationType] | None,
    ) -> PreparedPairs:
        """Record the pairs that have all that the rows want, and return the others, to be read from their own end.

        `records` are those that were read, `others` those at the other end. `inverse` maps their types to those of the
        pairs' own end: a type without an inverse is ignored, unless a pair must have nothing else.
        """
        left = np.ones(len(pairs), np.bool_)
        self._fail_unreadable(pairs, records, reading, left)
        held, types = reading.held(records, others)
        named = types if inverse is None else renamed(types, inverse)
        places = np.flatnonzero(left)
        for case in cases(pairs.take(left), held[left], named, self._judge):
            its = places[case.places]
            whole = len(case.now) == len(types[held[its[0]]])
            if case.judgement is None and (whole or not self._judge.exact):
                self._record(pairs.take(its), "unchanged")
                left[its] = False
        shown = pairs.numbers[left & (held > 0)].tolist() if inverse is not None else []
        return as_wanted(pairs.take(left), frozenset(shown))

    async def _doubted(
        self, pairs: Pairs, nothing: Flags, reading: Reading, shown: frozenset[int]
    ) -> dict[int, ApiError]:
        """Return by number, with the reason, the pairs that must not be sent although their own end shows nothing.

        The other end shows them, or they had something before. Or the record there is merged into another one: HubSpot
        would write to the pair with that record, and replace labels that were not read. So the other end is read if a
        label can be lost: if the record at the own end has other associations, or the one at the other end can have
        only one of a type.
        """
        contradicted, empty = divided(pairs.take(nothing), shown)
        doubted: dict[int, ApiError] = {pair.pair_id: _ends_disagree(pair) for pair in contradicted.each()}
        had_some = empty.where(lambda intent: bool(intent.before))
        ends = self._ledger.singles.get(empty.direction, {})
        takes = empty.where(lambda intent: any(ends.get(each) == "to" for each in intent.types))
        loses = had_some if self._judge.removes else had_some | takes | reading.has_any(empty.from_ids)
        if not hides_leads(empty.direction):
            empty, had_some = empty.take(loses), had_some[loses]
        if len(empty):
            back = empty.direction[::-1]
            other, _ = await self._current.read_fresh(back, empty.to_ids)
            held, _ = other.held(empty.to_ids, empty.from_ids)
            must_agree = had_some & (not self._judge.removes) | hides_leads(empty.direction)
            odd = np.isin(empty.to_ids, list(other.unreadable)) | (held > 0) & must_agree
            for pair in empty.take(odd).each():
                doubted[pair.pair_id] = other.unreadable.get(int(pair.to_object_id)) or _ends_disagree(pair)
        return doubted

    async def _prepared(
        self, pairs: Pairs, reading: Reading, read_at: Moment, shown: frozenset[int] = frozenset()
    ) -> PreparedPairs:
        """Judge pairs by a reading from their own end, store before-images, and return those that lack something.

        `shown` are the pairs that the other end shows, by number.
        """
        readable = np.ones(len(pairs), np.bool_)
        self._fail_unreadable(pairs, pairs.from_ids, reading, readable)
        pairs = pairs.take(readable)
        held, types = reading.held(pairs.from_ids, pairs.to_ids)
        if not held.all() and (doubted := await self._doubted(pairs, held == 0, reading, shown)):
            failing, pairs = divided(pairs, doubted)
            for number, error in doubted.items():
                self._fail(failing.take(failing.numbers == number), error)
            held, types = reading.held(pairs.from_ids, pairs.to_ids)
        lacking: list[Lacking] = []
        for case in cases(pairs, held, types, self._judge):
            if case.judgement is None:
                self._record(pairs.take(case.places), "unchanged")
            elif case.judgement.refusal is not None:
                reason, message = case.judgement.refusal
                result = Result("rejected", finished_at=self._current.clocks.timestamp())
                result = result._replace(error_category=reason, error_message=message)
                self._ledger.record(outcomes(pairs.take(case.places), result))
            elif not self._judge.exact and case.now & case.pair.contested - frozenset(case.pair.types):
                self.waiting.update(pairs.numbers[case.places].tolist())
            else:
                lacking.append((case, case.judgement))
        if not lacking:
            return as_wanted(pairs.take(slice(0)))
        demoted = [] if self._judge.removes else await self._demoted(pairs, lacking, reading)
        images = [
            Image(
                numbers=pairs.numbers[case.places],
                types=judgement.before,
                there=judgement.there,
                grows=self._judge.removes,
            )
            for case, judgement in lacking
        ]
        return _to_send(pairs, lacking, await self._ledger.keep(images, demoted), read_at)

    async def _demoted(self, pairs: Pairs, lacking: Sequence[Lacking], reading: Reading) -> list[Demotion]:
        """Read the records with such a type, and return the pairs that lose it to those that will be sent."""
        singles = self._ledger.singles
        primaries = [
            each
            for case, judgement in lacking
            for each in _new_primaries(pairs.take(case.places), judgement.before, singles)
        ]
        readings = {"from": reading}
        if records := [int(each.pair.to_object_id) for each in primaries if each.end == "to"]:
            readings["to"], _ = await self._current.read_fresh(pairs.direction[::-1], records)
        found: list[Demotion] = []
        for pair, end, single in primaries:
            ends = (pair.object_type, pair.object_id), (pair.to_object_type, pair.to_object_id)
            (its_type, record), (other_type, other) = ends if end == "from" else ends[::-1]
            found += [
                Demotion(pair.pair_id, its_type, record, other_type, str(another), single, types)
                for another, types in readings[end].of(int(record)).items()
                if another != int(other) and single in types
            ]
        return found

    def _fail_unreadable(self, pairs: Pairs, records: Ids, reading: Reading, left: np.ndarray) -> None:
        """Record pairs as failed if their records could not be read, and remove them from the others."""
        for record, error in reading.unreadable.items():
            mask = records == record
            self._fail(pairs.take(mask), error)
            left[mask] = False

    def _fail(self, pairs: Pairs, error: ApiError) -> None:
        why = (
            "" if isinstance(error, RecordMerged) else ", because what the record is associated with could not be read"
        )
        result = failed(error, attempts=0, finished_at=self._current.clocks.timestamp())
        result = result._replace(error_message=printable(f"nothing was sent{why}: {error.message}"))
        self._ledger.record(outcomes(pairs, result))

    def _record(self, pairs: Pairs, status: str) -> None:
        self._ledger.record(outcomes(pairs, Result(status, finished_at=self._current.clocks.timestamp())))


def _to_send(pairs: Pairs, lacking: Sequence[Lacking], unchanged: Mapping[int, int], read_at: Moment) -> PreparedPairs:
    """Return the pairs that lack something, in order, with before-images and with what is to be sent."""
    intents = np.full(len(pairs), -1, np.int32)
    table: list[Intent] = []
    for place, (case, judgement) in enumerate(lacking):
        intents[case.places] = place
        table.append(replace(pairs.table[pairs.intents[case.places[0]]], before=judgement.before))
    left = intents >= 0
    wanted = replace(pairs.take(left), intents=intents[left], table=tuple(table))
    judged = zip(table, lacking, strict=True)
    sent = replace(
        wanted,
        table=tuple(replace(each, types=judgement.types, gone=judgement.gone) for each, (_, judgement) in judged),
    )
    if unchanged:
        rows = [unchanged.get(number, 0) for number in sent.numbers.tolist()]
        sent = replace(sent.changed("unchanged", unchanged), rows=sent.rows - np.array(rows, np.int32))
    return PreparedPairs(wanted=wanted, to_send=sent, read_at=read_at)


def _ends_disagree(pair: Pair) -> ServerFault:
    return ServerFault(
        f"HubSpot shows from record {pair.to_object_id} that it is associated with record {pair.object_id}, and not "
        "from that one, so that the labels of this pair are not known",
        category="ENDS_DISAGREE",
    )


# --- types of which a record can have only one: a contact has one primary company


class _NewPrimary(NamedTuple):
    """A pair that gets a single type; the record that can have only one is at its `end`, `from` or `to`.

    `single` is the type as seen from that record.
    """

    pair: Pair
    end: str
    single: AssociationType


def _new_primaries(pairs: Pairs, before: Types, singles: Singles) -> Iterator[_NewPrimary]:
    """Yield the single types that pairs of one case get for the first time, if this run has not sent them yet."""
    first, back = pairs.at(0), singles.get(pairs.direction[::-1], {})
    for type_, end in singles.get(pairs.direction, {}).items():
        if first.before is not None or type_ not in first.types or type_ in before:
            continue
        single = type_ if end == "from" else next((each for each, its_end in back.items() if its_end == "from"), None)
        if single is not None:
            yield from (_NewPrimary(pair, end, single) for pair in pairs.each())
