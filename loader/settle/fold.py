"""A to B and B to A are one pair, seen from its two ends: which end a request is written from, and with which types.

HubSpot's PUT replaces all labels of a pair, so the rows of both ends must go out together. They are folded onto the
end that more rows are written from, or onto the other where only that can say it all; what can be said from neither is
refused at the rarer end.
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
    found: dict[int, End] = {}
    for kind, verdict in settled.items():
        family, main = families[frozenset(verdict.direction)]
        found[kind] = End(family, verdict.direction != main, verdict.single)
    return found


def specify(forward: Sequence[int], backward: Sequence[int], settled: Mapping[int, Settled]) -> Specification:
    """Return the request for a pair whose rows are of these kinds, from the main end and from the rarer end.

    It is written from the main end unless only the rarer end can say it all; what neither can say is refused.
    """
    refused = tuple(kind for kind in backward if settled[kind].inverse is None)
    if not forward or (refused and all(settled[kind].inverse for kind in forward)):
        return _specification([settled[kind] for kind in backward], [settled[kind] for kind in forward], (), True)
    folded = [settled[kind] for kind in backward if kind not in refused]
    return _specification([settled[kind] for kind in forward], folded, refused, False)


def _specification(
    own: Sequence[Settled],
    folded: Sequence[Settled],
    refused: tuple[int, ...],
    flipped: bool,
) -> Specification:
    inverses = (verdict.inverse for verdict in folded if verdict.inverse is not None)
    types = tuple(dict.fromkeys([*(verdict.type for verdict in own), *inverses]))
    return Specification(*own[0].direction, types, flipped, refused)
