"""Rows that a caller makes as they are asked for: written to a private temporary file of JSON lines, a slice at a time.

A load reads its input more than once and recognises it by its content, so an iterator, which gives its rows only once,
is stored first.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import BinaryIO, cast

from loader.api.spool import text
from loader.errors import UsageError
from loader.model import FIELDS

Row = Mapping[str, object] | tuple[object, ...]
"""One row: a mapping from column to cell, or the two ids, or all seven fields in the order of `model.FIELDS`."""

ROWS_AT_ONCE = 1000

IDS = ("object_id", "to_object_id")

NOTHING = b"object_id,to_object_id\n"
"""The file of no rows at all: columns, and nothing below them."""


class RowFile:
    """The rows of an iterator in an unnamed file; nothing is taken before `take`, and each row once."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows = rows
        self._taken = 0
        self._done = False
        self._file = cast("BinaryIO", tempfile.TemporaryFile(prefix="association-loader-"))  # noqa: SIM115 - see close

    def take(self) -> bool:
        """Write the next thousand rows; False when there are no more. UsageError for what is no row."""
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
        cells = {str(name): text(cell) or "" for name, cell in self._named(row)}
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
