"""What an undo asks of a journal and writes down there: which pairs the run may have changed, and what became of them.

A pair may have been changed when its before-image was committed, as that comes right before its request. It was not
when HubSpot refused it, nor when it is unchanged. A run that looked at nothing before has no images: what it created,
and what was under way when it ended, is taken for its own if the undo is told to assume so.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from loader.journal.journal import Journal
from loader.journal.schema import ITS_OUTCOME, OLD
from loader.model import NO_TYPES, AssociationType, Demotion, Direction, Outcome, Pairs

STATUSES = ("removed", "unchanged", "left", "failed")
"""What may become of a pair: taken back; not there any more; changed by somebody since; refused by HubSpot."""


class TakenBack(NamedTuple):
    """One line: a row that the run created, and what became of it. The fields are the columns, in their order."""

    input: str
    row: int
    status: str
    object_type: str
    object_id: str
    to_object_type: str
    to_object_id: str
    association_category: str
    association_type_id: str
    label: str
    error_category: str
    error_message: str
    finished_at: str


class _Kind(NamedTuple):
    """What an undo does to pairs, but for their number: see `Group`."""

    direction: Direction
    whole: bool
    types: tuple[AssociationType, ...]
    back: tuple[AssociationType, ...]


class Group(NamedTuple):
    """So many pairs of one kind that an undo would take back.

    `whole`: the pairs themselves, because there was nothing before; else the labels only. `types` are those that the
    run added, `back` those that it took off; `unsure` counts pairs that the run may not have got to. `primary` says
    that the run made one record the primary one of another.
    """

    direction: Direction
    whole: bool
    types: tuple[AssociationType, ...]
    back: tuple[AssociationType, ...]
    pairs: int
    unsure: int
    primary: bool


_CONCERNED = f"""
SELECT pairs.id AS id, object_id, to_object_id, kinds, size, images.types AS before,
    o.status IS NULL OR o.status NOT IN ('created', 'replaced') AS unsure
FROM pairs LEFT JOIN befores ON befores.pair = pairs.id LEFT JOIN images ON images.id = befores.image
    LEFT JOIN settled ON {ITS_OUTCOME} LEFT JOIN results o ON o.id = settled.result
WHERE (befores.pair IS NOT NULL OR :assume_new) AND (
    o.status IN ('created', 'replaced')
    OR (o.status = 'failed' AND (o.attempts > 0 OR befores.pair IS NOT NULL)
        AND (o.http_status IS NULL OR o.http_status NOT BETWEEN 400 AND 499 OR o.http_status IN (408, 423, 425, 429)))
    OR (o.status IS NULL AND (befores.pair IS NOT NULL OR pairs.id <= :claimed))
)
"""  # noqa: S608 - our own text

_SETTLED = "status IN ('removed', 'unchanged')"
"""Of these an undo need not think again; what it left or could not remove, the next one looks at once more."""

_LINES = f"""
SELECT u.sequence AS number, i.name, r.row, u.status, k.from_type, CAST(r.object_id AS TEXT), k.to_type,
    CAST(r.to_object_id AS TEXT), k.category, CAST(k.type_id AS TEXT), k.settled_label, u.error_category,
    u.error_message, u.finished_at
FROM undone u JOIN pairs p ON p.id = u.pair LEFT JOIN befores b ON b.pair = p.id
    JOIN specifications s ON s.kinds = p.kinds,
    json_each('[' || coalesce(p.all_rows, p.first_row) || ']') j JOIN rows r ON r.id = j.value
    JOIN kinds k ON k.id = r.kind JOIN inputs i ON i.id = r.input
WHERE u.sequence > ? AND NOT coalesce({OLD}, FALSE)
ORDER BY u.sequence
"""  # noqa: S608 - our own text


_DEMOTIONS = """
SELECT demoted.id, pair, object_type, object_id, to_object_type, to_object_id, single, types
FROM demoted JOIN images ON images.id = image
WHERE pair IN (SELECT pair FROM undone)
    AND NOT EXISTS (SELECT 1 FROM given_back WHERE demoted = demoted.id AND status IN ('given', 'kept'))
ORDER BY demoted.id
"""


_TO_GIVE_BACK = """
SELECT count(*) FROM demoted WHERE pair IN (SELECT pair FROM undone)
    AND NOT EXISTS (SELECT 1 FROM given_back WHERE demoted = demoted.id)
"""


def _key(text: str) -> AssociationType:
    category, _, type_id = text.rpartition(":")
    return AssociationType(category, int(type_id))


def taken_back(journal: Journal, view: str, after: int) -> Iterator[tuple[int, TakenBack]]:
    """Yield the lines of the undo's table that come after a number, each with its number."""
    if view != "settled":
        return
    for number, *cells in journal.query(_LINES, (after,)):
        yield number, TakenBack(*cells)


