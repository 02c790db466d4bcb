"""Reports: how a command ended, for its caller in Python or on the command line."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from loader.errors import LoaderError, UsageError
from loader.events import Planned
from loader.journal import Counts, Facts, Journal, Line, failed_records, lines
from loader.model import FIELDS
from loader.record.failures import ABOUT, ADDED
from loader.record.outputs import Outputs, name_outputs
from loader.record.summary import load_figures, summarize
from loader.settings import Settings

if TYPE_CHECKING:
    import pandas as pd


def _counted(counts: Mapping[str, int], unit: str = "row") -> str:
    """Return the counts that are not zero: `244 rows: 236 created, 8 rejected`."""
    found = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count and name != "total")
    return f"{counts['total']:,} {unit}{'' if counts['total'] == 1 else 's'}{f': {found}' if found else ''}"


def _shortly(report: Any, counted: str, path: Path | None) -> str:
    """Return a report in one line, for a notebook or a debugger."""
    stopped = f"; stopped: {report.stopped}" if report.stopped else ""
    return f"<{type(report).__name__}: {counted}; exit code {report.exit_code}{stopped}; {path or 'no file'}>"


@dataclass(frozen=True, slots=True)
class Report:
    """How a load ended: the command's exit code, the summary as in the summary file, and where the files are.

    `stopped` is the error that ended it early, or None. `planned` is set only after a dry run: then nothing was sent,
    no file was written, and `results` and `failures` are empty.
    """

    exit_code: int
    summary: dict[str, Any]
    outputs: Outputs
    stopped: LoaderError | None = None
    planned: Planned | None = None

    def __repr__(self) -> str:
        if self.planned is not None:
            return f"<{type(self).__name__} of a dry run: {_counted(self.summary['rows'])}; nothing was sent>"
        return _shortly(self, _counted(self.summary["rows"]), self.outputs.results)

    @property
    def results(self) -> "pd.DataFrame":
        """The lines of the results file, in any order; every cell is text, blank where there is none.

        It is read from the journal at each access, so the journal must still be there.
        """
        if self.planned is not None:
            return _frame(Line._fields, [])
        with Journal(self.outputs.journal, read_only=True) as journal:
            found = [line for view in ("outcomes", "rejected") for _, line in lines(journal, view, 0)]
            return _frame(Line._fields, found)

    @property
    def failures(self) -> "pd.DataFrame":
        """The failed and rejected records as in the failures file, but formulas are unchanged; every cell is text."""
        if self.planned is not None:
            return _frame(ADDED, [])
        with Journal(self.outputs.journal, read_only=True) as journal:
            names = dict.fromkeys(name for _, header, _ in journal.headers() for name in header if name not in ADDED)
            records = []
            for header, cells, line in failed_records(journal):
                record = dict(zip(header, cells, strict=True))
                records.append((*(record.get(name, "") for name in names), *attrgetter(*ABOUT)(line)))
            return _frame((*names, *ADDED), records)


def dry_report(planned: Planned, settings: Settings) -> Report:
    """Return the report of a dry run: the summary of a load that has not begun, exit code 1 with rejects."""
    first, inputs = next(iter(planned.inputs)), list(planned.inputs.values())
    outputs = name_outputs(settings, first, [], inputs)
    verb = "remove" if settings.removes else "load"
    counts = Counts(total=planned.rows, rejected=planned.rejected, pairs=planned.pairs, verb=verb)
    exit_code = int(planned.rejected > 0)
    summary = summarize(
        settings.command,
        {"inputs": [{"path": name, "rows": understood.records} for name, understood in planned.inputs.items()]},
        load_figures(counts, Facts(rate=planned.rate), dict(planned.reasons), None),
        portal_id=planned.portal_id,
        started_at=None,
        finished_at=None,
        seconds=0.0,
        exit_code=exit_code,
        next_command=None,
    )
    return Report(exit_code, summary, outputs, planned=planned)


ROWS_IN_FRAME = 100_000


@dataclass(frozen=True)
class ExportReport:
    """How an export ended: the command's exit code, its summary, and its file, None for standard output.

    `stopped` is the error that ended it early, or None: then the file is not there yet, and the next call goes on.
    """

    exit_code: int
    summary: dict[str, Any]
    path: Path | None
    stopped: LoaderError | None = None

    def __repr__(self) -> str:
        return _shortly(self, _counted(self.summary["records"], "record"), self.path)

    def frames(self, rows: int = ROWS_IN_FRAME) -> "Iterator[pd.DataFrame]":
        """Yield the lines as DataFrames of at most `rows` rows; every cell is text, and none is defused.

        Only one of them is in memory at a time. Raises UsageError if there is no file.
        """
        import pandas as pd  # noqa: PLC0415 - half a second, for a DataFrame only

        if self.path is None or not self.path.exists():
            raise UsageError(f"there is no exported file {self.path or ''}: finish the export first, to a file")
        if self.path.suffix.lower() == ".parquet":
            from pyarrow import parquet  # noqa: PLC0415 - the same

            with parquet.ParquetFile(self.path, pre_buffer=False) as file:
                yield from (batch.to_pandas() for batch in file.iter_batches(rows))
        elif self.path.suffix.lower() == ".jsonl":
            with self.path.open("rb") as file:
                while batch := [json.loads(line) for line in islice(file, rows)]:
                    yield pd.DataFrame(batch, columns=list(FIELDS), dtype="str")
        else:
            from loader.read.row_kinds import label_as_written  # noqa: PLC0415 - imports numpy

            for frame in pd.read_csv(self.path, dtype="str", keep_default_na=False, chunksize=rows):
                yield frame.assign(label=frame["label"].map(label_as_written))


@dataclass(frozen=True, slots=True)
class _TableReport:
    """The report of a command with a table of its own, `path`."""

    exit_code: int
    summary: dict[str, Any]
    path: Path
    stopped: LoaderError | None = None
    _written: int | None = None

    def __repr__(self) -> str:
        counted = _counted(self.summary["rows"]) if "rows" in self.summary else _counted(self.summary["pairs"], "pair")
        return _shortly(self, counted, self.path)

    @classmethod
    def of(cls, summary: dict[str, Any], path: Path, stopped: LoaderError | None) -> Self:
        """Return the report for a table that was just written."""
        return cls(summary["exit_code"], summary, path, stopped, _written(path))

    def _table(self) -> "pd.DataFrame":
        """Return the table, every cell as text; UsageError if another command has replaced it."""
        import pandas as pd  # noqa: PLC0415 - half a second, for a DataFrame only

        if self._written is None or _written(self.path) != self._written:
            raise UsageError(
                f"{self.path} was overwritten by another command: read .results before the next command runs"
            )
        return pd.read_csv(self.path, dtype="str", keep_default_na=False)


@dataclass(frozen=True, slots=True, repr=False)
class Verification(_TableReport):
    """How a verification ended: the command's exit code (0: everything is there), its summary, and its file.

    `stopped` is the error that ended it early, or None.
    """

    @property
    def results(self) -> "pd.DataFrame":
        """The lines of the file, in any order; every cell is text. `status` is `=`, `*`, `+` or `!`.

        It is read from the file at each access: UsageError if that is gone, or replaced by another verification.
        """
        return self._table()

    @property
    def failures(self) -> "pd.DataFrame":
        """The lines that are not `=`."""
        results = self.results
        return results[results["status"] != "="]


@dataclass(frozen=True, slots=True, repr=False)
class UndoReport(_TableReport):
    """How an undo ended: the command's exit code (0: nothing of the run is left), its summary, and its file.

    `stopped` is the error that ended it early, or None.
    """

    @property
    def results(self) -> "pd.DataFrame":
        """The lines of the file, in any order; every cell is text.

        `status` is `removed`, `unchanged` (it was not there any more), `left` (it was changed since) or `failed`. It is
        read from the file at each access: UsageError if that is gone, or replaced by another undo.
        """
        return self._table()

    @property
    def failures(self) -> "pd.DataFrame":
        """The lines that are `left` or `failed`."""
        results = self.results
        return results[results["status"].isin(["left", "failed"])]


def _written(path: Path) -> int | None:
    """Return an identity of a file, to recognise a later one of its name; None if there is no file."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def _frame(columns: Sequence[str], records: Iterable[Sequence[object]]) -> "pd.DataFrame":
    import pandas as pd  # noqa: PLC0415 - half a second, for a DataFrame only

    texts = [["" if cell is None else str(cell) for cell in record] for record in records]
    return pd.DataFrame(texts, columns=list(columns), dtype="str")
