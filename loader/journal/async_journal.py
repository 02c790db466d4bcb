"""The journal for async code: one thread does all blocking work, in the order of the calls.

Meanwhile the event loop handles signals and sends requests.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar

from loader.journal.facts import Facts
from loader.journal.journal import Counts, Journal
from loader.model import Demotion, Image, Lot, Outcome, Pairs, Singles

P = ParamSpec("P")
T = TypeVar("T")
Held = TypeVar("Held", bound=AbstractContextManager[Any])
SomeJournal = TypeVar("SomeJournal", bound=Journal)

Listener = Callable[[Sequence[Outcome]], None]

GATHER_SECONDS = 0.02
"""Seconds. Outcomes within this time share one commit: a commit costs as much as the outcomes of a whole batch."""


class InThread(Generic[Held]):
    """A context manager that is entered, used and left in one thread.

    Work that was given to the thread is always done, even if its task is cancelled: it may be a commit. The context
    manager is left after that, so that nothing is closed while it is in use.
    """

    def __init__(self, held: Held) -> None:
        self.held = held
        self._entered = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")

    async def __aenter__(self) -> Self:
        try:
            await self._in_thread(self._enter)
        except BaseException:
            self._thread.shutdown()
            if self._entered:
                self._leave()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._in_thread(self._leave)
        finally:
            self._thread.shutdown()

    def _enter(self) -> None:
        self.held.__enter__()
        self._entered = True

    def _leave(self) -> None:
        self.held.__exit__(None, None, None)

    async def call(self, work: Callable[Concatenate[Held, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `work` in the thread, with what the context manager holds and the other arguments; return its result."""
        return await self._in_thread(partial(work, self.held, *args, **kwargs))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        done = asyncio.get_running_loop().run_in_executor(self._thread, work)
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            # The work is done anyway, but no caller waits for it: its error is raised by the next call.
            done.add_done_callback(lambda each: each.cancelled() or each.exception())
            raise


class View(Protocol):
    """A table that is written from the journal, after its commits."""

    def catch_up(self) -> Mapping[str, object]:
        """Write every line that the table lacks; return the changes of facts that say how far it is."""

    def finish(self) -> None:
        """Bring the table to its final form for this command."""


class AsyncJournal(InThread[SomeJournal]):
    """A journal that takes outcomes without waiting, commits those of a moment together, and then writes a table.

    `at_work` are the tasks that wait for the journal: they are not cancelled at the end of a run, because their work is
    done in any case. After an error nothing more is written: the disk may then report writes that it has lost.
    """

    def __init__(self, journal: SomeJournal) -> None:
        super().__init__(journal)
        self.counts = Counts()
        self.at_work: set[asyncio.Task[Any] | None] = set()
        self._views = ExitStack()
        self._view: View | None = None
        self._figures: Callable[[], Mapping[str, object]] = dict
        self._listeners: Sequence[Listener] = ()
        self._waiting: deque[Outcome] = deque()
        self._written: Mapping[str, object] = {}
        self._error: BaseException | None = None
        self._some = asyncio.Event()
        self._closed = asyncio.Event()

    def _leave(self) -> None:
        with self._views:
            pass
        super()._leave()

    async def follow(
        self,
        table: Callable[[SomeJournal], AbstractContextManager[View]],
        *,
        figures: Callable[[], Mapping[str, object]] = dict,
        listeners: Sequence[Listener] = (),
    ) -> None:
        """Open a table, and keep it up to date with the journal until the end.

        `figures` is called before every commit and returns changes of facts. `listeners` get outcomes before they are
        written, and may raise Stopped to end the run. From now on `counts` has the number of rows by status.
        """
        self._view = await self.call(lambda journal: self._views.enter_context(table(journal)))
        self.counts = await self.call(Journal.counts)
        self._figures, self._listeners = figures, listeners

    async def call(self, work: Callable[Concatenate[SomeJournal, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `work` in the thread after all recorded outcomes are committed, and return its result.

        Raises the first error of this journal again.
        """
        await self._commit()
        return await self._do(partial(work, self.held, *args, **kwargs))

    async def _do(self, work: Callable[[], T]) -> T:
        """Call `work` in the thread and return its result; at the end of a run this task is not cancelled."""
        task = asyncio.current_task()
        self.at_work.add(task)
        try:
            return await self._in_thread(partial(self._unless_broken, work))
        finally:
            self.at_work.discard(task)

    # --- for the pool

    async def claim(self, most: int) -> list[Pairs]:
        """Return the next pairs, after the intent to send them is committed."""
        return await self.call(lambda journal: journal.claim(most))

    async def claim_lot(self, *, in_row_order: bool = False) -> Lot | None:
        """Return the next pairs that are to be looked up together, None when there are none left."""
        return await self.call(lambda journal: journal.claim_lot(in_row_order=in_row_order))

    async def keep(self, images: Sequence[Image], demoted: Sequence[Demotion]) -> dict[int, int]:
        """Commit before-images before the pairs are sent; return by pair how many of its rows are unchanged.

        Outcomes that were recorded need not be committed for that: they are of other pairs.
        """
        return await self._do(partial(self.held.keep, images, demoted))

    @property
    def facts(self) -> Facts:
        """What is known of the run."""
        return self.held.facts

    @property
    def singles(self) -> Singles:
        """The types asked for of which a record can have only one."""
        return self.held.singles

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """Record outcomes; a moment later they are in the journal, and then in the table.

        All outcomes come here, and nowhere else. Raises what a listener raises, to end the run; the outcomes are
        written anyway.
        """
        if outcomes:
            if self.held.claims.turn:
                outcomes = [replace(each, beside=True) for each in outcomes]
            self._waiting.extend(outcomes)
            self._some.set()
            for listener in self._listeners:
                listener(outcomes)

    async def write(self) -> None:
        """Write outcomes down as they come, all of them until `close`; raises RecordError when that fails."""
        while not self._closed.is_set():
            await self._some.wait()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), GATHER_SECONDS)
            self._some.clear()
            await self._commit()
        await self._commit()  # Outcomes that came while the last ones were being written.
        self._closed.clear()  # It may be called again: a load may send in several passes.

    def close(self) -> None:
        """Let `write` end once everything is written."""
        self._closed.set()
        self._some.set()

    async def finish(self, *, view: bool = True) -> None:
        """Commit what is left and give the table its final form (without `view` there is no time for that)."""
        if self._error is None:
            await self._in_thread(partial(self._finish, self._figures(), view=view))

    # --- in the thread

    async def _commit(self) -> None:
        if self._waiting:
            await self._do(partial(self._record, self._figures()))

    def _record(self, figures: Mapping[str, object]) -> None:
        # The thread takes them out, so that outcomes that come until it begins are committed, too.
        outcomes = [self._waiting.popleft() for _ in range(len(self._waiting))]
        self.held.record(outcomes, {**figures, **self._written})
        for outcome in outcomes:
            self.counts.add(outcome)
        self._written = self._view.catch_up() if self._view else {}

    def _finish(self, figures: Mapping[str, object], *, view: bool) -> None:
        self._unless_broken(partial(self._record, figures))
        if self._view:
            if view:
                self._view.finish()
            self.held.remember(**self._view.catch_up())

    def _unless_broken(self, work: Callable[[], T]) -> T:
        """Do work; after a first error do none, and raise that error again."""
        if self._error is not None:
            raise self._error
        try:
            return work()
        except BaseException as error:
            self._error = error
            raise
