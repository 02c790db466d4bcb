"""What a careful client knows of a server's health, worked out from what passed: its rules in figures.

A breaker that opens when nothing has succeeded for 10 s and 3 requests failed, and then lets one probe a second out;
a number of attempts for a pair, without those that a 429 or an open breaker cost, and more as long as nobody else is
answered.
"""

from collections import Counter
from collections.abc import Iterator

from tests.simulation.exchanges import Exchange
from tests.simulation.portal import Pair, Record

QUIET = 10.0
FAILURES = 3
PROBE = 1.0
A_MOMENT = 0.001
LOCKED = 423

PATIENCE = 120.0
"""A plain 500 is HubSpot's word about one request: this long after the breaker opened, it costs an attempt again."""


Unit = Pair | tuple[Record, ...] | tuple[Pair, ...]
"""What attempts are counted of: a pair that is written, or the records that are read, or pairs sent, in one request.

A batch that is halved is two new requests.
"""


READ: Record = ("read", 0)
"""What a read's records stand behind, so that two of them are not taken for a pair."""


def _covers(unit: Unit, pair: Pair) -> bool:
    return unit == pair or (unit[0] == READ and not {*pair}.isdisjoint(unit)) or pair in unit


def _units(one: Exchange) -> list[Unit]:
    if one.records:
        return [(READ, *one.records)]
    return list(one.pairs) if one.kind == "put" else [tuple(sorted(one.pairs))] if one.pairs else []


class Health:
    """Told of every exchange of one run in the order of time, it says which should not have left."""

    def __init__(self, max_attempts: int) -> None:
        self._max_attempts = max_attempts
        self._failures = 0
        self._failing_since: float | None = None
        self._opened: float | None = None
        self._last_left = -1e9
        self._counted: Counter[Unit] = Counter()
        self._spent: Counter[Unit] = Counter()
        self._first_left: dict[Unit, float] = {}
        self._over: set[Unit] = set()
        self._last_health = -1e9

    def leaves(self, one: Exchange, now: float) -> Iterator[str]:
        """Note that a request leaves, and yield what is wrong with that."""
        if (
            self._opened is not None
            and now - max(self._last_left, self._opened) < PROBE - A_MOMENT
            and (now - self._last_left < PROBE - A_MOMENT)
        ):
            yield f"#{one.number} leaves {now - self._last_left:.3f} s after the last one in an outage"
        self._last_left = now
        for unit in _units(one):
            self._first_left.setdefault(unit, now)
            # A record may be read for one of its pairs while another of them waits and is read once more: each reading
            # has its own attempts, and from outside two of the same record look the same.
            is_another_reading = unit[0] == READ and self._counted[unit] < 2 * self._max_attempts
            if unit in self._over and not is_another_reading:
                yield f"#{one.number} is one attempt more than the {self._max_attempts} of {unit}"

    def used_up(self, pair: Pair) -> bool:
        """Return True for a pair that may be given up, or that could not be looked up."""
        # The record of several pairs may be read for one of them while another's reading has failed and waits: what
        # one reads says nothing of the other's attempts.
        given_up: set[Unit] = {
            unit for unit, count in self._spent.items() if count >= self._max_attempts and unit[0] == READ
        }
        given_up |= {unit for unit, count in self._counted.items() if count >= self._max_attempts}
        given_up -= {unit for unit in given_up if not self._was_no_outage(unit)}
        return any(_covers(unit, pair) for unit in given_up)

    def _was_no_outage(self, unit: Unit) -> bool:
        """Return True when others were answered after the unit first left, or 500 was said for long."""
        return unit in self._over or self._last_health >= self._first_left.get(unit, 1e12)

    def ends(self, one: Exchange, now: float) -> None:
        """Note how a request ended."""
        is_locked = one.answered and one.status == LOCKED and one.kind != "token"
        if one.shows_health or is_locked:
            self._failures, self._failing_since, self._opened = 0, None, None
            self._last_health = now
        if one.shows_health:
            for unit in _units(one):
                self._counted[unit] = 0
                self._first_left.pop(unit, None)
        elif is_locked:
            self._count(one, now, counts=True)
        elif one.failed_in_passing or one.rate_limited:
            if self._failing_since is None:
                self._failing_since = now
            if one.failed_in_passing:
                self._failed(one, now)

    def _failed(self, one: Exchange, now: float) -> None:
        self._failures += 1
        quiet = now - (self._failing_since or now) >= QUIET
        if self._opened is None and self._failures >= FAILURES and quiet:
            self._opened = now
        counts = self._opened is None or (one.status == 500 and one.answered and now - self._opened >= PATIENCE)
        self._count(one, now, counts=counts)

    def _count(self, one: Exchange, now: float, *, counts: bool) -> None:
        for unit in _units(one):
            self._counted[unit] += counts
            self._spent[unit] += counts
            # Of two readings of a record side by side the other one may have been answered meanwhile.
            began = self._first_left.get(unit, now)
            allowed = counts and self._counted[unit] >= self._max_attempts
            if allowed and (self._opened is not None or self._last_health >= began):
                self._over.add(unit)
