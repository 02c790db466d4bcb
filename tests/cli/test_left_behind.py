"""What a killed command left half made is removed by the next command of its run, and nothing else is."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from loader.sandbox import Sandbox
from tests.cli.conftest import CONTACTS, Run, names, until

ROWS = "from_id,to_id\n101,201\nx,202\n"
TYPES = (*CONTACTS, "--rate", "9999/1")

COMMANDS: dict[str, tuple[list[str], list[str]]] = {
    "a load": (["load", "a.csv", *TYPES], ["failures.csv", "summary.json", "results.parquet"]),
    "verify": (["verify", "a.csv", *TYPES, "--wait", "0s"], []),
    "undo": (["undo", "a.results.csv", "--yes"], ["failures.csv", "summary.json"]),
    "report": (["report", "a.results.csv"], ["report.html"]),
}
"""Each command, and of which files of the run it clears away what was left."""


@pytest.fixture
def gone() -> int:
    """The number of a process that has ended."""
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    return int(ended.stdout)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("name", COMMANDS)
def test_the_next_command_removes_what_a_killed_one_left(name: str, sandbox: Sandbox, run: Run, gone: int) -> None:
    """Only what is the run's own, and only of processes that are gone; a finished run clears up, too."""
    command, kinds = COMMANDS[name]
    Path("a.csv").write_text(ROWS)
    assert run("load", "a.csv", *TYPES).code == 1
    left = [Path(f".a.{kind}.{process}") for kind in kinds for process in (gone, os.getpid())]
    left = [path for path in left if "parquet" not in path.name]
    if name == "verify":
        left.append(Path("a.verify-journal-staging"))
    elif name != "report":
        left.append(Path("a.journal-staging"))
    others = [
        Path(f".a.{kinds[0] if kinds else 'verify.csv'}.{os.getppid()}"),
        Path(f".b.failures.csv.{gone}"),
        Path(".a.failures.csv.bak"),
        Path(".a.failures.csv.0"),
        Path(f"a.failures.csv.{gone}"),
        Path("b.journal-staging"),
    ]
    for path in (*left, *others):
        path.write_text("half of it")
    run(*command)
    assert [path.name for path in left if path.exists()] == []
    assert [path.name for path in others if not path.exists()] == []


def test_a_parquet_file_half_written_is_removed(sandbox: Sandbox, run: Run, gone: int) -> None:
    """So is that of the metrics, wherever it lies."""
    Path("a.csv").write_text(ROWS)
    Path("prometheus").mkdir()
    left = [Path(f".r.parquet.{gone}"), Path("prometheus") / f".a.prom.{gone}"]
    for path in left:
        path.write_text("half of it")
    run("load", "a.csv", *TYPES, "--results", "r.parquet", "--metrics-file", "prometheus/a.prom")
    assert [path.name for path in left if path.exists()] == []


@pytest.mark.slow
def test_the_next_load_removes_what_a_killed_load_left(sandbox: Sandbox, run: Run, start: Run) -> None:
    """SIGKILL, which nobody can hear; the next load of the run, of another input, has a clean folder."""
    Path("a.csv").write_text("from_id,to_id\n" + "".join(f"{n},1\n" for n in range(100, 200_100)))
    killed = start("load", "a.csv", *TYPES, "--results", "r.csv")
    until(Path("r.journal-staging").exists)
    killed.send(signal.SIGKILL)
    killed.wait()
    assert Path("r.journal-staging").exists()
    Path("b.csv").write_text("from_id,to_id\n101,201\n")
    assert run("load", "b.csv", *TYPES, "--results", "r.csv").code == 0
    assert names() == [*("a.csv", "b.csv", "r.csv", "r.journal", "r.summary.json")]
