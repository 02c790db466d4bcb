"""The progress of a run: a bar and figures for a terminal of any width, and the same as a line for a log."""

import math
from collections.abc import Iterator
from typing import NamedTuple

from rich.console import Console, ConsoleOptions, Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from loader.events import Exporting, Progress, Undoing, Verifying
from loader.model import STATUSES
from loader.show.tables import STYLES, duration, plain
from loader.text import counted

_WIDEST = 100
_BETWEEN = " \u00b7 "


class _Figure(NamedTuple):
    words: str
    style: str = ""


ProgressEvent = Progress | Verifying | Undoing


def progress_line(event: ProgressEvent | Exporting) -> str:
    """Return the progress of a command, in a line."""
    if isinstance(event, Exporting):
        return _exporting(event)
    figures = (figure.words for figure in _figures(event))
    waiting = [event.waiting] if event.waiting else []
    return " | ".join([f"{_of_all(event)} {_share(event)}", *figures, *_left(event), *waiting])


def progress_block(event: ProgressEvent | Exporting) -> Group:
    """Return the progress of a command, as a bar with figures under it; that of an export is a line."""
    if isinstance(event, Exporting):
        return Group(Text(_exporting(event)))
    bar = Table.grid(padding=(0, 1), expand=True)
    bar.add_column(ratio=1, max_width=_WIDEST)
    bar.add_column(no_wrap=True)
    head = ", ".join([_of_all(event), _share(event), *_left(event)])
    total, done = _scope(event), event.total - event.pending
    # Rich's own bar would be red, like an error.
    bar.add_row(ProgressBar(max(1, total), done, complete_style="cyan", finished_style="green"), head)
    waiting = [plain(event.waiting, "yellow")] if event.waiting else []
    return Group(bar, _Packed(list(_figures(event))), *waiting)


def _exporting(event: Exporting) -> str:
    """Return the progress of an export; the number of records is known only if they are named."""
    of_all = f"/{event.total:,}" if event.total is not None else ""
    pace = f"{counted(event.requests, 'request')}, {event.achieved:.1f}/s (limit {event.rate.per_second:g})"
    line = f"{event.records:,}{of_all} read | {event.lines:,} lines | {pace}"
    return f"{line} | {event.waiting}" if event.waiting else line


def _of_all(event: ProgressEvent) -> str:
    what = "associations" if isinstance(event, Undoing) else "rows"
    return f"{event.total - event.pending:,}/{_scope(event):,} {what}"


def _share(event: ProgressEvent) -> str:
    return f"{(event.total - event.pending) / max(1, _scope(event)):.0%}"


def _scope(event: ProgressEvent) -> int:
    """Return how many rows this command will finish."""
    return event.total - (event.beyond if isinstance(event, Progress) else 0)


def _left(event: ProgressEvent) -> list[str]:
    return [f"time left {duration(event.seconds_left)}"] if isinstance(event, Progress) else []


def _figures(event: ProgressEvent) -> Iterator[_Figure]:
    if isinstance(event, Progress):
        return _loaded(event)
    return _verified(event) if isinstance(event, Verifying) else _undone(event)


def _loaded(event: Progress) -> Iterator[_Figure]:
    statuses = STATUSES[event.verb]
    always = {statuses[0], "failed"}
    for status in (*statuses, "rejected"):
        count = getattr(event, status)
        if count or status in always:
            yield _Figure(f"{status} {count:,}", STYLES.get(status, "") if count else "")
    yield _Figure(f"{event.achieved:.1f} requests/s (limit {event.rate.per_second:g})")
    yield _Figure(f"429s {event.rate_limited:,}", "yellow" if event.rate_limited else "")
    if event.daily_left is not None:
        yield _Figure(f"quota left {event.daily_left:,}")
    if event.paused and not event.waiting:
        yield _Figure(f"paused {math.ceil(event.paused)} s", "yellow")


def _verified(event: Verifying) -> Iterator[_Figure]:
    yield _Figure(f"there {event.there:,}", "green" if event.there else "")
    yield _Figure(f"{counted(event.requests, 'request')}, {event.achieved:.1f}/s (limit {event.rate.per_second:g})")


def _undone(event: Undoing) -> Iterator[_Figure]:
    counts = {
        "removed": event.removed,
        "restored": event.restored,
        "unchanged": event.unchanged,
        "left": event.left,
        "failed": event.failed,
    }
    for name, count in counts.items():
        if count:
            yield _Figure(f"{name} {count:,}", STYLES.get(name, ""))
    yield _Figure(f"{counted(event.requests, 'request')}, {event.achieved:.1f}/s (limit {event.rate.per_second:g})")


class _Packed:
    """Figures, as many in a line as fit, without a line break within one."""

    def __init__(self, figures: list[_Figure]) -> None:
        self._figures = figures

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Yield the lines for a width."""
        line = Text()
        for figure in self._figures:
            if line and len(line) + len(_BETWEEN) + len(figure.words) > options.max_width:
                yield line
                line = Text()
            line = Text.assemble(line, _BETWEEN if line else "", (figure.words, figure.style))
        yield line
