"""What must be true of every world, whatever happened to it. Each check returns sentences about what is not."""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from tests.simulation.exchanges import Exchange
from tests.simulation.health import Health
from tests.simulation.hubspot import STATIC_TOKEN
from tests.simulation.inputs import WHOLE, Row
from tests.simulation.mirror import (
    WRITES,
    a_line_for_each,
    a_second_night_writes_nothing,
    nothing_out_of_scope_changes,
    nothing_stays,
)
from tests.simulation.portal import PRIMARY, Kind, Pair, unlabelled
from tests.simulation.world import Run, World

SILENCE = 0.1
"""Seconds after a first signal in which a last request may still leave."""

GRACE = 10.0
AT_ONCE = 1.0


def broken(world: World) -> list[str]:
    """Return every sentence that is not true of a world."""
    healths = {run.number: Health(run.settings.send.max_attempts) for run in world.runs}
    checks = [_ended_well, _kept_the_rate, _obeyed, _kept_the_concurrency]
    whole: list[Callable[[World], Iterator[str]]] = [_came_to_an_end]
    if world.setting.existing == "mirror":
        whole += [nothing_out_of_scope_changes, nothing_stays, a_line_for_each, a_second_night_writes_nothing]
    else:  # These hold requests against rows, and what a mirror takes off is none.
        checks += [partial(_spared_the_sick, healths), _wrote_down, _reported]
        whole.append(_sent_nothing_again)
        if world.setting.removes:
            whole += [_touched_only_what_was_named, partial(_taken_off_rightly, healths), _put_back]
        else:
            whole += [_sent_only_what_was_wanted, partial(_one_true_outcome, healths), _left_behind]
            whole += [_kept_what_was_there, _remembered, _left_alone]
    sentences = [
        f"run {run.number}: {sentence}"
        for run in world.runs
        for check in checks
        for sentence in check(world, run, world.exchanges_of(run.number))
    ]
    return sentences + [sentence for check in whole for sentence in check(world)]


# --- each run


def _ended_well(world: World, run: Run, _: Sequence[Exchange]) -> Iterator[str]:
    """No hang, no bug, no task that dies in silence, no end that nothing explains."""
    if run.how == "hung":
        yield run.said
    yield from run.complaints
    kind = run.blow.kind if run.blow else ""
    if run.how == "raised" and run.stopped_at_once is None and not run.said.startswith(("RecordError", "Interrupted")):
        yield f"raised {run.said}"
    if run.said.startswith("RecordError") and kind != "disk full":
        yield f"{run.said}, and the disk has room"
    if run.exit_code in (2, 4, 70):
        yield f"exit code {run.exit_code}: {run.said}"
    if run.exit_code == 3 and kind not in ("revoked", "scope"):
        yield f"exit code 3 with a good token: {run.said}"
    if run.exit_code == 130 and run.stop_requested is None:
        yield "exit code 130 without a signal"


def _kept_the_rate(_: World, run: Run, exchanges: Sequence[Exchange]) -> Iterator[str]:
    """No window at HubSpot holds more than the limit that the last of its requests to leave knew."""
    counted = sorted((one.arrived, one.left, one.known) for one in exchanges if one.arrived is not None)
    moments = [arrived for arrived, _, _ in counted]
    for arrived, left, known in counted:
        first = bisect_right(moments, arrived - known.seconds)
        last = bisect_left(moments, arrived + known.seconds)
        near = [moment for moment, when, _ in counted[first:last] if when <= left]
        if (most := _most_in_a_window(near, known.seconds)) > known.requests:
            yield f"{most} requests in {known.seconds:g} s around {arrived:.3f}, and {known.requests} are allowed"
            return


def _most_in_a_window(moments: Sequence[float], seconds: float) -> int:
    most = start = 0
    for end, moment in enumerate(moments):
        while moments[start] <= moment - seconds:
            start += 1
        most = max(most, end - start + 1)
    return most


