"""Batches: answers as tables, matched by pair; and the action on a fake clock, in front of a scripted server."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from loader.errors import ServerFault, Stopped, Unauthorized
from loader.model import AssociationType, Outcome, Pair
from loader.send import api
from loader.send.batch import Batch
from loader.send.batch_replies import CreatedPairs, created_pairs
from loader.send.gateway import Gateway
from loader.send.replies import Reply
from tests.stages.columns import draft_of, pairs_of
from tests.stages.fake_time import run
from tests.stages.scripted_server import Server, answer, make

NOW = datetime(2026, 11, 23, 23, 0, tzinfo=UTC)
PLAIN, BOSS = AssociationType("HUBSPOT_DEFINED", 279), AssociationType("USER_DEFINED", 7)


def pair(number: int, from_id: int, to_id: int, *types: AssociationType) -> Pair:
    return Pair(number, "0-1", str(from_id), "0-2", str(to_id), types or (PLAIN,), 1)


PAIRS = [pair(1, 11, 21), pair(2, 12, 22), pair(3, 13, 23)]


def result(one: Pair, *labels: str, number: bool = False) -> dict[str, Any]:
    """Return what HubSpot says of a pair that was set."""
    ids = (int(one.object_id), int(one.to_object_id)) if number else (one.object_id, one.to_object_id)
    return {"fromObjectId": ids[0], "toObjectId": ids[1], "labels": list(labels)}


def error(**context: list[str]) -> dict[str, Any]:
    return {"status": "error", "category": "VALIDATION_ERROR", "message": "no", "context": context}


def read(body: Any, status: int = 201, pairs: Sequence[Pair] = PAIRS) -> CreatedPairs:
    return created_pairs(Reply(status, {}, json.dumps(body).encode()), pairs_of(pairs))


def numbers(found: CreatedPairs) -> tuple[list[int], list[int], list[int], bool]:
    """Return the pairs created, refused and not mentioned, and whether an error explains nothing."""
    created = [number for _, pairs in found.created for number in pairs.numbers.tolist()]
    refused = [one.pair_id for one, _ in found.refused]
    return created, refused, found.unmentioned.tolist(), found.unexplained is not None


# --- the request


@pytest.mark.parametrize("number", [0, -1])
def test_what_is_no_record_id_never_gets_through(number: int) -> None:
    with pytest.raises(ValueError, match="not a record id"):
        api.create(pairs_of([PAIRS[0]._replace(to_object_id=str(number))]), "v4")


# --- the answer


@pytest.mark.parametrize("status", [200, 201, 207])
@pytest.mark.parametrize("number", [True, False])
def test_results_are_matched_by_pair_and_never_by_position(status: int, number: bool) -> None:
    """In any order, with ids as text or numbers, and without those of anybody else."""
    other = result(pair(9, 99, 98))
    results = [other, *(result(one, "Boss", number=number) for one in reversed(PAIRS))]
    found = read({"status": "COMPLETE", "results": results}, status)
    assert numbers(found) == ([1, 2, 3], [], [], False)
    assert {labels for labels, _ in found.created} == {("Boss",)}


@pytest.mark.parametrize(
    ("context", "refused"),
    [
        ({"fromObjectId": ["12"], "toObjectId": ["22"]}, [2]),
        ({"fromObjectId": ["12"], "toObjectId": ["23"]}, []),
        ({"fromObjectId": ["13"]}, [3]),
        ({"toObjectId": ["22", "23"]}, [2, 3]),
        ({"INVALID_OBJECT_IDS": ["COMPANY=23 is not valid"], "objectId": ["23"]}, [3]),
        ({"INVALID_OBJECT_IDS": ["CONTACT=12 is not valid", "COMPANY=23 is not valid"]}, [2, 3]),
        ({"INVALID_OBJECT_IDS": ["CONTACT=12 is not valid", "COMPANY=22 is not valid"]}, [2]),
        ({"INVALID_OBJECT_IDS": ["DEAL=12 is not valid"]}, []),
        ({"associationSpec": ["HUBSPOT_DEFINED=279"]}, [2, 3]),
        ({"objectId": ["12"]}, [2]),
        ({"ids": ["13"]}, [3]),
        ({"objectId": ["11"]}, []),
        ({"associationSpec": ["USER_DEFINED=12"]}, []),
        ({"objectType": ["12"]}, []),
        ({}, []),
    ],
)
def test_an_error_fails_the_pairs_that_its_context_names(context: dict[str, list[str]], refused: list[int]) -> None:
    """Only against pairs that are not among the results; what could be one of two things names no pair."""
    found = read({"results": [result(PAIRS[0])], "errors": [error(**context)], "numErrors": 1}, 207)
    silent = [number for number in (2, 3) if number not in refused]
    assert numbers(found) == ([1], refused, silent, not refused)
    assert all(
        (why.status, why.category, why.message[:2]) == (207, "VALIDATION_ERROR", "no") for _, why in found.refused
    )


def test_an_error_without_ids_is_about_the_only_pair_left() -> None:
    """It was refused, even if it had been there before: it is not read back and called created."""
    assert numbers(read({"results": [], "errors": [error()]}, 207, PAIRS[:1])) == ([], [1], [], False)
    results = [result(PAIRS[0]), result(PAIRS[2])]
    assert numbers(read({"results": results, "errors": [error()]}, 207)) == ([1, 3], [2], [], False)


@pytest.mark.parametrize(
    ("context", "refused"),
    [
        ({"objectId": ["5"]}, []),
        ({"objectId": ["5"], "objectType": ["CONTACT"]}, [1]),
        ({"INVALID_OBJECT_IDS": ["COMPANY=5 is not valid"]}, [2]),
    ],
)
def test_an_id_at_both_ends_names_a_record_by_its_object_type(
    context: dict[str, list[str]], refused: list[int]
) -> None:
    """Contact 5 and company 5 are two records: without an object type no pair is named."""
    pairs = [pair(1, 5, 21), pair(2, 12, 5)]
    found = read({"results": [], "errors": [error(**context)]}, 207, pairs)
    assert numbers(found) == ([], refused, [one for one in (1, 2) if one not in refused], not refused)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ([], 201),
        ({}, 201),
        ({"results": None}, 201),
        ({"results": ["x"]}, 201),
        ({"results": [None]}, 201),
        ({"results": []}, 204),
    ],
)
def test_an_answer_that_cannot_be_read_is_asked_for_again(body: Any, status: int) -> None:
    with pytest.raises(ServerFault):
        read(body, status)


@pytest.mark.parametrize("results", [[{}], [{"fromObjectId": "11"}], [{"fromObjectId": [], "toObjectId": 1}]])
def test_odd_results_leave_every_pair_unmentioned(results: list[Any]) -> None:
    """Which is found out by reading back, not by guessing."""
    assert numbers(read({"results": results})) == ([], [], [1, 2, 3], False)


def test_an_error_without_ids_leaves_pairs_in_doubt() -> None:
    """The pairs that a write's answer does not mention may each be the one."""
    pairs = [pair(n, 10 + n, 20 + n) for n in (1, 2, 3, 4)]
    errors = [error(fromObjectId=["12"]), error()]
    found = read({"results": [result(pairs[0])], "errors": errors}, 207, pairs)
    assert numbers(found) == ([1], [2], [3, 4], True)


