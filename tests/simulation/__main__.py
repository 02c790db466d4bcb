"""Shows the world of a seed from its first second to its last: `python -m tests.simulation 1234`.

With `removal` before the numbers, the world in which the inputs are taken off.
"""

import sys

from tests.simulation.invariants import broken
from tests.simulation.setting import drawn, drawn_removal
from tests.simulation.world import World

removes = sys.argv[1:2] == ["removal"]
for number in map(int, sys.argv[2 if removes else 1 :]):
    world = World(drawn_removal(number) if removes else drawn(number)).live()
    print("\n".join(world.trace))
    print(f"seed {number}: {broken(world) or 'every invariant holds'}")
