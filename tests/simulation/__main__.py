"""Shows the world of a seed from its first second to its last: `python -m tests.simulation 1234`."""

import sys

from tests.simulation.invariants import broken
from tests.simulation.setting import drawn
from tests.simulation.world import World

for number in map(int, sys.argv[1:]):
    world = World(drawn(number)).live()
    print("\n".join(world.trace))
    print(f"seed {number}: {broken(world) or 'every invariant holds'}")