class UndoJournal(Journal):
    """The journal of a run that is taken back: its pairs are claimed and recorded once more, beside their outcomes."""

    def __init__(self, path: Path, *, assume_new: bool = False) -> None:
        super().__init__(path)
        self._assume_new = assume_new

    def begin_undo(self) -> None:
        """Have what could not be taken back looked at again; what was taken back, or was gone, stays so."""
        with self._commit(self._rewritten("undo")):
            self._database.execute(f"DELETE FROM undone WHERE NOT ({_SETTLED})")  # noqa: S608 - our own text

    def undoable(self) -> list[Group]:
        """Return what is still to be taken back, in groups, the largest first."""
        found: Counter[_Kind] = Counter()
        unsure: Counter[_Kind] = Counter()
        for kinds, before, pairs, not_sure in self._groups():
            specification = self._plan.specifications[kinds]
            asked = frozenset(specification.types)
            held = self._plan.image(before) if before else frozenset()
            taken = held - asked - self.unlabelled.get(specification.direction, frozenset())
            kind = _Kind(
                specification.direction,
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
                not self._plan.singles.get(kind.direction, {}).keys().isdisjoint(kind.types),
            )
            for kind, pairs in found.most_common()
        ]

    @property
    def replaced(self) -> bool:
        """True for a run that looked at what pairs had, and took off what the file does not ask for."""
        identity = self.facts.identity
        return identity.get("existing") == "replace" and not identity.get("unread")

    def _groups(self) -> Iterator[Sequence[Any]]:
        columns = "kinds, before, count(*), sum(unsure)"
        return self._concerned(columns, "GROUP BY kinds, before", done=_SETTLED)

    def claim(self, most: int) -> list[Pairs]:
        """Return the next pairs that are to be taken back, with what they were before."""
        found = list(self._concerned("*", "AND id > :after ORDER BY id LIMIT :most", after=self._claimed, most=most))
        if found:
            self._claimed = found[-1][0]
        befores = {row[0]: self._plan.image(row[5]) if row[5] else NO_TYPES for row in found}
        return self._plan.pairs(found, befores)

    def _concerned(self, columns: str, rest: str, *, done: str = "TRUE", **values: object) -> Iterator[Sequence[Any]]:
        """Yield from the pairs that the run may have changed and that are not `done` yet."""
        return self.query(
            f"SELECT {columns} FROM ({_CONCERNED})"  # noqa: S608 - our own text
            f" WHERE NOT EXISTS (SELECT 1 FROM undone WHERE pair = id AND {done}) {rest}",
            {"assume_new": self._assume_new, "claimed": self.facts.claimed, **values},
        )

    def intend(self, pairs: Sequence[int]) -> None:
        """Commit that these pairs are about to be taken back."""
        with self._commit():
            self._database.executemany("INSERT OR IGNORE INTO undoing VALUES (?)", [(pair,) for pair in pairs])

    def intended(self) -> frozenset[int]:
        """Return the pairs that an undo was at when it ended, and of which it does not know whether they are gone."""
        return frozenset(pair for (pair,) in self.query("SELECT pair FROM undoing"))

    def record(self, outcomes: Iterable[Outcome], changes: Mapping[str, object]) -> None:
        """Commit what became of pairs, together with what changed of the facts at the same moment."""
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
            # A request that got no answer may have taken effect: that stays in mind.
            settled = [(pair,) for each in done if each.status != "failed" for pair in each.pair_ids.tolist()]
            self._database.executemany("DELETE FROM undoing WHERE pair = ?", settled)

    # --- what other pairs lost by the run

    def demotions(self) -> dict[int, Demotion]:
        """Return by number the pairs that lost a type to those that were taken back, and have not got it back yet."""
        return {
            number: Demotion(pair, first, str(record), second, str(other), _key(single), self._plan.image(types))
            for number, pair, first, record, second, other, single, types in self.query(_DEMOTIONS)
        }

    def to_give_back(self) -> int:
        """Return how many of them nobody has looked at yet."""
        (count,) = next(self.query(_TO_GIVE_BACK))
        return int(count)

    def give_back(self, statuses: Mapping[int, str]) -> None:
        """Commit what became of such pairs."""
        with self._commit():
            self._database.executemany("INSERT OR REPLACE INTO given_back VALUES (?, ?)", list(statuses.items()))

    def given_back(self) -> dict[str, int]:
        """Return how many such pairs have which status."""
        return self._table("SELECT status, count(*) FROM given_back GROUP BY status")

    def standing(self) -> dict[str, int]:
        """Return how many pairs have which status, and how many are still to come."""
        (pending,) = next(self._concerned("count(*)", ""))
        done = self._table("SELECT status, count(*) FROM undone GROUP BY status")
        return {**{status: done.get(status, 0) for status in STATUSES}, "pending": pending}
