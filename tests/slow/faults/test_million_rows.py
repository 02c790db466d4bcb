"""Many rows and a slow server: what a load holds in memory, and how it goes on when most of it is done."""

import signal
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

from loader.journal import Journal
from loader.record.results import open_results
from loader.send.api import Request
from loader.send.transport import Transport
from tests.faults.conftest import MakeWorld
from tests.faults.world import World, pairs
from tests.memory import peak_megabytes
from tests.stages.staged import claim, created

CONCURRENCY = ("--concurrency", "4")
ROWS = 200_000
MOST_MEGABYTES = 200


def note_memory(path: Path) -> None:
    """Write this process's highest memory, in megabytes, to a file again and again."""

    def note() -> None:
        while True:
            path.write_text(str(peak_megabytes()))
            time.sleep(0.2)

    threading.Thread(target=note, daemon=True).start()


def note_first_put(path: Path) -> None:
    """Write to a file how much of the processor's time this process has used when its first PUT leaves."""
    true = Transport.send

    def send(self: Transport, request: Request, *given: Any, **more: Any) -> Any:
        if request.method == "PUT" and not path.exists():
            path.write_text(str(time.process_time()))
        return true(self, request, *given, **more)

    Transport.send = send  # type: ignore[method-assign]


def note_both(memory: Path, ready: Path) -> None:
    """Note the one and the other."""
    note_memory(memory)
    note_first_put(ready)


def wait_for_puts(world: World, count: int, seconds: float) -> float:
    """Wait until `count` requests have come, and return when."""
    end = time.monotonic() + seconds
    while len(world.puts()) < count:
        assert time.monotonic() < end, "no request has come"
        time.sleep(0.005)
    return time.monotonic()


def test_many_rows_wait_on_disk_for_a_slow_server(make_world: MakeWorld) -> None:
    """Item 44: under 200 MB at its highest, and no more of it while it waits; nearly done, it goes on."""
    world = make_world(pairs(ROWS), latency="500ms")
    memory = world.folder / "memory"
    began = time.monotonic()
    command = world.start(*CONCURRENCY, harm=partial(note_memory, memory))
    staged = wait_for_puts(world, 4, 300) - began
    time.sleep(1)
    first = megabytes(memory)
    time.sleep(2)
    last = megabytes(memory)
    command.signal(signal.SIGTERM)
    assert command.wait() == 143, command.said()
    print(
        f"\n{ROWS:,} rows staged in {staged:.1f} s; at most {last:.0f} MB, {last - first:.0f} MB more while it waited"
    )
    assert last < MOST_MEGABYTES
    assert last - first < 20

    record_all_but(world, 100)
    before = len(world.puts())
    began = time.monotonic()
    command = world.start(*CONCURRENCY, harm=partial(note_both, memory, world.folder / "ready"))
    waited = wait_for_puts(world, before + 1, 120) - began
    assert command.wait(300) == 0, command.said()
    ready = float((world.folder / "ready").read_text())
    print(
        f"with {ROWS - 100:,} rows recorded the first request left after {waited:.1f} s, {ready:.1f} s of them"
        f" the processor's; {megabytes(memory):.0f} MB"
    )
    assert megabytes(memory) < MOST_MEGABYTES
    assert len(world.puts()) == before + 100
    with (world.folder / "load.results.csv").open("rb") as results:
        assert sum(1 for _ in results) == ROWS + 1


def megabytes(memory: Path) -> float:
    """Return what the process noted last."""
    return float(memory.read_text())


def record_all_but(world: World, rest: int) -> None:
    """Record outcomes for all pairs but `rest`, as a load of many hours would have done."""
    with Journal(world.folder / "load.journal") as journal:
        list(journal.query("PRAGMA synchronous = OFF"))
        left = journal.counts().pending - rest
        with open_results(world.folder / "load.results.csv", journal) as results:
            while left:
                outcomes = [created(pair) for pair in claim(journal, min(left, 20_000))]
                journal.record(outcomes, {})
                journal.remember(**results.catch_up())
                left -= len(outcomes)
