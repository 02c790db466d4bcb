"""What every test of a whole load needs: a folder, a sandbox HubSpot, and one call that loads."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from loader.events import Event, Notify
from loader.run.report import Report
from loader.sandbox import Sandbox
from loader.send.gateway import Surroundings
from loader.settings import Secret
from loader.stopping import Stop
from tests.flow.portals import settings
from tests.verbs import load
from tests.written import hold_nowhere

TOKEN = "canary-7a1f-never-shown"

VERSION = os.environ.get("FLOW_API_VERSION", "v4")
"""Of HubSpot's API, which these tests speak; tests/slow runs them over the others, too."""

Load = Callable[..., Awaitable[Report]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASSOCIATION_LOADER_API_VERSION", VERSION)
    return tmp_path


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A simulated HubSpot without a rate limit."""
    async with Sandbox(record_bodies=True) as running:
        yield running


@pytest.fixture
def load_into(folder: Path) -> Load:
    """Load inputs into a sandbox: contacts to companies, fast, into `r.csv`, unless the arguments say otherwise."""

    async def loaded(
        sandbox: Sandbox,
        *inputs: str,
        stop: Stop | None = None,
        notify: Notify = lambda _: None,
        around: Surroundings | None = None,
        **given: Any,
    ) -> Report:
        loading = settings(
            sandbox,
            *inputs,
            connection={"credentials": Secret(TOKEN), "api_version": VERSION, **given.pop("connection", {})},
            **{"concurrency": 20, **given.pop("send", {})},
            **given,
        )
        events: list[Event] = []

        def listen(event: Event) -> None:
            events.append(event)
            notify(event)

        report = await load(loading, notify=listen, stop=stop, around=around)
        hold_nowhere(TOKEN, folder)
        assert TOKEN not in repr(events)
        return report

    return loaded
