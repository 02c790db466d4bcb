"""A to B and B to A are one pair, seen from its two ends: which end a request is written from, and with which types.

HubSpot's PUT replaces all labels of a pair, so the rows of both ends must go out together. They are folded onto the
end that more rows are written from, or onto the other where only that can say it all; what can be said from neither is
refused at the rarer end.
"""

from collections.abc import Mapping, Sequence

from loader.model import Direction, End, Resolved, Specification, hides_leads


def ends(resolved: Mapping[int, Resolved], rows: Mapping[int, int]) -> dict[int, End]:
    """Return for each kind of row (by number) its family and end; `rows` counts the rows of each kind."""
    weights: dict[Direction, int] = {}
    for kind, verdict in resolved.items():
        weights[verdict.direction] = weights.get(verdict.direction, 0) + rows[kind]
    families: dict[frozenset[str], tuple[int, Direction]] = {}
    for direction in sorted(weights, key=lambda direction: -weights[direction]):
        families.setdefault(frozenset(direction), (len(families) + 1, direction))
    found: dict[int, End] = {}
    for kind, verdict in resolved.items():
        family, main = families[frozenset(verdict.direction)]
        found[kind] = End(family, verdict.direction != main, verdict.single)
    return found


def specify(forward: Sequence[int], backward: Sequence[int], resolved: Mapping[int, Resolved]) -> Specification:
    """Return the request for a pair whose rows are of these kinds, from the main end and from the rarer end.

    It is written from the main end unless only the rarer end can say it all, or the rarer end is a lead's: what a lead
    has is read and written from the lead's end where that can say it all. What neither end can say is refused.
    """
    main = resolved[forward[0]].direction if forward else resolved[backward[0]].direction[::-1]
    speaks = {True: _all_known(backward, resolved), False: _all_known(forward, resolved)}
    if hides_leads(main) and speaks[False]:
        flipped = True
    elif hides_leads(main[::-1]) and speaks[True]:
        flipped = False
    else:
        flipped = not forward or (speaks[False] and not speaks[True])
    own, folded = (backward, forward) if flipped else (forward, backward)
    refused = tuple(kind for kind in folded if resolved[kind].inverse is None)
    types = [resolved[kind].type for kind in own]
    types += [inverse for kind in folded if (inverse := resolved[kind].inverse) is not None]
    return Specification(*(main[::-1] if flipped else main), tuple(dict.fromkeys(types)), flipped, refused)


def _all_known(kinds: Sequence[int], resolved: Mapping[int, Resolved]) -> bool:
    """Return True when it is known what each of these kinds is called from the other end."""
    return all(resolved[kind].inverse is not None for kind in kinds)
