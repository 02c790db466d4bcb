"""The file that an export writes, and its state file, so that the same command can continue.

Until everything is read, the lines are in `<output>.part`. Its length and checksum are stored after each piece: what a
crash left beyond that point is cut off and read again.
"""

import json
import os
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Protocol, Self

from loader.complain import give_up
from loader.errors import RecordError, UsageError
from loader.files import checksum_of, open_private, replacing, sync_folder, write_all, writing
from loader.model import FIELDS
from loader.record.outputs import dated_names

ENDINGS = (".csv", ".jsonl", ".parquet")

STATE = ".export.json"
"""The ending of the state file's name."""

STANDARD_OUTPUT = "-"

UNREAD_COLUMNS = ("object_type", "object_id", "_input", "_row", "_error_category", "_error_message", "_http_status")
"""The header of the file of records that could not be read; `--ids` can read it."""

_ROWS_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportState:
    """The state of an export. Times are UTC, ISO 8601.

    `identity` are the settings that it must be continued with, `output` is the name of its file (blank: unknown).
    `after` is where the next page of the list of records begins, or the last named record that is done. `size` and
    `checksum` are those of the written lines, `unread_size` is the size of the file of unread records. `records` were
    read, and `associated` of them have associations; `pairs` are associated records, `lines` their association types.
    `complete`: everything is read. `seconds` and the requests are those of all commands. `command` is the last of them,
    to be typed in `folder`, and `stopped` says why that ended early.
    """

    identity: Mapping[str, Any]
    output: str = ""
    portal_id: str | None = None
    started_at: str | None = None
    reading_began: str | None = None
    reading_ended: str | None = None
    finished_at: str | None = None
    complete: bool = False
    after: str = ""
    size: int = 0
    checksum: int = 0
    unread_size: int = 0
    records: int = 0
    associated: int = 0
    pairs: int = 0
    lines: int = 0
    unread: int = 0
    rejected: int = 0
    seconds: float = 0.0
    requests: Mapping[str, int] = field(default_factory=dict)
    exit_code: int | None = None
    stopped: str = ""
    command: str | None = None
    folder: str | None = None


class Target(Protocol):
    """Where the lines of an export go."""

    @property
    def state(self) -> ExportState:
        """Its state."""

    def append(self, pieces: Iterable[bytes]) -> tuple[int, int]:
        """Append lines; return the new size and checksum of the file."""

    def add_unread(self, lines: Sequence[str]) -> int:
        """Append lines about records that could not be read; return the new size of their file."""

    def commit(self, state: ExportState) -> None:
        """Flush everything to disk, and store the state."""

    def finish(self, state: ExportState) -> None:
        """Give the file its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFiles:
    """The names of an export's files. `unread` is there when some records could not be read."""

    output: Path

    @property
    def part(self) -> Path:
        """The lines, until all are there."""
        return self.output.with_name(f"{self.output.name}.part")

    @property
    def state(self) -> Path:
        """How far the export is."""
        return self.output.with_name(f"{self.output.stem}{STATE}")

    @property
    def unread(self) -> Path:
        """The records that could not be read, or were not named properly."""
        return self.output.with_name(f"{self.output.stem}.export-unread.csv")

    def all(self) -> list[Path]:
        """Return every file; the state file is the last."""
        return [self.output, self.part, self.unread, self.state]


def name_files(output: str, inputs: Sequence[Path]) -> ExportFiles:
    """Return the files of an export to a path; UsageError for a path that cannot be one."""
    path = Path(output)
    if path.suffix.lower() not in ENDINGS:
        raise UsageError(f"{path}: an export is written as .csv, .jsonl or .parquet: end --output with one of them")
    files = ExportFiles(output=path)
    for file in files.all():
        if file.is_symlink():
            raise UsageError(f"{file} is a symbolic link, which is never written through: give the file itself")
        if file.is_dir():
            raise UsageError(f"{file} is a folder: name a file in it with --output")
        if file.exists() and any(file.samefile(each) for each in inputs if each.exists()):
            raise UsageError(f"{file} is an input, and would be overwritten or renamed: give another --output")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}: create it, or give another --output")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise UsageError(f"{path} cannot be written: name another --output, or change the permissions of its folder")
    return files


def look(files: ExportFiles, *, fresh: bool = False) -> ExportState | None:
    """Return the state of the export beside an output, None if there is none.

    Raises UsageError for the state of another output, and for a damaged one, unless a `fresh` export sets that aside
    anyway.
    """
    if not files.state.exists():
        return None
    try:
        state = state_in(files.state)
    except UsageError:
        if fresh:
            return None
        raise
    if state.output not in ("", files.output.name):
        raise UsageError(
            f"{files.state} belongs to the export {state.output}, and that of {files.output.name} would have the same "
            f"name: give another --output, such as {files.output.stem}-{files.output.suffix[1:]}{files.output.suffix}"
        )
    return state


