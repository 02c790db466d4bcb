"""What goes out next: pairs are bundled into requests, those of one direction together."""

from collections import deque
from itertools import groupby
from typing import Generic, Protocol, TypeVar

from loader.model import Direction, Pair

T = TypeVar("T")


class Outgoing(Protocol):
    """Where the pool gets its requests from."""

    async def next(self) -> list[Pair] | None:
        """Return the pairs of the next request, None when nothing is left."""

    async def renewed(self, request: list[Pair]) -> list[Pair]:
        """Return a request that may have waited as it is to be sent now; an empty list when nothing of it is left."""


class Queues(Generic[T]):
    """One queue for each direction, as a request has only one."""

    def __init__(self) -> None:
        self._queues: dict[Direction, deque[T]] = {}

    def of(self, direction: Direction) -> deque[T]:
        """Return the queue of a direction."""
        return self._queues.setdefault(direction, deque())

    def longest(self) -> deque[T]:
        """Return the longest queue, an empty one when there is nothing in any."""
        return max(self._queues.values(), key=len, default=deque())


def direction_of(pair: Pair) -> Direction:
    """Return the direction in which a pair is sent."""
    return pair.object_type, pair.to_object_type


class Ledger(Protocol):
    """Where pairs come from."""

    async def claim(self, most: int) -> list[Pair]:
        """Return the next pairs, their intent committed; an empty list when nothing is left."""


class Unread:
    """Pairs as the file asks for them and in its order; what HubSpot has is not looked at, and replaced.

    A request carries `capacity` pairs at most; about `ahead` requests are claimed at once, to share a commit.
    """

    def __init__(self, ledger: Ledger, *, capacity: int, ahead: int) -> None:
        self._ledger = ledger
        self._capacity = capacity
        self._ahead = ahead
        self._queues: Queues[Pair] = Queues()
        self._ended = False

    async def next(self) -> list[Pair] | None:
        """Return the pairs of the next request, None when nothing is left."""
        while len(queue := self._queues.longest()) < self._capacity and not self._ended:
            pairs = await self._ledger.claim(self._ahead * self._capacity)
            self._ended = not pairs
            for direction, alike in groupby(pairs, key=direction_of):
                self._queues.of(direction).extend(alike)
        return [queue.popleft() for _ in range(min(self._capacity, len(queue)))] or None

    async def renewed(self, request: list[Pair]) -> list[Pair]:
        """Return the request as it is: what the file asks for does not age."""
        return request
