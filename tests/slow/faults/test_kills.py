"""kill -9 at any moment: nothing lost, nothing that is in the journal sent again."""

import random

from tests.faults.conftest import MakeWorld
from tests.faults.kills import MOST_SECONDS, WORKERS, kill_at_random
from tests.slow.command import seed


def kills_lose_nothing(make_world: MakeWorld, kills: int) -> None:
    """Item 47: 0 lost, 0 journaled successes sent again; repeated is at most what was in flight or just answered."""
    figures = kill_at_random(make_world, random.Random(seed()), kills)
    print(figures)
    assert (figures.lost, figures.again) == (0, 0)
    assert figures.most_under_way <= WORKERS
    assert figures.oldest < MOST_SECONDS


def test_thirty_kills_at_random_lose_and_repeat_nothing(make_world: MakeWorld) -> None:
    kills_lose_nothing(make_world, 30)
