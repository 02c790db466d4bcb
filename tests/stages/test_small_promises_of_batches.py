"""Promises of batches of which a small mistake would break one without a word, on a fake clock."""

import pytest

from loader.errors import Unauthorized
from loader.model import Outcome
from loader.send.api import Request
from loader.send.batch import Batch
from loader.send.replies import Reply
from tests.stages.columns import draft_of
from tests.stages.fake_time import run
from tests.stages.scripted_server import Server, answer, make
from tests.stages.test_send_batch import HubSpot, error, numbers, outcomes_of, pair, read, result


class Forgetful(HubSpot):
    """Sets nothing at its first so many batches, and says nothing of that."""

    def __init__(self, batches: int) -> None:
        super().__init__()
        self.left = batches

    def __call__(self, request: Request, authorization: str, number: int) -> Reply:
        if request.path.endswith("batch/create") and self.left:
            self.left -= 1
            return answer(201, {"status": "COMPLETE", "results": []})
        return super().__call__(request, authorization, number)


@pytest.mark.parametrize("pairs", [1, 2])
def test_pairs_that_a_batch_left_out_without_a_word_are_sent_again(pairs: int) -> None:
    """Also a single one: it has its attempts as any other."""
    asked = [pair(n, n, 5000 + n) for n in range(1, pairs + 1)]
    found = outcomes_of(Forgetful(2), asked)
    assert [(each.status, each.result.attempts) for each in found.values()] == [("created", 3)] * pairs


class Leaving(HubSpot):
    """Refuses the whole batch, then one pair of its first half by name, then the token."""

    def __call__(self, request: Request, authorization: str, number: int) -> Reply:
        del request, authorization
        refusal = {"message": "no", "category": "VALIDATION_ERROR"}
        named = {**refusal, "context": {"fromObjectId": ["1"]}}
        return [answer(400, refusal), answer(400, named), answer(401)][min(number, 3) - 1]


def test_a_refusal_is_not_lost_when_a_later_part_of_its_batch_ends_the_run() -> None:
    """However many parts are still to be sent."""
    told: list[Outcome] = []

    async def scenario() -> None:
        gateway = make(Server(Leaving()))
        batch = Batch(gateway)
        await batch.apply(draft_of(pair(n, n, 5000 + n) for n in range(1, 5)), told.extend)

    with pytest.raises(Unauthorized):
        run(scenario)
    assert [(each.status, list(each.pair_ids)) for each in told] == [("failed", [1])]


def test_of_two_lists_of_ids_in_an_error_the_first_belongs_to_the_first() -> None:
    """Pairs of the same records that are not named do not fail with those that are."""
    pairs = [pair(n, *ids) for n, ids in enumerate([(1, 11), (1, 12), (2, 11), (2, 12)], start=1)]
    errors = [error(fromObjectId=["1", "2"], toObjectId=["11", "12"])]
    results = [result(each) for each in pairs[1:3]]
    assert numbers(read({"results": [], "errors": errors}, 207, pairs)) == ([], [1, 4], [2, 3], False)
    assert numbers(read({"results": results, "errors": errors}, 207, pairs)) == ([2, 3], [1, 4], [], False)
