"""The pool on a fake clock, with a ledger in memory: nothing lost, nothing twice, and every end an orderly one."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from loader.errors import Interrupted, LoaderError, RecordError
from loader.model import AssociationType, Outcome, Pair, Pairs
from loader.send.gateway import Gateway
from loader.send.outgoing import Unread
from loader.send.pool import Pool
from loader.send.put import Put
from loader.send.replies import Reply
from loader.settings import Rate
from tests.stages.columns import pairs_of
from tests.stages.fake_time import run
from tests.stages.scripted_server import Script, Server, in_turn, make

NOW = datetime(2026, 11, 23, 23, 0, tzinfo=UTC)
CREATED = Reply(201, {}, b"")
TYPE = AssociationType("HUBSPOT_DEFINED", 279)


@dataclass
class MemoryLedger:
    """Pairs in memory; `most_open` is how many were claimed and not yet recorded, at most."""

    pairs: int
    broken_after: int | None = None
    seconds_to_claim: float = 0.001
    claimed: list[int] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    most_open: int = 0
    kept: bool = False
    at_work: set[asyncio.Task[Any] | None] = field(default_factory=set)
    listener: Callable[[Sequence[Outcome]], None] = lambda _: None

    def __post_init__(self) -> None:
        self._closed = asyncio.Event()

    async def claim(self, most: int) -> list[Pairs]:
        if self.broken_after is not None and len(self.claimed) >= self.broken_after:
            raise RecordError("the disk is full")
        begin = len(self.claimed) + 1
        ids = range(begin, min(begin + most, self.pairs + 1))
        self.claimed += ids
        self.at_work.add(asyncio.current_task())
        await asyncio.sleep(self.seconds_to_claim)
        self.at_work.discard(asyncio.current_task())
        self.most_open = max(self.most_open, len(self.claimed) - len(self.outcomes))
        return [pairs_of(Pair(number, "0-1", str(number), "0-2", str(number), (TYPE,), 1) for number in ids)] * bool(
            ids
        )

    def record(self, outcomes: Sequence[Outcome]) -> None:
        self.outcomes += outcomes
        self.listener(outcomes)

    async def write(self) -> None:
        await self._closed.wait()
        self.kept = True

    def close(self) -> None:
        self._closed.set()

    @property
    def recorded(self) -> list[int]:
        return sorted(pair_id for outcome in self.outcomes for pair_id in outcome.pair_ids)


class Work:
    """A pool with everything that it needs."""

    def __init__(
        self,
        script: Script,
        pairs: int = 100,
        *,
        workers: int = 8,
        latency: float = 0.05,
        rate: Rate | None = None,
        **ledger: Any,
    ) -> None:
        self.server = Server(script, latency)
        self.gateway: Gateway = make(self.server, rate=rate or Rate(1000, 1.0))
        self.ledger = MemoryLedger(pairs, **ledger)
        self.pool = self.pool_of(self.ledger, workers)

    def pool_of(self, ledger: MemoryLedger, workers: int) -> Pool:
        action = Put(self.gateway)
        outgoing = [Unread(ledger, capacity=action.capacity, ahead=max(1, workers // 2))]
        return Pool(ledger, outgoing, action, self.gateway, workers=workers)

    async def run(self) -> LoaderError | None:
        """Run to the end and return what stopped it; nothing may be left behind."""
        try:
            await self.pool.run()
        except LoaderError as reason:
            return reason
        finally:
            assert self.server.under_way == 0
            assert len(asyncio.all_tasks()) == 1
        return None


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("workers", [5, 1, 2, 20])
def test_few_pairs_are_claimed_ahead(workers: int) -> None:
    """A slow server is never read ahead of: memory stays flat, and a crash sends little again."""

    async def scenario() -> Work:
        work = Work(in_turn(then=CREATED), 300, workers=workers, latency=5.0)
        await work.run()
        return work

    work = run(scenario)
    assert work.ledger.most_open <= 2 * workers
    assert work.server.most_under_way == workers, "and no worker stays idle"


@pytest.mark.parametrize("moment", [0.0, 0.0005, 0.01, 0.05, 0.0501, 0.3, 0.777])
def test_after_a_stop_each_request_has_its_outcome(moment: float) -> None:
    async def scenario() -> Work:
        work = Work(in_turn(then=CREATED), 50, rate=Rate(40, 1.0))
        asyncio.get_running_loop().call_later(moment, work.pool.stop, Interrupted(15))
        assert isinstance(await work.run(), Interrupted)
        return work

    work = run(scenario)
    assert len(work.server.sent) == len(work.ledger.outcomes) < 50


def test_a_stop_lets_a_claim_finish() -> None:
    finished: list[int] = []

    class SlowLedger(MemoryLedger):
        async def claim(self, most: int) -> list[Pairs]:
            claimed = await super().claim(most)
            finished.append(sum(map(len, claimed)))
            return claimed

    async def scenario() -> Work:
        work = Work(in_turn(then=CREATED))
        work.ledger = SlowLedger(100, seconds_to_claim=1.0)
        work.pool = work.pool_of(work.ledger, 8)
        asyncio.get_running_loop().call_later(0.5, work.pool.stop, Interrupted(2))
        assert isinstance(await work.run(), Interrupted)
        return work

    work = run(scenario)
    assert finished == [4]
    assert not work.server.sent


def test_a_second_stop_ends_what_is_in_flight_too() -> None:
    async def scenario() -> tuple[float, Work]:
        work = Work(in_turn(then=CREATED), latency=60.0)
        loop, begin = asyncio.get_running_loop(), asyncio.get_running_loop().time()
        loop.call_later(1, work.pool.stop, Interrupted(2))
        loop.call_later(2, work.pool.abandon)
        assert isinstance(await work.run(), Interrupted)
        return loop.time() - begin, work

    seconds, work = run(scenario)
    assert seconds < 2.1
    assert not work.ledger.outcomes


def test_a_pool_that_was_stopped_before_it_began_sends_nothing() -> None:
    async def scenario() -> Work:
        work = Work(in_turn(then=CREATED))
        work.pool.stop(Interrupted(2))
        assert isinstance(await work.run(), Interrupted)
        return work

    assert not run(scenario).ledger.claimed


def test_a_keeper_that_fails_stops_the_run_with_its_own_error() -> None:
    async def scenario() -> tuple[Work, LoaderError | None]:
        work = Work(in_turn(then=CREATED))

        async def write() -> None:
            await asyncio.sleep(0.2)
            raise RecordError("the disk is full")

        setattr(work.ledger, "write", write)  # noqa: B010 - an assignment to a method is no matter for the type checker
        return work, await work.run()

    work, error = run(scenario)
    assert isinstance(error, RecordError)
    assert len(work.ledger.outcomes) == len(work.server.sent) < 100


def test_cancelling_the_run_cancels_every_worker() -> None:
    async def scenario() -> Work:
        work = Work(in_turn(then=CREATED), latency=10.0)
        running = asyncio.create_task(work.pool.run())
        await asyncio.sleep(1)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert len(asyncio.all_tasks()) == 1
        return work

    assert run(scenario).server.under_way == 0
