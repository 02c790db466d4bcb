"""The table of commands, one entry each: the command line and its help, the configuration file and Python's keywords
are made from it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache

from loader.options import (
    ConnectionOptions,
    DoctorOptions,
    ExistingOptions,
    ExportOptions,
    FleetOptions,
    InputOptions,
    JournalOption,
    JsonOption,
    LabelOptions,
    MethodOption,
    Option,
    OutputOptions,
    PlanFilesOptions,
    ReadBackOptions,
    RemoveOptions,
    ReportOptions,
    SandboxOptions,
    SendOptions,
    TakeBackOptions,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """A command. `module` has the function `run` (see `loader.run.call`); it is imported when the command runs.

    `reads_inputs` and `asks_hubspot`: its settings say how its inputs are read and how it talks to HubSpot, and a
    mistake in them is refused before it begins. (`doctor` does both and says neither: a mistake is what it reports.)
    `arguments` are the words without an option as the help shows them: `INPUT...` may be several, `[CODE]` may be
    left out, `one|other` is one of two. In `help`, the lines of a paragraph that begins with a backspace are not
    filled. `ignores` are options of a load or a removal that change nothing here: they may be typed, so that the same
    command works behind another word.
    """

    module: str
    options: tuple[type, ...]
    short_help: str
    help: str
    arguments: str = ""
    reads_inputs: bool = False
    asks_hubspot: bool = False
    ignores: tuple[str, ...] = ()

    @property
    def streams_events(self) -> bool:
        """True if events are shown, logged or written as JSON while it runs; else only its end is shown."""
        return OutputOptions in self.options


VERBS: Mapping[str, Verb] = {
    "load": Verb(
        module="loader.run.load",
        arguments="INPUT...",
        options=(InputOptions, MethodOption, ExistingOptions, SendOptions, ConnectionOptions, OutputOptions),
        reads_inputs=True,
        asks_hubspot=True,
        short_help="Associate the records that the files list.",
        help="""Associate the records that the inputs name, and write one result line for each row.

INPUT is a file, a folder, a glob, or - for standard input. The access token comes from HUBSPOT_ACCESS_TOKEN or
from --token-file. The same command, run again, resumes where it stopped and never loads a row twice. Every option
can also be set as ASSOCIATION_LOADER_<OPTION> in the environment or in the --config file.
""",
    ),
    "remove": Verb(
        module="loader.run.load",
        arguments="INPUT...",
        options=(InputOptions, RemoveOptions, SendOptions, ConnectionOptions, OutputOptions),
        reads_inputs=True,
        asks_hubspot=True,
        short_help="Take off the associations that the inputs name.",
        help="""Take off the associations or labels that the inputs name, and write one result line for each row.

A row with a label takes that label off its pair, and the pair keeps the others. In a file without any label, a row
takes the whole pair off. It is shown first how many associations are taken off, and to continue that number has to
be typed. The same command resumes where it stopped, and undo puts back what was taken off.
""",
    ),
    "plan": Verb(
        module="loader.run.plan",
        arguments="INPUT...",
        options=(InputOptions, ExistingOptions, PlanFilesOptions, ConnectionOptions, OutputOptions),
        reads_inputs=True,
        asks_hubspot=True,
        short_help="Show what a load would do; send and write nothing.",
        help="""Check everything and show what a load would do; nothing is sent and no file is written.

Without an access token no connection is opened, and what only HubSpot knows stays unchecked.
""",
    ),
    "labels": Verb(
        module="loader.run.labels",
        arguments="FROM TO",
        options=(ConnectionOptions, JsonOption),
        asks_hubspot=True,
        short_help="List the association types of two object types.",
        help="""List the association types from FROM to TO and back: category, type id and label.

FROM and TO are object types by any name that a load takes: contacts, company, 0-3, a custom object's name.
""",
    ),
    "create-label": Verb(
        module="loader.run.create_label",
        arguments="FROM TO LABEL",
        options=(LabelOptions, ConnectionOptions, OutputOptions),
        asks_hubspot=True,
        short_help="Make an association label.",
        help="""Make a label for associations from FROM to TO, and show its association type ids.

A label reads the same from both ends unless --inverse-label says otherwise. Where the label is there already,
nothing is done.
""",
    ),
    "export": Verb(
        module="loader.run.export",
        arguments="FROM TO",
        options=(ExportOptions, ConnectionOptions, OutputOptions),
        asks_hubspot=True,
        short_help="Write down which records are associated, as a file that loads.",
        help="""Write down what the records of FROM are associated with among those of TO, one line for each association
type.

The records are all of FROM, or those that --ids names. `load` takes the file back without options. The same
command, run again, resumes where it stopped.
""",
    ),
    "doctor": Verb(
        module="loader.run.doctor",
        arguments="[INPUT...]",
        options=(InputOptions, DoctorOptions, JournalOption, ConnectionOptions, JsonOption),
        short_help="Check whether a load could work.",
        help="""Check everything that a load needs, one line each: ok, warning or bad, and what to do.

Software, token and its scopes, HubSpot account, limit and quota, clock, API version, results and cache folder,
other loads at work, and the inputs. HubSpot is only read. Exit code 0, 1 with warnings, 2 with anything bad.
""",
    ),
    "profiles": Verb(
        module="loader.run.profiles",
        options=(JsonOption,),
        short_help="List the profiles of --profile.",
        help="""List the profiles: HubSpot account, where the token comes from, rate, API version, address; no secret.

