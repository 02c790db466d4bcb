"""What lies where a run is about to write: an earlier run's files make way, and nobody else's are touched."""

from contextlib import suppress
from datetime import datetime
from pathlib import Path

from loader.errors import JournalError, RecordError, UsageError
from loader.events import Note, Tell
from loader.record.failures import is_failures_file, is_mended
from loader.record.files import writing
from loader.record.journal import Journal
from loader.record.keep import remove_old
from loader.record.outputs import Outputs, set_aside
from loader.settings import Settings
from loader.verbs.identity import Earlier
from loader.verbs.next_command import load_mended


def refuse_strangers(settings: Settings, outputs: Outputs, earlier: Earlier | None) -> None:
    """Make sure that the failures file's name is not that of another file; raises UsageError.

    A failures file of another run is none: it makes way under a dated name, as an earlier one of this run does.
    """
    path, ours = outputs.failures, outputs.facts()["output.failures"]
    if settings.fresh or (earlier is not None and earlier.failures == ours):
        return
    if path.exists() and path.stat().st_size and not is_failures_file(path):
        raise UsageError(
            f"{path} exists, and no load wrote it: move it away, give another --failures, or set it aside with --fresh"
        )


def clear_the_way(settings: Settings, outputs: Outputs, earlier: Earlier | None, now: datetime, tell: Tell) -> None:
    """Give an earlier run's files a dated name, and remove those that are kept long enough."""
    mended = _failures_are_mended(outputs)
    files = (outputs.results, outputs.failures, outputs.summary, outputs.journal)
    if earlier is not None and not earlier.planned and not mended:
        # Nothing was sent and nothing settled: the files of that attempt say nothing that is worth keeping.
        with writing(outputs.journal):
            for file in files:
                file.unlink(missing_ok=True)
    elif any(file.exists() for file in files):
        moved = set_aside(outputs, earlier.started_at if earlier else None)
        if mended:
            tell_kept(settings, outputs, moved[outputs.failures], tell)
    if days := settings.keep:
        removed = remove_old(outputs, days, now)
        if removed:
            tell(Note(f"Removed what runs left that ended over {days} days ago: {', '.join(removed)}."))


def _failures_are_mended(outputs: Outputs) -> bool:
    """Return True when a failures file is there that the run in the journal, if it can be read, did not write."""
    if outputs.journal.exists():
        # Also takes over what a killed process left beside the journal, which may be about to be renamed.
        with suppress(JournalError, RecordError), Journal(outputs.journal) as journal:
            return is_mended(outputs.failures, journal)
    return outputs.failures.exists()


def tell_kept(settings: Settings, outputs: Outputs, kept: Path, tell: Tell) -> None:
    """Say where a failures file is now that somebody had changed, and how it is loaded."""
    following = load_mended(settings, outputs, kept)
    how = f"; to load what was mended in it: {following}" if following else ""
    tell(Note(f"{outputs.failures} is not what the load wrote there, so it is kept, under the name {kept}{how}"))
