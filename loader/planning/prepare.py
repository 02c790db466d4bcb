"""Read, check, resolve, group: the steps that load, plan and verify have in common."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from loader.errors import RecordError
from loader.events import (
    Kind,
    LookedUp,
    NewLabel,
    Notify,
    Planned,
    Reading,
    RejectedFor,
    RejectedRow,
    RemovalPlanned,
)
from loader.journal import InThread
from loader.model import Problem, Resolved, RowKind
from loader.planning.association_limits import reject_beyond_limits
from loader.planning.cost import ARCHIVE, Ahead, costs, method_for
from loader.planning.names import learn, of_another_portal, refuse_options, resolve_names
from loader.planning.new_labels import plan_labels
from loader.planning.object_types import ObjectTypes
from loader.planning.own_keys import look_up
from loader.planning.staging import Staging
from loader.read import Input
from loader.reasons import explain
from loader.send.portal import GatewayPortal
from loader.send.reading import RECORDS_PER_READ, CurrentAssociations
from loader.settings import Rate, SendSettings, Settings
from loader.stopping import Stop

RECORDS_BETWEEN_EVENTS = 20_000

MOST_NAMED = 10
"""How many rejected rows a plan names for each reason."""


def read_all(staging: Staging, inputs: Sequence[Input], notify: Notify, stop: Stop) -> None:
    """Append every record of every input."""
    for source in inputs:
        columns = source.header, source.to_columns, source.id_properties
        staging.begin_input(
            source.name, source.sha256, *columns, label_column=source.label_column, copied=source.copied
        )
        records, shown = 0, 0
        for chunk in source.chunks():
            stop.check()
            staging.append(chunk)
            records += len(chunk.rows)
            if records - shown >= RECORDS_BETWEEN_EVENTS:
                shown = records
                notify(Reading(source.name, records))
        staging.end_input()
    staging.name_types(ObjectTypes())


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """The kinds of rows with their verdicts, the directions with unchecked labels, and what was looked up.

    `new_labels` will be made before anything is sent.
    """

    kinds: tuple[Kind, ...]
    unchecked: tuple[tuple[str, str], ...]
    looked_up: tuple[LookedUp, ...]
    new_labels: tuple[NewLabel, ...] = ()


async def resolve_and_group(
    thread: InThread[Staging],
    settings: Settings,
    portal: GatewayPortal | None,
    notify: Notify,
    stop: Stop,
    *,
    current: CurrentAssociations | None = None,
    by_record: bool = False,
) -> Resolution:
    """Turn names and own keys into ids, and rows into pairs, in a journal under construction.

    `portal` answers for names, own keys and association limits; without a token it is None. Where `current` is given,
    which reads the associations that records have, pairs that would pass the portal's association limits are rejected.
    `by_record` puts the pairs of one record together, so that they are looked up together before they are sent. Where
    the settings limit the records to be sent, the returned kinds are those of these records alone.
    Raises UsageError when an option cannot be right for any row, and Fatal when the portal refuses the token.
    """
    staging = thread.held
    kinds = staging.kinds()
    portal_id = portal.portal_id if portal else settings.connection.portal_id
    verdicts, unchecked, names, types = await stop.unless(resolve_names(kinds, portal, removes=settings.removes))
    new_labels: tuple[NewLabel, ...] = ()
    if settings.send.create_labels:
        new_labels = plan_labels(kinds, staging.rows_of_kind(), verdicts, names, types)
    refuse_options(settings.read, kinds, verdicts)
    for kind, verdict in verdicts.items():
        if isinstance(verdict, Resolved):
            verdicts[kind] = (
                of_another_portal(kinds[kind], verdict, names, portal_id, offline=portal is None) or verdict
            )
    await thread.call(Staging.name_types, names)
    directions = {kind: verdict.direction for kind, verdict in verdicts.items() if isinstance(verdict, Resolved)}
    mirror = settings.send.existing == "mirror"
    if mirror:  # Also the records that rejected rows name by own keys: they are exempt.
        directions = {**staging.named_directions(), **directions}
    looked_up = await stop.unless(look_up(staging, directions, names, portal, notify))
    rows = await thread.call(Staging.rows_of_kind, settings.send.limit)
    try:
        specifications = await thread.call(Staging.group, verdicts, types, by_record=by_record)
        if portal is not None and current is not None and not settings.removes:
            await stop.unless(reject_beyond_limits(staging, specifications, types, portal, current))
        if mirror:
            every = settings.send.mirror_all_labels
            for direction in staging.sound_directions() if every else ():
                if not types.looked_up(direction):
                    await stop.unless(learn(direction, types, portal))
            await thread.call(Staging.note_scope, types, portal_id, all_labels=every)
    except RecordError:
        stop.check()
        raise
    counts: Counter[Kind] = Counter()
    for kind, verdict in verdicts.items():
        if rows[kind]:
            counts[_describe(kinds[kind], verdict, names)] += rows[kind]
    described = tuple(replace(kind, rows=count) for kind, count in counts.items())
    open_pairs = tuple((names.shown(first), names.shown(second)) for first, second in unchecked)
    return Resolution(kinds=described, unchecked=open_pairs, looked_up=looked_up, new_labels=new_labels)


def _describe(row_kind: RowKind, verdict: Resolved | Problem, names: ObjectTypes) -> Kind:
    """Return a kind of row as it is shown, without the number of its rows; different kinds may look the same."""
    if isinstance(verdict, Resolved):
        first, second = map(names.shown, verdict.direction)
        category, type_id = verdict.type.category, str(verdict.type.type_id) if verdict.type.type_id > 0 else ""
        return Kind(0, first, second, category, type_id, verdict.label, "", *verdict.direction)
    return Kind(0, *row_kind[:5], problem=verdict.message)


def planned(
    staging: Staging,
    inputs: Sequence[Input],
    resolution: Resolution,
    send: SendSettings,
    *,
    rate: Rate,
    daily_quota: int | None,
    portal_id: str | None,
    account_type: str,
    address: str,
) -> Planned:
    """Return what was planned, for people to look at before anything is sent.

    Unknown facts about the portal are None or blank; `address` is blank also if requests go to HubSpot.
    """
    figures = staging.journal.figures(send.limit)
    read = zip(inputs, figures.records, strict=True)
    by_method = costs(figures.pairs, figures.looked_up, rate, daily_quota, removes=send.method == ARCHIVE)
    method = method_for(send.method, by_method)
    rejects = [
        RejectedFor(reason, rows, *explain(reason)[:2], _first_rejected(staging, inputs, reason, send.limit))
        for reason, rows in figures.reasons.items()
    ]
    return Planned(
        inputs={source.name: source.understood._replace(records=records) for source, records in read},
        kinds=resolution.kinds,
        rows=figures.rows,
        pairs=figures.pairs,
        rejected=figures.rejected,
        reasons=figures.reasons,
        without=figures.without,
        unchecked=resolution.unchecked,
        looked_up=resolution.looked_up,
        portal_id=portal_id,
        account_type=account_type,
        address=address,
        method=method,
        chosen=send.method != method,
        requests=by_method[method].requests,
        seconds=by_method[method].seconds,
        rate=rate,
        daily_quota=daily_quota,
        costs=by_method,
        limit=send.limit,
        existing=send.existing,
        rejects=tuple(rejects),
        new_labels=resolution.new_labels,
    )


def _first_rejected(
    staging: Staging, inputs: Sequence[Input], reason: str, limit: int | None
) -> tuple[RejectedRow, ...]:
    found = []
    for each in staging.journal.first_rejects(reason, MOST_NAMED, limit):
        source = inputs[each.input]
        headers = source.understood.columns.get(each.field, ())
        column = each.to_column if each.field == "to_object_id" else "".join(headers[:1])
        found.append(RejectedRow(source.name, each.row, column, each.value, each.message))
    return tuple(found)


def with_what_is_there(event: Planned, ahead: Ahead, method: str) -> Planned:
    """Return a plan with what the portal has already; of very many pairs only some are looked up."""
    so_far = ahead.so_far
    share = so_far.unchanged / so_far.pairs if so_far.pairs else 0.0
    lacking = event.pairs - round(share * event.pairs)
    records = event.costs["put"].reads * RECORDS_PER_READ
    by_method = costs(lacking, records, event.rate, event.daily_quota)
    chosen = method_for(method, by_method)
    cost = by_method[chosen]
    return replace(
        event,
        costs=by_method,
        method=chosen,
        so_far=so_far,
        losing=ahead.losing,
        merged=ahead.merged,
        requests=cost.requests,
        seconds=cost.seconds,
    )


def with_removals(event: Planned, found: RemovalPlanned) -> Planned:
    """Return a plan with what the portal has of that which is to be taken off."""
    cost = event.costs[ARCHIVE]
    records = cost.reads // 2 * RECORDS_PER_READ
    by_method = costs(found.pairs, records, event.rate, event.daily_quota, removes=True)
    reasons, rejects = dict(event.reasons), event.rejects
    if found.refused_rows:
        reason = "WOULD_REMOVE_LABELS"
        reasons[reason] = found.refused_rows
        rejects = (*rejects, RejectedFor(reason, found.refused_rows, *explain(reason)[:2], ()))
    return replace(
        event,
        costs=by_method,
        removal=found,
        pairs=event.pairs - found.refused,
        rejected=event.rejected + found.refused_rows,
        reasons=reasons,
        rejects=rejects,
        requests=by_method[ARCHIVE].requests,
        seconds=by_method[ARCHIVE].seconds,
    )
