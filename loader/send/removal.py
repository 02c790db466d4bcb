"""What taking a run back means for one pair: what the run added goes, what was there before or came since stays."""

from collections.abc import Mapping
from typing import NamedTuple

from loader.model import AssociationType, Types

NOTHING: Types = frozenset()


class Removal(NamedTuple):
    """What is to be taken away, and what may be said of the pair once that is done.

    `whole`: the pair itself; else `types`, which are labels all. `back` are types that the run took, and that the pair
    gets back, together with `now`, all that it has. `status` is `removed`, `restored` (it only gets something back),
    `unchanged` (what the run did is not there any more) or `left` (the pair was changed since, and stays); `why` is a
    sentence.
    """

    whole: bool
    types: Types
    status: str
    why: str = ""
    back: Types = NOTHING
    now: Types = NOTHING

    @property
    def needed(self) -> bool:
        """True when anything is to be sent."""
        return self.whole or bool(self.types or self.back)


BACK = Removal(False, NOTHING, "unchanged", "what the run took off is there again")

GONE = Removal(False, NOTHING, "unchanged", "what the run added is not there any more")


def removal(asked: Types, before: Types, now: Types, labels: Mapping[str, str], *, replaced: bool = False) -> Removal:
    """Return what to take away from a pair that the run gave the types `asked`, when it had the types `before`.

    `replaced`: the run took everything else off it, and that is given back.

    `labels` gives the label of each type by its key, blank for an unlabelled one, and lacks types that are not known.
    Archiving an unlabelled type takes everything with it (guide "Associations v4"), so only what is known to be a
    label is ever taken off by itself.
    """
    if not now:
        return GONE
    if before:
        old = _of_an_old_pair((asked - before) & now, labels)
        back = frozenset(each for each in before - asked - now if labels.get(each.key) != "") if replaced else NOTHING
        if not back:
            return old
        return Removal(False, NOTHING, "removed", "", back, now) if old == GONE else old._replace(back=back, now=now)
    came_since = frozenset(each for each in now - asked if labels.get(each.key) != "")
    if not came_since:
        return Removal(True, NOTHING, "removed")
    ours = _labels_among(asked & now, labels)
    others = ", ".join(labels.get(each.key) or each.key for each in sorted(came_since))
    return Removal(False, ours, "left", f"somebody has added {others} since, so the pair itself stays")


def restoration(taken: Types, now: Types, others: Types) -> Removal:
    """Return what to put back on a pair that the run took the types `taken` off.

    `others` are types that were meanwhile given to another pair of a record that can have only one of each:
    they are not put back.
    """
    back = taken - now
    if not back:
        return BACK
    if lost := back & others:
        names = ", ".join(each.key for each in sorted(lost))
        why = f"{names} is not put back: another record has it since, and there can be only one"
        return Removal(False, NOTHING, "left", why, back - lost, now)
    return Removal(False, NOTHING, "restored", "", back, now)


def _of_an_old_pair(added: Types, labels: Mapping[str, str]) -> Removal:
    if not added:
        return GONE
    removable = _labels_among(added, labels)
    if removable == added:
        return Removal(False, added, "removed")
    others = ", ".join(each.key for each in sorted(added - removable))
    return Removal(
        False,
        removable,
        "left",
        f"it is not known whether {others} is a label, and removing it might remove all labels",
    )


def _labels_among(types: Types, labels: Mapping[str, str]) -> frozenset[AssociationType]:
    return frozenset(each for each in types if labels.get(each.key))
