"""What is there already is kept and not sent again: the judgement as a table, and the lots on a fake clock."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from loader.errors import ApiError, Refused, ServerFault
from loader.journal import AsyncJournal, Journal
from loader.model import AssociationType, Demotion, Direction, Image, Lot, Outcome, Pair, Singles, Types
from loader.planning.cost import look_ahead
from loader.send.clocks import FRESH_SECONDS, Clocks, Moment
from loader.send.judging import Merging
from loader.send.outgoing import Superseded
from loader.send.read_first import WAIT_SECONDS, ReadFirst
from loader.send.reading import RECORDS_PER_READ, CurrentAssociations, Reading, WantedRecords
from tests.stages.columns import pairs_of, reading_of
from tests.stages.fake_time import clock, run

NOW = datetime(2026, 11, 23, 23, 0, tzinfo=UTC)
PLAIN, BOSS, PRIMARY, OTHER = (
    AssociationType(category, number)
    for category, number in (
        ("HUBSPOT_DEFINED", 279),
        ("USER_DEFINED", 7),
        ("HUBSPOT_DEFINED", 1),
        ("USER_DEFINED", 8),
    )
)
NONE: Types = frozenset()
CONTACTS, COMPANIES = "0-1", "0-2"
FORWARD = (CONTACTS, COMPANIES)


def types(*given: AssociationType) -> Types:
    return frozenset(given)


def pair(number: int, *wanted: AssociationType, contact: int | None = None, company: int = 9, **more: Any) -> Pair:
    """Return a pair that asks for these types, in one row each."""
    types = wanted or (PLAIN,)
    ids = str(number if contact is None else contact), str(company)
    return Pair(number, CONTACTS, ids[0], COMPANIES, ids[1], types, len(types), **more)


# --- the judgement


@pytest.mark.parametrize(
    ("wanted", "before", "now", "image", "there"),
    [
        ([PLAIN], None, [], [], []),
        ([PLAIN], None, [PLAIN], None, []),
        ([PLAIN], None, [PLAIN, BOSS], None, []),
        ([PLAIN, BOSS], None, [PLAIN], [PLAIN], [PLAIN]),
        ([PLAIN, BOSS], None, [PLAIN, OTHER], [PLAIN, OTHER], [PLAIN]),
        ([BOSS], None, [PLAIN], [PLAIN], []),
        # Sent before: a crash between the image and the answer must not make our own label look old.
        ([PLAIN], [], [PLAIN], [], []),
        ([PLAIN, BOSS], [PLAIN], [PLAIN, BOSS], [PLAIN], [PLAIN]),
        ([BOSS], [], [PLAIN, BOSS], [], []),
        # What somebody took away meanwhile is not there any more.
        ([PLAIN], [PLAIN], [], [PLAIN], []),
        ([PLAIN, BOSS], [PLAIN], [BOSS], [PLAIN], []),
        ([PLAIN, BOSS], [PLAIN, BOSS], [PLAIN, BOSS], None, []),
    ],
)
def test_a_pair_is_sent_unless_all_that_is_wanted_was_there_before(
    wanted: list[AssociationType],
    before: list[AssociationType] | None,
    now: list[AssociationType],
    image: list[AssociationType] | None,
    there: list[AssociationType],
) -> None:
    """Before is what it had when this run first looked; a row is so already only when its own type was among it."""
    one = pair(1, *wanted, before=None if before is None else frozenset(before))
    expected = None if image is None else (frozenset(image), frozenset(there))
    found = Merging()(one, frozenset(now))
    assert (found and found[:2]) == expected


@pytest.mark.parametrize(
    ("wanted", "now", "dropped", "sent"),
    [
        ([PLAIN], [], [], [PLAIN]),
        ([BOSS], [PLAIN], [], [BOSS, PLAIN]),
        ([BOSS, PLAIN], [PLAIN, OTHER], [], [BOSS, PLAIN, OTHER]),
        ([BOSS], [PLAIN, PRIMARY], [], [BOSS, PRIMARY, PLAIN]),
        ([BOSS], [PLAIN, PRIMARY], [PRIMARY], [BOSS, PLAIN]),
        ([PRIMARY], [PLAIN], [PRIMARY], [PRIMARY, PLAIN]),
    ],
)
def test_what_is_there_is_sent_together_with_what_is_wanted(
    wanted: list[AssociationType],
    now: list[AssociationType],
    dropped: list[AssociationType],
    sent: list[AssociationType],
) -> None:
    """A primary label stays, unless this run makes another record the primary one."""
    found = Merging()(pair(1, *wanted, before=frozenset(), dropped=frozenset(dropped)), frozenset(now))
    assert found
    assert found.types == tuple(sent)


# --- the lots


@dataclass
class MemoryLedger:
    """Lots in memory; `kept` are the images, `outcomes` what was recorded."""

    lots: list[Lot]
    kept: list[Image] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    in_row_order: bool | None = None
    singles: Singles = field(default_factory=dict)

    async def claim_lot(self, *, in_row_order: bool) -> Lot | None:
        self.in_row_order = in_row_order
        return self.lots.pop(0) if self.lots else None

    async def keep(self, images: Sequence[Image], demoted: Sequence[Demotion]) -> dict[int, int]:
        del demoted
        self.kept += images
        return {number: len(image.there) for image in images for number in image.numbers.tolist()}

    def record(self, outcomes: Sequence[Outcome]) -> None:
        self.outcomes += outcomes


@dataclass
class FakeCurrent(CurrentAssociations):
    """What the portal has, by the two ids in the direction in which it is read."""

    has: dict[Direction, dict[str, dict[str, Types]]]
    bad: dict[str, ApiError] = field(default_factory=dict)
    seconds: float = 1.0
    reads: list[tuple[Direction, list[str]]] = field(default_factory=list)
    clocks: Clocks = field(default_factory=lambda: Clocks(clock, lambda: NOW))

    async def read(self, direction: Direction, records: WantedRecords) -> Reading:
        ids = [str(each) for each in dict.fromkeys(records)]
        self.reads.append((direction, ids))
        await asyncio.sleep(self.seconds)
        found = {each: dict(self.has.get(direction, {}).get(each, {})) for each in ids if each not in self.bad}
        bad = {each: self.bad[each] for each in ids if each in self.bad}
        return reading_of(found, bad, Moment(clock(), NOW.timestamp()))


class Work:
    """A merge with everything that it needs."""

    def __init__(self, lots: list[Lot], has: Any = None, *, capacity: int = 1, **more: Any) -> None:
        self.ledger = MemoryLedger(lots)
        self.current = FakeCurrent(has or {}, more.get("bad", {}))
        self.merge = ReadFirst(self.ledger, self.current, Merging(), capacity=capacity)

    async def rest(self) -> list[list[Pair]]:
        """Return every request that is left."""
        found: list[list[Pair]] = []
        while (draft := await self.merge.next()) is not None:
            found.append(list(draft.pairs.each()))
        return found


def sent_of(work: Work) -> list[list[Pair]]:
    """Return every request of a run without any pause."""
    return run(work.rest)


def own_lot(*pairs: Pair) -> Lot:
    return Lot(own=pairs_of(pairs), other=pairs_of([], BACKWARD), inverse={})


BACKWARD = (COMPANIES, CONTACTS)
INVERSE = {AssociationType("HUBSPOT_DEFINED", 280): PLAIN, AssociationType("USER_DEFINED", 70): BOSS}
PLAIN_BACK = AssociationType("HUBSPOT_DEFINED", 280)
UNKNOWN_BACK = AssociationType("USER_DEFINED", 99)


def other_lot(*pairs: Pair) -> Lot:
    return Lot(own=pairs_of([], BACKWARD), other=pairs_of(pairs), inverse=INVERSE)


def test_complete_pairs_are_unchanged_and_others_are_sent_with_what_they_have() -> None:
    """The image of each is kept before its request is handed out; a row that was so is not counted with it."""
    lot = own_lot(pair(1), pair(2), pair(3, BOSS, PLAIN), pair(4, BOSS))
    has = {FORWARD: {"2": {"9": types(PLAIN, BOSS)}, "3": {"9": types(PLAIN)}, "4": {"8": types(BOSS)}}}
    work = Work([lot], has)
    requests = sent_of(work)
    assert [[(each.pair_id, each.types, each.rows, each.unchanged) for each in one] for one in requests] == [
        [(1, (PLAIN,), 1, 0)],
        [(3, (BOSS, PLAIN), 1, 1)],
        [(4, (BOSS,), 1, 0)],
    ]
    kept = [(number, image.types, image.there) for image in work.ledger.kept for number in image.numbers.tolist()]
    assert sorted(kept, key=lambda image: image[0]) == [
        (1, NONE, NONE),
        (3, types(PLAIN), types(PLAIN)),
        (4, NONE, NONE),
    ]
    (outcome,) = work.ledger.outcomes
    result = outcome.result
    assert (*outcome.pair_ids, outcome.status, outcome.rows, result.attempts) == (2, "unchanged", 1, 0)
    assert (result.http_status, result.created_resource_id, result.finished_at[:10]) == (None, "", "2026-11-23")
    # Record 4 has another: its pair with 9 is sent only when 9 is not merged into that.
    assert work.current.reads == [(FORWARD, ["1", "2", "3", "4"]), (FORWARD[::-1], ["9"])]


def test_types_read_from_the_other_end_are_translated_or_read_again() -> None:
    """An unknown type may be the one that is asked for, and an end that shows nothing may be blind."""
    lot = other_lot(pair(1), pair(2), pair(3, BOSS), pair(4, OTHER), pair(5, PLAIN))
    has = {
        BACKWARD: {
            "9": {
                "1": types(PLAIN_BACK),
                "3": types(PLAIN_BACK),
                "4": types(PLAIN_BACK, UNKNOWN_BACK),
                "5": types(PLAIN_BACK, UNKNOWN_BACK),
            }
        },
        FORWARD: {"3": {"9": types(PLAIN)}, "4": {"9": types(PLAIN, OTHER)}},
    }
    work = Work([lot], has)
    requests = sent_of(work)
    assert [(each.pair_id, each.types) for (each,) in requests] == [(2, (PLAIN,)), (3, (BOSS, PLAIN))]
    assert sorted(pair_id for outcome in work.ledger.outcomes for pair_id in outcome.pair_ids) == [1, 4, 5]
    assert {outcome.status for outcome in work.ledger.outcomes} == {"unchanged"}
    assert work.current.reads == [(BACKWARD, ["9"]), (FORWARD, ["2", "3", "4"])]


def test_a_pair_that_is_sent_again_keeps_a_type_that_only_its_own_end_names() -> None:
    """Found by the simulation: all that was asked for was there, but by an earlier request of this very run."""
    has = {BACKWARD: {"9": {"1": types(PLAIN_BACK, UNKNOWN_BACK)}}, FORWARD: {"1": {"9": types(PLAIN, OTHER)}}}
    ((sent,),) = sent_of(Work([other_lot(pair(1, PLAIN, before=NONE))], has))
    assert set(sent.types) == {PLAIN, OTHER}


def test_a_pair_that_is_gone_by_the_time_it_is_read_again_is_sent() -> None:
    """What gets a primary label is read once more just before: both readings are from its own end."""

    async def scenario() -> list[list[Pair]]:
        work = Work([own_lot(pair(1, PRIMARY))], {FORWARD: {"1": {"9": types(BOSS)}}})
        work.ledger.singles = {FORWARD: {PRIMARY: "from"}}
        asyncio.get_running_loop().call_later(1.5, work.current.has.clear)
        return await work.rest()

    assert [[each.types for each in one] for one in run(scenario)] == [[(PRIMARY,)]]


@pytest.mark.parametrize("lot", [own_lot, other_lot])
def test_a_record_that_cannot_be_read_fails_its_pairs(lot: Any) -> None:
    """HubSpot's own reason stands in the outcome: nothing is ever replaced blindly."""
    refused = Refused("no such record", status=404, category="OBJECT_NOT_FOUND", correlation_id="c-7")
    work = Work([lot(pair(1, company=8), pair(2, company=7))], bad={"1": refused, "8": refused})
    requests = sent_of(work)
    assert [each.pair_id for (each,) in requests] == [2]
    (outcome,) = work.ledger.outcomes
    assert (*outcome.pair_ids, outcome.status, outcome.result.http_status, outcome.result.attempts) == (
        1,
        "failed",
        404,
        0,
    )
    assert (outcome.result.error_category, outcome.result.correlation_id) == ("OBJECT_NOT_FOUND", "c-7")
    assert "nothing was sent" in outcome.result.error_message
    assert "no such record" in outcome.result.error_message