def test_two_lists_of_ids_in_an_error_are_pairs() -> None:
    """Pairs of the same records that are not named do not fail with those that are."""
    pairs = [pair(n, *ids) for n, ids in enumerate([(1, 11), (1, 12), (2, 11), (2, 12)], start=1)]
    errors = [error(fromObjectId=["1", "2"], toObjectId=["11", "12"])]
    results = [result(each) for each in pairs[1:3]]
    assert numbers(read({"results": [], "errors": errors}, 207, pairs)) == ([], [1, 4], [2, 3], False)
    assert numbers(read({"results": results, "errors": errors}, 207, pairs)) == ([2, 3], [1, 4], [], False)


# --- the action


class HubSpot:
    """Sets what is not `bad`; refuses a whole batch with a bad pair in it if `whole`, says nothing of `silent` ones."""

    def __init__(self, *, bad: Sequence[str] = (), whole: bool = False, silent: bool = False) -> None:
        self.bad = set(bad)
        self.whole = whole
        self.silent = silent
        self.there: set[tuple[str, str]] = set()
        self.sizes: list[int] = []

    def __call__(self, request: api.Request, _authorization: str, _number: int) -> Reply:
        inputs = json.loads(request.body or b"")["inputs"]
        if request.path.endswith("batch/read"):
            found = [
                {"from": {"id": one}, "to": [{"toObjectId": two, "associationTypes": [TYPE]}]}
                for one, two in self.there
                if one in {each["id"] for each in inputs}
            ]
            return answer(200, {"results": found})
        self.sizes.append(len(inputs))
        ends = [(each["from"]["id"], each["to"]["id"]) for each in inputs]
        bad = [each for each in ends if each[0] in self.bad]
        if bad and self.whole:
            return answer(400, {"message": "no", "category": "VALIDATION_ERROR"})
        good = [each for each in ends if each not in bad]
        self.there |= set(good)
        results = [] if self.silent else [{"fromObjectId": one, "toObjectId": two} for one, two in good]
        return answer(207 if bad else 201, {"results": results, "errors": [error() for _ in bad]})


TYPE = {"category": "HUBSPOT_DEFINED", "typeId": 279, "label": None}


