"""What becomes of pairs, as outcomes: most of them share one result."""

from collections.abc import Callable, Collection, Iterable, Sequence

import numpy as np

from loader.columns import Ids, distinct
from loader.errors import ApiError
from loader.model import Outcome, Pair, Pairs, Result

Record = Callable[[Sequence[Outcome]], None]
"""Takes outcomes over: all that there are, each once. May raise Stopped to end the run."""


def failed(error: ApiError, *, attempts: int, finished_at: str) -> Result:
    """Return what a pair came to that HubSpot refused, or that it gave no usable answer about."""
    return Result(
        status="failed",
        http_status=error.status,
        error_category=error.category,
        error_message=error.message,
        correlation_id=error.correlation_id,
        attempts=attempts,
        finished_at=finished_at,
    )


def written(pair: Pair) -> str:
    """Return the status of a pair that HubSpot has taken."""
    return "replaced" if pair.gone else "created"


def outcome(pair: Pair, result: Result) -> Outcome:
    """Return one pair's outcome."""
    numbers = np.array([pair.pair_id], np.int64)
    return Outcome(pair_ids=numbers, result=result, rows=pair.rows, unchanged=pair.unchanged)


def outcomes(pairs: Pairs, result: Result) -> list[Outcome]:
    """Return the outcomes of pairs that have one result: few, however many pairs there are."""
    unchanged = np.array([intent.unchanged for intent in pairs.table], np.int64)[pairs.intents]
    parts = {count: pairs.take(unchanged == count) for count in distinct(unchanged).tolist()}
    return [
        Outcome(pair_ids=part.numbers, result=result, rows=int(part.rows.sum()), unchanged=count)
        for count, part in parts.items()
    ]


def numbers_of(pairs: Iterable[Pair]) -> Ids:
    """Return the numbers of pairs."""
    return np.array([pair.pair_id for pair in pairs], np.int64)


def divided(pairs: Pairs, among: Collection[int]) -> tuple[Pairs, Pairs]:
    """Return the pairs whose numbers are in a set or mapping, and the others."""
    if not among:
        return pairs.take(slice(0)), pairs
    mask = np.fromiter((number in among for number in pairs.numbers.tolist()), np.bool_, len(pairs))
    return pairs.take(mask), pairs.take(~mask)
