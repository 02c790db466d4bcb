"""A failures file that somebody has mended is never lost, whatever command comes next."""

import shlex
from pathlib import Path

import pytest

from loader.sandbox import Sandbox
from tests.cli.conftest import Run, contents, names
from tests.cli.test_again_later import make_older

ROWS = "from_id,to_id\n101,201\nx,202\n103,203\n"
NEXT: dict[str, list[str]] = {
    "the same command": [],
    "retry": ["--retry-failed"],
    "fresh": ["--fresh"],
    "fresh and quiet": ["--fresh", "--quiet"],
    "another format": ["--results", "a.results.jsonl", "--fresh"],
    "no failure any more": ["--fresh", "--limit", "1"],
}


def mend(path: Path, old: str = "x,202", new: str = "102,202") -> bytes:
    """Correct a failures file, and return what it then holds."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path.read_bytes()


def kept(content: bytes) -> Path:
    """Return the one file that still holds what somebody wrote."""
    (found,) = (path for path in Path().rglob("*") if path.is_file() and path.read_bytes() == content)
    return found


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("following", "changed_input"),
    [*((each, False) for each in NEXT), ("the same command", True), ("retry", True), ("fresh", True)],
)
def test_corrected_failures_are_kept(following: str, changed_input: bool, sandbox: Sandbox, load: Run) -> None:
    """It has a dated name then, and the screen says which; what the loader writes has its own place as before."""
    assert load("a.csv", text=ROWS).code == 1
    content = mend(Path("a.failures.csv"))
    if changed_input:
        Path("a.csv").write_text(ROWS + "104,204\n")
    done = load("a.csv", *NEXT[following])
    path = kept(content)
    if done.code == 2:
        assert path.name == "a.failures.csv"
        return
    assert path.name.startswith("a.2")
    assert path.name in done.err.replace("\n", "") or "--quiet" in NEXT[following]
    assert Path("a.failures.csv").exists() == (following != "no failure any more")


def test_a_retry_without_failures_keeps_corrected_failures(hubspot: Run, load: Run, run: Run) -> None:
    """The command that the screen proposes must not remove it; and the command that it then shows loads it."""
    with hubspot(faults=[{"fault": "404", "pair": [103, 203], "times": 1}]) as sandbox:
        assert load("a.csv", text="from_id,to_id\n103,203\n101,201\n").code == 1
        content = mend(Path("a.failures.csv"), "103,203", "104,204")
        done = load("a.csv", "--retry-failed")
        assert done.code == 0
        path = kept(content)
        assert not Path("a.failures.csv").exists()
        (line,) = (line for line in done.err.splitlines() if "association-loader load a.2" in line)
        command = shlex.split(line[line.index("association-loader load") :])
        assert path.name in command
        assert run(*command[1:]).code == 0
        assert sandbox.portal.types_of("contacts", 104, "companies", 204)


@pytest.mark.slow
@pytest.mark.parametrize("same_command_first", [True, False])
def test_corrected_failures_are_no_input_of_their_folder(same_command_first: bool, sandbox: Sandbox, load: Run) -> None:
    """It is no new input of a folder, under its dated name neither; `--keep` does not remove it, however old it is."""
    Path("in").mkdir()
    Path("in/a.csv").write_text(ROWS)
    given = ("in", "--results", "in/night.csv", "--keep", "1")
    assert load(*given).code == 1
    content = mend(Path("in/night.failures.csv"))
    if same_command_first:
        assert load(*given).code == 1
    for night in range(3):
        Path("in/a.csv").write_text(ROWS + f"104,{204 + night}\n")
        assert load(*given).code == 1
        for journal in Path("in").glob("night.2*.journal"):
            make_older(journal, 48)
    path = kept(content)
    assert path.name.startswith("night.2")
    assert sandbox.count("PUT") == 2 + 3, "the mended row is sent by nobody but who loads it"
    assert len(list(Path("in").glob("night.2*.journal"))) == 2, "other runs are removed"


def test_failures_that_nobody_corrected_are_replaced(sandbox: Sandbox, load: Run) -> None:
    """Nothing piles up where nobody mended anything."""
    Path("a.csv").write_text(ROWS)
    for _ in range(3):
        done = load("a.csv", "--retry-failed")
        assert "is kept" not in done.err
    assert names() == [*("a.csv", "a.failures.csv", "a.journal", "a.results.csv", "a.summary.json")]


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("mended", [False, True])
def test_failures_of_another_run_are_kept(mended: bool, sandbox: Sandbox, load: Run) -> None:
    """Two loads with one `--failures`: the second one's do not replace the first one's."""
    Path("a.csv").write_text(ROWS)
    Path("b.csv").write_text(ROWS.replace("x", "y"))
    load("a.csv", "--failures", "bad.csv")
    content = mend(Path("bad.csv")) if mended else Path("bad.csv").read_bytes()
    done = load("b.csv", "--failures", "bad.csv")
    assert done.code == 1
    assert kept(content).name in done.err.replace("\n", "")
    assert "y,202" in Path("bad.csv").read_text()


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("when", ["a new run", "a finished run", "an unfinished run"])
def test_a_file_that_is_not_a_failures_file_is_not_overwritten(when: str, sandbox: Sandbox, load: Run) -> None:
    """Exit 2 before anything is sent; with `--fresh` it has a dated name."""
    Path("a.csv").write_text(ROWS)
    Path("customers.csv").write_text("name,phone\nA,1\n")
    if when != "a new run":
        load("a.csv", *(["--limit", "1"] if when == "an unfinished run" else []))
    before, requests = contents(), sandbox.count()
    done = load("a.csv", "--failures", "customers.csv")
    assert (done.code, contents(), sandbox.count()) == (2, before, requests)
    assert "customers.csv" in done.err
    assert load("a.csv", "--failures", "customers.csv", "--fresh").code == 1
    assert kept(b"name,phone\nA,1\n").name.startswith("a.2")


def test_a_refused_run_keeps_corrected_failures(hubspot: Run, load: Run) -> None:
    """A token that is refused leaves rejects behind; mending them is no work in vain."""
    with hubspot(faults=[{"fault": "401", "times": 1}]):
        assert load("a.csv", text=ROWS).code == 3
        content = mend(Path("a.failures.csv"))
        assert load("a.csv").code == 1
    assert kept(content).name.startswith("a.2")
