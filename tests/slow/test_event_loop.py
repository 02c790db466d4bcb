"""The event loop during a whole load: nothing holds it up, or fifty requests would wait for one piece of work."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from loader.garbage import rarely_collecting
from loader.run.connection import surroundings
from loader.send.api import Request
from loader.send.replies import Reply
from loader.settings import ConnectionSettings, InputSettings, Rate, Secret, SendSettings, Settings
from tests.verbs import load

ROWS = 100_000
LONGEST = 0.25

IDS = re.compile(rb'"id":"([0-9]+)"')
CREATED = b'{"fromObjectTypeId":"0-1","fromObjectId":%s,"toObjectTypeId":"0-2","toObjectId":%s,"labels":[]}'


class Portal:
    """Associates whatever a batch asks for, at once; it has no labels, and nothing was there before."""

    async def send(self, request: Request, authorization: str, *, largest: int = 0) -> Reply:
        """Return what HubSpot would answer."""
        await asyncio.sleep(0)
        if not request.path.endswith("/batch/create"):
            return Reply(200, {}, b'{"status":"COMPLETE","results":[]}')
        ids = tuple(IDS.findall(request.body or b""))
        results = b",".join([CREATED] * (len(ids) // 2)) % ids
        return Reply(201, {}, b'{"status":"COMPLETE","results":[%s]}' % results)


@asynccontextmanager
async def portal(_: Settings) -> AsyncIterator[Portal]:
    yield Portal()


@contextmanager
def timed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Yield the seconds of CPU that each callback of the event loop takes, as they come."""
    taken: list[float] = []
    run = asyncio.Handle._run

    def run_timed(handle: asyncio.Handle) -> None:
        began = time.thread_time()
        run(handle)
        taken.append(time.thread_time() - began)

    with monkeypatch.context() as patched:
        patched.setattr(asyncio.Handle, "_run", run_timed)
        yield taken


@pytest.mark.parametrize("existing", ["replace", "merge"])
def test_nothing_holds_the_event_loop_up_while_many_rows_are_loaded(
    existing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No callback takes a quarter of a second of CPU: reading, grouping, claiming and writing are other threads'.

    CPU, not time on the clock: a busy machine holds everybody up.
    """
    source = tmp_path / "a.csv"
    with source.open("w") as file:
        file.write("from_id,to_id\n")
        file.writelines(f"{number},{number % 1000 + 1}\n" for number in range(1, ROWS + 1))
    settings = Settings(
        read=(InputSettings(inputs=(str(source),), object_type="contacts", to_object_type="companies"),),
        connection=ConnectionSettings(base_url="http://127.0.0.1:1", credentials=Secret("any")),
        send=SendSettings(rate=Rate(1_000_000, 1), method="batch", existing=existing, unread=existing == "replace"),
        results=str(tmp_path / "r.csv"),
    )
    around = surroundings()._replace(sender=portal)
    with timed(monkeypatch) as taken, rarely_collecting():
        report = asyncio.run(load(settings, notify=lambda _: None, around=around))
    assert report.summary["rows"]["created"] == ROWS
    print(f"{existing}: {len(taken)} callbacks, the longest took {max(taken) * 1000:.0f} ms of CPU")
    assert max(taken) < LONGEST
