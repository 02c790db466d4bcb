"""How the loaders of one token share its limit: the rules, as pure functions. No clock, no I/O.

Everybody holds a portion of the limit, and all portions together are never more than the whole. A loader sends no more
requests in a window than its portion of the limit, and gives up a part only when its requests of the last window fit
into the rest: whoever takes that part over can then not add to them. What a loader was allowed when it ended is held
until its last requests are a window old.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

ROUNDING = 1e-6


class Claim(NamedTuple):
    """What one loader holds: no more than `portion` of the limit is in its last window, nor will be.

    It sends nothing after `until`, unless it renews the claim before. `hungry`: it could send more. All times are
    seconds of the machine's monotonic clock; `window` is the limit's.
    """

    portion: float
    hungry: bool
    until: float
    window: float


class Held(NamedTuple):
    """A portion that nobody may use until a moment, because a loader that ended has used it in its last window."""

    portion: float
    until: float
    window: float


class Allowance(NamedTuple):
    """Who holds what, by the loaders' names."""

    claims: Mapping[str, Claim]
    held: Sequence[Held]


class Wish(NamedTuple):
    """What a loader says of itself: how much it is bound to now, and how much its last window's requests take up.

    `needs` is what it can make use of in the next moments; `hungry`: it could send more than it may. `one` is the
    portion of a single request. `window` is the limit's, in seconds.
    """

    bound: float
    in_use: float
    needs: float
    hungry: bool
    one: float
    window: float


NOTHING = Allowance({}, ())


def current(there: Allowance, now: float, grace: float) -> Allowance:
    """Return what still counts: a claim that was not renewed does until its last requests are a window old.

    `grace` is how long after its claim's end a request of a loader that ended may still arrive.
    """
    return Allowance(
        {name: claim for name, claim in there.claims.items() if now < claim.until + grace + claim.window},
        [held for held in there.held if now < held.until],
    )


class Granted(NamedTuple):
    """What a loader is bound to from now on; with `more` it gets more as soon as it is used up.

    `equal` is its part where everybody who could send more has as much: at that pace requests are to leave.
    """

    bound: float
    equal: float
    more: bool


def share(there: Allowance, name: str, wish: Wish, until: float) -> tuple[Allowance, Granted]:
    """Return what there is once a loader's claim is renewed, and what the loader is granted.

    It goes on holding what it was bound to so far: it may have sent requests within that while this was decided. It
    gets no more than it needs for now, so that what it leaves behind when it is killed is little, too.
    """
    others = [claim for other, claim in there.claims.items() if other != name]
    hungry = [claim.portion for claim in others if claim.hungry]
    equal = 1 / (len(hungry) + 1)
    free = max(0.0, 1.0 - sum(claim.portion for claim in others) - sum(held.portion for held in there.held))
    most = min(free, _most(wish, hungry, equal))
    if most < wish.one - ROUNDING:
        most = 0.0  # Too little for a single request: let it add up for somebody.
    bound = min(most, wish.needs)
    holding = min(free, max(bound, wish.bound, wish.in_use))
    claims = {**there.claims, name: Claim(holding, wish.hungry, until, wish.window)}
    return there._replace(claims=claims), Granted(bound, equal, more=bound < most)


def _most(wish: Wish, hungry: Sequence[float], equal: float) -> float:
    """How much a loader may have, if there is so much; `hungry` are the portions of others that could send more."""
    if not wish.hungry or not hungry or min(hungry) >= equal - ROUNDING:
        return 1.0
    return max(equal, wish.one)


def leave(there: Allowance, name: str, used: Sequence[Held]) -> Allowance:
    """Return what there is once a loader has ended, whose last window's requests are `used`."""
    claims = {other: claim for other, claim in there.claims.items() if other != name}
    return Allowance(claims, [*there.held, *used])
