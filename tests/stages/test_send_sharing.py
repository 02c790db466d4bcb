"""Several loaders of one token on one machine: together they keep to the limit, and use it."""

import asyncio
import json
import os
import random
import stat
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeVar

import pytest

from loader.events import Event, Note
from loader.send import sharing
from loader.send.auth import fingerprint
from loader.send.limiter import ABANDONED_SECONDS, Limiter
from loader.send.sharing import CLAIM_SECONDS, RENEWAL_SECONDS, Claim, Claims, ClaimsFile, Sharing, share
from loader.settings import OAuthCredentials, Rate, Secret
from tests.stages.fake_time import clock, run
from tests.stages.test_send_limits import Server, most_in_a_window

T = TypeVar("T")

RATE = Rate(60, 10.0)
NAME = fingerprint(Secret("token"), "http://127.0.0.1:1")


async def at_once(work: Callable[[], T]) -> T:
    """Run work as `asyncio.to_thread` would, without a thread; others may run before and after."""
    await asyncio.sleep(0.01)
    result = work()
    await asyncio.sleep(0.01)
    return result


class Machine:
    """A cache folder, and the loaders that share one limit through it; time is the running loop's."""

    def __init__(self, cache: Path, rate: Rate = RATE) -> None:
        self.cache = cache
        self.rate = rate
        self.events: list[Event] = []
        self.servers: list[Server] = []

    def sharing(self, rate: Rate | None = None, *, follow: bool = False) -> tuple[Sharing, Server]:
        """Return a loader that is about to make its claim, and the server that its requests go to."""
        limiter = Limiter(rate or self.rate, clock=clock, follow=follow)
        self.servers.append(Server(limiter, random.Random(len(self.servers))))
        file = ClaimsFile(self.cache, NAME)
        return Sharing(limiter, file, clock=clock, notify=self.events.append, run_blocking=at_once), self.servers[-1]

    async def load(self, seconds: float, *, after: float = 0.0, workers: int = 50, rate: Rate | None = None) -> Server:
        """Keep one loader busy for some seconds."""
        await asyncio.sleep(after)
        loader, server = self.sharing(rate)
        async with loader:
            await server.busy(workers, seconds)
        return server

    @property
    def arrivals(self) -> list[float]:
        return sorted(arrival for server in self.servers for arrival in server.arrivals)

    @property
    def notes(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Note)]

    def holds(self) -> None:
        """Hold every window of what arrived from all loaders to the limit."""
        assert most_in_a_window(self.arrivals, self.rate.seconds) <= self.rate.requests


def sent_between(server: Server, begin: float, end: float) -> int:
    return sum(begin <= arrival < end for arrival in server.arrivals)


# --- what loaders that share a limit promise, with time made up


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("starts", [(0.0, 3.0, 6.0, 12.0), (0.0,), (0.0, 0.05)])
def test_all_loaders_together_keep_to_the_limit_and_use_it(starts: tuple[float, ...], tmp_path: Path) -> None:
    machine = Machine(tmp_path)

    async def scenario() -> float:
        begin = clock()
        await asyncio.gather(*(machine.load(70 - start, after=start) for start in starts))
        return begin

    begin = run(scenario)
    machine.holds()
    # The last window of the test is cut off; what is used before, a single loader would use, too.
    used = sum(sent_between(server, begin, begin + 60) for server in machine.servers) / (6 * RATE.requests)
    assert used >= 0.95
    last = max(starts) + 28
    shares = [sent_between(server, begin + last, begin + 60) for server in machine.servers]
    assert min(shares) >= 0.8 * max(shares)


def test_one_loader_alone_sends_as_if_it_shared_nothing(tmp_path: Path) -> None:
    async def scenario() -> tuple[int, int]:
        machine = Machine(tmp_path)
        alone = Server(Limiter(RATE, clock=clock, follow=False), random.Random(0))
        await asyncio.gather(machine.load(50), alone.busy(50, 50))
        return len(machine.arrivals), len(alone.arrivals)

    shared, alone = run(scenario)
    assert shared >= alone - 3


