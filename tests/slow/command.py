"""The command as a process of its own, in a folder and in front of a sandbox."""

import os
import subprocess
import sys
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
