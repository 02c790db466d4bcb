"""The run's figures as a text file for Prometheus (its node exporter's textfile collector reads it)."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from loader.errors import UsageError
from loader.events import Event, Finished, Progress
from loader.files import remove_left_behind, replacing
from loader.model import STATUSES

SECONDS_BETWEEN_WRITES = 5.0

READABLE = 0o644
"""The exporter is another user, and the figures name no record."""

_NAME = "association_loader"
_BEGINNING = f"# HELP {_NAME}_".encode()
_LAST_SUCCESS = f"{_NAME}_last_success_timestamp_seconds"

_METRICS = {
    "rows": ("gauge", "Rows of the run by status."),
    "requests_total": ("counter", "Requests of the run, retries too."),
    "answers_total": ("counter", "Answers of the run by HTTP status."),
    "retries_total": ("counter", "Requests of the run that were sent again."),
    "rate_limited_total": ("counter", "Answers of 429 in the run."),
    "removals": ("gauge", "Associations that a mirror took off, and failed to, and the records exempt from it."),
    "rate_limit_per_second": ("gauge", "Requests per second that the limit allows."),
    "seconds": ("gauge", "Seconds that the run has been at work."),
    "running": ("gauge", "1 while a command is at work, else 0."),
    "exit_code": ("gauge", "Exit code of the last command that ended."),
    "last_end_timestamp_seconds": ("gauge", "When the last command ended, in seconds since 1970."),
    "last_success_timestamp_seconds": ("gauge", "When a command ended with exit code 0, in seconds since 1970."),
}


class _Sample(NamedTuple):
    metric: str
    labels: Mapping[str, str]
    value: float


class MetricsFile:
    """Writes the figures every few seconds and at the end, whole or not at all; `job` is the file's own name.

    The time of the last success is carried over from the file that is there.
    """

    def __init__(
        self, path: Path, *, clock: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        if path.is_symlink() or path.is_dir() or not path.parent.is_dir():
            raise UsageError(f"--metrics-file {path} is a link or a folder, or there is no folder {path.parent}")
        if not _is_metrics_file(path):
            raise UsageError(f"--metrics-file {path} exists, but no load wrote it: move it away, or give another file")
        remove_left_behind([path])
        self._path = path
        self._clock = clock
        self._wall = wall
        self._began = clock()
        self._written = float("-inf")
        self._samples: list[_Sample] = []
        self._last_success = _last_success(path)

    def __call__(self, event: Event) -> None:
        """Update the figures from an event, and write them every few seconds."""
        if isinstance(event, Progress):
            self._samples = list(_of_progress(event, self._clock() - self._began))
            if self._clock() - self._written >= SECONDS_BETWEEN_WRITES:
                self._write([_Sample("running", {}, 1)])
        elif isinstance(event, Finished):
            summary: Any = event.summary
            self._samples = list(_of_summary(summary))
            self.end(summary["exit_code"])

    def end(self, exit_code: int) -> None:
        """Write how the command ended."""
        if exit_code == 0:
            self._last_success = self._wall()
        ended = {"running": 0.0, "exit_code": exit_code, "last_end_timestamp_seconds": self._wall()}
        self._write([_Sample(name, {}, value) for name, value in ended.items()])

    def close(self) -> None:
        """Leave the file as it is."""

    def _write(self, more: list[_Sample]) -> None:
        self._written = self._clock()
        if self._last_success is not None:
            more = [*more, _Sample("last_success_timestamp_seconds", {}, self._last_success)]
        text = "".join(_lines([*self._samples, *more], self._path.name.removesuffix(".prom")))
        with replacing(self._path, mode=READABLE) as beside:
            beside.write(text.encode())


def _of_progress(event: Progress, seconds: float) -> Iterator[_Sample]:
    for status in (*STATUSES[event.verb], "rejected", "pending"):
        yield _Sample("rows", {"status": status}, getattr(event, status))
    yield _Sample("requests_total", {}, event.requests)
    yield _Sample("retries_total", {}, event.retried)
    yield _Sample("rate_limited_total", {}, event.rate_limited)
    yield _Sample("rate_limit_per_second", {}, event.rate.per_second)
    yield _Sample("seconds", {}, seconds)


def _of_summary(summary: Mapping[str, Any]) -> Iterator[_Sample]:
    for status, count in summary["rows"].items():
        if status != "total":
            yield _Sample("rows", {"status": status}, count)
    for what, count in summary.get("removals", {}).items():
        yield _Sample("removals", {"status": what}, count)
    requests = summary["requests"]
    yield _Sample("requests_total", {}, requests["sent"])
    for status, count in requests["by_status"].items():
        yield _Sample("answers_total", {"status": status}, count)
    yield _Sample("retries_total", {}, requests["retried"])
    yield _Sample("rate_limited_total", {}, requests["rate_limited"])
    allowed, _, window = summary["rate"]["limit"].partition("/")
    yield _Sample("rate_limit_per_second", {}, float(allowed) / float(window))
    yield _Sample("seconds", {}, summary["seconds"])


def _lines(samples: list[_Sample], job: str) -> Iterator[str]:
    """Yield the lines of the text format, each metric's together."""
    for name, (kind, described) in _METRICS.items():
        own = [sample for sample in samples if sample.metric == name]
        if own:
            yield f"# HELP {_NAME}_{name} {described}\n# TYPE {_NAME}_{name} {kind}\n"
        for sample in own:
            labels = ",".join(f'{key}="{_escaped(text)}"' for key, text in {"job_name": job, **sample.labels}.items())
            yield f"{_NAME}_{name}{{{labels}}} {sample.value:.15g}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _is_metrics_file(path: Path) -> bool:
    """Return True when a file may be written over: it is not there, empty, or one of ours."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        return file.read(len(_BEGINNING)) in (b"", _BEGINNING)
    return True


def _last_success(path: Path) -> float | None:
    with suppress(OSError, UnicodeDecodeError):
        found = re.search(rf"^{_LAST_SUCCESS}\{{.*\}} ([0-9.]+)$", path.read_text("utf-8"), re.MULTILINE)
        return float(found[1]) if found else None
    return None
