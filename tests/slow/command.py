"""The command as a process of its own, in a folder and in front of a sandbox."""

import os
import random
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from loader.sandbox import Sandbox


def command(
    sandbox: Sandbox, folder: Path, *words: str, stderr: IO[bytes] | None = None, **environment: str
) -> "subprocess.Popen[bytes]":
    """Start it with these words."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HUBSPOT_", "ASSOCIATION_"))}
    given = {**kept, "HUBSPOT_BASE_URL": sandbox.url, "HUBSPOT_ACCESS_TOKEN": "any", **environment}
    return subprocess.Popen(
        [sys.executable, "-m", "loader", *words], cwd=folder, env=given, stdout=subprocess.DEVNULL, stderr=stderr
    )


def seed() -> int:
    """Return SEED of the environment, or a random number, and print it, so that a failed run can be repeated."""
    drawn = int(os.environ.get("SEED", random.randrange(10**6)))
    print(f"SEED={drawn}")
    return drawn


def run(*words: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    """Run a program to its end; what it writes is text."""
    return subprocess.run(
        [str(word) for word in words], cwd=cwd, env=env, capture_output=True, text=True, timeout=300, check=False
    )
