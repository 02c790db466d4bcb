"""Plan: everything that load does before its first write, and nothing that it writes."""

import asyncio
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import BinaryIO

from loader.errors import Retryable
from loader.events import Note, Planned, Tell
from loader.read import open_inputs
from loader.record.journal import Journal, Staging
from loader.record.outputs import name_outputs
from loader.send.gateway import Surroundings
from loader.send.limits import START_RATE
from loader.send.portal import GatewayPortal
from loader.send.reading import CurrentAssociations
from loader.settings import Settings
from loader.stopping import Stop
from loader.verbs.api_version import ending, speaking
from loader.verbs.connection import connected, surroundings
from loader.verbs.cost import look_ahead
from loader.verbs.portal import recognize, unreachable
from loader.verbs.staging import Prospect, planned, read_all, settle_and_group, with_what_is_there

ATTEMPTS = 3
"""At each question, which take a few seconds: somebody waits, and nothing is lost when the portal is out of reach."""


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
        async with AsyncExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="association-loader-"))
            staging = stack.enter_context(Staging(Path(folder) / "plan", stopping=stop.asked))
            await asyncio.to_thread(read_all, inputs, staging, tell, stop)
            if sentence := ending(settings, around.now()):
                tell(Note(sentence))
            portal: GatewayPortal | None = None
            current: CurrentAssociations | None = None
            prospect = Prospect(None, settings.send.rate or START_RATE, None, settings.send.method)
            if settings.connection.credentials is not None:
                gateway = await stack.enter_async_context(connected(settings, around, tell))
                portal = GatewayPortal(gateway, version=settings.connection.api_version, attempts=ATTEMPTS)
                current = CurrentAssociations(gateway, version=settings.connection.api_version, attempts=ATTEMPTS)
                account = await stop.unless(recognize(portal, settings.connection.portal_id))
            try:
                by_record = settings.send.existing == "merge"
                goes_to = settings.connection.portal_id if portal is None else account.portal_id
                settlement = await settle_and_group(
                    staging,
                    settings.read,
                    portal,
                    tell,
                    stop,
                    portal_id=goes_to,
                    by_record=by_record,
                    current=current,
                )
            except Retryable as error:
                raise unreachable(error) from error
            if current is None:
                return planned(inputs, staging, settlement, prospect)
            prospect = Prospect(account.portal_id, gateway.limiter.rate, gateway.day.limit, settings.send.method)
            event = planned(inputs, staging, settlement, prospect)
            if not by_record or not event.pairs:
                return event
            staging.install(Path(folder) / "plan.journal")
            with Journal(Path(folder) / "plan.journal") as journal:
                ahead = await stop.unless(look_ahead(journal, current, tell))
            return with_what_is_there(event, ahead, settings.send.method)
    finally:
        for source in inputs:
            source.close()
