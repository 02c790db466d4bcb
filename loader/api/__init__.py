"""The loader called from Python: what the commands do, with keywords in place of options and a report in the end.

Each verb comes twice: to be awaited, and as `..._sync`, which returns when it is done. Both run the verbs that the
command line runs.
"""

import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, TypeVar, Unpack

from loader.api import background
from loader.api.keywords import (
    CreateLabelOptions,
    ExportKeywords,
    LoadOptions,
    PlanOptions,
    Prepared,
    RemoveOptions,
    UndoOptions,
    VerifyOptions,
    naming_keywords,
    prepared,
)
from loader.api.sources import Source, source_of
from loader.api.spool import Row
from loader.api.wording import awaitable, in_python, with_keywords
from loader.errors import LoaderError
from loader.events import CreatedLabel, Notify, Planned
from loader.listeners import agreement
from loader.options import Path
from loader.run.create_label import create_label as create_label_verb
from loader.run.export import export as export_verb
from loader.run.load import load as load_verb
from loader.run.plan import plan as plan_verb
from loader.run.report import ExportReport, Report, UndoReport, Verification, dry_report
from loader.run.undo import undo as undo_verb
from loader.run.verify import verify as verify_verb
from loader.stopping import Stop

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")

Given: TypeAlias = "Path | Iterable[Path] | pd.DataFrame | Iterable[Row] | None"
"""What to load; None: the inputs that the configuration file names."""

Verb = Callable[[Prepared, Notify, Stop, BinaryIO | None], Coroutine[Any, Any, T]]
"""A verb; its last argument is read instead of standard input."""


@awaitable("load")
async def load(source: Given = None, **options: Unpack[LoadOptions]) -> Report:
    """Load a file, a folder, a glob, several of them, a DataFrame or rows, and return how it went.

    Does what `association-loader load` does, with the same files beside the results and it continues where an
    earlier call stopped; environment variables and `config` count, too, and with a `config` that names its inputs there
    is no source. Rows are mappings from column to cell, tuples
    of the two ids, or tuples of all seven fields (`loader.model.FIELDS`); an iterator is read once, as it goes. The
    first record of a DataFrame or of rows is row 2, and their results are in `dataframe.results.csv` or
    `rows.results.csv` unless `results` says otherwise.

    Raises UsageError, InputError or JournalError when nothing was sent and no file was changed, and RecordError when an
    output could not be written; the report says what else ended a load early (`exit_code`, `stopped`). A load that
    is cancelled is resumed by the next call.
    """
    return await _awaited(_load, "load", source, options)


@with_keywords("load")
def load_sync(source: Given = None, **options: Unpack[LoadOptions]) -> Report:
    """Do what `load` does and return when it is done; also from within a running event loop, whose thread then waits.

    Ctrl-C drains the load before KeyboardInterrupt is raised, a second one ends it at once; the next call resumes it.
    """
    return _finished(_load, "load", source, options)


@awaitable("remove")
async def remove(source: Given = None, **options: Unpack[RemoveOptions]) -> Report:
    """Take off the associations or labels that a source names, and return how it went; no question is asked.

    Does what `association-loader remove --yes` does: a row with a label or a type id takes that off its pair, and a row
    of a source that names none takes the whole pair off. Otherwise it is like `load`: it resumes what an earlier call
    stopped, and raises the same errors. `undo` puts back what was taken off.
    """
    return await _awaited(_remove, "remove", source, options)


@with_keywords("remove")
def remove_sync(source: Given = None, **options: Unpack[RemoveOptions]) -> Report:
    """Do what `remove` does and return when it is done; also from within a running event loop, as `load_sync` does."""
    return _finished(_remove, "remove", source, options)


@awaitable("plan")
async def plan(source: Given = None, **options: Unpack[PlanOptions]) -> Planned:
    """Check everything and return what a load would do; nothing is sent and no file is written.

    Without a token no connection is opened, and what only the portal knows stays unchecked. Raises UsageError or
    InputError as a load would, and Fatal when the portal refuses the token.
    """
    return await _awaited(_plan, "plan", source, options)


@with_keywords("plan")
def plan_sync(source: Given = None, **options: Unpack[PlanOptions]) -> Planned:
    """Do what `plan` does and return when it is done; also from within a running event loop."""
    return _finished(_plan, "plan", source, options)


@awaitable("verify")
async def verify(source: Given = None, **options: Unpack[VerifyOptions]) -> Verification:
    """Read back what a source asks for and return how the portal compares; nothing is changed there.

    Does what `association-loader verify` does: writes `<stem>.verify.csv`, and touches no load's journal. Raises
    UsageError or InputError as a load would, and Fatal when the portal refuses the token; whatever else ends it early
    is in the report. A verification that is cut short is resumed by the next call.
    """
    return await _awaited(_verify, "verify", source, options)


@with_keywords("verify")
def verify_sync(source: Given = None, **options: Unpack[VerifyOptions]) -> Verification:
    """Do what `verify` does and return when it is done; also from within a running event loop."""
    return _finished(_verify, "verify", source, options)


@awaitable("create-label")
async def create_label(first: str, second: str, label: str, **options: Unpack[CreateLabelOptions]) -> CreatedLabel:
    """Make a label from one object type to another, or find it there; return its association types.

    Does what `association-loader create-label FROM TO LABEL` does. Raises UsageError when nothing was made because
    HubSpot refuses it, and Fatal when the portal refuses the token.
    """
    return await _awaited(_create_label, "create-label", (first, second, label), options)


@with_keywords("create-label")
def create_label_sync(first: str, second: str, label: str, **options: Unpack[CreateLabelOptions]) -> CreatedLabel:
    """Do what `create_label` does and return when it is done; also from within a running event loop."""
    return _finished(_create_label, "create-label", (first, second, label), options)


