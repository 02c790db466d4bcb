"""When the sandbox's faults strike, and how their scripts are written."""

import json
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest

from loader.sandbox.fault_script import Script, read_script
from loader.sandbox.faults import NAMES, Arrival, Faults


def arrival(**given: Any) -> Arrival:
    return Arrival(**{"method": "PUT", "route": "pair", "path": "/crm/v4/x", "elapsed": 0.0, **given})


def struck(script: Script, arrivals: list[Arrival]) -> list[int]:
    """The numbers, from 1, of the arrivals that a fault struck."""
    faults = Faults(read_script(script), Random("1"))
    return [number for number, each in enumerate(arrivals, 1) if faults.choose(each)]


@pytest.mark.parametrize(
    ("when", "numbers"),
    [
        ({}, [1, 2, 3, 4, 5, 6]),
        ({"nth": 3}, [3]),
        ({"nth": [1, 4]}, [1, 4]),
        ({"range": [2, 4]}, [2, 3, 4]),
        ({"range": [5, None]}, [5, 6]),
        ({"every": 2}, [2, 4, 6]),
        ({"every": 2, "times": 2}, [2, 4]),
        ({"share": 0}, []),
    ],
)
def test_a_rule_strikes_by_number(when: Mapping[str, Any], numbers: list[int]) -> None:
    assert struck([{"fault": 500, **when}], [arrival() for _ in range(6)]) == numbers


def test_a_rule_counts_only_the_requests_it_is_about() -> None:
    """The second PUT is the second PUT whatever else comes between."""
    arrivals = [arrival(), arrival(method="GET"), arrival(method="GET"), arrival()]
    assert struck([{"fault": 500, "method": "PUT", "nth": 2}], arrivals) == [4]


@pytest.mark.parametrize(
    ("when", "hit", "miss"),
    [
        ({"route": "batch/create"}, {"route": "batch/create"}, {"route": "pair"}),
        ({"path": "/crm/v4/objects"}, {"path": "/crm/v4/objects/0-1"}, {"path": "/oauth"}),
        ({"pair": [101, "201"]}, {"pairs": frozenset({("101", "201")})}, {"pairs": frozenset({("201", "101")})}),
        ({"reused": True}, {"reused": True}, {"reused": False}),
    ],
)
def test_a_rule_can_be_about_some_requests(
    when: Mapping[str, Any], hit: Mapping[str, Any], miss: Mapping[str, Any]
) -> None:
    assert struck([{"fault": 500, **when}], [arrival(**miss), arrival(**hit)]) == [2]


def test_a_rule_can_hold_for_a_time() -> None:
    arrivals = [arrival(elapsed=moment) for moment in (0, 9.9, 10, 14.9, 15)]
    assert struck([{"fault": 503, "after": 10, "for": 5}], arrivals) == [3, 4]


def test_the_first_rule_wins_and_the_others_count_all_the_same() -> None:
    """So that the number of a request does not depend on the rules before."""
    faults = Faults(read_script([{"fault": 500, "nth": 1}, {"fault": 503, "nth": [1, 2]}]), Random("1"))
    chosen = [faults.choose(arrival()) for _ in range(3)]
    assert [fault and fault.name for fault in chosen] == ["500", "503", None]


def test_shares_are_drawn_from_the_seed() -> None:
    """One seed, one run."""
    arrivals = [arrival() for _ in range(5000)]
    first = struck("429:0.02,reset:0.05", arrivals)
    assert first == struck("429:0.02, reset:0.05", arrivals)
    assert 250 < len(first) < 450


def test_an_empty_script_has_no_rules() -> None:
    assert not Faults(read_script(""), Random("1"))


def test_a_script_can_be_a_file(tmp_path: Path) -> None:
    path = tmp_path / "script.json"
    for content in ([{"fault": "reset", "nth": 2}], {"rules": [{"fault": "reset", "nth": 2}]}):
        path.write_text(json.dumps(content), encoding="utf-8")
        for name in (path, str(path)):
            assert struck(name, [arrival(), arrival()]) == [2]


def test_a_refusal_is_not_applied_and_a_spoiled_answer_is() -> None:
    rules = read_script([{"fault": 500}, {"fault": "reset-body"}, {"fault": 500, "applied": True}])
    assert [rule.fault.applied for rule in rules] == [False, True, True]


def test_every_named_fault_can_be_listed() -> None:
    rules = [rule for name in NAMES for rule in read_script(f"{name}:0.5")]
    assert [(rule.fault.name, rule.share) for rule in rules] == [(name, 0.5) for name in NAMES]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("boom", "'boom' is neither a status nor one of the faults"),
        ("99", "neither a status"),
        ("600", "neither a status"),
        ("429:often", "NAME:SHARE"),
        ("429:2", "share 2.0"),
        ([{"nth": 1}], "a rule names no fault"),
        ([{"fault": 500, "when": 1}], "a fault rule has no when"),
        ([1], "each rule an object"),
    ],
)
def test_a_script_that_means_nothing_is_refused(script: Script, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_script(script)


def test_a_file_that_is_no_script_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "script.json"
    path.write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"script\.json is not a fault script"):
        read_script(path)
