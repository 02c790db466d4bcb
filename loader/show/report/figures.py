"""What the report says, read from the journal."""

from dataclasses import dataclass
from typing import Any

from loader.journal import Facts, Journal
from loader.journal.for_report import Asked, Failure, asked, failures
from loader.show.pace import Pace


@dataclass(frozen=True, slots=True)
class Figures:
    """A run as the report shows it; `facts` are the journal's own."""

    facts: Facts
    inputs: list[dict[str, Any]]
    asked: list[Asked]
    rows: dict[str, int]
    pairs: int
    failures: list[Failure]
    pace: Pace


def figures(journal: Journal) -> Figures:
    """Read everything that the report shows; a journal of a million rows takes seconds."""
    counts = journal.counts()
    return Figures(
        facts=journal.facts,
        inputs=journal.inputs(),
        asked=asked(journal),
        rows=counts.rows(),
        pairs=counts.pairs,
        failures=failures(journal),
        pace=Pace(journal.facts.pace_width, journal.facts.pace),
    )
