"""The tables of a fleet: one line for each portal, during the work and at the end."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

from loader.events import FleetFinished, Portal
from loader.model import WRITTEN
from loader.show.status_lines import ago
from loader.show.tables import STYLES, command, duration, loaded, moment, plain, table
from loader.text import counted

NARROW = 100
"""On a terminal with fewer columns, less of each portal is shown."""

LONGEST_NAME = 20

MOST_LINES = 30
"""Portals in the closing table; if there are more, successful ones are only counted."""

GROUPS = {
    "under way": ("working", "starting", "held", "silent"),
    "quota spent": ("quota",),
    "stopped": ("stopped",),
    "interrupted": ("interrupted",),
    "to come": ("waiting",),
    "done": ("done",),
}
"""The groups in which portals are counted, in the order of the screen."""

ENDS = {
    0: "done",
    1: "done, some rows not loaded",
    2: "refused",
    3: "stopped: token, permission or account",
    4: "stopped: too many failures",
    5: "stopped for now",
    6: "done, but not copied",
    70: "stopped by a bug in the loader",
    130: "interrupted",
    143: "interrupted",
}
"""The meaning of a portal's exit code, in a few words."""


INTERRUPTED = (130, 143)


def group_of(portal: Portal) -> str:
    """Return the group of a portal (`GROUPS`)."""
    ended = {**dict.fromkeys((0, 1, 6), "done"), **dict.fromkeys(INTERRUPTED, "interrupted")}
    state = ended.get(portal.exit_code or 0, "stopped") if portal.state == "ended" else portal.state
    return next(name for name, states in GROUPS.items() if state in states)


def in_words(portal: Portal, *, with_ago: bool = False) -> str:
    """Return the state of a portal in words; `with_ago`: also how long ago it ended."""
    match portal.state:
        case "waiting":
            return "to come"
        case "starting":
            return "starting"
        case "held":
            return "waiting until another worker has ended"
        case "silent":
            return f"no word from its worker since {moment(portal.since)}; another one continues, or the same command"
        case "quota":
            return f"the day's quota is spent until {moment(portal.until)}"
        case "working":
            return f"{portal.doing} {portal.job}" if portal.job else "starting"
    end = ENDS.get(portal.exit_code or 0, f"exit code {portal.exit_code}")
    when = f", {ago(portal.seconds_ago)}" if with_ago and portal.seconds_ago is not None else ""
    why = f": {portal.error}" if portal.error and portal.exit_code not in INTERRUPTED else ""
    return f"{end}{when}{why}"


def portal_line(portal: Portal) -> Text:
    """Return the state of a portal, in a line."""
    line = Text.assemble(plain(portal.profile, "bold"), ": ")
    line.append_text(plain(in_words(portal, with_ago=True), _STYLES.get(group_of(portal), "")))
    if portal.rows:
        line.append_text(plain(f": {portal.done:,} of {counted(portal.rows, 'row')}, {portal.failed:,} failed"))
    if portal.state == "working":
        job = f", job {min(portal.ended + 1, portal.jobs)} of {portal.jobs}"
        line.append_text(plain(f"{job}, {portal.rate:.1f} requests/s, time left {duration(portal.seconds_left)}"))
    if portal.not_provable:
        line.append_text(plain(f", {portal.not_provable:,} not provable"))
    line.no_wrap = True
    return line


def fleet_line(portals: Iterable[Portal]) -> str:
    """Return the progress of a fleet, in a line."""
    portals = list(portals)
    counts = Counter(map(group_of, portals))
    of_all = ", ".join(f"{counts[name]:,} {name}" for name in reversed(GROUPS) if counts[name])
    rows, done = sum(each.rows for each in portals), sum(each.done for each in portals)
    failed, rate = sum(each.failed for each in portals), sum(each.rate for each in portals)
    return (
        f"{counted(len(portals), 'account')}: {of_all} | {done:,} of {counted(rows, 'row')} | failed {failed:,} | "
        f"{rate:.1f} requests/s"
    )


