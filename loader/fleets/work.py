"""One portal's jobs, in order, on the worker that holds its lease.

The files of a job are copied to a private folder of this machine for the load, and copied back at its end. Meanwhile
its journal is copied to the shared folder in pieces, the first one before anything is sent: a worker that takes over
continues from there.
"""

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from loader import bug, event_loop
from loader.configure import settings_from
from loader.errors import (
    DailyQuotaSpent,
    Interrupted,
    JournalError,
    LeaseLost,
    LoaderError,
    RecordError,
    UsageError,
)
from loader.events import Event, Note, Progress, Started
from loader.fetch import is_address
from loader.files import locked_folder, remove_locked
from loader.fleets.description import check_job
from loader.fleets.job_files import JobFiles
from loader.fleets.lease import JobState, Lease, Timing
from loader.fleets.shared import SharedFolder
from loader.garbage import rarely_collecting
from loader.listeners import agreement
from loader.options.command import Command, command
from loader.run import load
from loader.run.call import Call, Done
from loader.run.connection import surroundings
from loader.run.on_end import then_on_end
from loader.run.report import Report
from loader.run.report_page import report
from loader.send.quota import next_reset
from loader.stopping import Stop
from loader.text import timestamp

T = TypeVar("T")

WORST_FIRST = (70, 143, 130, 3, 4, 2, 5, 6, 1, 0)
"""Exit codes, worst first: that of several jobs, or portals, is the first of these that occurs."""

ENDS_PORTAL = frozenset({70, 143, 130, 3, 5})
"""Exit codes of a job after which the portal's next jobs are left to the next command: they would fail, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a worker is to do, without a secret: the portal's profile and id, its job files, and where results go.

    `folder` is the base of relative paths: of `jobs`, `results` and the jobs' inputs. `typed` are the words of the
    command, for people. `command_id` is unique for each command, so that a command stops only its own work.
    """

    profile: str
    portal_id: str
    jobs: tuple[str, ...]
    results: str
    folder: str
    typed: tuple[str, ...]
    command_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalEnd:
    """The result of an order. `summaries` are those of its `jobs`, None for a job without one.

    `error` says why the jobs were not begun; blank if they were.
    """

    exit_code: int
    jobs: tuple[JobState, ...]
    summaries: tuple[Mapping[str, Any] | None, ...]
    error: str = ""


def worst(codes: Sequence[int]) -> int:
    """Return the exit code of several."""
    return min(codes, key=WORST_FIRST.index, default=0)


def portal_folder(order: Order) -> SharedFolder:
    """Return the shared folder of a portal."""
    place = order.results if is_address(order.results) else str(Path(order.folder, order.results))
    return SharedFolder(place).below(order.profile)


def stop_work(order: Order) -> None:
    """Ask the worker of an order, wherever it is, to end as after Ctrl-C. Raises RecordError."""
    portal_folder(order).write(_stop_file(order), b"")


def forget_stop(order: Order) -> None:
    """Remove the file that `stop_work` made. Raises RecordError."""
    portal_folder(order).remove(_stop_file(order))


def _stop_file(order: Order) -> str:
    return f"{order.command_id}.stop"


def work(
    order: Order, *, timing: Timing | None = None, asked: Callable[[], LoaderError | None] = lambda: None
) -> PortalEnd:
    """Do a portal's jobs and return the result; raises nothing, so that no secret leaves with an error.

    `asked` is called at each heartbeat: why the work is to end, None for going on.
    """
    portal = _Portal(order, timing or Timing(), asked)
    try:
        with rarely_collecting():
            portal.run()
    except LoaderError as error:
        return portal.end(error.exit_code, str(error))
    except Exception as error:
        path = bug.report(error, bug.secrets_around(os.environ.items(), None, ()), None)
        sentence = f"this is a bug in the loader, not in your files ({type(error).__name__}): please report {path}"
        return portal.end(bug.EXIT_CODE, sentence)
    return portal.end(0, "")


