"""What an undo reads from a journal and writes there: which pairs the run may have changed, and their results.

A pair may have been changed if its before-image was committed, because its request comes right after that. It was not
changed if HubSpot refused it, or if its status is unchanged. A run with `--unread` has no images: what it created, and
what was under way when it ended, counts as its own with `--assume-new`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from loader.columns import Flags, Ids, PlannedLot, distinct
from loader.errors import TRY_AGAIN
from loader.journal.claims import pairs_of
from loader.journal.journal import Journal
from loader.journal.lines import PAIRS_AT_ONCE, ROW_COLUMNS, Line, SharedLines
from loader.journal.lots import ranges, spread
from loader.journal.planned import type_of
from loader.journal.schema import guarded
from loader.model import (
    NO_TYPES,
    TAKEN_BACK,
    WHOLE_PAIR,
    WRITTEN,
    AssociationType,
    Demotion,
    Direction,
    Outcome,
    Pairs,
    Types,
    concatenate,
)

COLUMNS = (*ROW_COLUMNS, "error_category", "error_message", "finished_at")
"""The columns of the undo's file, in their order: those of the results that say something of an undo."""


class _Kind(NamedTuple):
    """What an undo does to some pairs, without their number: see `Group`."""

    direction: Direction
    whole: bool
    types: tuple[AssociationType, ...]
    back: tuple[AssociationType, ...]


class Group(NamedTuple):
    """How many pairs of one kind an undo would take back.

    `whole`: the pairs themselves, because there was nothing before; else only labels. `types` are those that the run
    added, `back` those that it took off; `unsure` counts pairs that the run may not have sent. `primary`: the run made
    one record the primary one of another.
    """

    direction: Direction
    whole: bool
    types: tuple[AssociationType, ...]
    back: tuple[AssociationType, ...]
    pairs: int
    unsure: int
    primary: bool


_SURE, _MAYBE, _BY_IMAGE = 1, 2, 3

_EFFECT = f"""
(SELECT CASE
    WHEN status IN {WRITTEN} THEN 1
    WHEN status = 'rejected' THEN 3
    WHEN status <> 'failed' THEN 4
    WHEN http_status BETWEEN 400 AND 499 AND http_status NOT IN {(*sorted(TRY_AGAIN), 429)} THEN 4
    WHEN attempts > 0 THEN 2
    ELSE 3 END
FROM results WHERE results.id = result)
"""
"""Whether a request changed its pairs: it did (1); it may have (2); it may have where there is an image (3); no (4).

A removal is rejected if a reading of the pair forbids it; an earlier request, whose answer was lost, has an image.
"""

_TAKEN_BACK = "status IN ('removed', 'restored', 'unchanged')"
"""These are final. What an undo left or could not remove, the next undo looks at again."""

_DEMOTIONS = """
SELECT id, pair, object_type, object_id, to_object_type, to_object_id, single, image FROM demoted
WHERE pair IN (SELECT pair FROM undone)
    AND NOT EXISTS (SELECT 1 FROM given_back WHERE demoted = demoted.id AND status IN ('given', 'kept'))
ORDER BY demoted.id
"""


_TO_GIVE_BACK = """
SELECT count(*) FROM demoted WHERE pair IN (SELECT pair FROM undone)
    AND NOT EXISTS (SELECT 1 FROM given_back WHERE demoted = demoted.id)
"""


_UNDONE = """
SELECT sequence, pair, status, error_category, error_message, finished_at FROM undone
WHERE sequence > ? ORDER BY sequence
"""


def taken_back(journal: Journal, view: str, after: int) -> Iterator[tuple[int, Line]]:
    """Yield the lines of the undo's table after a number, each with its number.

    They are the rows that the run created; `status` is the result of the undo.
    """
    if view != "outcomes":
        return
    shared_lines = SharedLines(journal)
    found = journal.named(_UNDONE, (after,))
    while some := list(islice(found, PAIRS_AT_ONCE)):
        pairs = np.array([undone["pair"] for undone in some], np.int64)
        rows = journal.lots.rows_of(pairs)
        for index in np.flatnonzero(~journal.unchanged_rows(pairs, rows)).tolist():
            undone = some[rows.pairs[index]]
            line = Line(
                input=shared_lines.inputs[rows.inputs[index]],
                row=int(rows.rows[index]),
                object_id=str(rows.object_ids[index]),
                to_object_id=str(rows.to_object_ids[index]),
                status=undone["status"],
                error_category=undone["error_category"],
                error_message=undone["error_message"],
                finished_at=undone["finished_at"],
                **shared_lines.kinds[rows.kinds[index]],
            )
            yield undone["sequence"], line


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Concerned:
    """Pairs of a lot, by index; for each whether it is uncertain that the run changed it; and the images of the lot."""

    pairs: Ids
    images: Ids
    unsure: Flags


