"""A DataFrame as an input: written to a private temporary Parquet file, so that it takes the road of every file."""

import math
import tempfile
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from loader.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

EXACT_DOUBLE = 2**53


def spooled(frame: "pd.DataFrame") -> BinaryIO:
    """Return an open, unnamed file with the frame's columns; its index is left out.

    Whole numbers and text are exact. A floating-point number that cannot hold all its digits stays one, so that its
    row is rejected rather than its id guessed. Raises UsageError for two columns of one name.
    """
    import pyarrow as pa  # noqa: PLC0415 - only whoever loads a DataFrame pays for it
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

    if column.dtype != object and str(column.dtype) != "category":
        array = pa.Array.from_pandas(column)
        return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    return pa.array([text(cell) for cell in column], pa.string())


def text(cell: object) -> str | None:
    """Return a cell of a mixed column as text; None for a blank."""
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(cell, float):  # numpy's float64 is one, too
        if math.isnan(cell):
            return None
        # In scientific notation it is rejected: its last digits may be made up.
        return f"{cell:e}" if abs(cell) >= EXACT_DOUBLE else str(float(cell))
    if isinstance(cell, list | tuple):
        return ";".join(part for part in map(text, cell) if part)
    return str(cell)
