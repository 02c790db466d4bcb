"""The figures of a command, for its report, the summary file, the JSON stream and the closing table.

The types have all keys, and the JSON Schema is made from them (`loader.run.schema`).
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypeAlias, TypedDict

from loader.events import REMOVALS, ROWS, UNDONE, Constraint, keys
from loader.files import replacing
from loader.journal import Counts, Facts
from loader.journal.comparison import MARKS
from loader.shell import command_line
from loader.text import visible_json
from loader.version import version

_AnyInteger: TypeAlias = Annotated[int, Constraint({"minimum": -(2**63)})]
"""Any integer; all other numbers here begin at 0, such as counts."""


class Requests(TypedDict):
    """How many requests were sent, how many were retries, and how many HubSpot refused for its rate limit."""

    sent: int
    retried: int
    rate_limited: int


class AnsweredRequests(Requests):
    """Requests, and how many of them HubSpot answered with which HTTP status."""

    by_status: Annotated[Mapping[str, int], Constraint({"propertyNames": {"pattern": "^[1-5][0-9]{2}$"}})]


class RateFigures(TypedDict):
    """The rate limit as `requests/seconds`, and the requests per second while requests were sent."""

    limit: str
    achieved_per_second: float


class InputFigures(TypedDict):
    """An input: how many records it has, and how many of their cells ask for no association."""

    path: str
    sha256: Annotated[str, Constraint({"pattern": "^[0-9a-f]{64}$"})]
    rows: int
    without: int


class LoadFigures(TypedDict):
    """The figures of a load or a removal, over all commands that worked on it; `removals` are those of a mirror."""

    rows: Annotated[Mapping[str, int], keys(*ROWS)]
    removals: NotRequired[Annotated[Mapping[str, int], keys(REMOVALS)]]
    pairs: int
    requests: AnsweredRequests
    rate: RateFigures
    failures_by_reason: Mapping[str, int]
    not_provable: NotRequired[int]


class VerifyFigures(TypedDict):
    """The figures of a verification; `surplus` is what a mirror would remove.

    `sample` says how many pairs were looked at, of how many, and the seed that draws the same again.
    """

    rows: Annotated[Mapping[str, int], keys(*(("total", *marks.values(), "pending") for marks in MARKS.values()))]
    rejected: int
    surplus: NotRequired[int]
    sample: Annotated[Mapping[str, _AnyInteger], keys(("pairs", "of", "seed"))] | None
    requests: Requests


class UndoFigures(TypedDict):
    """The figures of an undo, over all commands that worked on it, in pairs; `primaries` are records that could not
    get their primary record back, `given_back` those that did.
    """

    pairs: Annotated[Mapping[str, int], keys(*(("total", *states) for states in UNDONE))]
    given_back: int
    primaries: int
    requests: Requests


class ExportedRecords(TypedDict):
    """The records that an export read, by result."""

    total: int
    associated: int
    without: int
    unread: int
    rejected: int


class ExportFigures(TypedDict):
    """The figures of an export, over all commands that worked on it."""

    records: ExportedRecords
    pairs: int
    lines: int
    reading_began: str | None
    reading_ended: str | None
    requests: Requests


class Summary(TypedDict):
    """The part that the summaries of all commands have."""

    command: str
    version: str
    portal_id: str | None
    started_at: str | None
    finished_at: str | None
    seconds: float
    exit_code: int
    next_command: str | None


class LoadSummary(LoadFigures, Summary):
    """The summary of a load or a removal, as in the summary file."""

    inputs: list[InputFigures]


class VerifySummary(VerifyFigures, Summary):
    """The summary of a verification."""

    inputs: list[InputFigures]


class UndoSummary(UndoFigures, Summary):
    """The summary of an undo; `results` is the results file of the run."""

    results: str


class ExportSummary(ExportFigures, Summary):
    """The summary of an export: its file, and that of the records that could not be read."""

    output: str
    unread: str | None


class PortalSummary(TypedDict):
    """The result of a portal of a fleet: the summaries of its jobs, if they have one, and its worst exit code.

    `results` are the results files of these jobs, by the jobs' names, relative to the folder of the summary. `errors`
    say what ended jobs early, or else their latest warning, by their names; a blank name is for the portal itself.
    `skipped` counts jobs that were finished before and whose inputs have not changed since. `taken_over` counts how
    often another worker continued a job; `not_provable` counts rows that were in HubSpot by then, and associations of a
    mirror that were gone: it is not known whether this run did that, so undo does not touch them.
    """

    profile: str
    portal_id: str
    exit_code: int | None
    jobs: list[LoadSummary]
    results: Mapping[str, str]
    errors: Mapping[str, str]
    skipped: int
    taken_over: int
    not_provable: int


class FleetSummary(TypedDict):
    """The summary of a fleet, as in its summary file; rows and reasons are those of all portals."""

    command: str
    version: str
    started_at: str
    finished_at: str
    exit_code: int
    rows: Annotated[Mapping[str, int], keys(ROWS[0])]
    failures_by_reason: Mapping[str, int]
    portals: list[PortalSummary]
    next_command: str | None


def summarize(
    command: Sequence[str],
    about: Mapping[str, object],
    figures: Mapping[str, object],
    *,
    portal_id: str | None,
    started_at: str | None,
    finished_at: str | None,
    seconds: float,
    exit_code: int,
    next_command: str | None,
) -> dict[str, Any]:
    """Return the summary of a command; `about` describes the command, `figures` are those of its verb.

    Times are UTC, ISO 8601; `seconds` is the time at work.
    """
    return {
        "command": command_line(command),
        "version": version(),
        "portal_id": portal_id,
        **about,
        "started_at": started_at,
        "finished_at": finished_at,
        "seconds": round(seconds, 3),
        "exit_code": exit_code,
        **figures,
        "next_command": next_command,
    }


def load_figures(
    counts: Counts, facts: Facts, reasons: Mapping[str, int], removals: Mapping[str, int] | None, found_gone: int = 0
) -> LoadFigures:
    """Return the figures of a load or a removal; `reasons` counts failed rows, `removals` are those of a mirror, which
    found `found_gone` of its associations already gone.
    """
    requests, rate = facts.requests, facts.rate
    sending = requests.sending_seconds
    figures: LoadFigures = {
        "rows": counts.rows(),
        "removals": removals or {},
        "pairs": counts.pairs,
        "requests": {
            "sent": requests.sent,
            "retried": requests.retried,
            "rate_limited": requests.rate_limited,
            "by_status": dict(requests.by_status),
        },
        "rate": {
            "limit": f"{rate.requests}/{rate.seconds:g}",
            "achieved_per_second": round(requests.sent / sending, 2) if sending else 0.0,
        },
        "failures_by_reason": reasons,
    }
    if removals is None:
        del figures["removals"]
    if facts.taken_over:
        figures["not_provable"] = max(0, counts.rows()["unchanged"] + found_gone - facts.taken_over[0])
    return figures


def write_summary(path: Path, summary: Mapping[str, object]) -> None:
    """Write the summary as JSON, whole or not at all."""
    with replacing(path) as beside:
        beside.write(summary_text(summary))


def summary_text(summary: Mapping[str, Any]) -> bytes:
    """Return what a summary file holds."""
    lines = json.dumps(summary, indent=2, ensure_ascii=False).split("\n")
    return ("\n".join(map(visible_json, lines)) + "\n").encode()
