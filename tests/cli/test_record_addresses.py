"""Record ids that are given as the record's address in HubSpot: read where portal and object type agree."""

from pathlib import Path

import pytest

from loader.sandbox import Sandbox
from tests.cli.conftest import CONTACTS, Run, lines

HERE = "https://app.hubspot.com/contacts/62515"


ADDRESSES = [
    (f"{HERE}/record/0-1/101", f"{HERE}/record/0-2/201"),
    (f"{HERE}/contact/101", "201"),
    ("101", f"  {HERE}/record/0-2/201/?eschref=%2Fcontacts#notes"),
    ("app-eu1.hubspot.com/contacts/62515/record/0-1/101/view/1", f"{HERE}/company/201/"),
    (f"{HERE.upper()}/RECORD/0-1/101", f"'{HERE}/record/0-2/201"),
    ("101", "201"),
]


def test_a_records_address_is_read_as_its_id(sandbox: Sandbox, load: Run) -> None:
    """Today's addresses and the older ones, of every data centre; the plan says that it was done."""
    done = load("a.csv", text="from_id,to_id\n" + "".join(f"{first},{second}\n" for first, second in ADDRESSES))
    assert done.code == 0
    assert len(lines("a.results.csv")) == len(ADDRESSES)
    assert "came from a record's address in HubSpot." in done.err
    assert {(line["object_id"], line["to_object_id"]) for line in lines("a.results.csv")} == {("101", "201")}
    assert sandbox.count("PUT") == 1


OF_SOMETHING_ELSE = [
    ("https://app.hubspot.com/contacts/55/record/0-2/201", "WRONG_RECORD_ADDRESS", "account 55"),
    (f"{HERE}/record/0-3/201", "WRONG_RECORD_ADDRESS", "one of deals, but the load expects companies"),
    (f"{HERE}/ticket/201", "WRONG_RECORD_ADDRESS", "one of tickets, but the load expects companies"),
    (f"{HERE}/record/2-77/201", "WRONG_RECORD_ADDRESS", "one of 2-77, but the load expects companies"),
    (f"{HERE}/objects/0-2/views/all/list", "INVALID_RECORD_ID", "not a record id"),
    (f"{HERE}/record/0-2/9999999999999999999", "ID_TOO_LARGE", "larger than any record id"),
    ("https://app.hubspot.com.evil.example/contacts/62515/record/0-2/201", "INVALID_RECORD_ID", "not a record id"),
    ("https://example.com/contacts/62515/record/0-2/201", "INVALID_RECORD_ID", "not a record id"),
]


def test_an_address_of_something_else_rejects_its_row(sandbox: Sandbox, load: Run) -> None:
    """Also where every row is so; nothing is sent, and the message says why."""
    Path("a.csv").write_text("from_id,to_id\n" + "".join(f"101,{cell}\n" for cell, _, _ in OF_SOMETHING_ELSE))
    assert load("a.csv").code == 1
    found = lines("a.results.csv")
    for line, (_, reason, said) in zip(found, OF_SOMETHING_ELSE, strict=True):
        assert (line["status"], line["error_category"]) == ("rejected", reason)
        assert said in line["error_message"]
    assert sandbox.count("PUT") == 0


def test_a_rejected_address_of_a_list_keeps_its_portal_in_the_failures_file(sandbox: Sandbox, load: Run) -> None:
    """Loaded again as it is, it is rejected again, not sent as the id at its end."""
    other = "https://app.hubspot.com/contacts/55/record/0-2/202"
    Path("a.csv").write_text(f'from_id,to_id\n101,{HERE}/record/0-2/201;{other}\n101,"[""{other}"", 203]"\n')
    assert load("a.csv").code == 1
    assert [line["to_id"] for line in lines("a.failures.csv")] == [other, other]
    assert load("a.failures.csv").code == 1
    assert sorted(int(second[1]) for _, second in sandbox.portal.pairs()) == [201, 203]


def test_without_a_token_the_object_type_of_an_address_is_checked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The portal only where `--portal-id` names it, and the plan says so; nothing is sent."""
    monkeypatch.delenv("HUBSPOT_ACCESS_TOKEN")
    types = CONTACTS
    Path("a.csv").write_text(f"from_id,to_id\n101,{HERE}/record/0-2/201\n")
    unchecked = run("plan", "a.csv", *types)
    assert unchecked.code == 0
    assert "Not checked without a token: the HubSpot account in the records' addresses" in unchecked.out + unchecked.err
    checked = run("plan", "a.csv", *types, "--portal-id", "62515")
    assert checked.code == 0
    assert "Not checked" not in checked.out + checked.err
    assert run("plan", "a.csv", *types, "--portal-id", "55").code == 1
    assert run("plan", "a.csv", "--from", "contacts", "--to", "deals").code == 1