class FleetTable:
    """The portals of a fleet for a terminal: as many as fit, first those under way; the rest is counted."""

    def __init__(self, portals: Iterable[Portal]) -> None:
        self._portals = list(portals)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Yield the lines for a width and a height."""
        order = list(GROUPS)
        portals = sorted(self._portals, key=lambda each: order.index(group_of(each)))
        head = plain(fleet_line(self._portals))
        lines_around = len(head.wrap(console, options.max_width)) + 5
        room = max(1, (options.height or console.height) - lines_around)
        shown, rest = (portals, []) if len(portals) <= room else (portals[: room - 1], portals[room - 1 :])
        yield head
        yield _lines(shown, options.max_width)
        if rest:
            counts = Counter(map(group_of, rest))
            yield Text(
                f"and {len(rest):,} more: {', '.join(f'{counts[name]:,} {name}' for name in order if counts[name])}"
            )


def _lines(portals: Sequence[Portal], width: int) -> Table:
    """Return a table with one line for each portal; the state takes the remaining width."""
    lines = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=True)
    heads = (
        ("Profile", "Rows", "Failed") if width < NARROW else ("Profile", "Job", "Rows", "Failed", "Requests/s", "Left")
    )
    rows = [_cells(each) for each in portals]
    for head in heads:
        widest = max([len(head), *(len(cells[head]) for cells in rows)])
        width_of = min(widest, LONGEST_NAME)
        is_text = head in ("Profile", "Job")
        lines.add_column(
            head, no_wrap=True, overflow="ellipsis", width=width_of, justify="left" if is_text else "right"
        )
    lines.add_column("State", no_wrap=True, overflow="ellipsis", ratio=1)
    for each, cells in zip(portals, rows, strict=True):
        state = plain(in_words(each), _STYLES.get(group_of(each), ""))
        lines.add_row(*(cells[head] for head in heads), state)
    return lines


def _cells(portal: Portal) -> dict[str, Text]:
    at_work, has_rows = portal.state in GROUPS["under way"], bool(portal.rows)
    job = f"{min(portal.ended + at_work, portal.jobs)} of {portal.jobs}"
    return {
        "Profile": plain(portal.profile),
        "Job": Text(job if at_work or has_rows else ""),
        "Rows": Text(f"{portal.done:,}/{portal.rows:,}" if has_rows else ""),
        "Failed": Text(f"{portal.failed:,}" if has_rows else "", STYLES["failed"] if portal.failed else ""),
        "Requests/s": Text(f"{portal.rate:.1f}" if at_work and portal.rate else ""),
        "Left": Text(duration(portal.seconds_left) if at_work and has_rows else ""),
    }


_STYLES = {"under way": "cyan", "quota spent": "yellow", "stopped": "red", "done": "green"}


def fleet_closing(event: FleetFinished) -> Iterator[RenderableType]:
    """Yield the closing table of a fleet, why rows failed, the files, and the next command."""
    summary: Mapping[str, Any] = event.summary
    portals = summary["portals"]
    if event.stopped:
        yield plain(f"Stopped: {event.stopped}", "bold yellow")
    lines = table("Profile", *COUNT_HEADS, "How it ended", right=COUNT_HEADS)
    shown = portals if len(portals) <= MOST_LINES else [each for each in portals if each["exit_code"]][:MOST_LINES]
    for each in shown:
        styles = ("", "green", "red", "")
        counts = zip(counts_of(each), styles, strict=True)
        cells = [Text(f"{count:,}", style if count else "") for count, style in counts]
        lines.add_row(plain(each["profile"]), *cells, end_of(each))
    yield lines
    if len(portals) > len(shown):
        yield Text(f"{counted(len(portals) - len(shown), 'account')} not shown here; the report has all.")
    shown_errors = [each for each in portals if each["exit_code"] not in INTERRUPTED]  # The others need no line.
    errors = [f"{each['profile']}: {error}" for each in shown_errors for error in errors_of(each)]
    yield from map(plain, errors[:MOST_LINES])
    rows = summary["rows"]
    left = f", {rows['pending']:,} left" if rows["pending"] else ""
    yield Text(f"{counted(len(portals), 'account')}, {counted(rows['total'], 'row')}: {loaded(rows)}{left}.")
    if skipped := sum(each["skipped"] for each in portals):
        yield Text(f"{counted(skipped, 'job')} had nothing left to do: finished before, and the input is the same.")
    if unknown := sum(each["not_provable"] for each in portals):
        yield plain(NOT_PROVABLE.format(counted(unknown, "row")), "yellow")
    if reasons := summary["failures_by_reason"]:
        yield plain(f"Failures by reason: {', '.join(f'{code} {count:,}' for code, count in reasons.items())}")
        yield command(f"More about a reason: association-loader explain {next(iter(reasons))}")
    yield plain(f"Results: {event.results}")
    if event.report:
        yield plain(f"Report: {event.report}")
    if summary["next_command"]:
        yield command(f"Next: {summary['next_command']}")


COUNT_HEADS = ("Rows", "Loaded", "Not loaded", "Left")


def counts_of(portal: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the counts of a portal's rows (`COUNT_HEADS`), from its part of the summary."""
    rows = Counter[str]()
    for job in portal["jobs"]:
        rows.update(job["rows"])
    loaded_rows = sum(rows[status] for status in (*WRITTEN, "unchanged"))
    return rows["total"], loaded_rows, rows["failed"] + rows["rejected"], rows["pending"]


def end_of(portal: Mapping[str, Any]) -> str:
    """Return how a portal ended, in a few words, from its part of the summary."""
    code = portal["exit_code"]
    return "had no turn" if code is None else ENDS.get(code, f"exit code {code}")


def errors_of(portal: Mapping[str, Any]) -> list[str]:
    """Return what ended jobs of a portal early, each in a sentence with the job's name."""
    return [f"{job}: {error}" if job else error for job, error in portal["errors"].items()]


NOT_PROVABLE = (
    "{} of an account whose worker was lost were in HubSpot when another one continued: whether this run "
    "associated them is not known, so undo leaves them."
)
