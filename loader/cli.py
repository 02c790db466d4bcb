"""The command line: arguments, environment and configuration file become Settings, a verb runs, an exit code comes out.

Everything heavy is imported by the command that needs it, so that `--help` and usage errors answer at once.
"""

import errno
import os
import signal
import sys
from collections.abc import Callable, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from loader.complain import PROGRAM, complain
from loader.errors import LoaderError, UsageError
from loader.options import GROUPS, Option, options_of
from loader.options.kinds import PATH, ValueKind

if TYPE_CHECKING:
    from loader.options.command import Command

FEW_OPTIONS = 10
"""That many fit on a screen without headings."""


class _Option(click.Option):
    """An option of the table: click shows it and finds its words; what they mean is read with all other sources."""

    def __init__(self, option: Option) -> None:
        super().__init__(
            [option.word, option.keyword],
            type=None if option.is_flag else _type(option.kind),
            is_flag=option.is_flag,
            multiple=option.several,
            default=option.default,
            show_default=bool(option.default),
            metavar=option.metavar,
            help=option.help,
        )

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """Return the words as they are."""
        del ctx
        return value


class _Command(click.Command):
    """A command whose help shows its options under headings, where it has more than a screen takes in at a glance."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, those of a group together."""
        options = [each for each in self.get_params(ctx) if isinstance(each, click.Option)]
        records = {each.name: record for each in options if (record := each.get_help_record(ctx))}
        if len(records) > FEW_OPTIONS:
            for heading, names in GROUPS.items():
                if found := [records.pop(name) for name in names if name in records]:
                    with formatter.section(heading):
                        formatter.write_dl(found)
        with formatter.section("Options"):
            formatter.write_dl(list(records.values()))


def _type(kind: ValueKind) -> click.ParamType[Any]:
    """Return the type that makes click's help show what a value may be."""
    if kind.choices:
        return click.Choice(kind.choices)
    if kind.number is float:
        return click.FloatRange(kind.least, kind.most)
    if kind.number is int:
        return click.INT if kind.least is None else click.IntRange(kind.least, kind.most)
    return click.Path() if kind is PATH else click.STRING


def verb(short_help: str, *arguments: click.Argument) -> Callable[[Callable[["Command"], int]], click.Command]:
    """Make a command of a function that runs it, with the options that the table has for it."""

    def declare(run_verb: Callable[["Command"], int]) -> click.Command:
        name = run_verb.__name__.replace("_", "-")
        made = _Command(
            name,
            callback=lambda **words: run_verb(_typed(words)),
            params=[*arguments, *map(_Option, options_of(name).values())],
            help=run_verb.__doc__,
            short_help=short_help,
        )
        cli.add_command(made)
        return made

    return declare


def _typed(words: Mapping[str, Any]) -> "Command":
    """Return the command that click is about to run; `words` are what it found, and its defaults."""
    from loader.options.command import command  # noqa: PLC0415 - see the module's docstring

    context = click.get_current_context()
    given = {name: words[name] for name in words if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    arguments = [given.pop(each.name, ()) for each in context.command.params if isinstance(each, click.Argument)]
    return command(
        str(context.command.name),
        given,
        os.environ,
        lambda option: option.word,
        arguments=tuple(chain.from_iterable([each] if isinstance(each, str) else each for each in arguments)),
        typed=tuple(context.obj),
    )


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="association-loader", prog_name=PROGRAM)
def cli() -> None:
    """Load associations from CSV, Excel, Parquet and JSON lines files into HubSpot.

    \b
    Try it without an account:  association-loader sandbox
    Then, in another terminal:  association-loader load FILE --from contacts --to companies
    """


INPUTS = click.Argument(["inputs"], nargs=-1, metavar="INPUT...")
RESULTS = click.Argument(["results"], metavar="RESULTS")


@verb("Associate the records that the files list.", INPUTS)
def load(given: "Command") -> int:
    """Associate the records that the inputs name, and write one result line for each row.

    INPUT is a file, a folder, a glob, or - for standard input. The access token comes from HUBSPOT_ACCESS_TOKEN or
    from --token-file. The same command, run again, resumes where it stopped and never loads a row twice. Every option
    can also be set as ASSOCIATION_LOADER_<OPTION> in the environment or in the --config file.
    """
    from loader import terminal  # noqa: PLC0415 - see the module's docstring

    return (terminal.plan if given.values["dry_run"] else terminal.load)(given)


@verb("Take off the associations that the inputs name.", INPUTS)
def remove(given: "Command") -> int:
    """Take off the associations or labels that the inputs name, and write one result line for each row.

    A row with a label takes that label off its pair, and the pair keeps the others. In a file without any label, a row
    takes the whole pair off. It is shown first how many associations are taken off, and to continue that number has to
    be typed. The same command resumes where it stopped, and undo puts back what was taken off.
    """
    from loader import terminal  # noqa: PLC0415

    return (terminal.plan if given.values["dry_run"] else terminal.remove)(given)


@verb("Show what a load would do; send and write nothing.", INPUTS)
def plan(given: "Command") -> int:
    """Check everything and show what a load would do; nothing is sent and no file is written.

    Without an access token no connection is opened, and what only the portal knows stays unchecked.
    """
    from loader import terminal  # noqa: PLC0415

    return terminal.plan(given)


