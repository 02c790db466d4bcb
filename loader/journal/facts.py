"""What a journal knows of its run besides rows and outcomes: one record; each commit writes its changed fields."""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, get_type_hints

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from loader.model import AssociationType
from loader.settings import Rate

_BUCKET = "pace:"
"""The keys of the buckets of `Facts.pace` begin with it: there are hundreds, and a commit changes one or two."""


class RequestCounts(Struct, frozen=True, kw_only=True):
    """Requests of all commands of a run, answers by their HTTP status, and for how long the commands were sending."""

    sent: int = 0
    retried: int = 0
    rate_limited: int = 0
    by_status: Mapping[str, int] = field(default_factory=dict)
    sending_seconds: float = 0.0


class PastCommand(Struct, frozen=True, kw_only=True):
    """A command that worked on the run; `after_seconds` of sending it resumed the run, times are UTC, ISO 8601."""

    began_at: str
    after_seconds: float
    ended_at: str | None = None
    exit_code: int | None = None


class EndedEarly(Struct, frozen=True, kw_only=True):
    """Why the latest command ended early, in a sentence; category and HTTP status where an answer was the reason."""

    message: str
    category: str = ""
    http_status: int | None = None


class Written(Struct, frozen=True, kw_only=True):
    """How far a table is: its size in bytes, their CRC-32, and the number of the last line of each view."""

    size: int
    checksum: int
    outcomes: int
    rejected: int


class OutputTable(Struct, frozen=True, kw_only=True):
    """A table that this journal's commands write, by its file's name; a file with another name is not its own.

    `written` is None for a table that is to be written again from its beginning.
    """

    name: str
    written: Written | None = None


class Undo(Struct, frozen=True, kw_only=True):
    """An undo of the run; `finished_at` is None while something is left to do.

    `pairs` counts them by status, with those that are pending, once a command ended in an orderly way. `given_back`
    counts records that got back the primary record that they had before the run, `primaries` those that could not get
    it back, and `not_given_back` those of them whose request failed.
    """

    started_at: str
    finished_at: str | None = None
    pairs: Mapping[str, int] = field(default_factory=dict)
    given_back: int = 0
    not_given_back: int = 0
    primaries: int = 0


class Facts(Struct, frozen=True, kw_only=True):
    """What is known of a run. Times are UTC, ISO 8601; files are named relative to the journal's folder."""

    identity: Mapping[str, Any] = field(default_factory=dict)
    """The settings that decide what is sent and where (see `run.identity`)."""
    planned: bool = False
    """False if the portal refused the token before a plan was made."""
    portal_id: str | None = None
    time_zone: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    claimed: int = 0
    """The last pair that was claimed."""

    # Of the latest command:
    command: str | None = None
    folder: str | None = None
    exit_code: int | None = None
    stopped: EndedEarly | None = None
    next_command: str | None = None

    # Of all commands:
    commands: tuple[PastCommand, ...] = ()
    seconds: float = 0.0
    requests: RequestCounts = field(default_factory=RequestCounts)
    rate: Rate = Rate(100, 10.0)
    daily_left: int | None = None
    daily_limit: int | None = None
    pace_width: int = 1
    pace: Mapping[int, Any] = field(default_factory=dict)
    """Figures by stretches of `pace_width` seconds (see `show.pace`)."""

    outputs: Mapping[str, str] = field(default_factory=dict)
    """The run's files by their kind."""
    tables: Mapping[str, OutputTable] = field(default_factory=dict)
    kept_failures: tuple[str, ...] = ()
    """Failures files that the user had changed."""
    failures_written: tuple[str, ...] = ()
    """The SHA-256 sums of the failures file: two while a new one replaces the old."""
    failures_copied: str = ""
    """The sum of the failures file that `--copy-to` copied last."""
    undo: Undo | None = None

    labels: Mapping[str, str] = field(default_factory=dict)
    """Each type's label by its key, for a verification, a removal or an undo."""
    exact: bool = False
    """Of a verification: whether a pair may have nothing else."""
    sample: Mapping[str, int] | None = None
    """How a verification's sample was drawn."""
    removals_agreed: bool = False
    """It is known what a mirror takes off, and `--max-removals` allows it."""
    removals_done: bool = False
    """It has taken it off."""
    unlabelled: tuple[tuple[str, str, tuple[AssociationType, ...]], ...] = ()
    """The types that HubSpot adds to every pair of a direction."""
    label_columns: Mapping[str, str] = field(default_factory=dict)
    """The header of each input's label column, by the input's number."""
    copied: Mapping[str, Mapping[str, str | int]] = field(default_factory=dict)
    """What was known of each input that was copied from elsewhere, by number: `size` in bytes, `etag`, `modified`, or
    the text of a `query`.
    """
    taken_over: tuple[int, ...] = ()
    """For each time that another worker of a fleet took over from a lost one: how many rows were unchanged then, and
    how many associations gone. If more are found later, it is not known whether the lost worker changed them.
    """
    lease: int = 0
    """The number of the lease of the worker that stored the journal's file last (see `fleets.lease`)."""

    def changed(self, changes: Mapping[str, Any]) -> "Facts":
        """Return the facts with new values for some fields; for `pace`, only some buckets, None for deleted ones.

        Raises TypeError for a name that is no field.
        """
        if "pace" in changes:
            buckets = {**self.pace, **changes["pace"]}
            changes = {**changes, "pace": {place: each for place, each in buckets.items() if each is not None}}
        return replace(self, **changes)


def to_rows(changes: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return changes as the rows of the journal's table."""
    plain = {name: value for name, value in changes.items() if name != "pace"}
    plain |= {f"{_BUCKET}{place}": bucket for place, bucket in changes.get("pace", {}).items()}
    # Not by msgspec: half a surrogate pair, as a file's name may have, is not UTF-8, but JSON can escape it.
    return [(name, json.dumps(msgspec.to_builtins(value))) for name, value in plain.items()]


_type_hints = cache(get_type_hints)


def from_rows(rows: Iterable[tuple[str, str]]) -> Facts:
    """Return the facts that a table holds; ValueError for a value that cannot be one."""
    types, changes, pace = _type_hints(Facts), dict[str, Any](), dict[int, Any]()
    try:
        for name, text in rows:
            if name.startswith(_BUCKET):
                pace[int(name.removeprefix(_BUCKET))] = json.loads(text)
            elif name in types:
                changes[name] = msgspec.convert(json.loads(text), types[name])
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error
    return Facts().changed({**changes, "pace": pace})