def outcomes_of(server: HubSpot, pairs: Sequence[Pair], *, max_attempts: int = 8) -> dict[int, Outcome]:
    """Send pairs and return their outcomes by number; each has one."""
    outcomes: list[Outcome] = []

    async def scenario() -> None:
        gateway: Gateway = make(Server(server), max_attempts=max_attempts)
        batch = Batch(gateway)
        await batch.apply(draft_of(pairs), outcomes.extend)

    run(scenario)
    found = {pair_id: outcome for outcome in outcomes for pair_id in outcome.pair_ids}
    assert len(found) == sum(len(outcome.pair_ids) for outcome in outcomes)
    return found


MANY = [pair(number, number, 5000 + number) for number in range(1, 65)]


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("bad", [["7"], ["1", "64"], ["3", "4", "5", "40"]])
def test_one_bad_pair_never_sinks_another(bad: list[str], whole: bool) -> None:
    """Refused as a whole, or with an error without ids: the bad ones are found by halves, the others created."""
    server = HubSpot(bad=bad, whole=whole)
    found = outcomes_of(server, MANY)
    failed = sorted(str(number) for number, outcome in found.items() if outcome.status == "failed")
    assert failed == sorted(bad)
    assert len(found) == 64
    assert len(server.sizes) <= 2 * 7 * len(bad)


def test_pairs_that_an_answer_leaves_out_are_read_back() -> None:
    """They are there: created, after one request."""
    server = HubSpot(silent=True)
    found = outcomes_of(server, MANY)
    results = {outcome.result for outcome in found.values()}
    assert {(result.status, result.attempts, result.created_resource_id) for result in results} == {("created", 1, "")}
    assert server.sizes == [64]


def test_outcomes_before_a_stop_are_recorded() -> None:
    """The first half is created when the run is drained in the second: its outcomes are not lost."""
    recorded: list[Outcome] = []

    async def scenario() -> None:
        server = HubSpot(bad=["64"], whole=True)
        gateway: Gateway = make(Server(server))

        def record(outcomes: Sequence[Outcome]) -> None:
            recorded.extend(outcomes)
            gateway.drain()

        with pytest.raises(Stopped):
            await Batch(gateway).apply(draft_of(MANY), record)

    run(scenario)
    assert [pair_id for outcome in recorded for pair_id in outcome.pair_ids] == list(range(1, 33))


@pytest.mark.parametrize("silent", [1, 2, 8])
def test_a_pair_with_only_one_of_its_types_is_not_created(silent: int) -> None:
    """HubSpot says nothing of it, and reading back finds one of its two types."""
    wanted = pair(1, 1, 5001, PLAIN, BOSS)
    found = outcomes_of(HubSpot(silent=True), [wanted], max_attempts=silent)
    assert [(outcome.status, outcome.result.error_category) for outcome in found.values()] == [
        ("failed", "NOT_IN_ANSWER")
    ]


class Forgetful(HubSpot):
    """Sets nothing at its first `batches` batches, and says nothing of that."""

    def __init__(self, batches: int) -> None:
        super().__init__()
        self.left = batches

    def __call__(self, request: api.Request, authorization: str, number: int) -> Reply:
        if request.path.endswith("batch/create") and self.left:
            self.left -= 1
            return answer(201, {"status": "COMPLETE", "results": []})
        return super().__call__(request, authorization, number)


@pytest.mark.parametrize("pairs", [1, 2])
def test_pairs_that_a_batch_left_out_are_sent_again(pairs: int) -> None:
    """Also a single one: it has its attempts as any other."""
    wanted = [pair(n, n, 5000 + n) for n in range(1, pairs + 1)]
    found = outcomes_of(Forgetful(2), wanted)
    assert [(each.status, each.result.attempts) for each in found.values()] == [("created", 3)] * pairs


class Leaving(HubSpot):
    """Refuses the whole batch, then one pair of its first half by name, then the token."""

    def __call__(self, request: api.Request, authorization: str, number: int) -> Reply:
        del request, authorization
        refusal = {"message": "no", "category": "VALIDATION_ERROR"}
        named = {**refusal, "context": {"fromObjectId": ["1"]}}
        return [answer(400, refusal), answer(400, named), answer(401)][min(number, 3) - 1]


def test_a_refusal_is_recorded_when_a_later_part_ends_the_run() -> None:
    """However many parts are still to be sent."""
    outcomes: list[Outcome] = []

    async def scenario() -> None:
        gateway = make(Server(Leaving()))
        batch = Batch(gateway)
        await batch.apply(draft_of(pair(n, n, 5000 + n) for n in range(1, 5)), outcomes.extend)

    with pytest.raises(Unauthorized):
        run(scenario)
    assert [(each.status, list(each.pair_ids)) for each in outcomes] == [("failed", [1])]
