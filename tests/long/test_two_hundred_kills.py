"""kill -9 at any moment: nothing lost, nothing that is in the journal sent again."""

from tests.faults.conftest import MakeWorld
from tests.slow.faults.test_kills import kills_lose_nothing


def test_two_hundred_kills_at_random_lose_and_repeat_nothing(make_world: MakeWorld) -> None:
    """As in the slow tests, for longer."""
    kills_lose_nothing(make_world, 200)
