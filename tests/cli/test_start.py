"""How little is imported before the command can answer."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from loader.cli import run
code = run(sys.argv[1:])
print(code, *sorted(sys.modules), file=sys.stderr)
"""

HEAVY = {"pandas", "numpy", "pyarrow", "python_calamine", "aiohttp"}
LIGHTER = {"asyncio", "sqlite3", "rich", "importlib.metadata"}


@pytest.mark.parametrize(
    ("arguments", "code", "unneeded"),
    [
        (["--help"], 0, HEAVY | LIGHTER),
        (["load", "--help"], 0, HEAVY | LIGHTER),
        (["load", "--no-such-option"], 2, HEAVY | LIGHTER),
        (["load", "there-is-none.csv", "--from", "contacts", "--to", "companies"], 2, HEAVY),
    ],
    ids=["help", "help of a command", "an unknown option", "a missing file"],
)
def test_an_answer_that_needs_little_imports_little(
    arguments: list[str], code: int, unneeded: set[str], tmp_path: Path
) -> None:
    """The slow libraries are imported by the command that uses them, when it does."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    answered, *modules = done.stderr.splitlines()[-1].split()
    assert int(answered) == code
    assert not unneeded & set(modules)