class UndoJournal(Journal):
    """The journal of a run that is taken back: its pairs are claimed again, and get a second result."""

    def __init__(self, path: Path, *, assume_new: bool = False) -> None:
        super().__init__(path)
        self._assume_new = assume_new

    def begin_undo(self) -> None:
        """Let pairs that could not be taken back be claimed again; those taken back, or gone, stay so."""
        with self._commit(self._rewritten("undo")):
            self._database.execute(f"DELETE FROM undone WHERE NOT ({_TAKEN_BACK})")

    def undoable(self) -> list[Group]:
        """Return what is still to be taken back, in groups, the largest first."""
        found: Counter[_Kind] = Counter()
        unsure: Counter[_Kind] = Counter()
        for (request, image), (pairs, not_sure) in self._mixtures().items():
            direction = self._planned.directions[self._planned.direction_of[request]]
            asked = frozenset(self._planned.types[request])
            held = self._planned.image(image) if image else NO_TYPES
            if self._planned.removes[request]:
                kind = _Kind(direction, False, (), tuple(sorted(self._taken_off(asked, held))))
            else:
                taken = held - asked - self.unlabelled.get(direction, NO_TYPES)
                kind = _Kind(
                    direction,
                    not held,
                    tuple(sorted(asked - held)),
                    tuple(sorted(taken)) if self.replaced else (),
                )
            if kind.types or kind.back:
                found[kind] += pairs
                unsure[kind] += not_sure
        return [
            Group(
                *kind,
                pairs,
                unsure[kind],
                not self._planned.singles.get(kind.direction, {}).keys().isdisjoint(kind.types),
            )
            for kind, pairs in found.most_common()
        ]

    def _taken_off(self, asked: Types, held: Types) -> Types:
        """Return what a removal took off a pair that had the types `held` (see `judging.Removing`)."""
        taken = held if WHOLE_PAIR in asked else held & asked
        whole = self.facts.identity.get("whole_pair") and any(not self.facts.labels.get(each.key) for each in taken)
        return held if whole else taken

    @property
    def replaced(self) -> bool:
        """True for a run with `--existing replace` that read what pairs had, and took off other labels."""
        identity = self.facts.identity
        return identity.get("existing") == "replace" and not identity.get("unread")

    def _mixtures(self) -> dict[tuple[int, int], tuple[int, int]]:
        """Return by request and image how many pairs are still to be taken back, and how many of them are uncertain."""
        found: Counter[tuple[int, int]] = Counter()
        unsure: Counter[tuple[int, int]] = Counter()
        for lot, some in self._concerned(0, _TAKEN_BACK):
            for which, counter in ((some.pairs, found), (some.pairs[some.unsure], unsure)):
                both = np.stack((lot.requests[which], some.images[which]), axis=1)
                kinds, counts = np.unique(both, axis=0, return_counts=True)
                counter.update(dict(zip(map(tuple, kinds.tolist()), counts.tolist(), strict=True)))
        return {kind: (pairs, unsure[kind]) for kind, pairs in found.items()}

    def claim_turn(self, turn: int) -> None:
        """Let claims begin with the first pair of a turn (see `Lots.turns`).

        The last turn comes first. What is given back is sent together with all that a pair has, so an earlier change of
        the same two records must not be under way at the same time.
        """
        self.claims.turn = turn
        with guarded(self.path):
            self.claims.begin_again()

    def claim(self, most: int) -> list[Pairs]:
        """Return the next pairs that are to be taken back, with what they were before."""
        by_direction: dict[int, list[Pairs]] = {}
        for lot, some in self._concerned(self.claims.after, "TRUE", self.claims.turn):
            pairs = some.pairs[:most]
            most -= len(pairs)
            self.claims.after = lot.first_pair + int(pairs[-1])
            of = self._planned.direction_of[lot.requests[pairs]]
            for place in distinct(of).tolist():
                its = pairs[of == place]
                run = pairs_of(
                    self._planned, lot, its, self._planned.directions[place], images=some.images, unknown=NO_TYPES
                )
                removing = run.take(self._planned.removes[lot.requests[its]])
                gone = {
                    pair.pair_id: self._taken_off(frozenset(pair.types), pair.before or NO_TYPES)
                    for pair in removing.each()
                }
                by_direction.setdefault(place, []).append(run.changed("gone", gone))
            if most <= 0:
                break
        return [concatenate(by_direction[place]) for place in sorted(by_direction)]

    def _concerned(self, after: int, done: str, turn: int | None = None) -> Iterator[tuple[PlannedLot, "_Concerned"]]:
        """Yield from each lot (of a turn) the pairs after a number that the run may have changed and not `done` yet."""
        claimed = self.facts.claimed
        for lot in self.lots.after(after, turn):
            first, last = lot.first_pair, lot.last_pair
            with guarded(self.path):
                effects = spread(ranges(self._database, "outcomes", _EFFECT, first, last), 2, first, last)
                images = spread(ranges(self._database, "befores", "image", first, last), 2, first, last)
                undone = self._database.execute(
                    f"SELECT pair FROM undone WHERE pair BETWEEN ? AND ? AND {done}",
                    (first, last),
                ).fetchall()
            known, numbers = images > 0, np.arange(first, last + 1)
            may = (effects == _SURE) | (effects == _MAYBE) | ((effects == _BY_IMAGE) & known)
            may |= (effects == 0) & (known | (numbers <= claimed))
            # What was taken off is known only by the image: it is committed before anything is sent.
            may &= (known | (self._assume_new & ~self._planned.removes[lot.requests])) & (numbers > after)
            may[np.array([pair - first for (pair,) in undone], np.int64)] = False
            if may.any():
                pairs = np.flatnonzero(may)
                yield lot, _Concerned(pairs=pairs, images=images, unsure=effects[pairs] != _SURE)

    def intend(self, pairs: Sequence[int]) -> None:
        """Commit that these pairs are about to be taken back."""
        with self._commit():
            self._database.executemany("INSERT OR IGNORE INTO undoing VALUES (?)", [(pair,) for pair in pairs])

    def intended(self) -> frozenset[int]:
        """Return the pairs that an undo was sending when it ended: it is not known whether they are gone."""
        return frozenset(pair for (pair,) in self.query("SELECT pair FROM undoing"))

    def record(self, outcomes: Iterable[Outcome], changes: Mapping[str, object]) -> None:
        """Commit the results of pairs, together with changes of facts."""
        done = list(outcomes)
        with self._commit(changes):
            self._database.executemany(
                "INSERT INTO undone (pair, status, error_category, error_message, finished_at) VALUES (?, ?, ?, ?, ?)",
                [
                    (pair, result.status, result.error_category, result.error_message, result.finished_at)
                    for each in done
                    for result in [each.result]
                    for pair in each.pair_ids.tolist()
                ],
            )
            # A request without an answer may have taken effect: its intent stays noted.
            known = [(pair,) for each in done if each.status != "failed" for pair in each.pair_ids.tolist()]
            self._database.executemany("DELETE FROM undoing WHERE pair = ?", known)

    # --- what other pairs lost by the run

    def demotions(self) -> dict[int, Demotion]:
        """Return by number the pairs that lost a type to pairs that were taken back, and have not got it back yet."""
        return {
            number: Demotion(pair, first, str(record), second, str(other), type_of(single), self._planned.image(types))
            for number, pair, first, record, second, other, single, types in self.query(_DEMOTIONS)
        }

    def to_give_back(self) -> int:
        """Return how many of them are still to be done."""
        (count,) = next(self.query(_TO_GIVE_BACK))
        return int(count)

    def give_back(self, statuses: Mapping[int, str]) -> None:
        """Commit the results of pairs that get a type back."""
        with self._commit():
            self._database.executemany("INSERT OR REPLACE INTO given_back VALUES (?, ?)", list(statuses.items()))

    def given_back(self) -> dict[str, int]:
        """Return the number of pairs that get a type back, by status."""
        return self._table("SELECT status, count(*) FROM given_back GROUP BY status")

    def states(self) -> dict[str, int]:
        """Return the number of pairs by status, with those that are pending."""
        pending = sum(len(some.pairs) for _, some in self._concerned(0, "TRUE"))
        done = self._table("SELECT status, count(*) FROM undone GROUP BY status")
        # What a run did not do cannot be taken back.
        idle = (
            {"restored"} if not self._planned.removes.any() else {"removed"} if self._planned.removes.all() else set()
        )
        counts = {status: done.get(status, 0) for status in TAKEN_BACK if status not in idle}
        return {**counts, "pending": pending}
