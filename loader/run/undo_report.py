"""How an undo ended, for whoever called it from Python or from the command line."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loader.errors import LoaderError
from loader.events import UndoPlanned
from loader.journal.taking_back import STATUSES
from loader.run.table_file import read_table, written
from loader.send.gateway import Traffic
from loader.settings import Settings
from loader.shell import command_line

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class UndoReport:
    """How an undo ended: the command's exit code (0: nothing of the run is left), its summary, and its file.

    `stopped` is the error that ended it early, or None.
    """

    exit_code: int
    summary: dict[str, Any]
    path: Path
    stopped: LoaderError | None = None
    _written: int | None = None

    @property
    def results(self) -> "pd.DataFrame":
        """The lines of the file, in any order; every cell is text.

        `status` is `removed`, `unchanged` (it was not there any more), `left` (somebody has changed it since) or
        `failed`. Read from the file when asked for: UsageError once that is gone, or written anew by another undo.
        """
        return read_table(self.path, self._written)

    @property
    def failures(self) -> "pd.DataFrame":
        """The lines that are `left` or `failed`."""
        results = self.results
        return results[results["status"].isin(["left", "failed"])]


def undo_report(summary: dict[str, Any], path: Path, stopped: LoaderError | None) -> UndoReport:
    """Return the report on a file that has just been written."""
    return UndoReport(summary["exit_code"], summary, path, stopped, written(path))


def summarize_undo(  # noqa: PLR0917 - called in one place, by the verb
    settings: Settings,
    fact: Mapping[str, Any],
    plan: UndoPlanned,
    traffic: Traffic,
    seconds: float,
    stopped: LoaderError | None,
) -> dict[str, Any]:
    """Return the undo in figures; `pairs` are associations, over all commands that worked on it.

    `given_back` counts records that have the primary record back that they had before the run, `primaries` those that
    could not get it back.
    """
    counts = {status: fact[status] for status in STATUSES}
    failed = counts["failed"] + fact["not_given_back"]
    left = counts["left"] + failed
    return {
        "command": command_line(settings.command),
        "version": version("association-loader"),
        "portal_id": plan.portal_id,
        "results": plan.results,
        "started_at": fact["started_at"],
        "finished_at": fact["finished_at"],
        "seconds": round(seconds, 3),
        "exit_code": stopped.exit_code if stopped else int(left > 0),
        "pairs": {"total": sum(counts.values()) + fact["pending"], **counts, "pending": fact["pending"]},
        "given_back": fact["given_back"],
        "primaries": fact["primaries"],
        "requests": {"sent": traffic.sent, "retried": traffic.retried, "rate_limited": traffic.rate_limited},
        "next_command": command_line(settings.command) or None if stopped or failed else None,
    }
