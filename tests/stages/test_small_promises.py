"""Promises of which a small mistake would break one without a word: each had no test that such a mistake made fail."""

import asyncio
import fcntl
import gc
import json
import os
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from loader.errors import JournalLocked
from loader.events import Event
from loader.garbage import GARBAGE_THRESHOLDS, rarely_collecting
from loader.journal import AsyncJournal, Journal, Lock
from loader.model import AssociationType, Lot, Pair
from loader.planning.association_types import AssociationTypes
from loader.planning.cost import look_ahead
from loader.record.results import open_results
from loader.send.api import Request
from loader.send.clocks import FRESH_SECONDS
from loader.send.judging import Merging
from loader.send.limiter import Limiter
from loader.send.reading import CurrentAssociations, Reading
from loader.send.replies import Reply
from loader.settings import Rate
from tests.stages.columns import by_record
from tests.stages.fake_time import clock, run
from tests.stages.scripted_server import answer
from tests.stages.staged import chunk, claim, link, stage
from tests.stages.staged import created as made
from tests.stages.test_send_batch import HubSpot, error, numbers, outcomes_of, read
from tests.stages.test_send_batch import pair as pair_of_a_batch
from tests.stages.test_send_batch import result as created
from tests.stages.test_send_existing import BOSS, FORWARD, NONE, PLAIN, Work, pair, straight, types
from tests.stages.test_send_limits import Server, most_in_a_window
from tests.stages.test_send_reading import UNLABELLED, read_reply, reading_of, refusal, result, target

FAST = 1.0005
"""A monotonic clock is slewed by up to 500 parts in a million."""


@pytest.mark.parametrize(("requests", "seconds"), [(100, 10.0), (190, 10.0), (3, 100.0)])
def test_a_clock_that_runs_fast_overfills_no_window_at_the_server(requests: int, seconds: float) -> None:
    """Ten seconds of this machine may be 9.995 of the server's."""

    async def scenario() -> list[float]:
        limiter = Limiter(Rate(requests, seconds), clock=lambda: clock() * FAST, follow=True)
        server = Server(limiter, random.Random(1), jitter=0.0, latency=(0.0, 0.0))
        await server.busy(workers=50, seconds=3 * seconds)
        return server.arrivals

    assert most_in_a_window(run(scenario), seconds) <= requests


@pytest.mark.parametrize("others", [["Boss", "boss "], ["Boss", "BOSS", "Boss"]])
def test_an_inverse_that_could_be_one_of_two_is_left_out(others: list[str]) -> None:
    """A type read from the other end is never translated by a guess."""
    known = AssociationTypes()
    known.learn(FORWARD, [{"category": "USER_DEFINED", "typeId": 7, "label": "Boss"}])
    back = [{"category": "USER_DEFINED", "typeId": 8 + n, "label": label} for n, label in enumerate(others)]
    known.learn((FORWARD[1], FORWARD[0]), back)
    assert BOSS not in known.inverses(FORWARD)
    known.learn((FORWARD[1], FORWARD[0]), back[:1])
    assert known.inverses(FORWARD)[BOSS] == AssociationType("USER_DEFINED", 8)


def test_a_request_is_as_old_as_the_oldest_reading_in_it() -> None:
    """One pair that was read more than a minute ago has the whole request looked up again."""

    async def scenario() -> tuple[int, list[int]]:
        work = Work([straight(pair(1)), straight(pair(2, company=8))], capacity=2)
        work.current.seconds = 25.0
        request = await work.merge.next()
        assert request is not None
        await asyncio.sleep(FRESH_SECONDS - 20.0)
        await request.renew()
        return len(work.current.asked), request.numbers.tolist()

    assert run(scenario) == (3, [1, 2])


def test_a_request_is_not_handed_out_while_one_of_its_pairs_was_read_too_long_ago() -> None:
    """A slow look-up fills the bundle with what is fresh; what waited for it is not."""

    async def scenario() -> tuple[list[int], int, list[int]]:
        work = Work([straight(pair(1), pair(2), pair(3)), straight(pair(4))], capacity=2)
        first = await work.merge.next()
        work.current.seconds = FRESH_SECONDS + 1
        asyncio.get_running_loop().call_later(30.0, setattr, work.current, "seconds", 1.0)
        before = len(work.current.asked)
        second = await work.merge.next()
        assert first is not None
        assert second is not None
        return first.numbers.tolist(), len(work.current.asked) - before, sorted(second.numbers.tolist())

    assert run(scenario) == ([1, 2], 2, [3, 4])


@pytest.mark.parametrize("late", ["before it is handed out", "before it is sent"])
def test_what_a_pair_was_at_first_is_not_lost_when_it_is_looked_up_again(late: str) -> None:
    """A label that came in between, maybe by a request of ours whose answer was lost, is never taken for an old one."""

    async def scenario() -> tuple[Work, list[Pair]]:
        work = Work([straight(pair(1), pair(2))], capacity=1)
        first = await work.merge.next()
        assert first is not None
        work.current.has[FORWARD] = {"1": {"9": types(PLAIN)}, "2": {"9": types(PLAIN)}}
        await asyncio.sleep(FRESH_SECONDS + 1)
        if late == "before it is sent":
            await first.renew()
        sent = first if late == "before it is sent" else await work.merge.next()
        assert sent is not None
        return work, list(sent.pairs.each())

    work, sent = run(scenario)
    assert [each.types for each in sent] == [(PLAIN,)], "it is sent, and not called unchanged"
    assert {image.types for image in work.ledger.kept} == {NONE}
    assert work.ledger.outcomes == []


@dataclass
class EndlessJournal:
    """Gives out lots of one pair without an end; counts them."""

    lots: int = 0

    async def claim_lot(self) -> Lot:
        self.lots += 1
        return straight(pair(self.lots))


