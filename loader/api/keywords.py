"""The keywords for a caller from Python: the commands' options, from the table of options."""

import difflib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypedDict

from loader import options
from loader.api.sources import Source
from loader.api.wording import in_python, name_in_python
from loader.configure import settings_from
from loader.errors import LoaderError, UsageError
from loader.events import Event, Notify
from loader.listeners import Listeners
from loader.model import FIELDS
from loader.options import (
    ConnectionOptions,
    ExistingOptions,
    ExportOptions,
    FleetOptions,
    InputOptions,
    LabelOptions,
    MethodOption,
    Option,
    OutputOptions,
    PlanFilesOptions,
    ReadBackOptions,
    SendOptions,
    TakeBackOptions,
)
from loader.options.command import Command, command
from loader.options.file import as_typed
from loader.options.verbs import VERBS, options_of
from loader.settings import Settings


class CallerOptions(ConnectionOptions, OutputOptions, total=False):
    """Which portal to talk to, how fast, and where events go.

    `token` is the access token itself; without it, it comes from `token_file` or the environment. `rate` is `"auto"` or
    `"190/10"`. `timeout` is seconds. `on_event` is called with each event (see `loader.events`), in the thread that
    does the work. It must return soon; an exception from it ends the run. `log_file` is appended to, `json` writes each
    event to standard output. Nothing is shown on standard error unless `quiet` is False.
    """

    token: str
    on_event: Callable[[Event], None]


class ShortNames(TypedDict, total=False):
    """Short names of keywords, as the command line has them: of object_type, to_object_type, association_type_id and
    association_category.
    """

    from_: str
    to: str
    type_id: int | str
    category: str


class PlanOptions(InputOptions, ShortNames, ExistingOptions, PlanFilesOptions, CallerOptions, total=False):
    """Keywords of `plan`: how the load will treat the labels that pairs have, and where rejected rows are listed."""


class LoadOptions(InputOptions, ShortNames, MethodOption, ExistingOptions, SendOptions, CallerOptions, total=False):
    """Keywords of `load`. `max_failures` and `daily_reserve` are a number or `"5%"`; `max_duration` and `again`
    seconds or `"90m"`. With `dry_run` nothing is sent and no result is written: the report's `planned` says what a load
    would do.
    """


class RemoveOptions(InputOptions, ShortNames, options.RemoveOptions, SendOptions, CallerOptions, total=False):
    """Keywords of `remove`: those of `load`, except how pairs are written. `max_removals` is a number or `"5%"`.

    Nothing is asked unless `yes` is False: then the number of associations has to be typed at the terminal.
    """


class VerifyOptions(InputOptions, ShortNames, ReadBackOptions, CallerOptions, total=False):
    """Keywords of `verify`. `sample` is a number of pairs, `seed` draws the same again; `wait` seconds."""


class CreateLabelOptions(LabelOptions, CallerOptions, total=False):
    """Keywords of `create_label`. `inverse_label` is the label's text from the other end, `name` its internal name."""


class ExportKeywords(ExportOptions, CallerOptions, total=False):
    """Keywords of `export`. `ids` is a file that names the records; `column` and `format` say how it is read."""


class UndoOptions(TakeBackOptions, CallerOptions, total=False):
    """Keywords of `undo`. `assume_new` is needed for a run with `unread=True`.

    Nothing is asked unless `yes` is False: then the number of associations has to be typed at the terminal.
    """


class FleetKeywords(FleetOptions, OutputOptions, total=False):
    """Keywords of `fleet`. `scheduler` is the address of a Dask scheduler; `on_event` as for `load`."""

    on_event: Callable[[Event], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A command, ready to run: everything that can be checked before reading is checked."""

    command: Command
    settings: Settings
    on_event: Notify

    @contextmanager
    def listening(self) -> Iterator[Notify]:
        """Open the files for events; yield the function that sends events to them and to the caller."""
        with Listeners(self.command, person=False) as notify:

            def notify_all(event: Event) -> None:
                notify(event)
                self.on_event(event)

            yield notify_all


def prepared(verb: str, source: Source, keywords: Mapping[str, object]) -> Prepared:
    """Return the command of a verb with a source; raises UsageError as the command line would."""
    stated = {name: value for name, value in keywords.items() if value is not None}
    on_event: Any = stated.pop("on_event", lambda event: None)
    token = stated.pop("token", None) if VERBS[verb].asks_hubspot else None
    if token is not None and "token_file" in stated:
        raise UsageError("token and token_file are both given: keep one")
    environment = {**os.environ, "HUBSPOT_ACCESS_TOKEN": str(token)} if token is not None else os.environ
    given = _typed(verb, stated)
    for name, value in source.options.items():
        if name in options_of(verb):
            given.setdefault(name, value)
    # Rows in the caller's memory cannot be loaded by a command.
    typed = () if source.options else ("association-loader", verb, *_words(verb, given), "--", *source.inputs)
    for name in ("quiet", "yes"):  # A program reads no screen, and cannot answer questions.
        if name in options_of(verb):
            given.setdefault(name, True)
    ready = command(verb, given, environment, lambda option: option.keyword, arguments=source.inputs, typed=typed)
    if token is not None and ready.profile is not None:
        raise UsageError("token and profile are both given: keep one")
    return Prepared(command=ready, settings=settings_from(ready, environment), on_event=on_event)


@contextmanager
def naming_keywords() -> Iterator[None]:
    """Make errors name an option by its keyword; inside the loader it has its name on the command line."""
    try:
        yield
    except LoaderError as error:
        error.args = (in_python(str(error)),)
        raise


def _typed(verb: str, stated: Mapping[str, object]) -> dict[str, Any]:
    """Return the given keywords as typed options; UsageError for an unknown keyword or a wrong value."""
    options = options_of(verb)
    # Every option also goes by its own name: `to` is `to_object_type`, and `from_` is `object_type`.
    names = {option.key.replace("-", "_"): option for option in options.values()} | dict(options)
    names |= {name_in_python(option): option for option in options.values()}
    given: dict[str, Any] = {}
    for name, value in stated.items():
        option = names.get(name)
        if option is None:
            raise UsageError(_unknown(name, verb, names))
        if option.keyword in given:
            raise UsageError(f"{option.keyword} and {name} are the same option: keep one")
        try:
            given[option.keyword] = as_typed(option, value)
        except ValueError as error:
            raise UsageError(f"{name} {error}: {value!r} is not") from error
    return given


def _unknown(name: str, verb: str, names: Mapping[str, Option]) -> str:
    function = verb.replace("-", "_")
    if name in FIELDS and "column" in names:
        return f'{function}() has no keyword {name}: to read that field from a column, write column={{"{name}": "…"}}'
    near = difflib.get_close_matches(name, names, n=1)
    return (
        f"{function}() has no keyword {name}{f': did you mean {near[0]}?' if near else ''}; see help(loader.{function})"
    )


def _words(verb: str, given: Mapping[str, Any]) -> Iterator[str]:
    """Yield options as they are typed on the command line, for the commands that reports show."""
    options: Mapping[str, Option] = options_of(verb)
    for name, value in given.items():
        option = options[name]
        if not option.is_flag:
            yield from (f"{option.word}={each}" for each in (value if option.several else [value]))
        elif value and name not in ("quiet", "yes"):
            yield option.word
