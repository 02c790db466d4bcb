"""Taking a run back, pair by pair: what it added goes, what was there before or came since stays."""

import asyncio
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pytest

from loader.errors import ConnectionFault
from loader.model import AssociationType, Outcome, Pair, Types
from loader.send import api
from loader.send.replies import Reply
from loader.send.take_back import GONE, TakeBack, removal
from loader.text import timestamp
from tests.stages.columns import draft_of
from tests.stages.fake_time import run
from tests.stages.scripted_server import NOW, Script, Server, amid_others, answer, make
from tests.stages.test_send_reading import result, target

PLAIN = AssociationType("HUBSPOT_DEFINED", 279)
PRIMARY = AssociationType("HUBSPOT_DEFINED", 1)
BOSS = AssociationType("USER_DEFINED", 1)
CHAMPION = AssociationType("USER_DEFINED", 3)
UNKNOWN = AssociationType("INTEGRATOR_DEFINED", 9)
LABELS = {PLAIN.key: "", PRIMARY.key: "Primary", BOSS.key: "Boss", CHAMPION.key: "Champion"}

NONE: set[AssociationType] = set()


@pytest.mark.parametrize(
    ("wanted", "before", "now", "whole", "types", "status"),
    [
        ({PLAIN}, NONE, {PLAIN}, True, NONE, "removed"),
        ({BOSS}, NONE, {PLAIN, BOSS}, True, NONE, "removed"),
        ({BOSS, PRIMARY}, NONE, {PLAIN, PRIMARY}, True, NONE, "removed"),
        ({BOSS}, NONE, {PLAIN, BOSS, CHAMPION}, False, {BOSS}, "left"),
        ({PLAIN}, NONE, {PLAIN, CHAMPION}, False, NONE, "left"),
        ({PLAIN, BOSS}, NONE, {PLAIN, BOSS, UNKNOWN}, False, {BOSS}, "left"),
        ({BOSS}, {PLAIN}, {PLAIN, BOSS}, False, {BOSS}, "removed"),
        ({BOSS, CHAMPION}, {PLAIN, CHAMPION}, {PLAIN, BOSS, CHAMPION}, False, {BOSS}, "removed"),
        ({BOSS}, {PLAIN}, {PLAIN, BOSS, CHAMPION}, False, {BOSS}, "removed"),
        ({BOSS}, {PLAIN}, {PLAIN}, False, NONE, "unchanged"),
        ({PLAIN, BOSS}, {PLAIN, BOSS}, {PLAIN, BOSS}, False, NONE, "unchanged"),
        ({BOSS}, NONE, NONE, False, NONE, "unchanged"),
        ({BOSS}, {PLAIN}, NONE, False, NONE, "unchanged"),
        ({UNKNOWN}, {PLAIN}, {PLAIN, UNKNOWN}, False, NONE, "left"),
        ({UNKNOWN, BOSS}, {PLAIN}, {PLAIN, UNKNOWN, BOSS}, False, {BOSS}, "left"),
        ({UNKNOWN}, NONE, {PLAIN, UNKNOWN}, True, NONE, "removed"),
    ],
)
def test_what_is_taken_away(  # the table of every case
    wanted: set[AssociationType],
    before: set[AssociationType],
    now: set[AssociationType],
    whole: bool,
    types: set[AssociationType],
    status: str,
) -> None:
    """A pair of the run's own goes whole unless somebody gave it more; an old one loses the run's labels only."""
    found = removal(frozenset(wanted), frozenset(before), frozenset(now), LABELS)
    assert (found.whole, set(found.types), found.status) == (whole, types, status)
    assert bool(found.why) == (status != "removed")
    assert found.needed == (whole or bool(types))


@pytest.mark.parametrize("before", [NONE, {PLAIN}, {PLAIN, CHAMPION}, {CHAMPION}])
def test_an_unlabelled_type_is_never_taken_off_by_itself(before: set[AssociationType]) -> None:
    """It would take every label with it; nor is a type whose label is not known."""
    for wanted in ({PLAIN}, {PLAIN, BOSS}, {UNKNOWN}, {UNKNOWN, PLAIN, BOSS}):
        for more in (NONE, {CHAMPION}, {UNKNOWN}):
            found = removal(frozenset(wanted), frozenset(before), frozenset(wanted | more | {PLAIN} | before), LABELS)
            assert not found.types & {PLAIN, UNKNOWN}
            assert not (found.whole and (before or CHAMPION in more - wanted))


def pair(number: int, one: int, other: int, types: Collection[AssociationType], before: Types | None) -> Pair:
    return Pair(number, "0-1", str(one), "0-2", str(other), tuple(types), 1, before=before)


