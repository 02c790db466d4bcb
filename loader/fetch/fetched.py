"""Common to all ways of fetching: the private copy, progress, and stopping.

A library may wait for a server that never answers: so its work runs in a thread that can be abandoned.
"""

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TypeVar

from loader.files import locked_folder, remove_locked
from loader.stopping import Stop
from loader.text import size_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A private copy of an input that is not a local file; the caller removes it.

    `name` is the input's name in results and sentences, without secrets. `file_name` is the name of the original: its
    ending shows the format, its folders may give columns, and the results are named after it. `facts` go into the
    journal (for an object: size in bytes, ETag, and when it was changed, as its server writes them).
    """

    name: str
    file_name: str
    path: Path
    facts: Mapping[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Progress and end of a fetch: `doing` gets what it is doing, in a few words, whenever that changes.

    `timeout` is how many seconds a server may be silent.
    """

    stop: Stop = field(default_factory=Stop)
    doing: Callable[[str], None] = lambda _: None
    timeout: float = 30.0


class _Copies:
    """The copies of this process, in a private folder that exists as long as one of them."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._of = ("", 0)
        self._folder = Path()
        self._lock = -1
        self._paths: set[Path] = set()

    def new(self) -> tuple[int, Path]:
        """Return a new file, open, and its path."""
        with self._guard:
            of = (tempfile.gettempdir(), os.getpid())  # A forked process needs a folder of its own.
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
    """Yield a temporary file to fill, and its path; it is kept, closed, unless the block raises.

    Only its owner can read it, whatever the umask. `remove_copy` removes it.
    """
    handle, path = _copies.new()
    try:
        with os.fdopen(handle, "wb") as file:
            yield path, file
    except BaseException:
        remove_copy(path)
        raise


# --- work that may wait for a server that never answers


class Silent(Exception):
    """The server has sent, or taken, nothing for `Watch.timeout` seconds."""


class _LeftBehindError(Exception):
    """Ends the thread of abandoned work."""


class Moved:
    """How much has been copied, of how much (None: the server does not say): bytes, unless `shown` says otherwise.

    The thread of the work counts, others only read.
    """

    def __init__(self, shown: Callable[[int], str] = size_of) -> None:
        self._shown = shown
        self.amount = 0
        self.total: int | None = None
        self.is_left_behind = False
        self.began = time.monotonic()

    def count(self, number: int) -> None:
        """Count `number` more; raises if the work was abandoned."""
        if self.is_left_behind:
            raise _LeftBehindError
        self.amount += number

    def __str__(self) -> str:
        rate = self.amount / max(time.monotonic() - self.began, 0.001)
        of = f" of {self._shown(self.total)}" if self.total else ""
        return f"{self._shown(self.amount)}{of}, {self._shown(round(rate))} per second"


def patiently(what: str, work: Callable[[Moved], T], watch: Watch, shown: Callable[[int], str] = size_of) -> T:
    """Run `work` in a thread and return its result; `what` says what it does, `shown` how much it has copied.

    Raises what `work` raises, Silent if nothing moves for too long, and the reason when the command must stop: then the
    thread is abandoned, and ends when its library returns.
    """
    moved, done = Moved(shown), Future[T]()

    def run() -> None:
        try:
            done.set_result(work(moved))
        except BaseException as error:
            done.set_exception(error)

    # Only a daemon thread does not keep the process from ending.
    threading.Thread(target=run, name="fetch", daemon=True).start()
    seen, seen_at = -1, time.monotonic()
    try:
        while not wait([done], timeout=0.1).done:
            watch.stop.check()
            now = time.monotonic()
            if moved.amount != seen:
                seen, seen_at = moved.amount, now
                watch.doing(f"{what} ({moved})" if seen else what)
            elif now - seen_at > watch.timeout:
                raise Silent
    finally:
        moved.is_left_behind = True
    return done.result()
