"""The lines of a verification, read back from its own journal: what each row asks for, held against what is there.

In that journal an outcome's status is `same`, `other`, `missing` or `failed`, for the pair as a whole, and its labels
are the association types that the portal holds for it, each as `CATEGORY:id`. What a row's line says follows from them.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from loader.journal.journal import Journal
from loader.journal.lines import Stretch, settled
from loader.journal.planned import type_of

MARKS = {"=": "there", "*": "different", "+": "missing", "!": "unreadable"}
"""The marks of the lines, and what each means in a word."""


class Comparison(NamedTuple):
    """One line: a row and whether what it asks for is there. The fields are the columns of the file, in their order."""

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
    labels: str
    error_category: str
    error_message: str


_REJECTED = """
SELECT x.id AS number, i.name, x.row, '!' AS mark, coalesce(k.from_type, k.object_type), x.object_id,
    coalesce(k.to_type, k.to_object_type), x.to_object_id, k.association_category, k.association_type_id, k.label, '',
    x.reason, x.message
FROM rejects x JOIN kinds k ON k.id = x.kind JOIN inputs i ON i.id = x.input
WHERE (x.input, x.row) <= (SELECT input, row FROM bound) AND x.id > :after
"""


def comparisons(journal: Journal, view: str, after: int) -> Iterator[tuple[int, Comparison]]:
    """Yield the lines of a view (`settled` or `rejected`) that come after a number, each with its number."""
    if view == "rejected":
        for number, *cells in journal.query(f"{_REJECTED} ORDER BY number", {"after": after}):
            yield number, Comparison(*cells)
        return
    names = _Names(journal.facts.labels)
    for stretch in settled(journal, after):
        for line, mark in zip(stretch.lines(), _marks(journal, stretch), strict=True):
            yield (
                stretch.number,
                Comparison(*line[:2], mark, *line[3:10], names[line.labels], line.error_category, line.error_message),
            )


def marks(journal: Journal) -> Counter[str]:
    """Return how many lines have each mark."""
    counted: Counter[str] = Counter()
    for stretch in settled(journal):
        counted.update(_marks(journal, stretch))
    counting = f"SELECT mark, count(*) FROM ({_REJECTED}) GROUP BY mark"  # noqa: S608 - our own text
    for mark, count in journal.query(counting, {"after": 0}):
        counted[mark] += count
    return counted


def _marks(journal: Journal, stretch: Stretch) -> list[str]:
    """Return the mark of each row."""
    found = np.array([_MARK_OF.get(each.result.status, "*") for each in stretch.shared])[stretch.which]
    for number, each in enumerate(stretch.shared):
        if each.result.status == "other" and not journal.facts.exact:
            rows = np.flatnonzero(stretch.which == number)
            held = frozenset(map(type_of, filter(None, each.result.labels.split(";"))))
            own = journal.own_among(held, stretch.rows.kinds[rows], stretch.rows.against[rows])
            found[rows[own]] = "="
    return list(map(str, found))


_MARK_OF = {"failed": "!", "missing": "+", "same": "="}
"""The mark of each status; a pair that has something else is looked at row by row."""


class _Names(dict[str, str]):
    """Types as the journal writes them -> the labels that people know them by; a portal has few sets of them."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        super().__init__()
        self._labels = labels

    def __missing__(self, keys: str) -> str:
        names: Sequence[str] = [self._labels.get(each, each.replace(":", " ")) for each in keys.split(";") if each]
        self[keys] = ";".join(name for name in names if name)
        return self[keys]
