"""The road of a load, put together from the settings: where requests come from, how they are made, who makes them."""

from collections.abc import Callable, Sequence

from loader.model import Outcome
from loader.record.ledger import Ledger
from loader.send.existing import Merge
from loader.send.failures import FailureGuard
from loader.send.gateway import Gateway, Surroundings
from loader.send.outgoing import Outgoing, Unread
from loader.send.pool import Action, Pool
from loader.send.put import Put
from loader.send.reading import CurrentAssociations
from loader.settings import Settings
from loader.verbs.connection import workers

READERS = 3
"""So many lots are looked up side by side: one after the other, a second night would wait for its answers."""


def pool(settings: Settings, ledger: Ledger, gateway: Gateway, around: Surroundings) -> Pool:
    """Return the pool that sends everything a ledger has."""
    watch = FailureGuard(settings.send.max_failures).watch
    crew = workers(settings)
    action = Put(gateway, version=settings.connection.api_version, now=around.now)
    if settings.send.existing == "replace":
        outgoing: Sequence[Outgoing] = [Unread(ledger, capacity=action.capacity, ahead=max(1, crew // 2))]
    else:
        outgoing = _merging(settings, ledger, gateway, around, action, watch)
    return Pool(ledger, outgoing, action, gateway, workers=crew, watch=watch)


def _merging(  # noqa: PLR0917 - the pool's own parts, above
    settings: Settings,
    ledger: Ledger,
    gateway: Gateway,
    around: Surroundings,
    action: Action,
    watch: Callable[[Sequence[Outcome]], None],
) -> list[Merge]:
    current = CurrentAssociations(gateway, version=settings.connection.api_version)
    return [
        Merge(ledger, current, capacity=action.capacity, clock=around.clock, now=around.now, watch=watch)
        for _ in range(READERS)
    ]
