"""A mirror: associations that are not in the file are found, compared with the limit, and taken off at the end."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from itertools import islice
from math import ceil
from typing import Any

from loader.errors import TooManyRemovals, UsageError
from loader.events import MirrorPlanned, PlannedType
from loader.journal import AsyncJournal
from loader.journal.scope import LoadJournal
from loader.object_type_names import record_in_words
from loader.planning.object_types import shown
from loader.planning.surplus import ScopeRead, Tally, read_scope
from loader.read import Input
from loader.run.connection import batch_workers
from loader.run.removals import too_many_removals
from loader.run.sending import read_first
from loader.run.session import Session
from loader.send.judging import Mirroring
from loader.send.pool import Pool
from loader.send.portal import GatewayPortal
from loader.send.reading import RECORDS_PER_READ, CurrentAssociations
from loader.send.take_off import LABELLED_PER_ARCHIVE, TakeOff
from loader.settings import Budget, SendSettings, Settings
from loader.text import counted

READERS = 3
"""Lots that are read side by side."""

EXAMPLES = 3

BY_DEFAULT = Budget(share=0.1)
"""The default of `--max-removals` for a mirror."""


def takes_off(send: SendSettings) -> bool:
    """Return True if a load takes anything off: a mirror, unless it loads only some records of its inputs."""
    return send.existing == "mirror" and send.limit is None


def refuse_part_of_a_file(settings: Settings, inputs: Sequence[Input]) -> None:
    """Raise UsageError for a mirror of a failures file: it has not all rows of its records."""
    for source in inputs if settings.send.existing == "mirror" else ():
        if {"_row", "_error_category"} <= set(source.header):
            raise UsageError(
                f"{source.name} is a failures file, which has only the rows that were not loaded, so --existing mirror "
                "would remove all others: load it with --existing merge"
            )


async def read_all_in_scope(
    journal: AsyncJournal[LoadJournal], current: CurrentAssociations, session: Session
) -> Tally:
    """Read every unread record in scope, write down what is to go, and return what was found.

    Pairs that have all that rows ask for are recorded as unchanged, and not read again.
    """
    tally = Tally()

    async def read_some() -> None:
        while (scope := await journal.call(LoadJournal.next_scope)) is not None:
            found: ScopeRead = await read_scope(current, scope)
            journal.record(found.outcomes)
            await journal.call(
                LoadJournal.note_scope,
                scope.number,
                scope.lot.direction,
                found.associations,
                found.surplus,
                found.unread,
            )
            tally.added.update(found.tally.added)
            tally.kept.update(found.tally.kept)

    await session.stop.unless(_side_by_side(read_some, READERS))
    return tally


async def _side_by_side(work: Callable[[], Coroutine[Any, Any, None]], times: int) -> None:
    """Do work several times at once; the first error ends the others and is raised."""
    tasks = [asyncio.create_task(work()) for _ in range(times)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def plan_removals(journal: AsyncJournal[LoadJournal], portal: GatewayPortal, session: Session) -> None:
    """Find everything that a mirror will take off, before anything is written in the portal.

    Raises TooManyRemovals if that is more than `--max-removals` allows; the next command reads everything again.
    """
    await read_all_in_scope(journal, CurrentAssociations(portal.gateway), session)
    removals, associations, too_many = await journal.call(_planned, session.settings)
    if too_many is not None:
        if not journal.facts.removals_agreed:
            await journal.call(LoadJournal.forget_removals)
        raise too_many
    if not journal.facts.removals_agreed:
        exempt = (await journal.call(LoadJournal.removals))["exempt_records"]
        session.note(
            f"{removals:,} of {counted(associations, 'association')} in scope are not in the file, and are "
            "removed at the end."
            if removals
            else f"Nothing to remove: all associations in scope ({associations:,}) are in the file.",
            f"{counted(exempt, 'record')} will lose nothing, because a row is rejected or failed, or HubSpot "
            "does not show what is there."
            if exempt
            else None,
        )
        await journal.call(LoadJournal.remember, removals_agreed=True)


async def plan_mirror(
    journal: AsyncJournal[LoadJournal], current: CurrentAssociations, session: Session
) -> MirrorPlanned:
    """Return what a mirror would add, keep and take off, by type, without changes in the portal."""
    tally = await read_all_in_scope(journal, current, session)
    removals, associations, too_many = await journal.call(_planned, session.settings)
    labels = await journal.call(LoadJournal.labels)
    removed = await journal.call(LoadJournal.to_remove_by_type)
    found = tally.added + tally.kept + removed
    pairs = int(journal.held.lots.sizes[journal.held.lots.beside].sum())
    return MirrorPlanned(
        types=tuple(
            PlannedType(
                object_type=shown(direction[0]),
                to_object_type=shown(direction[1]),
                association_category=type_.category,
                association_type_id=str(type_.type_id),
                label=labels.get((direction, type_), ""),
                added=tally.added[direction, type_],
                kept=tally.kept[direction, type_],
                removed=removed[direction, type_],
            )
            for (direction, type_), _ in found.most_common()
        ),
        associations=associations,
        removed=removals,
        exempt_records=(await journal.call(LoadJournal.removals))["exempt_records"],
        # Each pair is read once more before it goes.
        requests=ceil(pairs / RECORDS_PER_READ) + ceil(pairs / LABELLED_PER_ARCHIVE),
        too_many=str(too_many or ""),
    )


def _planned(journal: LoadJournal, settings: Settings) -> tuple[int, int, TooManyRemovals | None]:
    """Write down what is to go, after all reads; return how many of how many associations, and whether too many."""
    removals, associations = journal.plan_removals()
    examples = [
        f"{record_in_words(first, record)} and {record_in_words(second, other)} ({label or 'no label'})"
        for (first, second), record, other, label in islice(journal.to_remove(), EXAMPLES)
    ]
    budget = settings.send.max_removals or BY_DEFAULT
    return removals, associations, too_many_removals(budget, removals, associations, examples)


async def taking_off(journal: AsyncJournal[LoadJournal], portal: GatewayPortal, session: Session, turn: int) -> Pool:
    """Return the pool that takes off what was planned for a turn, without records that are exempt by now.

    Each pair is read again just before: what came meanwhile stays.
    """
    await journal.call(LoadJournal.begin_removals, turn)
    judge, most = Mirroring(journal.held.unlabelled), batch_workers(session.settings)
    pool, _ = read_first(journal, TakeOff(portal.gateway), judge, portal.gateway, workers=most)
    return pool
