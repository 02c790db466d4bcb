"""The tables a person reads: how the input was understood, and how the run ended."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from loader.events import Explained, FailedFor, Finished, Kind, Labels, LookedUp, MergedRecord, Planned, Verified
from loader.model import Understood
from loader.object_type_names import one_of
from loader.reasons import explain
from loader.text import visible

MOST_ENTRIES = 2
"""Of one code: it may be given to rows that were sent and to others."""

MOST_MERGED = 20

MOST_HEADERS = 30
MOST_KINDS = 50
"""Lines of a plan; who has thousands of labels finds the others in the results."""


def duration(seconds: float | None) -> str:
    """Return seconds as people say them: `1:05:09`, `0:12`; a question mark where it is not known."""
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def moment(text: str | None) -> str:
    """Return a moment (ISO 8601, UTC) as people read it; blank for None."""
    return f"{text[:10]} {text[11:19]} UTC" if text else ""


def plain(text: object, style: str = "") -> Text:
    """Return a value as a terminal may show it: control characters, which a file name or a label may hold, escaped."""
    return Text(visible(str(text)), style)


def command(words: str) -> Text:
    """Return a line with a command in it, which is not wrapped: somebody will copy it."""
    line = plain(words, "bold")
    line.no_wrap = True
    return line


def plan_table(event: Planned, *, in_full: bool = True) -> Iterator[RenderableType]:
    """Yield how each input was read, what its rows ask for, and how many will be sent.

    Why rows are rejected is told `in_full` by a plan; a load tells it in a line, and in full at its end.
    """
    yield from _inputs(event.inputs)
    yield _kinds(event)
    problems = [kind for kind in event.kinds if kind.problem]
    for kind in problems[:MOST_KINDS]:
        yield plain(f"{_rows(kind.rows)}: {kind.problem}", "red")
    if more := problems[MOST_KINDS:]:
        yield plain(f"{_rows(sum(kind.rows for kind in more))} with {len(more):,} more such problems.", "red")
    for name, understood in event.inputs.items():
        whose = f"{name}: " if len(event.inputs) > 1 else ""
        for note in understood.notes:
            yield plain(f"Note: {whose}{note}")
    if event.unchecked:
        pairs = _first([f"{first} to {second}" for first, second in event.unchecked])
        yield plain(f"Not checked, because the portal could not be asked: the labels and type ids of {pairs}.")
    yield from map(_looked_up, event.looked_up)
    yield _figures(event)
    yield from _costs(event)
    if event.portal_id:
        yield plain(f"They go to portal {event.portal_id}.")
    if event.reasons and in_full:
        yield from _reasons([FailedFor(rows, code, *explain(code)[:2]) for code, rows in event.reasons.items()])
    elif event.reasons:
        yield plain(f"Rejected: {', '.join(f'{rows:,} {reason}' for reason, rows in event.reasons.items())}.")


def _inputs(inputs: Mapping[str, Understood]) -> Iterator[Text]:
    for name, understood in inputs.items():
        parts = [f"{understood.records:,} records", understood.format, understood.encoding, _delimiter(understood)]
        parts += [understood.sheet and f"sheet {understood.sheet}", f"header in row {understood.header_row}"]
        columns = "; ".join(f"{field}: {', '.join(headers)}" for field, headers in understood.columns.items())
        yield Text.assemble(plain(name, "bold"), plain(f": {', '.join(part for part in parts if part)}"))
        yield plain(f"Columns: {columns}")
        if understood.unused:
            yield plain(f"Columns not used: {_first(understood.unused)}")
        for warning in understood.warnings:
            yield plain(f"Warning: {warning}", "bold yellow")


def _first(headers: Sequence[str]) -> str:
    more = f", and {len(headers) - MOST_HEADERS:,} more" if len(headers) > MOST_HEADERS else ""
    return ", ".join(headers[:MOST_HEADERS]) + more


def _delimiter(understood: Understood) -> str:
    if not understood.delimiter:
        return ""
    return "delimiter tab" if understood.delimiter == "\t" else f"delimiter {understood.delimiter}"


def _kinds(event: Planned) -> Table:
    lines = table("Rows", "From", "To", "Association type", "Label")
    for kind in event.kinds[:MOST_KINDS]:
        first, second = _type(kind.object_type, kind.object_type_id), _type(kind.to_object_type, kind.to_object_type_id)
        lines.add_row(f"{kind.rows:,}", first, second, _what(kind), plain(kind.label))
    if len(event.kinds) > MOST_KINDS:
        rest = event.kinds[MOST_KINDS:]
        lines.add_row(f"{sum(kind.rows for kind in rest):,}", "", "", f"{len(rest):,} more combinations", "")
    return lines


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _type(name: str, type_id: str) -> Text:
    return plain(f"{name} ({type_id})" if type_id not in ("", name) else name)


def _what(kind: Kind) -> Text:
    if kind.problem:
        return plain("none: see below", "red")
    if kind.association_category == "UNCHECKED":
        return plain("not checked: only the portal knows it", "yellow")
    return plain(f"{kind.association_category} {kind.association_type_id}")


def _looked_up(what: LookedUp) -> Text:
    if what.found is None:
        return plain(
            f"Not looked up, because there is no token: {what.values:,} values of {what.id_property} that stand for "
            f"{what.object_type}."
        )
    missing = what.values - what.found
    return plain(
        f"Looked up {what.object_type} by {what.id_property}: {what.values:,} values, {what.found:,} found"
        + (f", {missing:,} not." if missing else ".")
    )


def _figures(event: Planned) -> Text:
    duplicates = event.rows - event.rejected - event.pairs
    words = [f"{event.rows:,} rows", f"{event.pairs:,} pairs to send"]
    if duplicates:
        words.append(f"{duplicates:,} rows share a pair with another")
    if event.without:
        words.append(f"{event.without:,} blank cells ask for nothing")
    words.append(f"{event.rejected:,} rejected")
    first = "" if event.limit is None else f"As far as --limit {event.limit} goes: "
    return Text(f"{first}{', '.join(words)}.")


def _merged(merged: Sequence[MergedRecord]) -> str:
    named = [f"{one_of(each.object_type, each.record_id)} into {each.survivor}" for each in merged[:MOST_MERGED]]
    more = f" and {len(merged) - MOST_MERGED:,} more" if len(merged) > MOST_MERGED else ""
    return (
        f"Merged in HubSpot: {', '.join(named)}{more}. Their rows will fail: write the ids of the records that survive."
    )


def _costs(event: Planned) -> Iterator[Text]:
    """Yield what each method costs, and before that how much of it is there already."""
    if event.so_far is not None and event.so_far.pairs:
        of = "" if event.so_far.whole else ", the first ones, from which the rest is estimated"
        if merged := event.merged:
            yield plain(_merged(merged), "yellow")
        yield Text(f"{event.so_far.unchanged:,} of {event.so_far.pairs:,} pairs have all that is asked for{of}.")
        if event.losing is not None:
            yield Text(
                f"{event.losing.labels:,} labels that the file does not ask for go from "
                f"{event.losing.pairs:,} pairs{of}.",
                "bold yellow" if event.losing.labels else "",
            )
    rate = f"{event.rate.requests:,} per {event.rate.seconds:g} s"
    for method, cost in event.costs.items():
        words = f"--method {method}: {cost.requests:,} requests take {duration(cost.seconds)} at {rate}"
        if event.daily_quota:
            words += f", and {_percent(cost.share or 0)} of the day's quota of {event.daily_quota:,}"
        yield Text(f"{words}.")
        if cost.stale:
            yield Text(
                f"--method {method} sends a batch again for ids in it that HubSpot does not have any more, at worst "
                f"once for each: if 1% of the pairs have one, up to {cost.stale:,} requests more."
            )


def _percent(share: float) -> str:
    return "less than 0.1%" if 0 < share < 0.0005 else f"{share:.1%}"


def labels_table(event: Labels) -> Table:
    """Return the association types of two object types, each as a load takes it."""
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
    yield _counts(rows)
    if event.reasons:
        yield from _reasons(event.reasons)
    retried = f", {requests['retried']:,} retried" if requests["retried"] else ""
    limited = f", {requests['rate_limited']:,} answers of 429" if requests["rate_limited"] else ""
    yield Text(
        f"{summary['pairs']:,} pairs, {requests['sent']:,} requests{retried}{limited} in {duration(summary['seconds'])}"
        f" ({summary['rate']['achieved_per_second']:g} per second, limit {summary['rate']['limit']})."
    )
    yield plain(f"Results: {event.results}")
    if event.failures:
        mend = "mend it and load it" if event.reloadable else "mend these rows in their own files"
        yield plain(f"Failures: {event.failures} ({mend})")
    if summary["next_command"]:
        yield command(f"Next: {summary['next_command']}")


_MARKED = {
    "there": ("= there", "green"),
    "different": ("* other types", "yellow"),
    "missing": ("+ missing", "red"),
    "unreadable": ("! unreadable", "red"),
}


def verified_table(event: Verified) -> Iterator[RenderableType]:
    """Yield how many rows are there as they should be, and how many are not."""
    summary: Mapping[str, Any] = event.summary
    rows = dict(summary["rows"])
    names = ["rows", *(words for words, _ in _MARKED.values()), *(["not looked at"] * bool(rows["pending"]))]
    counts = table(*names, right=names)
    cells = [Text(f"{rows['total']:,}")]
    cells += [Text(f"{rows[name]:,}", style if rows[name] else "") for name, (_, style) in _MARKED.items()]
    counts.add_row(*cells, *([f"{rows['pending']:,}"] * bool(rows["pending"])))
    yield counts
    if sample := summary["sample"]:
        yield Text(
            f"A sample: {sample['pairs']:,} of {sample['of']:,} pairs, drawn with --seed {sample['seed']}; "
            "rejected rows are counted all."
        )
    yield Text(f"{summary['requests']['sent']:,} requests in {duration(summary['seconds'])}.")
    yield plain(f"Row by row: {event.results}")
    if summary["next_command"]:
        yield command(f"Next: {summary['next_command']}")


def _counts(rows: Mapping[str, int]) -> Table:
    rows = {name: count for name, count in rows.items() if count or name != "replaced"}
    lines = table(*rows, right=rows.keys())
    styles = {"created": "green", "replaced": "green", "failed": "red", "rejected": "red"}
    lines.add_row(*(Text(f"{count:,}", style=styles.get(name, "") if count else "") for name, count in rows.items()))
    return lines


def _reasons(reasons: Sequence[FailedFor]) -> Iterator[RenderableType]:
    lines = table("Rows", "What is wrong, and what to do")
    for each in reasons:
        lines.add_row(f"{each.rows:,}", Text.assemble(plain(each.code, "bold"), plain(f": {each.cause} {each.mend}")))
    yield lines
    yield command(f"More about a reason: association-loader explain {reasons[0].code}")


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
        yield Text(
            "Again?: whether sending the row once more as it is may help. HTTP_<status>: an answer without a code."
        )
        return
    for each in event.reasons:
        yield plain(f"{each.codes[0]}, {'of a row that was sent, or of a run' if each.sent else 'never sent'}", "bold")
        yield Text(f"What it means: {each.cause}")
        yield Text(f"What to do: {each.mend}")
        yield Text(f"Sending it again as it is: {'may help' if each.retry else 'does not help'}.")


def table(*headers: str, right: Collection[str] = ("Rows",)) -> Table:
    """Return an empty table in the one form that all have; the columns named in `right` hold numbers."""
    form = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for header in headers:
        form.add_column(header, justify="right" if header in right else "left", overflow="fold")
    return form
