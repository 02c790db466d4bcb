"""Thousands of simulated nights; see `tests/simulation`."""

import pytest

from tests.simulation.check import hold_seed
from tests.simulation.tally import Tally
from tests.slow.test_simulated_nights import tally

__all__ = ["tally"]


@pytest.mark.parametrize("seed", range(1000, 6000))
@pytest.mark.parametrize("kind", ["load", "removal", "mirror"])
def test_loads_removals_and_mirrors_keep_their_promises(kind: str, seed: int, tally: Tally) -> None:
    """As in the slow tests, with other seeds."""
    tally.add(hold_seed(seed, kind))
