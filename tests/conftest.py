"""What holds for every test: nothing outside its own temporary folder is touched."""

import gc
import os
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

_cases: Counter[str] = Counter()
"""How many cases of each test with the marker `slow_after` have been collected."""


@pytest.fixture(scope="session", autouse=True)
def cache_folder() -> Iterator[Path]:
    """The cache folder of all tests of this process and of the commands that they start; never the user's own."""
    before = os.environ.get("XDG_CACHE_HOME")
    with tempfile.TemporaryDirectory(prefix="association-loader-cache-") as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        yield Path(folder)
    if before is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = before


class Unsynced(sqlite3.Connection):
    """A database whose commits do not wait for the disk: a test kills processes, but cuts no power."""

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        """Execute a statement; durable journals are made like the others."""
        return super().execute("PRAGMA synchronous = OFF" if sql.startswith("PRAGMA synchronous") else sql, *values)


@pytest.fixture(scope="session", autouse=True)
def what_is_slow_on_purpose() -> Iterator[None]:
    """Files need not survive a power cut, and a token's name (see `auth.fingerprint`) need not be hard to guess.

    Nor does an undo wait for reads to show what the run changed: those of most sandboxes show it at once.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("loader.send.auth.ROUNDS", 1)
        patch.setattr(os, "fsync", lambda _: None)
        patch.setattr("loader.run.undo.CATCH_UP_SECONDS", 0.0)
        patch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Unsynced))
        yield


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark as slow what lies in tests/slow, and all cases of a test but the first ones that `slow_after` names."""
    if Path(__file__).parent / "slow" in item.path.parents:
        item.add_marker("slow")
    elif first := item.get_closest_marker("slow_after"):
        name = item.nodeid.partition("[")[0]
        _cases[name] += 1
        if _cases[name] > first.args[0]:
            item.add_marker("slow")


def pytest_collection_finish() -> None:
    """Collected tests and imported modules are not looked at for garbage again and again, and new objects seldom."""
    gc.freeze()
    gc.set_threshold(10_000)
