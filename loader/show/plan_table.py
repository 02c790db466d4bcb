"""The tables of a plan: how the inputs were understood, what will be sent and what it costs."""

from collections.abc import Iterator, Mapping, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from loader.events import (
    Kind,
    LookedUp,
    MergedRecord,
    MirrorPlanned,
    NewLabel,
    Planned,
    RejectedFor,
    RejectedRow,
)
from loader.model import Understood
from loader.object_type_names import record_in_words
from loader.show.tables import command, plain, removal_lines, table
from loader.text import counted, in_words

MOST_MERGED = 20
MOST_HEADERS = 30
MOST_KINDS = 50
"""The most lines of a table in a plan; the others are in the results."""
MOST_CELLS = 3
"""How many different cells are shown for one reason."""
MOST_OF_VALUE = 40

KIND_HEAD: tuple[str, ...] = ("Rows", "From", "To", "Association type", "Label")
MIRROR_HEAD: tuple[str, ...] = ("Added", "Kept", "Removed", "From", "To", "Label")

LARGE = 1000
"""Pairs of a load whose side effects in HubSpot are worth a warning."""
REACTIONS = (
    "HubSpot reacts to new associations by itself: workflows that look at them run, and it may associate companies by "
    "domain. Switch off in HubSpot what must not happen before you load."
)
MANY_STALE = 10
"""From this many additional requests for refused batches on, they are mentioned."""


def plan_table(event: Planned, *, in_full: bool = True) -> Iterator[RenderableType]:
    """Yield how each input was read, its kinds of rows, the HubSpot account, and how many rows will be sent.

    `in_full`: why rows are rejected is shown in full, as for a plan; a load shows one line, and the rest at its end.
    """
    yield from _inputs(event.inputs)
    yield _kinds(event)
    problems = [kind for kind in event.kinds if kind.problem]
    for kind in problems[:MOST_KINDS]:
        yield plain(f"{counted(kind.rows, 'row')}: {kind.problem}", "red")
    if more := problems[MOST_KINDS:]:
        rows = counted(sum(kind.rows for kind in more), "row")
        yield plain(f"{rows} with {counted(len(more), 'more such problem')}.", "red")
    yield from map(new_label, event.new_labels)
    for name, understood in event.inputs.items():
        whose = f"{name}: " if len(event.inputs) > 1 else ""
        for note in understood.notes:
            yield plain(f"Note: {whose}{note}")
    if event.unchecked:
        pairs = first_of([f"{first} to {second}" for first, second in event.unchecked])
        yield plain(f"No token is set (HUBSPOT_ACCESS_TOKEN), so labels were not checked: those of {pairs}.")
    yield from map(looked_up, event.looked_up)
    if event.portal_id:
        yield _account(event)
    yield figures(event)
    yield from in_hubspot(event)
    yield from _mirror(event)
    if event.pairs:
        yield from _cost_of_removal(event) if removes(event) else _costs(event)
    if event.portal_id and event.pairs >= LARGE and not removes(event):
        yield Text(REACTIONS, "yellow")
    if not in_full:
        if event.reasons:
            reasons = ", ".join(f"{rows:,} {reason}" for reason, rows in event.reasons.items())
            yield plain(f"Rejected: {reasons}.")
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
        yield plain(f"Failures: {event.failures} (all {counted(event.rejected, 'rejected row')})")
    elif not removes(event):
        yield plain("All of them in a file, each with what is wrong: plan again with --failures rejected.csv.")


def _where(rejects: RejectedFor, *, one_input: bool) -> str:
    """Return where the first rows of a reason are, each different cell once: `row 152 "to_id": "x"; also 242`."""
    cells: dict[tuple[str, str, str], list[RejectedRow]] = {}
    for each in rejects.first:
        cells.setdefault((each.input, each.column, each.value), []).append(each)
    words, named = [], 0
    for (name, column, value), (first, *others) in list(cells.items())[:MOST_CELLS]:
        row = f"row {first.row:,}" if one_input else f"{name} row {first.row:,}"
        cell = f'{row} "{column}"'
        if value.strip():
            cell += f': "{value[:MOST_OF_VALUE]}{"…" * (len(value) > MOST_OF_VALUE)}"'
        words.append(cell if column else first.message.removesuffix("."))
        if also := list(dict.fromkeys(f"{each.row:,}" for each in others if each.row != first.row)):
            words.append(f"also {', '.join(also)}")
        named += 1 + len(others)
    more = rejects.rows - named
    return "; ".join(words) + (f"; and {more:,} more" if more else "")


