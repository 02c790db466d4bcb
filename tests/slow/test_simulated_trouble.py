"""What trouble costs a whole load, in figures: half of the requests failing for a minute, and an outage of minutes."""

import random
from collections import Counter

import pytest

from loader.settings import SendSettings
from tests.simulation.check import hold
from tests.simulation.hubspot import Rules
from tests.simulation.inputs import pairs_only
from tests.simulation.setting import BEGINNING, Setting
from tests.simulation.weather import HALF, Spell, Weather
from tests.simulation.world import World


def world(pairs: int, spells: list[Spell], *, limit: int = 190) -> World:
    """Live in a world of calm weather but for these spells, with HubSpot's usual limit."""
    return hold(
        Setting(
            seed=0,
            inputs=pairs_only(pairs),
            rules=Rules(limits=[(0.0, limit)]),
            weather=Weather(random.Random(0), 0.0, (0.05, 0.15), spells),
            send=SendSettings(existing="replace", unread=True),
            timeout=30.0,
        )
    )


def test_half_of_the_requests_failing_for_a_minute_costs_one_request_for_each_failure() -> None:
    """And no row before its last attempt, which few get to."""
    lived = world(3000, [Spell(BEGINNING + 3, BEGINNING + 63, HALF, 1.0)], limit=900)
    requests = len(lived.line.exchanges)
    failed = sum(one.failed_in_passing for one in lived.line.exchanges)
    lost = [line["attempts"] for line in lived.runs[0].lines or [] if line["status"] == "failed"]
    seconds = lived.runs[0].ended - BEGINNING
    print(f"\n3000 pairs, {failed} failures: {requests} requests in {seconds:.0f} s, {len(lost)} rows failed")
    assert failed > 500
    assert lived.runs[0].exit_code == int(bool(lost))
    assert set(lost) <= {"8"}
    assert len(lost) <= 3000 / 256  # Half of eight attempts in a row, if they all fell into that minute.
    assert requests <= 3000 + failed + 10


@pytest.mark.parametrize("outage", ["refused", "reset", "503", "portal page", "silent"])
def test_an_outage_is_probed_once_a_second_and_left_at_full_speed(outage: str) -> None:
    """Ten seconds, and a silence as long as the timeout, show that it is one; then one request a second."""
    since, until = BEGINNING + 20, BEGINNING + 320
    lived = world(1400, [Spell(since, until, outage, 1.0)])
    left = Counter(int(one.left - BEGINNING) for one in lived.line.exchanges)
    known = since + (60 if outage == "silent" else 20)
    probes = sum(left[second] for second in range(int(known - BEGINNING), 320))
    after = sum(left[second] for second in range(350, 360))
    print(f"\n{outage}: {probes} requests in {until - known:.0f} s of outage, {after} in 10 s half a minute after it")
    assert probes <= until - known + 1
    # A probe that was given up after 30 seconds of silence holds its slot for another window.
    assert after >= (0.9 if outage == "silent" else 0.95) * 190
    assert lived.runs[0].exit_code == 0
