"""Verify: hold what the inputs ask for against what the portal has; or go on with a verification where it stopped."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any, BinaryIO

from loader.errors import Fatal, Interrupted, JournalError, LoaderError, RecordError, Retryable, Stopped
from loader.events import Note, Tell, Verified
from loader.files import remove_left_behind
from loader.journal import Journal, Lock, Staging, forget_lookups, remove_journal
from loader.journal.comparison import EXACT, LABELS, Comparison, comparisons
from loader.read import Input, open_inputs
from loader.record.outputs import Outputs, check_table, name_outputs
from loader.record.results import open_table
from loader.run.api_version import speaking
from loader.run.connection import connected, surroundings
from loader.run.identity import identity
from loader.run.portal import recognize
from loader.run.reading_back import ReadingBack
from loader.run.staging import read_all, settle_and_group
from loader.run.type_names import type_names
from loader.run.verification import Verification, summarize_verification, verification
from loader.send.endings import no_answer
from loader.send.gateway import Gateway, Surroundings
from loader.send.portal import Account, GatewayPortal
from loader.send.put import timestamp
from loader.settings import Settings
from loader.stopping import Stop


async def verify(
    settings: Settings,
    *,
    tell: Tell,
    stop: Stop | None = None,
    around: Surroundings | None = None,
    standard_input: BinaryIO | None = None,
) -> Verification:
    """Read back what the inputs of `settings` ask for and return how it compares; changes nothing in the portal.

    Raises UsageError or InputError as a load would, and Fatal when the portal refuses the token; whatever else ends it
    early is in the report.
    """
    inputs = await asyncio.to_thread(open_inputs, *settings.read, standard_input=standard_input)
    try:
        paths = [source.path for source in inputs]
        outputs = name_outputs(settings.results, settings.failures, inputs[0].file, paths)
        check_table(outputs.beside("verify.csv"), paths, Comparison._fields)
        with Lock(outputs.beside("verify-journal")):
            remove_left_behind([], journal=outputs.beside("verify-journal"))
            return await _Run(settings, inputs, outputs, tell, stop or Stop(), around or surroundings()).run()
    finally:
        for source in inputs:
            source.close()


class _Run:
    """One command at work on one verification."""

    def __init__(  # noqa: PLR0917 - made in one place, above
        self,
        settings: Settings,
        inputs: Sequence[Input],
        outputs: Outputs,
        tell: Tell,
        stop: Stop,
        around: Surroundings,
    ) -> None:
        self.settings = speaking(settings, around.now())
        self.inputs = inputs
        self.outputs = outputs
        self.tell = tell
        self.stop = stop
        self.around = around
        self.path = outputs.beside("verify-journal")
        self.file = outputs.beside("verify.csv")

    async def run(self) -> Verification:
        """Begin a verification, or go on with the one that was cut short."""
        self.stop.check()
        async with connected(self.settings, self.around) as gateway:
            portal = GatewayPortal(gateway, version=self.settings.connection.api_version)
            account = await self.stop.unless(recognize(portal, self.settings.connection.portal_id))
            bound = {
                **identity(self.settings, self.inputs),
                "portal_id": account.portal_id,
                "limit": self.settings.send.limit,
                "sample": [self.settings.verify.sample, self.settings.verify.seed],
            }
            if not self._goes_on(bound):
                await self._begin(portal, account, bound)
            return await self._compare(gateway, portal)

    def _goes_on(self, bound: dict[str, Any]) -> bool:
        """Return True when the same verification was begun and not finished."""
        if not self.path.exists():
            return False
        try:
            with Journal(self.path) as journal:
                if journal.fact("identity") != bound:
                    return False
                journal.forget_all_but("same")  # The others may have been mended meanwhile.
                return True
        except (JournalError, RecordError):
            return False

    async def _begin(self, portal: GatewayPortal, account: Account, bound: dict[str, Any]) -> None:
        with Staging(self.outputs.beside("verify-journal-staging"), stopping=self.stop.asked) as staging:
            for source in self.inputs:
                for warning in source.understood.warnings:
                    self.tell(Note(f"Warning: {source.name}: {warning}"))
            await asyncio.to_thread(read_all, self.inputs, staging, self.tell, self.stop)
            try:
                groups, goes_to = self.settings.read, account.portal_id
                await settle_and_group(staging, groups, portal, self.tell, self.stop, portal_id=goes_to)
            except Retryable as error:
                raise no_answer(error) from error
            sample = self._draw(staging)
            staging.remember(
                {
                    "identity": bound,
                    "portal_id": account.portal_id,
                    "planned": True,
                    "started_at": timestamp(self.around.now()),
                    "sample": sample,
                    EXACT: self.settings.send.existing == "replace",
                }
            )
            remove_journal(self.path)
            self.file.unlink(missing_ok=True)
            staging.install(self.path)
            forget_lookups(staging.keys.lookups)

    def _draw(self, staging: Staging) -> dict[str, int] | None:
        """Leave out all pairs but a sample, and return how it was drawn."""
        wanted, pairs = self.settings.verify.sample, staging.figures().pairs
        if wanted is None:
            return None
        seed = self.settings.verify.seed
        if seed is None:
            seed = int(self.around.uniform(0, 2**31))
        chosen = random.Random(seed).sample(range(1, pairs + 1), min(wanted, pairs))  # noqa: S311 - no secret
        staging.keep_only(chosen)
        return {"pairs": len(chosen), "of": pairs, "seed": seed}

    # --- reading back

    async def _compare(self, gateway: Gateway, portal: GatewayPortal) -> Verification:
        with Journal(self.path) as journal:
            journal.limit(self.settings.send.limit)
            stopped: LoaderError | None = None
            with open_table(self.file, journal, Comparison._fields, comparisons) as results:
                back = ReadingBack(self.settings, gateway, journal, results, self.tell, self.stop, self.around)
                try:
                    names = await self.stop.unless(type_names(portal, journal.directions()))
                    journal.remember({LABELS: names.labels})
                    await back.read(names)
                except (Fatal, Stopped, RecordError) as error:
                    stopped = error
                if stopped is not None and (self.stop.at_once or isinstance(stopped, RecordError)):
                    raise stopped
                journal.remember(results.catch_up())
                results.finish()
            report = self._report(journal, stopped)
        if report.stopped is None:
            remove_journal(self.path)
        return report

    def _report(self, journal: Journal, stopped: LoaderError | None) -> Verification:
        pending = journal.counts().pending
        if isinstance(stopped, Interrupted) and not pending:
            stopped = None  # What was in flight was all that was left.
        journal.remember({"finished_at": timestamp(self.around.now())})
        summary = summarize_verification(journal, self.settings, self.outputs, stopped)
        self.tell(Verified(summary, str(self.file), str(stopped) if stopped else ""))
        return verification(summary, self.file, stopped)