def _inputs(inputs: Mapping[str, Understood]) -> Iterator[Text]:
    for name, understood in inputs.items():
        parts = [counted(understood.records, "record"), understood.format, understood.encoding, _delimiter(understood)]
        parts += [understood.sheet and f"sheet {understood.sheet}", f"header in row {understood.header_row}"]
        used = ", ".join(f"{', '.join(headers)} ({field})" for field, headers in understood.columns.items())
        yield Text.assemble(plain(name, "bold"), plain(f": {', '.join(part for part in parts if part)}"))
        yield plain(f"Columns used: {used}")
        if understood.unused:
            yield plain(f"Columns not used: {first_of(understood.unused)}")
        for warning in understood.warnings:
            yield plain(f"Warning: {warning}", "bold yellow")


def first_of(headers: Sequence[str]) -> str:
    """Return the first of some names, such as headers, as a list."""
    more = f", and {len(headers) - MOST_HEADERS:,} more" if len(headers) > MOST_HEADERS else ""
    return ", ".join(headers[:MOST_HEADERS]) + more


def _delimiter(understood: Understood) -> str:
    if not understood.delimiter:
        return ""
    return "delimiter tab" if understood.delimiter == "\t" else f"delimiter {understood.delimiter}"


def _kinds(event: Planned) -> Table:
    lines = table(*KIND_HEAD)
    for cells in kind_cells(event.kinds):
        lines.add_row(*cells)
    return lines


def kind_cells(kinds: Sequence[Kind]) -> Iterator[tuple[Text, ...]]:
    """Yield the lines of a table of the kinds of rows, under `KIND_HEAD`."""
    for kind in kinds[:MOST_KINDS]:
        first, second = _type(kind.object_type, kind.object_type_id), _type(kind.to_object_type, kind.to_object_type_id)
        yield Text(f"{kind.rows:,}"), first, second, _association_type(kind), plain(kind.label)
    if rest := kinds[MOST_KINDS:]:
        rows, more = sum(kind.rows for kind in rest), counted(len(rest), "more combination")
        yield Text(f"{rows:,}"), Text(), Text(), Text(more), Text()


def new_label(new: NewLabel) -> Text:
    """Return the facts about a label before it is made."""
    near = f"; there is {' and '.join(map(repr, new.near))}" if new.near else ""
    return plain(
        f"To be created: the label {new.label!r} from {new.direction}, for {counted(new.rows, 'row')}{near}.", "yellow"
    )


def _type(name: str, type_id: str) -> Text:
    return plain(f"{name} ({type_id})" if type_id not in ("", name) else name)


def _association_type(kind: Kind) -> Text:
    if kind.problem:
        return plain("none: see below", "red")
    if kind.association_category == "UNCHECKED":
        return plain("not checked: no token", "yellow")
    if not kind.association_category:
        return plain("the whole pair")
    if not kind.association_type_id:
        return plain(f"{kind.association_category}, to be created", "yellow")
    return plain(f"{kind.association_category} {kind.association_type_id}")


def removes(event: Planned) -> bool:
    """Return True for the plan of a removal."""
    return "archive" in event.costs


def looked_up(what: LookedUp) -> Text:
    """Return the result of looking up the values of a property."""
    values = counted(what.values, f"{what.id_property} value")
    if what.found is None:
        return plain(f"No token is set (HUBSPOT_ACCESS_TOKEN), so {values} of {what.object_type} were not looked up.")
    missing = what.values - what.found
    return plain(
        f"Looked up {what.object_type} by {what.id_property}: {counted(what.values, 'value')}, {what.found:,} found"
        + (f", {missing:,} not." if missing else ".")
    )


def _account(event: Planned) -> Text:
    """Return where the rows go: a number and, where it is not an ordinary account, what it is."""
    kind = event.account_type.replace("_", " ").lower()
    words = f"HubSpot account: {event.portal_id}{f' ({kind})' if kind not in ('', 'standard') else ''}"
    if not event.address:
        return plain(words, "bold")
    return plain(f"{words}. SANDBOX, not HubSpot: {event.address}", "bold yellow")


def figures(event: Planned) -> Text:
    """Return the plan in one sentence: rows, pairs, and what is not sent."""
    duplicates = event.rows - event.rejected - event.pairs
    words = [counted(event.rows, "row"), f"{counted(event.pairs, 'pair')} to {'remove' if removes(event) else 'send'}"]
    if duplicates:
        words.append(f"{counted(duplicates, 'row')} {'repeats' if duplicates == 1 else 'repeat'} a pair")
    if event.without:
        words.append(f"{counted(event.without, 'blank cell')} skipped")
    words.append(f"{event.rejected:,} rejected")
    first = "" if event.limit is None else f"With --limit {event.limit}: "
    return Text(f"{first}{', '.join(words)}.")


def _mirror(event: Planned) -> Iterator[RenderableType]:
    """Yield what a mirror does, by label; nothing for any other load."""
    if (mirror := event.mirror) is None:
        return
    lines = table(*MIRROR_HEAD, right=MIRROR_HEAD[:3])
    for cells in mirror_cells(mirror):
        lines.add_row(*cells)
    yield lines
    yield from mirror_lines(event, mirror)


