"""Verify: compare what the inputs ask for with what the portal has; or resume a verification where it stopped."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from loader.errors import JournalError, LoaderError, RecordError, Retryable, TooManyFailures
from loader.events import Note, Verified
from loader.files import remove_left_behind
from loader.journal import AsyncJournal, InThread, Journal, Lock, failed_places, forget_lookups, remove_journal
from loader.journal.comparison import COLUMNS, MARKS, SURPLUS, comparisons, marks
from loader.journal.scope import LoadJournal
from loader.model import Outcome
from loader.planning.prepare import read_all, resolve_and_group
from loader.planning.staging import Staging
from loader.read import Input
from loader.record.outputs import Outputs, check_table
from loader.record.results import open_table
from loader.record.summary import VerifyFigures, summarize
from loader.run.call import Call, Done, reported
from loader.run.connection import batch_workers
from loader.run.identity import identity
from loader.run.labels import type_names
from loader.run.meter import Meter
from loader.run.mirror import takes_off
from loader.run.next_command import load_what_is_missing
from loader.run.report import Verification
from loader.run.session import Session, at_work
from loader.run.verify_mirror import find_surplus
from loader.send.compare import Compare
from loader.send.endings import no_answer
from loader.send.outgoing import Unread
from loader.send.pool import Pool
from loader.send.portal import Account, GatewayPortal
from loader.text import counted

SHARES_OF_WAIT = (2 / 7, 5 / 7)
"""The shares of `--wait` after which is read again: reads may lag behind writes, most only for a moment."""

SAME_REFUSALS = 200
"""If a reading has this many refusals with one reason, and nothing else, the command is wrong, not the records."""


async def run(call: Call) -> Done[Verification]:
    """Read back what the inputs name and return the comparison; nothing is changed in the portal.

    Raises UsageError or InputError as a load would, and Fatal when the portal refuses the token; whatever else ends it
    early is in the report.
    """
    async with at_work(call) as session, session.inputs() as inputs:
        paths = [source.path for source in inputs]
        outputs = session.outputs(inputs)
        check_table(outputs.beside("verify.csv"), paths, COLUMNS)
        journal = outputs.journal.with_name(f"{outputs.stem}.verify-journal")
        with Lock(journal):
            remove_left_behind([], journal=journal)
            report = await _Verification(session, inputs, outputs, journal).run()
    return reported(report, Verified(report.summary, str(report.path)))


class _Verification:
    """One command at work on one verification."""

    def __init__(self, session: Session, inputs: Sequence[Input], outputs: Outputs, journal: Path) -> None:
        self.session = session
        self.settings = session.settings
        self.notify = session.notify
        self.inputs = inputs
        self.outputs = outputs
        self.path = journal
        self.file = outputs.beside("verify.csv")
        self.total = self.pending = self.there = 0

    async def run(self) -> Verification:
        """Begin a verification, or resume the one that was cut short."""
        self.session.stop.check()
        async with self.session.connected() as portal:
            account = await self.session.recognize(portal)
            bound = {
                **await asyncio.to_thread(identity, self.settings, self.inputs),
                "portal_id": account.portal_id,
                "limit": self.settings.send.limit,
                "sample": [self.settings.verify.sample, self.settings.verify.seed],
            }
            if not await asyncio.to_thread(self._goes_on, bound):
                await self._begin(portal, account, bound)
            async with AsyncJournal(LoadJournal(self.path)) as journal:
                report = await self._compare(portal, journal)
        if report.stopped is None:
            remove_journal(self.path)
        return report

    def _goes_on(self, bound: dict[str, Any]) -> bool:
        """Return True if the same verification was begun and not finished."""
        if not self.path.exists():
            return False
        try:
            with Journal(self.path) as journal:
                if journal.facts.identity != bound:
                    return False
                journal.forget_all_but("same")  # The other pairs may have been corrected meanwhile.
                return True
        except (JournalError, RecordError):
            return False

    async def _begin(self, portal: GatewayPortal, account: Account, bound: dict[str, Any]) -> None:
        stop = self.session.stop
        path, mirror = self.path.with_name(f"{self.path.name}-staging"), self.settings.send.existing == "mirror"
        async with InThread(Staging(path, stopping=self.session.stop.asked, mirror=mirror)) as staging:
            for source in self.inputs:
                for warning in source.understood.warnings:
                    self.notify(Note(f"Warning: {source.name}: {warning}"))
            await staging.call(read_all, self.inputs, self.notify, stop)
            try:
                await resolve_and_group(staging, self.settings, portal, self.notify, stop)
            except Retryable as error:
                raise no_answer(error) from error
            await staging.call(self._install, account, bound)
            forget_lookups(staging.held.keys.lookups_path)

    def _install(self, staging: Staging, account: Account, bound: dict[str, Any]) -> None:
        sample = self._draw(staging)
        staging.journal.remember(
            identity=bound,
            portal_id=account.portal_id,
            planned=True,
            started_at=self.session.moment(),
            sample=sample,
            exact=self.settings.send.existing == "replace",
        )
        remove_journal(self.path)
        self.file.unlink(missing_ok=True)
        staging.install(self.path)

    def _draw(self, staging: Staging) -> dict[str, int] | None:
        """Keep only a sample of the pairs, and return how it was drawn."""
        wanted, pairs = self.settings.verify.sample, staging.journal.figures().pairs
        if wanted is None:
            return None
        seed = self.settings.verify.seed
        if seed is None:
            seed = int(self.session.around.uniform(0, 2**31))
        chosen = random.Random(seed).sample(range(1, pairs + 1), min(wanted, pairs))  # noqa: S311 - no secret
        staging.keep_only(chosen)
        return {"pairs": len(chosen), "of": pairs, "seed": seed}

    # --- reading back

    async def _compare(self, portal: GatewayPortal, journal: AsyncJournal[LoadJournal]) -> Verification:
        await journal.call(Journal.limit, self.settings.send.limit)
        meter = Meter(journal.facts, portal.gateway, self.session.around, self.session.around.clock())
        await journal.follow(
            lambda opened: open_table(self.file, opened, COLUMNS, comparisons, marks=MARKS["load"]),
            figures=meter.facts,
            listeners=[self._watch],
        )
        work = self._read_all(portal, journal, meter)
        stopped = await self.session.work(journal, work, lambda journal: journal.counts().pending)
        summary = await journal.call(self._sum_up, stopped)
        self.notify(Verified(summary, str(self.file), str(stopped) if stopped else ""))
        return Verification.of(summary, self.file, stopped)

    async def _read_all(self, portal: GatewayPortal, journal: AsyncJournal[LoadJournal], meter: Meter) -> None:
        """Judge every pair that rows ask for, and for a mirror also the pairs that no row asks for."""
        await self._read(portal, journal, meter)
        if takes_off(self.settings.send):
            if self.settings.verify.sample is None:
                await find_surplus(journal, portal, self.session, self.outputs.journal)
            else:
                self.notify(Note("With --sample, it is not checked whether records have more than the file asks for."))

    async def _read(self, portal: GatewayPortal, journal: AsyncJournal[LoadJournal], meter: Meter) -> None:
        """Judge every pair; pairs that seem to be missing are read again, because reads may lag behind writes."""
        names = await self.session.stop.unless(type_names(portal, journal.held.directions()))
        await journal.call(Journal.remember, labels=names.labels)
        counts = journal.counts
        self.total, self.pending = counts.total, counts.pending
        self.there = counts.total - counts.pending - counts.rejected
        wait = self.settings.verify.wait
        waits = [0.0, *(share * wait for share in SHARES_OF_WAIT if wait)]
        for number, seconds in enumerate(waits, 1):
            await journal.call(Journal.claim_again)
            if not await journal.call(Journal.has_work):
                return
            last = number == len(waits)
            if seconds and await journal.call(self._failed_in_load):
                last = True  # Nothing was written for them, so another read will not find anything.
            elif seconds:
                what = "still there" if self.settings.removes else "missing"
                self.notify(Note(f"Some rows seem to be {what}; they are checked again in {seconds:.2g} s."))
                await self.session.stop.unless(asyncio.sleep(seconds))
            action = Compare(
                portal.gateway,
                plain=names.plain,
                exact=self.settings.send.existing == "replace",
                removed=self.settings.removes,
                final=last,
            )
            outgoing = [Unread(journal, capacity=action.capacity, ahead=1)]
            pool = Pool(journal, outgoing, action, portal.gateway, workers=batch_workers(self.settings))
            await self.session.run_pool(pool, lambda: meter.verifying(self.total, self.there, self.pending))
            if last:
                return

    def _failed_in_load(self, journal: Journal) -> bool:
        """Return True if all rows that are not judged yet have failed in a load of the same inputs."""
        if self.settings.removes or not self.outputs.journal.exists():
            return False
        with suppress(JournalError, RecordError), Journal(self.outputs.journal, read_only=True) as load:
            same = load.facts.identity.get("inputs") == journal.facts.identity.get("inputs")
            return same and failed_places(load).issuperset(journal.open_places())
        return False

    def _watch(self, outcomes: Sequence[Outcome]) -> None:
        """Count what was judged; raises TooManyFailures if HubSpot refuses everything."""
        if outcomes[0].beside:
            return
        self.there += sum(outcome.rows for outcome in outcomes if outcome.status == "same")
        self.pending -= sum(outcome.rows for outcome in outcomes)
        results = [outcome.result for outcome in outcomes]
        kinds = {(result.status, result.http_status, result.error_category) for result in results}
        pairs = sum(len(outcome.pair_ids) for outcome in outcomes)
        if pairs < SAME_REFUSALS or len(kinds) > 1:
            return
        one = outcomes[0].result
        if one.status == "failed" and 400 <= (one.http_status or 0) < 500:
            raise TooManyFailures(
                f"HubSpot refuses to show what any of {counted(pairs, 'record')} is associated with ({one.http_status} "
                f"{one.error_category}: {one.error_message}): check the object types, then run the same command again"
            )

    # --- the end

    def _sum_up(self, journal: Journal, stopped: LoaderError | None) -> dict[str, Any]:
        """Return the figures of the verification; `rows` counts lines by the meaning of their mark."""
        finished_at = self.session.moment()
        journal.remember(finished_at=finished_at)
        counted, total = marks(journal), journal.counts().total
        surplus = counted.pop(SURPLUS, 0)
        rows = {word: counted[mark] for mark, word in MARKS[journal.verb].items()}
        different = sum(counted.values()) - counted["="] + surplus
        facts, requests = journal.facts, journal.facts.requests
        figures: VerifyFigures = {
            "rows": {"total": total, **rows, "pending": total - sum(counted.values())},
            "rejected": journal.counts().rejected,
            "surplus": surplus,
            "sample": facts.sample,
            "requests": {"sent": requests.sent, "retried": requests.retried, "rate_limited": requests.rate_limited},
        }
        if not takes_off(self.settings.send):
            del figures["surplus"]
        return summarize(
            self.settings.command,
            {"inputs": journal.inputs()},
            figures,
            portal_id=facts.portal_id,
            started_at=facts.started_at,
            finished_at=finished_at,
            seconds=facts.seconds,
            exit_code=stopped.exit_code if stopped else int(different > 0),
            next_command=load_what_is_missing(
                self.settings, self.outputs, counted["+"] + counted["*"] + surplus, stopped
            ),
        )
