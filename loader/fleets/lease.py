"""One worker at a time works on a portal, even if a worker is suspended and resumes later, or a scheduler is lost.

Each lease has a number and a file of its own in the portal's shared folder. The file is made only if it does not exist:
so no two workers have the same number, and what a worker writes late is in a file that is no longer read. Its holder
writes a heartbeat into it. Another takes the next number only when it has seen no new heartbeat for `Timing.take_over`
seconds on its own clock, so clocks need not agree. The holder sends nothing more once its last heartbeat began more
than `Timing.fence` seconds ago, which is less, or once it sees a higher number.

If a process is suspended just when a request is about to leave, the request leaves when the process resumes. Its pair
has no outcome in the journal, so the next holder sends the same. Only if a later run has given the pair another label
by then, that label is lost, because a PUT replaces all labels of a pair.
"""

import re
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, Self, TypeAlias
from uuid import uuid4

import msgspec

from loader.errors import LeaseLost, LoaderError, SharedFolderFault
from loader.fleets.shared import SharedFolder
from loader.text import timestamp

_FILE = re.compile(r"work\.(\d{8})\.json", re.ASCII)


def steady() -> float:
    """Return seconds on a clock that also counts while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME if sys.platform == "linux" else time.CLOCK_MONOTONIC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds: between heartbeats; without a heartbeat until nothing is sent any more; until another worker takes over;
    between the pieces of a journal. And the clock that counts them.
    """

    heartbeat: float = 2.0
    fence: float = 10.0
    take_over: float = 20.0
    piece: float = 4.0
    clock: Callable[[], float] = steady


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """The state of a job. `phase` is waiting, bringing, running, copying or ended.

    `rate` is requests per second. `taken_over` counts how often another worker was lost in this run, and `not_provable`
    the rows that were found done after that: it may have done them. `skipped`: nothing was left to send. `error` is
    what ended it early, in a sentence, and `warning` its latest warning. `resets_at` is when the day's quota resets
    (UTC, ISO 8601), None if the job did not end for that.
    """

    job: str
    phase: str = "waiting"
    rows: int = 0
    done: int = 0
    failed: int = 0
    rate: float = 0.0
    seconds_left: float | None = None
    taken_over: int = 0
    not_provable: int = 0
    skipped: bool = False
    exit_code: int | None = None
    error: str = ""
    warning: str = ""
    resets_at: str | None = None


Jobs: TypeAlias = Mapping[Literal["jobs"], tuple[JobState, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The content of a heartbeat: the number of the lease; how many heartbeats it has had; the state of its jobs.

    `state` has the `jobs`; it is empty before the first heartbeat. `ended`: the work is over, and the lease is free.
    `at` is when the heartbeat was written, by the worker's own clock (UTC, ISO 8601); it is only shown to people.
    """

    number: int
    holder: str = ""
    at: str = ""
    beats: int = 0
    ended: bool = False
    state: Jobs = field(default_factory=dict)

    @property
    def jobs(self) -> tuple[JobState, ...]:
        """The states of the jobs."""
        return self.state.get("jobs", ())


def read_work(folder: SharedFolder) -> Work | None:
    """Return the latest heartbeat of a portal, None if no worker has begun yet."""
    return _work_among(folder, folder.names())


def _work_among(folder: SharedFolder, names: Sequence[str]) -> Work | None:
    number = max(_numbers(names), default=0)
    if not number:
        return None
    try:
        return msgspec.json.decode(folder.read(_name(number)) or b"", type=Work)
    except msgspec.DecodeError:  # Except on a local disk it may be visible before it is complete.
        return Work(number=number)


def _numbers(names: Sequence[str]) -> list[int]:
    return [int(found[1]) for found in map(_FILE.fullmatch, names) if found]


def _name(number: int) -> str:
    return f"work.{number:08}.json"


class Fence:
    """Lets requests leave while the lease is certainly held. Once it has refused one, it refuses all."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._renewed = timing.clock()
        self._lost = False

    def renew(self, began: float) -> None:
        """Note a heartbeat that was written; `began` is when the write began."""
        self.check()
        self._renewed = began

    def close(self) -> None:
        """Let nothing leave any more."""
        self._lost = True

    def check(self) -> None:
        """Raise LeaseLost when another worker may be at work on the portal."""
        if self._lost or self._timing.clock() - self._renewed > self._timing.fence:
            self._lost = True
            raise LeaseLost(
                "this worker could not write for too long that it is at work on the HubSpot account, so it sends "
                "nothing more: another worker continues, or the same command does"
            )


class Lease:
    """Hold the lease of a portal for a block; waits until no other worker has it.

    `state` returns the state of the work. `look` is called at each heartbeat, and during the wait, with the names of
    the folder's files. It returns why the work must end, or None. Only the wait ends by itself then.
    """

    def __init__(
        self,
        folder: SharedFolder,
        state: Callable[[], Jobs],
        look: Callable[[Sequence[str]], LoaderError | None] = lambda _: None,
        *,
        timing: Timing,
    ) -> None:
        self._folder = folder
        self._state = state
        self._look = look
        self._timing = timing
        self._holder = uuid4().hex
        self._beats = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="heartbeat", daemon=True)
        self.number = 0
        self.fence = Fence(timing)

    def __enter__(self) -> Self:
        while not self._claimed(self._free_number()):
            pass  # Another was faster.
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        try:
            self.fence.check()
        except LeaseLost:
            return
        self.fence.close()
        with suppress(SharedFolderFault):  # Then the next holder waits a little longer.
            self._folder.write(_name(self.number), self._heartbeat(ended=True))
            for number in _numbers(self._folder.names()):
                if number < self.number:
                    self._folder.remove(_name(number))

    def _free_number(self) -> int:
        """Return the next lease's number, once the latest holder has ended or has been silent long enough."""
        clock, seen, since = self._timing.clock, None, 0.0
        while True:
            began = clock()  # A slow answer shows the state at the time of the question.
            names = self._folder.names()
            if (reason := self._look(names)) is not None:
                raise reason
            found = _work_among(self._folder, names)
            if found is None or found.ended:
                break
            if found != seen:
                seen, since = found, clock()
            elif began - since >= self._timing.take_over:
                break
            self._end.wait(self._timing.heartbeat / 2)
        return found.number + 1 if found else 1

    def _claimed(self, number: int) -> bool:
        self.number, self.fence = number, Fence(self._timing)
        if not self._folder.claim(_name(number), self._heartbeat()):
            return False
        # Not every file system can make a file only if there is none.
        found = read_work(self._folder)
        return found is not None and found.holder == self._holder

    def _go_on(self) -> None:
        while not self._end.wait(self._timing.heartbeat):
            began = self._timing.clock()
            try:
                names = self._folder.names()
                self._look(names)
                if max(_numbers(names), default=0) != self.number:
                    self.fence.close()  # Another worker has it; or the folder was unmounted.
                self.fence.check()
                self._folder.write(_name(self.number), self._heartbeat(), ready=self.fence.check)
                self.fence.renew(began)
            except LeaseLost:
                return
            except SharedFolderFault:  # The fence counts the time.
                self._look(())

    def _heartbeat(self, *, ended: bool = False) -> bytes:
        self._beats += 1
        return msgspec.json.encode(
            Work(
                number=self.number,
                holder=self._holder,
                at=timestamp(datetime.now(UTC)),
                beats=self._beats,
                ended=ended,
                state=self._state(),
            )
        )
