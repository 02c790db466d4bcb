"""The output of `status`: one run in full, or many, each with its counts and the next command."""

import os
from collections.abc import Iterator, Mapping, Sequence

from rich.console import RenderableType
from rich.text import Text

from loader.events import STATES, Status
from loader.show.tables import command, loaded, moment, plain
from loader.text import counted

_STYLES = {
    "running": "cyan",
    "reading": "cyan",
    "finished": "green",
    "undoing": "yellow",
    "stopped": "yellow",
    "incompatible": "yellow",
    "damaged": "red",
}

_REMOVALS = {"removed": "association", "failed": "failure", "exempt_records": "exempt record"}

_UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))


def status_lines(found: Sequence[Status], *, folder: str) -> Iterator[RenderableType]:
    """Yield the output of `status`; commands are for the current folder."""
    if len(found) == 1:
        yield from _in_full(found[0])
    else:
        yield from map(_in_short, found)
    for each in found:
        if each.next_command:
            of_which = f" for {each.results}" if len(found) > 1 else ""
            is_elsewhere = each.folder and os.path.realpath(each.folder) != os.path.realpath(folder)
            where = f", in {each.folder}" if is_elsewhere else ""
            yield command(f"Next{of_which}{where}: {each.next_command}")


def _in_short(each: Status) -> Text:
    counts = _rows(each) or _exported(each.exported)
    parts = [plain(each.results, "bold"), _state(each), plain(counts), plain(each.stopped)]
    return Text(": ").join(part for part in parts if part)


def _in_full(each: Status) -> Iterator[Text]:
    facts = {
        "Results": command(each.results),
        "State": Text.assemble(
            _state(each), f": {loaded(each.rows) if each.state == 'finished' and each.rows else STATES[each.state]}"
        ),
        "Stopped": plain(each.stopped),
        "Exported": plain(_exported(each.exported)),
        "Rows": plain(_rows(each)),
        "Removed": plain(", ".join(counted(count, _REMOVALS[name]) for name, count in each.removals.items() if count)),
        "Undone": plain(", ".join(f"{count:,} {name}" for name, count in each.undone.items() if count)),
        "Account": plain(each.portal_id or ""),
        "Began": plain(moment(each.started_at)),
        "Last active": plain(moment(each.last_active_at)),
        "Command": command(each.command or ""),
    }
    for name, fact in facts.items():
        if fact:
            yield Text(f"{name:<13}", no_wrap=fact.no_wrap).append_text(fact)


def _state(each: Status) -> Text:
    words = Text(each.state, _STYLES.get(each.state, ""))
    if each.process is not None:
        words.append(f" by process {each.process}")
    if each.seconds_ago is not None:
        words.append(f", {ago(each.seconds_ago)}")
    return words.append(", set aside") if each.set_aside else words


def _rows(each: Status) -> str:
    return ", ".join(
        f"{count:,} {name if name != 'total' else 'rows'}"
        for name, count in each.rows.items()
        if count or name == "total"
    )


def _exported(counts: Mapping[str, int]) -> str:
    if not counts:
        return ""
    lost = {"unread": "not read", "rejected": "rejected"}
    words = [f"{counted(counts['lines'], 'line')} of {counted(counts['records'], 'record')}"]
    return ", ".join(words + [f"{counts[name]:,} {word}" for name, word in lost.items() if counts[name]])


def ago(seconds: float) -> str:
    """Return how long ago something was, in words: `12 s ago`, `3 h ago`."""
    unit, size = next((each for each in _UNITS if seconds >= 2 * each[1]), _UNITS[-1])
    return f"{max(0, int(seconds // size))} {unit} ago"
