"""What a caller from Python can say: the commands' options as keywords, by their names."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypedDict

import click

from loader import cli
from loader.api.sources import Path, Source
from loader.configure import Typed, settings_from, undo_settings
from loader.errors import UsageError
from loader.events import Event, Tell
from loader.listeners import Listeners
from loader.settings import Settings


class ConnectionOptions(TypedDict, total=False):
    """Which portal to talk to, how fast, and who listens.

    `token` is the access token itself; without it, it comes from `token_file` or the environment. `rate` is `"auto"` or
    `"190/10"`. `timeout` is seconds. `on_event` is called with each event (see `loader.events`), in the thread that the
    work is done in: let it return soon, and what it raises ends the run. `log_file` is appended to, `json` writes each
    event to standard output. Nothing is shown on standard error unless `quiet` is False.
    """

    token: str
    token_file: Path
    portal_id: int | str
    api_version: str
    base_url: str
    trust_host: Sequence[str]
    timeout: float
    rate: str
    config: Path
    quiet: bool
    json: bool
    log_file: Path
    on_event: Callable[[Event], None]


class InputOptions(ConnectionOptions, total=False):
    """How the source is read: `object_type`, `to_object_type`, `association_category` and `association_type_id` fill
    that field for rows that do not say (--from, --to, --category and --type-id of the command); `column` maps a field
    to the header that it is read from.
    """

    object_type: str
    to_object_type: str
    association_category: str
    association_type_id: int | str
    label: str
    column: Mapping[str, str]
    from_id_property: str
    to_id_property: str
    format: str
    sheet: str
    delimiter: str
    encoding: str
    strict: bool


class PlanOptions(InputOptions, total=False):
    """What a plan can be told: how the load is to treat the labels that pairs have."""

    existing: str
    unread: bool


class LoadOptions(PlanOptions, total=False):
    """What a load can be told. `max_failures` and `daily_reserve` are a number or `"5%"`; `max_duration` and `again`
    seconds or `"90m"`. With `dry_run` nothing is sent and no result is written: the report's `planned` says what a load
    would do.
    """

    results: Path
    failures: Path
    method: str
    concurrency: int | str
    max_attempts: int
    max_failures: int | str
    daily_reserve: int | str
    max_duration: float | str
    limit: int
    again: float | str
    dry_run: bool
    fresh: bool
    retry_failed: bool
    keep: int
    metrics_file: Path


class VerifyOptions(InputOptions, total=False):
    """What a verification can be told. `sample` is a number of pairs, `seed` draws the same again; `wait` seconds."""

    results: Path
    existing: str
    sample: int
    seed: int
    wait: float | str
    limit: int
    max_attempts: int
    daily_reserve: int | str


class UndoOptions(ConnectionOptions, total=False):
    """What an undo can be told. `assume_new` is needed for a run with `unread=True`.

    Nothing is asked unless `yes` is False: then the number of associations has to be typed at the terminal.
    """

    yes: bool
    assume_new: bool
    max_attempts: int
    daily_reserve: int | str


_OPTION_OF_FIELD = {
    "object_type": "--from",
    "to_object_type": "--to",
    "association_category": "--category",
    "association_type_id": "--type-id",
}


_ON_UNLESS_SAID = ("quiet", "yes")
"""Flags, by their parameters' names, that are on for a program: it reads no screen, and cannot be asked."""


class Prepared(NamedTuple):
    """A command, ready to run: everything is checked that can be before anything is read.

    `given` are the command's parameters by their names in click, whether a keyword, the environment or the
    configuration file gave them.
    """

    verb: str
    settings: Settings
    given: Mapping[str, Any]
    on_event: Tell

    @contextmanager
    def listening(self) -> Iterator[Tell]:
        """Hold open what events are written to, and yield what tells them there and to the caller."""
        with Listeners(self.given, person=False) as tell:

            def tell_all(event: Event) -> None:
                tell(event)
                self.on_event(event)

            yield tell_all


