"""What an export promises of large portals: memory that does not grow with them, and exact sets after any kill."""

import csv
import json
import random
import subprocess
from pathlib import Path

import pytest

from loader.sandbox import Sandbox, SandboxThread
from tests.slow.command import command
from tests.slow.test_cost import run

EXPORT = ("export", "contacts", "companies", "--quiet", "--rate", "9999/1", "--output")

MOST_GROWTH = 30
"""Megabytes, from 20,000 associations to ten times as many."""


def filled(sandbox: Sandbox, contacts: int, each: int) -> None:
    """Give every contact some companies; every seventh association has a label."""
    for contact in range(1, contacts + 1):
        for number in range(each):
            types = {("USER_DEFINED", 1)} if number % 7 == 0 else set()
            sandbox.portal.associate("0-1", contact, "0-2", 10**6 + contact % 1000 * each + number, frozenset(types))


def pairs_in(path: Path) -> list[tuple[str, str, str]]:
    """Return record, other record and type id of each line."""
    with path.open(newline="") as file:
        return [(row["object_id"], row["to_object_id"], row["association_type_id"]) for row in csv.DictReader(file)]


def pairs_of(sandbox: Sandbox) -> set[tuple[str, str, str]]:
    """Return the same of what the portal has."""
    return {
        (one, other, str(type_id))
        for ((_, one), (_, other)), types in sandbox.portal.pairs().items()
        for _, type_id in types
    }


def portal() -> dict[str, object]:
    return {"labels": [{"from": "contacts", "to": "companies", "label": "Boss"}]}


@pytest.mark.parametrize(
    ("few", "many"),
    [((2_000, 10), (20_000, 10)), ((20, 1_000), (200, 1_000)), ((1, 20_000), (2, 100_000))],
    ids=["of many contacts", "of a thousand each", "of two contacts"],
)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_memory_does_not_grow_with_the_portal(
    tmp_path: Path, few: tuple[int, int], many: tuple[int, int], ending: str
) -> None:
    """200,000 associations take less than 30 MB more than 20,000, however they are shared out, and are all there."""
    peaks = []
    for contacts, each in (few, many):
        with SandboxThread(portal()) as sandbox:
            filled(sandbox, contacts, each)
            environment = {"HUBSPOT_BASE_URL": sandbox.url, "HUBSPOT_ACCESS_TOKEN": "any"}
            spent = run(tmp_path, *EXPORT, f"{contacts}.{ending}", **environment)
            assert spent.code == 0, spent.said
            peaks.append(spent.megabytes)
            requests = len(sandbox.requests)
            if ending == "csv":
                found = pairs_in(tmp_path / f"{contacts}.csv")
                assert len(found) == len(set(found))
                assert set(found) == pairs_of(sandbox)
        print(f"{contacts * each:,} associations: {spent.megabytes:.0f} MB, {requests} requests, {spent.seconds:.1f} s")
    assert peaks[1] - peaks[0] < MOST_GROWTH


def test_an_export_that_is_killed_thirty_times_is_exact(tmp_path: Path) -> None:
    """At random, also while its state is written: the same command goes on, and every line is there once."""
    draw = random.Random(15)
    kills = 0
    with SandboxThread(portal(), latency="5ms-20ms") as sandbox:
        filled(sandbox, 20_000, 3)
        while kills < 30:
            process = command(sandbox, tmp_path, *EXPORT, "a.csv")
            try:
                assert process.wait(timeout=draw.uniform(0.7, 1.6)) == 0
                break
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                kills += 1
        assert command(sandbox, tmp_path, *EXPORT, "a.csv").wait(timeout=120) == 0
        expected = pairs_of(sandbox)
        listed = sandbox.count("GET", "objects")
    found = pairs_in(tmp_path / "a.csv")
    assert kills >= 3
    assert len(found) == len(set(found))
    assert set(found) == expected
    state = json.loads((tmp_path / "a.export.json").read_text())
    assert (state["records"], state["pairs"]) == (20_000, 60_000)
    print(f"{kills} kills, {listed} pages of the list instead of 200")
