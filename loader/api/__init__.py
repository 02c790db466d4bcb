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
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, Unpack

from loader.api import background
from loader.api.keywords import (
    CreateLabelOptions,
    ExportKeywords,
    FleetKeywords,
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
from loader.events import CreatedLabel, Planned
from loader.listeners import agreement
from loader.options import Path
from loader.run import create_label as create_label_verb
from loader.run import export as export_verb
from loader.run import load as load_verb
from loader.run import plan as plan_verb
from loader.run import undo as undo_verb
from loader.run import verify as verify_verb
from loader.run.call import Call, Done
from loader.run.on_end import then_on_end
from loader.run.report import ExportReport, Report, UndoReport, Verification
from loader.stopping import Stop

if TYPE_CHECKING:
    import pandas as pd

    from loader.fleets.report import FleetReport

T = TypeVar("T")

Given: TypeAlias = "Path | Iterable[Path] | pd.DataFrame | Iterable[Row] | None"
"""What to load; None: the inputs that the configuration file names."""

Verb = Callable[[Call], Coroutine[Any, Any, Done[T]]]


@awaitable("load")
async def load(source: Given = None, **options: Unpack[LoadOptions]) -> Report:
    """Load a file, a folder, a glob, several of them, a DataFrame or rows, and return how it went.

    Does what `association-loader load` does, with the same files beside the results, and continues where an earlier
    call stopped. Environment variables and `config` count, too; with a `config` that names its inputs there is no
    source. Rows are mappings from column to cell, tuples of the two ids, or tuples of all seven fields
    (`loader.model.FIELDS`); an iterator is read once, as it goes. The first record of a DataFrame or of rows is row 2,
    and their results are in `dataframe.results.csv` or `rows.results.csv` unless `results` says otherwise.

    Raises UsageError, InputError or JournalError when nothing was sent and no file was changed, and RecordError when an
    output could not be written; the report says what else ended a load early (`exit_code`, `stopped`). A load that
    is cancelled is resumed by the next call.
    """
    return await _awaited(load_verb.run, "load", source, options)


@with_keywords("load")
def load_sync(source: Given = None, **options: Unpack[LoadOptions]) -> Report:
    """Do what `load` does and return when it is done; also from within a running event loop, whose thread then waits.

    Ctrl-C drains the load before KeyboardInterrupt is raised, a second one ends it at once; the next call resumes it.
    """
    return _finished(load_verb.run, "load", source, options)


@awaitable("remove")
async def remove(source: Given = None, **options: Unpack[RemoveOptions]) -> Report:
    """Take off the associations or labels that a source names, and return how it went; no question is asked.

    Does what `association-loader remove --yes` does: a row with a label or a type id takes that off its pair, and a row
    of a source that names none takes the whole pair off. Otherwise it is like `load`: it resumes what an earlier call
    stopped, and raises the same errors. `undo` puts back what was taken off.
    """
    return await _awaited(load_verb.run, "remove", source, options)


@with_keywords("remove")
def remove_sync(source: Given = None, **options: Unpack[RemoveOptions]) -> Report:
    """Do what `remove` does and return when it is done; also from within a running event loop, as `load_sync` does."""
    return _finished(load_verb.run, "remove", source, options)


@awaitable("plan")
async def plan(source: Given = None, **options: Unpack[PlanOptions]) -> Planned:
    """Check everything and return what a load would do; nothing is sent and no file is written.

    Without a token no connection is opened, and what only the portal knows stays unchecked. Raises UsageError or
    InputError as a load would, and Fatal when the portal refuses the token.
    """
    return await _awaited(plan_verb.run, "plan", source, options)


@with_keywords("plan")
def plan_sync(source: Given = None, **options: Unpack[PlanOptions]) -> Planned:
    """Do what `plan` does and return when it is done; also from within a running event loop."""
    return _finished(plan_verb.run, "plan", source, options)


@awaitable("verify")
async def verify(source: Given = None, **options: Unpack[VerifyOptions]) -> Verification:
    """Read back what a source asks for and return how the portal compares; nothing is changed there.

    Does what `association-loader verify` does: writes `<stem>.verify.csv`, and touches no load's journal. Raises
    UsageError or InputError as a load would, and Fatal when the portal refuses the token; whatever else ends it early
    is in the report. A verification that is cut short is resumed by the next call.
    """
    return await _awaited(verify_verb.run, "verify", source, options)


@with_keywords("verify")
def verify_sync(source: Given = None, **options: Unpack[VerifyOptions]) -> Verification:
    """Do what `verify` does and return when it is done; also from within a running event loop."""
    return _finished(verify_verb.run, "verify", source, options)


@awaitable("create-label")
async def create_label(first: str, second: str, label: str, **options: Unpack[CreateLabelOptions]) -> CreatedLabel:
    """Make a label from one object type to another, or find it there; return its association types.

    Does what `association-loader create-label FROM TO LABEL` does. Raises UsageError when nothing was made because
    HubSpot refuses it, and Fatal when the portal refuses the token.
    """
    return await _awaited(create_label_verb.run, "create-label", (first, second, label), options)


@with_keywords("create-label")
def create_label_sync(first: str, second: str, label: str, **options: Unpack[CreateLabelOptions]) -> CreatedLabel:
    """Do what `create_label` does and return when it is done; also from within a running event loop."""
    return _finished(create_label_verb.run, "create-label", (first, second, label), options)


@awaitable("export")
async def export(first: str, second: str, **options: Unpack[ExportKeywords]) -> ExportReport:
    """Write down what records of one object type are associated with among those of another, and return the report.

    Does what `association-loader export FROM TO` does. Without `output` the lines are in a private temporary file, as
    long as the report is there; its `frames()` gives them as DataFrames, one piece at a time. An export that is cut
    short goes on at the next call. Raises UsageError, InputError or JournalError when nothing was written.
    """
    if options.get("output") is not None:
        return await _awaited(export_verb.run, "export", (first, second), options)
    with _private_output() as (output, keep_until_gone):
        return keep_until_gone(
            await _awaited(export_verb.run, "export", (first, second), {**options, "output": output})
        )


@with_keywords("export")
def export_sync(first: str, second: str, **options: Unpack[ExportKeywords]) -> ExportReport:
    """Do what `export` does and return when it is done; also from within a running event loop."""
    if options.get("output") is not None:
        return _finished(export_verb.run, "export", (first, second), options)
    with _private_output() as (output, keep_until_gone):
        return keep_until_gone(_finished(export_verb.run, "export", (first, second), {**options, "output": output}))


@awaitable("undo")
async def undo(results: Path, **options: Unpack[UndoOptions]) -> UndoReport:
    """Take back what the load of a results file added, and return the report; no question is asked.

    Does what `association-loader undo RESULTS --yes` does: what was there before stays, what was changed since is
    left and reported. An interrupted undo is resumed by the next call. Raises UsageError or JournalError when nothing
    was removed, and Fatal when the portal refuses the token, or is another one than that of the load.
    """
    return await _awaited(undo_verb.run, "undo", os.fspath(results), options)


@with_keywords("undo")
def undo_sync(results: Path, **options: Unpack[UndoOptions]) -> UndoReport:
    """Do what `undo` does and return when it is done; also from within a running event loop.

    Ctrl-C lets requests in flight finish before KeyboardInterrupt is raised; the next call resumes it.
    """
    return _finished(undo_verb.run, "undo", os.fspath(results), options)


@awaitable("fleet")
async def fleet(description: Path, **options: Unpack[FleetKeywords]) -> "FleetReport":
    """Do the jobs of the portals that a FLEET.toml names, and return how each of them ended.

    Does what `association-loader fleet run FLEET.toml` does, with the same files. The report's `portals` is a DataFrame
    with a line for each. A call that is cancelled has the workers finish their requests first; the next one resumes.
    Raises UsageError when nothing was begun: the file, a profile or a job is wrong, or Dask is not installed.
    In a script, call it below `if __name__ == "__main__":`, because each worker process imports the script.
    """
    from loader.fleets import verb  # noqa: PLC0415 - half a second, for this verb only

    report: FleetReport = await _awaited(verb.run, "fleet", ("run", os.fspath(description)), options)
    return report


@with_keywords("fleet")
def fleet_sync(description: Path, **options: Unpack[FleetKeywords]) -> "FleetReport":
    """Do what `fleet` does and return when it is done; also from within a running event loop.

    In a script, call it below `if __name__ == "__main__":`, because each worker process imports the script.
    """
    from loader.fleets import verb  # noqa: PLC0415 - see `fleet`

    report: FleetReport = _finished(verb.run, "fleet", ("run", os.fspath(description)), options)
    return report


@contextmanager
def _private_output() -> Iterator[tuple[str, Callable[[ExportReport], ExportReport]]]:
    """Yield a name in a private folder, and a function that keeps the folder until a report is gone."""
    with ExitStack() as held:
        folder = tempfile.mkdtemp(prefix="association-loader-")
        held.callback(shutil.rmtree, folder, ignore_errors=True)

        def keep_until_gone(report: ExportReport) -> ExportReport:
            held.pop_all()
            weakref.finalize(report, shutil.rmtree, folder, ignore_errors=True)
            return report

        yield str(PurePath(folder, "export.parquet")), keep_until_gone


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
            call = Call(
                command=ready.command,
                settings=ready.settings,
                notify=notify,
                stop=stop,
                agree=agreement(stop, yes=ready.command.values.get("yes", True)),
                standard_input=spooled,
            )
            done = await then_on_end(call, verb(call))
        if done.stopped is not None:
            done.stopped.args = (in_python(str(done.stopped)),)
        return done.result
    finally:
        if spooled is not None:
            spooled.close()
