"""What goes wrong between the loader and HubSpot, and when: drawn from a seed, the same in every replay."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

OUTAGES = ("refused", "reset", "silent", "503", "portal page", "429")
"""What an outage looks like from outside; `429` is a limiter gone mad."""

HALF = "half"
"""A spell in which every other request fails."""

TROUBLES = {
    "500": 3,
    "502": 3,
    "503": 3,
    "504": 2,
    "408": 1,
    "425": 1,
    "423": 3,
    "521": 1,
    "524": 1,
    "526": 1,
    "refused": 2,
    "reset": 2,
    "silent": 1,
    "lost": 4,
    "late": 1,
    "unreadable": 3,
    "odd": 2,
}
"""What strikes a single request, by weight. `lost`: done, and the answer reset; `late`: done, and no answer in time."""

APPLIED = frozenset({"lost", "late"})
NEVER_ARRIVES = frozenset({"refused", "reset", "silent"})


class Fate(NamedTuple):
    """What becomes of one request. `applied` says whether HubSpot does what it asks for where `trouble` strikes.

    `arrives_anyway` says whether it still arrives when its sender lets go of it on its way.
    """

    trouble: str | None
    applied: bool
    there: float
    back: float
    arrives_anyway: bool


class Spell(NamedTuple):
    """A stretch of time with weather of its own: an outage, or slower answers."""

    since: float
    until: float
    outage: str | None
    slower: float


@dataclass(slots=True)
class Weather:
    """`share` of the requests is struck by a trouble; `latency` is the shortest and the longest way, in seconds."""

    chance: random.Random
    share: float
    latency: tuple[float, float]
    spells: Sequence[Spell] = ()

    def fate(self, now: float) -> Fate:
        """Draw what becomes of a request that leaves now."""
        chance = self.chance
        spell = next((spell for spell in self.spells if spell.since <= now < spell.until), None)
        slower = spell.slower if spell else 1.0
        there, back = (chance.uniform(*self.latency) / 2 * slower for _ in range(2))
        trouble = spell.outage if spell else None
        if trouble == HALF:
            trouble = "503" if chance.random() < 0.5 else None
        if trouble is None and chance.random() < self.share:
            (trouble,) = chance.choices(list(TROUBLES), list(TROUBLES.values()))
        applied = trouble is None or trouble in APPLIED or (trouble not in NEVER_ARRIVES and chance.random() < 0.3)
        if spell and spell.outage and trouble:
            applied = False
        return Fate(trouble, applied, there, back, chance.random() < 0.5)

    def clear(self) -> None:
        """Let nothing strike any more."""
        self.share = 0.0
        self.spells = ()


def forecast(chance: random.Random, beginning: float, expected: float) -> Weather:
    """Draw the weather of a world in which a run takes about `expected` seconds when nothing happens."""
    share = chance.choice([0.0, 0.02, 0.05, 0.2, 0.5])
    latency = chance.choice([(0.02, 0.2), (0.05, 0.15), (0.2, 2.0), (0.001, 0.01)])
    spells = []
    for _ in range(chance.choice([0, 0, 1, 1, 2, 3])):
        since = beginning + chance.uniform(0, expected * 1.5)
        lasts = chance.choice([3.0, 15.0, 40.0, 120.0, 300.0, 1000.0]) * chance.uniform(0.5, 1.5)
        outage = chance.choice(OUTAGES) if chance.random() < 0.7 else None
        spells.append(Spell(since, since + lasts, outage, 1.0 if outage else chance.choice([4.0, 20.0, 200.0])))
    return Weather(chance, share, latency, spells)
