"""Events: what happened, as frozen values. The screen, the JSON stream and the log file are listeners.

An annotation adds to the JSON Schema of the events what the type alone does not say.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Annotated, Any, NamedTuple

from msgspec import Struct, field

from loader.model import STATUSES, TAKEN_BACK, Understood
from loader.settings import Rate


class _Fields:
    """The fields of a struct as those of a dataclass, made when a caller's program asks for them."""

    def __get__(self, instance: object, owner: type[Struct]) -> "dict[str, dataclasses.Field[Any]]":
        same = dataclasses.make_dataclass(owner.__name__, owner.__struct_fields__)
        return {each.name: each for each in dataclasses.fields(same)}


class Value(Struct, frozen=True):
    """A struct that pandas and the functions of `dataclasses` take for a dataclass, which costs more to define."""

    __dataclass_fields__ = _Fields()


class Constraint(Struct, frozen=True, eq=False):
    """What the JSON Schema requires of a value besides its type."""

    keywords: Mapping[str, Any]


def one_of(words: Iterable[str]) -> Constraint:
    """Require that a text is one of these words."""
    return Constraint({"enum": list(words)})


def keys(*alternatives: Sequence[str]) -> Constraint:
    """Require that an object has exactly these keys; with several alternatives, the keys of one."""
    return Constraint(
        {"anyOf": [{"required": list(each), "propertyNames": {"enum": list(each)}} for each in alternatives]}
    )


ROWS = [("total", *statuses, "rejected", "pending") for statuses in STATUSES.values()]
"""The counts of a run's rows, for each verb (see `loader.journal.Counts.rows`)."""

REMOVALS = ("removed", "failed", "exempt_records")

EXPORTED = ("records", "unread", "rejected", "pairs", "lines")

UNDONE = [tuple(each for each in (*TAKEN_BACK, "pending") if each != never) for never in ("restored", "removed", "")]
"""The counts of an undo's pairs: what the run did not do cannot be taken back."""

METHODS = [("put", "batch"), ("archive",)]
"""How a load may send its pairs, and how a removal does."""


class Reading(Value, frozen=True):
    """Progress of reading: how many records of an input have been read so far."""

    input: str
    records: int


class Waiting(Value, frozen=True):
    """What a command is doing, or waits for, while it has nothing else to report; `trouble`: HubSpot does not answer.

    These events come once a second.
    """

    message: str
    trouble: bool


class LookingUp(Value, frozen=True):
    """Progress of a lookup: how many values of a unique property have been looked up, of how many."""

    object_type: str
    id_property: str
    done: int
    total: int


class LookedUp(NamedTuple):
    """The result of a lookup: how many distinct values there were; `found` is None without a portal."""

    object_type: str
    id_property: str
    values: int
    found: int | None


class Kind(Value, frozen=True):
    """A kind of row, resolved, with the number of its `rows`; `problem` says why it could not be resolved, else blank.

    `object_type` and `to_object_type` are names for people (`contacts`); their ids (`0-1`) are blank with a problem.
    """

    rows: int
    object_type: str
    to_object_type: str
    association_category: str
    association_type_id: str
    label: str
    problem: str = ""
    object_type_id: str = ""
    to_object_type_id: str = ""


class Cost(Value, frozen=True):
    """The cost of a method: requests that read, requests that write, their sum, and their time at the limit.

    `share` is that of the day's quota (1: all of it), None where the portal does not say how much that is. `stale` is
    how many more requests it takes at most if 1% of the pairs name a record that no longer exists.
    """

    reads: int
    writes: int
    requests: int
    seconds: float
    share: float | None
    stale: int


class NewLabel(NamedTuple):
    """A label that rows name and the portal lacks, and that is made before anything is sent (`--create-labels`).

    Object types are type ids, `direction` is what people call them; `near` are labels of the portal that look like it.
    """

    object_type: str
    to_object_type: str
    direction: str
    label: str
    rows: int
    near: tuple[str, ...]


