"""What pairs have, held against what they are to have: whether there is anything to send, and what."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple, Protocol

from loader.errors import ApiError
from loader.model import AssociationType, Direction, Pair, Types
from loader.send.reading import Reading

NOTHING: Types = frozenset()


class Judgement(NamedTuple):
    """What a pair was `before`, what rows ask for of that and is `there` still, and all that it is to have.

    `gone` are the labels that it had and is not to have.
    """

    before: Types
    there: Types
    types: tuple[AssociationType, ...]
    gone: Types = NOTHING


class Judge(Protocol):
    """Says what is to be sent for a pair; `exact` when the pair must not keep what it is not asked to have."""

    exact: bool

    def __call__(self, asked: Pair, now: Types) -> Judgement | None:
        """Return what is to be sent for a pair that has the types `now`; None when that is nothing.

        What counts as old is what it had when this run first looked (`asked.before`) and still has: the answer to an
        earlier request of this run may have been lost, and its labels are not old for that.
        """


class Merging:
    """A pair keeps what it has."""

    exact = False

    def __call__(self, asked: Pair, now: Types) -> Judgement | None:
        """Return what is to be sent, together with what is there; None when all that is asked for is."""
        before = now if asked.before is None else asked.before
        old = before & now
        wanted = frozenset(asked.types)
        if wanted <= old:
            return None
        return Judgement(before, wanted & old, (*asked.types, *sorted(now - asked.dropped - wanted)))


class Replacing:
    """A pair has exactly the labels that are asked for; `unlabelled` are the types that HubSpot adds by itself."""

    exact = True

    def __init__(self, unlabelled: Mapping[Direction, Types]) -> None:
        self._unlabelled = unlabelled

    def __call__(self, asked: Pair, now: Types) -> Judgement | None:
        """Return what is to be sent, and what goes by that; None when the pair has just what is asked for."""
        before = now if asked.before is None else asked.before
        old = before & now
        wanted = frozenset(asked.types)
        plain = self._unlabelled.get((asked.object_type, asked.to_object_type), NOTHING)
        gone = (before | now) - wanted - plain
        if gone:
            return Judgement(before, NOTHING, asked.types, gone)
        return None if wanted <= old else Judgement(before, wanted & old, asked.types)


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
    judge: Judge,
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
            elif (judgement is not None or judge.exact) and len(now) < len(seen):
                cases.unsure.extend(same)
            elif judgement is not None and not judge.exact and now & same[0].contested - frozenset(same[0].types):
                cases.waiting.extend(same)
            else:
                cases.judged.append((same, judgement))
    return cases


def _gets(asked: Pair, judgement: Judgement, apart: Collection[AssociationType]) -> bool:
    return asked.before is None and any(type_ in apart and type_ not in judgement.before for type_ in asked.types)


class Standing(NamedTuple):
    """How many pairs have all that is asked for, and how many labels, on how many pairs, are to go."""

    complete: int = 0
    labels_gone: int = 0
    pairs_losing: int = 0

    def plus(self, other: "Standing") -> "Standing":
        """Return both together."""
        return Standing(*map(sum, zip(self, other, strict=True)))


def standing(
    own: Sequence[Pair],
    other: Sequence[Pair],
    inverse: Mapping[AssociationType, AssociationType],
    reading: Reading,
    judge: Judge,
) -> tuple[Standing, list[Pair]]:
    """Return how the pairs of a lot stand, and those of which only their own end can tell."""
    straight, turned = sort_out(own, reading, judge), sort_out(other, reading, judge, inverse)
    losing = [(len(same), len(each.gone)) for cases in (straight, turned) for same, each in cases.lacking if each.gone]
    complete = sum(len(same) for cases in (straight, turned) for same, each in cases.judged if each is None)
    labels = sum(pairs * labels for pairs, labels in losing)
    return Standing(complete, labels, sum(pairs for pairs, _ in losing)), turned.unsure
