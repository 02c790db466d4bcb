"""Plan: everything that a load does before its first write."""

import asyncio
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from msgspec import structs

from loader.configure import other_address
from loader.errors import Retryable, UsageError
from loader.events import Event, Note, Planned
from loader.journal import AsyncJournal, InThread, Journal
from loader.journal.scope import LoadJournal
from loader.planning.cost import look_ahead
from loader.planning.prepare import (
    planned,
    read_all,
    resolve_and_group,
    with_removals,
    with_what_is_there,
)
from loader.planning.staging import Staging
from loader.read import Input
from loader.record.failures import write_failures
from loader.record.outputs import Outputs
from loader.run.call import Call, Done
from loader.run.earlier_files import check_failures_name, note_kept_failures
from loader.run.mirror import plan_mirror, refuse_part_of_a_file, takes_off
from loader.run.next_command import load_planned
from loader.run.removals import look_at_removals, too_many_removals
from loader.run.sending import judge_of
from loader.run.session import Session, at_work
from loader.send.endings import no_answer
from loader.send.limiter import START_RATE
from loader.send.portal import GatewayPortal
from loader.send.reading import CurrentAssociations
from loader.text import timestamp
from loader.version import version

ATTEMPTS = 3
"""Attempts of each question, which take a few seconds: a person waits, and a plan without the portal is possible."""

_ADDRESSES_UNCHECKED = (
    "Not checked without a token: the HubSpot account in the records' addresses; --portal-id says which it should be."
)

_REMOVALS_UNCHECKED = "Not looked at without a token: what --existing mirror would take off."


async def run(call: Call) -> Done[Planned]:
    """Plan, for the command line, for Python and for a dry run; exit code 1 if there are rejects."""
    report = call.settings.report
    failures = call.settings.failures if call.command.verb == "plan" else None
    if report is not None:
        _check_page(report, failures)
    noted: list[str] = []

    def noting(event: Event) -> None:
        if isinstance(event, Note):
            noted.append(event.message)
        call.notify(event)

    event = await _planned(replace(call, notify=noting), failures=failures is not None)
    if report is not None:
        await asyncio.to_thread(_write_page, report, event, noted)
        call.notify(Note(f"Report: {report}"))
    if call.command.values["json"]:
        call.notify(event)
    return Done(result=event, exit_code=int(event.rejected > 0), shown=[event])


def _check_page(report: str, failures: str | None) -> None:
    """Raise UsageError if the page of a plan cannot be written."""
    from loader.show.report import check_report  # noqa: PLC0415 - jinja2, for a page only

    check_report(Path(report), "--report")
    if failures is not None and os.path.realpath(report) == os.path.realpath(failures):
        raise UsageError(f"--report and --failures both name {report}: give two files")


def _write_page(report: str, event: Planned, notes: Sequence[str]) -> None:
    from loader.show.report import plan_page, write_report  # noqa: PLC0415 - the same

    page = plan_page(event, notes, version=version(), written_at=timestamp(datetime.now(UTC)))
    write_report(Path(report), page)


async def _planned(call: Call, *, failures: bool) -> Planned:
    """Read and check everything; sends no write and leaves no file.

    With `failures`, the rejected rows are written to the failures file of the settings, like a load does. Without a
    token no socket is opened, and `unchecked` lists the object types whose labels could not be read. Raises UsageError
    or InputError as load would, and Fatal when the portal refuses the token or cannot be reached.
    """
    settings = call.settings
    async with at_work(call) as session, session.inputs() as inputs:
        refuse_part_of_a_file(settings, inputs)
        outputs = session.outputs(inputs)
        if failures:
            check_failures_name(settings, outputs, None)
        with tempfile.TemporaryDirectory(prefix="association-loader-") as folder:
            mirror = settings.send.existing == "mirror"
            new = Staging(Path(folder) / "plan", stopping=session.stop.asked, mirror=mirror, cells=failures)
            async with InThread(new) as staging:
                await staging.call(read_all, inputs, session.notify, session.stop)
                session.note_ending_version()
                journal = Path(folder) / "plan.journal"
                if settings.connection.credentials is None:
                    event = await _without_token(session, inputs, staging)
                else:
                    event = await _with_portal(session, inputs, staging, journal)
                if failures and not journal.exists():
                    await staging.call(Staging.install, journal)
            if failures:
                event = await asyncio.to_thread(_with_failures, session, outputs, journal, event)
    would_stop = event.mirror is not None and event.mirror.too_many
    return structs.replace(event, next_command=load_planned(settings) if event.pairs and not would_stop else None)


