"""What every way of fetching has in common: the private copy, and what is reported and obeyed meanwhile."""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from loader.stopping import Stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A private copy of an input that is no local file; the caller removes it.

    `name` is what results and sentences call the input, without secrets. `file_name` is that of the copied file at its
    place: its ending shows the format, its folders may give columns, and the results are named after it. `facts` go
    into the journal (of an object: size in bytes, ETag, and when it was changed, as its server writes them).
    """

    name: str
    file_name: str
    path: Path
    facts: Mapping[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What a fetch reports, and what ends it: `doing` takes what it does, in a few words, as often as that changes.

    `timeout` is how many seconds a server may be silent.
    """

    stop: Stop = field(default_factory=Stop)
    doing: Callable[[str], None] = lambda _: None
    timeout: float = 30.0


@contextmanager
def private_copy() -> Iterator[tuple[Path, BinaryIO]]:
    """Yield a temporary file to be filled, and its path; it stays, closed, unless the block raises."""
    # mkstemp makes the file readable by its owner only, whatever the umask.
    handle, name = tempfile.mkstemp(prefix="association-loader-", suffix=".input")
    path = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield path, file
    except BaseException:
        path.unlink(missing_ok=True)
        raise
