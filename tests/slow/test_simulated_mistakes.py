"""What the simulation is worth: a loader with a mistake in it must not pass; see `tests/simulation`."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from loader.journal import Journal
from loader.journal.claims import Claims
from loader.model import WHOLE_PAIR, Outcome, Pair, Types
from loader.send import take_back
from loader.send.gateway import Gateway
from loader.send.judging import Merging, Removing
from loader.send.limiter import Breaker, Limiter
from loader.send.pool import Pool
from loader.send.take_back import BACK
from loader.settings import SendSettings
from tests.simulation.hubspot import Rules
from tests.simulation.inputs import pairs_only
from tests.simulation.invariants import broken
from tests.simulation.setting import BEGINNING, Setting, drawn, drawn_removal
from tests.simulation.weather import Spell, Weather
from tests.simulation.world import World


def _forgets(journal: Journal, outcomes: Any, facts: Any) -> None:
    kept: list[Outcome] = [outcome for outcome in outcomes if outcome.pair_ids[0] % 7]
    _record(journal, kept, facts)


_record = Journal.record


def _sends_only_what_is_asked(self: Merging, asked: Pair, now: Types) -> Any:
    judgement = _judge(self, asked, now)
    return judgement and judgement._replace(types=asked.types)


_judge = Merging.__call__

SABOTAGE: dict[str, tuple[Any, str, Any]] = {
    "the limiter lets everybody through": (Limiter, "_seconds_to_slot", lambda _, now: 0.0 * now),
    "the breaker never holds back": (Breaker, "wait", lambda _, now: 0.0 * now),
    "failures of an outage count": (Breaker, "counts", lambda _, status, now: True),
    "an outcome is not written down": (Journal, "record", _forgets),
    "a pair with an outcome is claimed again": (Claims, "after", property(lambda _: 0, lambda _, value: None)),
    "a stop is not heard": (Pool, "stop", lambda _, reason: None),
    "a drain is not heard": (Gateway, "drain", lambda _: None),
    "what is there is not sent along": (Merging, "__call__", _sends_only_what_is_asked),
    "what was there before is forgotten": (Journal, "keep", lambda _journal, _images, _demoted=(): {}),
}


_judge_removal = Removing.__call__


def _takes_all_labels_off(self: Removing, asked: Pair, now: Types) -> Any:
    judgement = _judge_removal(self, asked, now)
    return judgement and judgement._replace(types=tuple(sorted(now)))


def _widens_to_the_pair(self: Removing, asked: Pair, now: Types) -> Any:
    judgement = _judge_removal(self, asked, now)
    return judgement and judgement._replace(types=(WHOLE_PAIR,), refusal=None)


REMOVAL_SABOTAGE: dict[str, tuple[Any, str, Any]] = {
    "labels that no row names go, too": (Removing, "__call__", _takes_all_labels_off),
    "a label widens to the whole pair": (Removing, "__call__", _widens_to_the_pair),
    "an outcome is not written down": (Journal, "record", _forgets),
    "what was there before is forgotten": (Journal, "keep", lambda _journal, _images, _demoted=(): {}),
    "an undo puts nothing back": (take_back, "restoration", lambda taken, now, others: BACK),
}


@pytest.mark.parametrize("what", REMOVAL_SABOTAGE)
def test_a_removal_with_a_mistake_is_found_out(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also by its undo, which must put back exactly what was there."""
    monkeypatch.setattr(*REMOVAL_SABOTAGE[what])
    assert any(_found_out(drawn_removal(seed)) for seed in range(60))


@pytest.mark.parametrize("what", SABOTAGE)
def test_a_loader_with_a_mistake_is_found_out(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An invariant that a broken loader keeps, too, would hold nothing."""
    owner, name, wrong = SABOTAGE[what]
    # What an instance sets for itself is no attribute of its class; every other name must be there to be replaced.
    monkeypatch.setattr(owner, name, wrong, raising=name != "after")
    assert any(_found_out(setting) for setting in _worlds())


def _worlds() -> Iterator[Setting]:
    outage = Spell(BEGINNING, BEGINNING + 300, "refused", 1.0)
    weather = Weather(random.Random(0), 0.0, (0.05, 0.15), [outage])
    yield Setting(0, pairs_only(5), Rules(), weather, send=SendSettings())
    yield from map(drawn, range(100))


def _found_out(setting: Setting) -> bool:
    try:
        return bool(broken(World(setting).live()))
    except Exception:
        return True
