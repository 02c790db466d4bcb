"""The table of options: one entry each, from which the command line, Python's keywords and the configuration file are
built. It also says which options a run must be resumed with.

The options of a command are a class: its keys are Python's keywords, with the types that Python takes. A new option is
an entry here and a field in `loader.settings`.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, TypeAlias, TypedDict

from loader.options.kinds import (
    BUDGET,
    BUDGET_OR_OFF,
    COMMAND,
    FIELD_AND_HEADER,
    FLAG,
    HOW_MANY,
    NAME,
    PATH,
    PATH_OR_ADDRESS,
    PATH_OR_STREAM,
    PORTAL_ID,
    RATE,
    TEXT,
    ValueKind,
    choice,
    duration,
    number,
)
from loader.settings import FORMATS

Path: TypeAlias = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Option:
    """One option. `word` is its name on the command line; in a file it is the same without the dashes.

    `default` is what could be typed in its place. `several`: it may be given more than once. `setting` is its field in
    `loader.settings`, where that is not the keyword. `binds`: a run is resumed with the same value only. `per_input`:
    so it does, and an `[[input]]` may set it for its own files. `variable` is one of the environment besides
    `ASSOCIATION_LOADER_<OPTION>`; None: only the command itself may set this option.
    """

    word: str
    help: str
    kind: ValueKind = TEXT
    default: str | None = None
    metavar: str | None = None
    several: bool = False
    binds: bool = False
    per_input: bool = False
    variable: str | None = ""
    setting: str = ""
    keyword: str = ""

    @property
    def key(self) -> str:
        """The option's name in a configuration file."""
        return self.word.removeprefix("--")

    @property
    def is_flag(self) -> bool:
        """True for an option without a value: it is on or off."""
        return self.kind is FLAG

    def in_environment(self, environment: Mapping[str, str]) -> str | None:
        """Return the value from the environment; a blank one counts as none."""
        if self.variable is None:
            return None
        own = "ASSOCIATION_LOADER_" + self.key.upper().replace("-", "_")
        return environment.get(own) or environment.get(self.variable) or None


# fmt: off

Existing: TypeAlias = Annotated[str, Option("--existing",
    "merge: add labels; replace: overwrite them; mirror: remove what the file does not name, too. What is in HubSpot "
    "already is not sent.",
    choice("merge", "replace", "mirror"), "merge", binds=True)]
MirrorAllLabels: TypeAlias = Annotated[bool, Option("--mirror-all-labels",
    "With --existing mirror: remove associations of every type, also of one that no row asks for.", FLAG, binds=True)]
JournalPath: TypeAlias = Annotated[Path, Option("--journal",
    "Where the journal of the run is, if not beside its results: on a local disk, where they are on a network.",
    PATH)]
Unread: TypeAlias = Annotated[bool, Option("--unread",
    "With --existing replace: read nothing first; labels that are overwritten are then not known, and undo "
    "cannot restore them.", FLAG, binds=True)]
CreateLabels: TypeAlias = Annotated[bool, Option("--create-labels",
    "Create the labels that the file names and HubSpot lacks, before anything is sent.", FLAG, binds=True)]
Yes: TypeAlias = Annotated[bool, Option("--yes", "Do not ask before anything is removed.", FLAG)]
WholePair: TypeAlias = Annotated[bool, Option("--whole-pair",
    "A blank label, or the type without a label, means the whole pair, with every label that it has.", FLAG,
    binds=True)]
Limit: TypeAlias = Annotated[int, Option("--limit",
    "Only the first N records.", number(int, 1), metavar="N")]
MaxAttempts: TypeAlias = Annotated[int, Option("--max-attempts",
    "Requests for one pair before it counts as failed.", number(int, 1), "8", "N")]
DailyReserve: TypeAlias = Annotated[int | str, Option("--daily-reserve",
    "Stop when only this much of the day's quota is left, for other apps.", BUDGET, metavar="N|P%")]
PlanReport: TypeAlias = Annotated[Path, Option("--report",
    "Also write the plan as a page of HTML, for the person who must agree to it.", PATH, variable=None)]
OnEnd: TypeAlias = Annotated[str, Option("--on-end",
    "Run a program when the command has ended, with the summary as JSON on its standard input.", COMMAND,
    metavar="COMMAND")]