class MergedRecord(NamedTuple):
    """A record (its object type is an id) that is merged into another in HubSpot."""

    object_type: str
    record_id: str
    survivor: str


class SoFar(Value, frozen=True):
    """`pairs` were looked up, `unchanged` of them have all that their rows ask for; `whole`: these are all pairs."""

    pairs: int
    unchanged: int
    whole: bool


class Losing(Value, frozen=True):
    """How many labels a load with `--existing replace` takes off, from how many of the pairs that were looked up."""

    labels: int
    pairs: int


class RejectedRow(NamedTuple):
    """A row that is never sent: its input, its row there, the column and the text of the cell that is wrong, and why.

    Column and value are blank for a record that is wrong as a whole; the column is blank for an option's value.
    """

    input: str
    row: int
    column: str
    value: str
    message: str


class RejectedFor(NamedTuple):
    """The rows that are rejected for one reason: how many, what it means, what to do, and the `first` of them."""

    reason: str
    rows: int
    cause: str
    mend: str
    first: tuple[RejectedRow, ...]


class RemovalPlanned(Value, frozen=True, kw_only=True):
    """What a removal is about to take off, by what the pairs have now.

    `pairs` lose something: `whole` pairs are no longer associated, `labelled` pairs only lose labels. `unchanged` pairs
    have nothing that the rows name; `refused` pairs, of `refused_rows` rows, would lose other labels, too; `unread`
    pairs could not be read. `of` is how many associations their records have, `examples` name some that are removed.
    """

    portal_id: str | None
    pairs: int = 0
    whole: int = 0
    labelled: int = 0
    unchanged: int = 0
    refused: int = 0
    refused_rows: int = 0
    unread: int = 0
    of: int = 0
    examples: tuple[str, ...] = ()

    @property
    def at_most(self) -> int:
        """How many pairs may lose something, including those that could not be read."""
        return self.pairs + self.unread


class PlannedType(NamedTuple):
    """How many associations of one type a mirror adds, keeps and takes off; object types are names for people."""

    object_type: str
    to_object_type: str
    association_category: str
    association_type_id: str
    label: str
    added: int
    kept: int
    removed: int


class MirrorPlanned(Value, frozen=True, kw_only=True):
    """What a mirror does to what the records of the inputs have.

    They have `associations` of the types in scope, and `removed` of these are taken off: by type, the most frequent
    first, in `types`. Nothing is taken off `exempt_records`. `requests` are needed for it. `too_many` says why a load
    would stop before it sends anything; blank if it would not.
    """

    types: tuple[PlannedType, ...]
    associations: int
    removed: int
    exempt_records: int
    requests: int
    too_many: str = ""


class Planned(Value, frozen=True):
    """A plan: everything is read, checked and grouped. `rows` are result lines, `without` cells that ask for nothing.

    With a `limit`, rows, pairs and rejects are those of the first `limit` records.
    """

    inputs: Mapping[str, Understood]
    kinds: tuple[Kind, ...]
    rows: int
    pairs: int
    rejected: int
    reasons: Mapping[str, int]
    without: int
    unchecked: tuple[tuple[str, str], ...]
    """The pairs of object types whose labels the portal could not be asked for."""
    looked_up: tuple[LookedUp, ...]
    portal_id: str | None
    requests: int
    """Of the method that was chosen, as `seconds` are."""
    seconds: float
    rate: Rate
    daily_quota: int | None
    """The day's; None where HubSpot does not say."""
    costs: Annotated[Mapping[str, Cost], keys(*METHODS)]
    """Of each method (`put`, `batch`) at the `rate`."""
    so_far: SoFar | None = None
    """What the portal has already; None where that was not looked up: then each pair counts as one to send."""
    losing: Losing | None = None
    """What `--existing replace` takes off."""
    merged: tuple[MergedRecord, ...] = ()
    """Records that are merged into others in HubSpot: their rows will fail."""
    limit: int | None = None
    account_type: str = ""
    """HubSpot's word for the account."""
    address: str = ""
    """Where requests go; blank for HubSpot itself."""
    method: Annotated[str, one_of(chain(*METHODS))] = "put"
    """The one that a load uses."""
    chosen: bool = False
    """The method was chosen by the load's size (`--method auto`)."""
    rejects: tuple[RejectedFor, ...] = ()
    """The rejected rows by reason, the most frequent first."""
    failures: str | None = None
    """The file that has all rejected rows; None where none was written."""
    next_command: str | None = None
    """Loads what was planned; None with nothing to send."""
    new_labels: tuple[NewLabel, ...] = ()
    """These are made before anything is sent; the type ids of their kinds are blank."""
    removal: RemovalPlanned | None = None
    """What a removal takes off; None for a load, and where it was not looked up."""
    mirror: MirrorPlanned | None = None
    """What a mirror takes off; None where that was not looked up."""
    existing: str = "merge"
    """What `--existing` says."""


