"""Load: read, plan, send, record; or go on with a run where it stopped."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any, BinaryIO, TypeVar

from loader.errors import Fatal, JournalMismatch, LoaderError, OutOfTime, Stopped, WrongPortal
from loader.events import Finished, Started, Tell
from loader.read import Input, open_inputs
from loader.record.failures import write_failures
from loader.record.journal import Counts, Journal, Lock, Staging
from loader.record.ledger import Ledger
from loader.record.outputs import Outputs, name_outputs, set_aside
from loader.record.results import open_results
from loader.record.summary import summarize, write_summary
from loader.send.failures import FailureGuard
from loader.send.gateway import Gateway, Surroundings
from loader.send.pool import Pool
from loader.send.portal import GatewayPortal
from loader.send.put import Put, timestamp
from loader.settings import Rate, Settings
from loader.stopping import Stop
from loader.verbs.connection import connected, surroundings, workers
from loader.verbs.identity import Decision, Earlier, decide, identity, look
from loader.verbs.meter import Meter
from loader.verbs.next_command import next_command
from loader.verbs.staging import planned, read_all, settle_and_group

T = TypeVar("T")

GRACE_SECONDS = 10.0
"""How long requests in flight may still take when a run is asked to stop."""

TELL_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Report:
    """How a load ended: the command's exit code, the summary as in the summary file, and where the files are.

    `stopped` is the error that ended it early, or None.
    """

    exit_code: int
    summary: dict[str, Any]
    outputs: Outputs
    stopped: LoaderError | None = None


async def load(
    settings: Settings,
    *,
    tell: Tell,
    stop: Stop | None = None,
    around: Surroundings | None = None,
    standard_input: BinaryIO | None = None,
) -> Report:
    """Load the inputs of `settings` and return how it went.

    Raises UsageError, InputError or JournalError when nothing was sent and no file was changed, and RecordError when an
    output could not be written; whatever else ends a run early is in the report.
    """
    inputs = await asyncio.to_thread(open_inputs, settings.read, standard_input=standard_input)
    try:
        outputs = name_outputs(settings.results, settings.failures, inputs[0].name, [source.path for source in inputs])
        with Lock(outputs.journal):
            run = _Run(settings, inputs, outputs, tell, stop or Stop(), around or surroundings())
            return await run.run()
    finally:
        for source in inputs:
            source.close()


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
        bound = identity(self.settings, self.inputs)
        earlier = look(self.outputs)
        decision = decide(earlier, bound, self.settings, self.outputs)
        if decision is Decision.GO_ON and earlier and earlier.finished and not self.settings.retry_failed:
            return self._tell_again()
        async with connected(self.settings, self.around) as gateway:
            refused = await self._begin(gateway, bound, earlier) if decision is Decision.NEW else None
            return await self._send(gateway, refused, resumed=decision is Decision.GO_ON)

    # --- a new run

    async def _begin(self, gateway: Gateway, bound: dict[str, Any], earlier: Earlier | None) -> Fatal | None:
        """Read and plan everything, then give the journal its place; return why the portal refused, if it did."""
        portal = GatewayPortal(gateway, version=self.settings.connection.api_version)
        with Staging(self.outputs.beside("journal-staging"), stopping=self.stop.asked) as staging:
            await asyncio.to_thread(read_all, self.inputs, staging, self.tell, self.stop)
            refused: Fatal | None = None
            try:
                kinds, unchecked = await self._unless_stopped(
                    settle_and_group(staging, self.settings.read, portal, self.stop)
                )
                self.tell(planned(self.inputs, staging, kinds, unchecked, None))
            except Fatal as error:
                refused = error
            staging.remember(
                {
                    "identity": bound,
                    "planned": refused is None,
                    "started_at": timestamp(self.around.now()),
                    **self.outputs.facts(),
                }
            )
            self._clear_the_way(earlier)
            staging.install(self.outputs.journal)
        return refused

    def _clear_the_way(self, earlier: Earlier | None) -> None:
        if earlier is not None and not earlier.planned:
            # Nothing was sent and nothing settled: the files of that attempt say nothing that is worth keeping.
            for file in (self.outputs.journal, self.outputs.results, self.outputs.failures, self.outputs.summary):
                file.unlink(missing_ok=True)
        elif earlier is not None or self.outputs.results.exists():
            set_aside(self.outputs, earlier.started_at if earlier else None)

    # --- sending

    async def _send(self, gateway: Gateway, refused: Fatal | None, *, resumed: bool) -> Report:
        with Journal(self.outputs.journal) as journal:
            if self.settings.retry_failed and journal.forget_failed():
                journal.remember({"results.written": None})
            journal.limit(self.settings.send.limit)
            journal.remember(self.outputs.facts())
            before = {"traffic": journal.fact("traffic"), "seconds": journal.fact("seconds")}
            meter = Meter(before, gateway, self.around, self.began)
            with open_results(self.outputs.results, journal) as results:
                ledger = Ledger(journal, results, facts=meter.facts)
                stopped: LoaderError | None = None
                try:
                    if refused is not None:
                        raise refused
                    await self._work(gateway, journal, ledger, meter, resumed=resumed)
                except (Fatal, Stopped) as error:
                    stopped = error
                finally:
                    ledger.finish()
            return self._finish(journal, ledger.counts, stopped)

    async def _work(self, gateway: Gateway, journal: Journal, ledger: Ledger, meter: Meter, *, resumed: bool) -> None:
        if not journal.has_work():
            return
        await self._unless_stopped(self._check_portal(gateway, journal))
        self.tell(Started(ledger.counts.total, ledger.counts.pending, resumed))
        action = Put(gateway, version=self.settings.connection.api_version, now=self.around.now)
        pool = Pool(
            ledger,
            action,
            gateway,
            workers=workers(self.settings),
            watch=FailureGuard(self.settings.send.max_failures).watch,
        )
        self.stop.listen(partial(_drain, pool), pool.abandon)
        with _timer(self.settings.send.max_duration, self.began, self.around.clock, pool):
            ticker = asyncio.create_task(self._tick(ledger, meter), name="progress")
            try:
                await pool.run()
            finally:
                ticker.cancel()
                with suppress(asyncio.CancelledError):
                    await ticker

    async def _tick(self, ledger: Ledger, meter: Meter) -> None:
        while True:
            self.tell(meter.progress(ledger.counts))
            await asyncio.sleep(TELL_SECONDS)

    async def _check_portal(self, gateway: Gateway, journal: Journal) -> None:
        """Make sure that the token belongs to the portal that was named, or that the run began with."""
        named, bound = self.settings.connection.portal_id, journal.fact("portal_id")
        portal = GatewayPortal(gateway, version=self.settings.connection.api_version)
        account = await portal.account(insist=bool(named or bound))
        if named and account.portal_id != named:
            raise WrongPortal(
                f"the token belongs to portal {account.portal_id or 'unknown'}, not to {named} as --portal-id says: "
                "use that portal's token",
                category="WRONG_PORTAL",
            )
        if bound and account.portal_id != bound:
            raise JournalMismatch(
                f"{self.outputs.journal} holds the unfinished run of portal {bound}, and the token belongs to portal "
                f"{account.portal_id or 'unknown'}: go on with that portal's token, or begin anew with --fresh"
            )
        journal.remember({"portal_id": account.portal_id, "time_zone": account.time_zone})

    async def _unless_stopped(self, work: Coroutine[Any, Any, T]) -> T:
        """Await work that only asks; being asked to stop ends it at once."""
        self.stop.check()
        task = asyncio.create_task(work)
        self.stop.listen(lambda _: (task.cancel(), None)[1], lambda: None)
        try:
            return await task
        except asyncio.CancelledError:
            self.stop.check()
            raise

    # --- the end

    def _finish(self, journal: Journal, counts: Counts, stopped: LoaderError | None) -> Report:
        exit_code = stopped.exit_code if stopped else int(counts.failed + counts.rejected > 0)
        journal.remember({"finished_at": timestamp(self.around.now()), "exit_code": exit_code})
        return self._report(journal, counts, exit_code, stopped)

    def _tell_again(self) -> Report:
        """Nothing is left to send: make sure that the files are there, and say the same again."""
        with Journal(self.outputs.journal) as journal:
            journal.limit(None)
            with open_results(self.outputs.results, journal) as results:
                journal.remember(results.catch_up())
                results.finish()
            counts = journal.counts()
            return self._report(journal, counts, int(counts.failed + counts.rejected > 0), None)

    def _report(self, journal: Journal, counts: Counts, exit_code: int, stopped: LoaderError | None) -> Report:
        failures = write_failures(self.outputs.failures, journal)
        summary = summarize(
            journal,
            command=self.settings.command,
            version=version("association-loader"),
            counts=counts,
            traffic=journal.fact("traffic") or NO_TRAFFIC,
            rate=Rate(*(journal.fact("rate") or (100, 10.0))),
            exit_code=exit_code,
            next_command=next_command(self.settings.command, self.outputs, counts, exit_code),
        )
        write_summary(self.outputs.summary, summary)
        self.tell(
            Finished(
                summary,
                str(self.outputs.results),
                str(self.outputs.failures) if failures else None,
                str(stopped) if stopped else "",
            )
        )
        return Report(exit_code, summary, self.outputs, stopped)


NO_TRAFFIC: dict[str, Any] = {"sent": 0, "retried": 0, "rate_limited": 0, "by_status": {}, "sending_seconds": 0.0}


def _drain(pool: Pool, reason: LoaderError) -> None:
    pool.stop(reason)
    asyncio.get_running_loop().call_later(GRACE_SECONDS, pool.abandon)


@contextmanager
def _timer(seconds: float | None, began: float, clock: Callable[[], float], pool: Pool) -> Iterator[None]:
    """Stop the pool when the command's time is over."""
    if seconds is None:
        yield
        return
    reason = OutOfTime(f"--max-duration is over after {seconds:g} seconds: run the same command again to go on")
    timer = asyncio.get_running_loop().call_later(max(0.0, began + seconds - clock()), _drain, pool, reason)
    try:
        yield
    finally:
        timer.cancel()
