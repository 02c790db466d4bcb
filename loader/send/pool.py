"""The pool: a feeder, a bounded queue and so many workers; no task for a row, no row beyond the queue."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from loader.errors import LoaderError
from loader.model import Outcome, Pair
from loader.send.gateway import Gateway


class Action(Protocol):
    """What is done with pairs: `capacity` pairs at most in one `apply`."""

    capacity: int

    async def apply(self, pairs: Sequence[Pair]) -> list[Outcome]:
        """Return one outcome for each pair; raise Fatal when no request can succeed, Stopped when the run ends."""


class Ledger(Protocol):
    """Where pairs come from and outcomes go."""

    async def claim(self, requests: int, capacity: int) -> list[list[Pair]]:
        """Return the next requests' pairs, their intent committed; an empty list when nothing is left."""

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """Take outcomes over at once; they are written down a moment later."""

    async def keep(self) -> None:
        """Write outcomes down as they come, until `close`."""

    def close(self) -> None:
        """Let `keep` end once everything is written."""


class Pool:
    """Sends everything a ledger has, `workers` requests at a time, until it is done or told to stop.

    No more than `workers` requests wait in the queue, so twice as many pairs are claimed and unsettled at most. `watch`
    is told each batch of outcomes once it is recorded, and may raise `Stopped` to end the run (too many failures).
    """

    def __init__(
        self,
        ledger: Ledger,
        action: Action,
        gateway: Gateway,
        *,
        workers: int,
        watch: Callable[[Sequence[Outcome]], None],
    ) -> None:
        self._ledger = ledger
        self._action = action
        self._gateway = gateway
        self._workers = workers
        self._watch = watch
        self._queue: asyncio.Queue[list[Pair] | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(2 * workers)
        self._crew: list[asyncio.Task[None]] = []
        self._claiming: asyncio.Task[None] | None = None
        self._stopped: LoaderError | None = None
        gateway.allow(workers)

    async def run(self) -> None:
        """Send until nothing is left; raise what stopped the run, once what was in flight is recorded."""
        if self._stopped is None:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._guard(self._ledger.keep), name="ledger")
                await self._send_all()
                self._ledger.close()
        if self._stopped is not None:
            raise self._stopped

    async def _send_all(self) -> None:
        async with asyncio.TaskGroup() as group:
            self._crew = [group.create_task(self._guard(self._feed), name="feed")]
            for number in range(self._workers):
                self._crew.append(group.create_task(self._guard(self._serve), name=f"serve-{number}"))

    def stop(self, reason: LoaderError) -> None:
        """Send nothing more: what only waits ends at once, what is in flight is finished and recorded."""
        if self._stopped is None:
            self._stopped = reason
        self._gateway.drain()
        busy = {*self._gateway.in_flight, self._claiming, asyncio.current_task()}
        for task in self._crew:
            if task not in busy:
                task.cancel()

    def abandon(self) -> None:
        """End what is in flight too; its pairs stay claimed and are sent again by the next run."""
        for task in self._crew:
            task.cancel()

    async def _guard(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except LoaderError as reason:
            self.stop(reason)

    async def _feed(self) -> None:
        batch = max(1, self._workers // 2)
        while requests := await self._claim(batch):
            for request in requests:
                self._queue.put_nowait(request)
        for _ in range(self._workers):
            self._queue.put_nowait(None)

    async def _claim(self, batch: int) -> list[list[Pair]]:
        """Wait for room and claim as many requests; while the ledger is at work on it, a stop lets it finish."""
        for _ in range(batch):
            await self._room.acquire()
        self._claiming = self._crew[0]
        requests = await self._ledger.claim(batch, self._action.capacity)
        self._claiming = None
        for _ in range(batch - len(requests)):
            self._room.release()
        return requests if self._stopped is None else []

    async def _serve(self) -> None:
        while (request := await self._queue.get()) is not None:
            outcomes = await self._action.apply(request)
            self._ledger.record(outcomes)
            self._room.release()
            self._watch(outcomes)
            if self._stopped is not None:
                return
