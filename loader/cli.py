"""The command line: arguments, environment and configuration file become Settings, a verb runs, an exit code comes out.

Everything heavy is imported by the command that needs it, so that `--help` and usage errors answer at once.
"""

import errno
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import click

from loader.arguments import Budgeted, Duration, FieldHeader, Many, RateLimit
from loader.complain import PROGRAM, complain
from loader.configuration import read_configuration
from loader.configure import Typed
from loader.errors import LoaderError, UsageError

API_VERSIONS = ("auto", "v4", "2025-09", "2026-03", "2026-09")

Command = Callable[..., Any]


def option(name: str, *more: str, envvar: str | None = None, **attributes: Any) -> Callable[[Command], Command]:
    """Declare an option that can also be set by `ASSOCIATION_LOADER_<OPTION>` and in the configuration file."""
    own = _variable(name)
    return click.option(name, *more, envvar=[own, envvar] if envvar else own, **attributes)


def _variable(name: str) -> str:
    return "ASSOCIATION_LOADER_" + name.removeprefix("--").upper().replace("-", "_")


def options(*declared: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Apply declared options in the order given."""

    def apply(command: Command) -> Command:
        for declare in reversed(declared):
            command = declare(command)
        return command

    return apply


input_options = options(
    click.argument("inputs", nargs=-1, metavar="INPUT..."),
    option("--from", "from_", metavar="TYPE", help="Object type of the first records, if rows do not say: contacts."),
    option("--to", "to", metavar="TYPE", help="Object type of the second records, if rows do not say: companies."),
    option("--label", metavar="TEXT", help="Association label, for rows that do not say."),
    option("--type-id", metavar="N", help="Association type id, for rows that name neither label nor type id."),
    option("--category", metavar="CATEGORY", help="Association category, for rows that do not say."),
    option("--column", multiple=True, type=FieldHeader(), metavar="FIELD=HEADER",
           help='Read a field from a column of any name: object_id="Contact Key". Repeatable.'),
    option("--from-id-property", metavar="NAME", help="The first ids are values of this unique property."),
    option("--to-id-property", metavar="NAME", help="The second ids are values of this unique property."),
    option("--format", "format_", type=click.Choice(["csv", "tsv", "jsonl", "parquet", "xlsx", "xls"]),
           help="Format of the inputs, where it cannot be told from them."),
    option("--sheet", metavar="NAME", help="Sheet of a workbook."),
    option("--delimiter", metavar="CHARACTER", help="Delimiter of a text file."),
    option("--encoding", metavar="NAME", help="Encoding of a text file."),
    option("--strict", is_flag=True, help="Refuse a file with an unread column that looks as if it said something."),
)  # fmt: skip

connection_options = options(
    option("--token-file", type=click.Path(), help="File that holds the access token (else HUBSPOT_ACCESS_TOKEN)."),
    option("--portal-id", metavar="ID", help="Refuse to send to any other portal."),
    option("--api-version", type=click.Choice(API_VERSIONS), default="auto", show_default=True,
           help="Version of HubSpot's API; auto: v4, and 2026-09 for runs that begin on 2027-03-01 or later."),
    option("--base-url", envvar="HUBSPOT_BASE_URL", default="https://api.hubapi.com", show_default=True, metavar="URL",
           help="Where the API is; https, or http to this machine."),
    option("--trust-host", multiple=True, metavar="HOST", help="Send the token to this host, too: a gateway of yours."),
    option("--timeout", type=click.FloatRange(min=0.1), default=30.0, show_default=True, metavar="SECONDS",
           help="Longest time for one request."),
    option("--rate", type=RateLimit(), default="auto", show_default=True, metavar="auto|N/SECONDS",
           help="Most requests in any window of so many seconds: 190/10."),
    option("--config", type=click.Path(), is_eager=True, callback=read_configuration, metavar="FILE.toml",
           help="Read options, and inputs, from a file; the command line and the environment win."),
)  # fmt: skip

json_option = option("--json", "json_", is_flag=True, help="Write one JSON object for each event to standard output.")

output_options = options(
    option("--quiet", is_flag=True, help="Say nothing but errors."),
    json_option,
    option("--log-file", type=click.Path(), help="Write what happens to a file, too."),
)

max_attempts_option = option(
    "--max-attempts", type=click.IntRange(min=1), default=8, show_default=True, metavar="N",
    help="Requests for one pair before it counts as failed.",
)  # fmt: skip
daily_reserve_option = option(
    "--daily-reserve", type=Budgeted(), metavar="N|P%",
    help="Stop for today when no more of the day's quota than this is left for others.",
)  # fmt: skip
limit_option = option(
    "--limit", type=click.IntRange(min=1), metavar="N", help="Go no further than the first N records."
)

existing_options = options(
    option("--existing", type=click.Choice(["merge", "replace"]), default="merge", show_default=True,
           help="Labels that a pair has: kept, or replaced by those of the file; what is so already is not sent."),
    option("--unread", is_flag=True,
           help="With --existing replace: read nothing first; what goes is then not known, and not undone."),
)  # fmt: skip

send_options = options(
    option("--results", type=click.Path(), help="Where results go: .csv, .jsonl or .parquet."),
    option("--failures", type=click.Path(), help="Where failed and rejected records go."),
    option("--method", type=click.Choice(["put", "batch"]), default="put", show_default=True,
           help="One pair in a request, or 2,000; by batch HubSpot gives no created resource id."),
    existing_options,
    option("--concurrency", type=Many(), default="auto", show_default=True, metavar="auto|N",
           help="Most requests under way at once."),
    max_attempts_option,
    option("--max-failures", type=Budgeted(), metavar="N|P%", help="Stop when more rows than this have failed."),
    daily_reserve_option,
    option("--max-duration", type=Duration(), metavar="90m", help="Stop after so long; the same command goes on."),
    limit_option,
    option("--again", type=Duration(none=True), metavar="20h",
           help="The same inputs are a new run when the last one ended longer ago; changed ones always are."),
    option("--dry-run", is_flag=True, help="Only plan: check everything, send nothing, write nothing."),
    option("--fresh", is_flag=True, help="Begin anew; an earlier run's files are set aside."),
    option("--retry-failed", is_flag=True, help="Send the failed rows of this run again."),
    option("--keep", type=click.IntRange(min=1), metavar="DAYS",
           help="When a new run begins, remove earlier runs of the same name that ended longer ago."),
    option("--metrics-file", type=click.Path(), help="Write the run's figures to a file for Prometheus, too."),
)  # fmt: skip


verify_options = options(
    option("--results", type=click.Path(), help="Results of the load; the verification lies beside them."),
    option("--existing", type=click.Choice(["merge", "replace"]), default="merge", show_default=True,
           help="merge: a pair may have more labels than the file asks for; replace: exactly those."),
    option("--sample", type=click.IntRange(min=1), metavar="N", help="Look at N pairs only, drawn by chance."),
    option("--seed", type=int, metavar="N", help="Draw the sample that was drawn with this seed."),
    option("--wait", type=Duration(none=True), default="7s", show_default=True, metavar="7s",
           help="How long what seems missing is given to turn up: reads may lag behind writes."),
)  # fmt: skip


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="association-loader", prog_name=PROGRAM)
def cli() -> None:
    """Load associations from CSV, Excel, Parquet and JSON lines files into HubSpot.

    \b
    Try it without an account:  association-loader sandbox
    Then, in another terminal:  association-loader load FILE --from contacts --to companies
    """


@cli.command(short_help="Associate the records that the inputs name.")
@input_options
@send_options
@connection_options
@output_options
def load(**given: Any) -> int:
    """Associate the records that the inputs name, and write one result line for each row.

    INPUT is a file, a folder, a glob, or - for standard input. The access token comes from HUBSPOT_ACCESS_TOKEN or
    from --token-file. The same command, run again, goes on where it stopped and never loads a row twice. Every option
    can also be set as ASSOCIATION_LOADER_<OPTION> in the environment or in the --config file.
    """
    from loader import terminal  # noqa: PLC0415 - see the module's docstring

    return (terminal.plan if given["dry_run"] else terminal.load)(given, _typed())


@cli.command(short_help="Show what a load would do; send and write nothing.")
@input_options
@existing_options
@connection_options
@output_options
def plan(**given: Any) -> int:
    """Check everything and show what a load would do; nothing is sent and no file is written.

    Without an access token no connection is opened, and what only the portal knows stays unchecked.
    """
    from loader import terminal  # noqa: PLC0415

    return terminal.plan(given, _typed())


@cli.command(short_help="List the association types of two object types.")
@click.argument("from_type", metavar="FROM")
@click.argument("to_type", metavar="TO")
@connection_options
@json_option
def labels(**given: Any) -> int:
    """List the association types from FROM to TO and back: category, type id and label.

    FROM and TO are object types by any name that a load takes: contacts, company, 0-3, a custom object's name.
    """
    from loader import terminal  # noqa: PLC0415

    return terminal.labels(given)


@cli.command(short_help="Explain the error codes of the results.")
@click.argument("code", metavar="[CODE]", required=False)
@json_option
def explain(**given: Any) -> int:
    """Explain an error code: what it means, what to do, and whether sending the row again may help.

    CODE stands in the results as `error_category`, and in the failures file as `_error_category`. Without it, all
    codes are listed.
    """
    from loader import terminal  # noqa: PLC0415

    return terminal.explain(given)


@cli.command(short_help="Write a run as a page to look at or to mail.")
@click.argument("results", metavar="RESULTS", type=click.Path())
@option("--output", type=click.Path(), help="Where the report goes; else beside the results: <name>.report.html.")
def report(**given: Any) -> int:
    """Write a run as one page of HTML: what was asked, what happened, what went wrong and what to do about it.

    RESULTS is the results file. The page runs no script and loads nothing, so it can be mailed as it is; but it holds
    record ids and messages, as the results do.
    """
    from loader import terminal  # noqa: PLC0415

    return terminal.report(given)


@cli.command(short_help="Show where a run stands.")
@click.argument("results", metavar="[RESULTS]", required=False, type=click.Path())
@json_option
def status(**given: Any) -> int:
    """Show where a run stands: what is done, what is left, and the command that comes next.

    RESULTS is a results file, or a folder whose runs are listed; without it, the working folder. Nothing is changed,
    and it may be asked while a load runs.
    """
    from loader import terminal  # noqa: PLC0415

    return terminal.status(given)


@cli.command(short_help="Look whether the portal has what the inputs ask for.")
@input_options
@verify_options
@limit_option
@max_attempts_option
@daily_reserve_option
@connection_options
@output_options
def verify(**given: Any) -> int:
    """Read back from the portal what the inputs ask for, and write one line for each row.

    \b
    =  every type asked for is there
    *  the two records are associated, but not by the type asked for
    +  they are not associated
    !  it could not be read, or the row is rejected
    Nothing is changed. Exit code 1 when anything but = was found.
    """
    from loader import terminal  # noqa: PLC0415

    return terminal.verify(given, _typed())


@cli.command(short_help="Take back what a load added, and nothing else.")
@click.argument("results", metavar="RESULTS", type=click.Path())
@option("--yes", is_flag=True, help="Do not ask before anything is removed.")
@option(
    "--assume-new",
    is_flag=True,
    help="Remove all that the run created, also what may have been there before (after --unread).",
)
@max_attempts_option
@daily_reserve_option
@connection_options
@output_options
def undo(**given: Any) -> int:
    """Remove the associations and labels that a load added; what was there before stays.

    RESULTS is the results file of the load. What somebody changed since is left and told. It is shown first what will
    be removed, and to go on the number of associations has to be typed. The same command goes on where it stopped.
    """
    from loader import terminal  # noqa: PLC0415

    return terminal.undo(given, _typed())


@cli.command(short_help="Run a simulated HubSpot on this machine.")
@click.option("--port", type=click.IntRange(0, 65535), default=8642, show_default=True, help="Port; 0: a free one.")
@click.option("--rate", default="100/10", show_default=True, metavar="N/SECONDS", help="Rate limit, or off.")
@click.option("--daily", type=click.IntRange(min=0), help="Daily quota.")
@click.option("--latency", default="0ms", show_default=True, metavar="80ms|50ms-150ms", help="Time before an answer.")
@click.option(
    "--answers",
    type=click.Choice(["wrapped", "bare"]),
    default="wrapped",
    show_default=True,
    help="Shape of a PUT's answer: with createdResourceId, or the bare pair.",
)
@click.option("--faults", default="", metavar="429:0.02,500:0.01|FILE.json", help="What goes wrong, and how often.")
@click.option("--portal", type=click.Path(), help="JSON file with the portal's labels, records and associations.")
@click.option("--seed", type=int, help="Seed of everything random.")
def sandbox(**given: Any) -> int:  # fmt: skip
    """Run a simulated HubSpot on 127.0.0.1, to try everything without an account."""
    from loader.sandbox import serve  # noqa: PLC0415

    try:
        serve(**given)
    except (ValueError, OSError) as error:
        raise UsageError(str(error)) from error
    return 0


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code (see the README's table of exit codes)."""
    # Until a verb listens for signals itself, nothing has begun: SIGTERM ends the process with 143, as the README says.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Run the command line and return its exit code."""
    try:
        return int(cli.main(arguments, prog_name=PROGRAM, standalone_mode=False, obj=[PROGRAM, *arguments]) or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.ClickException as error:
        complain(error.format_message() + _file_behind(error, arguments))
        return 2
    except (click.Abort, KeyboardInterrupt):
        return 130
    except LoaderError as error:
        complain(str(error))
        return error.exit_code
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            complain(f"{error.filename}: the name is too long: give a shorter one")
            return UsageError.exit_code
        return _report_bug(error, arguments)


def _file_behind(error: click.ClickException, arguments: list[str]) -> str:
    """Return how to name a file whose name begins with a dash, blank where none was meant."""
    names = [each for each in arguments if each.startswith("-") and os.path.isfile(each)]  # noqa: PTH113 - no Path yet
    return f" The file is ./{names[0]}." if isinstance(error, click.NoSuchOption) and names else ""


def _report_bug(error: Exception, arguments: list[str]) -> int:
    from loader import bug  # noqa: PLC0415

    secrets = bug.secrets_around(os.environ.items(), _value_of("--token-file", arguments))
    path = bug.report(error, secrets, _value_of("--log-file", arguments))
    complain(f"this is a bug in the loader, not in your file ({type(error).__name__}): please report {path}")
    return bug.EXIT_CODE


def _value_of(option_name: str, arguments: list[str]) -> str | None:
    """Return an option's value as the command line or the environment gives it; here parsing may have failed."""
    for word, following in zip(arguments, [*arguments[1:], None], strict=True):
        if word == option_name:
            return following
        if word.startswith(f"{option_name}="):
            return word.partition("=")[2]
    return os.environ.get(_variable(option_name))


def _typed() -> Typed:
    """Return the words of the command as they were typed; none of them is a secret."""
    context = click.get_current_context()
    return Typed(tuple(context.obj), flags_of(context.command))


def flags_of(command: click.Command) -> frozenset[str]:
    """Return the options of a command that take no value."""
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    return frozenset(name for each in options if each.is_flag for name in each.opts)