MetricsFile: TypeAlias = Annotated[Path, Option("--metrics-file",
    "Also write the run's figures to a file for Prometheus.", PATH)]
Json: TypeAlias = Annotated[bool, Option("--json", "Write one JSON object for each event to standard output.", FLAG)]


_COLUMN = Option("--column",
    'Read a field from a column of any name: --column object_id="Contact Key". Repeatable.', FIELD_AND_HEADER,
    metavar="FIELD=HEADER", several=True, setting="columns")
_FROM_ID_PROPERTY = Option("--from-id-property",
    "The first ids are values of this unique property.", NAME, metavar="NAME")
_FORMAT = Option("--format",
    "Format of the inputs, where the loader does not recognize "
    "it.", choice(*FORMATS))
_SHEET = Option("--sheet", "Sheet of a workbook.", metavar="NAME")
_DELIMITER = Option("--delimiter", "Delimiter of a text file.", metavar="CHARACTER")
_ENCODING = Option("--encoding", "Encoding of a text file.", metavar="NAME")
_SQL = Option("--sql",
    "Read the rows that this query gives, in place of files; ASSOCIATION_LOADER_DATABASE_URL names the database.", NAME,
    metavar="QUERY")
_SQL_FILE = Option("--sql-file", "The same, with the query in a file.", PATH, metavar="FILE")
Fresh: TypeAlias = Annotated[bool, Option("--fresh",
    "Start over; the earlier run's files are kept under another name.", FLAG)]
MaxDuration: TypeAlias = Annotated[float | str, Option("--max-duration",
    "Stop after this time; the same command continues later.", duration(), metavar="90m")]


class InputOptions(TypedDict, total=False):
    """How the source is read. `object_type`, `to_object_type`, `association_category` and `association_type_id` fill
    that field for rows without it (--from, --to, --category and --type-id of the command). `column` maps a field to the
    header that it is read from.
    """

    object_type: Annotated[str, Option("--from",
        "Object type of the first records, such as contacts, for rows that have "
        "none.", NAME, metavar="TYPE", per_input=True)]
    to_object_type: Annotated[str, Option("--to",
        "Object type of the second records, such as companies, for rows that have "
        "none.", NAME, metavar="TYPE", per_input=True)]
    label: Annotated[str, Option("--label",
        "Association label, for rows that have none.", TEXT, metavar="TEXT", per_input=True)]
    association_type_id: Annotated[int | str, Option("--type-id",
        "Association type id, for rows with neither a label nor a type id.", TEXT, metavar="N", per_input=True)]
    association_category: Annotated[str, Option("--category",
        "Association category, for rows that have none.", NAME, metavar="CATEGORY", per_input=True)]
    sql: Annotated[str, replace(_SQL, per_input=True)]
    sql_file: Annotated[Path, replace(_SQL_FILE, per_input=True)]
    column: Annotated[Mapping[str, str], replace(_COLUMN, per_input=True)]
    from_id_property: Annotated[str, replace(_FROM_ID_PROPERTY, per_input=True)]
    to_id_property: Annotated[str, Option("--to-id-property",
        "The second ids are values of this unique property.", NAME, metavar="NAME", per_input=True)]
    format: Annotated[str, replace(_FORMAT, per_input=True)]
    sheet: Annotated[str, replace(_SHEET, per_input=True)]
    delimiter: Annotated[str, replace(_DELIMITER, per_input=True)]
    encoding: Annotated[str, replace(_ENCODING, per_input=True)]
    strict: Annotated[bool, Option("--strict",
        "Refuse a file with an unused column that looks like a label, a type or more ids.", FLAG)]