@dataclass
class Nothing:
    """A portal that has no association."""

    asked: int = 0

    async def read(self, direction: Any, records: Any) -> Reading:
        del direction, records
        self.asked += 1
        return Reading([], {})


@dataclass
class Told:
    """What was told."""

    events: list[Event] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        self.events.append(event)


def test_a_plan_that_looks_at_the_first_pairs_only_says_so() -> None:
    """Its figures are then an estimate, and it does not read a large portal to the end."""
    journal, portal = EndlessJournal(), Nothing()
    looking = look_ahead(cast("AsyncJournal[Journal]", journal), cast("CurrentAssociations", portal), Merging(), Told())
    so_far = asyncio.run(looking).so_far
    assert (so_far.whole, so_far.pairs, so_far.unchanged) == (False, portal.asked, 0)


def test_two_answers_about_one_record_are_both_true() -> None:
    """Also where they name the same other record, each with a type of its own."""
    body = {"results": [result("1", target("8"), target("9")), result("1", target("9", BOSS))]}
    assert by_record(read_reply(body).links) == {"1": {"8": {UNLABELLED}, "9": {UNLABELLED, BOSS}}}


@pytest.mark.parametrize("errors", [[refusal("2"), refusal("99")], [refusal(), refusal("2")]])
def test_an_error_that_explains_nothing_leaves_doubt_beside_one_that_does(errors: list[dict[str, Any]]) -> None:
    """Of a read, and of a write: the records that nobody speaks of are not taken to have nothing."""
    page = read_reply({"results": [], "errors": errors}, 207)
    assert list(page.refused) == [2]
    assert page.unexplained is not None


def test_an_error_that_names_no_pair_leaves_doubt_beside_one_that_does() -> None:
    """The pairs that a write's answer does not mention may each be the one."""
    pairs = [pair_of_a_batch(n, 10 + n, 20 + n) for n in (1, 2, 3, 4)]
    errors = [error(fromObjectId=["12"]), error()]
    found = read({"results": [created(pairs[0])], "errors": errors}, 207, pairs)
    assert numbers(found) == ([1], [2], [3, 4], True)


@pytest.mark.parametrize("page", ["the same", "a new cursor and nothing new", "the same cursor and something new"])
def test_pages_that_lead_nowhere_make_a_record_unreadable(page: str) -> None:
    """Nor does a cursor that moves without an end, or content that grows without one, keep the run."""

    def pages(request: Request, _authorization: str, number: int) -> Reply:
        assert number < 20, "it never ends"
        (asked,) = json.loads(request.body or b"")["inputs"]
        cursor = f"p{number}" if page.startswith("a new cursor") else "p"
        other = str(8 + number) if page.endswith("something new") else "8"
        return answer(200, {"results": [result(asked["id"], target(other), after=cursor)]})

    reading, requests = reading_of(["1"], pages)
    assert reading.unreadable[1].category == "ENDLESS_PAGES"
    assert len(requests) <= 3
    assert not reading.of(1)


@pytest.mark.parametrize("silent", [1, 2, 8])
def test_a_pair_that_has_only_a_part_of_what_was_asked_is_not_called_created(silent: int) -> None:
    """HubSpot says nothing of it, and reading back finds one of its two types."""
    asked = pair_of_a_batch(1, 1, 5001, UNLABELLED, BOSS)
    found = outcomes_of(HubSpot(silent=True), [asked], max_attempts=silent)
    assert [(outcome.status, outcome.result.error_category) for outcome in found.values()] == [
        ("failed", "NOT_IN_ANSWER")
    ]


def test_whoever_waited_for_a_lock_whose_file_was_replaced_does_not_hold_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between opening the file and locking it, its holder may have ended and another begun: two would be at work."""
    journal, file = tmp_path / "a.journal", tmp_path / "a.journal-lock"
    locking, others = fcntl.flock, list[int]()

    def flock(descriptor: int, how: int) -> None:
        if not others:
            file.unlink()
            others.append(os.open(file, os.O_RDWR | os.O_CREAT))
            locking(others[0], fcntl.LOCK_EX)
        locking(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(JournalLocked), Lock(journal):
        pass
    os.close(others[0])


def test_whoever_opened_a_lock_that_is_gone_holds_a_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock on a file without a name keeps nobody out."""
    journal, file = tmp_path / "a.journal", tmp_path / "a.journal-lock"
    locking, gone = fcntl.flock, list[int]()

    def flock(descriptor: int, how: int) -> None:
        if not gone:
            gone.append(descriptor)
            file.unlink()
        locking(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with Lock(journal):
        assert file.exists()
        with pytest.raises(JournalLocked), Lock(journal):
            pass


def test_what_a_crash_left_behind_the_known_lines_is_cut_off_before_anything_is_added(tmp_path: Path) -> None:
    """Also a run that is killed once more leaves a results file with whole lines and nothing else."""
    path = tmp_path / "r.csv"
    with Journal(stage(tmp_path, [chunk([link(2, 1, 9), link(3, 2, 9)])])) as journal:
        journal.record([made(one) for one in claim(journal, 1)], {})
        with open_results(path, journal) as results:
            journal.remember(**results.catch_up())
        known = path.read_bytes()
        with path.open("ab") as file:
            file.write(b"x,2,created\n" * 1000)
        with open_results(path, journal):
            assert path.read_bytes() == known


def test_loads_side_by_side_leave_the_garbage_collector_as_it_was() -> None:
    """A worker that somebody else started does more than ours, and the first of two loads to end is not the last."""
    own = gc.get_threshold()
    first, second = rarely_collecting(), rarely_collecting()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert gc.get_threshold() == GARBAGE_THRESHOLDS
    second.__exit__(None, None, None)
    assert gc.get_threshold() == own
