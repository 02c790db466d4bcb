"""What every kind of file becomes before it is judged: a header and batches of records as text."""

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from loader.read.cells import is_blank, show

if TYPE_CHECKING:  # A file that cannot be read is refused without numpy.
    import numpy as np
    import numpy.typing as npt

BATCH = 5000

Cells = Sequence[str]
"""The cells of one column as text."""


class NumberColumn(Sequence[str]):
    """A column of 64-bit whole numbers, none blank, which becomes text only where that is needed."""

    def __init__(self, numbers: "npt.NDArray[np.int64]") -> None:
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[str]:
        return map(str, self.numbers.tolist())

    def __getitem__(self, place: Any) -> Any:
        return str(self.numbers[place]) if isinstance(place, int) else NumberColumn(self.numbers[place])


class Mark(NamedTuple):
    """Why a cell or a whole record cannot be used as it is: a reason code, and the rest of a sentence about it."""

    reason: str
    why: str


NUL = Mark("NUL_CHARACTER", "contains a NUL character and may be damaged; write the row again")


@dataclass(slots=True, kw_only=True)
class RecordBatch:
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


class BatchBuilder:
    """Makes a batch record by record; blank records are left out, and a record that is wrong as a whole has a fault."""

    def __init__(self, width: int) -> None:
        self._width = width
        self.rows: list[int] = []
        self._cells: list[Sequence[str]] = []
        self._faults: dict[int, Mark] = {}
        self._marks: dict[tuple[int, int], Mark] = {}

    def add(
        self, row: int, cells: Sequence[str], fault: Mark | None = None, marks: Mapping[int, Mark] | None = None
    ) -> None:
        """Take a record with its spreadsheet row; `marks` gives columns whose cell is never an id."""
        if fault is None and not marks and all(map(is_blank, cells)):
            return
        if fault is None and "\0" in "".join(cells):
            fault = NUL
        place = len(self.rows)
        if fault is not None:
            self._faults[place] = fault
        self._marks.update({(place, column): mark for column, mark in (marks or {}).items()})
        self.rows.append(row)
        self._cells.append(cells if len(cells) == self._width else [*cells, *[""] * self._width][: self._width])

    def batch(self) -> RecordBatch:
        """Return the batch."""
        columns = in_columns(self._cells, self._width)
        return RecordBatch(rows=self.rows, columns=columns, faults=self._faults, marks=self._marks)


Record: TypeAlias = tuple[int, Sequence[str], Mark | None, Mapping[int, Mark]]
"""A record as `BatchBuilder.add` takes it: its spreadsheet row, its cells, what is wrong with it or with some cells."""


def in_batches(records: Iterable[Record], width: int) -> Iterator[RecordBatch]:
    """Yield records in batches, for a reader that has them one by one."""
    builder = BatchBuilder(width)
    for record in records:
        builder.add(*record)
        if len(builder.rows) == BATCH:
            yield builder.batch()
            builder = BatchBuilder(width)
    yield builder.batch()


def in_columns(records: Iterable[Sequence[str]], width: int) -> list[Cells]:
    """Return records of `width` cells each as columns."""
    return list(zip(*records, strict=True)) or [()] * width


class Table:
    """One table of an input: its header is found, and no file stays open between readings.

    `notes` are known after opening. What a format does not have (an encoding, say) is None.
    """

    format: str
    header: tuple[str, ...]
    notes: list[str]
    header_row = 1
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    byte_order_mark = False

    @abstractmethod
    def batches(self, counts: Counter[str]) -> Iterator[RecordBatch]:
        """Yield the records below the header in constant memory; may be called again. `counts` counts oddities."""

    def cell_name(self, row: int, column: int) -> str:
        """Return the name of a cell for people: `Row 7, column "object_id"`, or `Sheet1!B412`."""
        return f"Row {row}, column {show(self.header[column])}"


HEADER_WITHIN = 20
MOST_COLUMNS = 16_384
"""The columns of an Excel sheet."""
# The limits of .xls and .xlsx. In 2020 England lost 16,000 Covid cases beyond the first.
FULL_SHEETS = (65_536, 1_048_576)


def full_sheet_note(row: int) -> str:
    """Return the warning for an input whose last row is the last that a spreadsheet holds."""
    return f"The last row is row {row:,}, exactly the most that a spreadsheet holds: rows beyond it may be missing."