class _Portal:
    """An order in progress. Each heartbeat checks whether it must stop, and then asks the running load to stop."""

    def __init__(self, order: Order, timing: Timing, asked: Callable[[], LoaderError | None]) -> None:
        self.order = order
        self.timing = timing
        self._asked = asked
        self.states = [JobState(job=Path(job).stem) for job in order.jobs]
        self.summaries: list[Mapping[str, Any] | None] = [None for _ in order.jobs]
        self._reason: LoaderError | None = None
        self._load: tuple[asyncio.AbstractEventLoop, Stop] | None = None
        self._lock = threading.Lock()

    def run(self) -> None:
        """Do all jobs; raises LoaderError if that is not possible."""
        shared = portal_folder(self.order)
        while True:
            try:
                with Lease(shared, lambda: {"jobs": tuple(self.states)}, self._look, timing=self.timing) as lease:
                    self._do_jobs(shared, lease)
            except LeaseLost:
                # Another worker goes on, and then this one looks whether something is left; or there is none, as when
                # this machine was suspended.
                self.states = [JobState(job=state.job) for state in self.states]
                self.summaries = [None for _ in self.summaries]
                continue
            return

    def _do_jobs(self, shared: SharedFolder, lease: Lease) -> None:
        for place in range(len(self.states)):
            if self._reason is not None:
                raise self._reason
            _Job(self, place, shared, lease).run()
            if self.states[place].exit_code in ENDS_PORTAL:
                return

    def end(self, exit_code: int, error: str) -> PortalEnd:
        """Return the result of the order."""
        codes = [state.exit_code for state in self.states if state.exit_code is not None]
        return PortalEnd(
            exit_code=worst([exit_code, *codes]),
            jobs=tuple(self.states),
            summaries=tuple(self.summaries),
            error=error,
        )

    def _look(self, names: Sequence[str]) -> LoaderError | None:
        reason = self._asked() or (Interrupted(signal.SIGINT) if _stop_file(self.order) in names else None)
        with self._lock:
            if reason is not None and self._reason is None:
                self._reason = reason
                if self._load is not None:
                    loop, stop = self._load
                    loop.call_soon_threadsafe(stop.request, reason)
            return self._reason

    async def heeding(self, stop: Stop, work: Coroutine[Any, Any, T]) -> T:
        """Await a load; it is asked to stop when the portal's work must stop."""
        with self._lock:
            self._load = asyncio.get_running_loop(), stop
            if self._reason is not None:
                stop.request(self._reason)
        try:
            return await work
        finally:
            with self._lock:
                self._load = None


