"""What the name of a file says: whether it is a table, and whether it was ever meant to be one."""

ENDINGS = (
    *(".csv", ".tsv", ".txt", ".parquet", ".pq", ".parq"),
    *(".xlsx", ".xlsm", ".xls", ".jsonl", ".ndjson", ".json"),
)
PACKINGS = (".gz", ".bz2", ".xz", ".lzma")
_ALL = (*ENDINGS, *(ending + packing for ending in ENDINGS for packing in PACKINGS), ".zip")


def is_table(name: str) -> bool:
    """Tell whether a file is a table by the ending of its name."""
    return name.lower().endswith(_ALL)


def is_clutter(name: str) -> bool:
    """Tell whether a file is hidden, a spreadsheet's lock file (`~$a.xlsx`), or what macOS adds to archives."""
    return name.startswith("__MACOSX/") or name.rpartition("/")[2].startswith((".", "~$"))


def without_packing(name: str) -> str:
    """Return a file's name without the `.gz` or the like at its end."""
    return name[: name.rindex(".")] if name.lower().endswith(PACKINGS) else name
