"""Load: read, plan, send, record; or go on with a run where it stopped."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import Any, BinaryIO, NamedTuple

from loader.errors import (
    Fatal,
    Interrupted,
    LoaderError,
    OutOfTime,
    Retryable,
    Stopped,
    TooManyFailures,
)
from loader.events import FailedFor, Finished, Note, Started, Tell
from loader.files import remove_left_behind
from loader.journal import FILE_NAME, Counts, Journal, Lock, Staging, forget_lookups
from loader.read import Input, open_inputs
from loader.record.failures import write_failures
from loader.record.ledger import Ledger
from loader.record.outputs import Outputs, name_outputs
from loader.record.results import Results, open_results
from loader.record.summary import summarize, write_summary
from loader.run.api_version import ending, speaking
from loader.run.aside import aside
from loader.run.command_facts import begun, ended
from loader.run.connection import connected, surroundings
from loader.run.cost import advice, replacing
from loader.run.earlier_files import (
    clear_the_way,
    nothing_looked_at,
    refuse_strangers,
    remove_old_runs,
    tell_kept,
)
from loader.run.identity import Decision, Earlier, decide, identity, look
from loader.run.meter import Meter
from loader.run.next_command import next_command
from loader.run.portal import recognize, warnings
from loader.run.report import Report
from loader.run.road import road
from loader.run.staging import Prospect, planned, read_all, settle_and_group
from loader.run.working import limited, run_pool
from loader.send.endings import no_answer
from loader.send.failures import FailureGuard
from loader.send.gateway import Gateway, Surroundings
from loader.send.portal import Account, GatewayPortal
from loader.send.put import timestamp
from loader.send.reading import CurrentAssociations
from loader.settings import Rate, Settings
from loader.show.pace import PREFIX as PACE
from loader.stopping import Stop
from loader.version import version

NO_TRAFFIC: dict[str, Any] = {"sent": 0, "retried": 0, "rate_limited": 0, "by_status": {}, "sending_seconds": 0.0}

NOBODY = Account(None, None)


async def load(
    settings: Settings,
    *,
    tell: Tell,
    stop: Stop | None = None,
    around: Surroundings | None = None,
    standard_input: BinaryIO | None = None,
) -> Report:
    """Load the inputs of `settings` and return how it went.

    Raises UsageError, InputError or JournalError when nothing was sent and no file was changed, RecordError when an
    output could not be written, and Stopped when the run was asked to end before it had a journal, or at once;
    whatever else ends a run early is in the report.
    """
    began = (around or surroundings()).clock()
    inputs = await asyncio.to_thread(open_inputs, *settings.read, standard_input=standard_input)
    try:
        outputs = name_outputs(settings.results, settings.failures, inputs[0].file, [source.path for source in inputs])
        with Lock(outputs.journal):
            remove_left_behind(outputs.all(), journal=outputs.journal)
            run = _Run(settings, inputs, outputs, tell, stop or Stop(), around or surroundings())
            with limited(run.stop, settings.send.max_duration, used=run.around.clock() - began):
                return await run.run()
    finally:
        for source in inputs:
            source.close()


class _End(NamedTuple):
    """How a command ended: where rows stand, its exit code, what stopped it, and the facts to remember with that."""

    counts: Counts
    exit_code: int
    stopped: LoaderError | None
    facts: Mapping[str, object]


class _Run:
    """One command at work on one run."""

    def __init__(  # noqa: PLR0917 - made in one place, above
        self,
        settings: Settings,
        inputs: Sequence[Input],
        outputs: Outputs,
        tell: Tell,
        stop: Stop,
        around: Surroundings,
    ) -> None:
        self.settings = settings
        self.inputs = inputs
        self.outputs = outputs
        self.tell = tell
        self.stop = stop
        self.around = around
        self.began = around.clock()

    async def run(self) -> Report:
        """Begin a run or go on with the one that is there."""
        self.stop.check()
        asked, now = self.settings, self.around.now()
        earlier = await aside(partial(look, self.outputs, fresh=asked.fresh))
        self.settings = speaking(asked, now, earlier.identity.get("api_version") if earlier else None)
        bound = await aside(partial(identity, self.settings, self.inputs))
        decision = decide(earlier, bound, self.settings, self.outputs, now)
        if decision is not Decision.GO_ON:
            self.settings = speaking(asked, now)
            bound["api_version"] = self.settings.connection.api_version
        resumed = decision is Decision.GO_ON
        refuse_strangers(self.settings, self.outputs, earlier)
        to_repeat = self.settings.retry_failed or (earlier is not None and earlier.to_repeat)
        if resumed and earlier and earlier.finished and not to_repeat:
            return await self._tell_again(earlier)
        async with connected(self.settings, self.around, self.tell) as gateway:
            portal = GatewayPortal(gateway, version=self.settings.connection.api_version)
            if resumed and earlier:
                account, refused = await self._go_on(portal, earlier)
            else:
                account, refused = await self._begin(gateway, portal, bound, earlier, decision)
            return await self._send(gateway, account, refused, resumed=resumed)

    async def _go_on(self, portal: GatewayPortal, earlier: Earlier) -> tuple[Account, LoaderError | None]:
        """Make sure that the run goes on in the portal that it began in, before anything is changed."""
        try:
            named = self.settings.connection.portal_id
            return await self.stop.unless(recognize(portal, named, bound=earlier.portal_id)), None
        except (Fatal, Stopped) as error:
            return NOBODY, error

    # --- a new run

    async def _begin(
        self,
        gateway: Gateway,
        portal: GatewayPortal,
        bound: dict[str, Any],
        earlier: Earlier | None,
        decision: Decision,
    ) -> tuple[Account, LoaderError | None]:
        """Read and plan everything, then give the journal its place; return whose portal it is, or what stops the run.

        When the portal refuses the token, the journal holds what was read and no plan: the next command makes one.
        """
        with Staging(self.outputs.beside("journal-staging"), stopping=self.stop.asked) as staging:
            if self.settings.fresh:
                forget_lookups(staging.keys.lookups)
            await aside(partial(read_all, self.inputs, staging, self.tell, self.stop))
            account, refused = await self._plan(gateway, portal, staging)
            staging.remember(
                {
                    "identity": bound,
                    "planned": refused is None,
                    "started_at": timestamp(self.around.now()),
                    FILE_NAME: self.outputs.results.name,  # What lies there now is about to be set aside.
                    **self.outputs.facts(),
                }
            )
            clear_the_way(self.settings, self.outputs, earlier, decision, self.tell)
            remove_old_runs(self.settings, self.outputs, self.around.now(), self.tell)
            await aside(partial(staging.install, self.outputs.journal))
            if refused is None:
                forget_lookups(staging.keys.lookups)
        return account, refused

    async def _plan(
        self, gateway: Gateway, portal: GatewayPortal, staging: Staging
    ) -> tuple[Account, LoaderError | None]:
        try:
            account = await self.stop.unless(recognize(portal, self.settings.connection.portal_id))
            by_record = not self.settings.send.unread
            settlement = await settle_and_group(
                staging,
                self.settings.read,
                portal,
                self.tell,
                self.stop,
                portal_id=account.portal_id,
                by_record=by_record,
                current=CurrentAssociations(gateway, version=self.settings.connection.api_version),
                limit=self.settings.send.limit,
            )
        except Retryable as error:
            return NOBODY, no_answer(error)
        except (Fatal, Stopped) as error:
            if not staging.whole:
                raise
            return NOBODY, error
        send = self.settings.send
        prospect = Prospect(account.portal_id, gateway.limiter.rate, gateway.day.limit, send.method, send.limit)
        event = await aside(partial(planned, self.inputs, staging, settlement, prospect))
        self.tell(event)
        for sentence in (replacing(send), advice(event, send), ending(self.settings, self.around.now())):
            if sentence:
                self.tell(Note(sentence))
        return account, None

    # --- sending

    async def _send(self, gateway: Gateway, account: Account, refused: LoaderError | None, *, resumed: bool) -> Report:
        with ExitStack() as held:
            journal = await aside(partial(held.enter_context, Journal(self.outputs.journal)))
            await aside(partial(self._prepare, journal, account))
            before = {
                "traffic": journal.fact("traffic"),
                "seconds": journal.fact("seconds"),
                "pace": journal.facts(PACE),
            }
            meter = Meter(before, gateway, self.around, self.began)
            counts, stopped = await self._settle_all(gateway, journal, meter, refused, resumed=resumed)
            if stopped is not None and self.stop.at_once:
                raise stopped
            return await self._finish(journal, counts, stopped)

    async def _settle_all(
        self, gateway: Gateway, journal: Journal, meter: Meter, refused: LoaderError | None, *, resumed: bool
    ) -> tuple[Counts, LoaderError | None]:
        """Send what has no outcome, and bring the results up to date; return where rows stand, and what ended it."""
        stopped = refused
        with ExitStack() as held:
            file: AbstractContextManager[Results] = open_results(self.outputs.results, journal)
            results = await aside(partial(held.enter_context, file))
            listeners = (meter.settled, FailureGuard(self.settings.send.max_failures).watch)
            ledger = await aside(partial(Ledger, journal, results, facts=meter.facts, listeners=listeners))
            try:
                if refused is None and await aside(journal.has_work):
                    await self._work(gateway, ledger, meter, resumed=resumed)
            except (Fatal, Stopped) as error:
                stopped = error
            finally:
                meter.tell_again()
                await aside(partial(ledger.finish, views=not self.stop.at_once))
        return ledger.counts, stopped

    def _prepare(self, journal: Journal, account: Account) -> None:
        """Bring the journal in line with this command: its limit, its outputs, the failed rows to be sent again."""
        if journal.failed_in_passing() or self.settings.retry_failed:
            # First the file is given up, then the outcomes: a crash between the two only has it written anew.
            journal.remember({"results.written": None})
            journal.forget_failed(all_of_them=self.settings.retry_failed)
        if journal.limit(self.settings.send.limit):
            # Rejected rows beyond the new limit leave the results.
            journal.remember({"results.written": None})
        journal.remember({**self.outputs.facts(), **begun(journal, self.settings, self.around.now())})
        if account.portal_id is not None:
            journal.remember({"portal_id": account.portal_id, "time_zone": account.time_zone})

    async def _work(self, gateway: Gateway, ledger: Ledger, meter: Meter, *, resumed: bool) -> None:
        """Send in passes: a pair that is to lose a type to another one waits for the pass after that one's."""
        self.stop.check()
        for sentence in warnings(gateway):
            self.tell(Note(sentence))
        self.tell(Started(ledger.counts.total, ledger.counts.pending, resumed))
        waited = 0
        while True:
            way = road(self.settings, ledger, gateway, self.around)
            await run_pool(way.pool, self.stop, lambda: self.tell(meter.progress(ledger.counts)))
            if not (waiting := way.waiting()):
                return
            # Where as many wait as in the pass before, they wait for each other.
            await ledger.claim_again(insisting=waiting == waited)
            waited = waiting

    # --- the end

    async def _finish(self, journal: Journal, counts: Counts, stopped: LoaderError | None) -> Report:
        if isinstance(stopped, Interrupted | OutOfTime) and not counts.pending:
            stopped = None  # What was in flight was all that was left.
        exit_code = stopped.exit_code if stopped else int(counts.failed + counts.rejected > 0)
        facts = ended(journal, self.around.now(), exit_code, stopped)
        return await self._report(journal, _End(counts, exit_code, stopped, facts))

    async def _tell_again(self, earlier: Earlier) -> Report:
        """Nothing is left to send: make sure that the files are there, and say the same again."""
        self.tell(Note(nothing_looked_at(earlier, self.settings.again)))
        with ExitStack() as held:
            journal = await aside(partial(held.enter_context, Journal(self.outputs.journal)))
            counts = await aside(partial(self._view_again, journal))
            stopped_by_failures = journal.fact("exit_code") == TooManyFailures.exit_code
            exit_code = TooManyFailures.exit_code if stopped_by_failures else int(counts.failed + counts.rejected > 0)
            return await self._report(journal, _End(counts, exit_code, None, self.outputs.facts()))

    def _view_again(self, journal: Journal) -> Counts:
        journal.limit(None)
        with open_results(self.outputs.results, journal) as results:
            journal.remember(results.catch_up())
            results.finish()
        return journal.counts()

    async def _report(self, journal: Journal, end: _End) -> Report:
        finished = await aside(partial(self._sum_up, journal, end))
        self.tell(finished)
        return Report(end.exit_code, dict(finished.summary), self.outputs, end.stopped)

    def _sum_up(self, journal: Journal, end: _End) -> Finished:
        may_pass = end.counts.failed > 0 and journal.failed_in_passing()
        following = next_command(self.settings, self.outputs, end.counts, end.exit_code, may_pass=may_pass)
        journal.remember({**end.facts, "next_command": following})
        failures = write_failures(self.outputs, journal, self.around.now())
        if failures.kept is not None:
            tell_kept(self.settings, self.outputs, failures.kept, self.tell)
        summary = summarize(
            journal,
            command=self.settings.command,
            version=version(),
            counts=end.counts,
            traffic=journal.fact("traffic") or NO_TRAFFIC,
            rate=Rate(*(journal.fact("rate") or (100, 10.0))),
            exit_code=end.exit_code,
            next_command=following,
        )
        write_summary(self.outputs.summary, summary)
        return Finished(
            summary,
            str(self.outputs.results),
            str(self.outputs.failures) if failures.lines else None,
            str(end.stopped) if end.stopped else "",
            tuple(FailedFor(rows, code, reason.cause, reason.mend) for code, reason, rows in journal.explained()),
            reloadable=len(self.settings.read) == 1,
        )
