"""One timer for all that is under way: whoever is late is cancelled, and nobody else is."""

import asyncio
import random

import pytest

from loader.send.transport import Deadlines
from tests.stages.fake_time import clock, run


async def work(deadlines: Deadlines, seconds: float) -> float | None:
    """Work so long; return how long it took, None if that was too long."""
    began, late = clock(), False
    task = deadlines.begin()
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        late = True
    if deadlines.end(task):
        assert clock() - began == pytest.approx(10, abs=0.01)
        return None
    assert not late
    return clock() - began


def test_each_task_has_its_whole_time_and_no_more() -> None:
    """Whoever comes and goes meanwhile, and however often a task begins again."""

    async def scenario() -> None:
        chance, deadlines = random.Random(1), Deadlines(10.0)

        async def some(count: int) -> None:
            for _ in range(count):
                seconds = chance.uniform(0, 20)
                took = await work(deadlines, seconds)
                assert (took is None) == (seconds > 10)
                assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]
                await asyncio.sleep(chance.uniform(0, 30))

        await asyncio.gather(*(some(20) for _ in range(30)))
        deadlines.close()

    run(scenario)


def test_a_cancelled_task_is_not_late() -> None:
    async def scenario(moment: float) -> bool:
        deadlines, said = Deadlines(10.0), []

        async def one() -> None:
            task = deadlines.begin()
            try:
                await asyncio.sleep(100)
            finally:
                said.append(deadlines.end(task))

        working = asyncio.create_task(one())
        asyncio.get_running_loop().call_later(moment, working.cancel)
        await asyncio.wait({working})
        deadlines.close()
        assert working.cancelled()
        return said[0]

    assert run(lambda: scenario(5)) is False


def test_a_task_that_is_cancelled_as_it_is_late_stays_cancelled() -> None:
    """As when a run is stopped in the moment of a timeout: it must not go on."""

    async def scenario() -> bool:
        deadlines = Deadlines(10.0)
        working = asyncio.create_task(work(deadlines, 100))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_at(clock() + 10, working.cancel)
        await asyncio.wait({working})
        deadlines.close()
        return working.exception() is None and working.result() is None

    assert not run(scenario)
