"""What is there already is read before anything is sent: a read that goes wrong costs no row, and hides nothing."""

import pytest

from tests.faults.conftest import MakeWorld
from tests.faults.test_answers import CONCURRENCY
from tests.faults.world import pair_of, pairs

pytestmark = pytest.mark.usefixtures("hurry")

READ = {"route": "batch/read"}
FAULTS = ["500", "429", "reset-body", "truncated", "null", "invalid-utf8", "pending"]


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_read_that_goes_wrong_is_made_again(make_world: MakeWorld, fault: str) -> None:
    """Items 1, 6, 7, 26, 31, 32, 37 for reads: nothing is sent before it is known what is there, and nothing fails."""
    world = make_world(20, faults=[{"fault": fault, **READ, "times": 2}])
    world.load(*CONCURRENCY)
    assert len(world.struck()) == 2
    assert world.puts()[0].time > world.struck()[-1].time


@pytest.mark.slow
@pytest.mark.usefixtures("give_up_soon")
def test_reads_that_never_succeed_end_the_load_for_now(make_world: MakeWorld) -> None:
    """Items 30, 46 for reads: exit code 5 with every row pending; nothing was sent that may have taken a label away."""
    world = make_world(20, faults=[{"fault": "503", **READ}])
    ending = world.load(*CONCURRENCY, "--max-attempts", "1000", exit_code=5)
    assert not world.puts()
    assert ending.summary["rows"]["pending"] == 20
    world.goes_on_and_completes(*CONCURRENCY)


def test_what_was_there_before_is_neither_sent_nor_lost(make_world: MakeWorld) -> None:
    """Item 70 under faults: of twenty pairs ten are there already; they are unchanged, and the others are created."""
    there = pairs(10)
    portal = {
        "associations": [
            {"from_type": "contacts", "from_id": first, "to_type": "companies", "to_id": second}
            for first, second in there
        ]
    }
    world = make_world(20, portal=portal, faults=[{"fault": "reset", "every": 3}])
    ending = world.load(*CONCURRENCY)
    assert ending.rows("unchanged") == set(there)
    assert not set(there) & {pair_of(request) for request in world.puts()}
