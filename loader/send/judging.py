"""What pairs have is compared with what they should have: whether there is anything to send, and what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from loader.columns import Small, distinct
from loader.model import NO_TYPES, WHOLE_PAIR, AssociationType, Direction, Pair, Pairs, Types


class Judgement(NamedTuple):
    """What is to be sent for a pair. `there` are the types that rows ask for and that it had `before` and still has.

    `types` are all that it should have. `gone` are the labels that it had and should not have. In a removal, `types`
    are the labels that go, or only `WHOLE_PAIR`, and `there` are the rows' types that the pair did not have. `refusal`:
    nothing may be sent; a key of `reasons.REASONS` and a sentence say why.
    """

    before: Types
    there: Types
    types: tuple[AssociationType, ...]
    gone: Types = NO_TYPES
    refusal: tuple[str, str] | None = None


class Judge(Protocol):
    """Decides what is to be sent for a pair; `exact`: the pair must not keep what no row wants it to have.

    `removes`: it takes types off. Then nothing is sent for a pair without associations, and only its own end shows that
    for certain.
    """

    exact: bool
    removes: bool

    def __call__(self, pair: Pair, now: Types) -> Judgement | None:
        """Return what is to be sent for a pair that has the types `now`; None when that is nothing.

        Types count as old if the pair had them when this run first read it (`pair.before`) and still has them. An
        earlier request of this run, whose answer was lost, may have added others: these are not old.
        """


class Merging:
    """A pair keeps what it has."""

    exact = False
    removes = False

    def __call__(self, pair: Pair, now: Types) -> Judgement | None:
        """Return what is to be sent, with the present types; None if the pair has all that the rows want."""
        before = now if pair.before is None else pair.before
        old = before & now
        wanted = frozenset(pair.types)
        if wanted <= old:
            return None
        return Judgement(before, wanted & old, (*pair.types, *sorted(now - pair.dropped - wanted)))


class Replacing:
    """A pair has exactly the labels that the rows want; `unlabelled` are the types that HubSpot adds by itself."""

    exact = True
    removes = False

    def __init__(self, unlabelled: Mapping[Direction, Types]) -> None:
        self._unlabelled = unlabelled

    def __call__(self, pair: Pair, now: Types) -> Judgement | None:
        """Return what is to be sent, and what is removed by that; None if the pair has exactly what the rows want."""
        before = now if pair.before is None else pair.before
        old = before & now
        wanted = frozenset(pair.types)
        plain = self._unlabelled.get((pair.object_type, pair.to_object_type), NO_TYPES)
        gone = (before | now) - wanted - plain
        if gone:
            return Judgement(before, NO_TYPES, pair.types, gone)
        return None if wanted <= old else Judgement(before, wanted & old, pair.types)


class Removing:
    """Types are taken off, and a pair keeps all others.

    `labels` gives the label of each type by its key, blank for an unlabelled type, without unknown types: to archive a
    type that is not known to be a label might remove all labels. `whole_pair`: the unlabelled type means the whole
    pair.
    """

    exact = True
    removes = True

    def __init__(self, labels: Mapping[str, str], *, whole_pair: bool) -> None:
        self._labels = labels
        self._whole_pair = whole_pair

    def __call__(self, pair: Pair, now: Types) -> Judgement | None:
        """Return what is to be taken off; None if the pair has nothing of it.

        What it had when this run first read it counts as present: the answer to an earlier request of this run may have
        been lost, and to take off again what is gone changes nothing.
        """
        before = now | (pair.before or NO_TYPES)
        wanted = frozenset(pair.types)
        goes = before if WHOLE_PAIR in wanted else before & wanted
        if not goes:
            return None
        there = wanted - before - {WHOLE_PAIR}
        labels = frozenset(each for each in goes if self._labels.get(each.key))
        if WHOLE_PAIR not in wanted and goes == labels:
            return Judgement(before, there, tuple(sorted(labels)))
        stays = now - goes
        if WHOLE_PAIR not in wanted and stays and not self._whole_pair:
            return Judgement(before, there, (), refusal=("WOULD_REMOVE_LABELS", self._sentence(goes - labels, stays)))
        return Judgement(before, there, (WHOLE_PAIR,))

    def _sentence(self, taking: Types, stays: Types) -> str:
        kept = ", ".join(self._labels.get(each.key) or each.key for each in sorted(stays))
        named = ", ".join(f"{each.category} {each.type_id}" for each in sorted(taking))
        is_unlabelled = all(each.key in self._labels for each in taking)
        what = "is the type without a label" if is_unlabelled else "is not known to be a label"
        return (
            f"{named} {what}, and to take it off would take {kept} off too: name the label that is meant, or add "
            "--whole-pair to take the whole pair off"
        )


class Mirroring:
    """What was planned is taken off: a pair that no row names is removed whole, unless it has got something else since.

    What came since was not counted for `--max-removals`, and a user has just wanted it. `unlabelled` are the types that
    can only be removed with their pair.
    """

    exact = True
    removes = True

    def __init__(self, unlabelled: Mapping[Direction, Types]) -> None:
        self._unlabelled = unlabelled

    def __call__(self, pair: Pair, now: Types) -> Judgement | None:
        """Return what is to be taken off; None if nothing of it is there, or it cannot go without something else.

        What it had when this run first read it counts as present, as for `Removing`.
        """
        planned = frozenset(pair.types) - {WHOLE_PAIR}
        before = now | (pair.before or NO_TYPES)
        if not before & planned:
            return None
        if WHOLE_PAIR in pair.types and now <= planned:
            return Judgement(before, NO_TYPES, (WHOLE_PAIR,))
        labels = (before & planned) - self._unlabelled.get((pair.object_type, pair.to_object_type), NO_TYPES)
        if not labels:
            return None
        # An undo gives back everything to a pair that was to be removed whole; but here only the labels go.
        was = labels if WHOLE_PAIR in pair.types else before
        return Judgement(was, planned - before, tuple(sorted(labels)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """Pairs, by index, with the same judgement: a million pairs have few different ones.

    `pair` is one of them, and `now` are the types that each of them has.
    """

    places: npt.NDArray[np.intp]
    pair: Pair
    now: Types
    judgement: Judgement | None


def cases(pairs: Pairs, held: Small, types: Sequence[Types], judge: Judge) -> list[Case]:
    """Judge pairs by what each has (indexes into `types`), once for those that want, had and have the same."""
    return [
        Case(places=places, pair=(pair := pairs.at(places[0])), now=now, judgement=judge(pair, now))
        for places, now in same_types(pairs, held, types)
    ]


def same_types(pairs: Pairs, held: Small, types: Sequence[Types]) -> list[tuple[npt.NDArray[np.intp], Types]]:
    """Return the indexes of pairs that want, had and have the same, with what they have, in the order of the pairs."""
    keys = pairs.intents.astype(np.int64) * len(types) + held
    found = [(np.flatnonzero(keys == key), types[key % len(types)]) for key in distinct(keys).tolist()]
    return sorted(found, key=lambda each: each[0].item(0))


def renamed(types: Sequence[Types], inverse: Mapping[AssociationType, AssociationType]) -> list[Types]:
    """Return the inverses of types; types without a known inverse are left out."""
    return [frozenset(inverse[each] for each in some if each in inverse) for some in types]
