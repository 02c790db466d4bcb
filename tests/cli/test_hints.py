"""Spreadsheets as people make them: the first message says what is in the way, and what to do about it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]

HEADER = "Contact ID,Company ID\n"
CELLS = {
    "emails": (
        HEADER + "ada@example.com,201\nbo@example.org,202\n",
        "email addresses instead of record ids in 2 rows: to find the records by it, add --from-id-property email.",
    ),
    "keys of Salesforce": (
        HEADER + "101,0015000000WLGJxAAP\n102,0015000000WLGJyAAP\n",
        "in 2 rows: where a HubSpot property with unique values has this key, add --to-id-property with",
    ),
    "keys of a shop": (HEADER + "C-10042,201\nC-10043,202\n", "another system's keys instead of record ids in 2 rows"),
    "domains": (HEADER + "101,acme.com\n102,https://www.example.org/about\n", "add --to-id-property domain."),
    "addresses of lists": (
        HEADER + "".join(f"{row},https://app.hubspot.com/contacts/55/objects/0-2/views/{row}/list\n" for row in (1, 2)),
        "addresses in HubSpot that are not those of records instead of record ids in 2 rows: open the record",
    ),
    "names": (
        HEADER + "101,Acme GmbH\n102,Müller & Söhne\n",
        '"Company ID" holds names instead of record ids in 2 row',
    ),
    "a pivot table": (
        HEADER + "101,201\n,202\n,203\n102,204\n,205\n",
        '"Contact ID" is blank in 3 rows below a filled one. If the id above is theirs, too, as in a pivot table, fill',
    ),
}


@pytest.fixture
def plan(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `plan` from contacts to companies without a token."""
    monkeypatch.delenv("HUBSPOT_ACCESS_TOKEN")
    return lambda *arguments: run("plan", *arguments, "--from", "contacts", "--to", "companies")


@pytest.mark.parametrize("what", CELLS)
def test_what_stands_where_ids_belong_is_said_once_with_the_way_on(what: str, plan: Run, folder: Path) -> None:
    """Whoever reads the plan need not know what a record id is; without a token it is the same."""
    text, expected = CELLS[what]
    (folder / "a.csv").write_text(text)
    done = plan("a.csv")
    assert done.code == 1
    assert expected in done.out


def test_a_few_slips_make_no_note(plan: Run, folder: Path) -> None:
    """Each has its reason, with the option that would load such keys at its end of the row."""
    rows = "".join(f"{row},201\n" for row in range(1, 30))
    (folder / "a.csv").write_text(f"{HEADER}{rows}ada@example.com,202\nbo@example.com,202\n,202\n7,e@example.com\n")
    done = plan("a.csv", "--failures", "bad.csv")
    assert "Note:" not in done.out
    failures = (folder / "bad.csv").read_text()
    assert (
        '""ada@example.com"" is an email address, not a record id; to find the records by it, add --from-id' in failures
    )
    assert "add --to-id-property email" in failures
