"""What Python gives as an input, written to a private temporary file that is read like any other.

A DataFrame becomes Parquet. The rows of an iterator become JSON lines, one slice after the other: a load reads its
input more than once and recognises it by its content, but an iterator gives its rows only once.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from loader.errors import UsageError
from loader.model import FIELDS
from loader.values import text_of

if TYPE_CHECKING:
    import pandas as pd


def spooled(frame: "pd.DataFrame") -> BinaryIO:
    """Return an open, unnamed file with the frame's columns; its index is left out.

    Whole numbers and text are exact. A floating-point number that cannot hold all its digits stays a float, so that its
    row is rejected and its id is not guessed. Raises UsageError for two columns of one name.
    """
    import pyarrow as pa  # noqa: PLC0415 - for a DataFrame only
    from pyarrow import parquet  # noqa: PLC0415

    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise UsageError(f"the DataFrame has two columns named {', '.join(twice)}: rename one")
    arrays = [_array(frame.iloc[:, position]) for position in range(len(names))]
    file = tempfile.TemporaryFile(prefix="association-loader-")  # noqa: SIM115 - the caller closes it
    try:
        parquet.write_table(pa.table(arrays, names=names), file)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return cast("BinaryIO", file)


def _array(column: "pd.Series[Any]") -> object:
    import pyarrow as pa  # noqa: PLC0415

    if column.dtype == object:
        return pa.array(list(map(text_of, column)), pa.string())
    try:
        array = pa.Array.from_pandas(column)
        array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        array = array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
    except (pa.ArrowException, TypeError, ValueError):
        array = None  # Sparse columns, mixed categories, long doubles: Arrow has no such type.
    if array is None or isinstance(array.type, pa.BaseExtensionType):
        # A series would yield Python's floats; its array yields them in their own width.
        return pa.array(list(map(text_of, column.array)), pa.string())
    return array


# --- rows

Row = Mapping[str, object] | tuple[object, ...]
"""One row: a mapping from column to cell, or the two ids, or all seven fields in the order of `model.FIELDS`."""

ROWS_AT_ONCE = 1000

IDS = ("object_id", "to_object_id")

NOTHING = b"object_id,to_object_id\n"
"""The file for no rows at all: only a header."""


class RowFile:
    """The rows of an iterator in an unnamed file; `take` reads them, each row once."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows = rows
        self._taken = 0
        self._done = False
        self._file = cast("BinaryIO", tempfile.TemporaryFile(prefix="association-loader-"))  # noqa: SIM115 - see close

    def take(self) -> bool:
        """Write the next thousand rows; False when there are no more. UsageError for an item that is not a row."""
        if self._done:
            return False
        batch = list(islice(self._rows, ROWS_AT_ONCE))
        self._file.write("".join(map(self._line, batch)).encode())
        self._done = len(batch) < ROWS_AT_ONCE
        if self._done and not self._taken:
            self._file.write(NOTHING)
        return not self._done

    def _line(self, row: object) -> str:
        self._taken += 1
        cells = {str(name): text_of(cell) or "" for name, cell in self._named(row)}
        return json.dumps(cells) + "\n"

    def _named(self, row: object) -> list[tuple[object, object]]:
        if isinstance(row, Mapping):
            return list(row.items())
        if isinstance(row, tuple):
            if any(hasattr(cell, "iloc") for cell in row):
                raise UsageError(
                    f"row {self._taken} holds a Series, as the rows of iterrows() do: give the DataFrame itself, or "
                    "its itertuples(index=False)"
                )
            names = getattr(row, "_fields", {len(IDS): IDS, len(FIELDS): FIELDS}.get(len(row)))
            if names is not None:
                return list(zip(names, row, strict=True))
        length = f" of {len(row)}" if isinstance(row, tuple) else ""
        raise UsageError(
            f"row {self._taken} is a {type(row).__name__}{length}: a row is a mapping from column to cell, a tuple of "
            f"the two ids, or a tuple of all seven fields ({', '.join(FIELDS)})"
        )

    def opened(self) -> BinaryIO:
        """Return the file, at its start."""
        self._file.seek(0)
        return self._file

    def close(self) -> None:
        """Remove the file."""
        self._file.close()
