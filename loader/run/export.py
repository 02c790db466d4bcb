"""Export: write which records are associated, as a file that a load can read; or continue where that stopped."""

import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, BinaryIO

from loader.errors import Fatal, JournalMismatch, LoaderError, Stopped, UsageError
from loader.events import Exported
from loader.journal import Lock
from loader.model import hides_leads
from loader.planning.object_types import ObjectTypes
from loader.read import Input
from loader.record.export_file import (
    STANDARD_OUTPUT,
    ExportFile,
    ExportFiles,
    ExportState,
    StandardOutput,
    Target,
    look,
    name_files,
    set_aside,
)
from loader.record.summary import ExportFigures, summarize
from loader.run.call import Call, Done, reported
from loader.run.export_lines import Lines
from loader.run.export_reading import ExportReading
from loader.run.labels import named_types, type_names
from loader.run.report import ExportReport
from loader.run.session import Session, at_work
from loader.send.portal import GatewayPortal
from loader.shell import command_line
from loader.text import counted


async def run(call: Call) -> Done[ExportReport]:
    """Write the associations of records of one object type with those of another.

    Raises UsageError, InputError or JournalError if nothing was written, and RecordError if the output could not be
    written; whatever else ends it early is in the report, and the same command continues.
    """
    settings = call.settings
    first, second = call.command.arguments
    async with at_work(call) as session, session.inputs() as inputs:
        verb = _Export(session, inputs, (first, second))
        if settings.export.output == STANDARD_OUTPUT:
            if call.standard_output is None:
                raise UsageError("there is no standard output to write to: name a file with --output")
            return reported(await verb.to_standard_output(call.standard_output))
        files = name_files(settings.export.output or "", [source.path for source in inputs])
        with Lock(files.state, option="--output"):
            return reported(await verb.to_files(files))


