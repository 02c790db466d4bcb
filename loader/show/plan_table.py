"""The tables of a plan: how the inputs were understood, what will be sent and what it costs."""

from collections.abc import Iterator, Mapping, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from loader.events import Kind, LookedUp, MergedRecord, NewLabel, Planned, RejectedFor, RejectedRow
from loader.model import Understood
from loader.object_type_names import one_of
from loader.show.tables import command, duration, plain, removal_lines, table

MOST_MERGED = 20
MOST_HEADERS = 30
MOST_KINDS = 50
"""The most lines of a table in a plan; with thousands of labels, the others are in the results."""
MOST_CELLS = 3
MOST_OF_VALUE = 40


def plan_table(event: Planned, *, in_full: bool = True) -> Iterator[RenderableType]:
    """Yield how each input was read, what its rows ask for, and how many will be sent.

    A plan shows `in_full` why rows are rejected; a load shows it in a line, and in full at its end.
    """
    yield from _inputs(event.inputs)
    yield _kinds(event)
    problems = [kind for kind in event.kinds if kind.problem]
    for kind in problems[:MOST_KINDS]:
        yield plain(f"{_rows(kind.rows)}: {kind.problem}", "red")
    if more := problems[MOST_KINDS:]:
        yield plain(f"{_rows(sum(kind.rows for kind in more))} with {len(more):,} more such problems.", "red")
    yield from map(_new_label, event.new_labels)
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
        yield plain(f"They {'lie in' if _removes(event) else 'go to'} portal {event.portal_id}.")
    if not in_full:
        if event.reasons:
            yield plain(f"Rejected: {', '.join(f'{rows:,} {reason}' for reason, rows in event.reasons.items())}.")
        return
    if event.rejects:
        yield from _rejects(event)
    if event.next_command:
        yield command(f"Next: {event.next_command}")


def _rejects(event: Planned) -> Iterator[RenderableType]:
    """Yield why rows are rejected, with the first of them, and where they all are."""
    lines = table("Rows", "What is wrong, and what to do")
    for each in event.rejects:
        meaning = plain(f": {each.cause} {each.mend}")
        where = plain(_where(each, one_input=len(event.inputs) == 1), "yellow")
        lines.add_row(f"{each.rows:,}", Text.assemble(plain(each.reason, "bold"), meaning, "\n", where))
    yield lines
    yield command(f"More about a reason: association-loader explain {event.rejects[0].reason}")
    if event.failures:
        yield plain(f"Failures: {event.failures} has all {_rows(event.rejected)} that would not be loaded.")
    else:
        yield plain("All of them in a file, each with what is wrong: plan again with --failures rejected.csv.")


def _where(rejects: RejectedFor, *, one_input: bool) -> str:
    """Return where the first rows of a reason are, each different cell once: `row 152 "to_id": "x"; also 242`."""
    cells: dict[tuple[str, str, str], list[RejectedRow]] = {}
    for each in rejects.first:
        cells.setdefault((each.input, each.column, each.value), []).append(each)
    words, named = [], 0
    for (name, column, value), (first, *others) in list(cells.items())[:MOST_CELLS]:
        row = f"row {first.row:,}" if one_input else f"{name} row {first.row:,}"
        text = f'"{value[:MOST_OF_VALUE]}{"…" * (len(value) > MOST_OF_VALUE)}"' if value.strip() else "blank"
        words.append(f'{row} "{column}": {text}' if column else first.message.removesuffix("."))
        if also := list(dict.fromkeys(f"{each.row:,}" for each in others if each.row != first.row)):
            words.append(f"also {', '.join(also)}")
        named += 1 + len(others)
    more = rejects.rows - named
    return "; ".join(words) + (f"; and {more:,} more" if more else "")


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
        lines.add_row(f"{kind.rows:,}", first, second, _association_type(kind), plain(kind.label))
    if len(event.kinds) > MOST_KINDS:
        rest = event.kinds[MOST_KINDS:]
        lines.add_row(f"{sum(kind.rows for kind in rest):,}", "", "", f"{len(rest):,} more combinations", "")
    return lines


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _new_label(new: NewLabel) -> Text:
    near = f"; there is {' and '.join(map(repr, new.near))}" if new.near else ""
    return plain(f"To be made: the label {new.label!r} from {new.direction}, for {_rows(new.rows)}{near}.", "yellow")


def _type(name: str, type_id: str) -> Text:
    return plain(f"{name} ({type_id})" if type_id not in ("", name) else name)


def _association_type(kind: Kind) -> Text:
    if kind.problem:
        return plain("none: see below", "red")
    if kind.association_category == "UNCHECKED":
        return plain("not checked: only the portal knows it", "yellow")
    if not kind.association_category:
        return plain("the whole pair")
    if not kind.association_type_id:
        return plain(f"{kind.association_category}, to be made", "yellow")
    return plain(f"{kind.association_category} {kind.association_type_id}")


def _removes(event: Planned) -> bool:
    return "archive" in event.costs


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
    words = [f"{event.rows:,} rows", f"{event.pairs:,} pairs to {'take off' if _removes(event) else 'send'}"]
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
    if event.removal is not None:
        yield from removal_lines(event.removal)
    rate = f"{event.rate.requests:,} per {event.rate.seconds:g} s"
    for method, cost in event.costs.items():
        what = "To take that off" if _removes(event) else f"--method {method}"
        words = f"{what}: {cost.requests:,} requests take {duration(cost.seconds)} at {rate}"
        if event.daily_quota:
            share = cost.share or 0
            percent = "less than 0.1%" if 0 < share < 0.0005 else f"{share:.1%}"
            words += f", and {percent} of the day's quota of {event.daily_quota:,}"
        yield Text(f"{words}.")
        if cost.stale:
            yield Text(
                f"--method {method} sends a batch again for ids in it that HubSpot does not have any more, at worst "
                f"once for each: if 1% of the pairs have one, up to {cost.stale:,} requests more."
            )
