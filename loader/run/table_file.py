"""The table of a command read back for Python, as long as it is that command's."""

from pathlib import Path
from typing import TYPE_CHECKING

from loader.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd


def written(path: Path) -> int | None:
    """Return what tells a file from one that is written later under its name; None where there is none."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def read_table(path: Path, mark: int | None) -> "pd.DataFrame":
    """Return a CSV file that `written` gave this mark, every cell as text; UsageError when it is another one by now."""
    import pandas as pd  # noqa: PLC0415 - half a second that only whoever asks for a DataFrame pays

    if mark is None or written(path) != mark:
        raise UsageError(f"{path} was written by another command since: ask for .results before the next one")
    return pd.read_csv(path, dtype="str", keep_default_na=False)