def test_a_pair_whose_other_record_is_unreadable_may_be_merged_and_is_not_sent() -> None:
    """Its own record has another association, of which the request might take the labels."""
    has = {FORWARD: {"1": {"9": types(BOSS)}}}
    work = Work([own_lot(pair(1, company=8), pair(2, company=8))], has, bad={"8": ServerFault("busy")})
    assert [each.pair_id for (each,) in sent_of(work)] == [2]
    (outcome,) = work.ledger.outcomes
    assert (*outcome.pair_ids, outcome.status) == (1, "failed")


def test_nothing_is_handed_out_on_a_reading_older_than_a_minute() -> None:
    """What is left is read again, a thousand pairs at a time, and judged by what is there then."""

    async def scenario() -> tuple[Work, list[list[Pair]]]:
        work = Work([other_lot(*(pair(number) for number in range(1, 2501)))])
        first = [await work.merge.next() for _ in range(3)]
        assert [draft.pair.pair_id for draft in first if draft] == [1, 2, 3]
        await asyncio.sleep(FRESH_SECONDS + 1)
        work.current.has[FORWARD] = {"6": {"9": types(BOSS)}}
        return work, await work.rest()

    work, requests = run(scenario)
    by_id = {one[0].pair_id: one[0] for one in requests}
    assert list(by_id) == list(range(4, 2501)), "in the order of the file"
    assert by_id[6].types == (PLAIN, BOSS), "what somebody added meanwhile is kept"
    assert [(direction, len(ids)) for direction, ids in work.current.reads] == [
        (BACKWARD, 1),
        (FORWARD, 1000),
        (FORWARD, 1000),
        (FORWARD, 1000),
        (FORWARD, 497),
    ]


