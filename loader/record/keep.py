"""How long earlier runs are kept: those renamed for a later run, and only files that their own journals name."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from loader.errors import JournalError, RecordError
from loader.files import writing
from loader.journal import Journal, is_journal
from loader.record.failures import has_mended_files
from loader.record.outputs import Outputs, is_set_aside


def remove_old(outputs: Outputs, days: int, now: datetime) -> list[str]:
    """Remove the files of set-aside runs of this name that ended longer ago; return the names of their journals.

    A journal goes last, so that one that is left by a crash still names what is left. A damaged one is left alone, and
    so is a run whose failures file the user has changed: its corrections may be still to be loaded.
    """
    removed = []
    for journal in sorted(outputs.results.parent.iterdir()):
        if is_set_aside(journal, outputs.stem) and is_journal(journal) and _may_go(journal, now - timedelta(days=days)):
            parts = [journal.with_name(f"{journal.name}{ending}") for ending in ("-wal", "-shm", "")]
            for path in (*_named(journal), *parts):
                with writing(path):
                    path.unlink(missing_ok=True)
            removed.append(journal.name)
    return removed


def _may_go(journal: Path, moment: datetime) -> bool:
    try:
        with Journal(journal, read_only=True) as found:
            ended = found.facts.finished_at or found.facts.started_at
            return ended is not None and datetime.fromisoformat(ended) < moment and not has_mended_files(found)
    except (JournalError, RecordError, ValueError, TypeError):
        return False


def _named(journal: Path) -> Iterator[Path]:
    """Yield the files that a set-aside journal names, and that have its date in their names."""
    prefix = journal.name.removesuffix("journal")
    with Journal(journal, read_only=True) as found:
        names = [*found.facts.outputs.values(), *found.facts.kept_failures]
    for name in names:
        if name.startswith(prefix) and Path(name).name == name:
            yield journal.with_name(name)