def hold_seed(seed: int, cache: Path) -> None:
    """Six loaders come and go, are busy and idle, are killed: no window of what arrived holds more than the limit."""
    chance = random.Random(seed)
    machine = Machine(cache, Rate(chance.choice([7, 20, 60]), chance.choice([2.0, 10.0])))

    async def one() -> None:
        await asyncio.sleep(chance.uniform(0, 20))
        loader, server = machine.sharing()
        stack = AsyncExitStack()
        await stack.enter_async_context(loader)
        for _ in range(chance.randint(1, 3)):
            await server.busy(chance.randint(1, 30), chance.uniform(0.5, 8))
            await asyncio.sleep(chance.uniform(0, 5))
        if chance.random() < 0.4:
            killed(loader)
        else:
            await stack.aclose()

    async def scenario() -> None:
        await asyncio.gather(*(one() for _ in range(6)))

    run(scenario)
    machine.holds()
    assert len(machine.arrivals) > machine.rate.requests


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("seed", range(2))
def test_whatever_loaders_do_no_window_holds_more_than_the_limit(seed: int, tmp_path: Path) -> None:
    hold_seed(seed, tmp_path)


def killed(loader: Sharing) -> None:
    """Let a loader end as if its process was killed: it says nothing more."""
    assert loader._renewals is not None
    loader._renewals.cancel()


def test_a_killed_loaders_share_is_free_a_window_later(tmp_path: Path) -> None:
    machine = Machine(tmp_path)

    async def scenario() -> tuple[float, Server]:
        first, server = machine.sharing()
        await first.__aenter__()
        await server.busy(50, 25)
        killed(first)
        end = clock()
        return end, await machine.load(40)

    end, second = run(scenario)
    machine.holds()
    wait = RATE.seconds + CLAIM_SECONDS + ABANDONED_SECONDS + 2 * RENEWAL_SECONDS
    assert sent_between(second, end, end + RATE.seconds) <= 1
    assert sent_between(second, end + wait, end + wait + 10) >= 0.9 * RATE.requests


@pytest.mark.slow
def test_an_ended_loaders_share_is_free_bit_by_bit(tmp_path: Path) -> None:
    """The next command need not wait for a whole window, and does not add to the last one's."""
    machine = Machine(tmp_path)

    async def scenario() -> tuple[float, Server]:
        await machine.load(30)
        end = clock()
        return end, await machine.load(30)

    end, second = run(scenario)
    machine.holds()
    assert sent_between(second, end, end + 5) >= 0.3 * RATE.requests


def test_a_loader_with_a_lower_limit_of_its_own_keeps_to_it(tmp_path: Path) -> None:
    machine = Machine(tmp_path)

    async def scenario() -> tuple[float, Server, Server]:
        begin = clock()
        slow, fast = await asyncio.gather(machine.load(60, rate=Rate(10, 10.0)), machine.load(60))
        return begin, slow, fast

    begin, slow, fast = run(scenario)
    machine.holds()
    assert most_in_a_window(slow.arrivals, 10.0) <= 10
    assert sent_between(slow, begin + 20, begin + 60) >= 15
    assert sent_between(fast, begin + 20, begin + 60) >= 100


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("requests", [2, 3])
def test_a_limit_of_few_requests_is_not_split_into_nothing(requests: int, tmp_path: Path) -> None:
    """An equal part of it is one request at least, and no loader waits for ever."""
    machine = Machine(tmp_path, Rate(requests, 2.0))

    async def scenario() -> None:
        loads = [(30, 0.0), (30, 0.1), (20, 31)]
        await asyncio.gather(*(machine.load(seconds, after=after, workers=5) for seconds, after in loads))

    run(scenario)
    machine.holds()
    assert len(machine.arrivals) >= 0.7 * requests * 25
    assert machine.servers[2].arrivals


@pytest.mark.slow
def test_a_limit_lowered_to_one_still_lets_one_leave(tmp_path: Path) -> None:
    machine = Machine(tmp_path, Rate(6, 10.0))

    async def scenario() -> list[int]:
        for _ in range(2):
            machine.sharing()
        loaders = [machine.sharing() for _ in range(2)]
        async with AsyncExitStack() as stack:
            for loader, server in loaders:
                await stack.enter_async_context(loader)
                for _ in range(20):
                    server.limiter.slow_down(None, min)
                    await asyncio.sleep(server.limiter.paused_for)
            await asyncio.gather(*(server.busy(5, 60) for _, server in loaders))
        return [len(server.arrivals) for _, server in loaders]

    assert min(run(scenario)) >= 4


