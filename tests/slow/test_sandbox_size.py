"""The sandbox under a million pairs."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import resource
from loader.sandbox import Portal
portal = Portal()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
plain = frozenset({("HUBSPOT_DEFINED", 279)})
for number in range(1_000_000):
    portal.associate("0-1", 100_000_000_000 + number, "0-2", 200_000_000_000 + number % 50_000, plain)
assert len(portal.associations) == 1_000_000
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_million_pairs_take_less_than_400_megabytes() -> None:
    """Measured: about 230 MB, in 3 seconds."""
    root = Path(__file__).parents[2]
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, cwd=root, check=True)
    assert int(run.stdout) < 400_000
