"""How little is imported before the command can answer, and what is said where it cannot run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from loader.cli import run
for words in map(str.split, sys.argv[1:]):
    print(run(words), *sys.modules, file=sys.stderr)
"""

HEAVY = {"pandas", "numpy", "pyarrow", "python_calamine", "xlrd", "jinja2", "aiohttp"}
LIGHTER = {"asyncio", "sqlite3", "rich", "importlib.metadata"}


ANSWERS = {
    "--help": (0, HEAVY | LIGHTER),
    "load --help": (0, HEAVY | LIGHTER),
    "load --no-such-option": (2, HEAVY | LIGHTER),
    "load there-is-none.csv --from contacts --to companies": (2, HEAVY - {"numpy"}),
}
"""Commands one after the other in one process: the exit code of each, and what none up to it may have imported."""


def test_an_answer_that_needs_little_imports_little(tmp_path: Path) -> None:
    """The slow libraries are imported by the command that uses them, when it does."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *ANSWERS], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    found = [line.split() for line in done.stderr.splitlines() if re.match(r"\d sys ", line)]
    assert len(found) == len(ANSWERS)
    for (command, (code, unneeded)), (answered, *modules) in zip(ANSWERS.items(), found, strict=True):
        assert int(answered) == code, command
        assert not unneeded & set(modules), command


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["-m", "loader", "--help"], 2, "association-loader: {}"),
        (["-c", "import association_loader; association_loader.main()"], 2, "association-loader: {}"),
        (["-c", "import loader"], 1, "ImportError: {}"),
    ],
    ids=["python -m loader", "the command", "import loader"],
)
def test_on_windows_one_sentence_says_what_it_needs(arguments: list[str], code: int, said: str, tmp_path: Path) -> None:
    """Not a traceback about a module that nobody has heard of."""
    missing = "import sys; sys.platform = 'win32'; sys.modules.update(dict.fromkeys(['fcntl', 'resource', 'uvloop']))"
    (tmp_path / "sitecustomize.py").write_text(missing)
    root = Path(__file__).parents[2]
    path = os.pathsep.join(map(str, (tmp_path, root, root / "loader")))
    done = subprocess.run(
        [sys.executable, *arguments],
        env={"PYTHONPATH": path},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    sentence = "the association loader needs Linux or macOS; on Windows, install it inside WSL (wsl --install)"
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.splitlines()[-1] == said.format(sentence)
    assert ("Traceback" in done.stderr) == (code == 1)


def test_the_installed_command_finds_its_package(tmp_path: Path) -> None:
    """Its entry lies beside the package and looks for it by a file in it, which may move."""
    (tmp_path / "loader.py").write_text("raise SystemExit('theirs')\n")
    entry = Path(__file__).parents[2] / "loader" / "association_loader.py"
    (tmp_path / "association_loader.py").write_text(entry.read_text())
    done = subprocess.run(
        [sys.executable, "-c", "import association_loader; association_loader.main()", "explain", "CONFLICT"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(entry.parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
