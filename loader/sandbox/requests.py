"""The requests that the sandbox got."""

from collections import Counter
from dataclasses import dataclass


@dataclass(slots=True)
class Request:
    """One request. ``time`` is its arrival in seconds of the sandbox's monotonic clock.

    ``status`` is 0 until it is answered and stays 0 where a fault answered below HTTP. ``path`` has the query.
    ``route`` is ``unknown`` for a path that HubSpot does not have. ``connection`` numbers the connections from 1 on.
    ``body`` is None unless bodies are recorded, and of GET requests.
    """

    time: float
    method: str
    path: str
    route: str
    header_names: tuple[str, ...]
    token: str
    connection: int
    status: int = 0
    fault: str | None = None
    body: bytes | None = None


class RequestLog:
    """Counts requests, and stores them unless that is off."""

    def __init__(self, *, keep: bool, bodies: bool) -> None:
        self.kept: list[Request] = []
        self.counts: Counter[tuple[str, str, int]] = Counter()
        self.in_flight = 0
        self.max_in_flight = 0
        self._keep = keep
        self._bodies = bodies

    def arrived(self, request: Request, body: bytes) -> None:
        """Adds a request that is being answered."""
        if self._bodies and request.method != "GET":
            request.body = body
        if self._keep:
            self.kept.append(request)
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def left(self, request: Request) -> None:
        """Counts a request under the status that it got."""
        self.in_flight -= 1
        self.counts[request.method, request.route, request.status] += 1

    def count(self, method: str | None, route: str | None, status: int | None) -> int:
        """How many requests had this method, route and status; None is any."""
        return sum(
            count
            for (its_method, its_route, its_status), count in self.counts.items()
            if method in {None, its_method} and route in {None, its_route} and status in {None, its_status}
        )