def _obeyed(world: World, run: Run, exchanges: Sequence[Exchange]) -> Iterator[str]:
    """A stop is silent within a tenth of a second and over within the grace time; a refusal ends the run."""
    if run.stop_requested is not None and run.how != "killed":
        late = [one for one in exchanges if one.left > run.stop_requested + SILENCE]
        if late:
            yield f"{len(late)} requests left after a stop"
        disk = 0.1 + 20 * world.setting.disk_seconds
        if run.ended > run.stop_requested + GRACE + disk:
            yield f"a stop took {run.ended - run.stop_requested:.1f} s"
        if run.stopped_at_once is not None and run.ended > run.stopped_at_once + AT_ONCE + disk:
            yield f"a second signal took {run.ended - run.stopped_at_once:.1f} s"
    fatal = [one.ended for one in exchanges if one.ended is not None and _is_fatal(one)]
    if fatal:
        after = [one for one in exchanges if one.left > min(fatal)]
        if len(after) > (run.settings.send.concurrency or 50) + 1:
            yield f"{len(after)} requests left after the answer that ends a run"


def _is_fatal(one: Exchange) -> bool:
    """Whether an answer must end the run; an OAuth token is renewed after a first 401, and some need no answer."""
    if not one.answered or one.kind in ("account", "usage"):
        return False
    refused = one.status == 401 and one.token.endswith(STATIC_TOKEN)
    return refused or one.status in (403, 477) or one.policy == "DAILY"


def _spared_the_sick(healths: Mapping[int, Health], _: World, run: Run, exchanges: Sequence[Exchange]) -> Iterator[str]:
    """Down: one probe a second. Never more attempts than a pair has."""
    health = healths[run.number]
    events = [(one.left, 1, one.number, one) for one in exchanges]
    events += [(one.ended, 0, one.number, one) for one in exchanges if one.ended is not None]
    for now, leaves, _number, one in sorted(events, key=lambda event: event[:3]):
        if leaves:
            yield from health.leaves(one, now)
        else:
            health.ends(one, now)


def _kept_the_concurrency(_: World, run: Run, exchanges: Sequence[Exchange]) -> Iterator[str]:
    """No more than `concurrency` requests are under way at once."""
    changes = [(one.left, 1) for one in exchanges]
    changes += [(one.ended if one.ended is not None else run.ended, -1) for one in exchanges]
    under_way = most = 0
    for __, change in sorted(changes):
        under_way += change
        most = max(most, under_way)
    if most > (run.settings.send.concurrency or 50):
        yield f"{most} requests were under way at once"


def _wrote_down(world: World, run: Run, exchanges: Sequence[Exchange]) -> Iterator[str]:
    """Outcomes stay, and what was answered well before a death is in the journal."""
    gone = {key for key in run.before if _keeps_its_outcome(run, key)} - run.after.keys()
    if gone and not run.torn:
        yield f"{len(gone)} rows have lost their outcomes: {sorted(gone)[:3]}"
    if run.torn or run.how == "hung" or _disk_full(run):
        return
    slack = 0.02 + 6 * world.setting.disk_seconds if run.how == "killed" else 0.0
    if run.stopped_at_once is not None:
        slack = max(slack, 0.02 + 6 * world.setting.disk_seconds)
    recorded = {row.pair for row in world.inputs.rows if _key(row) in run.after}
    for one in exchanges:
        if one.kind in WRITES and one.succeeded and one.ended is not None and one.ended <= run.ended - slack:
            lost = one.pairs.keys() - one.refused - one.open - recorded
            if lost:
                yield f"#{one.number} succeeded at {one.ended:.3f} and is not in the journal at {run.ended:.3f}: {lost}"


def _disk_full(run: Run) -> bool:
    """Whether the disk was full at some time of a run."""
    return run.blow is not None and run.blow.kind == "disk full" and run.struck_at is not None


def _keeps_its_outcome(run: Run, key: tuple[str, int, str, str]) -> bool:
    """Whether a row may not be taken up again: failed pairs may be, with their unchanged rows."""
    failed = {frozenset(other[2:]) for other, status in run.before.items() if status == "failed"}
    return run.before[key] not in ("failed", "unchanged") or frozenset(key[2:]) not in failed