class _Job:
    """A job of a portal, which may have begun on another worker."""

    def __init__(self, portal: _Portal, place: int, shared: SharedFolder, lease: Lease) -> None:
        self._portal = portal
        self._order = portal.order
        self._place = place
        self._path = Path(self._order.folder, self._order.jobs[place])
        self._shared = shared
        self._lease = lease
        self._here: Path
        self._files: JobFiles
        self._proven: int | None = None
        """How many rows were unchanged, and associations gone, when a worker was lost first; None if none was."""

    def run(self) -> None:
        """Copy the job's files to this machine, load, and copy them back. Raises LeaseLost, and unexpected errors."""
        self._here, lock = locked_folder("association-loader-job-")
        try:
            self._files = JobFiles(self._path.stem, self._here, self._shared, self._lease, self._portal.timing)
            self._is_now(phase="bringing")
            try:
                taken_over = self._files.bring()
            except (JournalError, RecordError) as error:
                self._is_now(error=str(error), exit_code=error.exit_code, phase="ended")
                return  # The files here are incomplete, so they must not replace those in the shared folder.
            if taken_over:
                self._proven = taken_over[0]
                self._is_now(taken_over=len(taken_over))
            try:
                self._load()
            except LeaseLost:
                raise
            except LoaderError as error:
                self._is_now(error=str(error), exit_code=error.exit_code, resets_at=_reset_of(error))
            self._lease.fence.check()
            self._is_now(phase="copying")
            self._files.bring_back()
            self._is_now(phase="ended")
        finally:
            remove_locked(self._here, lock)

    def _is_now(self, **changes: Any) -> None:
        self._portal.states[self._place] = replace(self._portal.states[self._place], **changes)

    def _load(self) -> None:
        stop = Stop()
        given = self._command()
        with _naming_worker():
            settings = settings_from(given, os.environ)
        # These files are beside the results, whatever the job or this machine says.
        settings = replace(settings, failures=None, journal=None, report=None)
        call = Call(
            command=given,
            settings=settings,
            notify=self._notify,
            stop=stop,
            agree=agreement(stop, yes=True),
            around=surroundings()._replace(permit=self._lease.fence.check),
        )
        self._is_now(phase="running")
        with self._files.copied():
            done = event_loop.run(self._portal.heeding(stop, then_on_end(call, self._held(load.run(call)))))
        self._ended(done)

    async def _held(self, work: Coroutine[Any, Any, T]) -> T:
        """Await a load; raises LeaseLost if another worker has taken over: that one also does the load's end."""
        done = await work
        self._lease.fence.check()
        return done

    def _command(self) -> Command:
        results = f"{self._path.stem}.results.csv"
        given = {"config": str(self._path), "profile": self._order.profile, "results": str(self._here / results)}
        typed = self._order.typed
        if not is_address(self._order.results):
            place = Path(self._order.results, self._order.profile, results)
            typed = (typed[0], "load", "--config", self._order.jobs[self._place])
            typed = (*typed, "--profile", self._order.profile, "--results", str(place))
        with _naming_worker():
            ready = command("load", given, os.environ, lambda option: option.word, typed=typed)
        check_job(ready, str(self._path))  # The file or the environment may be different here.
        if (found := ready.values["portal_id"]) != self._order.portal_id:
            raise UsageError(
                f"profile {self._order.profile} is HubSpot account {found} on this worker, and {self._order.portal_id} "
                "where the command was typed: give all machines the same profiles"
            )
        if Path(self._order.folder).resolve() == Path.cwd():
            return ready
        values = {**ready.values, **self._located(ready.values)}
        return replace(ready, values=values, job=tuple({**each, **self._located(each)} for each in ready.job))

    def _located(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values that are paths of inputs, relative to the folder of the order."""
        found: dict[str, Any] = {}
        if values.get("inputs"):
            paths = values["inputs"]
            found["inputs"] = tuple(p if is_address(p) else str(Path(self._order.folder, p)) for p in paths)
        if values.get("sql_file"):
            found["sql_file"] = str(Path(self._order.folder, values["sql_file"]))
        return found

    def _notify(self, event: Event) -> None:
        if isinstance(event, Started):
            self._files.store_set_aside()
            self._is_now(rows=event.total)
            # Before anything is sent, so that a worker that takes over knows what this one may have done.
            self._files.store()
        elif isinstance(event, Progress):
            self._is_now(
                rows=event.total,
                done=event.total - event.failed - event.rejected - event.pending,
                failed=event.failed + event.rejected,
                rate=round(event.achieved, 2),
                seconds_left=event.seconds_left,
                not_provable=0 if self._proven is None else max(0, event.unchanged - self._proven),
            )
        elif isinstance(event, Note) and event.serious:
            self._is_now(warning=event.message)

    def _ended(self, done: Done[Report]) -> None:
        summary = done.result.summary
        self._portal.summaries[self._place] = summary or None
        skipped = self._files.had_nothing_left and done.exit_code in (0, 1)
        self._is_now(exit_code=done.exit_code, error=str(done.stopped or ""), seconds_left=None, skipped=skipped)
        self._is_now(resets_at=_reset_of(done.stopped))
        page = done.result.outputs.beside("report.html")
        if summary and not (skipped and page.exists()):
            report(str(done.result.outputs.results))
        if summary:
            rows = summary["rows"]
            self._is_now(
                rows=rows["total"],
                done=rows["total"] - rows["failed"] - rows["rejected"] - rows["pending"],
                failed=rows["failed"] + rows["rejected"],
                not_provable=summary.get("not_provable", 0),
            )


@contextmanager
def _naming_worker() -> Iterator[None]:
    """Add this machine's name to an error: on the machine of the command the same profile was valid."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"on the worker {socket.gethostname()}: {error}") from error


def _reset_of(error: LoaderError | None) -> str | None:
    """Return when the day's quota resets, None if no job ended because of it.

    If the time zone of the HubSpot account is not known, the next attempt is after midnight UTC.
    """
    if not isinstance(error, DailyQuotaSpent):
        return None
    reset = error.resets_at or next_reset("UTC", datetime.now(UTC))
    return timestamp(reset.astimezone(UTC)) if reset else None
