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


@pytest.mark.parametrize(
    ("kind", "seed"),
    [
        *(("load", seed) for seed in range(100, 200)),
        *((kind, seed) for kind in ("removal", "mirror") for seed in range(100, 160)),
    ],
)
def test_loads_removals_and_mirrors_keep_their_promises(kind: str, seed: int, tally: Tally) -> None:
    """A load loses, repeats and hurries nothing; a removal and a mirror change nothing out of their scope."""
    tally.add(hold_seed(seed, kind))