They are in ~/.config/association-loader/profiles.toml, or in the file that ASSOCIATION_LOADER_PROFILES names.
""",
    ),
    "explain": Verb(
        module="loader.run.explain",
        arguments="[CODE]",
        options=(JsonOption,),
        short_help="Explain the error codes of the results.",
        help="""Explain an error code: what it means, what to do, and whether sending the row again may help.

CODE is in the results as `error_category`, and in the failures file as `_error_category`. Without it, all
codes are listed.
""",
    ),
    "report": Verb(
        module="loader.run.report_page",
        arguments="RESULTS",
        options=(
            ReportOptions,
            JournalOption,
        ),
        short_help="Write a run as a page to read or to mail.",
        help="""Write a run as one page of HTML: what was asked, what happened, what went wrong and what to do about it.

RESULTS is the results file. The page runs no script and loads nothing, so it can be mailed as it is; but it holds
record ids and messages, as the results do.
""",
    ),
    "status": Verb(
        module="loader.run.status",
        arguments="[RESULTS]",
        options=(
            JournalOption,
            JsonOption,
        ),
        short_help="Show where a run stands.",
        help="""Show where a run stands: what is done, what is left, and the command that comes next.

RESULTS is a results file, the file of an export, or a folder whose runs and exports are listed; without it, the
working folder. Nothing is changed, and it may be asked while a load runs.
""",
    ),
    "verify": Verb(
        module="loader.run.verify",
        arguments="INPUT...",
        options=(InputOptions, ReadBackOptions, ConnectionOptions, OutputOptions),
        ignores=(
            *("again", "concurrency", "create_labels", "keep", "max_failures", "max_removals", "method"),
            *("retry_failed", "unread", "yes"),
        ),
        reads_inputs=True,
        asks_hubspot=True,
        short_help="Check that HubSpot has what the inputs say.",
        help="""Read back from HubSpot what the inputs ask for, and write one line for each row.

\b
=  every type asked for is there
*  the two records are associated, but not by the type asked for
+  they are not associated
!  it could not be read, or the row is rejected

With --removed, after remove: = is gone, * is still there. Nothing is changed. Exit code 1 when anything but = was
found.
""",
    ),
    "undo": Verb(
        module="loader.run.undo",
        arguments="RESULTS",
        options=(TakeBackOptions, ConnectionOptions, OutputOptions),
        asks_hubspot=True,
        short_help="Take back what a run added or removed, and nothing else.",
        help="""Remove the associations and labels that a run added, and put back those that it removed.

RESULTS is the results file of the run. What was changed since is left and reported. It is shown first what
will change, and to continue the number of associations has to be typed. The same command resumes where it stopped.
""",
    ),
    "fleet": Verb(
        module="loader.fleets.verb",
        arguments="run|status FLEET.toml",
        options=(FleetOptions, OutputOptions),
        short_help="Load into many HubSpot accounts, on one machine or many.",
        help="""Do the jobs of many HubSpot accounts, several accounts at once; or show where each of them stands.

\b
results = "runs/"                  # a folder, or an address such as s3://bucket/runs
[[portal]]
profile = "acme"                   # association-loader profiles lists them
jobs = ["acme/contacts.toml"]      # files as load --config takes them, done in this order

The paths in FLEET.toml count from its own folder, those in a job file from the working folder, as with load. What a
job file says of results, failures, journal and log is not looked at: the results are in <results>/<profile>/, and the
summary and a page of the whole fleet in <results>. The same command resumes; what is finished is skipped until its
input changes. An account's failure does not stop the others.
""",
    ),
    "schema": Verb(
        module="loader.run.schema",
        arguments="events|summary|fleet",
        options=(),
        short_help="Print the JSON Schema of --json or of a summary file.",
        help="""Print the JSON Schema (draft 2020-12) of each object that --json writes, or of the summary file of a
run or a fleet.

It has the version of this program, which each summary names, too. A line of a --log-file has the key `at` besides.
""",
    ),
    "sandbox": Verb(
        module="loader.run.sandbox",
        options=(SandboxOptions,),
        short_help="Run a simulated HubSpot on this machine.",
        help="Run a simulated HubSpot on 127.0.0.1, to try everything without an account.",
    ),
}


@cache
def options_of(verb: str) -> Mapping[str, Option]:
    """Return the options of a command by their keywords."""
    entries = {name: entry for group in VERBS[verb].options for name, entry in group.__annotations__.items()}
    return {name: replace(entry.__metadata__[0], keyword=name) for name, entry in entries.items()}


def ignored_options(verb: str) -> list[Option]:
    """Return the options that a command accepts and ignores."""
    known = {**options_of("remove"), **options_of("load")}
    return [known[name] for name in VERBS[verb].ignores]


def all_options() -> Iterator[Option]:
    """Yield the options of all commands; an option of several commands comes several times."""
    for verb in VERBS:
        yield from options_of(verb).values()


@cache
def binding() -> Mapping[str, Option]:
    """Return the options that belong to the identity of a run, by their fields in `loader.settings`."""
    return {option.setting or option.keyword: option for option in all_options() if option.binds or option.per_input}


def flags() -> frozenset[str]:
    """Return the names of the options without a value, as typed."""
    return frozenset(option.word for option in all_options() if option.is_flag)
