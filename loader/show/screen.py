"""The screen: how the input was understood, the progress, how the run ended and what to do next."""

import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from loader.events import (
    Check,
    CreatedLabel,
    Event,
    Explained,
    Exported,
    Exporting,
    Finished,
    FleetFinished,
    Labels,
    LookingUp,
    Note,
    Planned,
    Portal,
    Profile,
    Progress,
    Reading,
    RemovalPlanned,
    Started,
    Status,
    Undoing,
    Undone,
    UndoPlanned,
    Verified,
    Verifying,
    Waiting,
)
from loader.show.fitting import Fitted
from loader.show.fleet_table import FleetTable, fleet_closing, fleet_line, portal_line
from loader.show.plan_table import plan_table
from loader.show.progress import progress_block, progress_line
from loader.show.status_lines import status_lines
from loader.show.tables import (
    checked,
    closing,
    explained_table,
    exported_table,
    label_created,
    labels_listed,
    plain,
    profiles_listed,
    removal_lines,
    undo_table,
    undone_table,
    verified_table,
)
from loader.text import counted

SECONDS_BETWEEN_LINES = 30.0


_BLOCKS: Mapping[type, Callable[[Any], Iterable[RenderableType]]] = {
    RemovalPlanned: removal_lines,
    UndoPlanned: undo_table,
    Finished: closing,
    Exported: exported_table,
    FleetFinished: fleet_closing,
}
"""By event, what is shown once while the command runs."""

_SHOWN: Mapping[type, Callable[[Any], Iterable[RenderableType]]] = {
    Check: checked,
    Planned: plan_table,
    Verified: verified_table,
    Undone: undone_table,
    Labels: labels_listed,
    CreatedLabel: label_created,
    Explained: explained_table,
}
"""By event, what is printed on standard output; other events are shown together."""


class _Console(Console):
    """A console whose reader may close the pipe (`| head`): the caller handles that; rich would end the process."""

    def show(self, parts: Iterable[RenderableType]) -> None:
        """Print parts. Rich does not wrap commands: its line breaks would be copied with them, a terminal's are not."""
        for part in parts:
            if isinstance(part, Table) and not part.row_count:
                continue
            fitted = Fitted(part) if isinstance(part, Table) and part.box else part
            self.print(fitted, soft_wrap=True if isinstance(part, Text) and part.no_wrap else None)

    def on_broken_pipe(self) -> None:
        """Let the error through, where rich would exit."""
        raise BrokenPipeError


class Screen:
    """Writes to standard error: a bar and figures on a terminal, elsewhere a line every 30 seconds."""

    def __init__(self) -> None:
        self._console = _Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())
        self._live: Live | None = None
        self._last = time.monotonic()
        self._is_in_trouble = self._has_waited = False
        self._noted = ""
        self._portals: dict[str, Portal] = {}

    def __call__(self, event: Event) -> None:
        match event:
            case Reading():
                self._status(plain(f"Reading {event.input}: {counted(event.records, 'record')}"))
            case Waiting():
                self._wait(event)
            case LookingUp():
                done = f"{event.done:,} of {event.total:,}"
                self._status(plain(f"Looking up {event.object_type} by {event.id_property}: {done} values"))
            case Planned():
                self._end_live()
                self._console.show(plan_table(event, in_full=False))
            case Started():
                how = "Resuming" if event.resumed else "Sending"
                rows = f"{event.pending - event.beyond:,} of {counted(event.total, 'row')} left"
                end = "" if event.limit is None else f", up to --limit {event.limit}"
                self._console.print(f"{how}: {rows}{end}.")
            case Progress() | Verifying() | Undoing() | Exporting():
                self._status(Text(progress_line(event)), progress_block(event))
            case Portal():
                self._portal(event)
            case Check():
                self._end_live()
            case Verified() | Undone():
                self._end_live()
                if event.stopped:
                    self._console.print(plain(f"Stopped: {event.stopped}", "bold yellow"))
            case Note():
                self._note(event)
            case RemovalPlanned() | UndoPlanned() | Finished() | Exported() | FleetFinished():
                self._end_live()
                self._console.show(_BLOCKS[type(event)](event))

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._end_live()

    def _wait(self, event: Waiting) -> None:
        if not self._has_waited or (event.trouble and not self._is_in_trouble):
            self._last = -math.inf  # Even in a pipe, the beginning is shown at once.
        self._has_waited, self._is_in_trouble = True, event.trouble
        self._status(plain(event.message, "yellow" if event.trouble else ""))

    def _portal(self, event: Portal) -> None:
        self._portals[event.profile] = event
        if event.state != "waiting":  # At first all portals have this state: a count is right once all are known.
            self._status(plain(fleet_line(self._portals.values())), FleetTable(self._portals.values()))

    def _note(self, event: Note) -> None:
        if event.message != self._noted:  # Do not repeat the same line.
            self._console.print(plain(event.message))
        self._noted = event.message

    def _status(self, line: Text, block: RenderableType | None = None) -> None:
        """Show the progress: `block` on a terminal that can be overwritten, elsewhere a line now and then."""
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            if self._live is None:
                self._live = Live(console=self._console, refresh_per_second=4, transient=True)
                self._live.start()
            self._live.update(block or line)
        elif time.monotonic() - self._last >= SECONDS_BETWEEN_LINES:
            self._last = time.monotonic()
            self._console.print(line)

    def _end_live(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None


def show(events: Sequence[Event]) -> None:
    """Print the output of a command to standard output."""
    console = _Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    if states := [event for event in events if isinstance(event, Status)]:
        console.show(status_lines(states, folder=os.getcwd()))  # noqa: PTH109 - a text is wanted
    if profiles := [event for event in events if isinstance(event, Profile)]:
        console.show(profiles_listed(profiles))
    if portals := [event for event in events if isinstance(event, Portal)]:
        console.show([*map(portal_line, portals), plain(fleet_line(portals))])
    for event in events:
        if block := _SHOWN.get(type(event)):
            console.show(block(event))
