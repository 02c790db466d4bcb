"""How long the simulated HubSpot takes to answer."""

from random import Random
from typing import NamedTuple


class Latency(NamedTuple):
    """A delay in seconds, drawn evenly from a span."""

    least: float
    most: float

    @classmethod
    def parse(cls, text: str) -> "Latency":
        """Reads ``80ms``, ``0.2s`` or a span such as ``50ms-150ms``; raises ValueError on anything else."""
        first, _, last = text.partition("-")
        try:
            least = _seconds(first)
            latency = cls(least, _seconds(last) if last else least)
        except ValueError:
            latency = cls(-1, -1)
        if not 0 <= latency.least <= latency.most < float("inf"):
            raise ValueError(f"the latency {text!r} is neither a time such as 80ms nor a span such as 50ms-150ms")
        return latency

    def draw(self, random: Random) -> float:
        """The delay of one answer, in seconds."""
        return self.least if self.least == self.most else random.uniform(self.least, self.most)


def _seconds(text: str) -> float:
    text = text.strip().lower()
    if text.endswith("ms"):
        return float(text[:-2]) / 1000
    return 0.0 if text == "0" else float(text.removesuffix("s") if text.endswith("s") else "none")