class Started(Value, frozen=True):
    """Requests begin; `resumed` when an earlier command had begun this run.

    `beyond` of the pending rows are left to later commands, because they are behind the first `limit` records.
    """

    total: int
    pending: int
    resumed: bool
    beyond: int = 0
    limit: int | None = None


class Progress(Value, frozen=True):
    """Progress of a run, whose `verb` is `load` or `remove`.

    `rate` is the limit, `achieved` requests per second, `paused` a pause's seconds left. `requests`, `retried` and
    `rate_limited` are the run's so far, as in the summary, whichever command made them. `waiting` is what requests wait
    for, in a sentence; blank while they are sent and answered. `beyond` is as in `Started`.
    """

    total: int
    unchanged: int
    failed: int
    rejected: int
    pending: int
    requests: int
    retried: int
    rate_limited: int
    daily_left: int | None
    rate: Rate
    achieved: float
    paused: float
    seconds_left: float | None
    created: int = 0
    replaced: int = 0
    removed: int = 0
    verb: Annotated[str, one_of(STATUSES)] = "load"
    waiting: str = ""
    beyond: int = 0


class Note(Value, frozen=True):
    """A sentence for the user; a `serious` one is shown even with --quiet."""

    message: str
    serious: bool = False


class ListedType(NamedTuple):
    """An association type as the portal lists it; object types are type ids, `label` is blank for the unlabelled."""

    object_type: str
    to_object_type: str
    category: str
    id: int
    label: str


class Labels(Value, frozen=True):
    """The association types of two object types (type ids), from both ends; `names` are those for people."""

    object_type: str
    to_object_type: str
    names: Mapping[str, str]
    types: tuple[ListedType, ...]


class CreatedLabel(Value, frozen=True):
    """A label with its association types, from both ends; `created` is False for one that was there already."""

    label: str
    created: bool
    portal_id: str | None
    names: Mapping[str, str]
    types: tuple[ListedType, ...]


class Check(Value, frozen=True):
    """One thing that `doctor` looked at. `state` is ok, warning or bad; `advice` is what to do, blank when ok."""

    name: str
    state: str
    finding: str
    advice: str = ""


class Profile(Value, frozen=True, kw_only=True):
    """A profile as its file has it; `token` is the key that says where the token comes from, such as `token-env`.

    `base_url` is blank for HubSpot's own.
    """

    name: str
    portal_id: str
    token: str
    rate: str
    api_version: str
    base_url: str


class ExplainedReason(NamedTuple):
    """The meaning of some codes of `error_category`; `sent`: they are codes of rows that were sent, or of runs."""

    codes: tuple[str, ...]
    sent: bool
    cause: str
    mend: str
    retry: bool


class Explained(Value, frozen=True):
    """The reasons that `explain` shows."""

    reasons: tuple[ExplainedReason, ...]


