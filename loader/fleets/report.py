"""The report of a fleet: in figures, and for a caller from Python."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loader.errors import LoaderError
from loader.events import ROWS
from loader.fleets.run import Turn
from loader.fleets.work import worst
from loader.record.summary import FleetSummary, PortalSummary
from loader.shell import command_line
from loader.show.fleet_table import errors_of
from loader.text import counted
from loader.version import version

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class FleetReport:
    """The report of a fleet: its exit code, which is the worst of its portals, and the summary as in its file.

    `results` is the folder of all results, a path or an address. `stopped` is what interrupted it, or None.
    """

    exit_code: int
    summary: dict[str, Any]
    results: str
    stopped: LoaderError | None = None

    def __repr__(self) -> str:
        portals = counted(len(self.summary["portals"]), "account")
        return f"<{type(self).__name__}: {portals}; exit code {self.exit_code}; {self.results}>"

    @property
    def portals(self) -> "pd.DataFrame":
        """One line for each portal, in the order of FLEET.toml: its account, its rows by status, what stopped it.

        `exit_code` is blank (NA) for a portal that was not begun.
        """
        import pandas as pd  # noqa: PLC0415 - half a second, for a DataFrame only

        lines = [
            {
                "profile": portal["profile"],
                "portal_id": portal["portal_id"],
                "rows": (rows := rows_of([portal]))["total"],
                **{status: count for status, count in rows.items() if status != "total"},
                "not_provable": portal["not_provable"],
                "exit_code": portal["exit_code"],
                "error": "; ".join(errors_of(portal)),
            }
            for portal in self.summary["portals"]
        ]
        return pd.DataFrame(lines).astype({"exit_code": "Int64"})


def summary_of(
    turns: Sequence[Turn], command: Sequence[str], *, started_at: str, finished_at: str, stopped: LoaderError | None
) -> FleetSummary:
    """Return the summary of a fleet; that of each job is as in the job's own summary file."""
    portals = [_portal(turn) for turn in turns]
    codes = [portal["exit_code"] for portal in portals if portal["exit_code"] is not None]
    exit_code = worst([*codes, *([stopped.exit_code] if stopped else [])])
    reasons: Counter[str] = Counter()
    for portal in portals:
        for job in portal["jobs"]:
            reasons.update(job["failures_by_reason"])
    return {
        "command": command_line(command),
        "version": version(),
        "started_at": started_at,
        "finished_at": finished_at,
        "exit_code": exit_code,
        "rows": rows_of(portals),
        "failures_by_reason": dict(reasons.most_common()),
        "portals": portals,
        "next_command": None if exit_code in (0, 1) else command_line(command),
    }


def _portal(turn: Turn) -> Any:
    """Return what the summary says of a portal (`PortalSummary`)."""
    profile, end = turn.portal.profile, turn.end
    jobs = end.jobs if end else ()
    summaries = {job.job: found for job, found in zip(jobs, end.summaries, strict=True) if found} if end else {}
    errors = {job.job: job.error or job.warning for job in jobs if job.error or job.warning}
    if end and end.error:
        errors[""] = end.error
    return {
        "profile": profile,
        "portal_id": turn.portal.portal_id,
        "exit_code": end.exit_code if end else None,
        "jobs": [*summaries.values()],
        "results": {job: f"{profile}/{job}.results.csv" for job in summaries},
        "errors": errors,
        "skipped": sum(job.skipped for job in jobs),
        "taken_over": sum(job.taken_over for job in jobs),
        "not_provable": sum(job.not_provable for job in jobs),
    }


def rows_of(portals: Sequence[PortalSummary]) -> dict[str, int]:
    """Return the rows of all jobs by status."""
    jobs = [job for portal in portals for job in portal["jobs"]]
    return {status: sum(job["rows"][status] for job in jobs) for status in ROWS[0]}