@verb(
    "List the association types of two object types.",
    click.Argument(["from_type"], metavar="FROM"),
    click.Argument(["to_type"], metavar="TO"),
)
def labels(given: "Command") -> int:
    """List the association types from FROM to TO and back: category, type id and label.

    FROM and TO are object types by any name that a load takes: contacts, company, 0-3, a custom object's name.
    """
    from loader import terminal  # noqa: PLC0415

    return terminal.labels(given)


@verb(
    "Make an association label.",
    click.Argument(["from_type"], metavar="FROM"),
    click.Argument(["to_type"], metavar="TO"),
    click.Argument(["label"], metavar="LABEL"),
)
def create_label(given: "Command") -> int:
    """Make a label for associations from FROM to TO, and show its association type ids.

    A label reads the same from both ends unless --inverse-label says otherwise. Where the label is there already,
    nothing is done.
    """
    from loader import terminal  # noqa: PLC0415

    return terminal.create_label(given)


@verb(
    "Write down which records are associated, as a file that loads.",
    click.Argument(["from_type"], metavar="FROM"),
    click.Argument(["to_type"], metavar="TO"),
)
def export(given: "Command") -> int:
    """Write down what the records of FROM are associated with among those of TO, one line for each association type.

    The records are all of FROM, or those that --ids names. `load` takes the file back without options. The same
    command, run again, resumes where it stopped.
    """
    from loader import terminal  # noqa: PLC0415

    return terminal.export(given)


@verb("Explain the error codes of the results.", click.Argument(["code"], metavar="[CODE]", required=False))
def explain(given: "Command") -> int:
    """Explain an error code: what it means, what to do, and whether sending the row again may help.

    CODE stands in the results as `error_category`, and in the failures file as `_error_category`. Without it, all
    codes are listed.
    """
    from loader import terminal  # noqa: PLC0415

    return terminal.explain(given)


@verb("Write a run as a page to read or to mail.", RESULTS)
def report(given: "Command") -> int:
    """Write a run as one page of HTML: what was asked, what happened, what went wrong and what to do about it.

    RESULTS is the results file. The page runs no script and loads nothing, so it can be mailed as it is; but it holds
    record ids and messages, as the results do.
    """
    from loader import terminal  # noqa: PLC0415

    return terminal.report(given)


@verb("Show where a run stands.", click.Argument(["results"], metavar="[RESULTS]", required=False))
def status(given: "Command") -> int:
    """Show where a run stands: what is done, what is left, and the command that comes next.

    RESULTS is a results file, or a folder whose runs are listed; without it, the working folder. Nothing is changed,
    and it may be asked while a load runs.
    """
    from loader import terminal  # noqa: PLC0415

    return terminal.status(given)


@verb("Check that HubSpot has what the inputs say.", INPUTS)
def verify(given: "Command") -> int:
    """Read back from the portal what the inputs ask for, and write one line for each row.

    \b
    =  every type asked for is there
    *  the two records are associated, but not by the type asked for
    +  they are not associated
    !  it could not be read, or the row is rejected

    With --removed, after remove: = is gone, * is still there. Nothing is changed. Exit code 1 when anything but = was
    found.
    """
    from loader import terminal  # noqa: PLC0415

    return terminal.verify(given)


@verb("Take back what a run added or removed, and nothing else.", RESULTS)
def undo(given: "Command") -> int:
    """Remove the associations and labels that a run added, and put back those that it removed.

    RESULTS is the results file of the run. What was changed since is left and reported. It is shown first what
    will change, and to continue the number of associations has to be typed. The same command resumes where it stopped.
    """
    from loader import terminal  # noqa: PLC0415

    return terminal.undo(given)


@verb("Run a simulated HubSpot on this machine.")
def sandbox(given: "Command") -> int:
    """Run a simulated HubSpot on 127.0.0.1, to try everything without an account."""
    from loader.sandbox import serve  # noqa: PLC0415

    try:
        serve(**given.values)
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
        from loader import bug  # noqa: PLC0415 - hardly ever needed

        secrets = bug.secrets_around(os.environ.items(), _value_of("token_file", arguments))
        path = bug.report(error, secrets, _value_of("log_file", arguments))
        complain(f"this is a bug in the loader, not in your file ({type(error).__name__}): please report {path}")
        return bug.EXIT_CODE


def _file_behind(error: click.ClickException, arguments: list[str]) -> str:
    """Return how to name a file whose name begins with a dash, blank where none was meant."""
    names = [each for each in arguments if each.startswith("-") and os.path.isfile(each)]  # noqa: PTH113 - no Path yet
    return f" The file is ./{names[0]}." if isinstance(error, click.NoSuchOption) and names else ""


def _value_of(keyword: str, arguments: list[str]) -> str | None:
    """Return an option's value as the command line or the environment gives it; here parsing may have failed."""
    option = options_of("load")[keyword]
    for word, following in zip(arguments, [*arguments[1:], None], strict=True):
        if word == option.word:
            return following
        if word.startswith(f"{option.word}="):
            return word.partition("=")[2]
    return option.in_environment(os.environ)
