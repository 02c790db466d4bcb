"""What every fault test starts from."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from loader.sandbox import SandboxThread
from tests.faults.world import LIMIT, Pair, World, pairs

MakeWorld = Callable[..., World]


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[MakeWorld]:
    """Return a function that makes a world: `make_world(count, faults=[...], portal={...}, **sandbox_settings)`.

    `variables` are those of the commands' environment, such as OAuth credentials; `folder` is a name for a folder of
    its own, where a test makes several worlds.
    """
    with ExitStack() as stack:

        def make(wanted: int | list[Pair] = 20, **settings: Any) -> World:
            settings = {"rate": LIMIT, "window_seconds": 1, **settings}
            variables = settings.pop("variables", {})
            folder = tmp_path / settings.pop("folder", "")
            folder.mkdir(exist_ok=True)
            sandbox = stack.enter_context(SandboxThread(settings.pop("portal", None), **settings))
            world = World(folder, sandbox, pairs(wanted) if isinstance(wanted, int) else wanted)
            world.variables.update(variables)
            return world

        yield make
