"""Verification of a mirror: associations in scope that are not in the file, and whether a load had removed them."""

import asyncio
from pathlib import Path

import numpy as np

from loader.columns import Flags
from loader.journal import AsyncJournal, is_journal
from loader.journal.scope import BesidePairs, LoadJournal, known_before
from loader.model import Outcome, Result
from loader.run.mirror import read_all_in_scope
from loader.run.session import Session
from loader.send.portal import GatewayPortal
from loader.send.reading import CurrentAssociations

SURPLUS = "surplus"
"""The status of what the file does not ask for."""

_NOT_IN_FILE = "The file does not ask for this association: load it with --existing mirror to remove it."
_BACK_AGAIN = (
    "The load removed this association, and it is there again: HubSpot associates contacts and companies by itself, by "
    "the domain of the email, unless that is switched off in its settings; or somebody has associated them since."
)


async def find_surplus(journal: AsyncJournal[LoadJournal], portal: GatewayPortal, session: Session, load: Path) -> None:
    """Read all records in scope, and record their associations that the file does not have, once that is certain.

    `load` is the journal of the load that is verified, if there is one: it knows what the load removed, and which
    records were exempt because one of their rows failed: nothing is recorded for these. What seems to be there is read
    again after `--wait`, because reads may lag behind writes.
    """
    current = CurrentAssociations(portal.gateway)
    wait = session.settings.verify.wait
    for seconds in (0.0, wait) if wait else (0.0,):
        if seconds:
            session.note(f"Some associations seem to be there still; they are checked again in {seconds:.2g} s.")
            await session.stop.unless(asyncio.sleep(seconds))
        await journal.call(LoadJournal.forget_removals)
        await read_all_in_scope(journal, current, session)
        surplus, _ = await journal.call(LoadJournal.plan_removals)
        if not surplus:
            return
    await journal.call(LoadJournal.begin_removals, 1)
    for number in range(len(journal.held.lots)):
        pairs = await journal.call(LoadJournal.beside_pairs, number)
        if pairs is not None:
            ids = pairs.direction, pairs.from_ids, pairs.to_ids
            exempt = await journal.call(LoadJournal.exempt_pairs, *ids)
            journal.record(await asyncio.to_thread(_outcomes, pairs, exempt, load, session.moment()))
    await journal.call(LoadJournal.begin_removals, 1)


def _outcomes(pairs: BesidePairs, exempt: Flags, load: Path, moment: str) -> list[Outcome]:
    removed, kept = known_before(load, pairs) if is_journal(load) else (np.zeros_like(exempt), exempt)
    counts = ~(exempt | kept)
    found = []
    for category, message, these in (
        ("NOT_IN_FILE", _NOT_IN_FILE, counts & ~removed),
        ("BACK_AGAIN", _BACK_AGAIN, counts & removed),
    ):
        numbers, rows = pairs.numbers[these], int(pairs.rows[these].sum())
        if len(numbers):
            result = Result(SURPLUS, finished_at=moment, attempts=1)
            result = result._replace(error_category=category, error_message=message)
            found.append(Outcome(pair_ids=numbers, result=result, rows=rows))
    return found
