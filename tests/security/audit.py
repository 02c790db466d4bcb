"""Known vulnerabilities in what is installed; run by `make audit`.

Exit 1 for a known one. Without network there is no database to ask: that is said in one line, and nobody is held up,
unless AUDIT=required is in the environment, as it should be in a scheduled run.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

SERVICES = ("pypi", "osv")
"""Databases by pip-audit's names, asked in turn until one answers."""

SECONDS = 120

OURS = "association-loader"

BUNDLED = frozenset({"pip", "setuptools"})
"""Every virtual environment has these from its Python: they install the loader and are never part of a load."""


class Findings(NamedTuple):
    """What one database said: a sentence for each vulnerability, and how many packages it knows and does not know."""

    ours: list[str]
    bundled: list[str]
    known: int
    unknown: list[str]


def findings(report: Mapping[str, Any]) -> Findings:
    """Read the JSON report of pip-audit."""
    found = Findings([], [], 0, [])
    known = 0
    for package in report["dependencies"]:
        if package["name"] == OURS:
            continue
        if "skip_reason" in package:
            found.unknown.append(package["name"])
            continue
        known += 1
        place = found.bundled if package["name"] in BUNDLED else found.ours
        place.extend(_sentence(package, vulnerability) for vulnerability in package["vulns"])
    return found._replace(known=known)


def _sentence(package: Mapping[str, Any], vulnerability: Mapping[str, Any]) -> str:
    names = ", ".join([vulnerability["id"], *vulnerability.get("aliases", [])])
    versions = " or ".join(vulnerability["fix_versions"]) or "no version yet"
    return f"{package['name']} {package['version']}: {names}; mended in {versions}"


def ask(service: str) -> Mapping[str, Any] | None:
    """Return the report on the installed packages, None where the database cannot be reached."""
    command = [sys.executable, "-m", "pip_audit", "--local", "--format", "json", "--progress-spinner", "off"]
    try:
        done = subprocess.run(
            [*command, "--vulnerability-service", service, "--timeout", "15"],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        report = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        return None
    return report if isinstance(report, dict) and "dependencies" in report else None


def audit(ask: Callable[[str], Mapping[str, Any] | None], *, required: bool) -> tuple[list[str], int]:
    """Return what to say and the exit code, by the first database that knows any of the packages."""
    for service in SERVICES:
        report = ask(service)
        found = findings(report) if report is not None else None
        if found is not None and found.known:
            return _verdict(found, service)
    words = f"audit: NOT DONE: no database of known vulnerabilities is in reach ({' or '.join(SERVICES)})"
    return [f"{words}, and AUDIT=required" if required else f"{words}; run `make audit` where one is"], int(required)


def _verdict(found: Findings, service: str) -> tuple[list[str], int]:
    lines = [f"audit: VULNERABLE: {sentence}" for sentence in found.ours]
    lines += [f"audit: this Python's own {sentence}: renew the Python" for sentence in found.bundled]
    if found.unknown:
        lines.append(f"audit: not known to {service}, so not audited: {', '.join(found.unknown)}")
    count = len(found.ours) or "no"
    return [*lines, f"audit: {found.known} packages, {count} known vulnerabilities ({service})"], int(bool(found.ours))


def main() -> int:
    """Audit this environment."""
    lines, exit_code = audit(ask, required=os.environ.get("AUDIT") == "required")
    print(*lines, sep="\n", flush=True)
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
