"""What the names of files and folders mean: whether a file is a table, and which columns a folder gives to its files.

Names of folders give columns as Hive and Spark write them: `to_object_type=companies/a.csv`.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from urllib.parse import unquote

from loader.read.cells import show
from loader.read.table import RecordBatch, Table

ENDINGS = (
    *(".csv", ".tsv", ".txt", ".parquet", ".pq", ".parq"),
    *(".xlsx", ".xlsm", ".xls", ".jsonl", ".ndjson", ".json"),
)
PACKINGS = (".gz", ".bz2", ".xz", ".lzma")
_ALL = (*ENDINGS, *(ending + packing for ending in ENDINGS for packing in PACKINGS), ".zip")
_COLUMN = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.ASCII | re.DOTALL)
_NULL = "__HIVE_DEFAULT_PARTITION__"


def is_table(name: str) -> bool:
    """Return whether a file is a table by the ending of its name."""
    return name.lower().endswith(_ALL)


def is_clutter(name: str) -> bool:
    """Return whether a file is hidden, a spreadsheet's lock file (`~$a.xlsx`), or what macOS adds to archives."""
    return name.startswith("__MACOSX/") or name.rpartition("/")[2].startswith((".", "~$"))


def without_packing(name: str) -> str:
    """Return a file's name without the `.gz` or the like at its end."""
    return name[: name.rindex(".")] if name.lower().endswith(PACKINGS) else name


def is_column(folder: str) -> bool:
    """Return whether a folder's name gives a column for the files in it."""
    return _COLUMN.fullmatch(folder) is not None


def folder_columns(file_name: str) -> dict[str, str]:
    """Return the columns that the folders of a file's name give to all of its rows.

    >>> folder_columns("export/to_object_type=companies/label=Key%20account/part-0.csv")
    {'to_object_type': 'companies', 'label': 'Key account'}
    """
    found = filter(None, map(_COLUMN.fullmatch, PurePath(file_name).parts[:-1]))
    return {each[1]: "" if each[2] == _NULL else unquote(each[2]) for each in found}


class InFolders(Table):
    """A table with the columns of its folders behind its own."""

    def __init__(self, table: Table, columns: Mapping[str, str]) -> None:
        self._table = table
        self._names, self._values = list(columns), list(columns.values())
        self.format = table.format
        self.encoding = table.encoding
        self.delimiter = table.delimiter
        self.sheet = table.sheet
        self.byte_order_mark = table.byte_order_mark
        self.header_row = table.header_row
        self.header = (*table.header, *columns)
        listed = ", ".join(f"{name} is {show(value)}" for name, value in columns.items())
        self.notes = [*table.notes, f"From the names of its folders: {listed}."]

    def batches(self, counts: Counter[str]) -> Iterator[RecordBatch]:
        """Yield the table's records, each with the folders' cells."""
        for batch in self._table.batches(counts):
            # A repeated header gets the folders' headers, so that it is still recognised.
            headers = [
                place
                for place, cell in enumerate(batch.columns[0])
                if cell == self._table.header[0] and tuple(batch.record(place)) == self._table.header
            ]
            for name, value in zip(self._names, self._values, strict=True):
                column = [value] * len(batch.rows)
                for place in headers:
                    column[place] = name
                batch.columns.append(column)
            yield batch

    def cell_name(self, row: int, column: int) -> str:
        """Return the cell as its table names it, or the folder's column."""
        if column < len(self._table.header):
            return self._table.cell_name(row, column)
        return f"Row {row}, column {show(self.header[column])} of its folder"
