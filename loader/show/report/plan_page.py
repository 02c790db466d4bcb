"""A plan as one page of HTML, for the person who must approve it: plan.html filled with the plan."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from loader.events import Planned, RejectedFor
from loader.model import Understood
from loader.show.plan_table import (
    KIND_HEAD,
    MIRROR_HEAD,
    figures,
    first_of,
    in_hubspot,
    kind_cells,
    looked_up,
    mirror_cells,
    mirror_lines,
    new_label,
    removes,
)
from loader.show.report.page import filled
from loader.show.tables import removal_lines
from loader.text import counted, in_words

FIELD_WORDS = {
    "object_type": "object type of the first record",
    "object_id": "id of the first record",
    "to_object_type": "object type of the second record",
    "to_object_id": "id of the second record",
    "association_category": "association category",
    "association_type_id": "association type id",
    "label": "label",
}
METHOD_WORDS = {
    "put": ("One by one", "each row gets the id that HubSpot created"),
    "batch": ("In batches", "no created ids"),
    "archive": ("In batches", "labels and associations are removed"),
}

NOTHING_REMOVED = (
    "Nothing is removed: associations and labels that are in HubSpot already stay. Only where a record can have just "
    "one, such as its primary company, the new one takes the place of the old one."
)

MOST_OF_VALUE = 200

MUCH_OF_THE_DAY = 0.2
"""From this share of the day's quota on, other apps of the account may not have enough."""


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A figure on top of the page; a `count` of None is not known."""

    name: str
    count: int | None
    colour: str = ""


def plan_page(event: Planned, notes: Sequence[str], *, version: str, written_at: str) -> str:
    """Return the whole page of a plan; `notes` are the sentences that were shown while it was made.

    `version` is that of the loader, `written_at` is UTC.
    """
    names = [PurePath(name).name if name != "-" else "standard input" for name in event.inputs]
    return filled(
        "plan.html",
        plan=event,
        name=names[0] if len(names) == 1 else f"{names[0]} and {counted(len(names) - 1, 'more input')}",
        account=_account(event),
        removes=removes(event),
        figures=figures(event).plain,
        tiles=list(_tiles(event)),
        decisions=list(_decisions(event)),
        changes=_changes(event),
        cells={each.reason: list(_cells(each, one_input=len(names) == 1)) for each in event.rejects},
        costs=list(_costs(event)),
        unused={name: first_of(understood.unused) for name, understood in event.inputs.items()},
        inputs={name: _facts(understood) for name, understood in event.inputs.items()},
        field_words=FIELD_WORDS,
        unknown=list(_unknown(event)),
        looked_up=[looked_up(each).plain for each in event.looked_up if each.found is not None],
        notes=list(dict.fromkeys(notes)),
        version=version,
        written_at=written_at,
    )


def _account(event: Planned) -> str:
    """Return where the rows go, for the title."""
    if event.portal_id is None:
        return "a HubSpot account that is not known yet"
    kind = event.account_type.replace("_", " ").lower()
    account = f"HubSpot account {event.portal_id}{f' ({kind})' if kind not in ('', 'standard') else ''}"
    return f"SANDBOX, not HubSpot: account {event.portal_id} at {event.address}" if event.address else account


def _tiles(event: Planned) -> Iterator[Tile]:
    """Yield a few figures of what would happen."""
    if event.mirror is not None:
        types = event.mirror.types
        yield Tile(name="to be added", count=sum(each.added for each in types), colour="green")
        yield Tile(name="kept", count=sum(each.kept for each in types), colour="blue")
        yield Tile(name="to be removed", count=event.mirror.removed, colour="red")
    elif removes(event):
        counts = {"whole": "associations removed", "labelled": "associations losing labels", "unchanged": "not there"}
        for count, name in counts.items():
            known = getattr(event.removal, count) if event.removal is not None else None
            yield Tile(name=name, count=known, colour="blue" if count == "unchanged" else "red")
    else:
        whole = event.so_far is not None and event.so_far.whole
        there = event.so_far.unchanged if event.so_far is not None and whole else None
        yield Tile(name="pairs to send", count=event.pairs - (there or 0), colour="green")
        yield Tile(name="in HubSpot already", count=there, colour="blue")
        if event.losing is not None:
            yield Tile(name="labels removed", count=event.losing.labels, colour="red")
    yield Tile(name="rows rejected", count=event.rejected, colour="amber")
    yield Tile(name="rows", count=event.rows)


def _decisions(event: Planned) -> Iterator[str]:
    """Yield what the reader has to decide, the most important first."""
    if event.portal_id is None:
        yield (
            "Which HubSpot account is meant? No token was set, so the account is not known and nothing was looked up "
            "in it. Have it planned again with the account's token before you agree."
        )
    elif event.address:
        yield "This is a rehearsal in a simulated HubSpot, where no real account is changed. Is it what you expect?"
    else:
        yield f"Is {event.portal_id} the right HubSpot account? The number is in the addresses of its pages."
    if event.mirror is not None and event.mirror.too_many:
        yield f"As it is, nothing would be sent at all. {event.mirror.too_many}"
    if question := _removal(event):
        yield question
    if event.new_labels:
        yield f"{counted(len(event.new_labels), 'label')} will be created in HubSpot. Is each spelled as you want it?"
    if event.rejected:
        yield (
            f"{counted(event.rejected, 'row')} of {event.rows:,} will be left out, because something in them is wrong. "
            "Go ahead without them, or have the file corrected first?"
        )
    if any(understood.warnings for understood in event.inputs.values()):
        yield "The file has columns that are not used, and look as if they should be. Is that right?"
    if (event.costs[event.method].share or 0) >= MUCH_OF_THE_DAY:
        yield "The requests take a large share of the account's quota for the day. Can its other apps spare that?"
    if event.pairs:
        yield "Which of HubSpot's own automations must be switched off first? See below."


def _removal(event: Planned) -> str | None:
    """Return the question about how much is taken off; None if nothing is."""
    if removes(event):
        if event.removal is None:
            return "How much would be removed is not known. Have it looked up before you agree."
        at_most = event.removal.at_most
        return f"{counted(at_most, 'association')} will change or be removed. Is that meant?" if at_most else None
    if event.mirror is not None:
        removed = event.mirror.removed
        if not removed:
            return None
        return (
            f"{counted(removed, 'association')} will be removed, because the file does not have them. Is it complete?"
        )
    if event.losing is not None:
        labels = counted(event.losing.labels, "label")
        return f"{labels} that the file does not name will be removed. Is that meant?" if event.losing.labels else None
    gone = {"mirror": "Associations that the file does not have", "replace": "Labels that the file does not name"}
    if event.existing not in gone:
        return None
    return f"{gone[event.existing]} will be removed, and how many is not known. Have it looked up before you agree."


def _changes(event: Planned) -> Mapping[str, object]:
    """Return what would change in HubSpot, as a table by label and as sentences."""
    if event.mirror is not None:
        head, cells = MIRROR_HEAD, mirror_cells(event.mirror)
        sentences = list(mirror_lines(event, event.mirror))
    else:
        head, cells = KIND_HEAD, kind_cells(event.kinds)
        sentences = list(removal_lines(event.removal)) if event.removal is not None else []
    sentences = [*map(new_label, event.new_labels), *in_hubspot(event), *sentences]
    adds_only = event.existing == "merge" and not removes(event)
    return {
        "head": head,
        "lines": [list(map(str, line)) for line in cells],
        "sentences": [*map(str, sentences), *([NOTHING_REMOVED] if adds_only else [])],
    }


def _cells(rejects: RejectedFor, *, one_input: bool) -> Iterator[tuple[str, ...]]:
    """Yield the table of the first rows that are rejected for a reason; rows with equal cells share a line."""
    rows: dict[tuple[str, str, str], list[int]] = {}
    for each in rejects.first:
        rows.setdefault((each.input, each.column, each.value), []).append(each.row)
    for (name, column, value), found in rows.items():
        shown = f"{value[:MOST_OF_VALUE]}…" if len(value) > MOST_OF_VALUE else value.strip() and value
        line = (column, shown or "(blank)", ", ".join(f"{row:,}" for row in dict.fromkeys(found)))
        yield line if one_input else (name, *line)


def _costs(event: Planned) -> Iterator[tuple[str, ...]]:
    """Yield the lines of a table of what each method costs."""
    for method, cost in event.costs.items():
        name, gives = METHOD_WORDS[method]
        chosen = " (this plan)" if method == event.method and len(event.costs) > 1 else ""
        share = "not known" if cost.share is None else f"{cost.share:.1%}" if cost.share >= 0.001 else "under 0.1%"
        yield f"{name}{chosen}", in_words(cost.seconds), f"{cost.requests:,}", share, gives


def _facts(understood: Understood) -> Mapping[str, str]:
    """Return how an input was read, in words."""
    delimiter = {"\t": "tab", None: ""}.get(understood.delimiter, understood.delimiter or "")
    return {
        "Records": f"{understood.records:,}",
        "Format": understood.format,
        "Encoding": understood.encoding or "",
        "Delimiter": delimiter,
        "Sheet": understood.sheet or "",
        "Header": f"row {understood.header_row}",
    }


def _unknown(event: Planned) -> Iterator[str]:
    """Yield what could not be looked up, because no token was set."""
    if event.portal_id is not None:
        return
    yield "What the HubSpot account has already: each pair counts as one to send."
    yield "The account's own rate limit and its quota for the day."
    if event.unchecked:
        pairs = first_of([f"{first} to {second}" for first, second in event.unchecked])
        yield f"The labels that the account has, so those of the file are not checked: {pairs}."
    for each in event.looked_up:
        if each.found is None:
            values = counted(each.values, f"value of {each.id_property}", f"values of {each.id_property}")
            yield f"Which {each.object_type} have the {values} in the file."
