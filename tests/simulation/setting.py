"""What a world is like at its beginning: its input, its HubSpot, its weather, what will happen to its runs; by seed."""

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from loader.settings import Rate, SendSettings
from tests.simulation.hubspot import Rules
from tests.simulation.inputs import Inputs, draw
from tests.simulation.portal import COMPANY, CONTACT, DEAL, TYPES, Kind, Pair, pair_of
from tests.simulation.weather import Weather, forecast

BEGINNING = 1000.0
"""The first second of every world."""

REQUESTS_TO_BEGIN = 20
"""A run asks about account, limits and labels before it sends anything: a day's quota of 12 never let it begin."""

MOST_PAIRS_OF_A_RECORD = 6
"""Of one that is gone or merged: more failures of one kind in a row than a load puts up with would stop it."""

BLOWS = {
    "kill": 8,
    "stop": 3,
    "stop twice": 3,
    "disk full": 3,
    "max duration": 2,
    "limit": 2,
    "revoked": 1,
    "scope": 1,
    "migrating": 1,
    "day": 1,
}
"""What ends a run before its time, by weight."""


@dataclass(slots=True)
class Setting:
    """A world before anything happens in it.

    `there` are the associations that somebody else made before. `blows` is how many runs are to be struck. `send`
    fixes how the loader sends; None: every run draws anew. `removes`: the inputs are taken off, and `foreign` are more
    associations that are there, of pairs that the inputs name and of others.
    """

    seed: int
    inputs: Inputs
    rules: Rules
    weather: Weather
    there: dict[Pair, Kind] = field(default_factory=dict)
    blows: int = 0
    disk_seconds: float = 0.002
    existing: str = "replace"
    all_labels: bool = False
    removes: bool = False
    whole_pair: bool = False
    foreign: dict[Pair, frozenset[Kind]] = field(default_factory=dict)
    send: SendSettings | None = None
    timeout: float | None = None


def drawn(seed: int) -> Setting:
    """Return the world of a seed."""
    chance = random.Random(f"setting {seed}")
    inputs = draw(random.Random(f"inputs {seed}"))
    pairs = list(inputs.wanted())
    weather = forecast(random.Random(f"weather {seed}"), BEGINNING, len(pairs) / 10 + 5)
    rules = _rules(chance, pairs, weather)
    there = _there(chance, pairs)
    _answers_of_2026(random.Random(f"answers {seed}"), rules, inputs, pairs)
    survivors = _of_survivors(random.Random(f"survivors {seed}"), rules, pairs)
    return Setting(
        seed,
        inputs,
        rules,
        weather,
        there={pair: kind for pair, kind in there.items() if rules.merged.keys().isdisjoint(pair)},
        blows=chance.choice([0, 1, 1, 2, 3, 5]),
        disk_seconds=chance.choice([0.0005, 0.002, 0.05]),
        existing=chance.choice(["merge", "merge", "replace"]),
        foreign=survivors,
    )


def drawn_removal(seed: int) -> Setting:
    """Return the world of a seed in which the inputs are taken off."""
    setting, chance = drawn(seed), random.Random(f"removal {seed}")
    setting.removes, setting.existing, setting.whole_pair = True, "merge", chance.random() < 0.5
    setting.inputs = draw(random.Random(f"inputs {seed}"), removes=True, whole_pair=setting.whole_pair)
    pairs = list(setting.inputs.wanted())
    setting.foreign = _of_survivors(random.Random(f"survivors {seed}"), setting.rules, pairs)
    _add_foreign(chance, setting, pairs + [pair for pair in _others(chance, pairs) if pair not in pairs])
    return setting


def drawn_mirror(seed: int) -> Setting:
    """Return the world of a seed in which records are to have what the inputs say, and nothing else in scope."""
    setting, chance = drawn(seed), random.Random(f"mirror {seed}")
    setting.existing, setting.there = "mirror", {}
    setting.all_labels = random.Random(f"all labels {seed}").random() < 0.4
    setting.inputs = draw(random.Random(f"inputs {seed}"), paired=random.Random(f"paired {seed}").random() < 0.5)
    setting.rules.blind -= setting.inputs.directions()
    pairs = list(setting.inputs.wanted())
    setting.foreign = _of_survivors(random.Random(f"survivors {seed}"), setting.rules, pairs)
    _add_foreign(chance, setting, dict.fromkeys(pairs + _others(chance, pairs)))
    return setting


def _others(chance: random.Random, pairs: list[Pair]) -> list[Pair]:
    """Return pairs of the same records, but of others of them than the inputs name."""
    records = [pair[1] for pair in pairs]
    others = [(first, other) for first, second in pairs if (other := chance.choice(records))[0] == second[0]]
    return [pair for pair in others if pair[0] < pair[1]]


def _add_foreign(chance: random.Random, setting: Setting, pairs: Iterable[Pair]) -> None:
    """Give some of the pairs types that somebody else has set."""
    setting.foreign |= {
        pair: frozenset(drawn_kind(chance, pair) for _ in range(chance.choice([1, 1, 2, 3])))
        for pair in pairs
        if chance.random() < 0.7 and setting.rules.merged.keys().isdisjoint(pair)
    }


