"""How little is imported before the command can answer, and what is said where it cannot run."""

import os
import re
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from loader.cli import cli
from tests.slow.command import run

PROGRAM = """
import sys
from loader.cli import run
for words in map(str.split, sys.argv[1:]):
    print(run(words), *sys.modules, file=sys.stderr)
"""

SAMPLE = str(Path(__file__).parents[2] / "samples" / "contacts_companies.csv")

HEAVY = {"pandas", "numpy", "pyarrow", "python_calamine", "xlrd", "jinja2", "aiohttp", "fsspec", "sqlalchemy"}
LIGHTER = {"asyncio", "sqlite3", "rich", "importlib.metadata"}


ANSWERS = {
    "--help": (0, HEAVY | LIGHTER),
    "load --help": (0, HEAVY | LIGHTER),
    "load --no-such-option": (2, HEAVY | LIGHTER),
    "load there-is-none.csv --from contacts --to companies": (2, HEAVY - {"numpy"}),
    f"plan {SAMPLE} --from contacts --to companies": (1, HEAVY - {"numpy"}),
}
"""Commands one after the other in one process: the exit code of each, and what none up to it may have imported."""


@pytest.mark.slow
def test_an_answer_that_needs_little_imports_little(tmp_path: Path) -> None:
    """The slow libraries are imported by the command that uses them, when it does."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HUBSPOT_")}
    done = run(sys.executable, "-c", PROGRAM, *ANSWERS, cwd=tmp_path, env=environment)
    found = [line.split() for line in done.stderr.splitlines() if re.match(r"\d sys ", line)]
    assert len(found) == len(ANSWERS)
    for (command, (code, unneeded)), (answered, *modules) in zip(ANSWERS.items(), found, strict=True):
        assert int(answered) == code, command
        assert not unneeded & set(modules), command


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("lo", {"load"}),
        ("load --exi", {"--existing"}),
        ("load --existing m", {"merge", "mirror"}),
        ("schema e", {"events"}),
        *((command, {"file "}) for command in ("load ", "plan a.csv ", "undo ", "status ", "load --token-file ")),
    ],
)
def test_a_shell_completes_commands_options_choices_and_files(words: str, completed: set[str]) -> None:
    """What the real shells make of it is seen in bash below, in zsh and fish by `make test-long`."""
    *before, last = words.split(" ")
    found = ShellComplete(cli, {}, "association-loader", "").get_completions(before, last)
    assert {each.value or f"{each.type} " for each in found} == completed


@pytest.mark.slow
def test_bash_completes(tmp_path: Path) -> None:
    script = """
        eval "$(_ASSOCIATION_LOADER_COMPLETE=bash_source association-loader)"
        compopt() { echo names of files; }
        COMP_WORDS=(association-loader load --existing mi) COMP_CWORD=3
        _association_loader_completion association-loader; echo "${COMPREPLY[@]}"
        COMP_WORDS=(association-loader load "") COMP_CWORD=2
        _association_loader_completion association-loader
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = run("bash", "-c", script, cwd=tmp_path, env={**os.environ, "PATH": path})
    assert (done.stdout.splitlines(), done.stderr) == (["mirror", "names of files"], "")


@pytest.mark.slow_after(2)
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
    done = run(sys.executable, *arguments, cwd=tmp_path, env={"PYTHONPATH": path})
    sentence = "the association loader needs Linux or macOS; on Windows, install it inside WSL (wsl --install)"
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.splitlines()[-1] == said.format(sentence)
    assert ("Traceback" in done.stderr) == (code == 1)


@pytest.mark.slow
def test_the_installed_command_finds_its_package(tmp_path: Path) -> None:
    """Its entry lies beside the package and looks for it by a file in it, which may move."""
    (tmp_path / "loader.py").write_text("raise SystemExit('theirs')\n")
    entry = Path(__file__).parents[2] / "loader" / "association_loader.py"
    (tmp_path / "association_loader.py").write_text(entry.read_text())
    words = ("-c", "import association_loader; association_loader.main()", "explain", "CONFLICT")
    done = run(sys.executable, *words, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(entry.parents[1])})
    assert (done.returncode, done.stderr) == (0, "")
