"""The lines of a verification, read back from its own journal: what each row asks for, held against what is there.

In that journal an outcome's status is `same`, `other`, `missing` or `failed`, for the pair as a whole, and its labels
are the association types that the portal holds for it, each as `CATEGORY:id`. What a row's line says follows from them.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from loader.journal.journal import Journal
from loader.journal.schema import OWN

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


_COLUMNS = f"""
SELECT o.sequence AS number, i.name, r.row,
    CASE WHEN o.status = 'failed' THEN '!' WHEN o.status = 'missing' THEN '+' WHEN o.status = 'same' THEN '='
        WHEN NOT :exact AND instr(';' || o.labels || ';', ';' || {OWN} || ';') THEN '=' ELSE '*' END AS mark,
    k.from_type, CAST(r.object_id AS TEXT), k.to_type, CAST(r.to_object_id AS TEXT),
    k.category, CAST(k.type_id AS TEXT), k.settled_label, o.labels, o.error_category, o.error_message
FROM outcomes o JOIN specifications s ON s.kinds = o.kinds
"""  # noqa: S608 - our own text

_SETTLED = f"""
SELECT * FROM (
    {_COLUMNS} JOIN rows r ON r.id = o.first_row JOIN kinds k ON k.id = r.kind JOIN inputs i ON i.id = r.input
    WHERE o.all_rows IS NULL AND o.sequence > :after
    UNION ALL
    {_COLUMNS} JOIN json_each('[' || o.all_rows || ']') j JOIN rows r ON r.id = j.value
        JOIN kinds k ON k.id = r.kind JOIN inputs i ON i.id = r.input
    WHERE o.all_rows IS NOT NULL AND o.sequence > :after
)
"""  # noqa: S608 - our own text

_REJECTED = """
SELECT x.id AS number, i.name, x.row, '!' AS mark, coalesce(k.from_type, k.object_type), x.object_id,
    coalesce(k.to_type, k.to_object_type), x.to_object_id, k.association_category, k.association_type_id, k.label, '',
    x.reason, x.message
FROM rejects x JOIN kinds k ON k.id = x.kind JOIN inputs i ON i.id = x.input
WHERE (x.input, x.row) <= (SELECT input, row FROM bound) AND x.id > :after
"""

_VIEWS = {"settled": _SETTLED, "rejected": _REJECTED}


def comparisons(journal: Journal, view: str, after: int) -> Iterator[tuple[int, Comparison]]:
    """Yield the lines of a view (`settled` or `rejected`) that come after a number, each with its number."""
    names = _Names(journal.facts.labels)
    for number, *cells in _query(journal, f"{_VIEWS[view]} ORDER BY number", after):
        cells[10] = names[cells[10]]
        yield number, Comparison(*cells)


def marks(journal: Journal) -> Counter[str]:
    """Return how many lines have each mark."""
    counted: Counter[str] = Counter()
    for statement in _VIEWS.values():
        counting = f"SELECT mark, count(*) FROM ({statement}) GROUP BY mark"  # noqa: S608 - our own text
        counted.update(dict(_query(journal, counting, 0)))
    return counted


def _query(journal: Journal, statement: str, after: int) -> Iterator[Any]:
    return journal.query(statement, {"after": after, "exact": journal.facts.exact})


class _Names(dict[str, str]):
    """Types as the journal writes them -> the labels that people know them by; a portal has few sets of them."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        super().__init__()
        self._labels = labels

    def __missing__(self, keys: str) -> str:
        names: Sequence[str] = [self._labels.get(each, each.replace(":", " ")) for each in keys.split(";") if each]
        self[keys] = ";".join(name for name in names if name)
        return self[keys]
