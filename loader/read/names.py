"""The meaning of file and folder names: whether a file is a table, and which columns a folder gives its files.

Names of folders give columns as Hive and Spark write them: `to_object_type=companies/a.csv`.
"""

import re
from pathlib import PurePath
from urllib.parse import unquote

from loader.settings import TEXT_FORMATS

ENDINGS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "csv",
    **dict.fromkeys((".parquet", ".pq", ".parq"), "parquet"),
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".xls": "xls",
    **dict.fromkeys((".jsonl", ".ndjson", ".json"), "jsonl"),
}
"""The endings of a table's name, with their formats. Only a text is read by its ending, any other file by its bytes."""

PACKINGS = (".gz", ".bz2", ".xz", ".lzma")
_ALL = (*ENDINGS, *(ending + packing for ending in ENDINGS for packing in PACKINGS), ".zip")
_COLUMN = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.ASCII | re.DOTALL)
_NULL = "__HIVE_DEFAULT_PARTITION__"


def is_table(name: str) -> bool:
    """Return whether a file is a table by the ending of its name."""
    return name.lower().endswith(_ALL)


def text_format(name: str) -> str:
    """Return the format of a text by the ending of its name: csv, unless the ending stands for another text format."""
    found = ENDINGS.get(PurePath(name).suffix.lower(), "csv")
    return found if found in TEXT_FORMATS else "csv"


def is_clutter(name: str) -> bool:
    """Return whether a file is hidden, a spreadsheet's lock file (`~$a.xlsx`), or what macOS adds to archives."""
    return name.startswith("__MACOSX/") or name.rpartition("/")[2].startswith((".", "~$"))


def without_packing(name: str) -> str:
    """Return a file's name without the `.gz` or the like at its end."""
    return name[: name.rindex(".")] if name.lower().endswith(PACKINGS) else name


def is_column(folder: str) -> bool:
    """Return True if a folder's name gives a column for its files."""
    return _COLUMN.fullmatch(folder) is not None


def folder_columns(file_name: str) -> dict[str, str]:
    """Return the columns that the folders in a file's name give to all its rows.

    >>> folder_columns("export/to_object_type=companies/label=Key%20account/part-0.csv")
    {'to_object_type': 'companies', 'label': 'Key account'}
    """
    found = filter(None, map(_COLUMN.fullmatch, PurePath(file_name).parts[:-1]))
    return {each[1]: "" if each[2] == _NULL else unquote(each[2]) for each in found}
