"""What will be taken off is counted, by the pairs' current associations, and compared with the limit."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec.structs import replace

from loader.errors import Retryable, TooManyRemovals
from loader.events import Note, Notify, RemovalPlanned
from loader.journal import AsyncJournal, Journal
from loader.model import WHOLE_PAIR, Direction, Pair, Pairs
from loader.object_type_names import record_in_words
from loader.run.labels import type_names
from loader.run.sending import judge_of
from loader.run.session import Session
from loader.send.endings import no_answer
from loader.send.judging import Judge, cases
from loader.send.portal import GatewayPortal
from loader.send.reading import CurrentAssociations
from loader.settings import Budget
from loader.text import counted

FEWEST_OF_A_SHARE = 100
"""From this many associations on a limit in percent is used: of a few, a single one may be half."""

MOST_EXAMPLES = 3

LOTS_BETWEEN_NOTES = 10


async def look_at_removals(
    session: Session,
    portal: GatewayPortal,
    journal: AsyncJournal[Any],
    *,
    portal_id: str | None,
    attempts: int | None = None,
) -> RemovalPlanned:
    """Look up, from their own end, all pairs that have no outcome, and return what they would lose.

    Afterwards the journal knows which types are labels. Raises Unreachable without a usable answer, and Fatal if
    HubSpot refuses the token.
    """
    names = await session.stop.unless(type_names(portal, journal.held.directions()))
    await journal.call(Journal.remember, labels=names.labels)
    current = CurrentAssociations(portal.gateway, attempts=attempts)
    judge = judge_of(session.settings, journal.held)
    found = await session.stop.unless(_look(journal, current, judge, session.notify))
    await journal.call(Journal.claim_again)
    return replace(found, portal_id=portal_id)


async def _look(
    journal: AsyncJournal[Any], current: CurrentAssociations, judge: Judge, notify: Notify
) -> RemovalPlanned:
    found = RemovalPlanned(portal_id=None)
    # The pairs of one record may be in many lots: its associations count once.
    known: defaultdict[Direction, set[int]] = defaultdict(set)
    lots = 0
    while lot := await journal.call(Journal.next_lot):
        for pairs in (lot.own, lot.other):
            if len(pairs):
                found = await _counted(found, pairs, current, judge, known)
        lots += 1
        if lots % LOTS_BETWEEN_NOTES == 0:
            notify(Note(f"{counted(found.pairs, 'association')} to remove found so far."))
    return found


async def _counted(
    found: RemovalPlanned,
    pairs: Pairs,
    current: CurrentAssociations,
    judge: Judge,
    known: defaultdict[Direction, set[int]],
) -> RemovalPlanned:
    """Add the counts of pairs of one direction.

    `known` are the records, by direction, whose associations are among the counts; those of the pairs are added.
    """
    reading = await current.read(pairs.direction, pairs.from_ids)
    errors = list(reading.unreadable.values())
    readable = ~np.isin(pairs.from_ids, list(reading.unreadable))
    if not readable.any() and isinstance(errors[0], Retryable):
        raise no_answer(errors[0]) from errors[0]
    held, types = reading.held(pairs.from_ids, pairs.to_ids)
    unread = int((~readable).sum())
    here, there = pairs.direction, pairs.direction[::-1]
    new = set(pairs.from_ids[readable].tolist()) - known[here]
    # An association of two records that are both read counts once.
    of = reading.count_of(new, without=known[there], within=here == there)
    known[here] |= new
    whole = labelled = unchanged = refused = refused_rows = 0
    examples = list(found.examples)
    pairs_read = pairs.take(readable)
    for case in cases(pairs_read, held[readable], types, judge):
        count = len(case.places)
        if case.judgement is None:
            unchanged += count
        elif case.judgement.refusal is not None:
            refused += count
            refused_rows += int(pairs_read.rows[case.places].sum())
        else:
            is_whole = WHOLE_PAIR in case.judgement.types
            whole, labelled = whole + count * is_whole, labelled + count * (not is_whole)
            places = case.places[: max(0, MOST_EXAMPLES - len(examples))]
            examples += [_named(pairs_read.at(place)) for place in places.tolist()]
    return RemovalPlanned(
        portal_id=found.portal_id,
        pairs=found.pairs + whole + labelled,
        whole=found.whole + whole,
        labelled=found.labelled + labelled,
        unchanged=found.unchanged + unchanged,
        refused=found.refused + refused,
        refused_rows=found.refused_rows + refused_rows,
        unread=found.unread + unread,
        of=found.of + of + unread,
        examples=tuple(examples),
    )


def _named(pair: Pair) -> str:
    first = record_in_words(pair.object_type, pair.object_id)
    return f"{first} and {record_in_words(pair.to_object_type, pair.to_object_id)}"


def too_many_removals(budget: Budget | None, removals: int, of: int, examples: Sequence[str]) -> TooManyRemovals | None:
    """Return the error for a run that would take off more than the limit; None if it may.

    `of` is how many associations in scope there are; `examples` are some of those that would go.
    """
    if budget is None:
        return None
    some = f", such as {'; '.join(examples[:MOST_EXAMPLES])}" if examples else ""
    mend = "check the file; if they should go, raise it, or add --max-removals off"
    if budget.count is not None and removals > budget.count:
        return TooManyRemovals(
            f"nothing was sent: {counted(removals, 'association')} would be removed{some}, but --max-removals allows "
            f"{budget.count:,}: {mend}"
        )
    if budget.share is not None and of >= FEWEST_OF_A_SHARE and removals > budget.share * of:
        return TooManyRemovals(
            f"nothing was sent: {removals:,} of {counted(of, 'association')} would be removed{some}, but "
            "--max-removals "
            f"allows {budget.share * 100:g}%: {mend}"
        )
    return None
