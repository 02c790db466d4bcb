"""The command line: arguments, environment and configuration file become Settings, a verb runs, an exit code comes out.

Everything heavy is imported by the command that needs it, so that `--help` and usage errors answer at once.
"""

import errno
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import chain
from typing import Any

import click
from click.core import ParameterSource

from loader.complain import PROGRAM, complain
from loader.errors import LoaderError, UsageError
from loader.garbage import rarely_collecting
from loader.options import GROUPS, Option
from loader.options.kinds import PATH, PATH_OR_ADDRESS, PATH_OR_STREAM, ValueKind
from loader.options.verbs import VERBS, Verb, ignored_options, options_of

FEW_OPTIONS = 10
"""As many options as fit on a screen without headings."""


class _Option(click.Option):
    """An option of the table: click only finds its words and shows its help; its value is read later."""

    def __init__(self, option: Option, *, ignored: bool = False) -> None:
        super().__init__(
            [option.word, option.keyword],
            type=None if option.is_flag else _type(option.kind),
            is_flag=option.is_flag,
            multiple=option.several,
            default=option.default,
            show_default=bool(option.default),
            metavar=option.metavar,
            help=option.help,
            hidden=ignored,
            expose_value=not ignored,
            shell_complete=_profiles_like if option.keyword == "profile" else None,
        )

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """Return the words unchanged."""
        del ctx
        return value


class _Command(click.Command):
    """A command whose help shows its options under headings, if they are too many for one screen."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, group by group."""
        options = [each for each in self.get_params(ctx) if isinstance(each, click.Option)]
        records = {each.name: record for each in options if (record := each.get_help_record(ctx))}
        if len(records) > FEW_OPTIONS:
            for heading, names in GROUPS.items():
                if found := [records.pop(name) for name in names if name in records]:
                    with formatter.section(heading):
                        formatter.write_dl(found)
        with formatter.section("Options"):
            formatter.write_dl(list(records.values()))


def _profiles_like(context: click.Context, option: click.Parameter, incomplete: str) -> list[str]:
    """Return the profile names that begin with a text, for the Tab key; none if their file cannot be read."""
    del context, option
    from loader.options.profiles import profile_names  # noqa: PLC0415 - see the module's docstring

    with suppress(LoaderError):
        return [name for name in profile_names(os.environ) if name.startswith(incomplete)]
    return []


def _type(kind: ValueKind) -> click.ParamType[Any]:
    """Return the click type that shows in the help which values are allowed."""
    if kind.choices:
        return click.Choice(kind.choices)
    if kind.number is float:
        return click.FloatRange(kind.least, kind.most)
    if kind.number is int:
        return click.INT if kind.least is None else click.IntRange(kind.least, kind.most)
    return click.Path() if kind in (PATH, PATH_OR_ADDRESS, PATH_OR_STREAM) else click.STRING


def _type_of(metavar: str) -> click.ParamType[Any]:
    """Return the click type of an argument: one of a few words, or a file name that the shell completes."""
    if "|" in metavar:
        return click.Choice(metavar.split("|"))
    is_file = metavar.strip("[].") in ("FLEET.toml", "INPUT", "RESULTS")
    return click.Path(readable=False) if is_file else click.STRING  # The reader reports a file that cannot be read.


def _command(name: str, verb: Verb) -> click.Command:
    """Return the command of an entry in the table of commands."""
    arguments = [
        click.Argument(
            [f"argument_{number}"],
            type=_type_of(metavar),
            nargs=-1 if metavar.rstrip("]").endswith("...") else 1,
            metavar=metavar,
            required=metavar[0] != "[" and not metavar.endswith("..."),
        )
        for number, metavar in enumerate(verb.arguments.split())
    ]
    return _Command(
        name,
        callback=_run_verb,
        params=[
            *arguments,
            *map(_Option, options_of(name).values()),
            *(_Option(option, ignored=True) for option in ignored_options(name)),
        ],
        help=verb.help,
        short_help=verb.short_help,
    )


def _run_verb(**words: Any) -> int:
    """Run the command that click has parsed; `words` are the values that it found, or its defaults."""
    from loader.options.command import command  # noqa: PLC0415 - see the module's docstring

    context = click.get_current_context()
    given = {name: words[name] for name in words if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    arguments = [given.pop(each.name, ()) for each in context.command.params if isinstance(each, click.Argument)]
    typed = command(
        str(context.command.name),
        given,
        os.environ,
        lambda option: option.word,
        arguments=tuple(chain.from_iterable([each] if isinstance(each, str) else each for each in arguments)),
        typed=tuple(context.obj),
    )
    from loader import terminal  # noqa: PLC0415 - see the module's docstring

    return terminal.run(typed)


class _Commands(Mapping[str, click.Command]):
    """The commands by name, each made when it is needed: the options of all of them take ten milliseconds."""

    def __getitem__(self, name: str) -> click.Command:
        return _command(name, VERBS[name])

    def __iter__(self) -> Iterator[str]:
        return iter(VERBS)

    def __len__(self) -> int:
        return len(VERBS)


@click.group(commands=_Commands(), context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="association-loader", prog_name=PROGRAM)
def cli() -> None:
    """Load associations from CSV, Excel, Parquet and JSON lines files into HubSpot.

    \b
    Try it without an account:  association-loader sandbox
    Then, in another terminal:  association-loader load FILE --from contacts --to companies
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code (see the README's table of exit codes)."""
    # A verb handles signals itself once it has begun. Before that, SIGTERM ends the process with 143 (see README).
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with rarely_collecting():  # Also while the command imports what it needs.
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

        secrets = bug.secrets_around(os.environ.items(), _value_of("token_file", arguments), arguments)
        path = bug.report(error, secrets, _value_of("log_file", arguments))
        complain(f"this is a bug in the loader, not in your file ({type(error).__name__}): please report {path}")
        return bug.EXIT_CODE


def _file_behind(error: click.ClickException, arguments: list[str]) -> str:
    """Return how to write a file name that begins with a dash, blank if none was meant."""
    names = [each for each in arguments if each.startswith("-") and os.path.isfile(each)]  # noqa: PTH113 - no Path yet
    return f" The file is ./{names[0]}." if isinstance(error, click.NoSuchOption) and names else ""


def _value_of(keyword: str, arguments: list[str]) -> str | None:
    """Return an option's value from the command line or the environment; needed even if parsing has failed."""
    option = options_of("load")[keyword]
    for word, following in zip(arguments, [*arguments[1:], None], strict=True):
        if word == option.word:
            return following
        if word.startswith(f"{option.word}="):
            return word.partition("=")[2]
    return option.in_environment(os.environ)
