"""Plan: everything that load does before its first write, and nothing that it writes."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from loader.errors import Retryable
from loader.events import Notify, Planned
from loader.journal import AsyncJournal, InThread, Journal
from loader.planning.cost import look_ahead
from loader.planning.prepare import Destination, Prospect, planned, read_all, resolve_and_group, with_what_is_there
from loader.planning.staging import Staging
from loader.read import Input
from loader.record.outputs import name_outputs
from loader.run.sending import judge_of
from loader.run.session import Session
from loader.send.endings import no_answer
from loader.send.gateway import Gateway, Surroundings
from loader.send.limiter import START_RATE
from loader.send.portal import GatewayPortal
from loader.send.reading import CurrentAssociations
from loader.settings import Settings
from loader.stopping import Stop

ATTEMPTS = 3
"""At each question, which take a few seconds: somebody waits, and nothing is lost when the portal is out of reach."""

_ADDRESSES_UNCHECKED = (
    "Not checked without a token: the portal in the records' addresses; --portal-id says which it is."
)


async def plan(
    settings: Settings,
    *,
    notify: Notify,
    stop: Stop | None = None,
    around: Surroundings | None = None,
    standard_input: BinaryIO | None = None,
) -> Planned:
    """Read and check everything and return what a load would do; sends no write and leaves no file.

    Without a token no socket is opened, and `unchecked` lists the object types whose labels could not be read.
    Raises UsageError or InputError as load would, and Fatal when the portal refuses the token or cannot be reached.
    """
    session = Session(settings, notify, stop, around)
    async with session.inputs(standard_input) as inputs:
        name_outputs(settings.results, settings.failures, inputs[0].file, [source.path for source in inputs])
        with tempfile.TemporaryDirectory(prefix="association-loader-") as folder:
            async with InThread(Staging(Path(folder) / "plan", stopping=session.stop.asked)) as staging:
                await staging.call(read_all, inputs, notify, session.stop)
                session.note_ending_version()
                if settings.connection.credentials is None:
                    portal_id = settings.connection.portal_id
                    event = await plan_rows(session, inputs, staging, portal_id=portal_id)
                    kinds = staging.held.kinds().values()
                    if portal_id is None and any(kind.address or kind.to_address for kind in kinds):
                        session.note(_ADDRESSES_UNCHECKED)
                    return event
                async with session.connected(notify, attempts=ATTEMPTS) as (gateway, portal):
                    account = await session.recognize(portal)
                    try:
                        event = await plan_rows(
                            session,
                            inputs,
                            staging,
                            portal_id=account.portal_id,
                            gateway=gateway,
                            portal=portal,
                            attempts=ATTEMPTS,
                        )
                    except Retryable as error:
                        raise no_answer(error) from error
                    if settings.send.unread or not event.pairs:
                        return event
                    journal = Path(folder) / "plan.journal"
                    await staging.call(Staging.install, journal)
                    return await _with_what_is_there(session, gateway, journal, event)


async def plan_rows(
    session: Session,
    inputs: Sequence[Input],
    staging: InThread[Staging],
    *,
    portal_id: str | None,
    gateway: Gateway | None = None,
    portal: GatewayPortal | None = None,
    attempts: int | None = None,
) -> Planned:
    """Turn the rows that were read into pairs, and return what a load would do with them.

    Without a gateway and its portal, names are resolved as far as the standard tables go. `attempts` is for each
    reading of the associations that records have; None: as many as a load makes. Raises UsageError, Retryable or Fatal.
    """
    settings, send = session.settings, session.settings.send
    version = settings.connection.api_version
    current = CurrentAssociations(gateway, version=version, attempts=attempts) if gateway else None
    resolution = await resolve_and_group(
        staging,
        settings,
        Destination(portal=portal, portal_id=portal_id, current=current),
        session.notify,
        session.stop,
        by_record=not send.unread,
    )
    prospect = Prospect(
        portal_id=portal_id if portal else None,
        rate=gateway.limiter.rate if gateway else send.rate or START_RATE,
        daily_quota=gateway.day.limit if gateway else None,
        method=send.method,
        limit=send.limit,
    )
    return await staging.call(planned, inputs, resolution, prospect)


async def _with_what_is_there(session: Session, gateway: Gateway, path: Path, event: Planned) -> Planned:
    """Look up what the pairs of a planned journal have already, and return the plan with that."""
    settings = session.settings
    current = CurrentAssociations(gateway, version=settings.connection.api_version, attempts=ATTEMPTS)
    async with AsyncJournal(Journal(path)) as journal:
        await journal.call(Journal.limit, settings.send.limit)
        judge = judge_of(settings, journal.unlabelled)
        ahead = await session.stop.unless(look_ahead(journal, current, judge, session.notify))
    return with_what_is_there(event, ahead, settings.send.method)
