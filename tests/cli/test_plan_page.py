"""`plan --report`: the plan as a page, for the person who must agree to it."""

import html
import re
from pathlib import Path

import pytest

import loader
from loader.sandbox import Sandbox
from tests.cli.conftest import CONTACTS, Run, contents, refused
from tests.cli.portals import association


def seen(path: Path) -> str:
    """Return the words of a page as a reader sees them; the names and cells of tables are apart."""
    body = path.read_text("utf-8").partition("<body>")[2]
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def test_a_plan_as_a_page_says_what_is_to_be_decided(run: Run, sandbox: Sandbox) -> None:
    """File and account in its title; decisions, command, labels, rejects, costs, columns; no other file, no write."""
    Path("a.csv").write_text("from_id,to_id,Role\n101,201,x\n102,202,y\n102,202,z\n 7x,203,\n,204,\n")
    before = contents()
    plain = run("plan", "a.csv", *CONTACTS)
    done = run("plan", "a.csv", *CONTACTS, "--report", "plan.html")
    assert (done.code, done.out) == (1, plain.out)
    assert done.err.endswith("Report: plan.html\n")
    after = contents()
    assert after.pop("plan.html")
    assert after == before
    assert Path("plan.html").stat().st_mode & 0o777 == 0o600
    written, words = Path("plan.html").read_text(), seen(Path("plan.html"))
    assert f"<title>Plan: load a.csv into SANDBOX, not HubSpot: account 62515 at {sandbox.url}</title>" in written
    for said in (
        "What you decide This is a rehearsal in a simulated HubSpot",
        "2 rows of 5 will be left out, because something in them is wrong.",
        "association-loader load a.csv --from contacts --to companies",
        "3 contacts (0-1) companies (0-2) HUBSPOT_DEFINED 279",
        "None of the 2 pairs is in HubSpot yet.",
        "Nothing is removed: associations and labels that are in HubSpot already stay.",
        "1 INVALID_RECORD_ID",
        'Row 5, column "from_id": " 7x" is not a record id; it must be digits only.',
        "One by one (this plan) under 1 s 3 under 0.1%",
        "In batches under 1 s 2 under 0.1%",
        "Workflows (in HubSpot: Automation, Workflows)",
        "Create and associate companies with contacts",
        "Encoding utf-8",
        "from_id id of the first record object_id",
        "Columns not used: Role",
    ):
        assert said in words, said
    assert "--report" not in words
    assert words.index("What you decide") < words.index("What would change") < words.index("How the file was")
    assert {request.route for request in sandbox.requests if request.method != "GET"} == {"batch/read"}


@pytest.mark.slow
def test_the_page_of_a_mirror_and_of_a_removal_says_what_goes(run: Run, hubspot: Run) -> None:
    """By label how many are added, kept and removed; and what --max-removals would stop."""
    Path("a.csv").write_text("from_id,to_id\n101,201\n102,202\n")
    there = [association(101, company) for company in (201, 203, 204)]
    page = Path("plan.html")
    with hubspot(portal={"associations": there}):
        run("plan", "a.csv", *CONTACTS, "--existing", "mirror", "--report", "plan.html")
        words = seen(page)
        assert "2 associations will be removed, because the file does not have them. Is it complete?" in words
        assert "Added Kept Removed From To Label 1 1 2 contacts companies (no label)" in words
        run("plan", "a.csv", *CONTACTS, "--existing", "mirror", "--max-removals", "1", "--report", "plan.html")
        words = seen(page)
        assert "As it is, nothing would be sent at all. nothing was sent: 2 associations would be removed" in words
        assert "If you agree" not in words
        run("remove", "a.csv", *CONTACTS, "--dry-run", "--report", "plan.html")
        words = seen(page)
    assert "<title>Plan: remove what a.csv names from SANDBOX" in page.read_text()
    assert "1 association will change or be removed. Is that meant?" in words
    assert "1 removed as a whole, 0 losing labels only. 1 pair of the file has nothing to remove." in words


def test_a_page_without_a_token_says_what_it_lacks(run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The account above all, and how much would be removed."""
    monkeypatch.delenv("HUBSPOT_ACCESS_TOKEN")
    Path("a.csv").write_text("from_id,to_id,label\n101,201,Boss\n")
    run("plan", "a.csv", *CONTACTS, "--existing", "mirror", "--report", "plan.html")
    words = seen(Path("plan.html"))
    assert "Nothing is removed" not in words
    assert "Into a HubSpot account that is not known yet" in words
    assert "Associations that the file does not have will be removed, and how many is not known." in words
    assert "The labels that the account has, so those of the file are not checked: contacts to companies." in words
    assert "Not looked at without a token: what --existing mirror would take off." in words
    assert "in HubSpot already ? rows rejected" in words
    assert sandbox.count() == 0


def test_a_page_is_written_over_nothing_else(run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 2, one sentence that names the option, and nothing changes; a load is no plan. Python writes it, too."""
    Path("a.csv").write_text("from_id,to_id\n101,201\nx,2\n")
    before = contents()
    for path in ("a.csv", ".", "nowhere/plan.html"):
        refused(run("plan", "a.csv", *CONTACTS, "--report", path), "--report")
    assert run("plan", "a.csv", *CONTACTS, "--report", "p", "--failures", "p").code == 2
    assert run("plan", "a.csv", *CONTACTS, "--report", "p", "--log-file", "p").code == 2
    done = run("load", "a.csv", *CONTACTS, "--report", "plan.html")
    assert (done.code, "add --dry-run" in done.err, sandbox.count("PUT")) == (2, True, 0)
    assert contents() == before
    for _ in range(2):
        loader.plan_sync("a.csv", object_type="contacts", to_object_type="companies", report=Path("plan.html"))
    assert "load a.csv into" in Path("plan.html").read_text()
