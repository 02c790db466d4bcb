"""Shows the world of a seed from its first second to its last: `python -m tests.simulation 1234`.

With `removal` before the numbers, the world in which the inputs are taken off; with `mirror`, the one in which records
are to have nothing else.
"""

import sys

from tests.simulation.invariants import broken
from tests.simulation.setting import drawn, drawn_mirror, drawn_removal
from tests.simulation.world import World

kinds = {"removal": drawn_removal, "mirror": drawn_mirror}
draw = kinds.get(sys.argv[1], drawn)
for number in map(int, sys.argv[1 + (draw is not drawn) :]):
    world = World(draw(number)).live()
    print("\n".join(world.trace))
    print(f"seed {number}: {broken(world) or 'every invariant holds'}")