class ConnectionOptions(TypedDict, total=False):
    """Which portal to talk to, and how fast. `rate` is `"auto"` or `"190/10"`. `timeout` is seconds."""

    profile: Annotated[str, Option("--profile",
        "Use the HubSpot account, token and rate of this profile (association-loader profiles lists them).", NAME,
        metavar="NAME", binds=True)]
    token_file: Annotated[Path, Option("--token-file",
        "File that holds the access token (else HUBSPOT_ACCESS_TOKEN).", PATH)]
    portal_id: Annotated[int | str, Option("--portal-id",
        "Number of the HubSpot account; refuse to send to any other.", PORTAL_ID, metavar="ID")]
    api_version: Annotated[str, Option("--api-version",
        "Version of HubSpot's API; auto: v4, and 2026-09 for runs that begin on 2027-03-01 or later.",
        choice("auto", "v4", "2025-09", "2026-03", "2026-09"), "auto", binds=True)]
    base_url: Annotated[str, Option("--base-url",
        "Where the API is; https, or http to this machine.", TEXT, "https://api.hubapi.com", "URL",
        binds=True, variable="HUBSPOT_BASE_URL")]
    trust_host: Annotated[Sequence[str], Option("--trust-host",
        "Send the token to this host, too, such as a gateway of yours.", metavar="HOST", several=True)]
    timeout: Annotated[float, Option("--timeout",
        "Longest time for one request.", number(float, 0.1, unit="seconds", example=30), "30.0", "SECONDS")]
    rate: Annotated[str, Option("--rate",
        "Most requests in a time, such as 190/10: 190 requests in 10 seconds.", RATE, "auto", "auto|N/SECONDS")]
    config: Annotated[Path, Option("--config",
        "Read options, and inputs, from a file; the command line and the environment win.", PATH,
        metavar="FILE.toml")]


class OutputOptions(TypedDict, total=False):
    """What is shown: `log_file` is appended to, `json` writes each event to standard output."""

    quiet: Annotated[bool, Option("--quiet", "Show errors only.", FLAG)]
    json: Json
    log_file: Annotated[Path, Option("--log-file", "Also write what happens to this file.", PATH)]


class ExistingOptions(TypedDict, total=False):
    """What the load does with labels that pairs already have, and with labels that the portal lacks."""

    existing: Existing
    mirror_all_labels: MirrorAllLabels
    max_removals: Annotated[int | str, Option("--max-removals",
        "With --existing mirror: send nothing when more associations than this would go; a share counts from 100 on.",
        BUDGET_OR_OFF, "10%", "N|P%|off")]
    unread: Unread
    create_labels: CreateLabels


class MethodOption(TypedDict, total=False):
    """How a load writes pairs."""

    method: Annotated[str, Option("--method",
        "put: one pair in a request; batch: up to 2,000, much faster, but without created resource ids; auto: "
        "put, or batch where put would take more than 10 minutes.", choice("put", "batch", "auto"), "put")]


class RemoveOptions(TypedDict, total=False):
    """What may be taken off. `max_removals` is a number or `"5%"`."""

    yes: Yes
    whole_pair: WholePair
    max_removals: Annotated[int | str, Option("--max-removals",
        "Stop before anything is sent when more associations than this would be taken off.", BUDGET_OR_OFF, "off",
        "N|P%|off")]


class SendOptions(TypedDict, total=False):
    """How a run sends, and where it writes. `max_failures` and `daily_reserve` are a number or `"5%"`; `max_duration`
    and `again` seconds or `"90m"`. With `dry_run` nothing is sent and no result is written: the report's `planned` says
    what a load would do.
    """

    results: Annotated[Path, Option("--results", "Where results go: .csv, .jsonl or .parquet.", PATH)]
    failures: Annotated[Path, Option("--failures",
        "Where failed and rejected records go: a text like the input, or .xlsx.", PATH)]
    journal: JournalPath
    copy_to: Annotated[Path, Option("--copy-to",
        "At the end, also copy results, failures and summary to this folder: s3://…, sftp://…, a path.",
        PATH_OR_ADDRESS, metavar="URL")]
    concurrency: Annotated[int | str, Option("--concurrency",
        "Most requests under way at once.", HOW_MANY, "auto", "auto|N")]
    max_attempts: MaxAttempts
    max_failures: Annotated[int | str, Option("--max-failures",
        "Stop when more rows than this have failed.", BUDGET, metavar="N|P%")]
    daily_reserve: DailyReserve
    max_duration: MaxDuration
    limit: Limit
    again: Annotated[float | str, Option("--again",
        "Start over with the same inputs if their last run ended longer ago than this; changed ones always do.",
        duration(none=True), metavar="20h")]
    dry_run: Annotated[bool, Option("--dry-run", "Only plan: check everything, send nothing, write nothing.", FLAG)]
    report: PlanReport
    fresh: Fresh
    retry_failed: Annotated[bool, Option("--retry-failed", "Send the failed rows of this run again.", FLAG)]
    keep: Annotated[int, Option("--keep",
        "When a new run begins, delete earlier runs of the same name that ended longer ago than this.",
        number(int, 1, unit="days", example=30), metavar="DAYS")]
    metrics_file: MetricsFile
    on_end: OnEnd


