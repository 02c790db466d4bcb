"""The common parts of all commands that talk to HubSpot: inputs, the portal, the work of a pool, and its end."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypeVar

from loader.errors import (
    Fatal,
    Interrupted,
    JournalMismatch,
    LoaderError,
    OutOfTime,
    Retryable,
    Stopped,
    UsageError,
    WrongPortal,
)
from loader.events import Event, Note, Notify, RemovalPlanned, UndoPlanned, Waiting
from loader.fetch import Watch
from loader.file_systems import network_kind, synchronized_by
from loader.journal import AsyncJournal, Journal
from loader.read import Input, open_inputs
from loader.record.outputs import Outputs, name_outputs
from loader.run.call import Call
from loader.run.connection import open_gateway, surroundings
from loader.send.api import VERSIONS
from loader.send.endings import no_answer
from loader.send.gateway import Gateway
from loader.send.pool import Pool
from loader.send.portal import Account, GatewayPortal
from loader.text import counted, timestamp

SomeJournal = TypeVar("SomeJournal", bound=Journal)

GRACE_SECONDS = 10.0
"""Seconds that requests in flight may still take after a request to stop."""

SECONDS_BETWEEN_PROGRESS = 0.25

SECONDS_BETWEEN_WAITING = 1.0

SILENT_SECONDS = 1.5
"""Seconds without an event after which one says what the command does or waits for."""

AUTO = "auto"
"""The default of `--api-version`: the loader chooses."""

OLD, NEW = "v4", "2026-09"

OLD_ENDS = date(2027, 3, 30)
"""The last day on which HubSpot supports v4 (HubSpot's changelog)."""

NEW_FROM = date(2027, 3, 1)
"""From this day on new runs use the new version by default."""

WARNED_FROM = OLD_ENDS - timedelta(days=90)


class Session:
    """One command at work: its settings (with the API version), its listeners, and what may stop it."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self.doing = ""
        """The slow work in progress, in a few words for the user; blank: nothing is shown."""
        self._gateway: Gateway | None = None
        self._is_asking = False
        self.stop = call.stop
        self.around = call.around or surroundings()
        self.began = self._reported_at = self.around.clock()
        self.settings = call.settings
        self.choose_api_version(None)

    def choose_api_version(self, began_with: object) -> None:
        """By default, use the API version that the run began with, else the day's."""
        given = self._call.settings
        if given.connection.api_version == AUTO:
            of_the_day = OLD if self.around.now().date() < NEW_FROM else NEW
            version = str(began_with) if began_with in VERSIONS else of_the_day
            self.settings = replace(given, connection=replace(given.connection, api_version=version))

    def note_ending_version(self) -> None:
        """Note if HubSpot's support of the API version ends soon or has ended."""
        today = self.around.now().date()
        if self.settings.connection.api_version != OLD or today < WARNED_FROM:
            return
        left = (OLD_ENDS - today).days
        when = f"supports it until {OLD_ENDS}, {left} days from now" if left >= 0 else f"supported it until {OLD_ENDS}"
        self.note(
            f"{OLD} of HubSpot's API ends: HubSpot {when}. From {NEW_FROM} on, new runs use {NEW} unless "
            f"--api-version says {OLD}; try that with --api-version {NEW} before."
        )

    def notify(self, event: Event) -> None:
        """Report an event."""
        self._reported_at = self.around.clock()
        self._call.notify(event)

    async def watch(self) -> None:
        """Report what the command does or waits for, whenever it reports nothing else; runs until it is cancelled."""
        while True:
            await asyncio.sleep(SECONDS_BETWEEN_WAITING)
            silent = self.around.clock() - self._reported_at
            if silent < SILENT_SECONDS or self._is_asking:
                continue
            if self._gateway is not None and (sentence := self._gateway.waits_for()):
                self._call.notify(Waiting(sentence, trouble=True))
            elif self.doing:
                self._call.notify(Waiting(f"{self.doing}: {silent:.0f} s", trouble=False))

    async def agree(self, planned: UndoPlanned | RemovalPlanned) -> None:
        """Ask the person, with no other output meanwhile; raises UsageError if the answer is no."""
        self._is_asking = True
        try:
            await self.stop.unless(self._call.agree(planned))
        finally:
            self._is_asking = False

    def note(self, *sentences: str | None) -> None:
        """Report sentences, without None."""
        for sentence in sentences:
            if sentence:
                self.notify(Note(sentence))

    def moment(self) -> str:
        """Return the time: UTC, ISO 8601."""
        return timestamp(self.around.now())

    # --- what a command begins with

    @asynccontextmanager
    async def inputs(self) -> AsyncIterator[list[Input]]:
        """Hold the inputs open for a block."""
        self.doing = "Opening the inputs"
        watch = Watch(stop=self.stop, doing=self.does, timeout=self.settings.connection.timeout)
        standard_input = self._call.standard_input
        opening = asyncio.ensure_future(
            asyncio.to_thread(open_inputs, *self.settings.read, standard_input=standard_input, watch=watch)
        )
        try:
            inputs = await asyncio.shield(opening)
        except asyncio.CancelledError:  # The caller's cancellation, which a thread does not notice.
            if not self.stop.asked():
                self.stop.request(Interrupted(signal.SIGINT))
            with suppress(LoaderError):
                for source in await opening:
                    source.close()
            raise
        try:
            self.doing = "Reading and checking"
            yield inputs
        finally:
            for source in inputs:
                source.close()

    def does(self, what: str) -> None:
        """Note the slow work in progress."""
        self.doing = what

    def outputs(self, inputs: Sequence[Input]) -> Outputs:
        """Return the files of a run of these inputs; UsageError where one cannot be written."""
        paths, understood = [source.path for source in inputs], [source.understood for source in inputs]
        return name_outputs(self.settings, inputs[0].file, paths, understood)

    @asynccontextmanager
    async def connected(
        self, notify: Notify | None = None, *, attempts: int | None = None
    ) -> AsyncIterator[GatewayPortal]:
        """Hold the connection to the portal open for a block; `notify` gets notes on the shared limit."""
        async with open_gateway(self.settings, self.around, notify) as gateway:
            self._gateway = gateway
            self.doing = self.doing or "Asking HubSpot"
            try:
                yield GatewayPortal(gateway, attempts=attempts)
            finally:
                self._gateway = None

    async def recognize(self, portal: GatewayPortal, *, named: str | None = None, bound: str | None = None) -> Account:
        """Return the portal's account, after checking that it is the `named` one and the one of the run (`bound`).

        `named` None: the one of `--portal-id`, if any. Raises WrongPortal or JournalMismatch when it is another, and
        Fatal when it refuses the token or cannot be reached.
        """
        return await self.stop.unless(_recognized(portal, named or self.settings.connection.portal_id, bound))

    # --- work

    async def work(
        self,
        journal: AsyncJournal[SomeJournal],
        work: Coroutine[Any, Any, None],
        is_left: Callable[[SomeJournal], object],
    ) -> LoaderError | None:
        """Do the work of a verb, then complete the journal and its table; return what ended it early, if anything.

        A signal or the end of its time does not count if nothing is left (`is_left`). After a second signal the error
        is raised: there is no time for a report.
        """
        stopped: LoaderError | None = None
        try:
            await work
        except (Fatal, Stopped) as error:
            stopped = error
        finally:
            self.doing = "Writing the files"
            await journal.finish(view=not self.stop.at_once)
        if stopped is not None and self.stop.at_once:
            raise stopped
        if isinstance(stopped, Interrupted | OutOfTime) and not await journal.call(is_left):
            return None
        return stopped

    async def run_pool(self, pool: Pool, progress: Callable[[], Event]) -> None:
        """Run a pool to its end, or until the command must stop, and report progress now and then.

        Raises what stopped it.
        """
        self.stop.check()

        def drain(reason: LoaderError) -> None:
            if count := pool.in_flight:
                again = "again " if isinstance(reason, Interrupted) else ""
                self.note(f"Stopping: {counted(count, 'request')} under way; Ctrl-C {again}leaves at once.")
            pool.stop(reason)
            asyncio.get_running_loop().call_later(GRACE_SECONDS, pool.abandon)

        async def show() -> None:
            while True:
                self.notify(progress())
                await asyncio.sleep(SECONDS_BETWEEN_PROGRESS)

        with self.stop.listening(drain, pool.abandon):
            ticker = asyncio.create_task(show(), name="progress")
            # A bug in showing progress ends the run now, not after everything is sent.
            ticker.add_done_callback(lambda task: None if task.cancelled() else pool.abandon())
            try:
                await pool.run()
            finally:
                ticker.cancel()
                with suppress(asyncio.CancelledError):
                    await ticker


@asynccontextmanager
async def at_work(call: Call) -> AsyncIterator[Session]:
    """Hold the session of a command for a block; it is asked to stop when its time is over.

    A dry run is not stopped: no later one would continue it.
    """
    session = Session(call)
    seconds = None if call.command.values.get("dry_run") else call.settings.send.max_duration

    def over() -> None:
        if not call.stop.asked():  # A second request would end the command at once.
            unit = "second" if seconds == 1 else "seconds"
            why = f"--max-duration is over after {seconds:g} {unit}: run the same command again to continue"
            call.stop.request(OutOfTime(why))

    timer = asyncio.get_running_loop().call_later(seconds, over) if seconds is not None else None
    watcher = asyncio.create_task(session.watch(), name="watcher")
    try:
        yield session
    finally:
        if timer is not None:
            timer.cancel()
        watcher.cancel()
        with suppress(asyncio.CancelledError):
            await watcher


def check_disk(journal: Path, notify: Notify) -> None:
    """Check that a journal is safe where it is: SQLite's locks and logs are not safe on a network file system.

    Raises UsageError for such a file system, and notes a folder that is synchronized with other machines.
    """
    folder = journal.absolute().parent
    if kind := network_kind(folder):
        raise UsageError(
            f"{folder} is on a network file system ({kind}), where the journal of a run may be damaged: put it on a "
            "local disk with --journal PATH, or put the results there with --results"
        )
    if synced := synchronized_by(folder):
        notify(
            Note(
                f"{synced} is synchronized with other machines, which may damage the journal of the run: put it "
                "elsewhere with --journal PATH",
                serious=True,
            )
        )


async def _recognized(portal: GatewayPortal, named: str | None, bound: str | None) -> Account:
    try:
        account = await portal.account(insist=bool(named or bound))
    except Retryable as error:
        raise no_answer(error) from error
    if named and account.portal_id != named:
        raise WrongPortal(
            f"the token belongs to HubSpot account {account.portal_id or 'unknown'}, not to {named} as --portal-id or "
            "the profile says: use that account's token",
            category="WRONG_PORTAL",
        )
    if bound and account.portal_id != bound:
        raise JournalMismatch(
            f"the journal holds the unfinished run of HubSpot account {bound}, and the token belongs to account "
            f"{account.portal_id or 'unknown'}: use that account's token to continue, or start over with --fresh"
        )
    await portal.daily_usage()
    return account
