"""What pairs have, held against what they are to have: whether there is anything to send, and what."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from loader.errors import ApiError
from loader.model import AssociationType, Lot, Pair, Types
from loader.send.reading import Reading

NOTHING: Types = frozenset()


class Judgement(NamedTuple):
    """What a pair was `before`, what rows ask for of that and is `there` still, and all that it is to have."""

    before: Types
    there: Types
    types: tuple[AssociationType, ...]


def judge(asked: Pair, now: Types) -> Judgement | None:
    """Return what is to be sent for a pair that has the types `now`; None when that is nothing.

    What counts as old is what it had when this run first looked (`asked.before`) and still has: the answer to an
    earlier request of this run may have been lost, and its labels are not old for that. What else is there stays.
    """
    before = now if asked.before is None else asked.before
    old = before & now
    wanted = frozenset(asked.types)
    if wanted <= old:
        return None
    return Judgement(before, wanted & old, (*asked.types, *sorted(now - asked.dropped - wanted)))


class Cases(NamedTuple):
    """Pairs, by what is to be done: those of one judgement together, as a million pairs have few of them.

    `pairs` are all of them in their order. What was read from the other end leaves some to be read from their own:
    `hidden` are those that it does not show, `unsure` those with a type whose name from their own end is not known;
    `hidden` are those, too, that get a type of `apart`. `waiting` have a type which another pair is to get first.
    """

    pairs: Sequence[Pair]
    judged: list[tuple[list[Pair], Judgement | None]]
    unreadable: list[tuple[Pair, ApiError]]
    hidden: list[Pair]
    unsure: list[Pair]
    waiting: list[Pair]

    @property
    def lacking(self) -> list[tuple[list[Pair], Judgement]]:
        """Those for which there is something to send."""
        return [(pairs, judgement) for pairs, judgement in self.judged if judgement is not None]


_FROM = attrgetter("object_id")
_TO = attrgetter("to_object_id")
_ASKED = attrgetter("types", "before", "dropped", "contested")


def sort_out(
    pairs: Sequence[Pair],
    reading: Reading,
    inverse: Mapping[AssociationType, AssociationType] | None = None,
    apart: Collection[AssociationType] = (),
) -> Cases:
    """Judge pairs by what was read of their from records, or, with `inverse`, of their to records.

    `inverse` says what types are called from the other end. One whose name is not known may be the very one that is
    asked for, and is lost if it is not and the pair is sent without it. Where the other end shows nothing, nothing is
    concluded from that: it may be blind for these object types. Pairs that are to get a type of `apart` for the first
    time are left to be read by themselves.
    """
    record, other = (_FROM, _TO) if inverse is None else (_TO, _FROM)
    cases = Cases(pairs, [], [], [], [], [])
    alike: dict[Types, list[Pair]] = defaultdict(list)
    for pair, record_id, other_id in zip(pairs, map(record, pairs), map(other, pairs), strict=True):
        held = reading.found.get(record_id)
        if held is None:
            cases.unreadable.append((pair, reading.unreadable[record_id]))
        else:
            alike[held.get(other_id, NOTHING)].append(pair)
    for seen, having in alike.items():
        now = seen if inverse is None else frozenset(inverse[type_] for type_ in seen if type_ in inverse)
        for _, asking in groupby(having, key=_ASKED):
            same = list(asking)
            judgement = judge(same[0], now)
            if judgement is not None and ((inverse is not None and not seen) or _gets(same[0], judgement, apart)):
                cases.hidden.extend(same)
            elif judgement is not None and len(now) < len(seen):
                cases.unsure.extend(same)
            elif judgement is not None and now & same[0].contested - frozenset(same[0].types):
                cases.waiting.extend(same)
            else:
                cases.judged.append((same, judgement))
    return cases


def _gets(asked: Pair, judgement: Judgement, apart: Collection[AssociationType]) -> bool:
    return asked.before is None and any(type_ in apart and type_ not in judgement.before for type_ in asked.types)


def complete(lot: Lot, reading: Reading) -> int:
    """Return how many pairs of a lot have all that is asked for."""
    cases = sort_out(lot.straight, reading), sort_out(lot.turned, reading, lot.inverse)
    return sum(len(same) for each in cases for same, judgement in each.judged if judgement is None)
