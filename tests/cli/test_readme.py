"""The README and the pages under samples/ tell the truth: the option table is the command line's, the links lead
somewhere, and what is shown is what comes out.

`.venv/bin/python tests/cli/test_readme.py` writes the table of options anew.
"""

import io
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from loader.cli import cli, run
from loader.options import GROUPS
from loader.sandbox import Sandbox, SandboxThread
from tests.benchmarks.__main__ import keep

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
SKILL = ROOT / "samples" / "agents" / "SKILL.md"
PAGES = [README, *sorted((ROOT / "samples").glob("**/README.md")), SKILL]
OPTIONS = ROOT / "samples" / "options" / "README.md"
TABLE = re.compile(r"(?<=<!-- options -->\n).*?(?=<!-- end of options -->)", re.DOTALL)
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
LINK = re.compile(r"\]\(([^)#]*)(?:#([^)]*))?\)")

NOT_HERE = ("make ", "git clone", "source ", "export ", "association-loader sandbox", "pipx ", "uv ", "docker ",
            "association-loader fleet ", "dask ", "kubectl ")  # fmt: skip
"""What a test cannot or need not type: each that needs no other machine has a test of its own."""

# What differs from run to run: times, rates, the sandbox's correlation ids, the width of a terminal.
CHANGING = re.compile(
    r"in [0-9:]+ \(([0-9.]+ per second, )?limit [0-9./]+\)|One by one \(default\): [^.]+|"
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)


class Shown(NamedTuple):
    """A command of a page and the lines shown under it."""

    command: str
    lines: tuple[str, ...]


def shown(page: Path) -> list[Shown]:
    """Return the commands of all console blocks, in order; `…` stands for lines left out."""
    found = []
    for block in BLOCK.findall(page.read_text("utf-8")):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.replace("\\\n", "").partition("\n")
            found.append(Shown(command, tuple(line for line in output.splitlines() if line.strip() not in ("", "…"))))
    return found


def option_table() -> str:
    """Return the table of every option of every command, from the command line itself."""
    options: dict[str, tuple[click.Option, list[str]]] = {}
    for name, command in sorted(cli.commands.items(), key=lambda item: (item[0] != "load", item[0])):
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                group = next((each for each in GROUPS if option.name in GROUPS[each] and name != "sandbox"), "Sandbox")
                key = f"{_spelled(option)}\n{option.help}"
                options.setdefault(f"{group}\n{key}", (option, []))[1].append(name)
    lines = []
    for group in [*GROUPS, "Sandbox"]:
        lines += [f"## {group}\n", "| Option | Command | What it does |", "|---|---|---|"]
        found = [options[key] for key in options if key.partition("\n")[0] == group]
        lines += [f"| `{_spelled(option)}` | {', '.join(commands)} | {_said(option)} |" for option, commands in found]
        lines.append("")
    return "\n".join(lines)


def _spelled(option: click.Option) -> str:
    if option.is_flag:
        return option.opts[0]
    kind = option.type
    value = option.metavar or ("|".join(kind.choices) if isinstance(kind, click.Choice) else None)
    return f"{option.opts[0]} {value or ('PATH' if isinstance(kind, click.Path) else 'N')}".replace("|", "\\|")


def _said(option: click.Option) -> str:
    default = f"Default: {option.default}." if option.show_default and option.default is not None else ""
    return f"{option.help or ''} {default}".strip().replace("|", "\\|")


def of_all_pages() -> str:
    """Return the text of all pages."""
    return "\n".join(page.read_text("utf-8") for page in PAGES)


def name(page: Path) -> str:
    """Return a page's name within the repository."""
    return page.relative_to(ROOT).as_posix()


each_page = pytest.mark.parametrize("page", PAGES, ids=name)


@pytest.fixture
def portal() -> Iterator[Sandbox]:
    """The sandbox that the README tells people to start, without a rate limit to wait for; a new one for each page."""
    with SandboxThread(ROOT / "samples" / "portal.json", rate="off", answers="wrapped") as sandbox:
        yield sandbox


