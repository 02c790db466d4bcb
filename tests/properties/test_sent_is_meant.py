"""No row of any file sends an association that its author does not mean, and none that a file holds is left out."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from loader.sandbox import Sandbox, SandboxThread
from tests.properties.sent import PORTAL, check

SEEDS = 20


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A sandbox HubSpot with two labels and no rate limit."""
    with SandboxThread(PORTAL) as running:
        yield running


@pytest.mark.slow_after(2)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_what_is_sent_is_what_is_meant(seed: int, sandbox: Sandbox, tmp_path: Path) -> None:
    """Whatever the format, the width of the numbers, the packing, and files put together in one."""
    check(seed, sandbox, tmp_path)
