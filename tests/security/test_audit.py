"""Dependencies: few, named by version, audited; nothing runs at import but imports (items 15, 19 and 20)."""

import json
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.security.audit import audit
from tests.slow.command import run

ROOT = Path(__file__).parents[2]

HARMLESS = {"name": "aiohttp", "version": "3.14.0", "vulns": []}
BAD = {
    "name": "pyarrow",
    "version": "14.0.0",
    "vulns": [{"id": "PYSEC-2023-238", "aliases": ["CVE-2023-47248"], "fix_versions": ["14.0.1"]}],
}
OLD_PIP = {"name": "pip", "version": "23.2.1", "vulns": [{"id": "CVE-1", "fix_versions": []}]}
UNKNOWN = {"name": "rich", "skip_reason": "Dependency not found"}
OURSELVES = {"name": "association-loader", "skip_reason": "not on an index"}


def audited(*packages: Mapping[str, Any], required: bool = False) -> tuple[str, int]:
    lines, exit_code = audit(lambda _: {"dependencies": [OURSELVES, *packages]}, required=required)
    return "\n".join(lines), exit_code


def test_a_known_vulnerability_fails_the_build_and_says_what_mends_it() -> None:
    text, exit_code = audited(HARMLESS, BAD)
    assert exit_code == 1
    assert "VULNERABLE: pyarrow 14.0.0: PYSEC-2023-238, CVE-2023-47248; mended in 14.0.1" in text


@pytest.mark.slow
def test_what_pip_audit_itself_writes_is_understood() -> None:
    """The report's form is its own, so it is written by its own code here."""
    from packaging.version import Version  # noqa: PLC0415 - a second that only this test pays
    from pip_audit._format import JsonFormat  # noqa: PLC0415
    from pip_audit._service import ResolvedDependency, SkippedDependency, VulnerabilityResult  # noqa: PLC0415

    version = Version("14.0.0")
    vulnerability = VulnerabilityResult(
        id="PYSEC-1", description="bad", fix_versions=[Version("14.0.1")], aliases={"CVE-9"}
    )
    result = {ResolvedDependency("pyarrow", version): [vulnerability], SkippedDependency("rich", "not there"): []}
    report = json.loads(JsonFormat(output_desc=False, output_aliases=True).format(result, []))
    lines, exit_code = audit(lambda _: report, required=False)
    assert exit_code == 1
    assert lines[0] == "audit: VULNERABLE: pyarrow 14.0.0: PYSEC-1, CVE-9; mended in 14.0.1"
    assert lines[1].endswith("not audited: rich")


def test_nothing_known_passes() -> None:
    assert audited(HARMLESS) == ("audit: 1 packages, no known vulnerabilities (pypi)", 0)


def test_a_package_that_the_database_does_not_know_is_named() -> None:
    """It passes, and nobody can take it for audited."""
    text, exit_code = audited(HARMLESS, UNKNOWN)
    assert exit_code == 0
    assert "not audited: rich" in text


def test_a_hole_in_pythons_own_pip_fails_no_build() -> None:
    """No change to this project can mend the pip of a Python."""
    text, exit_code = audited(HARMLESS, OLD_PIP)
    assert exit_code == 0
    assert "this Python's own pip 23.2.1: CVE-1; mended in no version yet" in text


@pytest.mark.parametrize(
    "report", [None, {"dependencies": [UNKNOWN]}], ids=["no answer", "an index without a database"]
)
def test_without_a_database_one_line_says_so_and_only_a_required_audit_fails(report: Mapping[str, Any] | None) -> None:
    """An index that mirrors packages and knows nothing of vulnerabilities is no database, however it answers."""
    asked: list[str] = []

    def ask(service: str) -> Mapping[str, Any] | None:
        asked.append(service)
        return report

    (line,), exit_code = audit(ask, required=False)
    assert line.startswith("audit: NOT DONE: no database")
    assert exit_code == 0
    assert asked == ["pypi", "osv"]
    assert audit(ask, required=True)[1] == 1


def test_the_second_database_is_asked_when_the_first_is_out_of_reach() -> None:
    lines, exit_code = audit(lambda service: {"dependencies": [BAD]} if service == "osv" else None, required=False)
    assert exit_code == 1
    assert lines[-1].endswith("(osv)")


def test_the_audit_is_a_part_of_ci() -> None:
    """By the target that people run, too; what it found is the build's own end."""
    assert {"make audit || audited=$?", 'exit "$audited"'} <= {
        line.partition("  #")[0] for line in (ROOT / ".ci/run").read_text().splitlines()
    }
    assert re.search(r"^audit:.*\n\t.*tests/security/audit\.py", (ROOT / "Makefile").read_text(), re.MULTILINE)


# --- what is depended on


def dependencies() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [*project["dependencies"]]


def test_the_loader_depends_on_few_packages_each_with_a_lowest_version() -> None:
    """Another one is a decision: every package is somebody else's code in a process that holds a token."""
    names = [re.split(r"[<>=]", line)[0] for line in dependencies()]
    expected = "aiohttp aiolimiter charset-normalizer click fsspec jinja2 msgspec numpy pandas pyarrow python-calamine"
    assert names == [*expected.split(), "rich", "uvloop", "xlrd"]
    assert all(">=" in line for line in dependencies())


def test_pyarrow_is_newer_than_its_known_holes() -> None:
    """CVE-2023-47248 (a Parquet file that runs code) and CVE-2026-25087."""
    (line,) = [each for each in dependencies() if each.startswith("pyarrow")]
    lowest = tuple(int(part) for part in line.partition(">=")[2].split(",")[0].split("."))
    assert lowest >= (23, 0, 1)


def test_nothing_names_where_packages_come_from() -> None:
    """No index, no address of a package, no lock file: whoever installs decides whom to trust."""
    text = (ROOT / "pyproject.toml").read_text() + (ROOT / "Makefile").read_text() + (ROOT / ".ci/run").read_text()
    assert not re.search(r"--?(extra-)?index|find-links|https?://| @ |latest", text)
    assert not [*ROOT.glob("*.lock"), *ROOT.glob("requirements*.txt")]


@pytest.mark.slow
def test_importing_the_loader_opens_and_starts_nothing() -> None:
    """Neither a socket, nor a process, nor a file for writing, nor a thread."""
    program = """
import sys, threading
allowed, before = [], threading.active_count()
def watch(event, given):
    if event in {"socket.connect", "socket.bind", "subprocess.Popen", "os.system", "os.exec", "os.remove", "os.rename"}:
        allowed.append(event)
    if event == "open" and isinstance(given[1], str) and set(given[1]) & set("wax+") and "__pycache__" not in given[0]:
        allowed.append(given)
sys.addaudithook(watch)
import loader, loader.cli, loader.api, loader.terminal, loader.run.load, loader.run.plan
print(allowed, threading.active_count() - before)
"""
    done = run(sys.executable, "-c", program, cwd=ROOT)
    assert done.stdout.strip() == "[] 0"
