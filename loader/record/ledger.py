"""The ledger between the pool and the journal: pairs come from it, outcomes go to it, and a thread writes them down."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from loader.journal import Counts, Journal
from loader.model import Demotion, Direction, Image, Lot, Outcome, Pairs, Singles, Types
from loader.record.results import Results

T = TypeVar("T")

GATHER_SECONDS = 0.01
"""Outcomes of so long share one commit: a commit costs as much as a hundred outcomes."""


class Ledger:
    """Keeps a journal and its results file while requests are made; both are touched by one thread only.

    `facts` is asked before every commit for what is to be remembered with it; the run's end may forestall a commit,
    which the last one makes up for. `listeners` hear of outcomes before they are written, and may raise Stopped to end
    the run. `at_work` are the tasks that wait for the journal: whoever ends the run lets them, because what they wait
    for is done in any case.
    """

    def __init__(
        self,
        journal: Journal,
        results: Results,
        *,
        facts: Callable[[], Mapping[str, object]],
        listeners: Sequence[Callable[[Sequence[Outcome]], None]] = (),
    ) -> None:
        self._journal = journal
        self._results = results
        self._facts = facts
        self._listeners = listeners
        self._waiting: deque[Outcome] = deque()
        self._broken: BaseException | None = None
        self._written: Mapping[str, object] = {}
        self._some = asyncio.Event()
        self._closed = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        self.counts: Counts = journal.counts()
        self.at_work: set[asyncio.Task[Any] | None] = set()

    async def claim(self, most: int) -> list[Pairs]:
        """Return the next pairs, their intent committed after everything that was recorded so far."""
        return await self._after_writing(partial(self._journal.claim, most))

    async def claim_lot(self, records: int, pairs: int, *, scattered: bool) -> Lot | None:
        """Return the next pairs that are to be looked up together, None when there are none left."""
        return await self._after_writing(partial(self._journal.claim_lot, records, pairs, scattered=scattered))

    async def claim_again(self, *, insisting: bool) -> None:
        """Let claims begin with the first pair without an outcome once more; `insisting`: no pair waits for another."""
        await self._after_writing(partial(self._journal.claim_again, insisting=insisting))

    async def keep(self, images: Sequence[Image], demoted: Sequence[Demotion]) -> dict[int, int]:
        """Commit what pairs were before they are sent; return by pair how many rows are so already."""
        return await self._after_writing(partial(self._journal.keep, images, demoted))

    @property
    def unlabelled(self) -> Mapping[Direction, Types]:
        """The types that HubSpot adds to every pair by itself."""
        return self._journal.unlabelled

    @property
    def singles(self) -> Singles:
        """The types asked for of which a record can have only one."""
        return self._journal.singles

    async def _after_writing(self, work: Callable[[], T]) -> T:
        task = asyncio.current_task()
        self.at_work.add(task)
        try:
            await self._write_down()
            return await self._aside(partial(self._unbroken, work))
        finally:
            self.at_work.discard(task)

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """Take outcomes over; they are in the journal, then in the results, a moment later.

        The one place where outcomes are told: whoever has some brings them here. Raises what a listener raises, to end
        the run; the outcomes are written down all the same.
        """
        if outcomes:
            self._waiting.extend(outcomes)
            self._some.set()
            for listener in self._listeners:
                listener(outcomes)

    async def write(self) -> None:
        """Write outcomes down as they come, all of them until `close`; raises RecordError when that fails."""
        while not self._closed:
            await self._some.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._some.clear()
            await self._write_down()
        await self._write_down()  # What came while the last ones were being written.
        self._closed = False  # A load may send in several passes.

    def close(self) -> None:
        """Let `write` end once everything is written."""
        self._closed = True
        self._some.set()

    def finish(self, *, views: bool = True) -> None:
        """Write what is left, give the results their final form (without `views` there is no time), end the thread.

        Nothing more is written once a write failed: after that, a disk may say "written" of what it has lost.
        """
        works: list[Callable[[], None]] = [partial(self._write, self._facts())]
        works += [self._results.finish, self._remember] if views else [self._remember]
        try:
            for work in works:
                if self._broken is None:
                    self._thread.submit(work).result()
        finally:
            self._thread.shutdown()

    async def _aside(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _unbroken(self, work: Callable[[], T]) -> T:
        with self._breakable():
            return work()

    async def _write_down(self) -> None:
        if self._waiting:
            await self._aside(partial(self._write, self._facts()))

    def _write(self, facts: Mapping[str, object]) -> None:
        # Outcomes are taken out by the thread: whoever awaits it may be cancelled before it begins.
        outcomes = [self._waiting.popleft() for _ in range(len(self._waiting))]
        with self._breakable():
            self._journal.record(outcomes, {**facts, **self._written})
            for outcome in outcomes:
                self._count(outcome)
            self._written = self._results.catch_up()

    @contextmanager
    def _breakable(self) -> Iterator[None]:
        if self._broken is not None:
            raise self._broken
        try:
            yield
        except BaseException as error:
            self._broken = error
            raise

    def _remember(self) -> None:
        self._journal.remember(self._results.catch_up())

    def _count(self, outcome: Outcome) -> None:
        self.counts.unchanged += outcome.unchanged * len(outcome.pair_ids)
        if outcome.status == "created":
            self.counts.created += outcome.rows
        elif outcome.status == "replaced":
            self.counts.replaced += outcome.rows
        elif outcome.status == "unchanged":
            self.counts.unchanged += outcome.rows
        else:
            self.counts.failed += outcome.rows
