"""`explain`: what an error code means, what to do, and whether sending the row again may help; offline."""

import json
from pathlib import Path

import pytest

from loader.reasons import REASONS
from loader.sandbox import Sandbox
from tests.cli.conftest import CONTACTS, Run, refused


@pytest.mark.parametrize(
    ("code", "says", "again"),
    [
        ("INVALID_OBJECT_IDS", "HubSpot has no record with this id", "does not help"),
        ("scientific_notation", "Format the column as text in the source", "does not help"),
        ("HTTP_503", "overloaded or out of service", "may help"),
        ("423", "locked at every attempt", "may help"),
        ("HTTP_418", "HubSpot refused the row", "does not help"),
        ("HTTP_4xx", "HubSpot refused the row", "does not help"),
        ("INVALID_ASSOCIATION_TYPE_ID", "has no such association type", "does not help"),
        ("RECORD_NOT_FOUND", "no record with this value", "may help"),
    ],
)
def test_a_code_is_explained(run: Run, monkeypatch: pytest.MonkeyPatch, code: str, says: str, again: str) -> None:
    """In capitals or not, by its status alone, without a token and without a connection."""
    monkeypatch.delenv("HUBSPOT_ACCESS_TOKEN")
    done = run("explain", code)
    assert (done.code, done.err) == (0, "")
    assert says in done.out
    assert f"Sending it again as it is: {again}." in done.out
    assert "What to do: " in done.out


def test_without_a_code_all_are_listed(run: Run) -> None:
    """On the screen and, each with its cause, its remedy and whether to try again, for a program."""
    done = run("explain")
    assert done.code == 0
    assert "What it means, and what to do" in done.out
    (line,) = run("explain", "--json").out.splitlines()
    listed = {code: each for each in json.loads(line)["reasons"] for code in each["codes"]}
    assert listed.keys() == REASONS.keys()
    assert all({"sent", "cause", "mend", "retry"} <= each.keys() for each in listed.values())
    (one,) = run("explain", "DIGITS_LOST", "--json").event["reasons"]
    assert one == {**listed["DIGITS_LOST"], "codes": ["DIGITS_LOST"]}


@pytest.mark.parametrize(
    ("code", "near"), [("INVALID_RECORD", "INVALID_RECORD_ID"), ("MISING_SCOPES", "MISSING_SCOPES"), ("?", "")]
)
def test_a_code_that_is_not_known_is_exit_2_with_the_nearest_ones(run: Run, code: str, near: str) -> None:
    """One sentence, and where the meaning of HubSpot's own newer codes stands."""
    refused(run("explain", code), near, "`association-loader explain`")


@pytest.mark.slow
def test_the_reasons_of_a_load_and_a_plan_end_with_the_command(load: Run, run: Run, sandbox: Sandbox) -> None:
    """Ready to paste, with the code of the first of them."""
    Path("in.csv").write_text("from_id,to_id\n1,2\nx,3\n1.5,3\ny,3\n")
    pasted = "association-loader explain INVALID_RECORD_ID"
    assert pasted in run("plan", "in.csv", *CONTACTS).out
    assert pasted in load("in.csv").err
    assert run(*pasted.split()[1:]).code == 0