def mirror_cells(mirror: MirrorPlanned) -> Iterator[tuple[Text, ...]]:
    """Yield the lines of a table of what a mirror does by association type, under `MIRROR_HEAD`."""
    for each in mirror.types:
        yield (
            Text(f"{each.added:,}"),
            Text(f"{each.kept:,}"),
            Text(f"{each.removed:,}", "bold yellow" if each.removed else ""),
            plain(each.object_type),
            plain(each.to_object_type),
            plain(each.label) if each.label else Text("(no label)", "dim"),
        )


def mirror_lines(event: Planned, mirror: MirrorPlanned) -> Iterator[Text]:
    """Yield how much a mirror takes off in all, what that costs, and what prevents it."""
    requests, day = mirror.requests, event.daily_quota
    share = _share(requests / day if day else None, " of the day")
    yield Text(
        f"{mirror.removed:,} of {counted(mirror.associations, 'association')} in scope are not in the file and will be "
        f"removed, in {in_words(requests / event.rate.per_second)} and {counted(requests, 'request')}{share}.",
        "bold yellow" if mirror.removed else "",
    )
    if mirror.exempt_records:
        yield Text(
            f"{counted(mirror.exempt_records, 'record')} will lose nothing, because a row is rejected, or HubSpot "
            "does not show what is there."
        )
    if mirror.too_many:
        yield plain(f"A load would stop: {mirror.too_many}", "bold yellow")


def _merged(merged: Sequence[MergedRecord]) -> str:
    named = [
        f"{record_in_words(each.object_type, each.record_id)} into {each.survivor}" for each in merged[:MOST_MERGED]
    ]
    more = f" and {len(merged) - MOST_MERGED:,} more" if len(merged) > MOST_MERGED else ""
    return f"Merged in HubSpot: {', '.join(named)}{more}. Their rows will fail: write the id that each was merged into."


def in_hubspot(event: Planned) -> Iterator[Text]:
    """Yield how many pairs are in HubSpot already, as far as that was looked up."""
    found = event.so_far
    if found is None or not found.pairs:
        return
    if event.merged:
        yield plain(_merged(event.merged), "yellow")
    pairs = counted(found.pairs, "pair")
    if found.unchanged == 0:
        words = f"None of the {pairs} is in HubSpot yet" if found.pairs > 1 else "The pair is not in HubSpot yet"
    elif found.unchanged == found.pairs:
        words = f"All {pairs} are in HubSpot already" if found.pairs > 1 else "The pair is in HubSpot already"
    else:
        words = f"{found.unchanged:,} of the {pairs} {'is' if found.unchanged == 1 else 'are'} in HubSpot already"
    yield Text(f"{words}{'' if found.whole else ' (only these first ones were checked)'}.")
    if event.losing is not None:
        labels, pairs = counted(event.losing.labels, "label"), counted(event.losing.pairs, "pair")
        yield Text(
            f"{labels} that the file does not name will be removed, from {pairs}.",
            "bold yellow" if event.losing.labels else "",
        )


def _costs(event: Planned) -> Iterator[Text]:
    """Yield how long a load takes by each method, what each gives, and what it costs of the limits."""
    put, batch = event.costs["put"], event.costs["batch"]
    if not put.writes:
        if event.mirror is None or not event.mirror.removed:
            yield Text("Nothing to do: everything in the file is in HubSpot already.")
        return
    one, many = ("", " (--method auto)") if event.chosen else (" (default)", " (chosen)")
    one, many = (one, "") if event.method == "put" else ("", many)
    if event.chosen and event.method == "put":
        one = " (--method auto)"
    first = f"One by one{one}: {in_words(put.seconds)}."
    second = f"In batches{many}: {in_words(batch.seconds)}, without created ids."
    yield Text(f"{first} {second}" if event.method == "put" else f"{second} {first}")
    rate = f"at most {event.rate.requests:,} in {event.rate.seconds:g} s"
    day = f", {event.daily_quota:,} a day" if event.daily_quota else ""
    yield Text(
        f"Requests ({rate}{day}): {put.requests:,} one by one{_share(put.share, ' of the day')}, "
        f"{batch.requests:,} in batches{_share(batch.share)}."
    )
    if batch.stale >= MANY_STALE:
        yield Text(
            f"Batches take up to {counted(batch.stale, 'more request')} if HubSpot does not have 1% of the records any "
            "more."
        )


def _cost_of_removal(event: Planned) -> Iterator[Text]:
    if event.removal is not None:
        yield from removal_lines(event.removal)
    cost = event.costs["archive"]
    requests = f"{counted(cost.requests, 'request')}{_share(cost.share, ' of the day')}"
    rate = f"at most {event.rate.requests:,} in {event.rate.seconds:g} s"
    yield Text(f"To remove that: {in_words(cost.seconds)}, {requests}, {rate}.")


def _share(share: float | None, of: str = "") -> str:
    return "" if share is None or share < 0.0005 else f" ({share:.1%}{of})"
