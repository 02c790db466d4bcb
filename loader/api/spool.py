"""A DataFrame as an input: written to a private temporary Parquet file, which is read like any other file."""

import tempfile
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from loader.errors import UsageError
from loader.read.cells import DOUBLE_BITS, LOST, float_text, joined

if TYPE_CHECKING:
    import pandas as pd


def spooled(frame: "pd.DataFrame") -> BinaryIO:
    """Return an open, unnamed file with the frame's columns; its index is left out.

    Whole numbers and text are exact. A floating-point number that cannot hold all its digits stays one, so that its
    row is rejected rather than its id guessed. Raises UsageError for two columns of one name.
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
        return pa.array(list(map(text, column)), pa.string())
    try:
        array = pa.Array.from_pandas(column)
        array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        array = array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
    except (pa.ArrowException, TypeError, ValueError):
        array = None  # Sparse columns, mixed categories, long doubles: Arrow has no such type.
    if array is None or isinstance(array.type, pa.BaseExtensionType):
        # A series would yield plain floats, its array yields them as wide as they are.
        return pa.array(list(map(text, column.array)), pa.string())
    return array


def text(cell: object) -> str | None:
    """Return a cell of a mixed column, or of a row from Python, as text; None for a blank."""
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(cell, float):  # numpy's float64 is one, too
        return float_text(float(cell)) or None
    if isinstance(cell, list | tuple) or getattr(cell, "ndim", 0) == 1:  # arrays and series have dimensions
        return joined(part for part in map(text, cast("Iterable[object]", cell)) if part)
    if hasattr(cell, "dtype") and not isinstance(cell, str):
        return _numpy_text(cell)
    if hasattr(cell, "as_py"):
        from loader.read.parquet import significand_bits, text_of  # noqa: PLC0415 - there is a pyarrow scalar

        return text_of(cell.as_py(), significand_bits(cast("Any", cell).type)) or None
    return str(cell)


def _numpy_text(cell: Any) -> str | None:
    """Return a numpy scalar as text; a float may be narrower than Python's."""
    import numpy as np  # noqa: PLC0415 - it is imported already, or there would be no such cell

    if cell.dtype.kind == "f":
        return float_text(float(cell), min(np.finfo(cell.dtype).nmant + 1, DOUBLE_BITS)) or None
    # Kind V are types of other packages, such as bfloat16: it is not known how many digits they hold.
    return f"{LOST}{cell}" if cell.dtype.kind == "V" else str(cell)
