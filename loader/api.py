"""The loader called from Python: what the command does, with keywords in place of options and a report in the end."""

import asyncio
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, Unpack

import click

from loader import cli
from loader.configure import Typed, settings_from
from loader.errors import Interrupted, UsageError
from loader.events import Event, Tell
from loader.settings import Settings
from loader.spool import spooled
from loader.stopping import Stop
from loader.verbs.load import load as load_settings
from loader.verbs.report import Report

if TYPE_CHECKING:
    import pandas as pd

Path = str | os.PathLike[str]

_OPTION_OF_FIELD = {
    "object_type": "--from",
    "to_object_type": "--to",
    "association_category": "--category",
    "association_type_id": "--type-id",
}


class Options(TypedDict, total=False):
    """What a load can be told: the command's options by their names, and four by the field that they fill.

    `object_type`, `to_object_type`, `association_category` and `association_type_id` are the command's --from, --to,
    --category and --type-id. `column` maps a field to the header it is read from. `rate` is `"auto"` or `"190/10"`;
    `max_failures` a number or `"5%"`; `max_duration` seconds or `"90m"`. `token` is the access token itself; without
    it, it comes from `token_file` or the environment. `tell` is called with each event (see `loader.events`), in the
    thread that runs the load.
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
    results: Path
    failures: Path
    method: str
    existing: str
    rate: str
    concurrency: int | str
    max_attempts: int
    timeout: float
    max_failures: int | str
    daily_reserve: int | str
    max_duration: float | str
    limit: int
    fresh: bool
    retry_failed: bool
    portal_id: int | str
    api_version: str
    base_url: str
    trust_host: Sequence[str]
    token: str
    token_file: Path
    config: Path
    tell: Callable[[Event], None]


async def load(source: "Path | Sequence[Path] | pd.DataFrame", **options: Unpack[Options]) -> Report:
    """Load a file, a folder, a glob, several of them, or a DataFrame, and return how it went.

    Does what `association-loader load` does, with the same files beside the results and the same going on where an
    earlier call stopped; environment variables and `config` count, too. A DataFrame's first record is row 2, and its
    results lie in `dataframe.results.csv` unless `results` says otherwise.

    Raises UsageError, InputError or JournalError when nothing was sent and no file was changed, and RecordError when an
    output could not be written; whatever else ends a load early is in the report (`exit_code`, `stopped`). A load that
    is cancelled goes on at the next call.
    """
    prepared = _prepared(source, options)
    return await _load(prepared, source, Stop())


def load_sync(source: "Path | Sequence[Path] | pd.DataFrame", **options: Unpack[Options]) -> Report:
    """Do what `load` does and return when it is done; also from within a running event loop, whose thread then waits.

    Ctrl-C drains the load before KeyboardInterrupt is raised, a second one ends it at once; the next call goes on.
    """
    prepared = _prepared(source, options)
    worker = _Thread(prepared, source)
    worker.start()
    interrupted = False
    while not worker.done.is_set():
        try:
            worker.done.wait()  # A join that Ctrl-C interrupts takes the thread for ended (Python 3.11).
        except KeyboardInterrupt:
            worker.interrupt()
            interrupted = True
    worker.join()
    if interrupted:
        raise KeyboardInterrupt
    return worker.result()


class _Thread(threading.Thread):
    """A thread with an event loop of its own, in which one load runs."""

    def __init__(self, prepared: "_Prepared", source: Any) -> None:
        super().__init__(name="association-loader")
        self._prepared = prepared
        self._source = source
        self._stop_request = Stop()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._report: Report | None = None
        self._error: BaseException | None = None
        self.done = threading.Event()

    def run(self) -> None:
        """Load, and keep what comes of it for `result`."""
        try:
            self._report = asyncio.run(self._work())
        except BaseException as error:
            self._error = error
        finally:
            self.done.set()

    async def _work(self) -> Report:
        self._loop = asyncio.get_running_loop()
        return await _load(self._prepared, self._source, self._stop_request)

    def interrupt(self) -> None:
        """Ask the load to drain."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop_request.request, Interrupted(2))

    def result(self) -> Report:
        """Return the report, or raise what ended the load."""
        if self._error is not None:
            raise self._error
        if self._report is None:
            raise RuntimeError("the load is not done yet")
        return self._report


class _Prepared(NamedTuple):
    settings: Settings
    tell: Tell


def _prepared(source: Any, options: Options) -> _Prepared:
    """Check everything that can be checked before anything is read; raises UsageError."""
    given = dict(options)
    tell: Any = given.pop("tell", None) or _say_nothing
    token = given.pop("token", None)
    environment = {**os.environ, "HUBSPOT_ACCESS_TOKEN": str(token)} if token is not None else os.environ
    if token is not None and given.get("token_file") is not None:
        raise UsageError("token and token_file are both given: keep one")
    if _is_frame(source):
        given.setdefault("results", "dataframe.results.csv")
        inputs, typed = ["-"], Typed()
    else:
        inputs = [os.fspath(each) for each in ([source] if isinstance(source, str | os.PathLike) else source)]
        typed = Typed(("association-loader", "load", *_words(given), "--", *inputs), cli.flags_of(cli.load))
    return _Prepared(settings_from(_parsed([*_words(given), "--", *inputs]), environment, typed), tell)


def _parsed(words: list[str]) -> dict[str, Any]:
    try:
        with cli.load.make_context("load", words) as context:
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


async def _load(prepared: _Prepared, source: Any, stop: Stop) -> Report:
    frame = await asyncio.to_thread(spooled, source) if _is_frame(source) else None
    try:
        return await load_settings(prepared.settings, tell=prepared.tell, stop=stop, standard_input=frame)
    finally:
        if frame is not None:
            frame.close()


def _is_frame(source: object) -> bool:
    return type(source).__name__ == "DataFrame"


def _say_nothing(event: Event) -> None:
    del event