def test_a_request_that_waited_a_minute_is_looked_up_again() -> None:
    """As in a pause: what somebody added meanwhile goes along, and what failed meanwhile leaves the request."""

    async def scenario() -> tuple[Work, list[Pair]]:
        work = Work([own_lot(pair(1), pair(2, BOSS), pair(3))], capacity=3)
        draft = await work.merge.next()
        assert draft is not None
        assert draft.numbers.tolist() == [1, 2, 3]
        await asyncio.sleep(FRESH_SECONDS + 1)
        work.current.has[FORWARD] = {"2": {"9": types(PLAIN)}}
        work.current.bad["3"] = Refused("gone")
        assert not draft.may_leave()
        await draft.renew()
        return work, list(draft.pairs.each())

    work, renewed = run(scenario)
    assert [(each.pair_id, each.types) for each in renewed] == [(1, (PLAIN,)), (2, (BOSS, PLAIN))]
    assert [(*outcome.pair_ids, outcome.status) for outcome in work.ledger.outcomes] == [(3, "failed")]
    assert len(work.current.reads) == 2


def test_a_request_whose_only_pair_failed_is_not_sent() -> None:
    """Both waited, and one reading was for both."""

    async def scenario() -> list[bool]:
        work = Work([own_lot(pair(1), pair(2))], capacity=1)
        drafts = [draft for draft in [await work.merge.next(), await work.merge.next()] if draft is not None]
        await asyncio.sleep(FRESH_SECONDS + 1)
        work.current.bad["2"] = Refused("gone")
        await drafts[0].renew()
        leave = [draft.may_leave() for draft in drafts]
        with pytest.raises(Superseded):
            await drafts[1].renew()
        return leave

    assert run(scenario) == [True, False]


