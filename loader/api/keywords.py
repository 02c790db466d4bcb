"""What a caller from Python can say: the commands' options as keywords, by their names."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypedDict

import click

from loader import cli
from loader.api.sources import Path, Source
from loader.configure import Typed, settings_from, undo_settings
from loader.errors import UsageError
from loader.events import Event, Tell
from loader.settings import Settings


class ConnectionOptions(TypedDict, total=False):
    """Which portal to talk to, how fast, and who listens.

    `token` is the access token itself; without it, it comes from `token_file` or the environment. `rate` is `"auto"` or
    `"190/10"`. `timeout` is seconds. `on_event` is called with each event (see `loader.events`), in the thread that the
    work is done in: let it return soon, and what it raises ends the run.
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


class LoadOptions(InputOptions, total=False):
    """What a load can be told. `max_failures` and `daily_reserve` are a number or `"5%"`; `max_duration` seconds or
    `"90m"`.
    """

    results: Path
    failures: Path
    method: str
    existing: str
    concurrency: int | str
    max_attempts: int
    max_failures: int | str
    daily_reserve: int | str
    max_duration: float | str
    limit: int
    fresh: bool
    retry_failed: bool
    keep: int


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
    """What an undo can be told. `assume_new` is needed for a run with `existing="replace"`."""

    assume_new: bool
    max_attempts: int
    daily_reserve: int | str


_OPTION_OF_FIELD = {
    "object_type": "--from",
    "to_object_type": "--to",
    "association_category": "--category",
    "association_type_id": "--type-id",
}


class Prepared(NamedTuple):
    """A command, ready to run: everything is checked that can be before anything is read."""

    settings: Settings
    tell: Tell


def prepared(verb: str, source: Source, options: Mapping[str, object]) -> Prepared:
    """Return what a verb is to do with a source; raises UsageError as the command line would."""
    given = dict(options)
    tell: Any = given.pop("on_event", None) or _say_nothing
    token = given.pop("token", None)
    if token is not None and given.get("token_file") is not None:
        raise UsageError("token and token_file are both given: keep one")
    environment = {**os.environ, "HUBSPOT_ACCESS_TOKEN": str(token)} if token is not None else os.environ
    command = cli.cli.commands[verb]
    if source.results is not None and any("--results" in option.opts for option in command.params):
        given.setdefault("results", source.results)
    words = [*source.words, *_words(given), "--", *source.inputs]
    # Rows that are nowhere but in the caller's memory have no command that would load them.
    typed = Typed() if source.words else Typed(("association-loader", verb, *words), cli.flags_of(command))
    build = undo_settings if verb == "undo" else settings_from
    return Prepared(build(_parsed(command, words), environment, typed), tell)


def _parsed(command: click.Command, words: list[str]) -> dict[str, Any]:
    try:
        # Within the whole command line, so that a configuration file may hold other commands' options, too.
        with command.make_context(command.name, words, parent=click.Context(cli.cli)) as context:
            return context.params
    except click.ClickException as error:
        raise UsageError(error.format_message()) from error


def _words(given: Mapping[str, Any]) -> list[str]:
    """The keywords as the command line would have them."""
    words: list[str] = []
    for name, value in given.items():
        option = _OPTION_OF_FIELD.get(name, f"--{name.rstrip('_').replace('_', '-')}")
        if value is None or value is False:
            continue
        if value is True:
            words.append(option)
        elif isinstance(value, Mapping):
            words.extend(f"{option}={field}={header}" for field, header in value.items())
        elif isinstance(value, list | tuple):
            words.extend(f"{option}={each}" for each in value)
        else:
            words.append(f"{option}={os.fspath(value) if isinstance(value, os.PathLike) else value}")
    return words


def _say_nothing(event: Event) -> None:
    del event
