"""How a load ended, for whoever called it from Python or from the command line."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loader.errors import LoaderError
from loader.record.failures import ADDED
from loader.record.journal import Journal, Line, failed_records, lines
from loader.record.outputs import Outputs

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Report:
    """How a load ended: the command's exit code, the summary as in the summary file, and where the files are.

    `stopped` is the error that ended it early, or None.
    """

    exit_code: int
    summary: dict[str, Any]
    outputs: Outputs
    stopped: LoaderError | None = None

    @property
    def results(self) -> "pd.DataFrame":
        """The lines of the results file, in any order; every cell is text, blank where there is none.

        Read from the journal when asked for, so the journal must still be where the load left it.
        """
        with Journal(self.outputs.journal, read_only=True) as journal:
            found = [line for view in ("settled", "rejected") for _, line in lines(journal, view, 0)]
            return _frame(Line._fields, found)

    @property
    def failures(self) -> "pd.DataFrame":
        """The failed and rejected records as in the failures file, but with no formula defused; every cell is text."""
        with Journal(self.outputs.journal, read_only=True) as journal:
            names = dict.fromkeys(name for _, header, _ in journal.headers() for name in header if name not in ADDED)
            records = [
                (*(dict(zip(header, cells, strict=True)).get(name, "") for name in names), *_about(line))
                for header, cells, line in failed_records(journal)
            ]
            return _frame((*names, *ADDED), records)


def _about(line: Line) -> tuple[object, ...]:
    return (
        line.input,
        line.row,
        line.status,
        line.error_category,
        line.error_message,
        line.http_status,
        line.correlation_id,
    )


def _frame(columns: Sequence[str], records: Iterable[Sequence[object]]) -> "pd.DataFrame":
    import pandas as pd  # noqa: PLC0415 - half a second that only whoever asks for a DataFrame pays

    texts = [["" if cell is None else str(cell) for cell in record] for record in records]
    return pd.DataFrame(texts, columns=list(columns), dtype="str")