class ReadBackOptions(TypedDict, total=False):
    """How a verification is made. `sample` is a number of pairs, `seed` draws the same again; `wait` seconds."""

    results: Annotated[Path, Option("--results", "Results of the load; the verification is written beside them.", PATH)]
    journal: JournalPath
    existing: Annotated[str, Option("--existing",
        "merge: a pair may have more labels than the file asks for; replace: exactly those; mirror: nor more pairs.",
        choice("merge", "replace", "mirror"), "merge", binds=True)]
    mirror_all_labels: MirrorAllLabels
    removed: Annotated[bool, Option("--removed",
        "After remove: check that what the inputs name is gone.", FLAG)]
    whole_pair: WholePair
    sample: Annotated[int, Option("--sample", "Check only N pairs, chosen at random.", number(int, 1), metavar="N")]
    seed: Annotated[int, Option("--seed",
        "Choose the same pairs as the sample with this seed.", number(int), metavar="N")]
    wait: Annotated[float | str, Option("--wait",
        "How long to wait for pairs that seem missing: HubSpot's reads may lag behind its writes.",
        duration(none=True), "7s", "7s")]
    limit: Limit
    max_attempts: MaxAttempts
    daily_reserve: DailyReserve
    on_end: OnEnd


class TakeBackOptions(TypedDict, total=False):
    """How an undo is made. `assume_new` is needed for a run with `unread=True`."""

    yes: Yes
    journal: JournalPath
    assume_new: Annotated[bool, Option("--assume-new",
        "Remove everything that the run created, even what may have been there before (after --unread).", FLAG)]
    max_attempts: MaxAttempts
    daily_reserve: DailyReserve
    on_end: OnEnd


class PlanFilesOptions(TypedDict, total=False):
    """What a plan writes: `failures` lists the rows that it rejects, `report` is the plan as a page."""

    failures: Annotated[Path, Option("--failures",
        "Write the rejected rows to a file, as a load would.", PATH, variable=None)]
    report: PlanReport


class LabelOptions(TypedDict, total=False):
    """What a label is to be: `inverse_label` is its text from the other end, where that differs."""

    inverse_label: Annotated[str, Option("--inverse-label",
        "Text of the label from the other end, where it differs: Employee beside Manager.", NAME, metavar="TEXT")]
    name: Annotated[str, Option("--name",
        "HubSpot's internal name of the label; else made of its text.", NAME, metavar="NAME")]


class ExportOptions(TypedDict, total=False):
    """What an export reads, and where it writes. `ids` names the records; how it is read, the options beside it say."""

    output: Annotated[Path, Option("--output",
        "Where the export goes: .csv, .jsonl or .parquet, or - for standard output as CSV.", PATH_OR_STREAM)]
    ids: Annotated[Path, Option("--ids",
        "Only the records in the object_id column of this input.", PATH_OR_ADDRESS, metavar="INPUT")]
    by_label: Annotated[bool, Option("--by-label",
        "Leave out the type ids of the account's own labels, so that another HubSpot account can load it.", FLAG)]
    sql: Annotated[str, replace(_SQL, help="Only the records in the object_id column of what this query gives.")]
    sql_file: Annotated[Path, _SQL_FILE]
    column: Annotated[Mapping[str, str], _COLUMN]
    from_id_property: Annotated[str, _FROM_ID_PROPERTY]
    format: Annotated[str, _FORMAT]
    sheet: Annotated[str, _SHEET]
    delimiter: Annotated[str, _DELIMITER]
    encoding: Annotated[str, _ENCODING]
    fresh: Fresh
    max_attempts: Annotated[int, replace(MaxAttempts.__metadata__[0],
        help="Requests for the same records before they count as not read.")]
    max_duration: MaxDuration
    daily_reserve: DailyReserve
    on_end: OnEnd


