"""How output files are written: readable by their owner only, never through a symbolic link, whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from loader.errors import RecordError

_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Translate the system's errors: an outcome that cannot be written down stops the run."""
    try:
        yield
    except OSError as error:
        raise RecordError(
            f"{path}: cannot be written ({error.strerror}), so nothing more is sent: make room or mend it, then run "
            "the same command again; nothing is lost"
        ) from error


def open_private(path: Path) -> int:
    """Return a descriptor for reading and writing a file that only its owner may read, made if it is missing."""
    return os.open(path, os.O_RDWR | os.O_CREAT | _NO_LINK | getattr(os, "O_CLOEXEC", 0), 0o600)


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte; a short write is continued."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_folder(folder: Path) -> None:
    """Bring a new or changed name in a folder to the disk, so that a power cut does not take it back."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def replacing(path: Path, *, mode: int = 0o600) -> Iterator[BinaryIO]:
    """Yield a private file beside `path` to be filled, then put it in its place, on disk, in one step.

    It is opened once, never by its name again: somebody might have put a link there meanwhile.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with writing(path):
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK, mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(descriptor)
            beside.replace(path)
            sync_folder(path.parent)
        finally:
            beside.unlink(missing_ok=True)
