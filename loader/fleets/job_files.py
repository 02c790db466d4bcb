"""A job's files: in the portal's shared folder, and, while a worker does the job, in a private folder of its machine.

The journal of a job at work is stored in pieces, so that another worker can go on where this one is lost.
"""

import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from loader.errors import JournalError, LeaseLost, RecordError, SharedFolderFault
from loader.fleets.lease import Lease, Timing
from loader.fleets.shared import SharedFolder
from loader.journal import Facts, Journal
from loader.journal.pieces import Copier, restore

T = TypeVar("T")

SECONDS_TO_TRY_AGAIN = 1.0

_PIECE = r"(?P<lease>\d{8})-(?P<number>\d{8})-(?P<sum>[0-9a-f]{16})\.piece"
_DATE = r"\d{8}T\d{6}Z(-\d+)?\."
_OUTPUT = r"(results\.csv|failures\.(csv|xlsx)|summary\.json|verify\.csv|undo\.csv|report\.html|journal(-wal)?)"


class JobFiles:
    """The files of the job `name`, brought to the folder `here` and back by the holder of a lease.

    Methods that wait for the shared folder raise LeaseLost if that takes too long, or SharedFolderFault if an operation
    fails while the lease holds.
    """

    def __init__(self, name: str, here: Path, shared: SharedFolder, lease: Lease, timing: Timing) -> None:
        self._name = name
        self._here = here
        self._shared = shared
        self._lease = lease
        self._timing = timing
        self._file = re.compile(rf"{re.escape(name)}\.(?P<date>{_DATE})?{_OUTPUT}", re.ASCII)
        self._piece = re.compile(rf"{re.escape(name)}\.{_PIECE}", re.ASCII)
        self._brought: dict[str, tuple[int, int] | None] = {}
        """The job's files in the shared folder, with size and time of their copies here when they were copied."""
        self._journal = here / f"{name}.journal"
        self._copier = Copier(self._journal, here)
        self._storing = threading.Lock()
        self._stored = 0
        """How many pieces this worker has stored; none if nothing was left to send."""

    @property
    def had_nothing_left(self) -> bool:
        """Whether an earlier run did all of the job, so that this worker has sent nothing."""
        return bool(self._brought) and not self._stored

    def bring(self) -> tuple[int, ...]:
        """Copy the job's files here; if a worker was lost, make its journal from the pieces.

        Returns how many rows were unchanged, and associations gone, each time that a worker was lost in this run.
        Raises LeaseLost, and JournalError or RecordError if not everything can be copied.
        """
        return self._until_lost(self._bring)

    def _bring(self) -> tuple[int, ...]:
        names = self._shared.names()
        self._brought = dict.fromkeys(filter(self._file.fullmatch, names))
        for name in self._brought:
            self._shared.fetch(name, self._here / name)
            self._brought[name] = _signature(self._here / name)
        facts = _facts(self._journal)
        pieces = self._whole_pieces(names, after=facts.lease)
        if not pieces:
            return ()
        self._journal.with_name(f"{self._journal.name}-wal").unlink(missing_ok=True)
        restore(pieces, self._journal)
        if _facts(self._journal).started_at != facts.started_at:
            # They are of an earlier run, which the lost worker has set aside; except a failures file that the user has
            # changed since.
            dated = {name: bool(self._file.fullmatch(name)["date"]) for name in self._brought}  # type: ignore[index]
            kept = {_sum_of(self._here / name) for name, is_dated in dated.items() if is_dated}
            for name, is_dated in dated.items():
                file = self._here / name
                if is_dated or file == self._journal or (".failures." in name and _sum_of(file) not in kept):
                    continue
                file.unlink(missing_ok=True)
        with Journal(self._journal) as found:
            taken_over = (*found.facts.taken_over, found.counts().rows()["unchanged"] + found.found_gone())
            found.remember(taken_over=taken_over)
        for piece in pieces:
            piece.unlink()
        return taken_over

    def _whole_pieces(self, names: Sequence[str], *, after: int) -> list[Path]:
        """Return copies of the pieces of the latest lease that has a first piece, as far as they are complete.

        Pieces of lease `after`, and of earlier ones, are obsolete: the job's files were copied back since.
        """
        leases: dict[int, dict[int, re.Match[str]]] = {}
        for found in filter(None, map(self._piece.fullmatch, names)):
            if int(found["lease"]) > after:
                leases.setdefault(int(found["lease"]), {})[int(found["number"])] = found
        for lease in sorted(leases, reverse=True):
            whole: list[Path] = []
            while (piece := leases[lease].get(len(whole) + 1)) is not None:
                copy = self._here / piece[0]
                self._shared.fetch(copy.name, copy)
                if _sum_of(copy) != piece["sum"]:
                    break
                whole.append(copy)
            if whole:
                return whole
        return []

    def store_set_aside(self) -> None:
        """Store the files of a run that was set aside: the pieces of the new run replace its journal."""
        for file in self._here.iterdir():
            found = self._file.fullmatch(file.name)
            if found and found["date"] and file.name not in self._brought:
                self._until_lost(partial(self._shared.write, file.name, file))

    @contextmanager
    def copied(self) -> Iterator[None]:
        """Store pieces of the journal while a block runs, and one at its end."""
        end = threading.Event()

        def go_on() -> None:
            while not end.wait(self._timing.piece):
                try:
                    if self._stored:
                        self.store()
                except LeaseLost:
                    return
                except SharedFolderFault:
                    # The piece may have been stored anyway, so the same one must be stored again.
                    self._lease.fence.close()
                    return
                except (JournalError, RecordError):
                    continue  # The journal could not be read: the next piece has what this one would have had.

        thread = threading.Thread(target=go_on, name="pieces", daemon=True)
        thread.start()
        try:
            yield
        finally:
            end.set()
            thread.join()
            if self._stored:
                self.store()

    def store(self) -> None:
        """Store the changes of the journal. A retry stores the same bytes, because the next piece builds on them."""
        piece = self._here / "piece"
        with self._storing:
            with piece.open("wb") as file:
                if not self._copier.take(file):
                    return
            number = f"{self._lease.number:08}-{self._stored + 1:08}-{_sum_of(piece)}"
            self._until_lost(partial(self._write, f"{self._name}.{number}.piece", piece))
            self._copier.keep()
            self._stored += 1

    def _write(self, name: str, file: Path) -> None:
        self._shared.write(name, file, ready=self._lease.fence.check)

    def bring_back(self) -> None:
        """Copy the job's files back, the journal last: it shows that the pieces are obsolete."""
        if self._stored:
            with Journal(self._journal) as found:
                found.remember(lease=self._lease.number)
        files = [file for file in self._here.iterdir() if self._file.fullmatch(file.name)]
        for file in sorted(files, key=lambda file: file == self._journal):
            if self._brought.get(file.name) != _signature(file):
                self._until_lost(partial(self._write, file.name, file))
        gone = self._brought.keys() - {file.name for file in files}
        names = self._until_lost(self._shared.names)
        # While the names were read, the lease may have been lost: files of the next one must not be removed.
        pieces = [each for each in map(self._piece.fullmatch, names) if each]
        own = [each[0] for each in pieces if int(each["lease"]) <= self._lease.number]
        for name in (*gone, *own):
            self._lease.fence.check()
            self._until_lost(partial(self._shared.remove, name))

    def _until_lost(self, do: Callable[[], T]) -> T:
        """Call a function and return its result; repeat it while the shared folder cannot be used.

        Raises LeaseLost if that takes too long, or SharedFolderFault if only this operation fails.
        """
        clock, until = self._timing.clock, self._timing.clock() + self._timing.fence
        while True:
            try:
                return do()
            except SharedFolderFault:
                self._lease.fence.check()
                if clock() > until:
                    raise
                time.sleep(SECONDS_TO_TRY_AGAIN)


def _facts(journal: Path) -> Facts:
    """Return the facts of a journal; empty ones if it is not there."""
    if not journal.exists():
        return Facts()
    with Journal(journal, read_only=True) as found:
        return found.facts


def _signature(file: Path) -> tuple[int, int] | None:
    """Return size and time of a file, which show whether it was changed; None if it is not there."""
    if not file.exists():
        return None
    facts = file.stat()
    return facts.st_size, facts.st_mtime_ns


def _sum_of(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()[:16]
