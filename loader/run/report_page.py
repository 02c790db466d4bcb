"""Report: a run as one page of HTML, from its journal, even while the load runs."""

from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from loader.errors import UsageError
from loader.events import Note
from loader.journal import Journal, holder, is_journal
from loader.planning.object_types import shown
from loader.record.outputs import beside_results, journal_of
from loader.run.call import Call, Done
from loader.run.status import status_of
from loader.show.report import check_report, page, write_report
from loader.text import timestamp


def run(call: Call) -> Done[Path]:
    """Write the report of the results file that the command names."""
    values = call.command.values
    path = report(*call.command.arguments, output=values["output"], journal=values["journal"])
    call.notify(Note(f"Report: {path}"))
    return Done(result=path)


def report(results: str, *, output: str | None = None, journal: str | None = None, now: datetime | None = None) -> Path:
    """Write the report of the run of a results file and return where it is: `<stem>.report.html`, or `output`.

    Raises UsageError if there is no journal or `output` is a file that is not a report, and JournalError if the journal
    cannot be read.
    """
    moment = now or datetime.now(UTC)
    journal_path = journal_of(Path(results), journal)
    if not is_journal(journal_path):
        raise UsageError(f"{results}: there is no journal {journal_path}, so no load wrote it: give a results file")
    path = Path(output) if output else beside_results(Path(results), "report.html")
    check_report(path)
    with Journal(journal_path, read_only=True) as opened:
        status = status_of(opened, holder(journal_path), moment)
        filled = page(opened, status, shown=shown, version=version("association-loader"), written_at=timestamp(moment))
        write_report(path, filled)
    return path