def prepared(verb: str, source: Source, options: Mapping[str, object]) -> Prepared:
    """Return what a verb is to do with a source; raises UsageError as the command line would."""
    given = {name: value for name, value in options.items() if value is not None}
    on_event: Any = given.pop("on_event", _say_nothing)
    token = given.pop("token", None)
    if token is not None and "token_file" in given:
        raise UsageError("token and token_file are both given: keep one")
    environment = {**os.environ, "HUBSPOT_ACCESS_TOKEN": str(token)} if token is not None else os.environ
    command = cli.cli.commands[verb]
    if source.results is not None and any("--results" in option.opts for option in command.params):
        given.setdefault("results", source.results)
    options_given = _by_option(command, given)
    words = [*source.words, *_words(options_given), "--", *source.inputs]
    # Rows that are nowhere but in the caller's memory have no command that would load them.
    typed = Typed() if source.words else Typed(("association-loader", verb, *words), cli.flags_of(command))
    build = undo_settings if verb == "undo" else settings_from
    parameters = {**_parsed(command, words), **_flags(options_given)}
    return Prepared(verb, build(parameters, environment, typed), parameters, on_event)


def _parsed(command: click.Command, words: list[str]) -> dict[str, Any]:
    try:
        # Within the whole command line, so that a configuration file may hold other commands' options, too.
        with command.make_context(command.name, words, parent=click.Context(cli.cli)) as context:
            return context.params
    except click.ClickException as error:
        raise UsageError(error.format_message()) from error


class _Given(NamedTuple):
    """What a keyword gave, and the option that it is on the command line."""

    keyword: str
    option: click.Option
    value: Any

    @property
    def name(self) -> str:
        """The option's name in click."""
        return str(self.option.name)


def _by_option(command: click.Command, given: Mapping[str, Any]) -> list[_Given]:
    """Find the option of each keyword; UsageError for one that there is not, or that two keywords mean."""
    options = {each.opts[0]: each for each in command.params if isinstance(each, click.Option)}
    found: dict[str, _Given] = {}
    for keyword, value in given.items():
        name = _OPTION_OF_FIELD.get(keyword, f"--{keyword.rstrip('_').replace('_', '-')}")
        if name not in options:
            raise UsageError(f"{keyword} is no option of {command.name}: its options are {', '.join(options)}")
        if name in found:
            raise UsageError(f"{found[name].keyword} and {keyword} are the same option: keep one")
        found[name] = _Given(keyword, options[name], value)
        _check(found[name])
    return list(found.values())


def _check(given: _Given) -> None:
    """Raise UsageError for a value of a form that no word of the command line can have."""
    value, option = given.value, given.option
    if option.is_flag != isinstance(value, bool):
        wanted = "True or False" if option.is_flag else "a value, not True or False"
        raise UsageError(f"{given.keyword} must be {wanted}: {value!r} is not")
    if isinstance(value, Mapping | list | tuple) and not option.multiple:
        raise UsageError(f"{given.keyword} takes one value, not a {type(value).__name__}")
    if isinstance(value, bytes):
        raise UsageError(f"{given.keyword} must be text, not bytes")


def _flags(given: list[_Given]) -> dict[str, bool]:
    """Return flags as the caller has them: one that he switches off stays off, whatever the environment says."""
    said = {each.name: each.value for each in given if each.option.is_flag}
    return {**dict.fromkeys(_ON_UNLESS_SAID, True), **said}


def _words(given: list[_Given]) -> list[str]:
    """Return the keywords as the command line would have them."""
    words: list[str] = []
    for each in given:
        option, value = each.option.opts[0], each.value
        if each.option.is_flag:
            words.extend([option] * (value and each.name not in _ON_UNLESS_SAID))
        elif isinstance(value, Mapping):
            words.extend(f"{option}={field}={header}" for field, header in value.items())
        elif isinstance(value, list | tuple):
            words.extend(f"{option}={each_value}" for each_value in value)
        else:
            words.append(f"{option}={os.fspath(value) if isinstance(value, os.PathLike) else value}")
    return words


def _say_nothing(event: Event) -> None:
    del event
