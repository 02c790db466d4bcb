"""A disk that fails at the nth call: Python's own calls below a folder, and SQLite's statements."""

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.faults.kills import recorded
from tests.faults.world import Ending, World, pair_of

CALLS = {
    "open": errno.EACCES,
    "write": errno.ENOSPC,
    "fsync": errno.EIO,
    "ftruncate": errno.EIO,
    "rename": errno.EACCES,
    "replace": errno.ENOSPC,
    "unlink": errno.EACCES,
}
"""The calls of `os` that output files are made with, and what each fails with."""

FULL = "database or disk is full"
BROKEN = "disk I/O error"
"""What SQLite says of ENOSPC and of EIO."""


class Disk:
    """Fails at call number `nth` (from 1), with `for_good` at every later one too; counts its calls."""

    def __init__(self, nth: int, *, for_good: bool = False) -> None:
        self.nth = nth
        self.for_good = for_good
        self.calls = 0

    @property
    def struck(self) -> bool:
        """True once it failed."""
        return self.calls >= self.nth

    def fails(self) -> bool:
        """Count a call, and return True when it is to fail."""
        self.calls += 1
        return self.calls == self.nth or (self.for_good and self.struck)


@contextmanager
def failing_call(folder: Path, name: str, disk: Disk) -> Iterator[None]:
    """Let one function of `os` fail for files below a folder."""
    true = getattr(os, name)

    def call(where: Any, *more: Any, **named: Any) -> Any:
        if _below(folder, where) and disk.fails():
            raise OSError(CALLS[name], os.strerror(CALLS[name]))
        return true(where, *more, **named)

    with patch.object(os, name, call):
        yield


def _below(folder: Path, where: Any) -> bool:
    return isinstance(where, int) or folder in Path(where).absolute().parents


@contextmanager
def failing_statement(disk: Disk, message: str, *, too_late: bool = False, only: str = "") -> Iterator[None]:
    """Let a statement that writes (or `only` one that begins so) fail; `too_late`: once it has taken effect."""
    verbs = (only,) if only else ("BEGIN", "COMMIT", "INSERT", "UPDATE", "DELETE", "CREATE", "PRAGMA")

    def struck(work: Callable[..., sqlite3.Cursor], statement: str, values: Any) -> sqlite3.Cursor:
        strikes = statement.lstrip().startswith(verbs) and disk.fails()
        if strikes and not too_late:
            raise _as_sqlite_says(message)
        cursor = work(statement, *values)
        if strikes:
            cursor.close()
            raise _as_sqlite_says(message)
        return cursor

    class Connection(sqlite3.Connection):
        def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
            return struck(super().execute, statement, values)

        def executemany(self, statement: str, *values: Any) -> sqlite3.Cursor:
            return struck(super().executemany, statement, values)

    true = sqlite3.connect
    with patch.object(sqlite3, "connect", lambda *given, **more: true(*given, **more, factory=Connection)):
        yield


def _as_sqlite_says(message: str) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(message)
    error.sqlite_errorcode = sqlite3.SQLITE_FULL if message == FULL else sqlite3.SQLITE_IOERR
    return error


def check_loud(world: World, ending: Ending) -> None:
    """Hold what a command says that met a failing disk: nothing, when it did no harm, or one sentence with the way on.

    What the journal has as created is in the portal, too, and nothing but the input's pairs was sent.
    """
    assert ending.exit_code in {0, 2, 5}, ending.said
    if ending.exit_code:
        last = ending.said.splitlines()[-1]
        assert last.startswith("association-loader: ")
        assert any(way in last for way in ("same command again", "give another --results")), last
    if ending.exit_code == 2:
        assert not world.puts()
    assert recorded(world.folder / "load.journal") <= world.there()
    world.check_traffic()
    world.check_secrets()


def check_goes_on(world: World, *more: str) -> None:
    """Let the same command go on with a sound disk: all is there, and no journaled success was sent again."""
    kept, sent = recorded(world.folder / "load.journal"), len(world.puts())
    world.load(*more)
    assert not kept & {pair_of(request) for request in world.puts()[sent:]}
