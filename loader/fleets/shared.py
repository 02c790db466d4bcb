"""The folder that all workers share, in a file system or a bucket. Its files are complete, or not there."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from loader.errors import LoaderError, SharedFolderFault
from loader.fetch import address, is_address
from loader.fetch.objects import check_backend, file_system
from loader.files import open_private
from loader.text import visible

_BUCKETS = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "r2", "memory"})
"""Here an object is visible only once it is complete; elsewhere a file is written under another name and renamed."""


class SharedFolder:
    """A folder by its path or address. A write does not make it: a missing one was perhaps unmounted.

    Raises SharedFolderFault if it cannot be used; it may wait for a server that does not answer.
    """

    def __init__(self, place: str) -> None:
        given = place if is_address(place) else Path(place).absolute().as_uri()
        self._address = address(given.rstrip("/"))
        self._shown = visible(place if not is_address(place) else self._address.name)
        self._is_local = self._address.scheme in ("file", "local")
        check_backend(self._address)
        with self._reached():
            self._files, self._root = file_system(self._address)

    def below(self, name: str) -> "SharedFolder":
        """Return a folder in this one."""
        return SharedFolder(f"{self._address.url}/{name}")

    def make(self) -> None:
        """Make the folder, where it is not there."""
        with self._reached():
            self._files.makedirs(self._root, exist_ok=True)

    def names(self) -> list[str]:
        """Return the names of the files in it, none where it is not there."""
        with self._reached():
            self._files.invalidate_cache()
            try:
                found = self._files.ls(self._root, detail=False)
            except FileNotFoundError:
                return []
        return [str(path).rpartition("/")[2] for path in found]

    def read(self, name: str) -> bytes | None:
        """Return the content of a file, None if there is none."""
        with self._reached():
            try:
                found: bytes = self._files.cat_file(f"{self._root}/{name}")
            except FileNotFoundError:
                return None
        return found

    def write(self, name: str, content: bytes | Path, *, ready: Callable[[], None] = lambda: None) -> None:
        """Write a file; until it is complete, readers get the old one. `ready` is called right before it is replaced.

        If `ready` raises, the old one stays.
        """
        target, part = f"{self._root}/{name}", f"{self._root}/.{name}.{uuid4().hex}"
        with self._reached():
            if self._is_local:
                with self._here(name, content) as file:
                    ready()
                    file.replace(target)
                return
            written = target if self._address.scheme in _BUCKETS else part
            ready()
            if isinstance(content, bytes):
                self._files.pipe_file(written, content)
            else:
                self._files.put_file(str(content), written)
            if written != target:
                ready()
                self._files.mv(written, target)

    def claim(self, name: str, content: bytes) -> bool:
        """Write a new file; False if one of its name is there. Of several callers, one gets True."""
        target = f"{self._root}/{name}"
        with self._reached():
            self.make()
            try:
                if self._is_local:
                    with self._here(name, content) as file:
                        os.link(file, target)  # This is atomic on a network file system, too.
                else:
                    self._files.pipe_file(target, content, mode="create")
            except FileExistsError:
                return False
        return True

    def fetch(self, name: str, path: Path) -> None:
        """Copy a file to a path of this machine."""
        with self._reached():
            self._files.get_file(f"{self._root}/{name}", str(path))

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with self._reached():
            try:
                self._files.rm_file(f"{self._root}/{name}")
            except FileNotFoundError:
                return

    @contextmanager
    def _here(self, name: str, content: bytes | Path) -> Iterator[Path]:
        """Yield a private file of the folder, of another name, with this content; it is removed if not renamed."""
        file = Path(self._root, f".{name}.{uuid4().hex}")
        try:
            with os.fdopen(open_private(file), "wb") as written:
                if isinstance(content, bytes):
                    written.write(content)
                else:
                    with content.open("rb") as source:
                        shutil.copyfileobj(source, written, 1 << 20)
                written.flush()
                os.fsync(written.fileno())
            yield file
        finally:
            file.unlink(missing_ok=True)

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except LoaderError:
            raise
        except Exception as error:  # Each backend has its own errors, and their texts may show secrets.
            number = error.errno if isinstance(error, OSError) else None
            why = os.strerror(number) if isinstance(number, int) else type(error).__name__
            raise SharedFolderFault(
                f"{self._shown}: the shared folder cannot be used ({why}): make sure that this machine reaches it and "
                "may write to it, then run the same command again"
            ) from None