def drawn_send(chance: random.Random) -> SendSettings:
    """Return how one run sends."""
    return SendSettings(
        method=chance.choice(["put", "put", "batch"]),
        rate=chance.choice([None, None, None, Rate(chance.choice([5, 20, 190]), chance.choice([1.0, 10.0]))]),
        concurrency=chance.choice([None, None, 1, 2, 7]),
        max_attempts=chance.choice([8, 8, 3]),
    )


def drawn_kind(chance: random.Random, pair: Pair) -> Kind:
    """Return an association type that somebody may give a pair."""
    return chance.choice([one.kind for one in TYPES[pair[0][0], pair[1][0]]])


def _there(chance: random.Random, pairs: list[Pair]) -> dict[Pair, Kind]:
    share = chance.choice([0.0, 0.0, 0.3, 0.8])
    return {pair: drawn_kind(chance, pair) for pair in pairs if chance.random() < share}


def _of_survivors(chance: random.Random, rules: Rules, pairs: list[Pair]) -> dict[Pair, frozenset[Kind]]:
    """Return what pairs of surviving records have, which no request may take off; all readings must show it."""
    found = {}
    for pair in pairs if not rules.blind else ():
        surviving = rules.merged.get(pair[0], pair[0]), rules.merged.get(pair[1], pair[1])
        if surviving != pair and chance.random() < 0.7:
            ends, _ = pair_of(*surviving)
            found[ends] = frozenset(drawn_kind(chance, ends) for _ in range(chance.choice([1, 2])))
    return found


def _rules(chance: random.Random, pairs: list[Pair], weather: Weather) -> Rules:
    often = chance.choice([0.0, 0.0, 0.02, 0.1])
    refusals = [(400, "VALIDATION_ERROR"), (404, "OBJECT_NOT_FOUND"), (409, "CONFLICT")]
    refused = {pair: chance.choice(refusals) for pair in pairs if chance.random() < often}
    often = chance.choice([0.0, 0.0, 0.01])
    poisoned = {pair for pair in pairs if chance.random() < often}
    limits = [(0.0, chance.choice([100, 190, 250, 19]))]
    if chance.random() < 0.4:
        limits.append((BEGINNING + chance.uniform(0, 40), chance.choice([10, 50, 100, 150, 190])))
    others = []
    if chance.random() < 0.3:
        since = BEGINNING + chance.uniform(0, 30)
        others.append((since, since + chance.uniform(5, 100), limits[0][1] * 2 // 3))
    life = _token_life(chance, weather)
    return Rules(
        window=chance.choice([10.0, 10.0, 10.0, 1.0]),
        limits=limits,
        others=others,
        daily=None
        if life
        else chance.choice([None, 100_000, REQUESTS_TO_BEGIN + int(len(pairs) * chance.uniform(0.3, 3))]),
        refused=refused,
        poisoned=poisoned - refused.keys(),
        wrapped=chance.random() < 0.5,
        numbers=chance.random() < 0.5,
        token_life=life,
        rotates=chance.random() < 0.5,
        silent=chance.choice([0.0, 0.02]),
        names_pairs=chance.random() < 0.7,
    )


def _answers_of_2026(chance: random.Random, rules: Rules, inputs: Inputs, pairs: list[Pair]) -> None:
    """Draw what HubSpot was seen to do in 2026: batches refused whole or unfinished, blind readings, merged records."""
    rules.whole = chance.choice(["", "all", "all", "first", "nobody"])
    rules.unfinished = chance.choice([0.0, 0.0, 0.1])
    often = Counter(record for pair in pairs for record in pair)
    records = sorted(record for record, count in often.items() if count <= MOST_PAIRS_OF_A_RECORD)
    if records and chance.random() < 0.4:
        rules.stale = set(chance.sample(records, k=min(len(records), chance.choice([1, 3, 10]))))
        gone = [pair for pair in pairs if not rules.stale.isdisjoint(pair)]
        rules.refused |= dict.fromkeys(gone, (400, "VALIDATION_ERROR"))
        rules.poisoned -= rules.refused.keys()
    whole = [record for record in records if record not in rules.stale]
    if whole and chance.random() < 0.25:
        merged = chance.sample(whole, k=min(len(whole), chance.choice([1, 2])))
        rules.merged = {record: (record[0], record[1] + 900_000) for record in merged}
    if chance.random() < 0.3:
        rules.blind = frozenset({(COMPANY, CONTACT), (DEAL, CONTACT)} - inputs.directions())


def _token_life(chance: random.Random, weather: Weather) -> float | None:
    """None for a static token. One that ends on its way, or while one request a window may leave, is refused twice.

    HubSpot's live for half an hour.
    """
    slower = max((spell.slower for spell in weather.spells), default=1.0)
    slowest = min(30.0, weather.latency[1] / 2 * slower)
    return chance.choice([None, None, 1800.0, max(5 * slowest, chance.uniform(15, 60))])
