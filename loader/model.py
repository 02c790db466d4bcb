"""What the stages hand to each other: records read, pairs planned, requests made, outcomes recorded.

The words of this house; all others are HubSpot's, or those of the trade:

- input: a file, or one table of a file, that a load reads.
- record: one line of an input; in HubSpot, an object such as one contact, known by its record id.
- row: one association that a record of an input asks for; a cell with three ids makes three rows.
- kind: what a row asks for besides its two ids (object types, label or type id); a file has few kinds of rows.
- reject: a row that is never sent, with the reason why.
- own key: the value of a unique property (an email, a number of the user's own system) by which a row names a record.
- lookup: a request that reads: which record has an own key, or which associations records have.
- direction: two object types in order, from and to; an association type belongs to one direction.
- type pair: two object types that rows link, in either direction; the main direction is that of more rows.
- backward: not in the main direction of a type pair; of a pair's row or lookup: not in the direction of its request.
- inverse: the association type that HubSpot sets in the other direction along with one type.
- single: an association type of which a record can have only one, such as its primary company.
- pair: two records that one request associates, however many rows ask for it.
- own end: the end of a pair (from or to) that its request is written from; only a read from there says what it has.
- lot: pairs that are looked up and sent together, because they share records at one end.
- specification: the direction and the association types that pairs get by their request.
- before-image: the association types that a pair had before this run first sent it; `undo` needs it.
- result: what a request came to (created, removed, failed and so on); outcome: a result with the pairs that have it.
- journal: the SQLite file with the plan, the before-images and the outcomes of a run.
- run: the work of one journal from its first command to its last; a command that is stopped is continued by the next.
- verb: what a command does: load, remove, plan, verify, undo.
- draft: a request in preparation.
- permit: the right to send one request now, given by the limiter.
- portal: one HubSpot account, known by its number.

Ids are text where they are read and where they are written, and numbers between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:  # Commands that read no rows start without numpy.
    import numpy as np
    import numpy.typing as npt

    from loader.columns import Ids

FIELDS = (
    "object_type",
    "object_id",
    "to_object_type",
    "to_object_id",
    "association_category",
    "association_type_id",
    "label",
)
"""What a row may say. A row from Python may be a tuple of them; in this order they are the columns of an export."""

FIELDS_OF_KINDS = tuple(name for name in FIELDS if name not in ("object_id", "to_object_id"))
"""The fields of `RowKind` that a row or the options write."""


class RowKind(NamedTuple):
    """What a row asks for, as the row or the options write it; a file has few distinct kinds. Blank: not given.

    `primary` is True for ids from an `Associated <Type> IDs (Primary)` column. `to_column` is the header of the column
    that the to object id came from (a record may have several). `address` and `to_address` say where the two ids were
    found, as `portal id/object type id`, for ids that were read from the record's address in HubSpot.
    """

    object_type: str
    to_object_type: str
    association_category: str
    association_type_id: str
    label: str
    primary: bool
    to_column: str
    address: str = ""
    to_address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows with valid ids, in columns: one entry for each row, in the order read.

    The ids are record ids as HubSpot gives them, from 1 to 2**63 - 1, or, where an id property is set, the texts of
    that property's values.
    """

    rows: npt.NDArray[np.int32]
    """The row of the spreadsheet that its record is in."""
    parts: npt.NDArray[np.int32]
    """Counts the rows of one record from 0."""
    object_ids: Ids | list[str]
    to_object_ids: Ids | list[str]
    kinds: npt.NDArray[np.int32]
    """For each row an index into `row_kinds`."""
    row_kinds: tuple[RowKind, ...]
    """The distinct kinds of these rows, in the order of their first rows; each has at least one row."""

    def __len__(self) -> int:
        return len(self.rows)


