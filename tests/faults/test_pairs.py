"""Rows of one pair under faults: no label gets lost, and each row keeps its own line."""

import csv
from typing import Any

import pytest

from tests.faults.conftest import MakeWorld
from tests.faults.world import Pair, World, pairs

pytestmark = pytest.mark.usefixtures("hurry")

CONCURRENCY = ("--concurrency", "4")

LABELS: dict[str, Any] = {
    "labels": [
        {"from": "contacts", "to": "companies", "label": "Decision maker", "type_id": 901},
        {"from": "contacts", "to": "companies", "label": "Sponsor", "type_id": 903},
    ]
}

Row = tuple[str, str, str]


def write_labelled(world: World, rows: list[Row]) -> None:
    """Replace the input by rows with a label, which may be blank."""
    with (world.folder / "load.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["object_id", "to_object_id", "label"])
        writer.writerows(rows)
    world.wanted = [(first, second) for first, second, _ in rows]


def types_of(world: World, pair: Pair) -> set[int]:
    """Return the type ids that the portal holds for a pair."""
    return {type_id for _, type_id in world.sandbox.portal.types_of("contacts", pair[0], "companies", pair[1])}


def test_two_labels_of_one_pair_both_survive_every_fault(make_world: MakeWorld) -> None:
    """Item 70: a PUT replaces what is there, so all labels of a pair travel together, also when repeated."""
    faults = [
        {"fault": "500", "method": "PUT", "every": 5},
        {"fault": "reset", "method": "PUT", "every": 7, "applied": True},
        {"fault": "429", "method": "PUT", "every": 11},
    ]
    world = make_world(1, portal=LABELS, faults=faults)
    wanted = pairs(12)
    first = [(*pair, "Decision maker") for pair in wanted]
    second = [(*pair, "Sponsor") for pair in reversed(wanted)]
    write_labelled(world, first + second)
    ending = world.load(*CONCURRENCY)
    assert ending.summary["pairs"] == len(wanted)
    assert all(types_of(world, pair) == {279, 901, 903} for pair in wanted)
    assert {(line["row"], line["label"]) for line in ending.lines} == {
        (str(row), label) for row, (_, _, label) in enumerate(first + second, start=2)
    }


def test_a_repeated_row_is_sent_once_and_has_a_line_of_its_own(make_world: MakeWorld) -> None:
    """Item 70: duplicates share one request and its outcome, a refusal, too."""
    refused = pairs(10)[3]
    world = make_world(pairs(10) + pairs(5), faults=[{"fault": "404", "pair": list(refused)}])
    ending = world.load(*CONCURRENCY, exit_code=1, failed=[refused])
    assert len(world.puts()) == 10
    assert [line["status"] for line in ending.lines if line["object_id"] == refused[0]] == ["failed", "failed"]


def test_labels_survive_a_stop_and_another_order(make_world: MakeWorld) -> None:
    """Item 70: rows of one pair far apart, a stop in between: the pair has all its labels afterwards."""
    world = make_world(1, portal=LABELS, faults=[{"fault": "429-daily", "method": "PUT", "range": [8, None]}])
    wanted = pairs(20)
    rows: list[Row] = [(*pair, "") for pair in wanted]
    rows += [(*pair, "Sponsor") for pair in wanted[::2]]
    rows += [(*pair, "Decision maker") for pair in wanted[1::2]]
    write_labelled(world, rows)
    world.load(*CONCURRENCY, exit_code=5)
    world.heal()
    world.load(*CONCURRENCY)
    assert [types_of(world, pair) for pair in wanted] == [{279, 903}, {279, 901}] * 10
