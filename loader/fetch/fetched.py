"""What every way of fetching has in common: the private copy, and what is reported and obeyed meanwhile.

A library may wait for a server that never answers: its work is watched, and left behind if need be.
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


# --- work that may wait for a server that never answers


class Silent(Exception):
    """The server has sent, or taken, nothing for `Watch.timeout` seconds."""


class _LeftBehindError(Exception):
    """Ends the thread of work whose caller waits no longer."""


class Moved:
    """How much has been copied, of how much (None: the server does not say): bytes, unless `shown` says otherwise.

    The work counts, others look.
    """

    def __init__(self, shown: Callable[[int], str] = size_of) -> None:
        self._shown = shown
        self.amount = 0
        self.total: int | None = None
        self.is_left_behind = False
        self.began = time.monotonic()

    def count(self, number: int) -> None:
        """Take note of `number` more; raises where the work's caller waits no longer."""
        if self.is_left_behind:
            raise _LeftBehindError
        self.amount += number

    def __str__(self) -> str:
        rate = self.amount / max(time.monotonic() - self.began, 0.001)
        of = f" of {self._shown(self.total)}" if self.total else ""
        return f"{self._shown(self.amount)}{of}, {self._shown(round(rate))} per second"


def patiently(what: str, work: Callable[[Moved], T], watch: Watch, shown: Callable[[int], str] = size_of) -> T:
    """Return what `work` returns, or raise what it raises; `what` says what it does, `shown` how much it has copied.

    Raises Silent when nothing moves for too long, and the reason when the command is to stop: the work's thread is then
    left behind, and ends when its library lets it.
    """
    moved, done = Moved(shown), Future[T]()

    def run() -> None:
        try:
            done.set_result(work(moved))
        except BaseException as error:
            done.set_exception(error)

    # Of all threads only a daemon's does not keep the process from ending.
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