STATES = {
    "reading": "a load reads its inputs",
    "running": "a command is at work on it",
    "planned": "everything is read and checked, and nothing is sent yet",
    "unfinished": "some of it is not done yet: a limit, or a command that was killed",
    "stopped": "some of it is not done yet, because something stopped it",
    "finished": "nothing is left to do",
    "undoing": "an undo has begun to take back what the run did, and is not finished",
    "undone": "an undo took back what the run did",
    "incompatible": "another version of the loader wrote the journal",
    "damaged": "the journal cannot be read",
}


class Status(Value, frozen=True):
    """The state of a run by its journal, or of an export, now or when it was set aside for a later one of its name.

    `state` is one of `STATES`. `process` is the id of the process at work on it. `stopped` is why it ended early, in a
    sentence. `rows` are the counts of the summary, none while they are not known. Times are UTC, ISO 8601;
    `seconds_ago` is how long ago `last_active_at` is. `next_command` is to be typed in `folder`. `undone` counts the
    associations of an undo by result; `removals` counts what a mirror took off, as in the summary, and is empty for any
    other run. `exported` counts what an export has read so far, and is empty for a run.
    """

    results: str
    state: Annotated[str, one_of(STATES)]
    set_aside: bool
    process: str | None
    stopped: str = ""
    exit_code: int | None = None
    portal_id: str | None = None
    rows: Annotated[Mapping[str, int], keys((), *ROWS)] = field(default_factory=dict)
    started_at: str | None = None
    last_active_at: str | None = None
    seconds_ago: float | None = None
    command: str | None = None
    next_command: str | None = None
    folder: str | None = None
    undone: Annotated[Mapping[str, int], keys((), *UNDONE)] = field(default_factory=dict)
    removals: Annotated[Mapping[str, int], keys((), REMOVALS)] = field(default_factory=dict)
    exported: Annotated[Mapping[str, int], keys((), EXPORTED)] = field(default_factory=dict)


class FailedFor(NamedTuple):
    """How many rows failed or were rejected for one reason: its code, what it means for them, and what to do.

    `first` are the first rows, each with its input; `example` says why the first one failed.
    """

    rows: int
    code: str
    cause: str
    mend: str
    first: tuple[tuple[str, int], ...] = ()
    example: str = ""


class Finished(Value, frozen=True):
    """The run ended, for whatever reason. `stopped` is that reason in a sentence, blank when every row has an outcome.

    `reasons` are those of the failures, the most frequent first: one code may mean several things. `reloadable` says
    that the failures file can be loaded once it is mended: that of a job's several inputs cannot. `limit` is the number
    of records at which the command stopped, None for all.
    """

    summary: Mapping[str, object]
    results: str
    failures: str | None
    stopped: str = ""
    reasons: tuple[FailedFor, ...] = ()
    reloadable: bool = True
    limit: int | None = None


class Verifying(Value, frozen=True):
    """Progress of a verification: `there` rows are as they should be, `pending` ones are not judged yet.

    `rate` is the limit, `achieved` requests per second, `waiting` what they wait for (see `Progress`).
    """

    total: int
    there: int
    pending: int
    requests: int
    rate: Rate
    achieved: float
    waiting: str = ""


class Verified(Value, frozen=True):
    """A verification ended. `stopped` is why it ended early, in a sentence; blank when every row is judged."""

    summary: Mapping[str, object]
    results: str
    stopped: str = ""


class Undoable(Value, frozen=True):
    """How many pairs of one kind an undo would take back, from `object_type` to `to_object_type` (names).

    `whole`: the associations themselves, because there was nothing before; else the labels only. `types` are those
    that the run added, as `CATEGORY:id`, each with its label, blank for an unlabelled one; `back` those that it took
    off (`--existing replace`), which are given back. `unsure` counts pairs that the run may not have sent: they are
    read first. `primary` says that one record was made the primary one of another.
    """

    object_type: str
    to_object_type: str
    whole: bool
    types: tuple[tuple[str, str], ...]
    back: tuple[tuple[str, str], ...]
    pairs: int
    unsure: int
    primary: bool