def _reported(world: World, run: Run, exchanges: Sequence[Exchange]) -> Iterator[str]:
    """The summary adds up, and says what the journal and the line say."""
    if run.summary is None or run.lines is None or _disk_full(run):
        return
    rows = run.summary["rows"]
    parts = {name: count for name, count in rows.items() if name != "total"}
    if rows["total"] != sum(parts.values()) or rows["total"] != len(world.inputs.rows):
        yield f"the summary does not add up: {rows}, {len(world.inputs.rows)} rows"
    statuses = Counter(line["status"] for line in run.lines)
    if any(statuses[name] != parts[name] for name in parts if name != "pending"):
        yield f"the results hold {dict(statuses)}, the summary says {rows}"
    lines = Counter((line["input"], int(line["row"])) for line in run.lines)
    ours = Counter((row.input, row.record + 1) for row in world.inputs.rows)
    if any(count > ours[key] for key, count in lines.items()):
        yield f"rows stand in the results more than once: {[key for key, n in lines.items() if n > ours[key]][:3]}"
    if run.number == 1 and run.summary["requests"]["sent"] != len(exchanges):
        yield f"{len(exchanges)} requests left, and the summary counts {run.summary['requests']['sent']}"
    if run.exit_code != run.summary["exit_code"]:
        yield f"exit code {run.exit_code}, and the summary says {run.summary['exit_code']}"


# --- the whole


def _came_to_an_end(world: World) -> Iterator[str]:
    last = world.runs[-1]
    if not (last.orderly and last.exit_code in (0, 1)):
        yield f"after {len(world.runs)} runs the load is not finished: {last.how} {last.exit_code} {last.said}"


def _sent_only_what_was_wanted(world: World) -> Iterator[str]:
    """Nothing outside the input is ever written, and nothing but what it asks for and, merging, what was there."""
    merges = world.setting.existing == "merge"
    for one in world.line.exchanges:
        for pair, kinds in one.pairs.items():
            wanted = world.wanted.get(pair, frozenset())
            there = _ever(world, pair) if merges else frozenset()
            if not wanted:
                yield f"#{one.number} writes {pair}, which the input does not ask for"
            elif not wanted <= kinds | {unlabelled(pair)} or not kinds <= wanted | there | {unlabelled(pair)}:
                yield f"#{one.number} writes {sorted(kinds)} for {pair}, wanted is {sorted(wanted)}"


def _ever(world: World, pair: Pair) -> frozenset[Kind]:
    """Every type that a pair ever had before the loader wrote it, or that somebody else gave it."""
    changes = world.hubspot.portal.changes.get(pair, [])
    return frozenset().union(*(change.after for change in changes if change.by == 0))


def _kept_what_was_there(world: World) -> Iterator[str]:
    """Merging takes no type off a pair, but for a primary one whose place another record takes."""
    if world.setting.existing != "merge":
        return
    for pair, changes in world.hubspot.portal.changes.items():
        for change in changes:
            lost = change.before - change.after
            if change.by and lost and lost != {PRIMARY}:
                yield f"#{change.by} takes {sorted(lost)} off {pair}"


def _remembered(world: World) -> Iterator[str]:
    """Merging, the journal knows of every pair that was written what it was before, so that it can be taken back."""
    if world.setting.existing != "merge" or any(run.torn for run in world.runs):
        return
    numbers = {one.number: one for one in world.line.exchanges}
    for pair in {pair for one in world.line.exchanges for pair in one.pairs}:
        image = world.before_images.get(pair)
        states = [frozenset[Kind]()]
        for change in world.hubspot.portal.changes.get(pair, []):
            if change.by and pair in numbers[change.by].pairs:
                break
            states.append(change.after)
        if image not in states:
            yield f"{pair} was {sorted(states[-1])} before, and the journal says {image and sorted(image)}"


def _left_alone(world: World) -> Iterator[str]:
    """Merging, a pair that has all that is asked for is not written, and its rows say so."""
    if world.setting.existing != "merge":
        return
    written = {pair for one in world.line.exchanges for pair in one.pairs}
    there = {pair: frozenset([kind, unlabelled(pair)]) for pair, kind in world.setting.there.items()}
    for pair in written:
        if world.wanted.get(pair, frozenset([("", 0)])) <= there.get(pair, frozenset()) and PRIMARY not in there[pair]:
            yield f"{pair} is written, and had all that is asked for"


def _sent_nothing_again(world: World) -> Iterator[str]:
    """What had an outcome in the journal when a run began, that run does not send."""
    pairs = {_key(row): row.pair for row in world.inputs.rows if row.pair is not None}
    for run in world.runs:
        recorded = {pairs[key] for key in run.before if key in pairs and _keeps_its_outcome(run, key)}
        again = [one for one in world.exchanges_of(run.number) if one.kind in WRITES and one.pairs.keys() & recorded]
        if again:
            yield f"run {run.number} sends again what has an outcome: {[one.number for one in again][:5]}"


