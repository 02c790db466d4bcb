"""`undo` on the command line: it shows what it will remove, asks for the number, and says what became of the run."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loader import terminal
from loader.journal import Lock
from loader.run import session
from loader.sandbox import Sandbox
from loader.show import screen
from tests.cli.conftest import CONTACTS, Run, contents, lines, names, refused, until

FAST = ("--rate", "9999/1")


@pytest.fixture
def undo(run: Run) -> Run:
    """Run `undo` at full speed."""
    return lambda *arguments: run("undo", *arguments, *FAST)


@pytest.fixture
def loaded(load: Run, sandbox: Sandbox) -> Sandbox:
    """A portal with a pair of its own, after a load that added two others."""
    sandbox.portal.associate("0-1", 9, "0-2", 99, frozenset([("HUBSPOT_DEFINED", 279)]))
    assert load("a.csv", text="from_id,to_id\n101,201\n102,202\n9,99\n").code == 0
    assert len(sandbox.portal.pairs()) == 3
    return sandbox


def test_without_a_terminal_it_shows_what_it_would_remove_and_does_nothing(undo: Run, loaded: Sandbox) -> None:
    """Exit 2; a scheduler that means it says --yes."""
    before = contents()
    done = undo("a.results.csv")
    assert done.code == 2
    assert "2 contacts companies the association (no label)" in " ".join(done.err.split())
    assert "--yes" in done.err
    assert contents() == before
    assert len(loaded.portal.pairs()) == 3


def test_yes_removes_what_the_run_added_and_nothing_else(undo: Run, loaded: Sandbox) -> None:
    """The counts are on standard output, and each row is in a file of its own."""
    done = undo("a.results.csv", "--yes")
    assert done.code == 0
    assert ["2", "2", "0", "0", "0"] in [line.split() for line in done.out.splitlines()]
    assert "Row by row: a.undo.csv" in done.out
    assert list(loaded.portal.pairs()) == [(("0-1", "9"), ("0-2", "99"))]
    assert sorted((line["row"], line["status"]) for line in lines("a.undo.csv")) == [("2", "removed"), ("3", "removed")]


def test_the_number_has_to_be_typed(undo: Run, loaded: Sandbox, keyboard: Run) -> None:
    for wrong in ("yes\n", "\n", "3\n", "12\n", "22\n", "2 or 3\n"):
        keyboard(wrong)
        done = undo("a.results.csv")
        assert done.code == 2
        assert "type the number of associations, 2" in done.err
        assert "nothing was removed" in done.err
    assert len(loaded.portal.pairs()) == 3
    keyboard("2\n")
    assert undo("a.results.csv").code == 0
    assert len(loaded.portal.pairs()) == 1


@pytest.mark.slow
def test_ctrl_c_at_the_question_removes_nothing(loaded: Sandbox, start: Run) -> None:
    """And ends at once, with the code of an interruption."""
    ours, theirs = os.openpty()
    with Path("said").open("wb") as said:
        process = start("undo", "a.results.csv", stdin=theirs, stderr=said)
        until(lambda: b"type the number" in Path("said").read_bytes())
        process.send(signal.SIGINT)
        assert process.wait(5).code == 130
    os.close(ours)
    os.close(theirs)
    assert len(loaded.portal.pairs()) == 3


def test_json_is_one_object_for_each_event_and_the_last_is_the_summary(undo: Run, loaded: Sandbox) -> None:
    events = undo("a.results.csv", "--yes", "--json").events
    assert events[0]["event"] == "undoplanned"
    assert (events[0]["pairs"], events[0]["groups"][0]["whole"]) == (2, True)
    assert events[-1]["event"] == "summary"
    assert events[-1]["pairs"]["removed"] == 2


def test_after_an_undo_the_same_load_is_refused(undo: Run, load: Run, run: Run, loaded: Sandbox) -> None:
    """It says so, and --fresh loads everything again; status proposes nothing that would undo the undo."""
    undo("a.results.csv", "--yes")
    stands = run("status", "a.results.csv", "--json").event
    assert (stands["state"], stands["undone"]["removed"]) == ("undone", 2)
    assert stands["next_command"] is None
    assert "2 removed" in run("status", "a.results.csv").out
    for more in ((), ("--retry-failed",)):
        refused(load("a.csv", *more), "undone", "--fresh")
    assert load("a.csv", "--fresh").code == 0
    assert len(loaded.portal.pairs()) == 3
    assert len(names("a.*.undo.csv")) == 1
    (earlier,) = Path().glob("a.*.results.csv")
    assert undo(earlier.name, "--yes").code == 0
    assert len(loaded.portal.pairs()) == 3, "the set-aside run was undone already"


@pytest.mark.slow
def test_after_an_undo_another_file_is_loaded_as_ever(undo: Run, load: Run, loaded: Sandbox) -> None:
    """The nightly case: the earlier run is set aside."""
    undo("a.results.csv", "--yes")
    assert load("a.csv", text="from_id,to_id\n103,203\n").code == 0
    assert len(loaded.portal.pairs()) == 2


def test_a_load_that_works_on_these_results_is_not_undone_under_its_hands(undo: Run, loaded: Sandbox) -> None:
    """They share the journal, and so its lock."""
    with Lock(Path("a.journal")):
        done = undo("a.results.csv", "--yes")
    assert done.code == 2
    assert "wait for it" in done.err
    assert len(loaded.portal.pairs()) == 3


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("nowhere.csv",), "no journal"), ((), "RESULTS"), (("a.results.csv", "--portal-id", "5"), "account 62515")],
)
def test_what_cannot_be_undone_is_refused(arguments: tuple[str, ...], said: str, undo: Run, loaded: Sandbox) -> None:
    before = contents()
    done = undo(*arguments, "--yes", "--quiet")
    assert done.code in (2, 3)
    assert said in done.err
    assert done.err.count("\n") == 1
    assert contents() == before
    assert len(loaded.portal.pairs()) == 3


@pytest.mark.slow
def test_nothing_is_shown_during_a_question(hubspot: Run, load: Run, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command does or waits for would be written over the question."""
    Path("a.csv").write_text("from_id,to_id\n101,201\n102,202\n")
    Path("b.csv").write_text("from_id,to_id\n102,202\n")
    monkeypatch.setattr(session, "SECONDS_BETWEEN_WAITING", 0.01)
    monkeypatch.setattr(session, "SILENT_SECONDS", 0.02)
    monkeypatch.setattr(screen, "SECONDS_BETWEEN_LINES", 0.0)
    shown: list[bool] = []

    def agreement(stop: object, *, yes: bool) -> Callable[[object], Any]:
        del stop, yes

        async def agree(plan: object) -> None:
            del plan
            shown.append(True)
            sys.stderr.write("<asked>\n")
            await asyncio.sleep(0.3)
            sys.stderr.write("<answered>\n")

        return agree

    monkeypatch.setattr(terminal, "agreement", agreement)
    monkeypatch.setattr(terminal, "must_be_able_to_ask", lambda *, yes: None)
    with hubspot():
        assert load("a.csv").code == 0
        for command in (["remove", "b.csv", *CONTACTS], ["undo", "a.results.csv"]):
            done = run(*command)
            assert "<asked>\n<answered>\n" in done.err
    assert len(shown) == 2
