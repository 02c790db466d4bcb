"""A disk that fails, at every call in turn: a loud stop, or no harm; the same command goes on, and nothing is lost."""

import resource
from collections import Counter
from functools import partial

import pytest

from tests.faults.conftest import MakeWorld
from tests.faults.disk import BROKEN, CALLS, FULL, Disk, check_goes_on, check_loud, failing_call, failing_statement

CONCURRENCY = ("--concurrency", "2")
ROWS = 6


@pytest.mark.parametrize(
    ("name", "for_good"), [*((name, False) for name in CALLS), ("write", True), ("fsync", True), ("unlink", True)]
)
def test_every_call_of_the_system_may_fail(make_world: MakeWorld, name: str, *, for_good: bool) -> None:
    """Items 54, 55, 56: open, write, fsync, truncate, rename and unlink, at the first, second, ... nth call."""
    endings: Counter[int] = Counter()
    disk = Disk(0)
    while disk.struck:
        disk = Disk(disk.nth + 1, for_good=for_good)
        world = make_world(ROWS, folder=f"at-{disk.nth}")
        with failing_call(world.folder, name, disk):
            ending = world.run(*CONCURRENCY)
        check_loud(world, ending)
        if disk.struck:
            endings[ending.exit_code] += 1
            check_goes_on(world, *CONCURRENCY)
    print(f"\n{name} failed at each of {disk.nth - 1} calls; exit codes {dict(endings)}")
    assert disk.nth > 1


def test_every_statement_of_the_journal_may_fail(make_world: MakeWorld) -> None:
    """Items 54, 55: SQLite says that the disk is full (nothing was written) or broken (it may have been)."""
    disk = Disk(0)
    while disk.struck:
        disk = Disk(disk.nth + 1)
        broken = disk.nth % 2 == 1
        world = make_world(ROWS, folder=f"at-{disk.nth}")
        with failing_statement(disk, BROKEN if broken else FULL, too_late=broken):
            ending = world.run(*CONCURRENCY)
        check_loud(world, ending)
        if disk.struck:
            assert ending.exit_code == 5
            check_goes_on(world, *CONCURRENCY)
    print(f"\n{disk.nth - 1} statements failed")
    assert disk.nth > 30


def cap_files(size: int) -> None:
    """Let no file of this process grow beyond `size` bytes: what a full disk is to SQLite itself."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_files_may_end_at_any_size(make_world: MakeWorld) -> None:
    """Item 54: SQLite's own writes fail in the middle, of the journal under construction, of its log, of its file."""
    endings: Counter[int] = Counter()
    size = step = 12_000
    while not endings[0]:
        world = make_world(ROWS, folder=f"at-{size}")
        ending = world.end(world.start(*CONCURRENCY, harm=partial(cap_files, size)))
        check_loud(world, ending)
        endings[ending.exit_code] += 1
        check_goes_on(world, *CONCURRENCY)
        size += step
    print(f"\nfiles capped at every {step} bytes up to {size}; exit codes {dict(endings)}")
    assert endings[5] > 5
