"""Records in the scope of a mirror are read, and their associations are compared with the file."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from loader.columns import Ids
from loader.errors import RecordMerged
from loader.journal.scope import ScopeTypes, Surplus, UnreadScope
from loader.model import NO_TYPES, WHOLE_PAIR, AssociationType, Direction, Outcome, Result, Types
from loader.send.judging import renamed
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
    """The result of reading some records: how many associations in scope they have, and which are to be taken off.

    `outcomes` are those of pairs that have all that rows ask for. `unread` are records that could not be read.
    """

    associations: int
    surplus: Surplus
    unread: Ids
    outcomes: list[Outcome]
    tally: Tally


async def read_scope(current: CurrentAssociations, scope: UnreadScope) -> ScopeRead:
    """Read records in scope, all of what each has; raises Fatal when no request can succeed.

    If the reading of a record is incomplete or refused, the record counts as unread, and nothing of it is used.
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
            if isinstance(error, RecordMerged):  # Its rows belong to the survivor: that one is not judged either.
                unread.append(int(error.survivor))
        else:
            found.judge(record, reading.of(record), range(start, end), exempt=exempt)
    complete = np.array(found.complete, np.int64)
    outcomes = []
    if len(complete):
        result = Result("unchanged", finished_at=current.clocks.timestamp())
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
    """The results of judging record after record. There are few distinct sets of types: each is judged once."""

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
        """Judge one record; `pairs` are the indexes of the pairs that rows want for it."""
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
        """Return the types that a pair loses; `place` is None for one that no row names, `reading` as in `Surplus`."""
        scope = self._scope
        request = None if place is None else int(self._lot.requests[place])
        at_to = place is not None and bool(self._lot.at_to[place])
        key = held, request, at_to, reading
        if key not in self._goes:
            asked = None if request is None else scope.asked[request][at_to]
            # If the types that rows ask for have no known inverse, the reading from the first end takes nothing off.
            only_here = request is not None and scope.asked[request][1] is None
            types = (scope.types, scope.first, scope.first if only_here else scope.second)[reading]
            goes = going(held, asked, types, named=request is not None)
            if reading == 2:
                # The first reading's types are taken off by then: only then it is known whether anything else is left.
                pair = held & types.unlabelled | {WHOLE_PAIR} if request is None else NO_TYPES
                goes = goes | pair if goes & types.labels else NO_TYPES
            self._goes[key] = goes
        return self._goes[key]

    def _compare(self, held: Types, place: int) -> None:
        """Count the types that rows ask for on a pair, and note the pair if it has all of them."""
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
    """Return what a pair with the types `held` loses; it includes `WHOLE_PAIR` if the pair itself may go.

    `asked` are the types that rows ask for, None if their types from this end are not known. `named`: some row names
    the pair. Only labels are taken off one by one: to take off the type without a label would remove all the others,
    too.
    """
    if named:
        return NO_TYPES if asked is None else (held & types.labels) - asked
    goes = held & (types.labels | types.unlabelled)
    if goes == held:
        return goes | {WHOLE_PAIR}
    return goes & types.labels
