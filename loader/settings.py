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

    `needs_label`: if an input has a column for a label or a type id, a row without either is rejected. `columns` maps a
    field's snake_case name to the header it is read from. `object_type`, `to_object_type`, `association_category`,
    `association_type_id` and `label` fill that field for rows whose own cell is blank. `strict` refuses an input with
    an unread column that looks like a field. `records_only`: only the object ids and their types are read, so no other
    column is needed. `format` is one of `FORMATS`.
    """

    inputs: tuple[str, ...]
    rows_of: Query | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    object_type: str | None = None
    to_object_type: str | None = None
    association_category: str | None = None
    association_type_id: str | None = None
    label: str | None = None
    from_id_property: str | None = None
    to_id_property: str | None = None
    format: str | None = None
    sheet: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    strict: bool = False
    needs_label: bool = False
    records_only: bool = False


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
    """How requests are made.

    `method` is how pairs are sent: `put`, one in a request, `batch`, many, or `auto`, by how many they are; `archive`
    takes them off. `existing` says what happens to labels that a pair already has. `merge` keeps them. `replace` takes
    them off, and reads them first unless `unread`. `mirror` keeps them on the pairs of the file, and takes everything
    else off the file's records: associations of the types that some row asks for, or of all types with
    `mirror_all_labels`. `create_labels` makes the labels that rows name and the portal lacks. `rate` None: 100 per 10 s
    until the headers of answers say otherwise. `concurrency` None: the loader decides. `daily_reserve` is how much of
    the day's quota is left to others. `max_duration` is seconds. `limit` is the number of records (over all inputs)
    after which the run stops. `whole_pair`: when associations are taken off, a row with a blank label means the whole
    pair. `max_removals` is how many may be taken off; None: what the verb has by default.
    """

    method: str = "put"
    existing: str = "merge"
    unread: bool = False
    mirror_all_labels: bool = False
    create_labels: bool = False
    rate: Rate | None = None
    concurrency: int | None = None
    max_attempts: int = 8
    max_failures: Budget | None = None
    daily_reserve: Budget | None = None
    max_duration: float | None = None
    limit: int | None = None
    whole_pair: bool = False
    max_removals: Budget | None = None


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
    """All settings of a command. `results` and `failures` are paths; None: named after the first input. `journal` is
    the path of the journal, which is beside the results where it is None. `report` is where a plan is written as a
    page; None: nowhere. `copy_to` is the address or the path of a folder to which they are copied in the end.

    `removes`: what the inputs name is taken off, and not associated. `read` has one entry for each group of inputs with
    the same settings: a job file may have several. `command` is what was typed, word by word, for the summary and the
    next command to show. `keep` is for how many days set-aside runs are kept; None: for ever. `again`: if a finished
    run of the same inputs ended longer ago than this (in seconds), they are loaded again; None: never. With it, an
    unfinished run of other inputs is set aside. `assume_new` is for `undo`: assume that what the run created was not
    there before. `inverse_label` and `label_name` are for `create-label`: the label's text from the other end, and its
    internal name; None: the same text, and one made of it. `on_end` is a program with its arguments that is run when
    the command has ended.
    """

    read: tuple[InputSettings, ...] = ()
    connection: ConnectionSettings = field(default_factory=ConnectionSettings)
    send: SendSettings = field(default_factory=SendSettings)
    verify: VerifySettings = field(default_factory=VerifySettings)
    export: ExportSettings = field(default_factory=ExportSettings)
    removes: bool = False
    results: str | None = None
    failures: str | None = None
    journal: str | None = None
    report: str | None = None
    copy_to: str | None = None
    assume_new: bool = False
    inverse_label: str | None = None
    label_name: str | None = None
    again: float | None = None
    fresh: bool = False
    retry_failed: bool = False
    keep: int | None = None
    on_end: tuple[str, ...] | None = None
    command: tuple[str, ...] = ()

    def secrets(self) -> list[str]:
        """Return every secret text, to remove them from what is about to be written."""
        of_queries = [text for group in self.read if group.rows_of is not None for text in group.rows_of.secrets()]
        return [*self.connection.secrets(), *of_queries]
