"""What goes out next: pairs are bundled into requests, those of one direction together."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from loader.model import Direction, Pair, Pairs
from loader.send.api import Request
from loader.send.gateway import Superseded

T = TypeVar("T")


class Freshness(Protocol):
    """Knows whether pairs that were handed out may still be sent as they are."""

    def leaving(self, request: Sequence[Pair]) -> Sequence[Pair] | None:
        """Return the pairs as they may leave at this moment; None when they must be `renewed` first."""

    async def renewed(self, request: Sequence[Pair]) -> Sequence[Pair]:
        """Return those that are still to be sent, as they are to be sent now."""


class Outgoing(Freshness, Protocol):
    """Where the pool gets its requests from."""

    async def next(self) -> list[Pair] | None:
        """Return the pairs of the next request, None when nothing is left."""

    def done(self, request: Sequence[Pair]) -> None:
        """Take note that each pair of a request has its outcome."""


class AsAsked:
    """Pairs that are sent as the file asks for them: that does not age."""

    def leaving(self, request: Sequence[Pair]) -> Sequence[Pair]:
        """Return the pairs as they are."""
        return request

    async def renewed(self, request: Sequence[Pair]) -> Sequence[Pair]:
        """Return the pairs as they are."""
        return request


class Parcel:
    """The pairs of one request on their way: asked for anew when they are too old at the moment of leaving."""

    def __init__(
        self, pairs: Sequence[Pair], freshness: Freshness, request: Callable[[Sequence[Pair]], Request]
    ) -> None:
        self.pairs = pairs
        self._freshness = freshness
        self._request = request

    def leaving(self) -> Request | None:
        """Return the request as it may leave now, if it may; `pairs` are then those that it carries."""
        pairs = self._freshness.leaving(self.pairs)
        if pairs is None:
            return None
        self.pairs = pairs
        return self._request(pairs)

    async def renew(self) -> None:
        """Look the pairs up once more; raises Superseded when none of them is left to be sent."""
        self.pairs = await self._freshness.renewed(self.pairs)
        if not self.pairs:
            raise Superseded


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

    async def claim(self, most: int) -> list[Pairs]:
        """Return the next pairs, their intent committed; an empty list when nothing is left."""


class Unread(AsAsked):
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
            claimed = await self._ledger.claim(self._ahead * self._capacity)
            self._ended = not claimed
            for pairs in claimed:
                self._queues.of(pairs.direction).extend(pairs.each())
        return [queue.popleft() for _ in range(min(self._capacity, len(queue)))] or None

    def done(self, request: Sequence[Pair]) -> None:
        """Nothing is kept of what was handed out."""
