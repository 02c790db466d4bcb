"""A second header below the first: several files in one, or a second table on the sheet."""

from collections.abc import Sequence

from loader.errors import InputError
from loader.read.cells import show_all, trim
from loader.read.columns import id_columns, is_header
from loader.read.headers import LONGEST, fold, looks_like_id
from loader.settings import InputSettings

# How many characters are searched for a header that follows, without a line end, the last line of an earlier file.
_LONGEST_NAME = 64
_FIRST_WORDS = ("record", "associated")


class SecondHeader:
    """Looks for a second header in one table whose header is known.

    The columns below a second header may mean something else, so the file is refused. The same header again does not
    change the columns: only that row is rejected.
    """

    def __init__(self, name: str, header: Sequence[str], settings: InputSettings) -> None:
        self._name = name
        self._settings = settings
        self._id_columns = id_columns(header, settings)
        self._folded = [fold(text) for text in header]
        self._named = {fold(text) for text in settings.columns.values() if text}

    def repeats(self, row: int, cells: Sequence[str]) -> bool:
        """Return True if a row repeats the table's header; raises InputError if it is a different header."""
        # A cheap test for most rows: two cells of a header must name ids.
        if sum(map(self._may_name_ids, cells)) < 2:
            return False
        if self._is_same(cells):
            return True
        # Two columns have different headers; `No ID` in both is not a header.
        in_id_columns = {cells[index] for index in self._id_columns if index < len(cells)}
        if (
            is_header(cells, self._settings)
            or is_header(cells, InputSettings(inputs=()))
            or sum(map(looks_like_id, in_id_columns)) > 1
        ):
            raise self._refusal(row, cells)
        return False

    def check_glued(self, row: int, cells: Sequence[str]) -> None:
        """Raise InputError if a too long record ends with another header: the line before had no line end."""
        width = len(self._folded)
        rest = list(cells[width:])
        if not (rest and id_columns(rest, self._settings)):
            return
        last = cells[width - 1]
        for start in range(max(0, len(last) - _LONGEST_NAME), len(last)):
            header = [last[start:], *rest]
            if not self._is_same(header) and is_header(header, self._settings):
                raise self._refusal(row, header)

    def _is_same(self, cells: Sequence[str]) -> bool:
        return len(cells) == len(self._folded) and [fold(cell) for cell in cells] == self._folded

    def _may_name_ids(self, cell: str) -> bool:
        if len(cell) > LONGEST:
            return False
        text = trim(cell).lower()
        return (
            text.endswith(("id", "ids"))
            or text.startswith(_FIRST_WORDS)
            or (bool(self._named) and fold(text) in self._named)
        )

    def _refusal(self, row: int, cells: Sequence[str]) -> InputError:
        return InputError(
            f"{self._name}: row {row} is a header of its own ({show_all([cell for cell in cells if cell], limit=6)}), "
            "so the rows below it may have other columns; save each table as a file of its own."
        )
