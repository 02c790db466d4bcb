"""How a verification ended, for whoever called it from Python or from the command line."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loader.errors import LoaderError
from loader.journal import Journal
from loader.journal.comparison import MARKS, marks
from loader.record.outputs import Outputs
from loader.run.next_command import load_what_is_missing
from loader.run.table_file import read_table, written
from loader.settings import Settings
from loader.shell import command_line
from loader.version import version

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Verification:
    """How a verification ended: the command's exit code (0: everything is there), its summary, and its file.

    `stopped` is the error that ended it early, or None.
    """

    exit_code: int
    summary: dict[str, Any]
    path: Path
    stopped: LoaderError | None = None
    _written: int | None = None

    @property
    def results(self) -> "pd.DataFrame":
        """The lines of the file, in any order; every cell is text. `status` is `=`, `*`, `+` or `!`.

        Read from the file when asked for: UsageError once that is gone, or written anew by another verification.
        """
        return read_table(self.path, self._written)

    @property
    def failures(self) -> "pd.DataFrame":
        """The lines that are not `=`."""
        results = self.results
        return results[results["status"] != "="]


def verification(summary: dict[str, Any], path: Path, stopped: LoaderError | None) -> Verification:
    """Return the report on a file that has just been written."""
    return Verification(summary["exit_code"], summary, path, stopped, written(path))


def summarize_verification(
    journal: Journal, settings: Settings, outputs: Outputs, stopped: LoaderError | None
) -> dict[str, Any]:
    """Return the verification in figures; `rows` counts lines by what their mark means."""
    counted, total = marks(journal), journal.counts().total
    rows = {word: counted[mark] for mark, word in MARKS.items()}
    different = sum(counted.values()) - counted["="]
    traffic: Mapping[str, Any] = journal.fact("traffic") or {"sent": 0, "retried": 0, "rate_limited": 0}
    return {
        "command": command_line(settings.command),
        "version": version(),
        "portal_id": journal.fact("portal_id"),
        "inputs": journal.inputs(),
        "started_at": journal.fact("started_at"),
        "finished_at": journal.fact("finished_at"),
        "seconds": round(journal.fact("seconds") or 0.0, 3),
        "exit_code": stopped.exit_code if stopped else int(different > 0),
        "rows": {"total": total, **rows, "pending": total - sum(counted.values())},
        "sample": journal.fact("sample"),
        "requests": {key: traffic[key] for key in ("sent", "retried", "rate_limited")},
        "next_command": load_what_is_missing(settings, outputs, counted["+"] + counted["*"], stopped),
    }
