"""Faults and when they happen: pure state, no network and no clock. Scripts are read in ``fault_script``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

NAMES = {
    "429-daily": "429 with policyName DAILY",
    "401-expired": "401 EXPIRED_AUTHENTICATION",
    "expire-token": "the token of this request is expired from now on: 401 until another is used",
    "html": "200 with an HTML page",
    "empty": "200 with no body",
    "list": "200 with a JSON list",
    "null": "200 with JSON null",
    "string": "200 with a JSON text",
    "invalid-utf8": "200 with bytes that are not UTF-8",
    "deep": "200 with deeply nested JSON",
    "long-number": "200 with a number of thousands of digits",
    "200-errors": "200 with errors and numErrors",
    "pending": "200 with status PENDING and no results",
    "processing": "the true answer of a batch with status PROCESSING",
    "canceled": "the true answer of a batch with status CANCELED",
    "huge": "200 with an endless body, streamed",
    "gzip-bomb": "200 with a small compressed body that unpacks to a huge one",
    "other-ids": "the true answer with other record ids",
    "truncated": "the true answer, its JSON cut in half",
    "interim": "the true answer after 1xx answers",
    "late": "the true answer after a pause",
    "drip": "the true answer, a byte at a time",
    "big-header": "the true answer with an oversized header",
    "garbage": "bytes that are not HTTP, then close",
    "stall": "no answer",
    "reset": "RST before the answer",
    "reset-head": "RST inside the answer's head",
    "reset-body": "RST inside the answer's body",
    "close": "close before the answer",
    "close-head": "close inside the answer's head",
    "close-body": "close inside the answer's body",
    "close-after": "the true answer, then close without having said so",
    "close-reused": "close before the answer, on reused connections only",
    "chunked-short": "a chunked answer without its end, then close",
    "length-long": "an answer with a Content-Length beyond its body, then close",
}
"""Every named fault. A number from 200 to 599 is a fault too."""

SPOILED_ANSWERS = frozenset(
    [
        "processing",
        "canceled",
        "other-ids",
        "truncated",
        "interim",
        "late",
        "drip",
        "big-header",
        "reset-head",
        "reset-body",
        "close-head",
        "close-body",
        "close-after",
        "chunked-short",
        "length-long",
    ]
)
"""Faults that need the true answer, whose write is therefore applied by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong; None means the default of the fault's name."""

    name: str
    applied: bool
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str | None = None
    seconds: float | None = None
    size: int | None = None
    interim: tuple[int, ...] = (103,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """The facts for the rules. ``elapsed`` is in seconds since the start; ``pairs`` are of (from id, to id)."""

    method: str
    route: str
    path: str
    elapsed: float
    reused: bool = False
    pairs: frozenset[tuple[str, str]] = frozenset()


@dataclass(slots=True, kw_only=True)
class Rule:
    """A fault and when it happens; see ``fault_script``."""

    fault: Fault
    method: str | None = None
    route: str | None = None
    path: str | None = None
    pair: tuple[str, str] | None = None
    reused: bool = False
    nth: frozenset[int] | None = None
    first: int = 1
    last: int | None = None
    every: int | None = None
    after: float = 0
    until: float | None = None
    share: float = 1
    times: int | None = None
    seen: int = 0
    struck: int = 0

    def strikes(self, arrival: Arrival, random: Random) -> bool:
        """Whether the fault happens; counts the request if the rule is about it."""
        if not self._concerns(arrival):
            return False
        self.seen += 1
        drawn = self.share >= 1 or random.random() < self.share
        return (
            drawn
            and (self.nth is None or self.seen in self.nth)
            and self.seen >= self.first
            and (self.last is None or self.seen <= self.last)
            and (self.every is None or self.seen % self.every == 0)
            and arrival.elapsed >= self.after
            and (self.until is None or arrival.elapsed < self.until)
            and (self.times is None or self.struck < self.times)
        )

    def _concerns(self, arrival: Arrival) -> bool:
        return (
            (self.method is None or self.method == arrival.method)
            and (self.route is None or self.route == arrival.route)
            and (self.path is None or arrival.path.startswith(self.path))
            and (self.pair is None or self.pair in arrival.pairs)
            and (arrival.reused or not self.reused)
        )


class Faults:
    """The rules of one run and their counts."""

    def __init__(self, rules: Sequence[Rule], random: Random) -> None:
        self._rules = rules
        self._random = random
        self.need_pairs = any(rule.pair for rule in rules)

    def __bool__(self) -> bool:
        return bool(self._rules)

    def choose(self, arrival: Arrival) -> Fault | None:
        """The fault for a request, or None."""
        striking = [rule for rule in self._rules if rule.strikes(arrival, self._random)]
        if not striking:
            return None
        striking[0].struck += 1
        return striking[0].fault
