"""A results folder on a network file system: refused before anything is sent, unless the journal is on a local disk."""

import json
from pathlib import Path
from typing import Any

import pytest

from loader import file_systems
from loader.sandbox import Sandbox
from tests.cli.conftest import CONTACTS, Run, contents, lines, names, refused


@pytest.fixture
def share(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder `share` that is on NFS, as far as the table of mounts says, with an input in it; the rest is local."""
    (folder / "mounts").write_text(
        f"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 22 0:40 / {folder}/share rw shared:2 - nfs4 server:/share rw\n"
    )
    monkeypatch.setattr(file_systems, "MOUNTS", folder / "mounts")
    (folder / "share").mkdir()
    (folder / "share" / "a.csv").write_text("Record ID,to_object_id\n101,201\n102,202\nx,203\n")
    return folder / "share"


LOAD = ("load", "share/a.csv", *CONTACTS, "--results", "share/a.results.csv")
LOCAL = ("--journal", "a.journal")


def test_a_journal_on_a_network_file_system_is_refused(share: Path, run: Run, sandbox: Sandbox) -> None:
    """By load, remove and undo, in a sentence with the way on; no file is written."""
    before = contents()
    for words in (LOAD, ("remove", *LOAD[1:], "--yes")):
        refused(run(*words), f"{share} is on a network file system (nfs4)", "--journal PATH")
    assert (contents(), sandbox.requests) == (before, [])


def test_every_command_finds_a_local_journal(share: Path, run: Run, sandbox: Sandbox) -> None:
    """Load, resume, status, report, verify and undo; the files are beside the results, and nothing else is local."""
    first = run(*LOAD, *LOCAL, "--limit", "1")
    assert first.code == 0, first.err
    assert "--journal a.journal" in json.loads((share / "a.summary.json").read_text())["next_command"]
    assert run(*LOAD, *LOCAL).code == 1
    assert [line["status"] for line in lines("share/a.results.csv")] == ["created", "created", "rejected"]
    (status,) = run("status", "share/a.results.csv", *LOCAL, "--json").events
    assert (status["state"], status["results"]) == ("finished", str(share / "a.results.csv"))
    assert run("report", "share/a.results.csv", *LOCAL).code == 0
    verified = run("verify", *LOAD[1:], *LOCAL, "--wait", "0s")
    assert verified.code == 1, verified.err
    assert [line["status"] for line in lines("share/a.verify.csv")][:2] == ["=", "="]
    assert run(*LOAD).code == 2
    assert run("undo", "share/a.results.csv", "--yes").code == 2
    undone = run("undo", "share/a.results.csv", *LOCAL, "--yes")
    assert undone.code == 0, undone.err
    assert not list(sandbox.portal.pairs())
    written = {"a.csv", "a.results.csv", "a.failures.csv", "a.summary.json", "a.verify.csv", "a.report.html"}
    assert {path.name for path in share.iterdir()} == written | {"a.undo.csv"}
    assert set(names()) == {"share", "mounts", "a.journal"}


def test_a_new_run_renames_earlier_files_in_both_folders(share: Path, run: Run, sandbox: Sandbox) -> None:
    """And the earlier run is found by its journal's new name; the mended failures have a journal of their own."""
    done = run(*LOAD, "--journal", "night.journal")
    assert done.code == 1
    follows = json.loads((share / "a.summary.json").read_text())["next_command"]
    assert "--journal a.failures.journal" in follows
    (share / "a.csv").write_text("Record ID,to_object_id\n104,204\n")
    assert run(*LOAD, "--journal", "night.journal").code == 0
    (earlier,) = Path().glob("a.2*.journal")
    (status,) = run("status", str(earlier), "--json").events
    assert Path(status["results"]).parent == share
    assert Path(status["results"]).is_file()
    assert status["set_aside"]


def test_the_journal_of_other_results_is_not_taken(share: Path, run: Run, sandbox: Sandbox) -> None:
    """Two results that share a journal would lose one of their runs."""
    assert run(*LOAD, *LOCAL).code == 1
    sent = len(sandbox.requests)
    (share / "b.csv").write_text("Record ID,to_object_id\n104,204\n")
    for more in ((), ("--fresh",)):
        refused(
            run("load", "share/b.csv", *CONTACTS, "--results", "share/b.results.csv", *LOCAL, *more),
            "is the journal of",
        )
    assert run("undo", "share/b.results.csv", *LOCAL, "--yes").code == 2
    assert len(sandbox.requests) == sent


def test_a_synchronized_folder_is_a_warning(run: Run, sandbox: Sandbox) -> None:
    """The load goes on; the note names the option."""
    Path("OneDrive - Acme").mkdir()
    Path("a.csv").write_text("Record ID,to_object_id\n101,201\n")
    done: Any = run("load", "a.csv", *CONTACTS, "--results", "OneDrive - Acme/a.results.csv", "--quiet")
    assert done.code == 0
    assert "is synchronized with other machines" in done.err