async def _without_token(session: Session, inputs: Sequence[Input], staging: InThread[Staging]) -> Planned:
    event = await plan_rows(session, inputs, staging)
    kinds = staging.held.kinds().values()
    if session.settings.connection.portal_id is None and any(kind.address or kind.to_address for kind in kinds):
        session.note(_ADDRESSES_UNCHECKED)
    if takes_off(session.settings.send):
        session.note(_REMOVALS_UNCHECKED)
    return event


async def _with_portal(session: Session, inputs: Sequence[Input], staging: InThread[Staging], journal: Path) -> Planned:
    """Return the plan with what the portal already has; for that, the journal is installed."""
    async with session.connected(session.notify, attempts=ATTEMPTS) as portal:
        account = await session.recognize(portal)
        try:
            event = await plan_rows(
                session,
                inputs,
                staging,
                account_type=account.kind,
                portal=portal,
                attempts=ATTEMPTS,
            )
        except Retryable as error:
            raise no_answer(error) from error
        if session.settings.send.unread or not event.pairs:
            return event
        await staging.call(Staging.install, journal)
        if session.settings.removes:
            return await _with_removals(session, portal, journal, event)
        return await _with_what_is_there(session, portal, journal, event)


def _with_failures(session: Session, outputs: Outputs, path: Path, event: Planned) -> Planned:
    """Write the failures file of a planned journal, and return the plan with its name."""
    with Journal(path) as journal:
        journal.limit(session.settings.send.limit)
        written = write_failures(outputs, journal, session.around.now())
    if written.kept is not None:
        note_kept_failures(session, outputs, written.kept)
    return structs.replace(event, failures=str(outputs.failures) if written.lines else None)


async def plan_rows(
    session: Session,
    inputs: Sequence[Input],
    staging: InThread[Staging],
    *,
    account_type: str = "",
    portal: GatewayPortal | None = None,
    attempts: int | None = None,
) -> Planned:
    """Turn the rows that were read into pairs, and return what a load would do with them.

    Without a portal, names are resolved only by the standard tables. `attempts` is for each reading of the associations
    that records have; None: as many as a load makes. Raises UsageError, Retryable or Fatal.
    """
    settings, send = session.settings, session.settings.send
    current = CurrentAssociations(portal.gateway, attempts=attempts) if portal else None
    resolution = await resolve_and_group(
        staging,
        settings,
        portal,
        session.notify,
        session.stop,
        current=current,
        by_record=not send.unread,
    )
    return await staging.call(
        planned,
        inputs,
        resolution,
        send,
        rate=portal.gateway.limiter.rate if portal else send.rate or START_RATE,
        daily_quota=portal.gateway.day.limit if portal else None,
        portal_id=portal.portal_id if portal else None,
        account_type=account_type,
        address=other_address(settings.connection.base_url),
    )


async def _with_removals(session: Session, portal: GatewayPortal, path: Path, event: Planned) -> Planned:
    """Look up what the pairs of a planned journal would lose, and add it to the plan."""
    async with AsyncJournal(Journal(path)) as journal:
        await journal.call(Journal.limit, session.settings.send.limit)
        found = await look_at_removals(session, portal, journal, portal_id=event.portal_id, attempts=ATTEMPTS)
    if error := too_many_removals(session.settings.send.max_removals, found.at_most, found.of, found.examples):
        session.note(str(error))
    return with_removals(event, found)


async def _with_what_is_there(session: Session, portal: GatewayPortal, path: Path, event: Planned) -> Planned:
    """Look up what the pairs of a planned journal have already, and add it to the plan."""
    settings = session.settings
    current = CurrentAssociations(portal.gateway, attempts=ATTEMPTS)
    async with AsyncJournal(LoadJournal(path)) as journal:
        await journal.call(Journal.limit, settings.send.limit)
        done = 0
        if takes_off(settings.send):
            event = structs.replace(event, mirror=await plan_mirror(journal, current, session))
            done = await journal.call(LoadJournal.unchanged_pairs)
        judge = judge_of(settings, journal.held)
        ahead = await session.stop.unless(look_ahead(journal, current, judge, session.notify))
    so_far = structs.replace(ahead.so_far, pairs=ahead.so_far.pairs + done, unchanged=ahead.so_far.unchanged + done)
    return with_what_is_there(event, ahead._replace(so_far=so_far), settings.send.method)
