"""What many worlds have seen, in figures."""

from collections import Counter
from dataclasses import dataclass, field

from tests.simulation.portal import Pair
from tests.simulation.world import World


@dataclass(slots=True)
class Tally:
    """Counts worlds that were held against every invariant, and what happened to their runs."""

    worlds: int = 0
    rows: int = 0
    requests: int = 0
    again_after_death: int = 0
    seconds: float = 0.0
    endings: Counter[str] = field(default_factory=Counter)
    blows: Counter[str] = field(default_factory=Counter)

    def add(self, world: World) -> None:
        """Count a world."""
        self.worlds += 1
        self.rows += len(world.inputs.rows)
        self.requests += len(world.line.exchanges)
        self.seconds += sum(run.ended - run.began for run in world.runs)
        self.endings.update(f"exit {run.exit_code}" if run.how != "killed" else "killed" for run in world.runs)
        self.blows.update(run.blow.kind for run in world.runs if run.blow and run.struck_at is not None)
        self.again_after_death += sum(map(len, self._again(world)))

    @staticmethod
    def _again(world: World) -> list[set[Pair]]:
        """The pairs of each killed run that had been answered well, and were sent again by a later one."""
        found: list[set[Pair]] = []
        for run in world.runs:
            if run.how == "killed":
                done = {pair for one in world.exchanges_of(run.number) if one.succeeded for pair in one.pairs}
                later = {pair for one in world.line.exchanges if one.run > run.number for pair in one.pairs}
                found.append(done & later)
        return found

    def __str__(self) -> str:
        return (
            f"{self.worlds} seeds, {self.rows} rows, {self.requests} requests in {self.seconds / 3600:.1f} simulated "
            f"hours; runs ended {dict(self.endings.most_common())} after {dict(self.blows.most_common())}; "
            f"{self.again_after_death} answered pairs sent again after a death, none of them journaled"
        )