def test_a_loader_that_stood_still_renews_its_claim_before_it_sends(tmp_path: Path) -> None:
    machine = Machine(tmp_path)

    async def scenario() -> tuple[float, int]:
        first, server = machine.sharing()
        await first.__aenter__()
        await server.busy(50, 5)
        killed(first)  # It does not get to renew its claim, and goes on by itself.
        end = clock()
        going_on = asyncio.create_task(server.busy(50, 20))
        await asyncio.sleep(20)
        late = sent_between(server, end + CLAIM_SECONDS, end + 20)
        going_on.cancel()
        return end, late

    _, late = run(scenario)
    assert late <= 2  # What was let go just before.


# --- the rules, as a table


def claim(portion: float, until: float = 51.0) -> Claim:
    return Claim(portion, until, window=10.0)


ENDED = 49.5


@pytest.mark.parametrize(
    ("others", "held", "portion", "holding"),
    [
        ([], 0.0, 1.0, 1.0),
        ([], 0.7, 1.0, 1.0),
        ([claim(1.0)], 0.0, 0.0, 0.0),
        ([claim(0.5)], 0.0, 0.5, 0.5),
        ([claim(0.8)], 0.0, 0.2, 0.2),
        ([claim(0.0)], 1.0, 0.5, 1.0),
        ([claim(0.0)], 0.6, 0.5, 0.6),
        ([claim(0.5)], 0.5, 0.5, 0.5),
        ([claim(0.2, ENDED)], 0.0, 0.8, 0.8),
        ([claim(0.4, ENDED), claim(0.1)], 0.0, 0.5, 0.5),
        ([claim(0.4), claim(0.0)], 0.6, 1 / 3, 0.6),
        ([claim(0.7), claim(0.7)], 0.6, 0.0, 0.6),
    ],
)
def test_what_a_loader_may_use_and_what_it_holds(
    others: list[Claim], held: float, portion: float, holding: float
) -> None:
    """An equal part of what is not held by others; what it has used so far it goes on holding."""
    there = {str(number): other for number, other in enumerate(others)}
    after, part = share(there, "mine", held, 10.0, now=50.0)
    assert part.portion == pytest.approx(portion)
    assert part.loaders == 1 + sum(other.until > 50 for other in others)
    assert after["mine"].portion == pytest.approx(holding)
    assert {name: after[name] for name in there} == there


def test_an_ended_share_is_held_for_a_window() -> None:
    def left(now: float) -> Claims:
        return share({"a": claim(0.5)}, "mine", 0.0, 10.0, now)[0]

    assert "a" in left(61.0 + ABANDONED_SECONDS - 0.1)
    assert "a" not in left(61.0 + ABANDONED_SECONDS + 0.1)


# --- the file


def kept(file: ClaimsFile, now: float = 50.0) -> Claims:
    """Return what the file holds."""
    found: list[Claims] = []

    def look(there: Claims) -> Claims:
        found.append(there)
        return there

    file.change(look, lambda: now)
    return found[0]


SOME = {"a": Claim(0.25, 51.0, 10.0), "b": Claim(0.5, 55.0, 10.0)}


def test_what_is_written_is_read_and_only_its_owner_may(tmp_path: Path) -> None:
    file = ClaimsFile(tmp_path / "new" / "cache", NAME)
    file.change(lambda _: SOME, lambda: 50.0)
    assert kept(file) == SOME
    file.change(lambda _: {}, lambda: 50.0)
    assert kept(file) == {}
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "content",
    [
        b"", b"garbage", b"\xff\x00", b"[]", b"null", b"[" * 100_000, b'{"a": 1}', b'{"a": []}', b'{"a": {}}',
        b'{"boot": "x", "claims": {}, "held": []}',
        *(
            json.dumps({"a": {"portion": 0.5, "until": 51.0, "window": 10.0, **changed}}).encode()
            for changed in (
                {"portion": 1.5},
                {"portion": float("nan")},
                {"portion": "x"},
                {"portion": 10**400},
                {"until": 5e9},
                {"until": None},
                {"window": 0.0},
            )
        ),
    ],
)  # fmt: skip
def test_garbage_is_a_new_beginning(content: bytes, tmp_path: Path) -> None:
    file = ClaimsFile(tmp_path, NAME)
    file.path.parent.mkdir()
    file.path.touch(0o600)
    file.path.write_bytes(content)
    assert kept(file) == {}
    file.change(lambda _: SOME, lambda: 50.0)
    assert kept(file) == SOME


