"""What the report reads from a journal: what rows were sent as, and which of them failed for which reason."""

from dataclasses import dataclass, field
from typing import NamedTuple

from loader.journal.bound import WITHIN_BOUND
from loader.journal.journal import Journal
from loader.journal.lines import Line, line_of_pair, line_of_reject
from loader.reasons import Reason, explain

MOST_EXAMPLES = 12


class SentKind(NamedTuple):
    """A kind of row as it was sent, with the number of its `rows`; object types are type ids."""

    rows: int
    object_type: str
    to_object_type: str
    category: str
    type_id: int
    label: str


@dataclass(slots=True)
class Failure:
    """The rows that failed or were rejected for one reason: how many, and the first of them."""

    category: str
    http_status: int | None
    reason: Reason
    rows: int = 0
    examples: list[Line] = field(default_factory=list)


_SENT_KINDS = """
SELECT sum(rows) AS n, from_type, to_type, category, type_id, sent_label FROM kinds
WHERE category IS NOT NULL GROUP BY 2, 3, 4, 5, 6 HAVING n > 0 ORDER BY 1 DESC
"""

FAILED = """
SELECT error_category, http_status, error_message, rows, sequence, first_pair, last_pair, result, unchanged
FROM outcomes CROSS JOIN results ON results.id = result WHERE status IN ('failed', 'rejected')
ORDER BY sequence
"""

_REJECTED = f"SELECT reason, id FROM rejects WHERE {WITHIN_BOUND} ORDER BY id"


def sent_kinds(journal: Journal) -> list[SentKind]:
    """Return what the rows were sent as, the most frequent first."""
    return [SentKind(*row) for row in journal.query(_SENT_KINDS)]


def failures(journal: Journal) -> list[Failure]:
    """Return why rows failed or were rejected, the most frequent reason first.

    The messages of one reason are put together: most differ by the ids that they name.
    """
    groups: dict[tuple[bool, str, int | None, Reason], Failure] = {}
    counted = 0
    for category, status, message, rows, *outcome in journal.query(FAILED):
        group = _group(groups, category, status, message, sent=True)
        _, first, last, result, _ = outcome
        group.rows += rows if result > counted else 0
        counted = max(counted, result)  # The pairs of one result need not be consecutive.
        for pair in range(first, min(last, first + MOST_EXAMPLES - len(group.examples) - 1) + 1):
            group.examples.append(line_of_pair(journal, outcome, pair))
    for reason, number in journal.query(_REJECTED):
        group = _group(groups, reason, None, "", sent=False)
        group.rows += 1
        if len(group.examples) < MOST_EXAMPLES:
            group.examples.append(line_of_reject(journal, number))
    return sorted(groups.values(), key=lambda each: -each.rows)


def _group(
    groups: dict[tuple[bool, str, int | None, Reason], Failure],
    category: str,
    status: int | None,
    message: str,
    *,
    sent: bool,
) -> Failure:
    reason = explain(category, status, message)
    return groups.setdefault((sent, category, status, reason), Failure(category, status, reason))