class Reject(NamedTuple):
    """One row that is never sent, with what its cells said and why it is wrong.

    `reason` is a key of `reasons.REASONS`; `message` one sentence with the column, the value and what to do. `field` is
    the one of `FIELDS` whose cell is wrong; blank for a record that is wrong as a whole.
    """

    row: int
    part: int
    object_id: str
    to_object_id: str
    row_kind: RowKind
    reason: str
    message: str
    field: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Consecutive records of one input, judged: `links` are the rows that are not rejected.

    `rows` has the spreadsheet row of each record; `cells` has for each column of the header the records' cells as text
    (a record of another length is rejected; it is cut or filled with blanks here). `without` counts blank cells of
    `Associated <Type> IDs` columns, which ask for nothing; `blank` has those of them whose record has a valid id, with
    0 for the other id.
    """

    rows: list[int]
    cells: Sequence[Sequence[str]]
    links: Rows
    rejects: list[Reject]
    without: int
    blank: Rows | None = None


class Understood(NamedTuple):
    """How an input was read, for people to check: format, encoding, delimiter, sheet; None where it has none.

    `columns` gives for each field the headers it is read from, `unused` the headers that are not read. `warnings` are
    sentences on unused ones that look as if they describe associations. `notes` are sentences on what was repaired or
    left out, `records` how many there are (both complete only after the last chunk was read). `byte_order_mark` is True
    for a text that begins with one.
    """

    format: str
    encoding: str | None
    delimiter: str | None
    sheet: str | None
    header_row: int
    columns: dict[str, tuple[str, ...]]
    notes: list[str]
    records: int = 0
    unused: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    byte_order_mark: bool = False


class AssociationType(NamedTuple):
    """One type of association as the API names it: category and type id, fixed to one direction of two object types."""

    category: str
    type_id: int

    @property
    def key(self) -> str:
        """Both in one text, `USER_DEFINED:7`."""
        return f"{self.category}:{self.type_id}"


WHOLE_PAIR = AssociationType("", 0)
"""Among the types to take off a pair, it means all that the pair has; it is never sent."""


Direction = tuple[str, str]
"""Two object type ids, from and to."""


LEAD = "0-136"
"""The object type of leads: a batch read from another object type may miss leads that are there (reported)."""


def hides_leads(direction: Direction) -> bool:
    """Return True for a direction from another object type to leads."""
    return direction[1] == LEAD != direction[0]


Types = frozenset[AssociationType]
"""The types that a pair has, or is to have, in one direction."""

NO_TYPES: Types = frozenset()


class Resolved(NamedTuple):
    """What to send for a kind of row. `inverse` is the same association from the other end, None where that is unknown.

    `single` is the end (`from` or `to`) whose record can have only one association of this type, or blank. `removes`:
    the type is taken off.
    """

    direction: Direction
    type: AssociationType
    label: str
    inverse: AssociationType | None
    single: str = ""
    removes: bool = False

    @property
    def single_types(self) -> Direction:
        """The two object types, seen from the record that can have only one."""
        return self.direction[::-1] if self.single == "to" else self.direction


class Problem(NamedTuple):
    """Why a row, or every row of a kind, is rejected: a key of `reasons.REASONS`, a sentence, and the wrong field.

    The field is one of `FIELDS`, blank where the row as a whole is wrong.
    """

    reason: str
    message: str
    field: str = ""


class Specification(NamedTuple):
    """The content of one request: its direction and its association types.

    `refused` are the kinds of row that it cannot include. `removes`: the types are taken off the pairs.
    """

    direction: Direction
    types: tuple[AssociationType, ...]
    backward: bool
    refused: tuple[int, ...]
    removes: bool = False


class Pair(NamedTuple):
    """Two records and every association type that a request gives them: all that the whole input asks for.

    `pair_id` counts from 1 in the order in which pairs are sent; `rows` is how many rows ask for it. `before` are the
    types that the pair had before this run first sent it (in this direction), None where that was not looked up.
    `unchanged` counts the rows whose own type is among them. `dropped` are types that the pair must not keep, because
    this run has made another record the primary one; `contested` those that it loses if another pair, which is not
    sent yet, gets them. `gone` are the labels that the pair has lost once it is sent.
    """

    pair_id: int
    object_type: str
    object_id: str
    to_object_type: str
    to_object_id: str
    types: tuple[AssociationType, ...]
    rows: int
    before: Types | None = None
    dropped: Types = frozenset()
    unchanged: int = 0
    contested: Types = frozenset()
    gone: Types = frozenset()


Singles = Mapping[Direction, Mapping[AssociationType, str]]
"""By direction, the types of which a record can have only one, each with the end (`from` or `to`) of that record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What a request gives a pair and what is known of the pair (see `Pair`): many pairs share one intent."""

    types: tuple[AssociationType, ...]
    before: Types | None = None
    dropped: Types = NO_TYPES
    contested: Types = NO_TYPES
    unchanged: int = 0
    gone: Types = NO_TYPES


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pairs:
    """Pairs of one direction in columns, one entry for each, in the order in which they are sent.

    `numbers` are those of the journal. `rows` counts the rows that name each pair and get its outcome. `intents` are
    indexes into `table`: what is sent for the pair.
    """

    direction: Direction
    numbers: Ids
    from_ids: Ids
    to_ids: Ids
    rows: npt.NDArray[np.int32]
    intents: npt.NDArray[np.int32]
    table: tuple[Intent, ...]

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, which: slice | npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> Pairs:
        """Return some of the pairs: by a slice, by a mask, or by indexes in the wanted order."""
        if not isinstance(which, slice) and which.dtype == bool and which.all():
            return self
        return Pairs(
            direction=self.direction,
            numbers=self.numbers[which],
            from_ids=self.from_ids[which],
            to_ids=self.to_ids[which],
            rows=self.rows[which],
            intents=self.intents[which],
            table=self.table,
        )

    def where(self, holds: Callable[[Intent], bool]) -> npt.NDArray[np.bool_]:
        """Return True for the pairs whose intent meets a condition."""
        found = self.numbers < 0
        for number, intent in enumerate(self.table):
            if holds(intent):
                found |= self.intents == number
        return found

    def changed(self, field: str, values: Mapping[int, Any]) -> Pairs:
        """Return the pairs with new values for a field of their intents; `values` gives them by pair number."""
        table, intents = list(self.table), self.intents.copy()
        numbers: dict[tuple[int, Any], int] = {}
        for place, number in enumerate(self.numbers.tolist() if values else ()):
            if number in values:
                key = self.intents.item(place), values[number]
                if key not in numbers:
                    numbers[key] = len(table)
                    table.append(replace(self.table[key[0]], **{field: key[1]}))
                intents[place] = numbers[key]
        return replace(self, intents=intents, table=tuple(table)) if numbers else self

    def each(self) -> Iterator[Pair]:
        """Yield the pairs one by one, for work that needs each by itself."""
        return map(self.at, range(len(self)))

    def at(self, place: int) -> Pair:
        """Return one pair, by its index."""
        intent = self.table[self.intents.item(place)]
        return Pair(
            self.numbers.item(place),
            self.direction[0],
            str(self.from_ids.item(place)),
            self.direction[1],
            str(self.to_ids.item(place)),
            intent.types,
            self.rows.item(place),
            intent.before,
            intent.dropped,
            intent.unchanged,
            intent.contested,
            intent.gone,
        )


def concatenate(runs: Sequence[Pairs]) -> Pairs:
    """Join several sequences of pairs of one direction, at least one."""
    import numpy as np  # noqa: PLC0415 - not before something is sent: it takes longer than an answer to --help

    if len(runs) == 1:
        return runs[0]
    table: dict[Intent, int] = {}
    numbers = [np.array([table.setdefault(each, len(table)) for each in run.table], np.int32) for run in runs]
    return Pairs(
        direction=runs[0].direction,
        numbers=np.concatenate([run.numbers for run in runs]),
        from_ids=np.concatenate([run.from_ids for run in runs]),
        to_ids=np.concatenate([run.to_ids for run in runs]),
        rows=np.concatenate([run.rows for run in runs]),
        intents=np.concatenate([number[run.intents] for number, run in zip(numbers, runs, strict=True)]),
        table=tuple(table),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lot:
    """Pairs that are looked up together, by the records of one object type.

    `own` pairs have that record at their from end; `other` ones at their to end, and `inverse` says what the types
    that are found there are called from their own end, where that is known.
    """

    own: Pairs
    other: Pairs
    inverse: Mapping[AssociationType, AssociationType]

    @property
    def direction(self) -> Direction:
        """The object type of the records that are looked up, and the one that they are associated with."""
        return self.own.direction


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Image:
    """The before-image of pairs, by number: the types that they had, in their own direction.

    `there` are the types that rows ask for and that the pairs have already (or, where types are taken off, do not
    have): the rows of these types are unchanged. `grows`: what pairs have got since they were first looked up is added
    to `types`, because it would be taken off along with the rest.
    """

    numbers: Ids
    types: Types
    there: Types
    grows: bool = False


class Demotion(NamedTuple):
    """A pair that loses the type by which it is a record's primary one, when another pair (by number) is sent.

    The direction is from that record, which can have only one such type; `types` are all that the pair has.
    """

    pair_id: int
    object_type: str
    object_id: str
    to_object_type: str
    to_object_id: str
    single: AssociationType
    types: Types


class Question(NamedTuple):
    """Which records of an object type (its id) have certain values of a unique property?

    `called` is what people call the object type.
    """

    object_type: str
    id_property: str
    called: str = "records"

    @property
    def key(self) -> tuple[str, str]:
        """What identifies the question."""
        return self.object_type, self.id_property


class RecordsFound(NamedTuple):
    """HubSpot's answer about values: each record found, as (record id, its own value), and the values without one."""

    records: tuple[tuple[str, str], ...]
    absent: frozenset[str]


