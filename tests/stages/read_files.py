"""Files as the read stage opens them, and what it makes of their records."""

from pathlib import Path
from typing import Any

from loader.read import Input, open_inputs
from loader.settings import InputSettings
from tests.rows import links_of


def opened(path: Path, **options: Any) -> Input:
    """Open one file, contacts to companies unless the options say otherwise."""
    types = {"object_type": "contacts", "to_object_type": "companies", **options}
    return open_inputs(InputSettings(inputs=(str(path),), **types))[0]


def written(folder: Path, content: str | bytes, **options: Any) -> Input:
    """Write `a.csv` in a folder and open it."""
    path = folder / "a.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return opened(path, **options)


def judged(source: Input) -> tuple[list[tuple[int, str, str]], list[tuple[int, str]]]:
    """Return the spreadsheet row and the ids of each sound row, and the row and the reason of each reject."""
    chunks = list(source.chunks())
    for chunk in chunks:
        assert len(chunk.cells) == len(source.header)
        assert all(len(column) == len(chunk.rows) for column in chunk.cells)
    links = [(link.row, link.object_id, link.to_object_id) for link in links_of(chunks)]
    return links, [(reject.row, reject.reason) for chunk in chunks for reject in chunk.rejects]
