"""The run's figures as a text file for Prometheus (its node exporter's textfile collector reads it)."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from loader.errors import UsageError
from loader.events import Event, Finished, FleetFinished, Portal, Progress
from loader.files import remove_left_behind, replacing
from loader.model import STATUSES

SECONDS_BETWEEN_WRITES = 5.0

READABLE = 0o644
"""The file's mode: the exporter is another user, and the figures name no record."""

_NAME = "association_loader"
_BEGINNING = f"# HELP {_NAME}_".encode()
_LAST_SUCCESS = re.compile(
    rf"""^{_NAME}_(?:portal_)?last_success_timestamp_seconds\{{[^,]*(?:,profile="([^"\\]*)")?\}} ([0-9.]+)$""",
    re.MULTILINE,
)

_METRICS = {
    "rows": ("gauge", "Rows of the run by status."),
    "requests_total": ("counter", "Requests of the run, retries too."),
    "answers_total": ("counter", "Answers of the run by HTTP status."),
    "retries_total": ("counter", "Requests of the run that were sent again."),
    "rate_limited_total": ("counter", "Answers of 429 in the run."),
    "removals": ("gauge", "Associations that a mirror took off, and failed to, and the records exempt from it."),
    "rate_limit_per_second": ("gauge", "Requests per second that the limit allows."),
    "seconds": ("gauge", "Seconds that the run has been at work."),
    "portal_rows": ("gauge", "Rows of an account's jobs: done, failed or rejected, pending."),
    "portal_running": ("gauge", "1 while a worker is at work on an account, else 0."),
    "portal_exit_code": ("gauge", "Exit code with which an account of a fleet ended."),
    "portal_not_provable_rows": ("gauge", "Rows of an account of which it is not known who associated them."),
    "portal_last_success_timestamp_seconds": (
        "gauge",
        "When an account ended with exit code 0, in seconds since 1970.",
    ),
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
    """Writes the figures every few seconds and at the end, in one step; `job` is the file's own name.

    The times of the last successes are carried over from the file that is there.
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
        self._portals: dict[str, list[_Sample]] = {}
        self._last_success = _last_success(path)

    def __call__(self, event: Event) -> None:
        """Update the figures from an event, and write them every few seconds."""
        if isinstance(event, Progress):
            self._samples = list(_of_progress(event, self._clock() - self._began))
            self._write_now_and_then()
        elif isinstance(event, Portal):
            if event.state == "ended" and event.exit_code == 0:
                self._last_success[event.profile] = self._wall()
            self._portals[event.profile] = list(_of_portal(event, self._last_success.get(event.profile)))
            self._write_now_and_then()
        elif isinstance(event, Finished | FleetFinished):
            summary: Any = event.summary
            self._samples = list(_of_summary(summary)) if isinstance(event, Finished) else []
            self.end(summary["exit_code"])

    def end(self, exit_code: int) -> None:
        """Write how the command ended."""
        if exit_code == 0:
            self._last_success[""] = self._wall()
        ended = {"running": 0.0, "exit_code": exit_code, "last_end_timestamp_seconds": self._wall()}
        self._write([_Sample(name, {}, value) for name, value in ended.items()])

    def close(self) -> None:
        """Do nothing: the file stays."""

    def _write_now_and_then(self) -> None:
        if self._clock() - self._written >= SECONDS_BETWEEN_WRITES:
            self._write([_Sample("running", {}, 1)])

    def _write(self, more: list[_Sample]) -> None:
        self._written = self._clock()
        if "" in self._last_success:
            more = [*more, _Sample("last_success_timestamp_seconds", {}, self._last_success[""])]
        samples = [*self._samples, *chain.from_iterable(self._portals.values()), *more]
        text = "".join(_lines(samples, self._path.name.removesuffix(".prom")))
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


def _of_portal(portal: Portal, last_success: float | None) -> Iterator[_Sample]:
    labels, done = {"profile": portal.profile}, portal.done - portal.failed
    for status, count in (("done", done), ("failed", portal.failed), ("pending", portal.rows - portal.done)):
        yield _Sample("portal_rows", {**labels, "status": status}, count)
    yield _Sample("portal_running", labels, portal.state not in ("waiting", "quota", "ended"))
    yield _Sample("portal_not_provable_rows", labels, portal.not_provable)
    if portal.exit_code is not None:
        yield _Sample("portal_exit_code", labels, portal.exit_code)
    if last_success is not None:
        yield _Sample("portal_last_success_timestamp_seconds", labels, last_success)


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
    """Return True if a file may be replaced: it is not there, empty, or one of ours."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        return file.read(len(_BEGINNING)) in (b"", _BEGINNING)
    return True


def _last_success(path: Path) -> dict[str, float]:
    """Return the times of the last successes in a file, by profile; a blank one is for the whole run."""
    with suppress(OSError, UnicodeDecodeError):
        return {profile: float(moment) for profile, moment in _LAST_SUCCESS.findall(path.read_text("utf-8"))}
    return {}
