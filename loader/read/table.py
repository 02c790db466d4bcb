"""What every kind of file is turned into before it is judged: a header and batches of records as text."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:  # A file that cannot be read is refused without numpy.
    import numpy as np
    import numpy.typing as npt

BATCH = 5000

Cells = Sequence[str]
"""The cells of one column as text."""


class Numbers(Sequence[str]):
    """A column of 64-bit whole numbers, none blank, which becomes text only where that is needed."""

    def __init__(self, numbers: "npt.NDArray[np.int64]") -> None:
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[str]:
        return map(str, self.numbers.tolist())

    def __getitem__(self, place: Any) -> Any:
        return str(self.numbers[place]) if isinstance(place, int) else Numbers(self.numbers[place])


class Mark(NamedTuple):
    """Why a cell or a whole record cannot be used as it is: a reason code, and the rest of a sentence about it."""

    reason: str
    why: str


@dataclass(slots=True, kw_only=True)
class Batch:
    """Records in the file's order, blank ones left out.

    `rows` has their spreadsheet rows; `columns` their text, one column for each of the header's. `faults` maps a
    record's place in the batch to why the record is wrong as a whole; `marks` maps (place, column) to why that cell is
    never an id.
    """

    rows: Sequence[int]
    columns: list[Cells]
    faults: dict[int, Mark] = field(default_factory=dict)
    marks: dict[tuple[int, int], Mark] = field(default_factory=dict)

    def record(self, place: int) -> list[str]:
        """Return the cells of one record."""
        return [column[place] for column in self.columns]


class Records(NamedTuple):
    """A batch that is made record by record; each of `cells` is one record's."""

    rows: list[int]
    cells: list[list[str]]
    faults: dict[int, Mark]
    marks: dict[tuple[int, int], Mark]

    def batch(self, width: int) -> Batch:
        """Return the batch, with `width` columns."""
        return Batch(rows=self.rows, columns=in_columns(self.cells, width), faults=self.faults, marks=self.marks)


def in_columns(records: Iterable[Sequence[str]], width: int) -> list[Cells]:
    """Return records of `width` cells each as columns."""
    return list(zip(*records, strict=True)) or [()] * width


class Table(Protocol):
    """One input, opened; `batches` may be called more than once.

    `notes` are known after opening; `batches` counts in `counts` what it finds.
    """

    format: str
    encoding: str | None
    delimiter: str | None
    sheet: str | None
    byte_order_mark: bool
    header_row: int
    header: tuple[str, ...]
    notes: list[str]

    def batches(self, counts: Counter[str]) -> Iterator[Batch]:
        """Yield the records below the header in constant memory."""
        ...

    def cell_name(self, row: int, column: int) -> str:
        """Return what a person calls the cell: `column "object_id"`, or `Sheet1!B412`."""
        ...

    def close(self) -> None:
        """Close the files."""
        ...


HEADER_WITHIN = 20
MOST_COLUMNS = 16_384
"""What a sheet of Excel holds."""
# The limits of .xls and .xlsx. In 2020 England lost 16,000 Covid cases beyond the first.
FULL_SHEETS = (65_536, 1_048_576)


def full_sheet_note(row: int) -> str:
    """Return the warning for an input whose last row is the last that a spreadsheet holds."""
    return f"The last row is row {row:,}, exactly the most that a spreadsheet holds: rows beyond it may be missing."
