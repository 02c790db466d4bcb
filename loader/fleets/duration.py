"""The estimated duration of a portal's jobs: the longest is to begin first."""

import math
from glob import glob
from pathlib import Path

from loader.fetch import is_address
from loader.fleets.description import FleetPortal, Job
from loader.fleets.lease import Work
from loader.planning.cost import costs, method_for
from loader.send.limiter import START_RATE

BYTES_OF_ROW = 40
"""Bytes of a row: two ids and a short label."""


def expected_seconds(portal: FleetPortal, work: Work | None) -> float:
    """Return the estimated duration of a portal's jobs; infinite if it is not known.

    `work` has the rows of its last run; without, they are estimated by the size of its files.
    """
    rows = {job.job: job.rows for job in work.jobs} if work else {}
    return sum(_seconds(job, rows.get(job.name) or _rows_of(job)) for job in portal.jobs)


def _seconds(job: Job, rows: int) -> float:
    if not rows:
        return math.inf
    by_method = costs(rows, rows, job.rate or START_RATE, None)
    return by_method[method_for(job.method, by_method)].seconds


def _rows_of(job: Job) -> int:
    """Return the estimated number of rows of a job's inputs, 0 if one of them is not a file of this machine."""
    if any(is_address(path) or path == "-" for path in job.inputs):
        return 0
    found = (name for path in job.inputs for name in ([path] if Path(path).exists() else glob(path)))  # noqa: PTH207
    named = [Path(name) for name in found]
    files = [file for path in named for file in (path.iterdir() if path.is_dir() else [path])]
    return sum(file.stat().st_size for file in files if file.is_file()) // BYTES_OF_ROW