def test_a_request_is_as_old_as_the_oldest_reading_in_it() -> None:
    """One pair that was read more than a minute ago has the whole request looked up again."""

    async def scenario() -> tuple[int, list[int]]:
        work = Work([own_lot(pair(1)), own_lot(pair(2, company=8))], capacity=2)
        work.current.seconds = 25.0
        request = await work.merge.next()
        assert request is not None
        await asyncio.sleep(FRESH_SECONDS - 20.0)
        await request.renew()
        return len(work.current.reads), request.numbers.tolist()

    assert run(scenario) == (3, [1, 2])


def test_no_request_leaves_with_a_pair_that_was_read_too_long_ago() -> None:
    """A slow look-up fills the bundle with what is fresh; what waited for it is not."""

    async def scenario() -> tuple[list[int], int, list[int]]:
        work = Work([own_lot(pair(1), pair(2), pair(3)), own_lot(pair(4))], capacity=2)
        first = await work.merge.next()
        work.current.seconds = FRESH_SECONDS + 1
        asyncio.get_running_loop().call_later(30.0, setattr, work.current, "seconds", 1.0)
        before = len(work.current.reads)
        second = await work.merge.next()
        assert first is not None
        assert second is not None
        return first.numbers.tolist(), len(work.current.reads) - before, sorted(second.numbers.tolist())

    assert run(scenario) == ([1, 2], 2, [3, 4])


