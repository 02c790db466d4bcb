"""The nightly load as an Airflow DAG: exit 5 is tried again in an hour, what needs a person fails at once.

The loader runs in a virtual environment of its own, so its packages and Airflow's cannot get into each other's way.
"""
# ruff: noqa: INP001 - a folder of samples is no package

import os
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

from airflow.exceptions import AirflowException, AirflowFailException
from airflow.sdk import dag, task

FOLDER = Path(os.environ.get("ASSOCIATIONS_FOLDER", "/srv/associations"))
COMMAND = os.environ.get("ASSOCIATIONS_COMMAND", str(FOLDER / ".venv/bin/association-loader"))

NEEDS_A_PERSON = {
    2: "the command or a file is wrong, nothing was sent",
    3: "HubSpot refuses the token or a permission",
    4: "too many rows failed",
    70: "a bug in the loader",
}


@dag(
    schedule="30 2 * * *",
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001 - Airflow reads it in its own time zone
    catchup=False,
    max_active_runs=1,
    tags=["hubspot"],
)
def hubspot_associations() -> None:
    """Load last night's files into HubSpot."""

    @task(retries=20, retry_delay=timedelta(hours=1), execution_timeout=timedelta(hours=6))
    def load() -> int:
        """Run the load; 0 and 1 are a finished load, and 1 is shown as such in the return value."""
        code = subprocess.run([COMMAND, "load", "--config", "job.toml"], cwd=FOLDER, check=False).returncode  # noqa: S603
        if code in NEEDS_A_PERSON:
            raise AirflowFailException(f"exit code {code}: {NEEDS_A_PERSON[code]}")
        if code not in (0, 1):
            raise AirflowException(f"exit code {code}: not finished, the same command goes on")
        return code

    load()


hubspot_associations()
