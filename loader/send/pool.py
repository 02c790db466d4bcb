"""The pool: feeders, a bounded queue and a fixed number of workers; no task for a row, no request beyond the queue."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol

from loader.errors import LoaderError
from loader.send.gateway import Gateway
from loader.send.outcomes import Record
from loader.send.outgoing import Draft, DraftSource, Ledger


class Action(Protocol):
    """What is done with pairs: `capacity` pairs at most in one `apply`."""

    capacity: int

    async def apply(self, draft: Draft, record: Record) -> None:
        """Send the pairs and record their outcomes; raise Fatal when no request can succeed, Stopped when the run ends.

        Before each attempt, `Draft.may_leave` decides whether the draft may leave unchanged.
        """


MOST_MORE = 20
"""Workers that are added while requests wait for the end of an outage: if this many fail, it is certain."""


class Room:
    """A number of places; a task that waits for one is woken only when several are free."""

    def __init__(self, places: int, *, at_once: int) -> None:
        self._free = places
        self._at_once = at_once
        self._enough = asyncio.Event()

    async def take(self) -> None:
        """Wait for a place and take it."""
        while not self._free:
            self._enough.clear()
            await self._enough.wait()
        self._free -= 1

    def give_back(self) -> None:
        """Free a place."""
        self._free += 1
        if self._free >= self._at_once:
            self._enough.set()


class Pool:
    """Sends all that goes out, `workers` requests at a time, until it is done or asked to stop.

    Each of `sources` has a feeder of its own, so that they may look things up side by side. No more than half as many
    requests as there are workers wait in the queue.
    """

    def __init__(
        self,
        ledger: Ledger,
        sources: Sequence[DraftSource],
        action: Action,
        gateway: Gateway,
        *,
        workers: int,
    ) -> None:
        self._ledger = ledger
        self._sources = sources
        self._action = action
        self._gateway = gateway
        self._workers = workers
        self._queue: asyncio.Queue[Draft | None] = asyncio.Queue()
        self._room = Room(workers + workers // 2, at_once=max(1, workers // 4))
        self._feeding = len(sources)
        self._tasks: list[asyncio.Task[None]] = []
        self._feeders: list[asyncio.Task[None]] = []
        self._stopped: LoaderError | None = None
        self._more = MOST_MORE

    async def run(self) -> None:
        """Send until nothing is left; raise what stopped the run, once what was in flight is recorded."""
        if self._stopped is None:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._guard(self._ledger.write), name="ledger")
                await self._send_all()
                self._ledger.close()
        if self._stopped is not None:
            raise self._stopped

    async def _send_all(self) -> None:
        async with asyncio.TaskGroup() as group:
            self._gateway.held_up = partial(self._add_worker, group)
            for number, source in enumerate(self._sources):
                feeder = group.create_task(self._guard(partial(self._feed, source)), name=f"feed-{number}")
                self._feeders.append(feeder)
            self._tasks += self._feeders
            for _ in range(self._workers):
                self._start(group)

    def _start(self, group: asyncio.TaskGroup) -> None:
        self._tasks.append(group.create_task(self._guard(self._serve), name=f"serve-{len(self._tasks)}"))

    def _add_worker(self, group: asyncio.TaskGroup) -> None:
        """Try another request while one waits for the end of what may be an outage.

        The gateway limits how many are under way at once, however many workers there are.
        """
        if self._more and self._stopped is None:
            self._more -= 1
            self._start(group)
            self._room.give_back()

    @property
    def in_flight(self) -> int:
        """How many requests are under way."""
        return len(self._gateway.in_flight)

    def stop(self, reason: LoaderError) -> None:
        """Send nothing more: waiting tasks end at once, requests in flight are finished and recorded."""
        if self._stopped is None:
            self._stopped = reason
        self._gateway.drain()
        # A feeder only reads for a later request: its answer is no longer needed.
        sending = self._gateway.in_flight.difference(self._feeders)
        busy = {*sending, *self._ledger.at_work, asyncio.current_task()}
        for task in self._tasks:
            if task not in busy:
                task.cancel()

    def abandon(self) -> None:
        """End requests in flight, too; their pairs stay claimed and are sent again by the next run."""
        for task in self._tasks:
            task.cancel()

    async def _guard(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except LoaderError as reason:
            self.stop(reason)

    async def _feed(self, source: DraftSource) -> None:
        await self._room.take()
        while (draft := await source.next()) is not None and self._stopped is None:
            self._queue.put_nowait(draft)
            await self._room.take()
        self._room.give_back()
        self._feeding -= 1
        if not self._feeding:
            self._queue.put_nowait(None)

    async def _serve(self) -> None:
        while (draft := await self._queue.get()) is not None:
            await self._action.apply(draft, self._ledger.record)
            draft.done()
            self._room.give_back()
            if self._stopped is not None:
                return
        self._queue.put_nowait(None)  # For the other workers.
