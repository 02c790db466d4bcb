"""What every fault test starts from."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from loader.sandbox import SandboxThread
from loader.send import limiter, retry
from tests.faults.world import LIMIT, Pair, World, pairs

MakeWorld = Callable[..., World]

GIVE_UP = 1.0


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Minutes between attempts become tenths of a second."""
    monkeypatch.setattr(limiter, "QUIET_SECONDS", 0.2)
    monkeypatch.setattr(limiter, "PROBE_SECONDS", 0.1)
    monkeypatch.setattr(retry, "FIRST_DELAY", 0.02)
    monkeypatch.setattr(retry, "LONGEST_DELAY", 0.2)


@pytest.fixture
def give_up_soon(hurry: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """An outage that is waited for a quarter of an hour is waited for a second, which a busy machine may take, too."""
    monkeypatch.setattr(limiter, "GIVE_UP_SECONDS", GIVE_UP)


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
