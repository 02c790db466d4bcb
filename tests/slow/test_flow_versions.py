"""The tests of whole loads, all of them, over the dated versions of HubSpot's API."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("version", ["2026-03", "2026-09"])
def test_every_flow_ends_alike_over_a_dated_version(version: str) -> None:
    """The same files, the same outcomes; only the paths, and the answers that the version has, are others."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/flow"]
    environment = {**os.environ, "FLOW_API_VERSION": version}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
