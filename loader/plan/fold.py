"""A to B and B to A are one pair, seen from its two ends: which end a request is written from, and with which types.

HubSpot's PUT replaces all labels of a pair, so the rows of both ends must go out together. They are folded onto the
end that more rows are written from, where the inverse association type is known; where it is not, the rows of the
rarer end are refused.
"""

from collections.abc import Mapping, Sequence

from loader.model import Direction, End, Settled, Specification


def ends(settled: Mapping[int, Settled], rows: Mapping[int, int]) -> dict[int, End]:
    """Return for each kind of row (by number) its family and end; `rows` counts the rows of each kind."""
    weights: dict[Direction, int] = {}
    for kind, verdict in settled.items():
        weights[verdict.direction] = weights.get(verdict.direction, 0) + rows[kind]
    families: dict[frozenset[str], tuple[int, Direction]] = {}
    for direction in sorted(weights, key=lambda direction: -weights[direction]):
        families.setdefault(frozenset(direction), (len(families) + 1, direction))
    return {
        kind: End(
            families[frozenset(verdict.direction)][0], verdict.direction != families[frozenset(verdict.direction)][1]
        )
        for kind, verdict in settled.items()
    }


def specify(forward: Sequence[int], backward: Sequence[int], settled: Mapping[int, Settled]) -> Specification:
    """Return the request for a pair whose rows are of these kinds, from the main end and from the rarer end."""
    if not forward:
        return _specification([settled[kind] for kind in backward], (), flipped=True)
    own = [settled[kind] for kind in forward]
    foldable = [kind for kind in backward if settled[kind].inverse is not None]
    refused = tuple(kind for kind in backward if settled[kind].inverse is None)
    direction = own[0].direction
    folded = [Settled(*direction, inverse, "", None) for kind in foldable if (inverse := settled[kind].inverse)]
    return _specification(own + folded, refused, flipped=False)


def _specification(settled: Sequence[Settled], refused: tuple[int, ...], *, flipped: bool) -> Specification:
    types = tuple(dict.fromkeys(verdict.type for verdict in settled))
    return Specification(*settled[0].direction, types, flipped, refused)
