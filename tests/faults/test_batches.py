"""Many pairs in one request: what goes wrong with it concerns those pairs only that HubSpot names."""

from typing import Any

import pytest

from tests.faults.conftest import MakeWorld
from tests.faults.world import World, pairs, pairs_in

pytestmark = pytest.mark.usefixtures("hurry")

BATCH = ("--method", "batch", "--concurrency", "4")
CREATE = {"route": "batch/create"}
ROWS = 30

APPLIED = ["500", "reset", "reset-body", "truncated", "null", "202"]
NOT_APPLIED = ["503", "429", "close", "html", "garbage", "other-ids", "202"]


def batch_world(make_world: MakeWorld, **settings: Any) -> World:
    """Return a world whose sandbox keeps what batches hold."""
    return make_world(ROWS, record_bodies=True, **settings)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("fault", "applied"), [*((fault, True) for fault in APPLIED), *((fault, False) for fault in NOT_APPLIED)]
)
def test_a_batch_that_fails_for_a_while_is_sent_again(make_world: MakeWorld, fault: str, applied: bool) -> None:
    """Items 1, 6, 7, 24 to 27, 31, 32, 37 for batches: applied or not, each pair is there and has one line."""
    world = batch_world(make_world, faults=[{"fault": fault, **CREATE, "times": 2, "applied": applied}])
    world.load(*BATCH)
    assert len(world.struck()) == 2
    assert set().union(*map(pairs_in, world.batches())) == set(world.wanted)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("error_context", ["pair", "observed", "none"])
def test_of_a_batch_of_which_a_part_fails_only_that_part_does(make_world: MakeWorld, error_context: str) -> None:
    """Item 23: 207; errors are matched to pairs by the ids that they name, and where they name none, sent again."""
    missing = pairs(ROWS)[::2]
    portal = {"missing": [{"type": "companies", "id": company} for _, company in missing]}
    world = batch_world(make_world, portal=portal, error_context=error_context)
    world.load(*BATCH, exit_code=1, failed=missing)
    assert world.batches()


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(("fault", "code"), [("401", 3), ("403", 3), ("429-daily", 5), ("477", 5)])
def test_what_stops_a_load_stops_one_of_batches(make_world: MakeWorld, fault: str, code: int) -> None:
    """Items 4, 9, 17, 20 for batches: nothing has failed, and the load goes on, also in the other way."""
    world = batch_world(make_world, faults=[{"fault": fault, **CREATE}])
    ending = world.load(*BATCH, exit_code=code, complete=False)
    assert ending.rows("failed") == set()
    world.heal()
    world.load("--method", "put", "--concurrency", "4")


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("status", ["canceled", "processing"])
@pytest.mark.parametrize("error_context", ["pair", "none"])
@pytest.mark.parametrize("share", [3, 1], ids=["a third is bad", "all are bad"])
def test_a_batch_that_is_not_complete_is_believed_in_what_it_says(
    make_world: MakeWorld, status: str, error_context: str, share: int
) -> None:
    """Results and errors count whatever the status: HubSpot's own reasons are kept, and no request is repeated."""
    bad = pairs(ROWS)[::share]
    portal = {"missing": [{"type": "companies", "id": company} for _, company in bad]}
    faults = [{"fault": status, **CREATE}]
    world = batch_world(make_world, portal=portal, faults=faults, invalid_pairs="each", error_context=error_context)
    ending = world.load(*BATCH, exit_code=1, failed=bad)
    failed = [line for line in ending.lines if line["status"] == "failed"]
    assert {line["error_category"] for line in failed} == {"VALIDATION_ERROR"}
    assert all(("is not valid" in line["error_message"]) == (error_context == "pair") for line in failed)
    assert len(world.batches()) <= (1 if error_context == "pair" else 2 * ROWS)


@pytest.mark.slow_after(2)
@pytest.mark.parametrize("fault", ["pending", "other-ids"])
@pytest.mark.parametrize("applied", [True, False])
def test_pairs_that_a_pending_batch_leaves_out_are_read_back(
    make_world: MakeWorld, fault: str, *, applied: bool
) -> None:
    """PENDING and no result, or one of others: done or not, the pairs are there in the end, and none is failed."""
    world = batch_world(make_world, faults=[{"fault": fault, **CREATE, "times": 2, "applied": applied}])
    ending = world.load(*BATCH, "--existing", "replace", "--unread")
    assert {line["status"] for line in ending.lines} == {"created"}
    assert len(world.batches()) == (1 if applied else 3)


@pytest.mark.slow_after(2)
@pytest.mark.parametrize("status", ["CANCELED", "PROCESSING", "PENDING"])
def test_an_incomplete_read_says_nothing_of_records_it_leaves_out(make_world: MakeWorld, status: str) -> None:
    """They are asked for again, and not taken for records without associations: no row is sent."""
    wanted = pairs(ROWS)
    there = [{"from_type": "contacts", "from_id": a, "to_type": "companies", "to_id": b} for a, b in wanted]
    one = {"toObjectId": int(wanted[0][1]), "associationTypes": [{"category": "HUBSPOT_DEFINED", "typeId": 279}]}
    body = {"status": status, "results": [{"from": {"id": wanted[0][0]}, "to": [one]}]}
    faults = [{"fault": "200", "route": "batch/read", "times": 1, "body": body}]
    world = batch_world(make_world, portal={"associations": there}, faults=faults)
    ending = world.run(*BATCH)
    assert ending.exit_code == 0, ending.said
    assert {line["status"] for line in ending.lines} == {"unchanged"}
    assert world.batches() == []
