"""Files of earlier runs are set aside before a run begins; no other file is touched."""

from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from loader.errors import JournalError, RecordError, UsageError
from loader.events import Note
from loader.files import writing
from loader.journal import Journal, is_journal
from loader.record.failures import has_mended_files, is_failures_file, is_mended
from loader.record.outputs import Outputs, is_set_aside, set_aside
from loader.run.identity import Decision, Earlier
from loader.run.next_command import load_mended
from loader.run.session import Session
from loader.settings import Settings
from loader.text import counted


def check_failures_name(settings: Settings, outputs: Outputs, earlier: Earlier | None) -> None:
    """Check that the failures file's name is not that of another file; raises UsageError.

    A failures file of another run may be there: it is set aside under a dated name, like an earlier one of this run.
    """
    path, ours = outputs.failures, outputs.names()["failures"]
    if settings.fresh or (earlier is not None and earlier.failures == ours):
        return
    if path.exists() and path.stat().st_size and not is_failures_file(path):
        raise UsageError(f"{path} exists, but no load wrote it: move it away, or give another --failures")


def set_earlier_files_aside(session: Session, outputs: Outputs, earlier: Earlier | None, decision: Decision) -> None:
    """Rename an earlier run's files, with a date, and report it if something is left to do with them."""
    mended = _failures_are_mended(outputs)
    files = (outputs.results, outputs.failures, outputs.summary, outputs.journal)
    if earlier is not None and decision is Decision.REPLACE:
        session.notify(Note(_abandoned_rows(outputs, earlier), serious=True))
    elif earlier is not None and not earlier.planned and not mended:
        # Nothing was sent and no row has an outcome: these files are not kept.
        with writing(outputs.journal):
            for file in files:
                file.unlink(missing_ok=True)
    if any(file.exists() for file in files):
        moved = set_aside(outputs, earlier.started_at if earlier else None)
        if mended:
            note_kept_failures(session, outputs, moved[outputs.failures])
        elif mended is None and outputs.failures in moved:
            session.note(f"{outputs.failures} was there before this run and is kept as {moved[outputs.failures]}")
        if earlier is None and outputs.summary in moved:
            session.note(f"{outputs.summary} was there before this run and is kept as {moved[outputs.summary]}")


def _abandoned_rows(outputs: Outputs, earlier: Earlier) -> str:
    """Return a sentence about the rows of an unfinished run that will never be sent."""
    with Journal(outputs.journal, read_only=True) as journal:
        counts = journal.counts()
    began = f" of {earlier.started_at[:16].replace('T', ' ')} UTC" if earlier.started_at else ""
    return (
        f"The run{began} was not finished, and its inputs ({', '.join(earlier.names)}) have changed since: a new run "
        f"takes its place, and {counts.pending:,} of its {counted(counts.total, 'row')} were never sent. Its files "
        "are kept, with its date in their names."
    )


def already_finished(earlier: Earlier, again: float | None) -> str:
    """Return the note of a command that finds a finished run of the same inputs and settings."""
    ended = f" on {earlier.last_work:%Y-%m-%d at %H:%M} UTC" if earlier.last_work else ""
    removed = earlier.identity.get("verb") == "remove"
    nightly = (
        "for a nightly job, --again 20h, which starts over with the same inputs when their last run ended longer ago"
        if again is None
        else "wait until it ended longer ago than --again allows"
    )
    done = "What these inputs name is taken off already" if removed else "These inputs are loaded already"
    return (
        f"{done}: that run ended{ended}. Nothing was checked in HubSpot now, and nothing was sent. To start over, add "
        f"--fresh, or {nightly}."
    )


def _failures_are_mended(outputs: Outputs) -> bool | None:
    """Return True if there is a failures file that the journal's run did not write, None if that is not known.

    It is not known if the journal is of another version and cannot be read.
    """
    if outputs.journal.exists():
        # To open it also recovers the log of a killed process, before the journal is renamed.
        with suppress(JournalError, RecordError), Journal(outputs.journal) as journal:
            return is_mended(outputs.failures, journal)
        return None
    return outputs.failures.exists()


def note_kept_failures(session: Session, outputs: Outputs, kept: Path) -> None:
    """Report where a changed failures file is now, and how to load it."""
    following = load_mended(session.settings, outputs, kept)
    how = f"; to load your corrections in it: {following}" if following else ""
    why = f"{outputs.failures} has been changed since the load wrote it, so it is kept as {kept}{how}"
    session.notify(Note(why, serious=True))


# --- earlier runs that are kept long enough

MOST_DAYS = 36_500
"""A century: no run is older, and Python has no dates before the year 1."""


def remove_old_runs(session: Session, outputs: Outputs) -> None:
    """Remove the files of set-aside runs of this name that are older than `--keep`, and report them.

    The journal is removed last, so that after a crash it still names the other files. A damaged journal is kept, and so
    is a run whose failures file the user has changed: its corrections may still have to be loaded.
    """
    if (days := session.settings.keep) is None:
        return
    removed, until = [], session.around.now() - timedelta(days=min(days, MOST_DAYS))
    for journal in sorted(outputs.journal.parent.iterdir()):
        if is_set_aside(journal, outputs.stem) and is_journal(journal):
            files = _files_that_may_go(journal, outputs.results.parent, until)
            for path in files:
                with writing(path):
                    path.unlink(missing_ok=True)
            removed += [journal.name] * bool(files)
    if removed:
        session.note(f"Deleted the files of runs that ended over {days} days ago: {', '.join(removed)}.")


def _files_that_may_go(journal: Path, folder: Path, moment: datetime) -> list[Path]:
    """Return the files of a run that ended before a moment, its journal last; none if the run is kept.

    Only files in a `folder` that the journal names, and that have its date in their names.
    """
    try:
        with Journal(journal, read_only=True) as found:
            facts = found.facts
            ended = facts.finished_at or facts.started_at
            if ended is None or datetime.fromisoformat(ended) >= moment or has_mended_files(found):
                return []
    except (JournalError, RecordError, ValueError, TypeError):
        return []
    prefix = journal.name.removesuffix("journal")
    named = [(journal.parent / name).absolute() for name in (*facts.outputs.values(), *facts.kept_failures)]
    files = [path for path in named if path.name.startswith(prefix) and path.parent == folder.absolute()]
    if not files:
        return []
    return [*files, *(journal.with_name(f"{journal.name}{ending}") for ending in ("-wal", "-shm", ""))]