@awaitable("export")
async def export(first: str, second: str, **options: Unpack[ExportKeywords]) -> ExportReport:
    """Write down what records of one object type are associated with among those of another, and return the report.

    Does what `association-loader export FROM TO` does. Without `output` the lines are in a private temporary file, as
    long as the report is there; its `frames()` gives them as DataFrames, one piece at a time. An export that is cut
    short goes on at the next call. Raises UsageError, InputError or JournalError when nothing was written.
    """
    if options.get("output") is not None:
        return await _awaited(_export, "export", (first, second), options)
    with _private_output() as (output, keep_until_gone):
        return keep_until_gone(await _awaited(_export, "export", (first, second), {**options, "output": output}))


@with_keywords("export")
def export_sync(first: str, second: str, **options: Unpack[ExportKeywords]) -> ExportReport:
    """Do what `export` does and return when it is done; also from within a running event loop."""
    if options.get("output") is not None:
        return _finished(_export, "export", (first, second), options)
    with _private_output() as (output, keep_until_gone):
        return keep_until_gone(_finished(_export, "export", (first, second), {**options, "output": output}))


@awaitable("undo")
async def undo(results: Path, **options: Unpack[UndoOptions]) -> UndoReport:
    """Take back what the load of a results file added, and return the report; no question is asked.

    Does what `association-loader undo RESULTS --yes` does: what was there before stays, what was changed since is
    left and reported. An interrupted undo is resumed by the next call. Raises UsageError or JournalError when nothing
    was removed, and Fatal when the portal refuses the token, or is another one than that of the load.
    """
    return await _awaited(_undo, "undo", os.fspath(results), options)


@with_keywords("undo")
def undo_sync(results: Path, **options: Unpack[UndoOptions]) -> UndoReport:
    """Do what `undo` does and return when it is done; also from within a running event loop.

    Ctrl-C lets requests in flight finish before KeyboardInterrupt is raised; the next call resumes it.
    """
    return _finished(_undo, "undo", os.fspath(results), options)


async def _load(ready: Prepared, notify: Notify, stop: Stop, standard_input: BinaryIO | None) -> Report:
    if not ready.command.values["dry_run"]:
        return await load_verb(ready.settings, notify=notify, stop=stop, standard_input=standard_input)
    return dry_report(await _plan(ready, notify, stop, standard_input), ready.settings)


async def _remove(ready: Prepared, notify: Notify, stop: Stop, standard_input: BinaryIO | None) -> Report:
    if ready.command.values["dry_run"]:
        return dry_report(await _plan(ready, notify, stop, standard_input), ready.settings)
    agree = agreement(stop, yes=ready.command.values["yes"])
    return await load_verb(ready.settings, notify=notify, stop=stop, standard_input=standard_input, agree=agree)


async def _plan(ready: Prepared, notify: Notify, stop: Stop, standard_input: BinaryIO | None) -> Planned:
    failures = ready.command.verb == "plan" and ready.settings.failures is not None
    planned = await plan_verb(
        ready.settings, notify=notify, stop=stop, standard_input=standard_input, failures=failures
    )
    if ready.command.values["json"]:
        notify(planned)
    return planned


async def _create_label(ready: Prepared, notify: Notify, stop: Stop, standard_input: BinaryIO | None) -> CreatedLabel:
    del standard_input
    created = await create_label_verb(ready.settings, *ready.command.arguments, notify=notify, stop=stop)
    if ready.command.values["json"]:
        notify(created)
    return created


@contextmanager
def _private_output() -> Iterator[tuple[str, Callable[[ExportReport], ExportReport]]]:
    """Yield a name in a private folder, and what has the folder removed when a report is gone; else it is at once."""
    with ExitStack() as held:
        folder = tempfile.mkdtemp(prefix="association-loader-")
        held.callback(shutil.rmtree, folder, ignore_errors=True)

        def keep_until_gone(report: ExportReport) -> ExportReport:
            held.pop_all()
            weakref.finalize(report, shutil.rmtree, folder, ignore_errors=True)
            return report

        yield str(PurePath(folder, "export.parquet")), keep_until_gone


async def _export(ready: Prepared, notify: Notify, stop: Stop, standard_input: BinaryIO | None) -> ExportReport:
    del standard_input
    return await export_verb(ready.settings, *ready.command.arguments, notify=notify, stop=stop)


async def _verify(ready: Prepared, notify: Notify, stop: Stop, standard_input: BinaryIO | None) -> Verification:
    return await verify_verb(ready.settings, notify=notify, stop=stop, standard_input=standard_input)


async def _undo(ready: Prepared, notify: Notify, stop: Stop, standard_input: BinaryIO | None) -> UndoReport:
    del standard_input
    agree = agreement(stop, yes=ready.command.values["yes"])
    return await undo_verb(ready.settings, notify=notify, stop=stop, agree=agree)


async def _awaited(verb: Verb[T], name: str, given: object, options: Mapping[str, object]) -> T:
    with naming_keywords(), closing(source_of(given)) as source:
        return await _on(verb, prepared(name, source, options), source, Stop())


def _finished(verb: Verb[T], name: str, given: object, options: Mapping[str, object]) -> T:
    with naming_keywords(), closing(source_of(given)) as source:
        ready = prepared(name, source, options)
        source.fill()
        return background.finished(partial(_on, verb, ready, source))


async def _on(verb: Verb[T], ready: Prepared, source: Source, stop: Stop) -> T:
    spooled = await source.open()
    try:
        with ready.listening() as notify:
            done = await verb(ready, notify, stop, spooled)
        if isinstance(stopped := getattr(done, "stopped", None), LoaderError):
            stopped.args = (in_python(str(stopped)),)
        return done
    finally:
        if spooled is not None:
            spooled.close()
