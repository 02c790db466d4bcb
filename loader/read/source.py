"""A file that is read: what the user calls it, where its bytes are, and whether they are still the same."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import BinaryIO

from loader.errors import InputError
from loader.read.faults import reading
from loader.read.packed import BLOCK
from loader.text import visible


class Source:
    """One file. `name` is what the user calls it; `shown` is the name as sentences show it; `sha256` is of its bytes.

    `owned` says that the file is a private copy, which `close` removes.
    """

    def __init__(self, name: str, path: Path, *, owned: bool = False) -> None:
        self.name = name
        self.path = path
        self.shown = visible(name)
        self._owned = owned
        with reading(self.shown):
            self._stamp = _stamp(path)
            self.sha256 = _hash(path)

    def check_unchanged(self, *, to_the_byte: bool = False) -> None:
        """Raise InputError if the file is no longer the one that was opened."""
        # A time stamp can be set back, and is coarse on some file systems; what was read must be what was hashed.
        with reading(self.shown):
            if _stamp(self.path) != self._stamp or (to_the_byte and _hash(self.path) != self.sha256):
                raise InputError(
                    f"{self.shown}: was changed while it was being read; wait until it is complete, then run again."
                )

    def close(self) -> None:
        """Remove a private copy."""
        if self._owned:
            self.path.unlink(missing_ok=True)


def spooled(stream: BinaryIO) -> Source:
    """Return standard input as a private temporary file, which exists until it is closed."""
    # mkstemp makes the file readable by its owner only, whatever the umask.
    handle, name = tempfile.mkstemp(prefix="association-loader-", suffix=".input")
    path = Path(name)
    try:
        with reading("-"), os.fdopen(handle, "wb") as copy:
            shutil.copyfileobj(stream, copy, BLOCK)
        return Source("-", path, owned=True)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _stamp(path: Path) -> tuple[int, int, int]:
    facts = path.stat()
    return facts.st_ino, facts.st_size, facts.st_mtime_ns
