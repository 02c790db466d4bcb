"""A folder as samples/nightly/README.md describes it, and a sandbox to load it into."""

import os
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loader.sandbox import Sandbox
from loader.sandbox.fault_script import read_script
from loader.sandbox.faults import Faults

NIGHTLY = Path(__file__).parents[2] / "samples" / "nightly"


class Night:
    """One folder with last night's file: three sound rows and a wrong one, so that a finished load ends with 1.

    `association-loader` is a script that counts its calls and then runs the loader under test.
    """

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.folder = folder
        self.sandbox = sandbox
        job = (NIGHTLY / "job.toml").read_text("utf-8")
        (folder / "job.toml").write_text(f'rate = "9999/1"\n{job}')
        self.write("11,21\n12,22\n13,23\nx,24\n")
        self.command = folder / "association-loader"
        self.command.write_text(f'#!/bin/sh\necho called >> calls.txt\nexec {sys.executable} -m loader "$@"\n')
        self.command.chmod(0o755)

    def write(self, rows: str) -> None:
        """Put another night's file in place."""
        (self.folder / "contacts_companies.csv").write_text(f"from_id,to_id\n{rows}")

    def strike(self, faults: Sequence[dict[str, Any]]) -> None:
        """Let these faults strike from now on; none: the sandbox is sound again."""
        self.sandbox._faults = Faults(read_script(list(faults)), random.Random(0))

    def environment(self, **more: str) -> dict[str, str]:
        """Return a scheduler's environment: where the folder is, where the loader is, and the token."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ASSOCIATION_LOADER_")}
        return {
            **kept,
            "ASSOCIATIONS_FOLDER": str(self.folder),
            "ASSOCIATIONS_COMMAND": str(self.command),
            "HUBSPOT_BASE_URL": self.sandbox.url,
            "HUBSPOT_ACCESS_TOKEN": "any",
            **more,
        }

    def commands(self) -> int:
        """Return how often the loader was called."""
        calls = self.folder / "calls.txt"
        return len(calls.read_text().splitlines()) if calls.exists() else 0
