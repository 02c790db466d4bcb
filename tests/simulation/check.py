"""One seed, lived and checked: what the tests of every size call, and what shows a seed to a person."""

from tests.simulation.invariants import broken
from tests.simulation.setting import Setting, drawn, drawn_mirror, drawn_removal
from tests.simulation.world import World

DRAW = {"load": drawn, "removal": drawn_removal, "mirror": drawn_mirror}
"""How the world of a seed is drawn, by what happens to its inputs: they are loaded, taken off, or mirrored."""


def hold(setting: Setting) -> World:
    """Live a world and hold every invariant against it; a failure says which seed it was and how to see it again."""
    world = World(setting).live()
    sentences = broken(world)
    if sentences:
        shown = "\n".join([*sentences[:10], "", *(run.line() for run in world.runs)])
        kind = "removal " if setting.removes else "mirror " if setting.existing == "mirror" else ""
        words = f"{kind}{setting.seed}"
        raise AssertionError(f"seed {setting.seed} (python -m tests.simulation {words} shows it):\n{shown}")
    return world


def hold_seed(seed: int, kind: str = "load") -> World:
    """Do so with the world of a seed; what goes wrong otherwise names the seed, too."""
    try:
        return hold(DRAW[kind](seed))
    except BaseException as error:
        error.add_note(f"in the simulation's seed {seed}, {kind}")
        raise