def _one_true_outcome(healths: Mapping[int, Health], world: World) -> Iterator[str]:
    """Each row has one outcome in the end, and HubSpot agrees with it."""
    lines = world.runs[-1].lines
    if lines is None:
        return
    found = {(line["input"], int(line["row"]), line["object_id"], line["to_object_id"]): line for line in lines}
    rejected = Counter((line["input"], int(line["row"])) for line in lines if line["status"] == "rejected")
    wrong = Counter((row.input, row.record + 1) for row in world.inputs.rows if row.pair is None)
    if rejected != wrong:
        more, less = sorted((rejected - wrong).items())[:3], sorted((wrong - rejected).items())[:3]
        yield f"rejected are {more} too many, {less} too few"
    tries = _tries(world)
    for row in world.inputs.rows:
        if row.pair is None:
            continue
        line = found.get(_key(row))
        if line is None:
            yield f"{_key(row)} has no line"
        elif not world.hubspot.rules.merged.keys().isdisjoint(row.pair) and line["status"] != "failed":
            yield f"{_key(row)} is {line['status']}, and a record of it is merged"
        elif line["status"] == "failed":
            yield from _failed_rightly(world, healths.values(), row.pair, line, tries[row.pair])
        elif line["status"] == "unchanged":
            if row.kind not in _ever(world, row.pair) and not any(run.torn for run in world.runs):
                yield f"{_key(row)} is unchanged, and nobody else gave the pair that type"
        elif line["status"] != "created":
            yield f"{_key(row)} is {line['status']}"
        elif _was_there(world, row):
            yield f"{_key(row)} is created, and was there before"
        elif not any(one.succeeded and row.pair not in one.refused for one in tries[row.pair]):
            yield f"{_key(row)} is created, and no answer said so"


def _was_there(world: World, row: Row) -> bool:
    """Whether a row's own type was there from the beginning; a primary one may have gone meanwhile."""
    kind = world.setting.there.get(row.pair) if row.pair else None
    if world.setting.existing != "merge" or row.pair is None or kind is None or row.kind == PRIMARY:
        return False
    return row.kind in (kind, unlabelled(row.pair))


def _tries(world: World) -> dict[Pair, list[Exchange]]:
    tries: dict[Pair, list[Exchange]] = defaultdict(list)
    for one in world.line.exchanges:
        for pair in one.pairs:
            tries[pair].append(one)
    return tries


def _failed_rightly(
    world: World, healths: Iterable[Health], pair: Pair, line: dict[str, str], tries: Iterable[Exchange]
) -> Iterator[str]:
    """A pair fails when HubSpot refuses it, or when its attempts are used up in one run."""
    if line["error_category"] == "RECORD_MERGED":
        survivors = {survivor[1] for record in pair if (survivor := world.hubspot.rules.merged.get(record))}
        if not any(f"was merged into {survivor} " in line["error_message"] for survivor in survivors):
            yield f"{pair} failed as merged: {line['error_message']}"
        return
    # Of an error that names no pair, the loader finds out by itself which one it is about.
    never = pair in world.refused
    refused = any(one.answered and (pair in one.refused or (never and pair in one.open)) for one in tries)
    if not refused and not any(health.used_up(pair) for health in healths):
        yield f"{pair} failed ({line['error_category']}) with attempts left and no refusal"


def _left_behind(world: World) -> Iterator[str]:
    """HubSpot has what it had, with the valid rows' types, less what failed for good."""
    lines = world.runs[-1].lines
    if lines is None or not world.runs[-1].orderly:
        return
    rows = {_key(row): row for row in world.inputs.rows}
    created: dict[Pair, set[Kind]] = defaultdict(set)
    for line in lines:
        row = rows.get(_key_of(line))
        if row and row.pair and row.kind and line["status"] in ("created", "unchanged"):
            created[row.pair].add(row.kind)
    for pair, kinds in created.items():
        missing = kinds - world.hubspot.portal.of(pair)
        if missing and not (missing == {PRIMARY} and _given_away(world, pair)):
            yield f"{pair} is created as {sorted(kinds)}, and HubSpot lacks {sorted(missing)}"


def _given_away(world: World, pair: Pair) -> bool:
    """Somebody else made another company the primary one, after us."""
    return any(
        change.by == 0 and PRIMARY in change.after
        for other, changes in world.hubspot.portal.changes.items()
        if other[0] == pair[0] and other != pair
        for change in changes
    )