@pytest.fixture
def folder(tmp_path: Path, portal: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A reader's folder: the samples, and a shell in which the exports of the README were typed."""
    shutil.copytree(ROOT / "samples", tmp_path / "samples")
    for name in [*os.environ]:
        if name.startswith(("HUBSPOT_", "ASSOCIATION_LOADER_")) or name in ("COLUMNS", "FORCE_COLOR", "TERM"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("HUBSPOT_BASE_URL", portal.url)
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", "any")
    monkeypatch.setenv("ASSOCIATION_LOADER_RATE", "1000/1")
    monkeypatch.setenv("ASSOCIATION_LOADER_WAIT", "0")
    return tmp_path


def test_the_option_table_is_the_command_lines() -> None:
    """Every option is in the table with its own help, and none that is gone."""
    found = TABLE.search(OPTIONS.read_text("utf-8"))
    assert found, "the page has lost the marks around its option table"
    assert found[0] == option_table(), "write it anew with: python tests/cli/test_readme.py"


def test_every_option_is_under_one_heading_of_the_help() -> None:
    """But for the sandbox's, and what every command has."""
    grouped = [name for names in GROUPS.values() for name in names]
    commands = [command for name, command in cli.commands.items() if name != "sandbox"]
    options = {option.name for each in commands for option in each.params if isinstance(option, click.Option)}
    assert sorted(grouped) == sorted(str(name) for name in options), "put the option into loader.options.GROUPS"
    shown_help = io.StringIO()
    with redirect_stdout(shown_help):
        assert run(["load", "--help"]) == 0
    headings = re.findall(r"^(\w.*):$", shown_help.getvalue(), re.MULTILINE)
    assert headings == [*(each for each in GROUPS if each != "What is checked"), "Options"]


def test_every_option_named_in_the_text_exists() -> None:
    """No sentence speaks of an option that there is not."""
    known = {name for command in cli.commands.values() for option in command.params for name in option.opts}
    named = set(OPTION.findall(of_all_pages()))
    of_others = {"--quick", "--wheel", "--file", "--tag", "--rm", "--user", "--volume", "--env", "--time"}
    of_others |= {"--build-arg", "--from-file", "--filename", "--follow"}
    of_others |= {"--host", "--nthreads", "--nworkers", "--no-dashboard", "--local-directory"}
    assert named - known - {"--help", "--version"} <= of_others


def test_the_skill_begins_as_agents_expect_it() -> None:
    """With a name of small letters and a description, from which an agent decides whether it needs the rest."""
    found = re.match(r"---\nname: ([a-z0-9-]{1,64})\ndescription: ([^\n:]{1,1024})\n---\n", SKILL.read_text("utf-8"))
    assert found
    assert "association-loader" in found[2]


def test_every_place_named_in_the_text_is_there() -> None:
    """Whoever looks for a file or a folder of the source that a page names finds it."""
    places = set(re.findall(r"`((?:loader|samples|tests|\.ci)/[\w./-]+)`", of_all_pages()))
    assert places
    assert not {place for place in places if not (ROOT / place).exists()}


@each_page
def test_every_link_leads_to_a_page_and_a_heading(page: Path) -> None:
    """A reader who follows a link to another page of ours, or to a heading of one, gets there."""
    for path, heading in LINK.findall(page.read_text("utf-8")):
        if path.startswith("https://"):
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), path
        headings = re.findall(r"^#+ (.*)$", target.read_text("utf-8"), re.MULTILINE) if heading else []
        assert heading in ["", *(re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings)], path


def test_every_page_is_linked_from_the_readme() -> None:
    """A reader of the README finds every page."""
    linked = {(ROOT / path).resolve() for path, _ in LINK.findall(README.read_text("utf-8"))}
    assert set(PAGES) - {README} <= linked


@pytest.mark.slow_after(4)
@each_page
def test_every_command_shown_prints_what_is_shown(page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Typed one after the other, a page's commands print the lines shown under them, in that order."""
    monkeypatch.chdir(folder)
    for command, lines in shown(page):
        if command.startswith(NOT_HERE):
            continue
        program, *words = shlex.split(command)
        assert program == "association-loader", f"{command}: who runs it?"
        # One stream, as on a terminal, so that what is printed stands in its order.
        printed = io.StringIO()
        with redirect_stdout(printed), redirect_stderr(printed):
            code = run(words)
        codes = (2,) if lines and lines[0].startswith("association-loader: ") else (0, 1)
        assert code in codes, f"{command}\n{printed.getvalue()}"
        _assert_shown(lines, printed.getvalue(), command)


@pytest.mark.slow
def test_the_sandbox_says_what_is_shown(folder: Path) -> None:
    """The sandboxes of the pages start and say how to reach them, but for the port and the seed."""
    starts = {each for page in PAGES for each in shown(page) if each.command.startswith("association-loader sandbox")}
    changing = re.compile(r"127\.0\.0\.1:\d+|seed \d+")
    for command, lines in starts:
        words = [*shlex.split(command), "--port", "0"]
        with subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            said = [process.stdout.readline() for _ in lines]
            process.terminate()
            assert process.wait(5) == 0
        assert [changing.sub("~", line).strip() for line in said] == [changing.sub("~", line) for line in lines]


def test_the_python_examples_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each example in Python works as it is."""
    monkeypatch.chdir(folder)
    examples = PYTHON.findall(of_all_pages())
    assert examples
    for example in examples:
        (folder / "example.py").write_text(example)
        runpy.run_path("example.py", run_name="__main__")


def test_the_benchmark_writes_its_table_between_the_marks(tmp_path: Path) -> None:
    """`BENCHMARK_OUTPUT=README.md` replaces the figures and nothing else; any other file becomes the table."""
    readme, other = tmp_path / "README.md", tmp_path / "table.md"
    shutil.copy(README, readme)
    keep("| none |\n", readme)
    keep("| none |\n", other)
    before, figures, after = re.split(
        r"(?<=<!-- figures -->\n)(.*?)(?=<!-- end of figures -->)", README.read_text("utf-8"), flags=re.DOTALL
    )
    assert "| Figure | must | aim | median | spread |" in figures
    assert readme.read_text("utf-8") == f"{before}| none |\n{after}"
    assert other.read_text("utf-8") == "| none |\n"


def _assert_shown(lines: tuple[str, ...], output: str, command: str) -> None:
    printed = iter([_steady(line) for line in output.splitlines()])
    for line in lines:
        assert any(_steady(line) == other for other in printed), f"$ {command}\nno longer prints: {line}\n\n{output}"


def _steady(line: str) -> str:
    return CHANGING.sub("~", line).strip()


def test_how_it_is_built_names_files_and_places_that_are_there() -> None:
    """`a/file.py` (`a_name`): both exist, so that a stranger finds what to open."""
    built = README.read_text("utf-8").partition("## How it is built")[2]
    places = re.findall(r"`((?:loader|tests|samples)/[\w/.]*)`(?: \(([^)]*)\))?", built)
    assert len(places) > 50
    for path, names in places:
        assert (ROOT / path).exists(), path
        for name in re.findall(r"`(\w+)`", names) if path.endswith(".py") else ():
            assert re.search(rf"\b{name}\b", (ROOT / path).read_text("utf-8")), f"{path} has no {name}"


if __name__ == "__main__":
    OPTIONS.write_text(TABLE.sub(lambda _: option_table(), OPTIONS.read_text("utf-8")), "utf-8")
