"""A redirect is never followed: neither the token nor a row goes where an answer points."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.conftest import MakeWorld
from tests.faults.test_answers import CONCURRENCY, WORKERS, attempts, one_pair_each
from tests.faults.world import pairs

STATUSES = ["301", "302", "303", "307", "308"]


@contextmanager
def elsewhere() -> Iterator[socket.socket]:
    """Listen on another port of this machine, which must get no connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


def address(listener: socket.socket, scheme: str = "http") -> str:
    """Return where a listener can be reached."""
    return f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/crm/v4/stolen"


def nobody_called(listener: socket.socket) -> bool:
    """Return True if no connection waits to be accepted."""
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return True
    return False


def test_no_redirect_is_followed(make_world: MakeWorld) -> None:
    """Item 39: elsewhere, to the same host, to a file, to nowhere: the row fails at once, the host is named."""
    with elsewhere() as listener:
        targets = {
            **{status: address(listener) for status in STATUSES},
            "https": address(listener, "https"),
            "itself": "/crm/v4/objects/0-1/1/associations/0-2/2",
            "file": "file:///etc/hostname",
            "unreadable": "http://[127.0.0.1/",
            "port": "http://127.0.0.1:99999999/",
            "nothing": "",
        }
        rules = [
            {"fault": kind if kind in STATUSES else "302", "headers": {"Location": target}}
            for kind, target in targets.items()
        ]
        world = make_world(30, faults=one_pair_each(*rules))
        failed = pairs(len(rules))
        world.load(*CONCURRENCY, exit_code=1, failed=failed)
        lines = world.lines_by_pair()
        assert [attempts(world)[pair] for pair in failed] == [1] * len(failed)
        assert [lines[pair]["http_status"] for pair in failed[:5]] == STATUSES
        assert all("127.0.0.1" in lines[pair]["error_message"] for pair in failed[:6])
        assert all("redirect" in lines[pair]["error_message"] for pair in failed)
        assert nobody_called(listener)


def test_nothing_but_redirects_stops_the_run(make_world: MakeWorld) -> None:
    """Item 39: when the first ten answers are redirects this is not HubSpot: stop, and say what to look at."""
    with elsewhere() as listener:
        world = make_world(60, faults=[{"fault": "307", "location": address(listener)}])
        ending = world.load(*CONCURRENCY, exit_code=3, failed=world.wanted)
        assert len(world.sandbox.requests) <= 10 + WORKERS + 1
        assert "--base-url" in ending.said
        assert nobody_called(listener)
    world.heal()
    world.load(*CONCURRENCY, "--retry-failed")
