"""`--copy-to`: the files of a run that has ended, copied to another place too."""

import asyncio
from collections.abc import Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from loader.errors import LoaderError
from loader.events import Finished, Note
from loader.fetch import Watch, check_place, copy_to, keep_beside, without_secrets
from loader.journal import AsyncJournal, Journal
from loader.read import Input
from loader.record.failures import digests, is_copy
from loader.record.outputs import Outputs
from loader.record.summary import write_summary
from loader.run.next_command import same_command
from loader.run.session import Session
from loader.stopping import Stop
from loader.text import visible

NOT_COPIED = 6
"""The exit code of a command whose copies alone failed; a more serious code stays."""


def check_copies(place: str, outputs: Outputs, inputs: Sequence[Input]) -> None:
    """Raise UsageError if a run's files cannot be copied there, or one of them would overwrite an input."""
    check_place(place, _files(outputs), {source.name: Path(source.file) for source in inputs})


def _files(outputs: Outputs) -> list[Path]:
    return [outputs.results, outputs.failures, outputs.beside("report.html"), outputs.summary]


async def copied(
    session: Session, place: str, outputs: Outputs, journal: AsyncJournal[Any], finished: Finished
) -> Finished:
    """Copy results, failures, report and summary to `--copy-to`, and return how the command ended then.

    If a copy fails, nothing is lost: it is reported, and the same command copies again. A failures file that was
    corrected there is kept under a dated name.
    """
    # There may be no failures file and no report.
    files = [file for file in _files(outputs) if file.exists()]
    # A run that was asked to stop still copies; at the second request the process ends.
    stop = Stop() if session.stop.asked() else session.stop
    watch = Watch(stop=stop, doing=session.does, timeout=session.settings.connection.timeout)
    try:
        if outputs.failures in files:
            copied_last = journal.facts.failures_copied
            kept = await asyncio.to_thread(_keep_corrections, session, place, outputs, copied_last, watch)
            session.note(kept)
        await asyncio.to_thread(copy_to, place, files, watch)
    except LoaderError as error:
        session.notify(Note(f"--copy-to failed, and the files are here: {error}", serious=True))
        code = finished.summary["exit_code"]
        summary = {
            **finished.summary,
            "exit_code": NOT_COPIED if code in (0, 1) else code,
            "next_command": finished.summary["next_command"] or same_command(session.settings),
        }
        await asyncio.to_thread(write_summary, outputs.summary, summary)
        return replace(finished, summary=summary)
    await journal.call(Journal.remember, failures_copied="".join(digests(outputs.failures)))
    session.note(f"Copied to {visible(without_secrets(place))}: {', '.join(file.name for file in files)}.")
    return finished


def _keep_corrections(session: Session, place: str, outputs: Outputs, copied_last: str, watch: Watch) -> str:
    """Rename a corrected failures file at the destination, and return a sentence about it."""
    name, stamp = outputs.failures.name, session.moment()[:19].replace("-", "").replace(":", "")
    ending = name.removeprefix(f"{outputs.stem}.")
    names = (f"{outputs.stem}.{stamp}Z{number}.{ending}" for number in chain([""], count(-2, -1)))
    kept = keep_beside(place, name, names, lambda file: is_copy(file, outputs, copied_last), watch)
    where = visible(without_secrets(place))
    return (
        f"{name} has been changed at {where} since it was copied there, so it is kept there as {kept}" if kept else ""
    )
