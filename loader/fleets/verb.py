"""`fleet run` and `fleet status`: the portals of FLEET.toml, each with the jobs that it names."""

import asyncio
import os
import signal
from collections.abc import Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any
from uuid import uuid4

from msgspec.structs import replace

from loader.errors import Interrupted, RecordError, SchedulerLost
from loader.events import FleetFinished, Note, Notify, Portal, Waiting
from loader.fetch import without_secrets
from loader.fleets import engine
from loader.fleets.description import Fleet, FleetPortal, read_fleet
from loader.fleets.duration import expected_seconds
from loader.fleets.lease import read_work
from loader.fleets.report import FleetReport, summary_of
from loader.fleets.run import FleetRun, Turn
from loader.fleets.shared import SharedFolder
from loader.fleets.state import state_of
from loader.fleets.work import Order, worst
from loader.record.summary import FleetSummary, summary_text
from loader.run.call import Call, Done, reported
from loader.run.connection import surroundings
from loader.show.report import fleet_page
from loader.text import counted, timestamp

READERS = 16
"""Heartbeats that are read at once: in a bucket, each takes some tenths of a second."""

SUMMARY, PAGE = "fleet.summary.json", "fleet.report.html"


async def run(call: Call) -> Done[Any]:
    """Run or show the fleet: the first word is `run` or `status`, the second one names the file."""
    what, path = call.command.arguments
    fleet = await asyncio.to_thread(read_fleet, path, os.environ)
    call.notify(Waiting(f"Looking at the results of {counted(len(fleet.portals), 'account')}", trouble=False))
    with ThreadPoolExecutor(READERS, thread_name_prefix="heartbeats") as readers:
        looking = readers.map(partial(_turn, fleet), fleet.portals)
        turns = {turn.portal.profile: turn for turn in await asyncio.to_thread(list, looking)}
        for turn in turns.values():
            _note_removed_jobs(turn, path, call.notify)
        return _status(turns, call) if what == "status" else await _run(fleet, turns, readers, call)


def _turn(fleet: Fleet, portal: FleetPortal) -> Turn:
    folder = SharedFolder(fleet.results).below(portal.profile)
    return Turn(portal=portal, folder=folder, before=read_work(folder))


def _note_removed_jobs(turn: Turn, path: str, notify: Notify) -> None:
    """Report jobs that FLEET.toml no longer names although their runs are not finished."""
    named = {job.name for job in turn.portal.jobs}
    for job in turn.before.jobs if turn.before else ():
        is_finished = job.phase == "ended" and job.exit_code in (0, 1) and job.done + job.failed >= job.rows
        if job.job not in named and not is_finished:
            why = f"{path} does not name it any more, so nobody finishes it: name it again, or remove its results"
            notify(Note(f"{turn.portal.profile}: the run of the job {job.job} is not finished, and {why}"))


def _status(turns: Mapping[str, Turn], call: Call) -> Done[list[Portal]]:
    """Show the state of each portal from the results folder; nothing is changed there."""
    now = (call.around or surroundings()).now()
    found = [state_of(turn.portal, turn.before, now) for turn in turns.values()]
    for each in found if call.command.values["json"] else ():
        call.notify(each)
    return Done(result=found, shown=found)


async def _run(fleet: Fleet, turns: Mapping[str, Turn], readers: Executor, call: Call) -> Done[FleetReport]:
    """Do every portal's jobs, and write the summary, even if the command is interrupted."""
    values, now = call.command.values, (call.around or surroundings()).now
    began = now()
    orders = _orders(fleet, turns, call.settings.command)
    followed = FleetRun(turns, readers, call.notify, wait_for_quota=values["wait_for_quota"], now=now)

    def work() -> None:
        # Ctrl-C, and the end of a terminal, reach each process there: those that this thread starts are not to hear of
        # it, because they finish what is under way.
        resource_tracker.ensure_running()  # When it starts, it lets this thread hear SIGINT again (Python 3.11).
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
        where = f"Connecting to {values['scheduler']}" if values["scheduler"] else "Starting workers on this machine"
        call.notify(Waiting(where, trouble=False))
        with engine.on_dask(values["portals_at_once"], values["scheduler"]) as submit:
            followed.go(orders, submit, at_once=values["portals_at_once"], stop=call.stop)
            call.notify(Waiting("Ending the workers", trouble=False))

    lost: SchedulerLost | None = None
    # Workers finish what is under way: wait for that even if the caller was cancelled.
    working = asyncio.create_task(asyncio.to_thread(work))
    try:
        await asyncio.shield(working)
    except asyncio.CancelledError:
        call.stop.request(Interrupted(signal.SIGINT))
        await working
        raise
    except SchedulerLost as error:
        lost = error
    stopped = lost or call.stop.reason
    summary = summary_of(
        list(turns.values()),
        call.settings.command,
        started_at=timestamp(began),
        finished_at=timestamp(now()),
        stopped=stopped,
    )
    page = fleet_page(summary, name=Path(fleet.path).name, stopped=str(stopped or ""))
    finished = await asyncio.to_thread(_written, fleet, summary, page, call.notify)
    call.notify(replace(finished, stopped=str(stopped or "")))
    return reported(FleetReport(summary["exit_code"], dict(summary), finished.results, stopped))


def _orders(fleet: Fleet, turns: Mapping[str, Turn], typed: tuple[str, ...]) -> list[Order]:
    """Return an order for each portal, the longest one first."""
    command_id = uuid4().hex
    return [
        Order(
            profile=turn.portal.profile,
            portal_id=turn.portal.portal_id,
            jobs=tuple(job.path for job in turn.portal.jobs),
            results=fleet.results,
            folder=os.getcwd(),  # noqa: PTH109 - a text is wanted
            typed=typed,
            command_id=command_id,
        )
        for turn in sorted(turns.values(), key=lambda turn: -expected_seconds(turn.portal, turn.before))
    ]


def _written(fleet: Fleet, summary: FleetSummary, page: str, notify: Notify) -> FleetFinished:
    """Write the page and the summary beside the portals' folders, and return the report of the fleet."""
    shown = without_secrets(fleet.results)
    report: str | None = f"{shown.rstrip('/')}/{PAGE}"
    try:
        folder = SharedFolder(fleet.results)
        folder.make()
        folder.write(PAGE, page.encode())
        folder.write(SUMMARY, summary_text(summary))
    except RecordError as error:
        notify(Note(f"the summary of the fleet cannot be written: {error}", serious=True))
        summary["exit_code"] = worst([summary["exit_code"], error.exit_code])
        report = None
    return FleetFinished(summary, shown, report)
