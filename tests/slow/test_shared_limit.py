"""Two loaders of one token on one machine, as two processes: they share its limit without any option."""

import time
from pathlib import Path

import pytest

from loader.sandbox import Sandbox, SandboxThread
from tests.slow.command import command
from tests.stages.test_send_sharing import hold_seed

REQUESTS, WINDOW = 100, 2.0
LIMIT = f"{REQUESTS}/{WINDOW:g}"


class Loader:
    """One command at work in a folder of its own, on records of its own."""

    def __init__(self, sandbox: Sandbox, folder: Path, rows: int, first: int, **environment: str) -> None:
        folder.mkdir()
        lines = "".join(f"{number},7\n" for number in range(first, first + rows))
        (folder / "a.csv").write_text(f"from_id,to_id\n{lines}")
        self._said = folder / "said.txt"
        self.first, self.last = first, first + rows
        with self._said.open("wb") as said:
            words = ("--from", "contacts", "--to", "companies", "--rate", LIMIT, "--existing", "replace", "--unread")
            self.process = command(sandbox, folder, "load", "a.csv", *words, stderr=said, **environment)

    def ends(self, code: int = 0) -> str:
        """Wait for the end and return what it said."""
        assert self.process.wait(timeout=120) == code
        return self._said.read_text()

    def arrivals(self, sandbox: Sandbox) -> list[float]:
        """When its own rows arrived."""
        found = ((request.time, request.path.split("/")) for request in list(sandbox.requests))
        return [
            moment
            for moment, parts in found
            if len(parts) > 6 and parts[5].isdigit() and self.first <= int(parts[5]) < self.last
        ]


def held(sandbox: Sandbox) -> None:
    """Hold what arrived to the limit: no window above it, and HubSpot never answered 429."""
    assert sandbox.max_window <= REQUESTS
    assert sandbox.count(status=429) == 0


@pytest.mark.parametrize("count", [1, 2])
def test_loaders_of_one_token_use_one_limit_together(count: int, tmp_path: Path) -> None:
    """No window above the limit, no 429, the limit used, and every one of them gets its part."""
    windows = 5
    with SandboxThread(rate=LIMIT, latency="5ms-20ms") as sandbox:
        rows = REQUESTS * windows // count
        loaders = [Loader(sandbox, tmp_path / str(n), rows, 1 + n * 10_000) for n in range(count)]
        said = [loader.ends() for loader in loaders]
        held(sandbox)
        arrivals = [loader.arrivals(sandbox) for loader in loaders]
    assert [len(times) for times in arrivals] == [rows] * count
    # Whoever comes later gets its part within a window.
    begin = max(times[0] for times in arrivals) + WINDOW * (count > 1)
    end = min(times[-1] for times in arrivals)
    used = [sum(begin <= moment < end for moment in times) / REQUESTS * WINDOW / (end - begin) for times in arrivals]
    print(f"{count} loaders used {' + '.join(f'{share:.1%}' for share in used)} = {sum(used):.1%} of the limit")
    assert sum(used) >= 0.8
    assert min(used) >= 0.6 * max(used)
    assert all(("they share the limit" in text) == (count > 1) for text in said)


def test_what_a_killed_loader_had_goes_to_the_other_a_window_later(tmp_path: Path) -> None:
    with SandboxThread(rate=LIMIT, latency="5ms-20ms") as sandbox:
        killed, other = (Loader(sandbox, tmp_path / str(n), 600, 1 + n * 10_000) for n in range(2))
        while sandbox.count("PUT", status=201) < 2 * REQUESTS:
            time.sleep(0.01)
        killed.process.kill()
        killed.process.wait()
        end = time.monotonic()
        other.ends()
        held(sandbox)
        arrivals = other.arrivals(sandbox)
    begin = end + WINDOW + 3
    full = sum(begin <= moment < begin + 2 * WINDOW for moment in arrivals) / (2 * REQUESTS)
    print(f"{full:.1%} of the limit used by the one that is left")
    assert full >= 0.8


def test_two_loaders_without_a_cache_folder_go_on_alone_and_say_so(tmp_path: Path) -> None:
    nowhere = tmp_path / "file"
    nowhere.touch()
    with SandboxThread() as sandbox:
        said = Loader(sandbox, tmp_path / "a", 50, 1, XDG_CACHE_HOME=str(nowhere)).ends()
    assert said.count("knows of no other load") == 1


def test_the_next_command_does_not_add_to_what_the_last_one_sent(tmp_path: Path) -> None:
    with SandboxThread(rate=LIMIT, latency="5ms-20ms") as sandbox:
        for number in range(2):
            Loader(sandbox, tmp_path / str(number), REQUESTS, 1 + number * 10_000).ends()
        held(sandbox)


@pytest.mark.parametrize("seed", range(2, 12))
def test_no_window_holds_more_than_the_limit(seed: int, tmp_path: Path) -> None:
    """With time made up; `make test` tries two more."""
    hold_seed(seed, tmp_path)
