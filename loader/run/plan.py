"""Plan: everything that load does before its first write, and nothing that it writes."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from loader.errors import Retryable
from loader.events import Note, Planned, Tell
from loader.journal import Journal, Staging
from loader.read import Input, open_inputs
from loader.record.outputs import name_outputs
from loader.run.api_version import ending, speaking
from loader.run.connection import connected, surroundings
from loader.run.cost import look_ahead
from loader.run.portal import recognize
from loader.run.road import judge_of
from loader.run.staging import Prospect, Settlement, planned, read_all, settle_and_group, with_what_is_there
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
    tell: Tell,
    stop: Stop | None = None,
    around: Surroundings | None = None,
    standard_input: BinaryIO | None = None,
) -> Planned:
    """Read and check everything and return what a load would do; sends no write and leaves no file.

    Without a token no socket is opened, and `unchecked` lists the object types whose labels could not be asked for.
    Raises UsageError or InputError as load would, and Fatal when the portal refuses the token or cannot be reached.
    """
    stop = stop or Stop()
    around = around or surroundings()
    settings = speaking(settings, around.now())
    inputs = await asyncio.to_thread(open_inputs, *settings.read, standard_input=standard_input)
    try:
        name_outputs(settings.results, settings.failures, inputs[0].file, [source.path for source in inputs])
        with (
            tempfile.TemporaryDirectory(prefix="association-loader-") as folder,
            Staging(Path(folder) / "plan", stopping=stop.asked) as staging,
        ):
            await asyncio.to_thread(read_all, inputs, staging, tell, stop)
            if sentence := ending(settings, around.now()):
                tell(Note(sentence))
            work = _Plan(settings, inputs, staging, Path(folder) / "plan.journal", tell, stop)
            if settings.connection.credentials is None:
                return await work.without_portal()
            async with connected(settings, around, tell) as gateway:
                return await work.with_portal(gateway)
    finally:
        for source in inputs:
            source.close()


class _Plan(NamedTuple):
    """The rows that were read, and what it takes to plan them; `journal` names a file that is not there yet."""

    settings: Settings
    inputs: Sequence[Input]
    staging: Staging
    journal: Path
    tell: Tell
    stop: Stop

    async def without_portal(self) -> Planned:
        """Settle the names as far as the standard tables go."""
        send, goes_to = self.settings.send, self.settings.connection.portal_id
        settlement = await self._settle(None, goes_to, None)
        if goes_to is None and any(asked.address or asked.to_address for asked in self.staging.kinds().values()):
            self.tell(Note(_ADDRESSES_UNCHECKED))
        return self._planned(settlement, Prospect(None, send.rate or START_RATE, None, send.method))

    async def with_portal(self, gateway: Gateway) -> Planned:
        """Settle the names as the portal has them, and look at what is there already where a load would."""
        connection = self.settings.connection
        portal = GatewayPortal(gateway, version=connection.api_version, attempts=ATTEMPTS)
        current = CurrentAssociations(gateway, version=connection.api_version, attempts=ATTEMPTS)
        account = await self.stop.unless(recognize(portal, connection.portal_id))
        try:
            settlement = await self._settle(portal, account.portal_id, current)
        except Retryable as error:
            raise no_answer(error) from error
        method = self.settings.send.method
        event = self._planned(settlement, Prospect(account.portal_id, gateway.limiter.rate, gateway.day.limit, method))
        if not self._reads_first or not event.pairs:
            return event
        self.staging.install(self.journal)
        with Journal(self.journal) as journal:
            journal.limit(self.settings.send.limit)
            judge = judge_of(self.settings, journal.unlabelled)
            ahead = await self.stop.unless(look_ahead(journal, current, judge, self.tell))
        return with_what_is_there(event, ahead, method)

    @property
    def _reads_first(self) -> bool:
        return not self.settings.send.unread

    async def _settle(
        self, portal: GatewayPortal | None, portal_id: str | None, current: CurrentAssociations | None
    ) -> Settlement:
        return await settle_and_group(
            self.staging,
            self.settings.read,
            portal,
            self.tell,
            self.stop,
            portal_id=portal_id,
            by_record=self._reads_first,
            current=current,
            limit=self.settings.send.limit,
        )

    def _planned(self, settlement: Settlement, prospect: Prospect) -> Planned:
        prospect = prospect._replace(limit=self.settings.send.limit)
        return planned(self.inputs, self.staging, settlement, prospect)