@pytest.mark.parametrize("late", ["before it is handed out", "before it is sent"])
def test_a_pair_keeps_its_first_before_image(late: str) -> None:
    """A label that came in between, maybe by a request of ours whose answer was lost, is never taken for an old one."""

    async def scenario() -> tuple[Work, list[Pair]]:
        work = Work([own_lot(pair(1), pair(2))], capacity=1)
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


def test_a_fresh_request_is_sent_as_it_is() -> None:
    """No read is spent on what was read a moment ago."""

    async def scenario() -> Work:
        work = Work([own_lot(pair(1), pair(2))], capacity=8)
        draft = await work.merge.next()
        assert draft is not None
        assert draft.may_leave()
        return work

    assert len(run(scenario).current.reads) == 1


def test_a_request_is_filled_from_several_lots_for_a_while() -> None:
    """Few pairs in a lot are changed: their requests are full all the same, unless reading takes too long."""

    async def scenario(lots: int, pause: float) -> list[int]:
        work = Work([own_lot(pair(10 * lot), pair(10 * lot + 1)) for lot in range(1, lots + 1)], capacity=8)
        sizes: list[int] = []
        reading = work.current.read

        async def slowly(direction: Direction, records: WantedRecords) -> Reading:
            await asyncio.sleep(pause)
            return await reading(direction, records)

        setattr(work.current, "read", slowly)  # noqa: B010 - an assignment to a method is no matter for mypy
        while (request := await work.merge.next()) is not None:
            sizes.append(len(request))
        return sizes

    assert run(lambda: scenario(5, 0)) == [8, 2]
    assert run(lambda: scenario(5, WAIT_SECONDS / 2)) == [6, 4]


def test_reads_are_full_when_several_tasks_share_lots_of_odd_sizes() -> None:
    """Each request counts against the limit; what is left of a lot is read together with the next one."""
    lots = [
        other_lot(*(pair(1000 * lot + n, company=lot) for n in range(count)))
        for lot, count in enumerate((700, 900, 900), 1)
    ]

    async def scenario() -> tuple[list[int], list[int]]:
        work = Work(lots, capacity=RECORDS_PER_READ)
        work.current.seconds = 1.0
        sent = [len(one) for task in await asyncio.gather(*(work.rest() for _ in range(3))) for one in task]
        return sorted(sent), sorted(len(records) for direction, records in work.current.reads if direction == FORWARD)

    assert run(scenario) == ([500, 1000, 1000], [500, 1000, 1000])


@dataclass
class EndlessJournal:
    """Gives out lots of one pair without an end; counts them."""

    lots: int = 0

    async def claim_lot(self) -> Lot:
        self.lots += 1
        return own_lot(pair(self.lots))


@dataclass
class Nothing:
    """A portal that has no association."""

    reads: int = 0

    async def read(self, direction: Any, records: Any) -> Reading:
        del direction, records
        self.reads += 1
        return Reading([], {})


def test_a_plan_that_looks_at_the_first_pairs_only_says_so() -> None:
    """Its figures are then an estimate, and it does not read a large portal to the end."""
    journal, portal = EndlessJournal(), Nothing()
    looking = look_ahead(
        cast("AsyncJournal[Journal]", journal), cast("CurrentAssociations", portal), Merging(), lambda _: None
    )
    so_far = asyncio.run(looking).so_far
    assert (so_far.whole, so_far.pairs, so_far.unchanged) == (False, portal.reads, 0)