class FoundRecord(NamedTuple):
    """The record that a value stands for, or, where `record_id` is blank, a key of `reasons.REASONS` and a sentence."""

    record_id: str
    reason: str
    message: str


STATUSES = {
    "load": ("created", "replaced", "unchanged", "failed"),
    "remove": ("removed", "unchanged", "failed"),
}
"""The results of rows that are not rejected, by the verb of their run, in the order of the summary."""

TAKEN_BACK = ("removed", "restored", "unchanged", "left", "failed")
"""The results that an undo can have for a pair: what was added is removed; what was taken off is put back; nothing to
do; changed since by others; refused by HubSpot.
"""

WRITTEN = ("created", "replaced", "removed")
"""The statuses of pairs that HubSpot has changed."""


class Result(NamedTuple):
    """The result of a request, or of none; the pairs of one request that got the same result share one.

    `status` is one of `STATUSES`, or `rejected` if the labels of the pair forbid to send anything for it. A
    verification and an undo have statuses of their own. `created_resource_id` is HubSpot's `createdResourceId` where
    the answer had one, else blank. `labels` are those the answer named. `attempts` counts the requests made.
    `finished_at` is UTC, ISO 8601 with milliseconds.
    """

    status: str
    http_status: int | None = None
    created_resource_id: str = ""
    labels: tuple[str, ...] = ()
    error_category: str = ""
    error_message: str = ""
    correlation_id: str = ""
    attempts: int = 0
    finished_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """Pairs with the same result.

    `rows` counts their rows that have this result. `unchanged` counts the other rows of each pair: their own type was
    there before. `beside`: no row names these pairs, a mirror takes something off them; `rows` counts their result
    lines.
    """

    pair_ids: Ids
    result: Result
    rows: int
    unchanged: int = 0
    beside: bool = False

    @property
    def status(self) -> str:
        """The status that the result's lines show."""
        return self.result.status
