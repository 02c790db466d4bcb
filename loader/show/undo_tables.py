"""What a person reads before and after an undo."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from loader.events import Undoable, Undone, UndoPlanned
from loader.show.tables import command, duration, plain, table

_STYLES = {"removed": "green", "left": "yellow", "failed": "red"}

_ONE = "primary record (or parent company)"


def undo_table(event: UndoPlanned) -> Iterator[RenderableType]:
    """Yield what is about to be removed, by association type."""
    began = event.started_at[:16].replace("T", " ")
    yield plain(f"What the run of {event.results} (begun {began} UTC, portal {event.portal_id or 'unknown'}) added:")
    if not event.groups:
        yield Text("Nothing of it is left to be removed.")
        return
    lines = table("Associations", "From", "To", "What is removed", right=["Associations"])
    for group in event.groups:
        lines.add_row(f"{group.pairs:,}", plain(group.object_type), plain(group.to_object_type), plain(_what(group)))
    yield lines
    if unsure := sum(group.unsure for group in event.groups):
        yield Text(f"{unsure:,} of them may never have been made: the run ended in their middle.")
    if primary := sum(group.pairs for group in event.groups if group.primary):
        yield Text(f"{primary:,} records were given a {_ONE} by the run; one that they had before gets it back.")


def _what(group: Undoable) -> str:
    labels = ", ".join(label for _, label in group.types if label)
    if group.whole:
        return f"the association ({labels or 'no label'})"
    removed = f"the label alone ({labels or ', '.join(key for key, _ in group.types)})" if group.types else "nothing"
    back = ", ".join(label or key for key, label in group.back)
    return f"{removed}; given back: {back}" if back else removed


def undone_table(event: Undone) -> Iterator[RenderableType]:
    """Yield how many associations were taken back, and how many were not."""
    summary: Mapping[str, Any] = event.summary
    pairs = {name: count for name, count in summary["pairs"].items() if name != "pending" or count}
    lines = table(*pairs, right=pairs.keys())
    lines.add_row(*(Text(f"{count:,}", _STYLES.get(name, "") if count else "") for name, count in pairs.items()))
    yield lines
    if summary["given_back"]:
        yield Text(f"{summary['given_back']:,} records have the {_ONE} again that they had before.")
    if summary["primaries"]:
        yield Text(
            f"{summary['primaries']:,} records have not got their {_ONE} back: it is not associated any more, or "
            "somebody has chosen another since. Look at them in HubSpot."
        )
    yield Text(f"{summary['requests']['sent']:,} requests in {duration(summary['seconds'])}.")
    yield plain(f"Row by row: {event.results}")
    if summary["next_command"]:
        yield command(f"Next: {summary['next_command']}")
