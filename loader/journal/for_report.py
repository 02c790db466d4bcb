"""What the report asks of a journal: what rows were sent as, and which of them failed for which reason."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from loader.journal.journal import Journal
from loader.journal.lines import Line, line_of_pair, line_of_reject
from loader.reasons import Reason, explain

MOST_EXAMPLES = 12


class Asked(NamedTuple):
    """What so many rows were sent as; object types are type ids."""

    rows: int
    object_type: str
    to_object_type: str
    category: str
    type_id: int
    label: str


@dataclass(slots=True)
class Failure:
    """So many rows that failed or were rejected for one reason, and the first of them."""

    category: str
    http_status: int | None
    reason: Reason
    rows: int = 0
    examples: list[Line] = field(default_factory=list)


_ASKED = """
SELECT sum(n), from_type, to_type, category, type_id, settled_label
FROM (SELECT kind, count(*) AS n FROM rows GROUP BY kind) JOIN kinds ON kinds.id = kind
WHERE category IS NOT NULL GROUP BY 2, 3, 4, 5, 6 ORDER BY 1 DESC
"""

# Each with what its line is found by.
_FAILED = """
SELECT error_category, http_status, error_message, size, sequence, pair
FROM outcomes WHERE status = 'failed' ORDER BY sequence
"""

_REJECTED = """
SELECT reason, NULL, '', 1, id FROM rejects WHERE (input, row) <= (SELECT input, row FROM bound) ORDER BY id
"""


def asked(journal: Journal) -> list[Asked]:
    """Return what the rows were sent as, the most frequent first."""
    return [Asked(*row) for row in journal.query(_ASKED)]


def failures(journal: Journal) -> list[Failure]:
    """Return why rows failed or were rejected, the most frequent reason first."""
    found = [
        *_grouped(journal.query(_FAILED), partial(line_of_pair, journal)),
        *_grouped(journal.query(_REJECTED), partial(line_of_reject, journal)),
    ]
    return sorted(found, key=lambda each: -each.rows)


def _grouped(found: Iterator[Any], line_at: Callable[..., Line]) -> Iterable[Failure]:
    """Put the messages of one reason together: most differ by the ids that they name."""
    groups: dict[tuple[str, int | None, Reason], Failure] = {}
    places: dict[tuple[str, int | None, Reason], list[list[int]]] = {}
    for category, status, message, rows, *place in found:
        key = (category, status, explain(category, status, message))
        groups.setdefault(key, Failure(*key)).rows += rows
        first = places.setdefault(key, [])
        if len(first) < MOST_EXAMPLES:
            first.append(place)
    for key, group in groups.items():
        group.examples = [line_at(*place) for place in places[key]]
    return groups.values()
