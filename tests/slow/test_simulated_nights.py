"""Hundreds of simulated nights; see `tests/simulation`."""

import time
from collections.abc import Iterator

import pytest

from tests.simulation.check import hold_seed
from tests.simulation.tally import Tally


@pytest.fixture(scope="module")
def tally() -> Iterator[Tally]:
    """Counts what the seeds saw, and prints it at the end."""
    counts, began = Tally(), time.monotonic()
    yield counts
    print(f"\n{counts}; it took {time.monotonic() - began:.0f} s")


@pytest.mark.parametrize("seed", range(100, 200))
def test_nothing_is_lost_repeated_or_hurried_whatever_befalls_a_load(seed: int, tally: Tally) -> None:
    tally.add(hold_seed(seed))


@pytest.mark.parametrize("seed", range(100, 160))
def test_nothing_out_of_scope_changes_whatever_befalls_a_removal(seed: int, tally: Tally) -> None:
    tally.add(hold_seed(seed, "removal"))


@pytest.mark.parametrize("seed", range(100, 160))
def test_nothing_out_of_scope_changes_whatever_befalls_a_mirror(seed: int, tally: Tally) -> None:
    tally.add(hold_seed(seed, "mirror"))