class DoctorOptions(TypedDict, total=False):
    """Where the results of the load would go."""

    results: Annotated[Path, Option("--results", "Where results would go: its folder is looked at.", PATH)]


class FleetOptions(TypedDict, total=False):
    """Where the portals of a fleet are worked on, and when."""

    portals_at_once: Annotated[int, Option("--portals-at-once",
        "Most HubSpot accounts at work at once.", number(int, 1, example=4), "4", "N")]
    scheduler: Annotated[str, Option("--scheduler",
        "Have the workers of this Dask scheduler do the work, such as tcp://host:8786; without it, new processes of "
        "this machine.", NAME, metavar="ADDRESS")]
    wait_for_quota: Annotated[bool, Option("--wait-for-quota",
        "Wait for accounts whose daily quota is spent, and continue with each once it has reset.", FLAG)]
    metrics_file: MetricsFile


class JsonOption(TypedDict, total=False):
    """The output of a command that only prints."""

    json: Json


class JournalOption(TypedDict, total=False):
    """Where the run is that the command shows."""

    journal: JournalPath


class ReportOptions(TypedDict, total=False):
    """Where a report goes."""

    output: Annotated[Path, Option("--output",
        "Where the report goes (default: beside the results, <name>.report.html).", PATH)]


class SandboxOptions(TypedDict, total=False):
    """How the simulated HubSpot behaves; these are for the command line only."""

    port: Annotated[int, Option("--port", "Port; 0: a free one.",
        number(int, 0, 65535, example=8642), "8642", variable=None)]
    rate: Annotated[str, Option("--rate", "Rate limit, or off.", TEXT, "100/10", "N/SECONDS", variable=None)]
    daily: Annotated[int, Option("--daily", "Daily quota.", number(int, 0), variable=None)]
    latency: Annotated[str, Option("--latency",
        "Time before an answer.", TEXT, "0ms", "80ms|50ms-150ms", variable=None)]
    answers: Annotated[str, Option("--answers",
        "Shape of a PUT's answer: with createdResourceId, or the bare pair.",
        choice("wrapped", "bare"), "wrapped", variable=None)]
    faults: Annotated[str, Option("--faults",
        "What goes wrong, and how often.", TEXT, "", "429:0.02,500:0.01|FILE.json", variable=None)]
    portal: Annotated[Path, Option("--portal",
        "JSON file with the account's labels, records and associations.", PATH, variable=None)]
    portals: Annotated[int, Option("--portals",
        "How many accounts, each with limits and a token of its own; it is said which.",
        number(int, 1, 9999), variable=None)]
    seed: Annotated[int, Option("--seed", "Seed of everything random.", number(int), variable=None)]

# fmt: on


GROUPS: Mapping[str, tuple[str, ...]] = {
    "What the file holds": (
        *("object_type", "to_object_type", "label", "association_type_id", "association_category", "column"),
        *("from_id_property", "to_id_property", "ids", "sql", "sql_file", "strict"),
        *("format", "sheet", "delimiter", "encoding"),
    ),
    "What changes in HubSpot": (
        *("existing", "mirror_all_labels", "max_removals", "unread", "create_labels", "whole_pair", "assume_new"),
        *("method", "yes", "inverse_label", "name"),
    ),
    "What is checked": ("removed", "sample", "seed", "wait"),
    "Try, stop, continue": (
        *("dry_run", "limit", "max_failures", "max_duration", "daily_reserve", "fresh", "retry_failed", "again"),
        "wait_for_quota",
    ),
    "What is written and shown": (
        *("results", "failures", "journal", "copy_to", "report", "output", "by_label", "quiet", "json", "log_file"),
        *("metrics_file", "on_end", "keep"),
    ),
    "Access and speed": (
        *(
            "portals_at_once",
            "scheduler",
            "profile",
            "token_file",
            "portal_id",
            "config",
            "rate",
            "concurrency",
            "max_attempts",
            "timeout",
            "api_version",
        ),
        *("base_url", "trust_host"),
    ),
}
"""The headings of the help and the options under them, by keyword; any other option is shown last."""
