"""Whole loads in fake time, in front of a HubSpot that fails as a seed says, killed, stopped and begun again.

More seeds are in `make test-slow` and `make test-long`; those by themselves here found a mistake once.
`python -m tests.simulation 1234` shows one.
"""

import pytest

from tests.simulation.check import hold_seed
from tests.simulation.setting import drawn
from tests.simulation.world import World


@pytest.mark.slow_after(4)
@pytest.mark.parametrize("seed", range(8))
def test_a_load_loses_and_repeats_nothing(seed: int) -> None:
    hold_seed(seed)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("seed", [*range(4), 3654])
def test_a_removal_changes_nothing_out_of_scope(seed: int) -> None:
    """And each row has its true outcome, and an undo puts back all of it."""
    hold_seed(seed, "removal")


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("seed", [*range(4), 4199])
def test_a_mirror_changes_nothing_out_of_scope(seed: int) -> None:
    """And nothing in scope stays that no row asks for."""
    hold_seed(seed, "mirror")


@pytest.mark.slow
def test_a_seed_replays_exactly() -> None:
    """Every request, answer, death, result line and figure of it, to the last digit."""
    first, second = World(drawn(11)).live(), World(drawn(11)).live()
    assert len(first.trace) > 20
    assert first.trace == second.trace
