"""A lease: one worker has it, and one that was stopped, or cut off, does nothing more with it."""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from loader.errors import Interrupted, LeaseLost, SharedFolderFault
from loader.fleets.lease import Lease, Timing, read_work
from loader.fleets.shared import SharedFolder


@dataclass
class Clock:
    """A clock that a test moves; `timing` counts heartbeats in real hundredths of a second, and the rest by it."""

    now: float = 1000.0
    timing: Timing = field(init=False)

    def __post_init__(self) -> None:
        self.timing = Timing(heartbeat=0.01, clock=lambda: self.now)


class Unreliable(SharedFolder):
    """A shared folder that cannot be used for a while, as `broken` says."""

    broken = False

    def names(self) -> list[str]:
        """Return the names, or fail."""
        if self.broken:
            raise SharedFolderFault("the shared folder is away")
        return super().names()


def until(is_so: Callable[[], Any]) -> None:
    """Wait for what a thread is about to do."""
    for _ in range(1000):
        if is_so():
            return
        time.sleep(0.005)
    raise AssertionError("it did not come to that")


def lease(place: Path, clock: Clock, **settings: Any) -> Lease:
    return Lease(SharedFolder(str(place)), dict, timing=clock.timing, **settings)


def beats(place: Path) -> int:
    work = read_work(SharedFolder(str(place)))
    return work.beats if work else 0


def beats_again(place: Path) -> None:
    """Wait for the second heartbeat from now on: the first may have begun before."""
    before = beats(place)
    until(lambda: beats(place) > before + 1)


def test_another_takes_over_after_silence_on_its_own_clock_and_not_before(tmp_path: Path) -> None:
    """A holder at work is waited for; one that is silent for 20 s is not, and nothing it does later counts."""
    folder, own, others = Unreliable(str(tmp_path)), Clock(), Clock(now=5.0)
    first = Lease(folder, dict, timing=own.timing)
    looks = list[None]()
    second = lease(tmp_path, others, look=lambda _: looks.append(None))
    with ExitStack() as held:
        held.enter_context(first)
        waiter = threading.Thread(target=lambda: held.enter_context(second))
        waiter.start()
        for _ in range(4):
            others.now += 15.0
            beats_again(tmp_path)
            looks.clear()
            until(lambda: len(looks) > 2)
            assert second.number == 0, "it took what another one holds"
        folder.broken = True
        time.sleep(0.05)
        looks.clear()
        until(lambda: len(looks) > 2)
        others.now += 19.0
        looks.clear()
        until(lambda: len(looks) > 2)
        assert second.number == 0
        others.now += 2.0
        waiter.join(5)
        assert (first.number, second.number) == (1, 2)
        folder.broken = False
        with pytest.raises(LeaseLost):
            until(first.fence.check)
        own.now += 1.0
        with pytest.raises(LeaseLost):
            first.fence.check()
        second.fence.check()
        found = read_work(SharedFolder(str(tmp_path)))
        assert found is not None
        assert (found.number, found.ended) == (2, False)
    found = read_work(SharedFolder(str(tmp_path)))
    assert found is not None
    assert (found.number, found.ended) == (2, True)
    assert [file.name for file in tmp_path.iterdir()] == ["work.00000002.json"]


def test_one_that_was_suspended_sends_nothing_more_even_if_it_was_first_to_wake(tmp_path: Path) -> None:
    """Its next heartbeat is written, but it does not know what happened meanwhile."""
    clock = Clock()
    with lease(tmp_path, clock) as held:
        held.fence.check()
        clock.now += 45.0
        before = beats(tmp_path)
        with pytest.raises(LeaseLost):
            held.fence.check()
        time.sleep(0.05)
        assert beats(tmp_path) == before
        with pytest.raises(LeaseLost):
            held.fence.check()


def test_a_folder_that_is_away_for_less_than_the_fence_costs_nothing(tmp_path: Path) -> None:
    """For longer, the holder stops; so it does where another has a higher number, or its own is gone."""
    clock, folder = Clock(), Unreliable(str(tmp_path))
    with Lease(folder, dict, timing=clock.timing) as held:
        folder.broken = True
        clock.now += 9.0
        held.fence.check()
        folder.broken = False
        beats_again(tmp_path)
        clock.now += 9.0
        held.fence.check()
        (tmp_path / "work.00000007.json").write_text("{")
        with pytest.raises(LeaseLost):
            until(held.fence.check)
    other = tmp_path / "other"
    with lease(other, Clock()) as held:
        other.rename(tmp_path / "unmounted")
        with pytest.raises(LeaseLost):
            until(held.fence.check)
    assert not other.exists(), "it wrote where the shared folder was"


def test_of_many_who_come_at_once_each_works_alone(tmp_path: Path) -> None:
    """Two people start the same fleet: one works, the other waits; each lease has a number of its own."""
    at_work, numbers, guard = [], list[int](), threading.Lock()

    def come() -> None:
        with lease(tmp_path, Clock()) as held:
            with guard:
                at_work.append(held.number)
                assert len(at_work) == 1
            time.sleep(0.01)
            with guard:
                at_work.remove(held.number)
                numbers.append(held.number)

    threads = [threading.Thread(target=come) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 9))


def test_who_waits_can_be_stopped(tmp_path: Path) -> None:
    """Ctrl-C does not wait for another one's work."""
    with lease(tmp_path, Clock()), pytest.raises(Interrupted):
        lease(tmp_path, Clock(), look=lambda _: Interrupted(2)).__enter__()
