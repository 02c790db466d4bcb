"""Plan: everything that load does before its first write, and nothing that it writes."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from loader.errors import Retryable
from loader.events import Notify, Planned
from loader.journal import AsyncJournal, InThread, Journal
from loader.planning.cost import look_ahead
from loader.planning.prepare import Prospect, Resolution, planned, read_all, resolve_and_group, with_what_is_there
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

    Without a token no socket is opened, and `unchecked` lists the object types whose labels could not be asked for.
    Raises UsageError or InputError as load would, and Fatal when the portal refuses the token or cannot be reached.
    """
    session = Session(settings, notify, stop, around)
    async with session.inputs(standard_input) as inputs:
        name_outputs(settings.results, settings.failures, inputs[0].file, [source.path for source in inputs])
        with tempfile.TemporaryDirectory(prefix="association-loader-") as folder:
            async with InThread(Staging(Path(folder) / "plan", stopping=session.stop.asked)) as staging:
                await staging.call(read_all, inputs, notify, session.stop)
                session.note_ending_version()
                work = _Plan(session, inputs, staging, Path(folder) / "plan.journal")
                if settings.connection.credentials is None:
                    return await work.without_portal()
                async with session.connected(notify, attempts=ATTEMPTS) as (gateway, portal):
                    return await work.with_portal(gateway, portal)


@dataclass(frozen=True, slots=True)
class _Plan:
    """The rows that were read, and what it takes to plan them; `journal` names a file that is not there yet."""

    session: Session
    inputs: Sequence[Input]
    staging: InThread[Staging]
    journal: Path

    async def without_portal(self) -> Planned:
        """Settle the names as far as the standard tables go."""
        portal_id = self.session.settings.connection.portal_id
        resolution = await self._settle(None, portal_id, None)
        if portal_id is None and any(
            row_kind.address or row_kind.to_address for row_kind in self.staging.held.kinds().values()
        ):
            self.session.note(_ADDRESSES_UNCHECKED)
        send = self.session.settings.send
        prospect = Prospect(
            portal_id=None, rate=send.rate or START_RATE, daily_quota=None, method=send.method, limit=send.limit
        )
        return await self.staging.call(planned, self.inputs, resolution, prospect)

    async def with_portal(self, gateway: Gateway, portal: GatewayPortal) -> Planned:
        """Settle the names as the portal has them, and look at what is there already where a load would."""
        settings, send = self.session.settings, self.session.settings.send
        current = CurrentAssociations(gateway, version=settings.connection.api_version, attempts=ATTEMPTS)
        account = await self.session.recognize(portal)
        try:
            resolution = await self._settle(portal, account.portal_id, current)
        except Retryable as error:
            raise no_answer(error) from error
        prospect = Prospect(
            portal_id=account.portal_id,
            rate=gateway.limiter.rate,
            daily_quota=gateway.day.limit,
            method=send.method,
            limit=send.limit,
        )
        event = await self.staging.call(planned, self.inputs, resolution, prospect)
        if send.unread or not event.pairs:
            return event
        await self.staging.call(Staging.install, self.journal)
        async with AsyncJournal(Journal(self.journal)) as journal:
            await journal.call(Journal.limit, send.limit)
            judge = judge_of(settings, journal.unlabelled)
            ahead = await self.session.stop.unless(look_ahead(journal, current, judge, self.session.notify))
        return with_what_is_there(event, ahead, send.method)

    async def _settle(
        self, portal: GatewayPortal | None, portal_id: str | None, current: CurrentAssociations | None
    ) -> Resolution:
        settings = self.session.settings
        return await resolve_and_group(
            self.staging,
            settings.read,
            portal,
            self.session.notify,
            self.session.stop,
            portal_id=portal_id,
            by_record=not settings.send.unread,
            current=current,
            limit=settings.send.limit,
        )
