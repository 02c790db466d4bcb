"""A server under pressure."""

from random import Random

from tests.faults.conftest import MakeWorld
from tests.faults.world import World


class Collapsing:
    """Latency that grows with the square of the requests under way, of which `most` were seen."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.most = 0

    def draw(self, random: Random) -> float:
        """Return the next answer's latency, in seconds."""
        del random
        under_way = self._world.sandbox._log.in_flight
        self.most = max(self.most, under_way)
        return 0.005 * under_way**2


def test_a_server_that_collapses_gets_no_more_requests_at_once_than_the_command_allows(make_world: MakeWorld) -> None:
    """Item 45: eight at once take a third of a second each; no row is lost, and the load comes to its end."""
    world = make_world(60)
    latency = Collapsing(world)
    world.sandbox._latency = latency  # type: ignore[assignment]
    ending = world.run("--concurrency", "8", "--rate", "40/1", seconds=120)
    assert ending.exit_code == 0, ending.said
    assert 1 < latency.most <= 8
    world.check(ending)
