"""Records in the scope of a mirror are read, and what they have is held against what the file asks of them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from loader.columns import Ids
from loader.errors import RecordMerged
from loader.journal.scope import ScopeTypes, Surplus, UnreadScope
from loader.model import NO_TYPES, WHOLE_PAIR, AssociationType, Direction, Outcome, Types
from loader.send.judging import renamed
from loader.send.outcomes import plain
from loader.send.reading import CurrentAssociations

Label = tuple[Direction, AssociationType]
"""An association type of a direction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many associations a mirror adds and keeps, by type."""

    added: Counter[Label] = field(default_factory=Counter)
    kept: Counter[Label] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScopeRead:
    """What was found of some records: how many associations in scope they have, and what of that is to go.

    `outcomes` are those of pairs that have all that rows ask for. `unread` records could not be read.
    """

    associations: int
    surplus: Surplus
    unread: Ids
    outcomes: list[Outcome]
    tally: Tally


async def read_scope(current: CurrentAssociations, scope: UnreadScope) -> ScopeRead:
    """Read records in scope, all of what each has; raises Fatal when no request can succeed.

    A record whose reading is cut short or refused is unread as a whole: nothing that was seen of it counts.
    """
    lot = scope.lot
    reading = await current.read(lot.direction, lot.records)
    found = _Found(scope)
    ends = np.cumsum(lot.sizes)
    unread: list[int] = []
    for record, exempt, start, end in zip(
        lot.records.tolist(), scope.exempt.tolist(), (ends - lot.sizes).tolist(), ends.tolist(), strict=True
    ):
        if (error := reading.unreadable.get(record)) is not None:
            unread.append(record)
            if isinstance(error, RecordMerged):  # What its rows ask for is the survivor's, whose own rows do not.
                unread.append(int(error.survivor))
        else:
            found.judge(record, reading.of(record), range(start, end), exempt=exempt)
    complete = np.array(found.complete, np.int64)
    outcomes = []
    if len(complete):
        result = plain("unchanged", finished_at=current.clocks.timestamp())
        rows = int(lot.rows[complete].sum())
        outcomes = [Outcome(pair_ids=np.sort(lot.pairs[complete]), result=result, rows=rows)]
    return ScopeRead(
        associations=found.associations,
        surplus=found.surplus(),
        unread=np.array(unread, np.int64),
        outcomes=outcomes,
        tally=found.tally,
    )


class _Found:
    """What comes of looking at record after record. Sets of types are few: each is judged once."""

    def __init__(self, scope: UnreadScope) -> None:
        self._scope = scope
        self._lot = scope.lot
        self._others = scope.lot.others.tolist()
        self._goes: dict[tuple[Types, int | None, bool, int], Types] = {}
        self._places: dict[Types, int] = {}
        self._gone: list[tuple[int, int, int, int, bool]] = []
        self.associations = 0
        self.complete: list[int] = []
        self.tally = Tally()

    def judge(self, record: int, its: Mapping[int, Types], pairs: range, *, exempt: bool) -> None:
        """Look at what one record has; `pairs` are the places of those that rows ask of it."""
        lot, scope = self._lot, self._scope
        asked = {self._others[place]: place for place in pairs}
        for other, held in its.items():
            reading = 0
            if other in scope.other_ends:
                is_first = record <= other if scope.is_first is None else scope.is_first
                reading = 1 if is_first else 2
            if reading != 2:
                self.associations += len((scope.first if reading else scope.types).counted(held))
            moves = record in scope.moved and other not in asked
            left = held - (scope.moving - scope.types.labels) if moves else held
            if not exempt and (goes := self._going(left, asked.get(other), reading)):
                place = self._places.setdefault(goes, len(self._places))
                bare = left - goes <= scope.unlabelled
                self._gone.append((record, other, place, reading or 0, bare))
        for other, place in asked.items():
            if lot.counted[place]:
                self._compare(its.get(other, NO_TYPES), place)

    def _going(self, held: Types, place: int | None, reading: int) -> Types:
        """Return what a pair loses; `place` is None for one that no row asks for, `reading` as in `Surplus`."""
        scope = self._scope
        request = None if place is None else int(self._lot.requests[place])
        at_to = place is not None and bool(self._lot.at_to[place])
        key = held, request, at_to, reading
        if key not in self._goes:
            asked = None if request is None else scope.asked[request][at_to]
            # Where what rows ask for has no name at the first reading's end, that reading takes nothing off.
            only_here = request is not None and scope.asked[request][1] is None
            types = (scope.types, scope.first, scope.first if only_here else scope.second)[reading]
            goes = going(held, asked, types, named=request is not None)
            if reading == 2:
                # What goes by the first reading is gone by then: only then it is known whether anything else is left.
                pair = held & types.unlabelled | {WHOLE_PAIR} if request is None else NO_TYPES
                goes = goes | pair if goes & types.labels else NO_TYPES
            self._goes[key] = goes
        return self._goes[key]

    def _compare(self, held: Types, place: int) -> None:
        """Count what rows ask of a pair, and take note of it when nothing of that lacks."""
        lot = self._lot
        direction = lot.direction
        if lot.at_to[place]:
            (held,) = renamed([held], self._scope.inverse)
            direction = direction[::-1]
        asked, _ = self._scope.asked[int(lot.requests[place])]
        self.tally.kept.update((direction, each) for each in asked & held)
        self.tally.added.update((direction, each) for each in asked - held)
        if asked <= held and self._scope.open[place]:
            self.complete.append(place)

    def surplus(self) -> Surplus:
        """Return the pairs that lose something."""
        columns = np.array(self._gone, np.int64).reshape(-1, 5)
        return Surplus(
            from_ids=columns[:, 0],
            to_ids=columns[:, 1],
            which=columns[:, 2].astype(np.int32),
            readings=columns[:, 3].astype(np.int32),
            bare=columns[:, 4].astype(np.bool_),
            types=list(self._places),
        )


def going(held: Types, asked: Types | None, types: ScopeTypes, *, named: bool) -> Types:
    """Return what a pair that has the types `held` loses; `WHOLE_PAIR` is among it where the pair itself may go.

    `asked` are the types that rows ask of it, None where it is not known what these are called from this end; `named`:
    some row names the pair. Only labels are taken off one by one: to take off the type without a label would take all
    others with it.
    """
    if named:
        return NO_TYPES if asked is None else (held & types.labels) - asked
    goes = held & (types.labels | types.unlabelled)
    if goes == held:
        return goes | {WHOLE_PAIR}
    return goes & types.labels
