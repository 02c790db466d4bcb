"""Pairs in columns, made of single ones."""

from collections.abc import Iterable

import numpy as np

from loader.model import Direction, Pair, Pairs
from loader.send.outgoing import AsAsked, Draft, unread


def draft_of(given: Iterable[Pair]) -> Draft:
    """Return pairs as a request in preparation, sent as they are."""
    return Draft(unread(pairs_of(given)), AsAsked())


def pairs_of(given: Iterable[Pair], direction: Direction = ("0-1", "0-2")) -> Pairs:
    """Return pairs of one direction as the journal hands them out."""
    pairs = list(given)
    types = list(dict.fromkeys(pair.types for pair in pairs))
    return Pairs(
        direction=direction,
        numbers=np.array([pair.pair_id for pair in pairs], np.int64),
        from_ids=np.array([int(pair.object_id) for pair in pairs], np.int64),
        to_ids=np.array([int(pair.to_object_id) for pair in pairs], np.int64),
        requests=np.array([types.index(pair.types) for pair in pairs], np.int32),
        rows=np.array([pair.rows for pair in pairs], np.int32),
        types=tuple(types),
        before={pair.pair_id: pair.before for pair in pairs if pair.before is not None},
        dropped={pair.pair_id: pair.dropped for pair in pairs if pair.dropped},
        contested={pair.pair_id: pair.contested for pair in pairs if pair.contested},
        unchanged={pair.pair_id: pair.unchanged for pair in pairs if pair.unchanged},
        gone={pair.pair_id: pair.gone for pair in pairs if pair.gone},
    )
