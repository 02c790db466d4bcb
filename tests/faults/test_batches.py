"""Many pairs in one request: what goes wrong with it concerns those pairs only that HubSpot names."""

from typing import Any

import pytest

from tests.faults.conftest import MakeWorld
from tests.faults.world import World, pairs, pairs_in

pytestmark = pytest.mark.usefixtures("hurry")

BATCH = ("--method", "batch", "--concurrency", "4")
CREATE = {"route": "batch/create"}
ROWS = 30

PASSING = ["500", "503", "429", "reset", "reset-body", "close", "html", "truncated", "empty", "list", "garbage", "202"]


def batch_world(make_world: MakeWorld, **settings: Any) -> World:
    """Return a world whose sandbox keeps what batches hold."""
    return make_world(ROWS, record_bodies=True, **settings)


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("fault", PASSING)
def test_a_batch_that_fails_for_a_while_is_sent_again(make_world: MakeWorld, fault: str, *, applied: bool) -> None:
    """Items 1, 6, 7, 24 to 27, 31, 32, 37 for batches: applied or not, each pair is there in the end, and once told."""
    world = batch_world(make_world, faults=[{"fault": fault, **CREATE, "times": 2, "applied": applied}])
    ending = world.run(*BATCH)
    assert ending.exit_code == 0, ending.said
    assert len(world.struck()) == 2
    assert set().union(*map(pairs_in, world.batches())) == set(world.wanted)
    world.check(ending)


@pytest.mark.parametrize("error_context", ["pair", "observed", "none"])
def test_of_a_batch_of_which_a_part_fails_only_that_part_does(make_world: MakeWorld, error_context: str) -> None:
    """Item 23: 207; errors are matched to pairs by the ids that they name, and where they name none, asked again."""
    missing = pairs(ROWS)[::2]
    portal = {"missing": [{"type": "companies", "id": company} for _, company in missing]}
    world = batch_world(make_world, portal=portal, error_context=error_context)
    ending = world.run(*BATCH)
    assert ending.exit_code == 1, ending.said
    assert world.batches()
    world.check(ending, failed=missing)


def test_a_pair_that_spoils_a_whole_batch_fails_alone(make_world: MakeWorld) -> None:
    """Items 14, 23: HubSpot refuses whatever call holds it; the others get through."""
    bad = pairs(ROWS)[7]
    world = batch_world(make_world, faults=[{"fault": "400", "pair": list(bad)}])
    ending = world.run(*BATCH)
    assert ending.exit_code == 1, ending.said
    world.check(ending, failed=[bad])


@pytest.mark.parametrize(("fault", "code"), [("401", 3), ("403", 3), ("429-daily", 5), ("477", 5)])
def test_what_stops_a_load_stops_one_of_batches(make_world: MakeWorld, fault: str, code: int) -> None:
    """Items 4, 9, 17, 20 for batches: nothing has failed, and the load goes on, also in the other way."""
    world = batch_world(make_world, faults=[{"fault": fault, **CREATE}])
    ending = world.run(*BATCH)
    assert ending.exit_code == code, ending.said
    assert ending.rows("failed") == set()
    world.check(ending, complete=False)
    world.heal()
    again = world.run("--method", "put", "--concurrency", "4")
    assert again.exit_code == 0
    world.check(again)