# --- what is taken off


def _touched_only_what_was_named(world: World) -> Iterator[str]:
    """No association out of scope ever changes: not another pair, not another label of a pair, and nothing is added."""
    last = world.runs[-1].number
    ours = {one.number for one in world.line.exchanges if one.run <= last}
    for pair, changes in world.hubspot.portal.changes.items():
        wanted = world.wanted.get(pair, frozenset())
        for change in changes:
            if change.by not in ours:
                continue
            lost, gained = change.before - change.after, change.after - change.before
            plain = unlabelled(pair)
            whole = WHOLE in wanted or (world.setting.whole_pair and plain in wanted)
            if gained or (lost - wanted and not whole):
                yield f"#{change.by} takes {sorted(lost)} off {pair}, adds {sorted(gained)}; named is {sorted(wanted)}"


def _taken_off_rightly(healths: Mapping[int, Health], world: World) -> Iterator[str]:
    """Each row has one outcome in the end, and HubSpot agrees with it."""
    lines = world.runs[-1].lines
    if lines is None:
        return
    found = {(line["input"], int(line["row"]), line["object_id"], line["to_object_id"]): line for line in lines}
    tries = _tries(world)
    for row in world.inputs.rows:
        line = found.get(_key(row)) or {"status": "lost", "error_category": ""}
        if row.pair is None or row.kind is None:
            if line["status"] != "rejected":
                yield f"{_key(row)} is {line['status']}, and cannot be sent"
        elif line["status"] == "failed":
            yield from _failed_rightly(world, healths.values(), row.pair, line, tries[row.pair])
        elif line["status"] == "rejected":
            plain = unlabelled(row.pair) in world.wanted[row.pair]
            if line["error_category"] != "WOULD_REMOVE_LABELS" or not plain or world.setting.whole_pair:
                yield f"{_key(row)} is rejected: {line['error_category']}"
        else:
            yield from _removed_rightly(world, row, row.pair, line["status"], tries[row.pair])


def _removed_rightly(world: World, row: Row, pair: Pair, status: str, tries: Iterable[Exchange]) -> Iterator[str]:
    """A row is removed when it was there and the loader took it off, and unchanged when it was not there."""
    torn = any(run.torn for run in world.runs)
    changes = world.hubspot.portal.changes.get(pair, [])
    states = [world.at_first.get(pair, frozenset[Kind]()), *(change.after for change in changes)]
    if status == "unchanged" and not torn:
        if any(change.by and _has(change.before - change.after, row) for change in changes):
            yield f"{_key(row)} is unchanged, and the loader took it off"
        if all(_has(state, row) for state in states):
            yield f"{_key(row)} is unchanged, and was there all the time"
    elif status == "removed":
        if not any(_has(state, row) for state in states):
            yield f"{_key(row)} is removed, and was never there"
        if not any(one.succeeded and pair not in one.refused for one in tries):
            yield f"{_key(row)} is removed, and no answer said so"
        if not world.taken_back and changes and changes[-1].by and _has(states[-1], row):
            yield f"{_key(row)} is removed, and HubSpot has it"
    elif status != "unchanged":
        yield f"{_key(row)} is {status}"


def _has(kinds: frozenset[Kind], row: Row) -> bool:
    """Whether types hold what a row names: its own, or any at all."""
    return bool(kinds) if row.kind == WHOLE else row.kind in kinds


def _put_back(world: World) -> Iterator[str]:
    """After an undo everything is as it was, with what others have added; but a primary company may be another now."""
    if not world.taken_back:
        return
    for pair, changes in world.hubspot.portal.changes.items():
        given = world.at_first.get(pair, frozenset[Kind]()).union(
            *(change.after - change.before for change in changes if not change.by)
        )
        now = world.hubspot.portal.of(pair)
        if now - {PRIMARY} != given - {PRIMARY}:
            yield f"{pair} had {sorted(given)}, and after the undo it has {sorted(now)}"


def _key(row: Row) -> tuple[str, int, str, str]:
    return row.input, row.record + 1, row.object_id, row.to_object_id


def _key_of(line: dict[str, str]) -> tuple[str, int, str, str]:
    return line["input"], int(line["row"]), line["object_id"], line["to_object_id"]
