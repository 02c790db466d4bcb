"""The report as one page of HTML: run.html is filled with the figures of a run; common parts of all pages.

Everything from a file, an answer or a command is escaped by jinja2; besides, the page's own policy forbids scripts and
connections.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from loader.errors import UsageError
from loader.events import STATES, Status
from loader.files import remove_left_behind, replacing
from loader.journal import Journal
from loader.journal.for_report import failures, sent_kinds
from loader.show.pace import Pace
from loader.show.report.over_time import LINE_HEAD, lines, plots
from loader.show.tables import duration, moment
from loader.text import counted, visible

MARK = "<!doctype html>\n<!-- association-loader report -->\n"
"""The first bytes of every report, by which it is recognised."""

COLOURS = {
    "created": "green",
    "replaced": "teal",
    "removed": "green",
    "unchanged": "blue",
    "failed": "red",
    "rejected": "amber",
    "pending": "grey",
}
EXIT_CODES = {
    0: "every row is there",
    1: "finished; some rows failed or were rejected",
    3: "stopped: the token, a permission or the HubSpot account",
    4: "stopped: too many rows failed, or too much was to be removed",
    5: "stopped for now: a quota, a time limit, or HubSpot out of reach",
    130: "interrupted",
    143: "interrupted",
}


def page(journal: Journal, status: Status, *, shown: Callable[[str], str], version: str, written_at: str) -> str:
    """Return the whole page; a journal of a million rows takes seconds.

    `shown` gives the names of object types for people, `version` is that of the loader, `written_at` is UTC.
    """
    facts = journal.facts
    counts = journal.counts()
    rows = counts.rows()
    pace = Pace(facts.pace_width, facts.pace)
    return filled(
        "run.html",
        facts=facts,
        inputs=journal.inputs(),
        sent_kinds=sent_kinds(journal),
        rows=rows,
        pairs=counts.pairs,
        failures=failures(journal),
        pace=pace,
        status=status,
        name=Path(status.results).name,
        states=STATES,
        exit_codes=EXIT_CODES,
        colours={name: COLOURS[name] for name in rows if name in COLOURS},
        removes=journal.verb == "remove",
        removals=journal.removals() if journal.is_mirror else None,
        bar=list(bar(rows)),
        at_work=duration(facts.seconds),
        plots=plots(pace, facts),
        lines=list(lines(pace)),
        line_head=LINE_HEAD,
        answers=" · ".join(f"{code}: {count:,}" for code, count in facts.requests.by_status.items()),
        shown=shown,
        version=version,
        written_at=written_at,
    )


def filled(template: str, **values: object) -> str:
    """Return a whole page: a template of this folder, filled with values (including those of frame.html)."""
    style = files(__package__).joinpath("style.css").read_text("utf-8")
    fingerprint = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return MARK + _environment().get_template(template).render(style=style, fingerprint=fingerprint, **values)


@cache
def _environment() -> jinja2.Environment:
    """Return the environment of the templates, which are compiled once."""
    environment = jinja2.Environment(
        autoescape=True,
        finalize=_printable,
        keep_trailing_newline=True,
        loader=jinja2.PackageLoader(__package__, "."),
        lstrip_blocks=True,
        trim_blocks=True,
    )
    environment.filters |= {"number": format_number, "counted": counted, "moment": moment, "sentence": sentence}
    return environment


def _printable(value: object) -> object:
    """Return a value for the page with its control characters made visible; nothing for None."""
    if value is None:
        return ""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def format_number(value: float, how: str = ",") -> str:
    """Return a formatted number, by default with commas between thousands."""
    return format(value, how)


_CODE = re.compile(r"(`[^`]+`|--[a-z-]+)", re.ASCII)


def sentence(words: str) -> Markup:
    """Return a sentence with its commands and options as code."""
    pieces = _CODE.split(visible(words))
    return Markup().join(
        Markup("<code>{}</code>").format(piece.strip("`")) if place % 2 else escape(piece)
        for place, piece in enumerate(pieces)
    )


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of the bar on top: its start and width, in thousandths of the whole."""

    name: str
    colour: str
    count: int
    at: float
    width: float


def bar(rows: dict[str, int]) -> Iterator[Part]:
    """Yield the parts of the bar of row counts; even the smallest part is wide enough to be seen."""
    counted = [name for name in rows if name in COLOURS]
    whole = sum(rows[name] for name in counted) or 1
    at = 0.0
    for name in counted:
        width = 1000.0 * rows[name] / whole
        if rows[name]:
            yield Part(name=name, colour=COLOURS[name], count=rows[name], at=at, width=max(width, 2))
        at += width


def check_report(path: Path, option: str = "--output") -> None:
    """Raise UsageError for a path that cannot become a report: a link, a folder, a file that is not a report.

    `option` is the one that names the path.
    """
    if path.is_symlink():
        raise UsageError(f"{path} is a symbolic link, which the loader never writes through: give the file itself")
    if path.is_dir():
        raise UsageError(f"{path} is a folder: give a file in it with {option}")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}: create it, or give another file with {option}")
    if not path.exists():
        return
    try:
        with path.open("rb") as file:
            head = file.read(len(MARK))
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}): give another file with {option}") from error
    if head not in (b"", MARK.encode()):
        raise UsageError(f"{path} exists and is not a report: give another file with {option}")


def write_report(path: Path, page: str) -> None:
    """Write the page: private, and in one step."""
    remove_left_behind([path])
    with replacing(path) as beside:
        beside.write(page.encode())
