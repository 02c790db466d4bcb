"""The folder of a simulated world: in memory where the system has such a place, and as a dead process leaves it."""

import json
import random
import resource
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

import numpy as np

from loader.journal import Journal, lines
from tests.simulation.portal import Kind, Pair, Record, pair_of, seen_from_first

JOURNAL = Path("a.journal")

_TORN_AT_MOST = 4096


@contextmanager
def world_folder() -> Iterator[None]:
    """Work in a new folder for a block; every file of a world is named relative to it, so that replays are the same."""
    memory = Path("/dev/shm")  # noqa: S108 - a private folder in it is made below
    where = memory if memory.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="simulation-", dir=where) as folder, chdir(folder):
        yield


def as_it_is() -> dict[str, bytes]:
    """Return every file's content: what a process leaves that dies now."""
    return {path.name: path.read_bytes() for path in sorted(Path().iterdir())}


def restore(files: dict[str, bytes]) -> None:
    """Put the folder back into a state that `as_it_is` gave."""
    for path in Path().iterdir():
        path.unlink()
    for name, content in files.items():
        Path(name).write_bytes(content)


def torn(files: dict[str, bytes], chance: random.Random) -> list[str]:
    """Cut the log and the results somewhere in their last 4 kB, as a power cut may; return what was cut."""
    cut = []
    for name in ("a.journal-wal", "a.results.csv"):
        if name in files and chance.random() < 0.7:
            size = len(files[name])
            files[name] = files[name][: max(0, size - chance.randint(1, _TORN_AT_MOST))]
            cut.append(f"{name} {size}->{len(files[name])}")
    return cut


def outcomes() -> dict[tuple[str, int, str, str], str]:
    """Return the status of every row that has an outcome in the journal, by input, row and ids; changes no byte."""
    with tempfile.TemporaryDirectory(prefix="copy-", dir=Path.cwd().parent) as folder:
        for ending in ("", "-wal"):
            source = Path(f"{JOURNAL}{ending}")
            if source.exists():
                shutil.copyfile(source, Path(folder) / source.name)
        copy = Path(folder) / JOURNAL
        if not copy.exists():
            return {}
        with Journal(copy) as journal:
            return {
                (line.input, line.row, line.object_id, line.to_object_id): line.status
                for _, line in lines(journal, "outcomes", 0)
            }


def before_images() -> dict[Pair, frozenset[Kind]]:
    """Return what the journal says that pairs were before the loader wrote them, as seen from their first record."""
    found: dict[Pair, frozenset[Kind]] = {}
    with Journal(JOURNAL, read_only=True) as journal:
        ends = {number: (first, second) for number, first, second in journal.query(_ENDS)}
        for begin, end, text in journal.query(_IMAGES):
            kinds = [(category, type_id) for category, type_id in json.loads(text)]
            for number in range(begin, end + 1):
                lot = journal.lots[int(journal.lots.index_of(np.array([number]))[0])]
                place = number - lot.first_pair
                first, second = ends[int(lot.requests[place])]
                one, other = int(lot.from_ids[place]), int(lot.to_ids[place])
                pair, backward = pair_of((first, one), (second, other))
                found[pair] = seen_from_first(kinds, first, backward=backward)
    return found


def exempt() -> tuple[set[Record], set[Record]]:
    """Return the records that the journal says a mirror takes nothing off, and those that it says were not read."""
    with Journal(JOURNAL, read_only=True) as journal:
        found = list(journal.query("SELECT object_type, record, why FROM exempt"))
    return {(each[0], each[1]) for each in found}, {(each[0], each[1]) for each in found if each[2] == "unread"}


_ENDS = "SELECT id, object_type, to_object_type FROM requests"

_IMAGES = "SELECT first_pair, last_pair, types FROM befores JOIN images ON images.id = image"


class Disk:
    """A disk that is full from some moment on: no file grows beyond a size, whatever writes to it."""

    def __init__(self) -> None:
        self._before = resource.getrlimit(resource.RLIMIT_FSIZE)
        self.full = False

    def fill(self, room: int) -> None:
        """Leave some bytes for the journal's log to grow, and all other files too."""
        log = Path(f"{JOURNAL}-wal")
        size = log.stat().st_size if log.exists() else 0
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + room, self._before[1]))
        self.full = True

    def empty(self) -> None:
        """Make room again."""
        resource.setrlimit(resource.RLIMIT_FSIZE, self._before)
        self.full = False
