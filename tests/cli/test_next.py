"""Every kind of ending, and its Next: pasted into a shell it runs, and it does what it is there for."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from loader.sandbox import Sandbox
from tests.cli.conftest import CONTACTS, Run

GOOD = "from_id,to_id\n101,201\n102,202\n103,203\n"
BAD_ROW = GOOD + "x104,204\n"


def _next(said: str) -> str | None:
    """Return the command of the last line, None where there is no Next."""
    found = [line.removeprefix("Next: ") for line in said.splitlines() if line.startswith("Next: ")]
    assert len(found) <= 1
    return found[0] if found else None


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a command ends: its file and options, what HubSpot does meanwhile, and what its Next is to be.

    `corrects` is what is wrong in the failures file, and what is right; `gone` a company that HubSpot does not have.
    """

    content: str = GOOD
    command: tuple[str, ...] = ("load", "a.csv")
    gone: int | None = None
    faults: Any = ""
    ends: int = 0
    follows: str | None = None
    corrects: tuple[str, str] | None = None
    pairs: int = 3


ENDINGS = {
    "nothing left": Ending(),
    "a limit": Ending(command=("load", "a.csv", "--limit", "1"), follows="load a.csv"),
    "rejected rows": Ending(content=BAD_ROW, ends=1, follows="load a.failures.csv", corrects=("x104", "104"), pairs=4),
    "failed rows that can be corrected": Ending(
        gone=209,
        content=GOOD.replace("203", "209"),
        ends=1,
        follows="load a.failures.csv",
        corrects=("209", "203"),
    ),
    "failed rows that may pass": Ending(
        command=("load", "a.csv", "--max-attempts", "1"),
        faults=[{"fault": "500", "method": "PUT", "times": 1}],
        ends=1,
        follows="--retry-failed",
    ),
    "both": Ending(
        content=BAD_ROW,
        command=("load", "a.csv", "--max-attempts", "1"),
        faults=[{"fault": "500", "method": "PUT", "times": 1}],
        ends=1,
        follows="load a.failures.csv",
        corrects=("x104", "104"),
        pairs=4,
    ),
    "a refused token": Ending(faults=[{"fault": "401", "method": "PUT", "times": 1}], ends=3, follows="load a.csv"),
    "a spent quota": Ending(faults=[{"fault": "429-daily", "method": "PUT", "times": 1}], ends=5, follows="load a.csv"),
    "too many failures": Ending(
        command=("load", "a.csv", "--max-failures", "0", "--concurrency", "1", "--max-attempts", "1"),
        faults=[{"fault": "500", "method": "PUT", "times": 1}],
        ends=4,
        follows="load a.csv",
    ),
    "a plan": Ending(command=("plan", "a.csv"), follows="load a.csv"),
}


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("name", ENDINGS)
def test_next_is_one_line_that_runs_and_helps(name: str, run: Run, hubspot: Run, paste: Run) -> None:
    """After it every pair of the file is in HubSpot, and nothing is left to do."""
    ending = ENDINGS[name]
    Path("a.csv").write_text(ending.content)
    with hubspot(faults=ending.faults) as sandbox:
        if ending.gone is not None:
            sandbox.portal.delete_record("companies", ending.gone)
        done = run(*ending.command, *CONTACTS)
        assert done.code == ending.ends
        following = _next(done.out + done.err)
        if ending.follows is None:
            assert following is None
        else:
            assert following is not None
            assert ending.follows in following
            if ending.command[0] == "load":
                assert json.loads(Path("a.summary.json").read_text())["next_command"] == following
            if ending.follows.startswith("load a.failures"):
                assert "Correct " in done.err
            if ending.follows == "--retry-failed":
                assert "1 row was not loaded. Sending it again may help:" in done.err
            if ending.corrects:
                failures = Path("a.failures.csv")
                failures.write_text(failures.read_text().replace(*ending.corrects, 1))
            pasted = paste(following)
            assert pasted.code == 0, pasted.err
            assert _next(pasted.out + pasted.err) is None
        assert len(sandbox.portal.pairs()) == ending.pairs


@pytest.mark.slow
def test_nothing_that_follows_an_undo_loads_again(run: Run, sandbox: Sandbox) -> None:
    """Neither the undo itself, nor the state of the run, nor a verification that misses what was removed."""
    Path("a.csv").write_text(GOOD)
    run("load", "a.csv", *CONTACTS)
    undone = run("undo", "a.results.csv", "--yes")
    states = run("status", "a.results.csv")
    verified = run("verify", "a.csv", *CONTACTS, "--wait", "0")
    assert [_next(each.out + each.err) for each in (undone, states, verified)] == [None, None, None]
    assert verified.code == 1
    assert not sandbox.portal.pairs()


@pytest.mark.slow
def test_what_a_verification_misses_is_loaded(run: Run, sandbox: Sandbox, paste: Run) -> None:
    """What somebody removed since is loaded again; what failed is corrected first."""
    Path("a.csv").write_text(GOOD)
    run("load", "a.csv", *CONTACTS)
    sandbox.portal.dissociate("0-1", 101, "0-2", 201)
    following = _next(run("verify", "a.csv", *CONTACTS, "--wait", "0").out)
    assert following is not None
    assert paste(following).code == 0
    assert run("verify", "a.csv", *CONTACTS, "--wait", "0").code == 0
    sandbox.portal.delete_record("companies", 203)
    assert run("load", "a.csv", *CONTACTS, "--fresh").code == 1
    following = _next(run("verify", "a.csv", *CONTACTS, "--wait", "0").out)
    assert following == "association-loader load a.failures.csv --from contacts --to companies"