class _Export:
    """One command at work on one export."""

    def __init__(self, session: Session, inputs: Sequence[Input], names: tuple[str, str]) -> None:
        self.session = session
        self.settings = session.settings
        self.inputs = inputs
        self.names = names

    def _identity(self) -> dict[str, Any]:
        """Return the settings that an export must be continued with."""
        known = ObjectTypes()
        return {
            "object_types": [known.find(name) or name for name in self.names],
            "ids": [source.sha256 for source in self.inputs],
            "reading": [asdict(replace(group, rows_of=None)) for group in self.settings.read],
            "by_label": self.settings.export.by_label,
            "base_url": self.settings.connection.base_url,
        }

    # --- begin, or go on

    async def to_standard_output(self, stream: BinaryIO) -> ExportReport:
        """Write everything to standard output."""
        self.session.stop.check()
        async with self.session.connected(self.session.notify) as portal:
            lines, names = await self._prepared(portal, ".csv", None)
            state = ExportState(identity={}, portal_id=portal.portal_id, started_at=self.session.moment())
            target = StandardOutput(stream, state, lines.head)
            return await self._run(portal, lines, names, target, None)

    async def to_files(self, files: ExportFiles) -> ExportReport:
        """Begin an export or continue the one that is there."""
        self.session.stop.check()
        state = self._decided(files)
        if state is not None and state.finished_at is not None:
            self.session.note(
                f"This export ended on {state.finished_at[:10]} at {state.finished_at[11:16]} UTC: nothing was read in "
                "HubSpot now. To read everything again, add --fresh, which keeps this one under a name with its date."
            )
            return self._report(state, files, None)
        async with self.session.connected(self.session.notify) as portal:
            lines, names = await self._prepared(portal, files.output.suffix.lower(), state.portal_id if state else None)
            if state is None:
                state = ExportState(
                    identity=self._identity(), output=files.output.name, started_at=self.session.moment()
                )
            else:
                self.session.note(f"Resuming: {counted(state.records, 'record')} read already.")
            state = replace(
                state,
                portal_id=portal.portal_id,
                stopped="",
                exit_code=None,
                command=command_line(self.settings.command) or None,
                folder=os.getcwd(),  # noqa: PTH109 - a text is wanted
            )
            with ExportFile(files, state, lines.head) as file:
                return await self._run(portal, lines, names, file, files)

    def _decided(self, files: ExportFiles) -> ExportState | None:
        """Return the export to continue, or a finished one; None to begin a new one, after the names are free."""
        fresh = self.settings.fresh
        state = look(files, fresh=fresh)
        if state is None and files.output.exists() and not fresh:
            raise UsageError(
                f"{files.output} exists, and nothing beside it says that an export wrote it: move it away, give "
                "another --output, or start over with --fresh, which keeps it under another name"
            )
        named = self.settings.connection.portal_id
        same = (
            state is not None
            and state.identity == self._identity()
            and (named is None or state.portal_id in (None, named))
        )
        if state is not None and not same and not fresh and state.finished_at is None:
            raise JournalMismatch(
                f"{files.state} holds an unfinished export of something else: continue that one by its own command, "
                "or start over with --fresh, which keeps its files under another name"
            )
        gone = state is not None and state.finished_at is not None and not files.output.exists()
        if state is not None and same and not fresh and not gone:
            return state
        if moved := set_aside(files, state.started_at if state else None):
            self.session.note(f"The earlier export is kept: {', '.join(path.name for path in moved.values())}.")
        return None

    async def _prepared(self, portal: GatewayPortal, ending: str, bound: str | None) -> tuple[Lines, ObjectTypes]:
        """Check that it is the right portal; return the writer of lines, and the names of object types."""
        await self.session.recognize(portal, bound=bound)
        self.session.note_ending_version()
        direction, names = await self.session.stop.unless(named_types(portal, *self.names))
        first, second = map(names.shown, direction)
        if hides_leads(direction):
            raise UsageError(
                f"HubSpot was seen not to show which leads {first} have: export leads {first} instead, which is the "
                "same associations from the other end, and loads back as well"
            )
        types = await self.session.stop.unless(type_names(portal, [direction]))
        if not types.labels:
            raise UsageError(
                f"HubSpot lists no association type from {first} to {second}, so there is nothing to export"
            )
        return Lines(direction, ending, types.labels, by_label=self.settings.export.by_label), names

    # --- work

    async def _run(
        self,
        portal: GatewayPortal,
        lines: Lines,
        names: ObjectTypes,
        target: Target,
        files: ExportFiles | None,
    ) -> ExportReport:
        reading = ExportReading(
            self.session,
            portal,
            target,
            lines=lines,
            names=names,
            inputs=self.inputs,
            name_unread=files is None,
        )
        stopped: LoaderError | None = None
        try:
            if not target.state.complete:
                target.commit(replace(target.state, reading_began=target.state.reading_began or self.session.moment()))
                await self.session.stop.unless(reading.all())
            code = int(target.state.unread + target.state.rejected > 0)
            target.finish(replace(reading.counted(), finished_at=self.session.moment(), exit_code=code))
        except (Fatal, Stopped) as error:
            stopped = error
            if self.session.stop.at_once:
                raise
            target.commit(replace(reading.counted(), stopped=str(error), exit_code=error.exit_code))
        return self._report(target.state, files, stopped)

    def _report(self, state: ExportState, files: ExportFiles | None, stopped: LoaderError | None) -> ExportReport:
        """Report how the command ended, and return it."""
        unread = files.unread if files is not None and state.unread + state.rejected else None
        exit_code = state.exit_code or 0
        sent, retried, limited = (state.requests.get(each, 0) for each in ("sent", "retried", "rate_limited"))
        figures: ExportFigures = {
            "records": {
                "total": state.records + state.rejected,
                "associated": state.associated,
                "without": state.records - state.associated - state.unread,
                "unread": state.unread,
                "rejected": state.rejected,
            },
            "pairs": state.pairs,
            "lines": state.lines,
            "reading_began": state.reading_began,
            "reading_ended": state.reading_ended,
            "requests": {"sent": sent, "retried": retried, "rate_limited": limited},
        }
        summary = summarize(
            self.settings.command,
            {"output": str(files.output) if files else STANDARD_OUTPUT, "unread": str(unread) if unread else None},
            figures,
            portal_id=state.portal_id,
            started_at=state.started_at,
            finished_at=state.finished_at or self.session.moment(),
            seconds=state.seconds,
            exit_code=exit_code,
            next_command=command_line(self.settings.command) or None if stopped else None,
        )
        output = str(files.output) if files else STANDARD_OUTPUT
        self.session.notify(Exported(summary, output, str(unread) if unread else None, str(stopped or "")))
        return ExportReport(exit_code, summary, files.output if files else None, stopped)
