"""The loader is installed as people install it, into empty environments, and completes in the real shells.

Needs the package index, and zsh and fish: see the Makefile.
"""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from loader.sandbox import Sandbox, SandboxThread
from loader.version import version

ROOT = Path(__file__).parents[2]
INSTALLERS = ROOT / ".venv" / "installers" / "bin"
CONTAINER = ROOT / "samples" / "container"


def ran(*words: str | Path, cwd: Path, **more: str) -> str:
    """Run a program in a clean environment, and return what it printed; fail where it fails."""
    own = ("PYTHONPATH", "VIRTUAL_ENV", "HUBSPOT_ACCESS_TOKEN", "HUBSPOT_BASE_URL")
    environment = {name: value for name, value in os.environ.items() if name not in own}
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env={**environment, **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository as git has it, so that nothing lies beside it that others do not have."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("pyproject.toml", "README.md", "loader"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built file."""
    folder = tmp_path_factory.mktemp("dist")
    ran(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder, cwd=checkout)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox HubSpot with the labels of the samples."""
    with SandboxThread(ROOT / "samples" / "portal.json", rate="off") as running:
        yield running


def test_the_wheel_loads_every_format_in_an_empty_environment(wheel: Path, tmp_path: Path, sandbox: Sandbox) -> None:
    """What pip brings with it is enough for all samples, the report and a call from Python; no test is installed."""
    python = tmp_path / "venv" / "bin" / "python"
    ran(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    ran(python, "-m", "pip", "install", "--quiet", wheel, cwd=tmp_path)
    ran(python, "-m", "pip", "check", cwd=tmp_path)
    command = python.with_name("association-loader")
    hubspot = {"HUBSPOT_ACCESS_TOKEN": "any", "HUBSPOT_BASE_URL": sandbox.url}
    assert version() in ran(command, "--version", cwd=tmp_path)
    samples = ROOT / "samples"
    for words in (
        "contacts_companies.csv --from contacts --to companies",
        "deals_contacts.xlsx --column object_id='Deal ID' --column to_object_id='Contact ID' --from deals --to 0-1",
        "tickets_companies.parquet",
    ):
        load = f'"{command}" load "{samples}"/{words} --results r.parquet --fresh --rate 9999/1; test $? = 1'
        ran("sh", "-c", load, cwd=tmp_path, **hubspot)
    assert "report.html" in ran(command, "report", "r.parquet", cwd=tmp_path)
    program = "import loader; print(loader.plan_sync('{}').rejected)".format(samples / "tickets_companies.parquet")
    assert int(ran(python, "-c", program, cwd=tmp_path, **hubspot)) > 0
    ran(python, "-c", "import importlib.util as u; assert u.find_spec('tests') is None", cwd=tmp_path)


@pytest.mark.parametrize("source", ["checkout", "wheel"])
@pytest.mark.parametrize("installer", ["pipx", "uv"])
def test_pipx_and_uv_make_it_a_command(
    installer: str, source: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """From the folder of the repository, and from the built file."""
    what: Path = request.getfixturevalue(source)
    commands = tmp_path / "bin"
    homes = {
        "pipx": {"PIPX_HOME": str(tmp_path / "home"), "PIPX_BIN_DIR": str(commands)},
        "uv": {"UV_TOOL_DIR": str(tmp_path / "home"), "UV_TOOL_BIN_DIR": str(commands)},
    }
    words = {"pipx": ["install"], "uv": ["tool", "install"]}[installer]
    python = ["--python", sys.executable]
    ran(INSTALLERS / installer, *words, *python, what, cwd=tmp_path, **homes[installer])
    assert version() in ran(commands / "association-loader", "--version", cwd=tmp_path)
    assert "CONFLICT" in ran(commands / "association-loader", "explain", "CONFLICT", cwd=tmp_path)


def _path() -> str:
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def test_zsh_completes(tmp_path: Path) -> None:
    """With the line of the page on installing, typed at a terminal."""
    terminal, other = pty.openpty()
    environment = {"PATH": _path(), "TERM": "xterm", "HOME": str(tmp_path)}
    with subprocess.Popen(
        ["zsh", "-f", "-i"], cwd=tmp_path, env=environment, stdin=other, stdout=other, stderr=other
    ) as shell:
        line = 'eval "$(_ASSOCIATION_LOADER_COMPLETE=zsh_source association-loader)"'
        os.write(terminal, f"autoload -Uz compinit; compinit -u; {line}; PS1='rea''dy> '\n".encode())
        _read_until(terminal, "ready> ")
        os.write(terminal, b"association-loader load --existing mirr\t")
        _read_until(terminal, "mirror")
        shell.kill()


def _read_until(terminal: int, text: str) -> None:
    """Read what is shown until a text is there."""
    seen, deadline = "", time.monotonic() + 60
    while text not in seen:
        assert time.monotonic() < deadline, seen
        if select.select([terminal], [], [], 1)[0]:
            seen += os.read(terminal, 1000).decode("utf-8", "replace")


def test_fish_completes(tmp_path: Path) -> None:
    """With the file of the page on installing."""
    completions = tmp_path / "fish" / "completions" / "association-loader.fish"
    completions.parent.mkdir(parents=True)
    source = ran("association-loader", cwd=tmp_path, PATH=_path(), _ASSOCIATION_LOADER_COMPLETE="fish_source")
    completions.write_text(source)
    (tmp_path / "rows.csv").write_text("")
    for typed, completed in (("lo", "load"), ("load --existing mi", "mirror"), ("load ro", "rows.csv")):
        script = f"complete --do-complete 'association-loader {typed}'"
        found = ran("fish", "--command", script, cwd=tmp_path, PATH=_path(), XDG_CONFIG_HOME=str(tmp_path))
        assert completed in [line.partition("\t")[0] for line in found.splitlines()], typed


def test_the_container_builds_where_there_is_an_engine(tmp_path: Path) -> None:
    """A linter finds nothing wrong; with an engine the image is built, and what runs in it is no root."""
    ran(INSTALLERS / "hadolint", CONTAINER / "Dockerfile", cwd=tmp_path)
    if subprocess.run(["sh", "-c", "docker info"], capture_output=True, check=False).returncode:
        print("NOT DONE: the image was not built, because no container engine answers")
        return
    ran("docker", "build", "--file", CONTAINER / "Dockerfile", "--tag", "association-loader-test", ".", cwd=ROOT)
    try:
        assert version() in ran("docker", "run", "--rm", "association-loader-test", "--version", cwd=tmp_path)
        user = ("docker", "run", "--rm", "--entrypoint", "id", "association-loader-test", "-u")
        assert ran(*user, cwd=tmp_path).strip() == "10001"
    finally:
        ran("docker", "image", "rm", "association-loader-test", cwd=tmp_path)
