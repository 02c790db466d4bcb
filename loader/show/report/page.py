"""The report as one page of HTML.

Everything that comes from a file, an answer or a command goes through `markup.element`, which escapes it; the page's
own policy forbids scripts and connections, whatever might get through.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from loader.events import STATES, Status
from loader.show.report.asked import asked
from loader.show.report.at_work import commands, requests
from loader.show.report.figures import Figures
from loader.show.report.forms import command, moment
from loader.show.report.markup import Markup, element
from loader.show.report.over_time import over_time
from loader.show.report.plots import bar
from loader.show.report.went_wrong import went_wrong
from loader.show.tables import duration

MARK = "<!doctype html>\n<!-- association-loader report -->\n"
"""The first bytes of every report, by which a file is known to be one."""

_PARTS = (
    ("created", "green"),
    ("replaced", "teal"),
    ("unchanged", "blue"),
    ("failed", "red"),
    ("rejected", "amber"),
    ("pending", "grey"),
)


class Frame(NamedTuple):
    """What the page needs besides the run: names of object types for people, who wrote it, and when (UTC)."""

    shown: Callable[[str], str]
    version: str
    written_at: str


def page(found: Figures, status: Status, frame: Frame) -> str:
    """Return the whole page."""
    style = files(__package__).joinpath("style.css").read_text("utf-8")
    fingerprint = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{fingerprint}'; base-uri 'none'; form-action 'none'"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", f"Load report: {_name(status)}"),
        element("style", Markup(style)),
    )
    sections = (
        _top(found, status),
        _next(status),
        went_wrong(found),
        over_time(found),
        requests(found),
        asked(found, frame.shown),
        commands(found, status),
    )
    body = element("body", element("main", *sections), element("footer", _written(status, frame)))
    return MARK + element("html", head, body, lang="en") + "\n"


def _name(status: Status) -> str:
    return Path(status.results).name


def _written(status: Status, frame: Frame) -> str:
    return (
        f"Written by association-loader {frame.version} on {moment(frame.written_at)} from the journal of "
        f"{_name(status)}. This page runs no script and makes no connection."
    )


# --- what happened


def _top(found: Figures, status: Status) -> Markup:
    state = f"{status.state}, set aside" if status.set_aside else status.state
    return element(
        "header",
        element("p", "Associations loaded into HubSpot", class_="quiet"),
        element("h1", _name(status), " ", element("span", state, class_=f"state {status.state}")),
        element("p", _in_a_sentence(found.rows), class_="lead"),
        element("p", status.stopped, class_="stopped") if status.stopped else None,
        element("p", f"Taken back by undo: {_undone(status)}.", class_="stopped") if status.undone else None,
        bar([(name, colour, found.rows[name]) for name, colour in _PARTS]),
        element(
            "dl", *(_tile(name, colour, found.rows[name]) for name, colour in (("total", ""), *_PARTS)), class_="tiles"
        ),
        element("p", " · ".join(_circumstances(found, status)), class_="quiet"),
    )


def _in_a_sentence(rows: dict[str, int]) -> str:
    there = rows["created"] + rows["replaced"] + rows["unchanged"]
    words = [f"{there:,} of {rows['total']:,} rows are associated"]
    said_of = {
        "replaced": "have replaced other labels",
        "unchanged": "were so before",
        "failed": "failed",
        "rejected": "were rejected",
        "pending": "are not sent yet",
    }
    for name, said in said_of.items():
        if rows[name]:
            words.append(f"{rows[name]:,} {said}")
    return f"{', '.join(words)}."


def _undone(status: Status) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in status.undone.items() if count) or "nothing yet"


def _tile(name: str, colour: str, count: int) -> Markup:
    empty = "" if count else " none"
    return element("div", element("dt", name), element("dd", f"{count:,}"), class_=f"{colour}{empty}".strip() or None)


def _circumstances(found: Figures, status: Status) -> Iterator[str]:
    yield f"{status.state}: {STATES[status.state]}"
    if status.portal_id:
        yield f"portal {status.portal_id}"
    if status.started_at:
        yield f"begun on {moment(status.started_at)}"
    if status.last_active_at:
        yield f"last active on {moment(status.last_active_at)}"
    yield f"{duration(found.facts.get('seconds') or 0.0)} at work"
    if status.exit_code is not None:
        yield f"exit code {status.exit_code}"


def _next(status: Status) -> Markup:
    if not status.next_command:
        return Markup("")
    return element("section", element("h2", "What to run next"), command(status.next_command))
