"""A fleet as one page of HTML: fleet.html filled with its summary."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from loader.reasons import Reason, explain
from loader.show.fleet_table import COUNT_HEADS, NOT_PROVABLE, counts_of, end_of, errors_of
from loader.show.report.page import COLOURS, bar, filled
from loader.text import counted

WORST_FIRST = ("red", "amber", "grey", "green")
"""The order of the portals, by their colours: problems come first."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A portal in the table: its `counts`, as in the closing table of the screen, and how it ended, in words and as a
    colour; `links` are the reports of its jobs.
    """

    profile: str
    portal_id: str
    counts: Sequence[int]
    colour: str
    end: str
    errors: Sequence[str]
    not_provable: int
    links: Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class FailedRows:
    """The rows of all portals that failed or were rejected for one reason, and the portals, largest number first."""

    code: str
    reason: Reason
    rows: int
    portals: Sequence[tuple[str, int]]


def fleet_page(summary: Mapping[str, Any], *, name: str, stopped: str) -> str:
    """Return the whole page; `name` is that of FLEET.toml, `stopped` what interrupted the fleet, blank otherwise."""
    portals, rows = summary["portals"], summary["rows"]
    lines = sorted(map(_line, portals), key=lambda line: WORST_FIRST.index(line.colour))
    codes = summary["failures_by_reason"]
    unknown = sum(line.not_provable for line in lines)
    return filled(
        "fleet.html",
        name=name,
        stopped=stopped,
        summary=summary,
        rows=rows,
        colours={status: COLOURS[status] for status in rows if status in COLOURS},
        bar=list(bar(rows)),
        heads=list(COUNT_HEADS),
        lines=lines,
        well=sum(line.colour == "green" for line in lines),
        failures=[_failed(code, count, portals) for code, count in codes.items()],
        not_provable=NOT_PROVABLE.format(counted(unknown, "row")) if unknown else "",
        version=summary["version"],
        written_at=summary["finished_at"],
    )


def _line(portal: Mapping[str, Any]) -> Line:
    colours = {None: "grey", 0: "green", 1: "amber", 6: "amber"}
    pages = {job: f"{results.removesuffix('.results.csv')}.report.html" for job, results in portal["results"].items()}
    return Line(
        profile=portal["profile"],
        portal_id=portal["portal_id"],
        counts=counts_of(portal),
        colour=colours.get(portal["exit_code"], "red"),
        end=end_of(portal),
        errors=errors_of(portal),
        not_provable=portal["not_provable"],
        links=[(job, quote(page)) for job, page in pages.items()],
    )


def _failed(code: str, rows: int, portals: Sequence[Mapping[str, Any]]) -> FailedRows:
    by_portal = {
        portal["profile"]: sum(job["failures_by_reason"].get(code, 0) for job in portal["jobs"]) for portal in portals
    }
    found = sorted(((name, count) for name, count in by_portal.items() if count), key=lambda each: -each[1])
    return FailedRows(code=code, reason=explain(code), rows=rows, portals=found)