class Undone:
    """What an action did: its outcomes by pair, and what it intended before its requests left."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.intended: list[int] = []

    def statuses(self) -> dict[int, str]:
        return {pair_id: outcome.status for outcome in self.outcomes for pair_id in outcome.pair_ids}


async def taken_back(gateway: Any, pairs: Sequence[Pair], *, intended: Collection[int] = ()) -> Undone:
    undone = Undone()

    async def intend(numbers: Sequence[int]) -> None:
        undone.intended += numbers
        await asyncio.sleep(0)

    async def catch_up() -> bool:
        return False

    action = TakeBack(
        gateway,
        labels=LABELS,
        intend=intend,
        intended=intended,
        catch_up=catch_up,
    )
    await action.apply(draft_of(pairs), undone.outcomes.extend)
    return undone


def portal_of(pairs: Sequence[Pair], bad: Collection[str] = (), refuse: Any = None) -> Script:
    """Answer reads with what the pairs ask for, and archiving with 204, or a refusal where a bad record is named."""

    def script(request: api.Request, _authorization: str, _number: int) -> Reply | Exception:
        inputs = json.loads(request.body or b"")["inputs"]
        if request.path.endswith("batch/read"):
            ids = {each["id"] for each in inputs}
            results = [
                result(each.object_id, target(each.to_object_id, *each.types))
                for each in pairs
                if each.object_id in ids
            ]
            return answer(200, {"results": results})
        if any(each["from"]["id"] in bad or str(each["to"]) in bad for each in inputs):
            return refuse if refuse is not None else answer(400, {"message": "bad", "category": "VALIDATION_ERROR"})
        return Reply(204, {}, b"")

    return script


def undone_by(
    pairs: Sequence[Pair], *, intended: Collection[int] = (), **script: Any
) -> tuple[Undone, list[Mapping[str, Any]]]:
    """Take pairs back from a portal that has them; return what came of it and the archive requests' bodies."""
    bodies: list[Mapping[str, Any]] = []
    answers = portal_of(pairs, **script)

    def noted(request: api.Request, authorization: str, number: int) -> Reply | Exception:
        if "archive" in request.path:
            bodies.append({"path": request.path, **json.loads(request.body or b"")})
        return answers(request, authorization, number)

    async def scenario() -> Undone:
        server = Server(noted)
        gateway = make(server, max_attempts=2)
        async with amid_others(server, gateway):
            return await taken_back(gateway, pairs, intended=intended)

    return run(scenario), bodies


def test_a_hundred_from_records_are_one_request() -> None:
    """And a record's pairs go together."""
    pairs = [pair(n, 1 + n % 250, 1000 + n, {PLAIN}, None) for n in range(1, 501)]
    undone, bodies = undone_by(pairs)
    assert Counter(undone.statuses().values()) == {"removed": 500}
    assert [len(body["inputs"]) for body in bodies] == [100, 100, 50]
    assert all(len(each["to"]) == 2 for body in bodies for each in body["inputs"])


def test_whole_pairs_go_from_the_end_with_fewer_records() -> None:
    """A pair that is gone is gone from both ends: 900 contacts of one company are one request."""
    undone, (body,) = undone_by([pair(n, n, 7, {PLAIN}, None) for n in range(1, 901)])
    assert Counter(undone.statuses().values()) == {"removed": 900}
    assert body["path"] == "/crm/v4/associations/0-2/0-1/batch/archive"
    assert [(each["from"], len(each["to"])) for each in body["inputs"]] == [({"id": "7"}, 900)]


@pytest.mark.parametrize("before", [None, frozenset({PLAIN})], ids=["whole", "a label"])
def test_a_removal_without_an_answer_is_a_failure(before: Types | None) -> None:
    """Whether it took effect is not known: the pairs are looked at again by the next undo."""
    pairs = [pair(n, n, 1000 + n, {BOSS}, before) for n in (1, 2)]
    undone, bodies = undone_by(pairs, bad={"1"}, refuse=ConnectionFault("reset", category="CONNECTION"))
    assert undone.statuses() == {1: "failed", 2: "failed"}
    assert len(bodies) == 2


@pytest.mark.parametrize(
    "refuse",
    [None, answer(200, {"errors": [{"message": "bad", "category": "VALIDATION_ERROR"}]})],
    ids=["400", "an error in a 200"],
)
def test_a_refused_request_is_halved_until_the_bad_pair_is_found(refuse: Any) -> None:
    """One pair that cannot be taken away does not keep the others."""
    pairs = [pair(n, n, 1000 + n, {PLAIN}, None) for n in range(1, 65)]
    undone, bodies = undone_by(pairs, bad={"33"}, refuse=refuse)
    failed = [outcome for outcome in undone.outcomes if outcome.status == "failed"]
    assert [(*each.pair_ids, each.result.error_category, each.result.error_message) for each in failed] == [
        (33, "VALIDATION_ERROR", "bad")
    ]
    assert Counter(undone.statuses().values()) == {"removed": 63, "failed": 1}
    assert len(bodies) == 13


def test_a_pair_that_a_killed_undo_removed_is_removed() -> None:
    """It was killed between its request and its outcome."""
    still = [pair(1, 1, 11, {PLAIN}, None)]
    gone = [pair(2, 2, 12, {PLAIN}, None), pair(3, 3, 13, {PLAIN}, None)]

    async def scenario() -> Undone:
        return await taken_back(make(Server(portal_of(still))), [*still, *gone], intended={1, 2})

    undone = run(scenario)
    assert undone.statuses() == {1: "removed", 2: "removed", 3: "unchanged"}
    assert [outcome.result.error_message for outcome in undone.outcomes] == ["", "", GONE.why]
    assert {outcome.result.finished_at for outcome in undone.outcomes} == {timestamp(NOW)}
