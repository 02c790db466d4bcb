"""`verify` on the command line: counts on the screen, an exit code for schedulers, and the command that comes next."""

from pathlib import Path

import pytest

from loader.journal import Lock
from loader.sandbox import Sandbox
from tests.cli.conftest import CONTACTS, Run, contents, names


@pytest.fixture
def verify(run: Run) -> Run:
    """Run `verify` without waiting for what is missing."""
    return lambda *arguments: run("verify", *arguments, *CONTACTS, "--wait", "0", "--rate", "9999/1")


@pytest.fixture(autouse=True)
def _input(folder: Path) -> None:
    (folder / "a.csv").write_text("from_id,to_id\n101,201\n102,202\n")


def test_counts_are_shown_and_the_exit_code_says_whether_all_is_there(verify: Run, load: Run, sandbox: Sandbox) -> None:
    """Before the load everything is missing, after it nothing is; the load's own files stay as they were."""
    before = verify("a.csv")
    assert before.code == 1
    assert ["2", "0", "0", "2", "0"] in [line.split() for line in before.out.splitlines()]
    assert "Row by row: a.verify.csv" in before.out
    assert "Next: association-loader load a.csv --from contacts --to companies --rate 9999/1\n" in before.out
    assert load("a.csv").code == 0
    files, sent = contents(), sandbox.count("PUT")
    after = verify("a.csv")
    assert after.code == 0
    assert ["2", "2", "0", "0", "0"] in [line.split() for line in after.out.splitlines()]
    assert "Next:" not in after.out
    assert sandbox.count("PUT") == sent
    assert {**contents(), "a.verify.csv": ""} == {**files, "a.verify.csv": ""}


def test_what_is_missing_after_a_finished_load_needs_a_fresh_one(verify: Run, load: Run, sandbox: Sandbox) -> None:
    """The same load again would say that it has finished, and send nothing."""
    load("a.csv")
    sandbox.portal.dissociate("0-1", 101, "0-2", 201)
    said = verify("a.csv", "--sample", "2", "--seed", "5").out
    assert "Next: association-loader load a.csv --from contacts --to companies --rate 9999/1 --fresh\n" in said
    assert "--seed 5" in said


def test_a_label_that_is_missing_has_a_next_command_too(verify: Run, sandbox: Sandbox) -> None:
    """The pairs are there, one of them without its label: a load would add it."""
    Path("a.csv").write_text("from_id,to_id,label\n101,201,Primary\n")
    sandbox.portal.associate("0-1", 101, "0-2", 201, frozenset())
    done = verify("a.csv")
    assert done.code == 1
    assert ["1", "0", "1", "0", "0"] in [line.split() for line in done.out.splitlines()]
    assert "Next: association-loader load a.csv" in done.out


@pytest.mark.parametrize("quiet", [["--quiet"], []])
def test_quiet_says_why_a_verification_stopped(quiet: list[str], verify: Run, hubspot: Run) -> None:
    """A scheduler's mail has the exit code, and the sentence."""
    with hubspot(faults=[{"fault": "401", "route": "batch/read"}]):
        done = verify("a.csv", *quiet)
    assert done.code == 3
    assert "Authentication credentials not found" in done.out + done.err


def test_json_is_one_object_for_each_event_and_the_last_is_the_summary(verify: Run, sandbox: Sandbox) -> None:
    events = verify("a.csv", "--json").events
    assert {event["event"] for event in events[:-1]} <= {"reading", "note", "verifying"}
    assert events[-1]["event"] == "summary"
    assert events[-1]["rows"]["missing"] == 2
    assert (events[-1]["exit_code"], events[-1]["results"]) == (1, "a.verify.csv")


def test_a_token_that_is_refused_ends_it_with_exit_3(verify: Run, hubspot: Run) -> None:
    with hubspot(portal={"tokens": ["another"]}):
        done = verify("a.csv", "--quiet")
    assert (done.code, done.out) == (3, "")
    assert done.err.count("\n") == 1
    assert names() == ["a.csv"]


def test_a_run_that_works_on_the_same_verification_refuses_another(verify: Run, sandbox: Sandbox) -> None:
    """Two at once would write one file."""
    with Lock(Path("a.verify-journal")):
        done = verify("a.csv")
    assert done.code == 2
    assert "wait for it" in done.err
    assert sandbox.count() == 0


def test_records_named_by_their_own_keys_are_verified_by_them(run: Run, hubspot: Run) -> None:
    """They are looked up again; no file of answers is left beside the verification."""
    Path("a.csv").write_text("from_id,to_id\nada@example.com,201\nnobody@example.com,202\n")
    records = [{"type": "contacts", "id": "101", "properties": {"email": "ada@example.com"}}]
    words = ("a.csv", *CONTACTS, "--from-id-property", "email", "--rate", "9999/1")
    with hubspot(portal={"records": records}):
        assert run("load", *words).code == 1
        run("verify", *words, "--wait", "0")
    verified = Path("a.verify.csv").read_text("utf-8").splitlines()
    assert any(",101," in line and "=" in line for line in verified)
    assert not names("*lookups*")


def test_verify_skips_rejected_rows_and_does_not_wait_for_failed_ones(
    hubspot: Run, load: Run, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the load itself says that it failed will not turn up; anything else that is missing may."""
    again = "checked again"
    with hubspot(faults=[{"fault": "404", "pair": [103, 203]}]) as sandbox:
        assert load("a.csv", text="from_id,to_id\n101,201\n103,203\nx,204\n").code == 1
        done = run("verify", "a.csv", *CONTACTS, "--wait", "0.2s")
        assert done.code == 1
        assert again not in done.err
        assert "1 rejected row, not checked." in done.out
        assert ["3", "1", "0", "1", "0"] in [line.split() for line in done.out.splitlines()]
        sandbox.portal.dissociate("0-1", 101, "0-2", 201)
        assert again in run("verify", "a.csv", *CONTACTS, "--wait", "0.2s").err
