"""The road of a load, put together from the settings: where requests come from, how they are made, who makes them."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from loader.model import Direction, Types
from loader.record.ledger import Ledger
from loader.run.connection import workers
from loader.send.batch import Batch
from loader.send.existing import Merge
from loader.send.gateway import Gateway, Surroundings
from loader.send.judging import Judge, Merging, Replacing
from loader.send.outgoing import Unread
from loader.send.pool import Action, Pool
from loader.send.put import Put
from loader.send.reading import CurrentAssociations
from loader.settings import Settings

MOST_BATCHES = 8
"""Each holds 2,000 pairs in memory, and eight of them are many times what a limit of 190 per 10 s lets through."""

AHEAD_SECONDS = 0.1
MOST_AHEAD = 500
"""Each claim is a commit that the workers wait for: thousands of PUTs in a second would wait for little else."""

READERS = 3
"""So many lots are looked up side by side: one after the other, a second night would wait for its answers."""


class Road(NamedTuple):
    """The pool that sends everything a ledger has; `waiting` tells how many pairs it left out for the time being."""

    pool: Pool
    waiting: Callable[[], int]


def road(settings: Settings, ledger: Ledger, gateway: Gateway, around: Surroundings) -> Road:
    """Return the way along which everything is sent."""
    action = _action(settings, gateway, around)
    crew = workers(settings) if settings.send.method == "put" else min(MOST_BATCHES, workers(settings))
    if settings.send.unread:
        unread = Unread(ledger, capacity=action.capacity, ahead=_ahead(settings, crew))
        return Road(Pool(ledger, [unread], action, gateway, workers=crew), lambda: 0)
    merge = _merging(settings, ledger, gateway, around, action)
    pool = Pool(ledger, [merge] * READERS, action, gateway, workers=crew)
    return Road(pool, lambda: merge.waiting)


def judge_of(settings: Settings, unlabelled: Mapping[Direction, Types]) -> Judge:
    """Return what becomes of the labels that pairs have."""
    return Replacing(unlabelled) if settings.send.existing == "replace" else Merging()


def _ahead(settings: Settings, crew: int) -> int:
    """How many requests' pairs are claimed at once: half of what may be under way, more where the limit is high."""
    rate = settings.send.rate
    if rate is None or settings.send.method != "put":
        return max(1, crew // 2)
    return max(1, crew // 2, min(MOST_AHEAD, int(rate.per_second * AHEAD_SECONDS)))


def _action(settings: Settings, gateway: Gateway, around: Surroundings) -> Action:
    version = settings.connection.api_version
    if settings.send.method == "put":
        return Put(gateway, version=version, now=around.now)

    return Batch(gateway, version=version, max_attempts=settings.send.max_attempts, now=around.now)


def _merging(
    settings: Settings,
    ledger: Ledger,
    gateway: Gateway,
    around: Surroundings,
    action: Action,
) -> Merge:
    current = CurrentAssociations(gateway, version=settings.connection.api_version)
    return Merge(
        ledger,
        current,
        capacity=action.capacity,
        clock=around.clock,
        now=around.now,
        fresh_seconds=lambda: gateway.fresh_seconds,
        judge=judge_of(settings, ledger.unlabelled),
    )
