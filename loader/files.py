"""How output files are written: readable by their owner only, never through a symbolic link, whole or not at all."""

import fcntl
import os
import shutil
import stat
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedRandom
from pathlib import Path

from loader.errors import RecordError

_BYTES_AT_ONCE = 1 << 20
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the system's errors into RecordError: an outcome that cannot be written stops the run."""
    try:
        yield
    except OSError as error:
        raise RecordError(
            f"{path}: cannot be written ({error.strerror}), so nothing more is sent: free some space or fix the "
            "folder, then run the same command again; nothing is lost"
        ) from error


def open_private(path: Path) -> int:
    """Return a descriptor for reading and writing a file that only its owner may read, made if it is missing."""
    return os.open(path, os.O_RDWR | os.O_CREAT | _NO_LINK | getattr(os, "O_CLOEXEC", 0), 0o600)


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte; a short write is continued."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def checksum_of(descriptor: int, size: int) -> int | None:
    """Return the checksum (CRC-32) of a file's first `size` bytes, or None if it has fewer."""
    checksum = 0
    for start in range(0, size, _BYTES_AT_ONCE):
        wanted = min(_BYTES_AT_ONCE, size - start)
        data = os.pread(descriptor, wanted, start)
        if len(data) < wanted:
            return None
        checksum = zlib.crc32(data, checksum)
    return checksum


def sync_folder(folder: Path) -> None:
    """Bring a new or changed name in a folder to the disk, so that a power cut does not take it back."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def replacing(path: Path, *, mode: int = 0o600) -> Iterator[BufferedRandom]:
    """Yield a private file to fill, beside `path`; then it replaces `path`, on disk, in one step.

    It is opened once, and never by its name again: by then the name may be a link.
    """
    beside = path.with_name(f"{_prefix(path)}{os.getpid()}")
    with writing(path):
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL | _NO_LINK, mode)
        try:
            os.fchmod(descriptor, mode)  # The umask of a scheduler may be stricter than its metrics' reader can bear.
            with os.fdopen(descriptor, "w+b") as file:
                yield file
                file.flush()
                os.fsync(descriptor)
            beside.replace(path)
            sync_folder(path.parent)
        finally:
            beside.unlink(missing_ok=True)


def _prefix(path: Path) -> str:
    return f".{path.name}."


def remove_left_behind(files: Iterable[Path], *, journal: Path | None = None) -> None:
    """Remove unfinished files that a killed command left beside these; to be called before any is written.

    Files of `replacing` are removed if their process has ended. This process has made none yet: a file with its process
    id is from an earlier one, as in a container, where ids repeat. The holder of the lock of a `journal` is the only
    one that works on it, so its scratch file is removed, too. Files that cannot be removed stay.
    """
    prefixes: dict[Path, set[str]] = {}
    for path in files:
        prefixes.setdefault(path.parent, set()).add(_prefix(path))
    with suppress(OSError):
        if journal is not None:
            for ending in ("", "-wal", "-shm"):
                journal.with_name(f"{journal.name}-staging{ending}").unlink(missing_ok=True)
        for folder, ours in prefixes.items():
            for entry in os.scandir(folder):
                prefix, dot, process = entry.name.rpartition(".")
                if prefix + dot in ours and entry.is_file(follow_symlinks=False) and _is_gone(process):
                    Path(entry).unlink(missing_ok=True)


_YOUNG_SECONDS = 60.0
"""Seconds. A younger folder may be one whose lock is about to be taken."""


def locked_folder(prefix: str) -> tuple[Path, int]:
    """Return a new private folder for temporary files, and its lock; `remove_locked` removes both.

    The lock ends with the process, however that ends. So folders of this prefix that a killed process left are
    recognised, and removed.
    """
    for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with suppress(OSError):
            facts = folder.lstat()
            is_ours = stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.geteuid()
            if is_ours and time.time() - facts.st_mtime > _YOUNG_SECONDS:
                lock = _lock_of(folder)
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder)
                finally:
                    os.close(lock)
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    lock = _lock_of(folder)
    with suppress(OSError):  # If no file can be locked, it is not known whether a folder is still in use.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return folder, lock


def remove_locked(folder: Path, lock: int) -> None:
    """Remove a folder that `locked_folder` made."""
    shutil.rmtree(folder, ignore_errors=True)
    os.close(lock)


def _lock_of(folder: Path) -> int:
    return os.open(folder / "lock", os.O_RDWR | os.O_CREAT | _NO_LINK | getattr(os, "O_CLOEXEC", 0), 0o600)


def _is_gone(process: str) -> bool:
    """Return True for the id of a process that has ended, or is this one; False for any other text."""
    if not (process.isascii() and process.isdigit()) or int(process) == 0:
        return False
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        return False
    return int(process) == os.getpid()
