"""The tables at the end of a command: counts, reasons, files, and what to do next."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from loader.events import (
    Check,
    CreatedLabel,
    Explained,
    Exported,
    FailedFor,
    Finished,
    Labels,
    Profile,
    RemovalPlanned,
    Undoable,
    Undone,
    UndoPlanned,
    Verified,
)
from loader.model import WRITTEN
from loader.text import counted, visible

MOST_ENTRIES = 2
"""One code may have several meanings: for rows that were sent, and for others."""


STYLES = {
    "created": "green",
    "replaced": "green",
    "removed": "green",
    "restored": "green",
    "left": "yellow",
    "failed": "red",
    "rejected": "red",
}
"""The style of a count, by its status."""


def duration(seconds: float | None) -> str:
    """Return seconds as a time: `1:05:09`, `0:12`; a question mark if it is not known."""
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def moment(text: str | None) -> str:
    """Return a moment (ISO 8601, UTC) for people; blank for None."""
    return f"{text[:10]} {text[11:19]} UTC" if text else ""


def plain(text: object, style: str = "") -> Text:
    """Return a value for a terminal: control characters, which a file name or a label may have, are escaped."""
    return Text(visible(str(text)), style)


def command(words: str) -> Text:
    """Return a line with a command in it, which is not wrapped, so that it can be copied."""
    line = plain(words, "bold")
    line.no_wrap = True
    return line


def table(*headers: str, right: Collection[str] = ("Rows",)) -> Table:
    """Return an empty table in the common style; the columns in `right` have numbers."""
    form = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for header in headers:
        form.add_column(header, justify="right" if header in right else "left", overflow="fold")
    return form


def reasons_table(reasons: Sequence[FailedFor]) -> Iterator[RenderableType]:
    """Yield why rows failed or were rejected, with what to do, and the command that tells more."""
    lines = table("Rows", "What is wrong, and what to do")
    for each in reasons:
        meaning = plain(f": {each.cause} {each.mend}")
        where = [Text("\n"), plain(_where(each), "yellow")] if each.first else []
        lines.add_row(f"{each.rows:,}", Text.assemble(plain(each.code, "bold"), meaning, *where))
    yield lines
    yield command(f"More about a reason: association-loader explain {reasons[0].code}")


def _where(reason: FailedFor) -> str:
    """Return where the first rows of a reason are: `HubSpot has no company 7 (row 112); also 115 and 8 more`."""
    several = len({name for name, _ in reason.first}) > 1
    first, *others = [f"{name} row {row:,}" if several else f"{row:,}" for name, row in reason.first]
    row = first if several else f"row {first}"
    words = f"{reason.example.removesuffix('.')} ({row})" if reason.example else row
    if others:
        words += f"; also {', '.join(others)}"
    more = reason.rows - len(reason.first)
    return f"{words} and {more:,} more" if more > 0 else words


def labels_listed(event: Labels) -> Iterator[RenderableType]:
    """Yield the association types of two object types."""
    if event.types:
        yield _types_table(event)
    else:
        first, second = event.names[event.object_type], event.names[event.to_object_type]
        yield plain(f"HubSpot lists no association type between {first} and {second}.")


def checked(event: Check) -> Iterator[RenderableType]:
    """Yield the line of one finding of `doctor`."""
    advice = f". To do: {event.advice}" if event.advice else ""
    styles = {"ok": "green", "warning": "yellow", "bad": "bold red"}
    line = plain(f"{event.state:<8} {event.name}: {event.finding.rstrip('.')}{advice}")
    line.stylize(styles[event.state], 0, len(event.state))
    line.no_wrap = True
    yield line


def profiles_listed(profiles: Iterable[Profile]) -> Iterator[RenderableType]:
    """Yield the profiles, one a line."""
    lines = table("Profile", "HubSpot account", "Token", "Rate", "API version", "Address")
    for each in profiles:
        cells = (each.name, each.portal_id, each.token, each.rate, each.api_version, each.base_url or "HubSpot")
        lines.add_row(*map(plain, cells))
    yield lines


def label_created(event: CreatedLabel) -> Iterator[RenderableType]:
    """Yield the types of a label that was made, or was there already."""
    where = f"in HubSpot account {event.portal_id}" if event.portal_id else "in HubSpot"
    yield _types_table(event)
    yield plain(f"Created {where}." if event.created else f"It exists already {where}: nothing was created.")


def _types_table(event: Labels | CreatedLabel) -> Table:
    """Return the association types of two object types, each in the words of a load."""
    lines = table("From", "To", "Category", "Type id", "Label")
    for listed in event.types:
        lines.add_row(
            plain(event.names[listed.object_type]),
            plain(event.names[listed.to_object_type]),
            plain(listed.category),
            str(listed.id),
            plain(listed.label) if listed.label else Text("(no label)", "dim"),
        )
    return lines


def closing(event: Finished) -> Iterator[RenderableType]:
    """Yield the closing table: counts, reasons with what to do, the files, and the next command."""
    summary: Mapping[str, Any] = event.summary
    rows, requests = summary["rows"], summary["requests"]
    if event.stopped:
        yield plain(f"Stopped: {event.stopped}", "bold yellow")
    elif not rows["pending"]:
        yield Text(_nothing(summary) or f"Finished: {loaded(rows)}.", "bold")
    yield _counts(rows)
    if removals := summary.get("removals"):
        yield _removals(removals)
    if event.limit is not None and rows["pending"] and not event.stopped:
        done = rows["total"] - rows["pending"]
        yield Text(f"Ended at --limit {event.limit}: {counted(done, 'row')} done, {rows['pending']:,} left.")
    if event.reasons:
        yield from reasons_table(event.reasons)
    retried = f", {requests['retried']:,} retried" if requests["retried"] else ""
    limited = f", {requests['rate_limited']:,} answered with 429 (too many)" if requests["rate_limited"] else ""
    limit, achieved = summary["rate"]["limit"], summary["rate"]["achieved_per_second"]
    # A run shorter than the limit's window cannot be compared with it.
    is_long = achieved and requests["sent"] / achieved >= float(limit.partition("/")[2])
    yield Text(
        f"{counted(summary['pairs'], 'pair')}, {counted(requests['sent'], 'request')}{retried}{limited} in "
        f"{duration(summary['seconds'])} ({f'{achieved:.1f} per second, ' if is_long else ''}limit {limit})."
    )
    yield plain(f"Results: {event.results}")
    if event.failures:
        not_done = rows["failed"] + rows["rejected"]
        were, them = ("was", "it") if not_done == 1 else ("were", "them")
        done = "removed" if "removed" in rows else "loaded"
        where = "here" if event.reloadable else f"in the file that you {'gave' if done == 'removed' else 'loaded'}"
        following = summary["next_command"] or ""
        then = f"Correct {them} {where}{', then run:' if following and not rows['pending'] else '.'}"
        if following.endswith("--retry-failed"):
            then = f"Sending {them} again may help:"
        yield plain(f"Failures: {event.failures}. {counted(not_done, 'row')} {were} not {done}. {then}")
    if summary["next_command"]:
        yield command(f"Next: {summary['next_command']}")


def loaded(rows: Mapping[str, int]) -> str:
    """Return the outcome of a load in which every row has a result: `12 loaded, 3 not loaded`."""
    done, before = ("removed", "not there before") if "removed" in rows else ("loaded", "in HubSpot already")
    changed = sum(rows.get(status, 0) for status in WRITTEN)
    words = [f"{changed:,} {done}"]
    if rows.get("unchanged"):
        words.append(f"{rows['unchanged']:,} {before}")
    if lost := rows.get("failed", 0) + rows.get("rejected", 0):
        words.append(f"{lost:,} not {done}")
    return ", ".join(words)


def _removals(removals: Mapping[str, int]) -> Text:
    """Return what a mirror took off."""
    failed = f", {removals['failed']:,} could not be" if removals["failed"] else ""
    exempt = removals["exempt_records"]
    kept = f"; {counted(exempt, 'record')} lost nothing" if exempt else ""
    return Text(f"Removed, because not in the file: {counted(removals['removed'], 'association')}{failed}{kept}.")


def _nothing(summary: Mapping[str, Any]) -> str:
    """Return why there was nothing to do, blank if there was something."""
    rows, removals = summary["rows"], summary.get("removals") or {}
    if removals.get("removed") or removals.get("failed"):
        return ""
    if not rows["total"]:
        return "Nothing to do: the inputs hold no row."
    if rows["total"] == rows["rejected"]:
        return "Nothing was sent: every row is rejected."
    if rows["unchanged"] and rows["total"] == rows["unchanged"] + rows["rejected"]:
        removes = "removed" in rows
        return f"Nothing to do: all associations are {'gone' if removes else 'in HubSpot'} already."
    return ""


_MARKED = {
    "there": ("= there", "green"),
    "different": ("* other types", "yellow"),
    "gone": ("= gone", "green"),
    "still_there": ("* still there", "red"),
    "missing": ("+ missing", "red"),
    "unreadable": ("! unreadable", "red"),
}


def verified_table(event: Verified) -> Iterator[RenderableType]:
    """Yield how many rows are in HubSpot as they should be, and how many are not."""
    summary: Mapping[str, Any] = event.summary
    rows, rejected = dict(summary["rows"]), summary["rejected"]
    rows["unreadable"] -= rejected
    marked = {name: _MARKED[name] for name in rows if name in _MARKED}
    names = ["rows", *(words for words, _ in marked.values()), *(["not looked at"] * bool(rows["pending"]))]
    counts = table(*names, right=names)
    cells = [Text(f"{rows['total']:,}")]
    cells += [Text(f"{rows[name]:,}", style if rows[name] else "") for name, (_, style) in marked.items()]
    counts.add_row(*cells, *([f"{rows['pending']:,}"] * bool(rows["pending"])))
    yield counts
    if rejected:
        yield Text(f"{counted(rejected, 'rejected row')}, not checked.")
    if surplus := summary.get("surplus"):
        yield Text(f"{counted(surplus, 'association')} in scope, but not in the file.", "yellow")
    if sample := summary["sample"]:
        yield Text(
            f"A sample: {sample['pairs']:,} of {counted(sample['of'], 'pair')}, chosen with --seed {sample['seed']}; "
            "all rejected rows are counted."
        )
    yield Text(f"{counted(summary['requests']['sent'], 'request')} in {duration(summary['seconds'])}.")
    yield plain(f"Row by row: {event.results}")
    if summary["next_command"]:
        yield command(f"Next: {summary['next_command']}")


def _counts(rows: Mapping[str, int]) -> Table:
    rows = {name: count for name, count in rows.items() if count or name != "replaced"}
    lines = table(*rows, right=rows.keys())
    lines.add_row(*(Text(f"{count:,}", STYLES.get(name, "") if count else "") for name, count in rows.items()))
    return lines


def explained_table(event: Explained) -> Iterator[RenderableType]:
    """Yield what one code means as sentences, or many codes as a table."""
    if len(event.reasons) > MOST_ENTRIES:
        for sent, title in ((True, "Of a row that was sent, or of a run"), (False, "Of a row that was never sent")):
            lines = table(title, "What it means, and what to do", "Again?")
            for each in event.reasons:
                if each.sent == sent:
                    again = "yes" if each.retry else "no"
                    lines.add_row("\n".join(each.codes), f"{each.cause} {each.mend}", again, end_section=True)
            yield lines
        yield Text("Again?: whether sending the row again as it is may help. HTTP_<status>: an answer without a code.")
        return
    for each in event.reasons:
        yield plain(f"{each.codes[0]}, {'of a row that was sent, or of a run' if each.sent else 'never sent'}", "bold")
        yield Text(f"What it means: {each.cause}")
        yield Text(f"What to do: {each.mend}")
        yield Text(f"Sending it again as it is: {'may help' if each.retry else 'does not help'}.")


_ONE = "primary record (or parent company)"


def removal_lines(event: RemovalPlanned) -> Iterator[Text]:
    """Yield what will be taken off, and what will not."""
    where = f" of HubSpot account {event.portal_id}" if event.portal_id else ""
    yield Text(
        f"{counted(event.pairs, 'association')}{where} will change: {event.whole:,} removed as a whole, "
        f"{event.labelled:,} losing labels only.",
        "bold yellow" if event.pairs else "",
    )
    if event.unchanged:
        has = "has" if event.unchanged == 1 else "have"
        yield Text(f"{counted(event.unchanged, 'pair')} of the file {has} nothing to remove.")
    if event.refused:
        yield Text(
            f"{counted(event.refused, 'pair')} would lose labels that the file does not name; their rows are rejected "
            "(WOULD_REMOVE_LABELS)."
        )
    if event.unread:
        yield Text(
            f"{counted(event.unread, 'pair')} could not be read in HubSpot, and may lose something too: with them "
            f"{counted(event.at_most, 'association')} may change."
        )


def exported_table(event: Exported) -> Iterator[RenderableType]:
    """Yield how much an export has read, and when."""
    summary: Mapping[str, Any] = event.summary
    if event.stopped:
        yield plain(f"Stopped: {event.stopped}", "bold yellow")
    records = {name: count for name, count in summary["records"].items() if count or name not in _WRONG}
    names = {"total": "records", "associated": "with associations", "rejected": "wrong ids"}
    heads = [*(names.get(name, name) for name in records), "pairs", "lines"]
    lines = table(*heads, right=heads)
    lines.add_row(
        *(Text(f"{count:,}", "red" if name in _WRONG else "") for name, count in records.items()),
        f"{summary['pairs']:,}",
        f"{summary['lines']:,}",
    )
    yield lines
    began, ended = moment(summary["reading_began"]), moment(summary["reading_ended"])
    where = f" from HubSpot account {summary['portal_id']}" if summary["portal_id"] else ""
    if began:
        yield plain(f"Read{where} from {began} to {ended or began}; what changed meanwhile may be in it or not.")
    yield Text(f"{counted(summary['requests'].get('sent', 0), 'request')} in {duration(summary['seconds'])}.")
    if event.unread:
        yield plain(f"Not read: {event.unread} (correct it and give it with --ids)")
    yield plain(f"Export: {event.output}")
    if summary["next_command"]:
        yield command(f"Next: {summary['next_command']}")


_WRONG = ("unread", "rejected")


def undo_table(event: UndoPlanned) -> Iterator[RenderableType]:
    """Yield what will be removed, by association type."""
    began = event.started_at[:16].replace("T", " ")
    only_back = bool(event.groups) and not any(group.whole or group.types for group in event.groups)
    did = "took off" if only_back else "added"
    account = f"HubSpot account {event.portal_id or 'unknown'}"
    yield plain(f"What the run of {event.results} (begun {began} UTC, {account}) {did}:")
    if not event.groups:
        yield Text("Nothing is left to remove.")
        return
    what = "What is put back" if only_back else "What is removed"
    lines = table("Associations", "From", "To", what, right=["Associations"])
    for group in event.groups:
        lines.add_row(f"{group.pairs:,}", plain(group.object_type), plain(group.to_object_type), plain(_removed(group)))
    yield lines
    if unsure := sum(group.unsure for group in event.groups):
        yield Text(f"{unsure:,} of them may not exist: the load was cut off while it sent them.")
    if primary := sum(group.pairs for group in event.groups if group.primary):
        yield Text(f"{counted(primary, 'record')} got a {_ONE} by this load; the one that it had before is restored.")


def _removed(group: Undoable) -> str:
    labels = ", ".join(label for _, label in group.types if label)
    if group.whole:
        return f"the association ({labels or 'no label'})"
    removed = f"the label alone ({labels or ', '.join(key for key, _ in group.types)})" if group.types else "nothing"
    back = ", ".join(label or key for key, label in group.back)
    if not group.types:
        return f"the labels {back}" if all(label for _, label in group.back) else f"the association ({back})"
    return f"{removed}; restored: {back}" if back else removed


def undone_table(event: Undone) -> Iterator[RenderableType]:
    """Yield how many associations were taken back, and how many were not."""
    summary: Mapping[str, Any] = event.summary
    pairs = {name: count for name, count in summary["pairs"].items() if name != "pending" or count}
    lines = table(*pairs, right=pairs.keys())
    lines.add_row(*(Text(f"{count:,}", STYLES.get(name, "") if count else "") for name, count in pairs.items()))
    yield lines
    if summary["given_back"]:
        yield Text(f"{counted(summary['given_back'], 'record')} got back the {_ONE} from before.")
    if summary["primaries"]:
        yield Text(
            f"{counted(summary['primaries'], 'record')} did not get back the {_ONE} from before: it is not "
            "associated any "
            "more, or somebody has chosen another since. Check in HubSpot."
        )
    yield Text(f"{counted(summary['requests']['sent'], 'request')} in {duration(summary['seconds'])}.")
    yield plain(f"Row by row: {event.results}")
    if summary["next_command"]:
        yield command(f"Next: {summary['next_command']}")
