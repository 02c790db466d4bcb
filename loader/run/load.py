"""Load: read, plan, send, record; or resume a run where it stopped."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from msgspec import structs

from loader.errors import ApiError, Fatal, LoaderError, Retryable, Stopped, TooManyFailures, TooManyRemovals
from loader.events import FailedFor, Finished, NewLabel, Note, Started
from loader.files import remove_left_behind
from loader.journal import (
    AsyncJournal,
    Counts,
    EndedEarly,
    InThread,
    Journal,
    Line,
    Lock,
    OutputTable,
    PastCommand,
    forget_lookups,
    put_in_place,
)
from loader.journal.scope import LoadJournal
from loader.planning.cost import advice, costs, method_for, replacing_note
from loader.planning.prepare import read_all
from loader.planning.staging import Staging
from loader.read import Input
from loader.reasons import Reason, in_short
from loader.record.failures import write_failures
from loader.record.outputs import Outputs
from loader.record.results import open_results
from loader.record.summary import load_figures, summarize, write_summary
from loader.run import plan
from loader.run.call import Call, Done, reported
from loader.run.copies import check_copies, copied
from loader.run.create_label import make_labels
from loader.run.earlier_files import (
    already_finished,
    check_failures_name,
    note_kept_failures,
    remove_old_runs,
    set_earlier_files_aside,
)
from loader.run.identity import Decision, Earlier, decide, earlier_run, identity
from loader.run.meter import Meter
from loader.run.mirror import plan_removals, refuse_part_of_a_file, takes_off, taking_off
from loader.run.next_command import is_reloadable, next_command, same_command
from loader.run.plan import plan_rows
from loader.run.removals import look_at_removals, too_many_removals
from loader.run.report import Report, dry_report
from loader.run.sending import sending
from loader.run.session import Session, at_work, check_disk
from loader.send.endings import no_answer
from loader.send.failures import FailureGuard
from loader.send.gateway import Gateway
from loader.send.portal import Account, GatewayPortal
from loader.settings import Settings
from loader.shell import command_line

NO_ACCOUNT = Account(None, None)

MOST_COMMANDS = 100
"""A run that is resumed every night for years remembers only its latest commands."""


async def run(call: Call) -> Done[Report]:
    """Load the inputs, or take off what they name, and return how it went; a dry run only plans.

    Raises UsageError, InputError or JournalError if nothing was sent and no file was changed, RecordError if an output
    could not be written, and Stopped if the run was stopped before it had a journal, or at once; whatever else ends a
    run early is in the report.
    """
    settings = call.settings
    if call.command.values["dry_run"]:
        planned = await plan.run(call)
        report = dry_report(planned.result, settings)
        return Done(result=report, exit_code=report.exit_code, shown=planned.shown)
    async with at_work(call) as session, session.inputs() as inputs:
        refuse_part_of_a_file(settings, inputs)
        outputs = session.outputs(inputs)
        check_disk(outputs.journal, session.notify)
        if settings.copy_to is not None:
            check_copies(settings.copy_to, outputs, inputs)
        with Lock(outputs.journal):
            remove_left_behind(outputs.all(), journal=outputs.journal)
            return reported(await _Load(session, inputs, outputs).run())


class _Load:
    """One command at work on one run."""

    def __init__(self, session: Session, inputs: Sequence[Input], outputs: Outputs) -> None:
        self.session = session
        self.inputs = inputs
        self.outputs = outputs
        self.notify = session.notify
        self.stop = session.stop
        self.now = session.around.now
        self.method: str | None = None
        self._beyond = 0
        """Pending rows that this command leaves to later ones, because of its `--limit`."""

    @property
    def settings(self) -> Settings:
        """The settings of this command, with the API version."""
        return self.session.settings

    async def run(self) -> Report:
        """Begin a run, or resume the one that is there."""
        self.stop.check()
        earlier = await asyncio.to_thread(earlier_run, self.outputs, fresh=self.settings.fresh)
        self.session.choose_api_version(earlier.identity.get("api_version") if earlier else None)
        bound = await asyncio.to_thread(identity, self.settings, self.inputs)
        decision = decide(earlier, bound, self.settings, self.outputs, self.now())
        check_failures_name(self.settings, self.outputs, earlier)
        if decision is not Decision.RESUME:
            self.session.choose_api_version(None)
            bound["api_version"] = self.settings.connection.api_version
        elif earlier and earlier.finished and not (self.settings.retry_failed or earlier.to_repeat):
            return await self._repeat_report(earlier)
        async with self.session.connected(self.notify) as portal:
            if earlier and decision is Decision.RESUME:
                account, refused = await self._go_on(portal, earlier)
            else:
                account, refused = await self._begin(portal, bound, earlier, decision)
            return await self._send(portal, account, refused, resumed=decision is Decision.RESUME)

    async def _go_on(self, portal: GatewayPortal, earlier: Earlier) -> tuple[Account, LoaderError | None]:
        """Return the portal's account, or what stops the run: it is resumed only in the portal where it began."""
        portal.gateway.day.time_zone = earlier.time_zone  # The first answer may say that the quota is spent.
        try:
            return await self.session.recognize(portal, bound=earlier.portal_id), None
        except (Fatal, Stopped) as error:
            return NO_ACCOUNT, error

    # --- a new run

    async def _begin(
        self, portal: GatewayPortal, bound: dict[str, Any], earlier: Earlier | None, decision: Decision
    ) -> tuple[Account, LoaderError | None]:
        """Read and plan everything, and install the journal; return the portal's account, or what stops the run.

        If the portal refuses the token, the journal has what was read and no plan: the next command makes one.
        """
        staged, mirror = self.outputs.staged, self.settings.send.existing == "mirror"
        async with InThread(Staging(staged, stopping=self.stop.asked, mirror=mirror)) as staging:
            lookups = staging.held.keys.lookups_path
            if self.settings.fresh:
                forget_lookups(lookups)
            await staging.call(read_all, self.inputs, self.notify, self.stop)
            account, refused, new_labels = await self._plan(portal, staging)
            facts = {
                **self._kept(),
                "identity": bound,
                "planned": refused is None,
                "started_at": self.session.moment(),
                # An earlier run's results file will be renamed.
                "tables": {"results": OutputTable(name=self.outputs.results.name)},
            }
            await staging.call(lambda held: held.journal.remember(**facts))
            # Still in its scratch file: no file is changed before the user agrees to what is taken off.
            await staging.call(Staging.complete)
            if refused is None and (self.settings.removes or new_labels):
                async with AsyncJournal(LoadJournal(staged)) as journal:
                    await journal.call(Journal.limit, self.settings.send.limit)
                    if self.settings.removes:
                        refused = await self._agreed(portal, journal, account.portal_id)
                    else:
                        refused = await self._make_labels(portal, journal, new_labels)
            set_earlier_files_aside(self.session, self.outputs, earlier, decision)
            remove_old_runs(self.session, self.outputs)
            await asyncio.to_thread(put_in_place, staged, self.outputs.journal)
            if refused is None:
                forget_lookups(lookups)
        return account, refused

    async def _plan(
        self, portal: GatewayPortal, staging: InThread[Staging]
    ) -> tuple[Account, LoaderError | None, Sequence[NewLabel]]:
        """Plan what was read; return the portal's account, or what stops the run, and the labels to make."""
        try:
            account = await self.session.recognize(portal)
            event = await plan_rows(
                self.session,
                self.inputs,
                staging,
                portal=portal,
                account_type=account.kind,
            )
        except Retryable as error:
            return NO_ACCOUNT, no_answer(error), ()
        except (Fatal, Stopped) as error:
            if not staging.held.whole:
                raise
            return NO_ACCOUNT, error, ()
        self.method = event.method
        self.notify(event)
        for name, understood in event.inputs.items():
            if not understood.records:
                self.notify(Note(f"{name} holds no rows: nothing is loaded from it", serious=True))
        self.session.note(replacing_note(self.settings.send), advice(event, self.settings.send))
        self.session.note_ending_version()
        return account, None, event.new_labels

    async def _make_labels(
        self, portal: GatewayPortal, journal: AsyncJournal[LoadJournal], new_labels: Sequence[NewLabel]
    ) -> LoaderError | None:
        """Check the limit of a mirror's removals, then make labels; return what stops the run.

        A journal without the labels is not a plan: the next command makes one.
        """
        try:
            if takes_off(self.settings.send):
                await plan_removals(journal, portal, self.session)
        except (Fatal, Stopped) as error:
            await journal.call(Journal.remember, planned=False)
            return error
        made = await self.session.stop.unless(make_labels(portal, new_labels, self.notify))
        await journal.call(LoadJournal.replace_types, made)
        return None

    async def _agreed(
        self, portal: GatewayPortal, journal: AsyncJournal[Any], portal_id: str | None
    ) -> LoaderError | None:
        """Show what would be taken off, compare it with the limit, and ask; return what stops the run.

        Raises UsageError when the answer is no.
        """
        try:
            found = await look_at_removals(self.session, portal, journal, portal_id=portal_id)
        except Retryable as error:
            return no_answer(error)
        except (Fatal, Stopped) as error:
            return error
        self.notify(found)
        too_many = too_many_removals(self.settings.send.max_removals, found.at_most, found.of, found.examples)
        if too_many is None and found.at_most:
            await self.session.agree(found)
        return too_many

    # --- sending

    async def _send(
        self, portal: GatewayPortal, account: Account, refused: LoaderError | None, *, resumed: bool
    ) -> Report:
        async with AsyncJournal(LoadJournal(self.outputs.journal)) as journal:
            await journal.call(self._prepare, account)
            meter = Meter(journal.facts, portal.gateway, self.session.around, self.session.began)
            table = partial(open_results, self.outputs.results)
            listeners = (meter.note, FailureGuard(self.settings.send.max_failures).watch)
            await journal.follow(table, figures=meter.facts, listeners=listeners)
            work = self._work(portal, journal, meter, refused, resumed=resumed)
            stopped = await self.session.work(
                journal, work, lambda journal: journal.counts().pending or journal.is_to_remove()
            )
            failed = await journal.call(self._unsuccessful, journal.counts)
            exit_code = stopped.exit_code if stopped else int(failed > 0)
            moment = self.session.moment()
            *earlier, command = journal.facts.commands
            command = structs.replace(command, ended_at=moment, exit_code=exit_code)
            changes = {
                "finished_at": moment,
                "exit_code": exit_code,
                "stopped": _in_words(stopped),
                "commands": (*earlier, command),
            }
            return await self._report(journal, exit_code, stopped, changes)

    def _prepare(self, journal: Journal, account: Account) -> None:
        """Adapt the journal to this command: its limit, its outputs, the failed rows to send again."""
        if journal.failed_in_passing() or self.settings.retry_failed:
            journal.forget_failed(all_of_them=self.settings.retry_failed)
        if journal.limit(self.settings.send.limit):
            # Rejected rows beyond the new limit leave the results.
            journal.rewrite("results")
        after_seconds = journal.facts.requests.sending_seconds
        command = PastCommand(began_at=self.session.moment(), after_seconds=after_seconds)
        journal.remember(
            **self._kept(),
            command=command_line(self.settings.command),
            folder=os.getcwd(),  # noqa: PTH109 - a text is wanted
            # Until the command ends, these facts say what to do if it is killed.
            exit_code=None,
            stopped=None,
            next_command=same_command(self.settings),
            commands=(*journal.facts.commands, command)[-MOST_COMMANDS:],
        )
        if account.portal_id is not None:
            journal.remember(portal_id=account.portal_id, time_zone=account.time_zone)

    def _kept(self) -> dict[str, Any]:
        """Return the facts that the journal keeps of this command for later ones, even if nothing is left to send.

        An option that the summary or the report shows belongs here: its value, by the name of a field of `Facts`.
        """
        return {"outputs": self.outputs.names()}

    async def _work(
        self,
        portal: GatewayPortal,
        journal: AsyncJournal[LoadJournal],
        meter: Meter,
        refused: LoaderError | None,
        *,
        resumed: bool,
    ) -> None:
        """Send all pairs without an outcome; a mirror finds out first what to take off, and does that at the end."""
        if refused is not None:
            raise refused
        mirror = takes_off(self.settings.send)
        if not (mirror or await journal.call(Journal.has_work)):
            return
        if resumed and self.settings.removes:
            stopped = await self._agreed(portal, journal, journal.facts.portal_id)
            if stopped is not None:
                raise stopped
        self.stop.check()
        gateway = portal.gateway
        if gateway.day.reserve_unknown:
            self.session.note("--daily-reserve has no effect: HubSpot does not say how much of the day's quota is left")
        if gateway.credential.rotated:
            self.session.note(
                "HubSpot replaced HUBSPOT_REFRESH_TOKEN by a new refresh token, which this command uses and "
                "does not save; if the next command is refused, authorize the app again"
            )
        if mirror:
            await plan_removals(journal, portal, self.session)
        self.notify(await self._started(journal, resumed=resumed))
        if await journal.call(Journal.has_work):
            await self._send_rows(gateway, journal, meter)
        if mirror:
            for turn in sorted({1, *journal.held.lots.turns.tolist()} - {0}):
                pool = await taking_off(journal, portal, self.session, turn)
                await self.session.run_pool(pool, lambda: meter.progress(journal.counts))
            await journal.call(Journal.remember, removals_done=True)

    async def _started(self, journal: AsyncJournal[LoadJournal], *, resumed: bool) -> Started:
        counts, limit = journal.counts, self.settings.send.limit
        if limit is not None:
            self._beyond = counts.pending - len(await journal.call(Journal.open_places))
        return Started(counts.total, counts.pending, resumed, self._beyond, limit)

    async def _send_rows(self, gateway: Gateway, journal: AsyncJournal[LoadJournal], meter: Meter) -> None:
        """Send in passes: a pair that will lose a type to another pair is sent in a pass after that pair's."""
        method = self.method or method_for(
            self.settings.send.method, costs(journal.counts.pending, 0, gateway.limiter.rate, None)
        )
        settings = replace(self.settings, send=replace(self.settings.send, method=method))
        waited = 0
        while True:
            pool, pairs = sending(settings, journal, gateway)
            await self.session.run_pool(pool, lambda: meter.progress(journal.counts, beyond=self._beyond))
            if not (waiting := len(pairs.waiting)):
                return
            # If as many wait as in the pass before, they wait for each other.
            await journal.call(Journal.claim_again, no_waiting=waiting == waited)
            waited = waiting

    # --- the end

    async def _repeat_report(self, earlier: Earlier) -> Report:
        """Nothing is left to send: write missing files, and report the same again."""
        self.session.note(already_finished(earlier, self.settings.again))
        async with AsyncJournal(Journal(self.outputs.journal)) as journal:
            await journal.call(Journal.limit, None)
            await journal.follow(partial(open_results, self.outputs.results))
            await journal.finish()
            exit_code = int(await journal.call(self._unsuccessful, journal.counts) > 0)
            if journal.facts.exit_code == TooManyFailures.exit_code:
                exit_code = TooManyFailures.exit_code
            return await self._report(journal, exit_code, None, self._kept())

    def _unsuccessful(self, journal: Journal, counts: Counts) -> int:
        """Return how many rows were rejected or failed, and how many associations could not be taken off."""
        return counts.failed + counts.rejected + journal.removals()["failed"]

    async def _report(
        self, journal: AsyncJournal[Any], exit_code: int, stopped: LoaderError | None, changes: dict[str, Any]
    ) -> Report:
        """Write the failures file and the summary, and return how the command ended."""
        finished = await journal.call(self._sum_up, journal.counts, exit_code, stopped, changes)
        if self.settings.copy_to is not None:
            self.session.around.permit()  # If another worker continues the run, that one makes the copies.
            finished = await copied(self.session, self.settings.copy_to, self.outputs, journal, finished)
            ending = {key: finished.summary[key] for key in ("exit_code", "next_command")}
            await journal.call(Journal.remember, **ending)
        self.notify(finished)
        summary = dict[str, Any](finished.summary)
        return Report(summary["exit_code"], summary, self.outputs, stopped)

    def _sum_up(
        self, journal: Journal, counts: Counts, exit_code: int, stopped: LoaderError | None, changes: dict[str, Any]
    ) -> Finished:
        explained = journal.explained()
        following = next_command(
            self.settings,
            self.outputs,
            counts,
            exit_code,
            may_pass=journal.failed_in_passing(),
            correctable=counts.rejected > 0 or any(not reason.retry for _, reason, _ in explained),
            to_remove=journal.is_to_remove(),
            too_much=isinstance(stopped, TooManyRemovals),
        )
        journal.remember(**changes, next_command=following)
        failures = write_failures(self.outputs, journal, self.now())
        if failures.kept is not None:
            note_kept_failures(self.session, self.outputs, failures.kept)
        summary = summarize(
            self.settings.command,
            {"inputs": journal.inputs()},
            load_figures(
                counts,
                journal.facts,
                journal.reasons(),
                journal.removals() if journal.is_mirror else None,
                journal.found_gone(),
            ),
            portal_id=journal.facts.portal_id,
            started_at=journal.facts.started_at,
            finished_at=journal.facts.finished_at,
            seconds=journal.facts.seconds,
            exit_code=exit_code,
            next_command=following,
        )
        write_summary(self.outputs.summary, summary)
        return Finished(
            summary,
            str(self.outputs.results),
            str(self.outputs.failures) if failures.lines else None,
            str(stopped or ""),
            tuple(
                _failed_for(code, reason, rows, failures.named.get((code, reason), []))
                for code, reason, rows in explained
            ),
            reloadable=is_reloadable(self.settings),
            limit=self.settings.send.limit,
        )


def _failed_for(code: str, reason: Reason, rows: int, first: Sequence[Line]) -> FailedFor:
    """Return the part of the end of a run about one reason."""
    places = tuple(dict.fromkeys((line.input, line.row) for line in first))
    failed = [line for line in first[:1] if line.status == "failed"]
    example = "".join(in_short(code, line.http_status, line.error_message) for line in failed)
    return FailedFor(rows, code, reason.cause, reason.mend, places, example if example != reason.cause else "")


def _in_words(stopped: LoaderError | None) -> EndedEarly | None:
    if stopped is None:
        return None
    if isinstance(stopped, ApiError):
        return EndedEarly(message=str(stopped), category=stopped.category, http_status=stopped.status)
    return EndedEarly(message=str(stopped))