def state_in(path: Path) -> ExportState:
    """Read a state file; UsageError for any other file."""
    try:
        return ExportState(**json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(
            f"{path}: is not the state of an export, or a damaged or another version's one: move it away, or "
            "start over with --fresh"
        ) from error


def set_aside(files: ExportFiles, started_at: str | None) -> dict[Path, Path]:
    """Rename an earlier export's files to `<stem>.<started_at>.*` and return the new path of each."""
    moved = dated_names([file for file in files.all() if file.exists()], files.output.stem, started_at)
    with writing(files.state):
        for file, path in moved.items():
            file.rename(path)
    return moved


class ExportFile:
    """The files of an export that begins, or continues from `state`."""

    def __init__(self, files: ExportFiles, state: ExportState, head: str) -> None:
        self.files = files
        self.state = state
        self._head = head.encode()
        self._part = self._unread = -1

    def __enter__(self) -> Self:
        try:
            with writing(self.files.part):
                self._open()
        except BaseException:
            self.close()
            raise
        return self

    def _open(self) -> None:
        if self.state.complete:
            return
        self._part = open_private(self.files.part)
        if checksum_of(self._part, self.state.size) != self.state.checksum:
            raise UsageError(
                f"{self.files.part} is not what this export wrote, so it cannot be continued: start over with --fresh"
            )
        if not self._head.startswith(start := os.pread(self._part, len(self._head), 0)) and start:
            raise UsageError(f"{self.files.part} is in the way: no export wrote it; move it away")
        os.ftruncate(self._part, self.state.size)
        os.lseek(self._part, 0, os.SEEK_END)
        if not self.state.size:
            self._size, self._crc = 0, 0
            self.append([self._head])
        self._size = os.fstat(self._part).st_size
        self._crc = checksum_of(self._part, self._size) or 0
        if self.state.unread_size:
            self._unread = open_private(self.files.unread)
            os.ftruncate(self._unread, self.state.unread_size)
            os.lseek(self._unread, 0, os.SEEK_END)

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        for descriptor in (self._part, self._unread):
            if descriptor >= 0:
                os.close(descriptor)
        self._part = self._unread = -1

    def append(self, pieces: Iterable[bytes]) -> tuple[int, int]:
        """Append lines; return the new size and checksum of the file."""
        with writing(self.files.part):
            for piece in pieces:
                write_all(self._part, piece)
                self._size += len(piece)
                self._crc = zlib.crc32(piece, self._crc)
        return self._size, self._crc

    def add_unread(self, lines: Sequence[str]) -> int:
        """Append lines about records that could not be read; return the new size of their file."""
        with writing(self.files.unread):
            if self._unread < 0:
                self._unread = open_private(self.files.unread)
                os.ftruncate(self._unread, 0)
                write_all(self._unread, (",".join(UNREAD_COLUMNS) + "\n").encode())
            write_all(self._unread, "".join(lines).encode("utf-8", "backslashreplace"))
            return os.fstat(self._unread).st_size

    def commit(self, state: ExportState) -> None:
        """Flush everything to disk, and store the state."""
        with writing(self.files.part):
            for descriptor in (self._part, self._unread):
                if descriptor >= 0:
                    os.fsync(descriptor)
        with replacing(self.files.state) as file:
            file.write(json.dumps(asdict(state), indent=1).encode())
        self.state = state

    def finish(self, state: ExportState) -> None:
        """Give the file its name."""
        self.close()
        if self.files.part.exists():
            if self.files.output.suffix.lower() == ".parquet":
                _write_parquet(self.files.part, self.files.output)
                with writing(self.files.part):
                    self.files.part.unlink()
            else:
                with writing(self.files.output):
                    self.files.part.replace(self.files.output)
                    sync_folder(self.files.output.parent)
        self.commit(state)


class StandardOutput:
    """An export to standard output: it has no state file, so it always begins again."""

    def __init__(self, stream: BinaryIO, state: ExportState, head: str) -> None:
        self.state = state
        self._stream = stream
        self.append([head.encode()])

    def append(self, pieces: Iterable[bytes]) -> tuple[int, int]:
        """Write lines; their size and checksum are not needed here."""
        try:
            for piece in pieces:
                self._stream.write(piece)
            self._stream.flush()
        except (OSError, ValueError) as error:
            give_up(self._stream)
            raise RecordError(f"standard output cannot be written ({error}), so nothing more is read") from error
        return 0, 0

    def add_unread(self, lines: Sequence[str]) -> int:
        """Do nothing: there is no file for unread records, they are named on the screen."""
        del lines
        return 0

    def commit(self, state: ExportState) -> None:
        """Store the state."""
        self.state = state

    def finish(self, state: ExportState) -> None:
        """Note that everything is read."""
        self.state = state


def _write_parquet(part: Path, output: Path) -> None:
    """Write the lines, which are JSON, as Parquet; every column is text."""
    import pyarrow as pa  # noqa: PLC0415 - takes a quarter of a second, for a Parquet file only
    from pyarrow import parquet  # noqa: PLC0415

    schema = pa.schema([(name, pa.string()) for name in FIELDS])
    with replacing(output) as beside, parquet.ParquetWriter(beside, schema) as writer, part.open("rb") as lines:
        while batch := [json.loads(line) for line in islice(lines, _ROWS_AT_ONCE)]:
            columns = [pa.array([row[name] for row in batch], pa.string()) for name in FIELDS]
            writer.write_batch(pa.record_batch(columns, schema=schema))
