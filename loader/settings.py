"""The settings of a command, as frozen values with defaults, made once when it begins."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import unquote

DATABASE_URL = "ASSOCIATION_LOADER_DATABASE_URL"
"""The environment variable with the database of queries; no option and no file may name it."""


class Secret:
    """A text that is never shown: it prints, formats and pickles as stars.

    `known` are the texts of all secrets of this process, to remove them from the traceback of a bug.

    >>> Secret("pat-na1-0001")
    ***
    """

    __slots__ = ("_text",)
    known: ClassVar[set[str]] = set()

    def __init__(self, text: str) -> None:
        self._text = text
        self.known.add(text)

    def reveal(self) -> str:
        """Return the text itself, for the one place that needs it."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, specification: str) -> str:
        return format("***", specification)

    def __reduce__(self) -> tuple[type["Secret"], tuple[str]]:
        return Secret, ("***",)

    def __bool__(self) -> bool:
        return bool(self._text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A query whose rows are an input.

    `name` is its name in results and sentences; `file_name` is what the results are named after. `database` is the URL
    of the database.
    """

    text: str
    name: str
    file_name: str
    database: Secret

    def secrets(self) -> list[str]:
        """Return the texts that must never be written."""
        return database_secrets(self.database.reveal())


_HARMLESS = frozenset({"application_name", "charset", "connect_timeout", "mode", "sslmode", "uri"})
"""Parameters of a database's URL whose values are no secrets."""


def database_secrets(url: str) -> list[str]:
    """Return the parts of a database URL that must never be written: host, user, password, and the URL itself.

    The URL may be wrong, such as one with a raw @ in its password.
    """
    user, _, place = url.partition("://")[2].rpartition("@")
    place, _, query = place.partition("?")
    host = place.partition("/")[0]
    values = [each.partition("=")[2] for each in query.split("&") if each.partition("=")[0] not in _HARMLESS]
    parts = [url, user, *re.split("[:@]", user), host, host.rpartition(":")[0], *values]
    return sorted({text for part in parts for text in (part, unquote(part)) if text}, key=len, reverse=True)


TEXT_FORMATS = ("csv", "tsv", "jsonl")
FORMATS = (*TEXT_FORMATS, "parquet", "xlsx", "xls")
"""The formats of inputs, by the words of `--format`; those of texts come first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSettings:
    """Which files to read, or which query, and how; None and empty mean that the loader finds out.

    `object_type`, `to_object_type`, `association_category`, `association_type_id` and `label` fill that field for rows
    whose own cell is blank.
    """

    inputs: tuple[str, ...]
    rows_of: Query | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    """Maps a field's snake_case name to the header it is read from."""
    object_type: str | None = None
    to_object_type: str | None = None
    association_category: str | None = None
    association_type_id: str | None = None
    label: str | None = None
    from_id_property: str | None = None
    to_id_property: str | None = None
    format: str | None = None
    """One of `FORMATS`."""
    sheet: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    strict: bool = False
    """Refuse an input with an unread column that looks like a field."""
    needs_label: bool = False
    """If an input has a column for a label or a type id, a row without either is rejected."""
    records_only: bool = False
    """Only the object ids and their types are read, so no other column is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthCredentials:
    """The credentials with which a new access token is requested."""

    client_id: str
    client_secret: Secret
    refresh_token: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSettings:
    """The portal to connect to, and the credentials. `timeout` is the seconds that a whole request may take.

    `profile` is the name of the profile that the rest comes from, or None. `api_version` is one of `send.api.VERSIONS`,
    or `auto`: the version that a run began with, or that of the day. `cache_folder` is where loaders of one token on
    this machine share its limit; None: they do not.
    """

    profile: str | None = None
    api_version: str = "auto"
    base_url: str = "https://api.hubapi.com"
    credentials: Secret | OAuthCredentials | None = None
    portal_id: str | None = None
    timeout: float = 30.0
    cache_folder: str | None = None

    def secrets(self) -> list[str]:
        """Return the secret texts of the credentials."""
        if isinstance(self.credentials, OAuthCredentials):
            return [self.credentials.client_secret.reveal(), self.credentials.refresh_token.reveal()]
        return [self.credentials.reveal()] if self.credentials is not None else []


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `requests` requests in any window of `seconds` seconds."""

    requests: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Requests per second in the long run."""
        return self.requests / self.seconds


@dataclass(frozen=True, slots=True)
class Budget:
    """A number of things, or a share of them (0 to 1)."""

    count: int | None = None
    share: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SendSettings:
    """How requests are made."""

    method: str = "put"
    """`put`: one pair in a request; `batch`: many; `auto`: by how many they are; `archive` takes them off."""
    existing: str = "merge"
    """What happens to labels that a pair already has. `merge` keeps them; `replace` takes them off, and reads them
    first unless `unread`; `mirror` keeps them on the pairs of the file, and takes everything else off the file's
    records: associations of the types that some row asks for, or of all types with `mirror_all_labels`.
    """
    unread: bool = False
    mirror_all_labels: bool = False
    create_labels: bool = False
    """Make the labels that rows name and the portal lacks."""
    rate: Rate | None = None
    """None: 100 per 10 s until the headers of answers say otherwise."""
    concurrency: int | None = None
    """None: the loader decides."""
    max_attempts: int = 8
    max_failures: Budget | None = None
    daily_reserve: Budget | None = None
    """How much of the day's quota is left to others."""
    max_duration: float | None = None
    """In seconds."""
    limit: int | None = None
    """The number of records (over all inputs) after which the run stops."""
    whole_pair: bool = False
    """When associations are taken off, a row with a blank label means the whole pair."""
    max_removals: Budget | None = None
    """How many may be taken off; None: what the verb has by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSettings:
    """What an export writes, and where: a path, or `-` for standard output.

    `by_label` leaves out the type ids of the portal's own labels, which are others in every portal.
    """

    output: str | None = None
    by_label: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifySettings:
    """How a verification is made.

    `sample` is how many pairs are checked, drawn at random (None: all), and `seed` is the random seed. A row that seems
    missing is read again for `wait` seconds, because reads may lag behind writes.
    """

    sample: int | None = None
    seed: int | None = None
    wait: float = 7.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of a command; `results`, `failures`, `journal` and `report` are paths."""

    read: tuple[InputSettings, ...] = ()
    """One entry for each group of inputs with the same settings: a job file may have several."""
    connection: ConnectionSettings = field(default_factory=ConnectionSettings)
    send: SendSettings = field(default_factory=SendSettings)
    verify: VerifySettings = field(default_factory=VerifySettings)
    export: ExportSettings = field(default_factory=ExportSettings)
    removes: bool = False
    """What the inputs name is taken off, and not associated."""
    results: str | None = None
    """None: named after the first input, as `failures` is."""
    failures: str | None = None
    journal: str | None = None
    """None: beside the results."""
    report: str | None = None
    """Where a plan is written as a page; None: nowhere."""
    copy_to: str | None = None
    """The address or the path of a folder to which results, failures and summary are copied in the end."""
    assume_new: bool = False
    """For `undo`: assume that what the run created was not there before."""
    inverse_label: str | None = None
    """For `create-label`: the label's text from the other end; None: the same text."""
    label_name: str | None = None
    """For `create-label`: the label's internal name; None: one made of its text."""
    again: float | None = None
    """If a finished run of the same inputs ended longer ago than this (in seconds), they are loaded again; None:
    never. With it, an unfinished run of other inputs is set aside.
    """
    fresh: bool = False
    retry_failed: bool = False
    keep: int | None = None
    """For how many days set-aside runs are kept; None: for ever."""
    on_end: tuple[str, ...] | None = None
    """A program with its arguments that is run when the command has ended."""
    command: tuple[str, ...] = ()
    """What was typed, word by word, for the summary and the next command to show."""

    def secrets(self) -> list[str]:
        """Return every secret text, to remove them from what is about to be written."""
        of_queries = [text for group in self.read if group.rows_of is not None for text in group.rows_of.secrets()]
        return [*self.connection.secrets(), *of_queries]
