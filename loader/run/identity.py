"""The settings that identify a run, and what a command does about the run in its journal."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import datetime
from enum import Enum
from typing import Any

from loader.errors import JournalError, JournalMismatch, OtherFormat, RecordError, UsageError
from loader.journal import Journal, Undo
from loader.options.verbs import binding
from loader.read import Input
from loader.record.outputs import Outputs, is_of
from loader.run.next_command import finish_undo
from loader.settings import ConnectionSettings, InputSettings, SendSettings, Settings
from loader.text import counted


def identity(settings: Settings, inputs: Sequence[Input]) -> dict[str, Any]:
    """Return the settings that decide what is sent and where; others may change between start and resume.

    If a job's inputs are read in several ways, each option of reading has a list of values.
    """
    groups = [_bound(group) for group in settings.read]
    return {
        "verb": "remove" if settings.removes else "load",
        "inputs": [source.sha256 for source in inputs],
        **(groups[0] if len(groups) == 1 else {name: [group[name] for group in groups] for name in groups[0]}),
        **_bound(settings.send),
        **_bound(settings.connection),
    }


def _bound(part: InputSettings | SendSettings | ConnectionSettings) -> dict[str, Any]:
    """Return the settings that identify a run, from its journal."""
    found: dict[str, Any] = {}
    for field in fields(part):
        if field.name in binding():
            value = getattr(part, field.name)
            found[field.name] = dict(sorted(value.items())) if isinstance(value, Mapping) else value
            if isinstance(value, bool):  # A flag that an earlier version did not have was off.
                found[field.name] = "yes" if value else None
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """The run that a journal holds. `planned` is False when the portal refused the token before the plan was made.

    `results` and `failures` are its files, as the journal names them; `last_work` when a command last worked on it
    (UTC). `to_repeat` is True if rows failed for a reason after which it may help to send them again.
    """

    identity: Mapping[str, Any]
    planned: bool
    finished: bool
    started_at: str | None
    failures: str | None
    results: str | None = None
    portal_id: str | None = None
    time_zone: str | None = None
    to_repeat: bool = False
    names: tuple[str, ...] = ()
    undo: Undo | None = None
    last_work: datetime | None = None


def earlier_run(outputs: Outputs, *, fresh: bool = False) -> Earlier | None:
    """Return the run whose journal is beside the results, or None, without changes.

    Raises JournalError for a file that is not a journal, is damaged, or has an unfinished run of another version, and
    RecordError if it cannot be read from disk, unless a fresh run sets it aside anyway.
    """
    if not outputs.journal.exists():
        return None
    try:
        with Journal(outputs.journal, read_only=True) as journal:
            facts, last_work = journal.facts, journal.last_active_at()
            return Earlier(
                identity=facts.identity,
                results=facts.outputs.get("results"),
                portal_id=facts.portal_id,
                time_zone=facts.time_zone,
                planned=facts.planned,
                finished=journal.is_finished(),
                to_repeat=journal.failed_in_passing(),
                started_at=facts.started_at,
                names=tuple(_names(journal)),
                undo=facts.undo,
                failures=facts.outputs.get("failures"),
                last_work=datetime.fromisoformat(last_work) if last_work else None,
            )
    except OtherFormat as error:
        return None if fresh else _of_another_version(outputs, error)
    except (JournalError, RecordError, ValueError) as error:
        if fresh:
            return None
        if isinstance(error, RecordError):
            raise
        raise JournalError(
            f"{outputs.journal}: is not the journal of a load, or is damaged: move it away, or start over with "
            "--fresh, "
            "which sets it aside; rows that were already associated are then sent once more, which changes nothing"
        ) from error


def _names(journal: Journal) -> Iterator[str]:
    """Yield the inputs' names; for a query also what may have changed."""
    for number, source in enumerate(journal.inputs(), 1):
        is_query = "query" in journal.facts.copied.get(str(number), ())
        yield f"{source['path']}{' (the query or its rows)' * is_query}"


def _of_another_version(outputs: Outputs, error: OtherFormat) -> Earlier:
    """Return a finished run of another version, from its summary: it will be set aside. Raises JournalError."""
    summary: Any = None
    with suppress(OSError, ValueError):
        summary = json.loads(outputs.summary.read_text("utf-8"))
    rows = summary.get("rows") if isinstance(summary, dict) else None
    if not isinstance(rows, dict) or rows.get("pending") != 0:
        raise JournalError(
            f"{outputs.journal} holds a run that is not finished, and another version of the loader wrote it: continue "
            "with that version, or start over with --fresh (its files are kept under another name)"
        ) from error
    return Earlier(
        identity={},
        planned=True,
        finished=True,
        started_at=summary.get("started_at"),
        failures=outputs.names()["failures"],
    )


