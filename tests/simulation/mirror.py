"""What must be true of every world of a mirror: nothing out of scope ever changes, and nothing in scope stays."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.simulation.inputs import OBJECT_TYPES
from tests.simulation.portal import (
    PAIRED,
    PRIMARY,
    TYPES,
    Kind,
    Pair,
    Record,
    named,
    pair_of,
    seen_from_first,
    unlabelled,
)
from tests.simulation.world import World

Direction = tuple[str, str]

ARCHIVES = ("archive", "archive labels")
WRITES = ("put", "create", *ARCHIVES)


@dataclass
class Scope:
    """What a mirror may take off, worked out from the inputs: not by the loader.

    `records` stand in the file, by direction. `exempt` are those with a row that is wrong, and, where it is not sure
    which record that row is written from, the one at its other end.
    """

    types: dict[Direction, set[Kind]] = field(default_factory=lambda: defaultdict(set))
    records: dict[Direction, set[Record]] = field(default_factory=lambda: defaultdict(set))
    exempt: set[Record] = field(default_factory=set)

    def ends(self, pair: Pair) -> Iterator[tuple[Record, set[Kind]]]:
        """Yield the records of a pair that stand in the file, with the types in scope as seen from its first."""
        for record, other in (pair, pair[::-1]):
            direction = record[0], other[0]
            if record in self.records[direction]:
                _, backward = pair_of(record, other)
                yield record, set(seen_from_first(self.types[direction], record[0], backward=backward))


def scope_of(world: World) -> Scope:
    """Return the scope of a world's inputs."""
    scope = Scope()
    for row in world.inputs.rows:
        first, object_id, second, *_ = world.inputs.files[row.input][row.record - 1]
        direction = OBJECT_TYPES[first], OBJECT_TYPES[second]
        record, other = _record(direction[0], object_id), _record(direction[1], row.to_object_id)
        if row.pair is None:
            scope.exempt |= {each for each in [record or other] if each}
        elif record and row.kind:
            _, backward = pair_of(record, row.pair[0] if row.pair[1] == record else row.pair[1])
            scope.types[direction] |= seen_from_first([row.kind], row.pair[0][0], backward=backward)
            if world.setting.all_labels:
                scope.types[direction] |= {each.kind for each in TYPES[direction]}
            scope.records[direction].add(record)
    return scope


def _record(object_type: str, cell: str) -> Record | None:
    sound = cell.isdigit() and not cell.startswith("0") and len(cell) < 19
    return (object_type, int(cell)) if sound else None


def nothing_out_of_scope_changes(world: World) -> Iterator[str]:
    """What a mirror takes off is in scope at an end whose record stands in the file, and no row asks for it."""
    scope = scope_of(world)
    archives = {one.number for one in world.line.exchanges if one.kind in ARCHIVES}
    for pair, changes in world.hubspot.portal.changes.items():
        may_go = set().union(*(types for _, types in scope.ends(pair))) - world.wanted.get(pair, frozenset())
        for change in changes:
            lost = change.before - change.after
            if not change.by or not lost or (change.by not in archives and lost == {PRIMARY}):
                continue
            if change.by not in archives:
                yield f"#{change.by} takes {sorted(lost)} off {pair}, and only adds"
            elif not lost <= may_go:
                yield f"#{change.by} takes {sorted(lost - may_go)} off {pair}, which is not in scope, or asked for"
            elif not scope.exempt.isdisjoint(pair):
                yield f"#{change.by} takes {sorted(lost)} off {pair}, and a row of its record is rejected"
            elif pair in world.wanted and not change.after:
                yield f"#{change.by} takes {pair} off, which a row names"


def nothing_stays(world: World) -> Iterator[str]:
    """In the end records have nothing in scope that no row asks for, but what somebody has added meanwhile."""
    last = world.runs[-1]
    if not last.orderly or last.exit_code not in (0, 1) or last.lines is None:
        return
    scope = scope_of(world)
    failed: set[Pair] = set()
    # Where a row failed that was to give a contact another primary company, the one that it has stays.
    keeps_primary: set[Record] = set()
    # What a row asks for of a merged record is the survivor's, and may have become so by a row that failed.
    keep = scope.exempt | world.unread | {*world.hubspot.rules.merged.values()}
    for line in last.lines:
        if line["status"] == "failed":
            record, other = ((line[f"{end}object_type"], int(line[f"{end}object_id"])) for end in ("", "to_"))
            if line["row"] == "0":
                failed.add(pair_of(record, other)[0])
            else:
                keep.add(record)
                if line["label"] == "Primary":
                    keeps_primary |= {record, other}
    in_scope = set().union(*scope.records.values())
    not_known = _not_known(world, scope)
    yield from (f"{each} is exempt, and has no row that is wrong" for each in (world.exempt & in_scope) - keep)
    for pair, held in world.hubspot.portal.types.items():
        touched = any(
            not change.by and change.when > world.runs[0].began for change in world.hubspot.portal.changes[pair]
        )
        if touched or pair in failed or not keep.isdisjoint(pair):
            continue
        ends = list(scope.ends(pair))
        types = set().union(*(types for _, types in ends))
        surplus = (held & types) - world.wanted.get(pair, frozenset()) - {unlabelled(pair)} - not_known.get(pair, set())
        if not keeps_primary.isdisjoint(pair):
            surplus -= {PRIMARY}
        if pair not in world.wanted and held == {unlabelled(pair)} and held <= types:
            surplus |= held
        if surplus:
            yield f"{[record for record, _ in ends]} still have {sorted(surplus)} on {pair}"


def _not_known(world: World, scope: Scope) -> dict[Pair, set[Kind]]:
    """Return what may be what a row asks for, of pairs that are named from one end, by a label with two names.

    These are the labels of that sort that are in scope for the other end alone.
    """
    found: dict[Pair, set[Kind]] = {}
    for row in world.inputs.rows:
        if row.pair is None or row.kind is None:
            continue
        first, object_id, *_ = world.inputs.files[row.input][row.record - 1]
        if _paired(row.pair, row.kind):
            record = OBJECT_TYPES[first], int(object_id)
            others = [types for other, types in scope.ends(row.pair) if other != record]
            own = [types for other, types in scope.ends(row.pair) if other == record]
            found[row.pair] = {each for each in set().union(*others) - set().union(*own) if _paired(row.pair, each)}
    return found


def _paired(pair: Pair, kind: Kind) -> bool:
    one = named(pair[0][0], pair[1][0], kind)
    return one is not None and one.label in PAIRED


def a_second_night_writes_nothing(world: World) -> Iterator[str]:
    """Where nothing has changed, the same inputs once more are reads and no write."""
    yield from (f"the second night writes: {one.line()}" for one in world.second_night if one.kind in WRITES)


def a_line_for_each(world: World) -> Iterator[str]:
    """The results have a line for each association that is gone, and none for a row twice."""
    last = world.runs[-1]
    if last.lines is None or last.summary is None or any(run.torn for run in world.runs):
        return
    removed = [line for line in last.lines if line["status"] == "removed"]
    if len(removed) != last.summary["removals"]["removed"]:
        yield f"{len(removed)} lines are removed, and the summary says {last.summary['removals']}"
    keys = [(line["object_id"], line["to_object_id"], line["association_type_id"]) for line in removed]
    if len(keys) != len(set(keys)):
        yield "an association has two lines"
    if any(line["input"] or line["row"] != "0" for line in removed):
        yield "a removed association has the place of a row"
