"""Status: the state of a run or an export, or of all in a folder, from their files, without changing them."""

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from loader.errors import JournalError, OtherFormat, RecordError, UsageError
from loader.events import EXPORTED, Status
from loader.journal import Counts, Journal, holder, is_journal
from loader.journal.lock import ENDING as LOCK
from loader.record.export_file import STATE, ExportFiles, ExportState, state_in
from loader.record.outputs import is_set_aside, journal_of
from loader.run.call import Call, Done
from loader.run.next_command import finish_undo
from loader.text import timestamp

_JOURNAL = ".journal"
_STAGING = "-staging"


def run(call: Call) -> Done[list[Status]]:
    """Return the states that the command asks for."""
    found = status(*call.command.arguments, journal=call.command.values["journal"])
    return Done(result=found, shown=found)


def status(results: str | None = None, *, journal: str | None = None, now: datetime | None = None) -> list[Status]:
    """Return the state of a results file's run, or of all runs and exports under a folder, the latest first.

    `results` is a results file, a journal, the file of an export or a folder; None: the working folder. It also works
    while a load runs. `journal` is that of the results file, where it is not beside it.
    Raises UsageError when there is no journal.
    """
    moment = now or datetime.now(UTC)
    place = Path(results or ".")
    if journal is not None or not place.is_dir():
        path = journal_of(place, journal)
        if _is_run(path):
            return [_status(path, moment)]
        state = place if place.name.endswith(STATE) else ExportFiles(output=place).state
        if journal is None and state.exists():
            return [_export(state, state_in(state), moment)]
        raise UsageError(f"{place}: there is no journal {path}, so no load wrote it: give a results file")
    found = []
    for path in sorted(set(_files_under(place))):
        if path.name.endswith(STATE):
            with suppress(UsageError):  # Another program's file.
                found.append(_export(path, state_in(path), moment))
        elif _is_run(path):
            found.append(_status(path, moment))
    if not found:
        raise UsageError(f"{place}: no run was found there: give a results file, or the folder that it is in")
    return sorted(found, key=lambda each: each.last_active_at or "", reverse=True)


def _files_under(folder: Path) -> Iterator[Path]:
    """Yield the states of exports, of journals, and of loads that are still reading their inputs."""
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if name.removesuffix(LOCK).endswith(_JOURNAL):
                yield Path(parent) / name.removesuffix(LOCK)
            elif name.endswith(STATE):
                yield Path(parent) / name


def _export(path: Path, export: ExportState, now: datetime) -> Status:
    """Return the state of an export, from the file beside its output."""
    process = holder(path)
    output = path.with_name(f"{path.name.removesuffix(STATE)}{Path(export.output).suffix}")
    is_aside = export.output not in ("", output.name)
    active = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    state = "finished" if export.finished_at else "stopped" if export.stopped else "unfinished"
    return Status(
        results=str(output),
        state="running" if process else state,
        set_aside=is_aside,
        process=process,
        stopped="" if process else export.stopped,
        exit_code=export.exit_code,
        portal_id=export.portal_id,
        started_at=export.started_at,
        last_active_at=timestamp(active),
        seconds_ago=(now - active).total_seconds(),
        command=export.command,
        next_command=None if process or is_aside or export.finished_at else export.command,
        folder=export.folder,
        exported={name: getattr(export, name) for name in EXPORTED},
    )


def _is_run(journal: Path) -> bool:
    return is_journal(journal) if journal.exists() else holder(journal) is not None


def _status(journal: Path, now: datetime) -> Status:
    process = holder(journal)
    if process is not None and (not journal.exists() or journal.with_name(journal.name + _STAGING).exists()):
        return _without_a_plan(journal, "reading", process)
    try:
        with Journal(journal, read_only=True) as found:
            return status_of(found, process, now)
    except OtherFormat as error:
        return _without_a_plan(journal, "incompatible", process, str(error))
    except (JournalError, RecordError, ValueError) as error:
        why = f"{journal} cannot be read ({error.__cause__ or error})"
        return _without_a_plan(journal, "damaged", process, why)


def status_of(journal: Journal, process: str | None, now: datetime) -> Status:
    """Return the state of an open journal's run; `process` is the process that works on it, if any."""
    counts = journal.counts()
    facts = journal.facts
    last_active_at = journal.last_active_at()
    set_aside = is_set_aside(journal.path)
    return Status(
        results=str(journal.path.parent / facts.outputs.get("results", journal.path.name)),
        state=_state(journal, counts, process),
        set_aside=set_aside,
        process=process,
        stopped=facts.stopped.message if facts.stopped and process is None else "",
        exit_code=facts.exit_code,
        portal_id=facts.portal_id,
        rows=counts.rows(),
        started_at=facts.started_at,
        last_active_at=last_active_at,
        seconds_ago=(now - datetime.fromisoformat(last_active_at)).total_seconds() if last_active_at else None,
        command=facts.command,
        next_command=None if process or set_aside else _next_command(journal),
        folder=facts.folder,
        undone=facts.undo.pairs if facts.undo else {},
        removals=journal.removals() if journal.is_mirror else {},
    )


def _state(journal: Journal, counts: Counts, process: str | None) -> str:
    if process is not None:
        return "running"
    if undo := journal.facts.undo:
        return "undone" if undo.finished_at else "undoing"
    if not (counts.pending or journal.is_to_remove()):
        return "finished"
    if journal.facts.stopped:
        return "stopped"
    return "unfinished" if journal.facts.claimed else "planned"


def _next_command(journal: Journal) -> str | None:
    facts = journal.facts
    if facts.undo is None:
        return facts.next_command
    if facts.undo.finished_at is None:
        return finish_undo(facts.outputs["results"], facts.identity, journal.path)
    return None


def _without_a_plan(journal: Path, state: str, process: str | None, stopped: str = "") -> Status:
    name = journal.name.removesuffix(_JOURNAL)
    return Status(
        results=str(journal.with_name(f"{name}.results.csv")),
        state=state,
        set_aside=is_set_aside(journal),
        process=process,
        stopped=stopped,
    )
