"""What every way of fetching has in common: the private copy, and what is reported and obeyed meanwhile."""

import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from loader.files import locked_folder, remove_locked
from loader.stopping import Stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A private copy of an input that is no local file; the caller removes it.

    `name` is what results and sentences call the input, without secrets. `file_name` is that of the copied file at its
    place: its ending shows the format, its folders may give columns, and the results are named after it. `facts` go
    into the journal (of an object: size in bytes, ETag, and when it was changed, as its server writes them).
    """

    name: str
    file_name: str
    path: Path
    facts: Mapping[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What a fetch reports, and what ends it: `doing` takes what it does, in a few words, as often as that changes.

    `timeout` is how many seconds a server may be silent.
    """

    stop: Stop = field(default_factory=Stop)
    doing: Callable[[str], None] = lambda _: None
    timeout: float = 30.0


class _Copies:
    """The copies of this process, in a private folder that is there as long as one of them is."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._of = ("", 0)
        self._folder = Path()
        self._lock = -1
        self._paths: set[Path] = set()

    def new(self) -> tuple[int, Path]:
        """Return a new file, open, and its path."""
        with self._guard:
            of = (tempfile.gettempdir(), os.getpid())  # A forked process has copies of its own.
            if self._of != of or not self._paths or not self._folder.is_dir():
                self._of, self._paths = of, set()
                self._folder, self._lock = locked_folder("association-loader-copies-")
            handle, name = tempfile.mkstemp(dir=self._folder, suffix=".input")
            self._paths.add(Path(name))
            return handle, Path(name)

    def remove(self, path: Path) -> None:
        """Remove a file, and with the last one the folder."""
        with self._guard:
            path.unlink(missing_ok=True)
            if path in self._paths:
                self._paths.discard(path)
                if not self._paths:
                    remove_locked(self._folder, self._lock)


_copies = _Copies()
remove_copy = _copies.remove


@contextmanager
def private_copy() -> Iterator[tuple[Path, BinaryIO]]:
    """Yield a temporary file to be filled, and its path; it stays, closed, unless the block raises.

    Its owner alone can read it, whatever the umask. `remove_copy` removes it.
    """
    handle, path = _copies.new()
    try:
        with os.fdopen(handle, "wb") as file:
            yield path, file
    except BaseException:
        remove_copy(path)
        raise
