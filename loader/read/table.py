"""What every kind of file is turned into before it is judged: a header and batches of records as text."""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple, Protocol

BATCH = 5000


class Mark(NamedTuple):
    """Why a cell or a whole record cannot be taken at its text: a reason code, and the rest of a sentence about it."""

    reason: str
    why: str


class Batch(NamedTuple):
    """Records in the file's order, blank ones left out.

    `rows` has their spreadsheet rows and `cells` their text, each as long as the header. `faults` maps a record's place
    in the batch to why the record is wrong as a whole; `marks` maps (place, column) to why that cell is never an id.
    """

    rows: list[int]
    cells: list[list[str]]
    faults: dict[int, Mark]
    marks: dict[tuple[int, int], Mark]


class Table(Protocol):
    """One input, opened; `batches` may be called more than once.

    `notes` are known after opening; `batches` counts in `told` what it comes across on the way.
    """

    format: str
    encoding: str | None
    delimiter: str | None
    sheet: str | None
    header_row: int
    header: tuple[str, ...]
    notes: list[str]

    def batches(self, told: Counter[str]) -> Iterator[Batch]:
        """Yield the records below the header in constant memory."""
        ...

    def cell_name(self, row: int, column: int) -> str:
        """Return what a person calls the cell: `column "object_id"`, or `Sheet1!B412`."""
        ...

    def close(self) -> None:
        """Let go of files."""
        ...


HEADER_WITHIN = 20
MOST_COLUMNS = 16_384
"""What a sheet of Excel holds."""
# What the sheets of old and new Excel hold; Covid cases were lost beyond the first in 2020.
FULL_SHEETS = (65_536, 1_048_576)


def full_sheet_note(row: int) -> str:
    """Return the warning for an input whose last row is the last that a spreadsheet holds."""
    return f"The last row is row {row:,}, exactly the most that a spreadsheet holds: rows beyond it may be missing."