def test_the_name_differs_by_token_and_address_and_reveals_neither() -> None:
    tokens = [Secret("pat-1"), Secret("pat-2")]
    oauth = [OAuthCredentials(client_id="id", client_secret=Secret("s"), refresh_token=each) for each in tokens]
    names = [fingerprint(token, url) for url in ("https://a", "https://b") for token in tokens]
    assert len(set(names)) == 4
    assert [fingerprint(each, "https://a") for each in oauth] == names[:2]
    assert all(len(name) == 32 and int(name, 16) for name in names)


def spoil(folder: Path, how: str) -> None:
    """Put something in the place of the cache folder, or of the file in it, that must not be used."""
    file, elsewhere = folder / NAME, folder.parent / "elsewhere"
    match how:
        case "a file":
            folder.touch()
        case "a link":
            elsewhere.mkdir()
            folder.symlink_to(elsewhere)
        case "a linked file":
            folder.mkdir()
            file.symlink_to(elsewhere)
        case "a pipe":
            folder.mkdir()
            os.mkfifo(file, 0o600)
        case mode:
            folder.mkdir()
            file.touch()
            file.chmod(int(mode, 8))


@pytest.mark.slow_after(2)
@pytest.mark.parametrize("how", ["a link", "a linked file", "666", "660", "a pipe", "a file"])
def test_an_unusable_folder_is_reported_once_and_the_load_goes_on_alone(how: str, tmp_path: Path) -> None:
    """Each number is the mode of a file that others may read."""
    spoil(tmp_path / "association-loader", how)
    machine = Machine(tmp_path)
    run(lambda: machine.load(25))
    assert len(machine.arrivals) >= 2 * RATE.requests
    (note,) = machine.notes
    assert note.startswith(f"{tmp_path / 'association-loader' / NAME}: cannot be used (")
    assert not (tmp_path / "elsewhere" / NAME).exists()
    assert not (tmp_path / "elsewhere").is_file()


async def alone_after(machine: Machine, break_it: Callable[[], None]) -> tuple[float, Server, Server]:
    """Keep two loaders busy, and break their file in the middle."""
    begin = clock()
    first, second = (asyncio.create_task(machine.load(60)) for _ in range(2))
    await asyncio.sleep(30)
    break_it()
    return begin, await first, await second


def test_a_file_that_breaks_in_the_middle_leaves_each_its_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    begin, *servers = run(lambda: alone_after(machine, lambda: monkeypatch.setattr(os, "pwrite", full)))
    machine.holds()
    assert len([note for note in machine.notes if "No space left on device" in note]) == 2
    assert all(sent_between(server, begin + 40, begin + 60) >= 0.4 * 2 * RATE.requests for server in servers)


@pytest.mark.slow
def test_an_emptied_cache_folder_is_a_new_beginning_for_all(tmp_path: Path) -> None:
    machine = Machine(tmp_path)

    def empty() -> None:
        (tmp_path / "association-loader" / NAME).unlink()
        (tmp_path / "association-loader").rmdir()

    begin, *servers = run(lambda: alone_after(machine, empty))
    assert most_in_a_window(machine.arrivals, RATE.seconds) <= 1.2 * RATE.requests
    assert all(sent_between(server, begin + 40, begin + 60) >= 0.4 * 2 * RATE.requests for server in servers)


def test_a_lock_that_is_never_let_go_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "LOCK_SECONDS", 0.01)
    file, other = ClaimsFile(tmp_path, NAME), ClaimsFile(tmp_path, NAME)
    with file._locked(), pytest.raises(BlockingIOError):
        kept(other)
    assert kept(other) == {}


def test_it_is_reported_once_that_another_load_is_at_work(tmp_path: Path) -> None:
    machine = Machine(tmp_path)

    async def scenario() -> None:
        await asyncio.gather(machine.load(10), machine.load(5))
        await machine.load(5)

    run(scenario)
    assert machine.notes == ["Another load with the same token is running on this machine; they share the limit."] * 2
