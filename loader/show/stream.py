"""Events for machines: JSON lines on standard output, and a log file."""

import json
import os
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from msgspec import Struct, structs

from loader.errors import UsageError
from loader.events import (
    Event,
    Exported,
    Exporting,
    Finished,
    FleetFinished,
    LookingUp,
    Portal,
    Progress,
    Reading,
    Undoing,
    Undone,
    Verified,
    Verifying,
    Waiting,
)
from loader.files import open_private, writing
from loader.text import visible_json

SECONDS_BETWEEN_PROGRESS = 1.0


ENDINGS: Mapping[type, tuple[str, ...]] = {
    Finished: ("stopped", "results", "failures"),
    Verified: ("stopped", "results"),
    Undone: ("stopped", "results"),
    Exported: ("stopped",),
    FleetFinished: ("stopped", "results", "report"),
}
"""The events that become the summary, the last object, and the names of their other fields in it."""


def as_object(event: Event) -> dict[str, Any]:
    """Return an event as JSON can hold it: `event` is its name in lower case, or `summary`."""
    if isinstance(event, Finished | Verified | Undone | Exported | FleetFinished):
        return {"event": "summary", **{name: getattr(event, name) for name in ENDINGS[type(event)]}, **event.summary}
    return {"event": type(event).__name__.lower(), **_plain(event)}


def _plain(value: Any) -> Any:
    """Return a value with every struct, dataclass and named tuple in it as a mapping."""
    if isinstance(value, Struct):
        return _plain(structs.asdict(value))
    if is_dataclass(value) and not isinstance(value, type):
        return _plain({field.name: getattr(value, field.name) for field in fields(value)})
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _plain(value._asdict())
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


class Throttle:
    """Lets one event of progress pass every `seconds`; every other event passes."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last: dict[object, datetime] = {}

    def passes(self, event: Event, now: datetime) -> bool:
        """Return True if this event is to be written."""
        if not isinstance(event, Progress | Reading | Waiting | LookingUp | Verifying | Undoing | Exporting | Portal):
            return True
        # Each portal of a fleet, and each of its states, counts separately.
        what = (event.profile, event.state) if isinstance(event, Portal) else type(event)
        last = self._last.get(what)
        if last is not None and (now - last).total_seconds() < self._seconds:
            return False
        self._last[what] = now
        return True


class JsonStream:
    """One JSON object a line for each event; the last one is the summary: later notes are left out."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._throttle = Throttle(SECONDS_BETWEEN_PROGRESS)
        self._is_summed_up = False

    def __call__(self, event: Event) -> None:
        if not self._is_summed_up and self._throttle.passes(event, datetime.now(UTC)):
            self._is_summed_up = isinstance(event, Finished | Verified | Undone | Exported | FleetFinished)
            # Plain ASCII, which can be written in any encoding of standard output, whatever a file's name has.
            self._file.write(json.dumps(as_object(event)) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Leave the file open: it is not ours."""


class LogFile:
    """One JSON object a line with the time, appended to a file that only its owner may read."""

    def __init__(self, path: Path) -> None:
        try:
            descriptor = open_private(path)
        except OSError as error:
            raise UsageError(f"--log-file {path} cannot be written ({error.strerror})") from error
        os.lseek(descriptor, 0, os.SEEK_END)
        self._path = path
        self._file = os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace")
        self._throttle = Throttle(30.0)

    def __call__(self, event: Event) -> None:
        now = datetime.now(UTC)
        if self._throttle.passes(event, now):
            line = {"at": now.isoformat(timespec="milliseconds"), **as_object(event)}
            with writing(self._path):
                self._file.write(visible_json(json.dumps(line, ensure_ascii=False)) + "\n")
                self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