class UndoPlanned(Value, frozen=True):
    """What an undo is about to take back of the run whose results file is `results`; `pairs` are all of the groups."""

    results: str
    portal_id: str | None
    started_at: str
    pairs: int
    groups: tuple[Undoable, ...]


class Undoing(Value, frozen=True):
    """Progress of an undo, in pairs; `rate` is the limit, `achieved` requests per second, `waiting` see `Progress`."""

    total: int
    unchanged: int
    left: int
    failed: int
    pending: int
    requests: int
    rate: Rate
    achieved: float
    removed: int = 0
    restored: int = 0
    waiting: str = ""


class Undone(Value, frozen=True):
    """An undo ended. `stopped` is why it ended early, in a sentence; blank when nothing is left to do."""

    summary: Mapping[str, object]
    results: str
    stopped: str = ""


class Exporting(Value, frozen=True):
    """Progress of an export: `records` are read, of `total` (None where it is not known), `lines` written for them.

    `rate` is the limit, `achieved` requests per second, `waiting` what they wait for (see `Progress`).
    """

    records: int
    total: int | None
    lines: int
    requests: int
    rate: Rate
    achieved: float
    waiting: str = ""


class Exported(Value, frozen=True):
    """An export ended. `output` is its file, `unread` that of the records that could not be read, None without any.

    `stopped` is why it ended early, in a sentence; blank when everything is read.
    """

    summary: Mapping[str, object]
    output: str
    unread: str | None
    stopped: str = ""


PORTAL_STATES = {
    "waiting": "its turn has not come",
    "starting": "a worker is about to begin",
    "held": "another worker has it, and its end is waited for",
    "working": "a worker is at work on its jobs",
    "silent": "its worker has not been heard of; another one continues, or the same command",
    "quota": "it waits for the day's quota of its account",
    "ended": "nothing is under way",
}


class Portal(Value, frozen=True, kw_only=True):
    """The state of a portal of a fleet, as its worker reports it.

    `state` is one of `PORTAL_STATES`. `job` is the one at work, blank without any, and `doing` what its worker does
    with it; `ended` of its `jobs` are over. `rows` are those of the jobs that have begun; of them `done` have an
    outcome, and `failed` failed or were rejected; `rate` is requests per second. `since` is when its worker was last
    heard of (UTC, ISO 8601), `seconds_ago` how long ago that is, `until` when its day's quota resets. `taken_over`
    counts how often another worker continued a job, `not_provable` the rows of which it is not known whether this run
    associated them. `exit_code` is the worst of its jobs, None until there is one, `error` what ended one early.
    """

    profile: str
    portal_id: str | None
    state: Annotated[str, one_of(PORTAL_STATES)]
    jobs: int
    ended: int = 0
    job: str = ""
    doing: str = ""
    rows: int = 0
    done: int = 0
    failed: int = 0
    rate: float = 0.0
    seconds_left: float | None = None
    since: str | None = None
    seconds_ago: float | None = None
    until: str | None = None
    taken_over: int = 0
    not_provable: int = 0
    exit_code: int | None = None
    error: str = ""


class FleetFinished(Value, frozen=True):
    """A fleet ended: every portal has had its turn, or it was interrupted; `stopped` says so, blank otherwise.

    `results` is the folder of all portals, `report` the page of the fleet, None where it could not be written.
    """

    summary: Mapping[str, object]
    results: str
    report: str | None
    stopped: str = ""


Event = (
    Reading
    | Waiting
    | LookingUp
    | Planned
    | Started
    | Progress
    | Note
    | Labels
    | CreatedLabel
    | Explained
    | Check
    | Profile
    | Status
    | Finished
    | Verifying
    | Verified
    | RemovalPlanned
    | UndoPlanned
    | Undoing
    | Undone
    | Exporting
    | Exported
    | Portal
    | FleetFinished
)
Notify = Callable[[Event], None]
