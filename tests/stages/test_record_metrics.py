"""The metrics file: a form that Prometheus reads, whole at any moment, readable by its exporter."""

import re
from pathlib import Path
from typing import Any

import pytest

from loader.errors import RecordError, UsageError
from loader.events import Finished, Progress
from loader.settings import Rate
from loader.show.metrics import SECONDS_BETWEEN_WRITES, MetricsFile

SAMPLE = re.compile(r'association_loader_[a-z0-9_]+\{job_name="[^"]*"(,[a-z]+="[^"]*")*\} [0-9.e+-]+')


class Time:
    """A clock that stands still until it is moved."""

    now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def progress(created: int) -> Progress:
    """Return how far a run of ten rows is."""
    return Progress(
        total=10, created=created, replaced=0, unchanged=0, failed=1, rejected=2, pending=7 - created,
        requests=created + 3, retried=2, rate_limited=1, daily_left=None, rate=Rate(190, 10), achieved=1.0,
        paused=0, seconds_left=None,
    )  # fmt: skip


def finished(exit_code: int) -> Finished:
    """Return the end of a run."""
    summary: dict[str, Any] = {
        "rows": {"total": 10, "created": 7, "replaced": 0, "unchanged": 0, "failed": 1, "rejected": 2, "pending": 0},
        "requests": {"sent": 12, "retried": 2, "rate_limited": 1, "by_status": {"200": 7, "400": 1, "429": 1}},
        "rate": {"limit": "190/10", "achieved_per_second": 1.0},
        "seconds": 12.5,
        "exit_code": exit_code,
    }
    return Finished(summary, "a.results.csv", None)


def read(path: Path) -> dict[str, float]:
    """Return the samples by their names and labels; every line must be one, or HELP or TYPE before its metric."""
    found, typed = {}, set()
    for line in path.read_text().splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name not in typed
            assert kind in {"gauge", "counter"}
            typed.add(name)
        elif not line.startswith("# HELP "):
            assert SAMPLE.fullmatch(line), line
            assert line.partition("{")[0] in typed
            name, value = line.rsplit(" ", 1)
            found[name.removeprefix("association_loader_")] = float(value)
    return found


def test_the_end_says_everything(tmp_path: Path) -> None:
    """Rows and answers by status, the limit, the time, the exit code; the job is the file's own name."""
    path = tmp_path / "nightly.prom"
    MetricsFile(path, wall=lambda: 1_700_000_000.0)(finished(0))
    job = 'job_name="nightly"'
    assert read(path) == {
        f'rows{{{job},status="created"}}': 7, f'rows{{{job},status="replaced"}}': 0,
        f'rows{{{job},status="unchanged"}}': 0,
        f'rows{{{job},status="failed"}}': 1, f'rows{{{job},status="rejected"}}': 2,
        f'rows{{{job},status="pending"}}': 0,
        f"requests_total{{{job}}}": 12, f'answers_total{{{job},status="200"}}': 7,
        f'answers_total{{{job},status="400"}}': 1, f'answers_total{{{job},status="429"}}': 1,
        f"retries_total{{{job}}}": 2, f"rate_limited_total{{{job}}}": 1, f"rate_limit_per_second{{{job}}}": 19,
        f"seconds{{{job}}}": 12.5, f"running{{{job}}}": 0, f"exit_code{{{job}}}": 0,
        f"last_end_timestamp_seconds{{{job}}}": 1.7e9, f"last_success_timestamp_seconds{{{job}}}": 1.7e9,
    }  # fmt: skip
    assert path.stat().st_mode & 0o044 == 0o044 & ~_umask()
    assert [each.name for each in tmp_path.iterdir()] == ["nightly.prom"]


def _umask() -> int:
    import os  # noqa: PLC0415

    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_progress_is_written_every_few_seconds(tmp_path: Path) -> None:
    path, clock = tmp_path / "a.prom", Time()
    metrics = MetricsFile(path, clock=clock)
    for created in range(3):
        metrics(progress(created))
    assert read(path)['rows{job_name="a",status="created"}'] == 0
    clock.now += SECONDS_BETWEEN_WRITES
    metrics(progress(5))
    assert read(path)['rows{job_name="a",status="created"}'] == 5
    assert read(path)['running{job_name="a"}'] == 1


def test_the_last_success_outlives_runs_that_fail(tmp_path: Path) -> None:
    """An alert asks how long ago it was; it is no success when a row failed."""
    path = tmp_path / "a.prom"
    MetricsFile(path, wall=lambda: 1000.0)(finished(0))
    MetricsFile(path, wall=lambda: 2000.0)(finished(1))
    MetricsFile(path, wall=lambda: 3000.0).end(2)
    found = read(path)
    assert found['last_success_timestamp_seconds{job_name="a"}'] == 1000
    assert found['last_end_timestamp_seconds{job_name="a"}'] == 3000
    assert found['exit_code{job_name="a"}'] == 2


def test_a_damaged_file_of_ours_is_no_last_success(tmp_path: Path) -> None:
    path = tmp_path / "a.prom"
    MetricsFile(path).end(0)
    path.write_bytes(path.read_bytes() + b"\xff\xfe")
    MetricsFile(path).end(1)
    assert 'last_success_timestamp_seconds{job_name="a"}' not in read(path)


def test_a_link_or_a_folder_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    """As for every other output."""
    (tmp_path / "link.prom").symlink_to(tmp_path / "x")
    for name in ("link.prom", ".", "nowhere/a.prom"):
        with pytest.raises(UsageError):
            MetricsFile(tmp_path / name)


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    """The caller goes on without the file."""
    (tmp_path / "folder").mkdir()
    metrics = MetricsFile(tmp_path / "folder" / "a.prom")
    (tmp_path / "folder").rmdir()
    with pytest.raises(RecordError):
        metrics.end(0)
