"""One run at a time on one journal: a lock that the system releases when its process ends, however it ends."""

import fcntl
import os
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from loader.errors import JournalLocked, UsageError

ENDING = "-lock"

LOOK_SECONDS = 0.05
"""Seconds. A command that only looks for the holder (see `holder`) has the lock for a shorter time."""


class Lock:
    """Hold `<journal>-lock` for a block; raises JournalLocked with the other process's id.

    `option` is the one that names the files. The lock file names its holder for people; what counts is flock, so the
    file of a killed process locks nothing.
    """

    def __init__(self, journal: Path, *, option: str = "--results") -> None:
        self._path = _file_of(journal)
        self._journal = journal
        self._option = option
        self._descriptor = -1

    def __enter__(self) -> Self:
        patient_until = time.monotonic() + 2 * LOOK_SECONDS
        while True:
            descriptor = self._open()
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                name, since = _name_in(descriptor), datetime.fromtimestamp(os.fstat(descriptor).st_mtime, UTC)
                os.close(descriptor)
                if time.monotonic() < patient_until:
                    time.sleep(LOOK_SECONDS)
                    continue
                raise JournalLocked(
                    f"{self._journal}: process {name} is working on these files (since {since:%Y-%m-%d %H:%M} UTC): "
                    f"wait for it, or give another {self._option}"
                ) from None
            except OSError as error:
                os.close(descriptor)
                raise UsageError(
                    f"{self._path.parent}: this file system cannot protect a run from a second one "
                    f"({error.strerror}): give "
                    f"{self._option} on a local disk"
                ) from error
            if self._still_named(descriptor):
                break
            os.close(descriptor)
        with suppress(OSError):  # The name is for people only; on a full disk the journal raises an error.
            os.ftruncate(descriptor, 0)
            os.write(descriptor, str(os.getpid()).encode("ascii"))
        self._descriptor = descriptor
        return self

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise UsageError(
                f"{self._path.parent}: no file can be written there ({error.strerror}): give another {self._option}"
            ) from error

    def _still_named(self, descriptor: int) -> bool:
        # The holder before us may have removed the file between our open and our lock.
        try:
            named = self._path.stat()
        except FileNotFoundError:
            return False
        return os.fstat(descriptor).st_ino == named.st_ino

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # A file that stays locks nothing.
            self._path.unlink()
        os.close(self._descriptor)


def holder(journal: Path) -> str | None:
    """Return the id of the process that works on a journal, or None; no byte is changed.

    To see a lock it must be tried: shared, and for a moment; a run that begins just then waits that long.
    """
    try:
        descriptor = os.open(_file_of(journal), os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _name_in(descriptor)
    except OSError:
        return None
    else:
        return None
    finally:
        os.close(descriptor)


def _file_of(journal: Path) -> Path:
    return journal.with_name(journal.name + ENDING)


def _name_in(descriptor: int) -> str:
    return os.pread(descriptor, 40, 0).decode("ascii", "replace").strip() or "another process"