class Decision(Enum):
    """Begin a new run, setting an earlier one's files aside, or resume the run that is there.

    `REPLACE` is NEW with an unfinished run: its pending rows will never be sent.
    """

    NEW = "new"
    RESUME = "resume"
    REPLACE = "replace"


def decide(
    earlier: Earlier | None, bound: Mapping[str, Any], settings: Settings, outputs: Outputs, now: datetime
) -> Decision:
    """Return what a command with the identity `bound` does about the run that is there.

    Raises JournalMismatch if there is an unfinished run with another identity, and UsageError if no journal says which
    run wrote the results.
    """
    if earlier is not None and earlier.results and not is_of(outputs.results, earlier.results):
        raise JournalMismatch(
            f"{outputs.journal} is the journal of {earlier.results}, not of {outputs.results}: give another --journal"
        )
    if settings.fresh:
        return Decision.NEW
    if earlier is None:
        if outputs.results.exists():
            raise UsageError(
                f"{outputs.results} exists, and no journal beside it says that a load wrote it: move it away, give "
                "another --results, name its journal with --journal, or start over with --fresh, which keeps it under "
                "another name"
            )
        return Decision.NEW
    differences = different(earlier, bound, settings.connection.portal_id)
    if earlier.undo is not None:
        if differences:
            return Decision.NEW
        raise _taken_back(outputs, earlier.undo, earlier.identity)
    if not differences:
        anew = not earlier.planned or (not settings.retry_failed and is_due_again(earlier, settings.again, now))
        return Decision.NEW if anew else Decision.RESUME
    if earlier.finished and not settings.retry_failed:
        return Decision.NEW
    if settings.again is not None and not settings.retry_failed and list(differences) == ["inputs"]:
        return Decision.REPLACE
    raise JournalMismatch(_other_load(outputs, earlier, differences))


def _other_load(outputs: Outputs, earlier: Earlier, differences: Mapping[str, str]) -> str:
    """Return why this command does not continue the run that is there."""
    unfinished = "" if earlier.finished else ", which did not finish"
    if list(differences) == ["inputs"]:
        return f"{differences['inputs']}{unfinished}. Put it back, or start over with --fresh."
    return (
        f"{outputs.results} belongs to a load with other settings{unfinished}: {'; '.join(differences.values())}. "
        "Run it with its own settings, or start over with --fresh."
    )


def is_due_again(earlier: Earlier, again: float | None, now: datetime) -> bool:
    """Return True when a run is finished, and ended longer ago than `again` seconds."""
    if again is None or not earlier.finished or earlier.last_work is None:
        return False
    return (now - earlier.last_work).total_seconds() > again


def _taken_back(outputs: Outputs, undo: Undo, bound: Mapping[str, Any]) -> JournalMismatch:
    """Return the error for a run that was taken back: it is neither resumed nor counted as finished."""
    if undo.finished_at is None:
        finish = finish_undo(str(outputs.results), bound, outputs.journal)
        return JournalMismatch(
            f"{outputs.results}: the undo of this run is not finished: finish it with {finish}, or start over with "
            "--fresh"
        )
    return JournalMismatch(
        f"{outputs.results}: this run was undone on {undo.finished_at[:10]}: to start over, add --fresh"
    )


def different(earlier: Earlier, now: Mapping[str, Any], portal_id: str | None) -> dict[str, str]:
    """Return the differences in identity between the earlier run and this command, in words."""
    words: dict[str, str] = {}
    for key, value in now.items():
        before = earlier.identity.get(key)
        if before == value or (key == "profile" and not (before and value)):
            continue  # Without a profile, any token of the same HubSpot account continues the run.
        if key == "verb":
            words[key] = "it takes associations off" if before == "remove" else "it loads associations"
        elif key == "inputs":
            words[key] = _other_content(earlier, value)
        else:
            words[key] = f"{binding()[key].word} was {_shown(before)}, now {_shown(value)}"
    if portal_id and earlier.portal_id and portal_id != earlier.portal_id:
        words["portal_id"] = f"--portal-id was {earlier.portal_id}, now {portal_id}"
    return words


def _other_content(earlier: Earlier, now: Sequence[str]) -> str:
    before: Sequence[str] = earlier.identity.get("inputs") or ()
    if not before:
        return "another version of the loader wrote it"
    if len(before) != len(now):
        return (
            f"{counted(len(now), 'file')} given now, but {len(before)} ({', '.join(earlier.names)}) were given to "
            "the last load"
        )
    changed = [name for name, old, new in zip(earlier.names, before, now, strict=True) if old != new]
    return (
        f"{', '.join(changed)} has changed since its last load"
        if len(changed) == 1
        else (f"{', '.join(changed)} have changed since their last load")
    )


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{field}={header}" for field, header in value.items()) or "not given"
    if isinstance(value, list):
        return " | ".join(map(_shown, value))
    return "not given" if value is None else str(value)
