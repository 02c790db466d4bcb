"""Shows the world of a seed from its first second to its last: `python -m tests.simulation 1234`.

With `removal` before the numbers, the world in which the inputs are taken off; with `mirror`, the one in which records
are to have nothing else.
"""

import sys

from tests.simulation.check import DRAW
from tests.simulation.invariants import broken
from tests.simulation.world import World

kind = sys.argv[1] if sys.argv[1] in DRAW else "load"
for number in map(int, sys.argv[1 + (sys.argv[1] in DRAW) :]):
    world = World(DRAW[kind](number)).live()
    print("\n".join(world.trace))
    print(f"seed {number}: {broken(world) or 'every invariant holds'}")
