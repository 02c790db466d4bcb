"""The nightly load as a Prefect flow: exit 5 is tried again in an hour, what needs a person fails at once.

Serve it with `python prefect_flow.py`. The loader runs in a virtual environment of its own.
"""
# ruff: noqa: INP001 - a folder of samples is no package

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task

FOLDER = Path(os.environ.get("ASSOCIATIONS_FOLDER", "/srv/associations"))
COMMAND = os.environ.get("ASSOCIATIONS_COMMAND", str(FOLDER / ".venv/bin/association-loader"))


class NotFinishedError(RuntimeError):
    """The load stopped for now; the same command resumes where it stopped."""


class NeedsAPersonError(RuntimeError):
    """The same command would end in the same way: somebody has to look."""


def _not_finished(_task: Any, _run: Any, state: Any) -> bool:
    return isinstance(state.result(raise_on_failure=False), NotFinishedError)


@task(retries=20, retry_delay_seconds=3600, retry_condition_fn=_not_finished)
def load() -> int:
    """Run the load and return 0 or 1; both are a finished load."""
    code = subprocess.run([COMMAND, "load", "--config", "job.toml"], cwd=FOLDER, check=False).returncode  # noqa: S603
    if code in (2, 3, 4, 70):
        raise NeedsAPersonError(f"exit code {code}: see the log of the load")
    if code not in (0, 1):
        raise NotFinishedError(f"exit code {code}: the same command goes on")
    return code


@flow(name="hubspot-associations")
def hubspot_associations() -> int:
    """Load last night's files into HubSpot."""
    code = load()
    if code == 1:
        rows = json.loads((FOLDER / "nightly.summary.json").read_text("utf-8"))["rows"]
        get_run_logger().warning("some rows were not associated (%s): see %s/nightly.failures.csv", rows, FOLDER)
    return code


if __name__ == "__main__":
    hubspot_associations.serve(name="nightly", cron="30 2 * * *", limit=1)
