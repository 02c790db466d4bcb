"""What passed between the loader and HubSpot, request by request: what every invariant is held against."""

from dataclasses import dataclass, field
from typing import NamedTuple

from tests.simulation.portal import Kind, Pair, Record

ANSWERED = "answered"


class Known(NamedTuple):
    """The limit that a run knew: requests in a number of seconds."""

    requests: int
    seconds: float


@dataclass(slots=True, eq=False)
class Exchange:
    """One request of one run; times are seconds of the simulated world.

    `kind` is put, account, usage, labels, token, read, create, archive, archive labels or other. `pairs` are those
    that it names, with the types that they are to have, or to lose (none of them: all that they have). `ending` is None
    while it is under way, `answered`, or the fault that its sender saw. `clear` is False for an answer of 2xx that does
    not say what it should.
    """

    number: int
    run: int
    kind: str
    pairs: dict[Pair, frozenset[Kind]]
    known: Known
    left: float
    arrived: float | None = None
    ended: float | None = None
    ending: str | None = None
    status: int | None = None
    policy: str = ""
    clear: bool = True
    applied: bool = False
    token: str = ""
    limit: int = 0
    """What HubSpot allowed when it arrived."""
    records: tuple[Record, ...] = ()
    """What a read asks about."""
    refused: set[Pair] = field(default_factory=set)
    """Pairs that this very answer refuses for good."""
    open: set[Pair] = field(default_factory=set)
    """Pairs that this answer leaves open: it does not mention them, or refuses one of many without saying which."""

    @property
    def answered(self) -> bool:
        """True when its answer reached the loader."""
        return self.ending == ANSWERED

    @property
    def succeeded(self) -> bool:
        """True for a whole, readable answer of success."""
        return self.answered and self.status in (200, 201, 204, 207) and self.clear

    @property
    def rate_limited(self) -> bool:
        """True for the burst limit's 429."""
        return self.answered and self.status == 429 and self.policy != "DAILY"

    @property
    def shows_health(self) -> bool:
        """True for an answer that shows HubSpot at work on this request: a success, or a refusal of it alone."""
        if self.kind == "token":
            return False  # Of the token endpoint alone.
        return self.succeeded or (self.answered and self.status in (400, 404, 409))

    @property
    def failed_in_passing(self) -> bool:
        """True for what may be tried again, but for the burst limit."""
        if self.ending is None or self.succeeded or self.rate_limited:
            return False
        if not self.answered:
            return True
        return not self.clear or self.status in (408, 423, 425) or (self.status or 0) >= 500

    def line(self) -> str:
        """Return the exchange as one line of a trace."""
        text = " ".join(f"{a[0]}:{a[1]}-{b[0]}:{b[1]}={sorted(k)}" for (a, b), k in self.pairs.items())
        text += f" {len(self.records)} records" if self.records else ""
        times = "/".join("-" if time is None else f"{time:.6f}" for time in (self.left, self.arrived, self.ended))
        return f"#{self.number} run {self.run} {self.kind} {times} {self.ending} {self.status} {self.policy} {text}"
