"""One input: opened, understood, and read chunk by chunk as often as is wanted."""

import hashlib
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Self

from loader.errors import InputError, UsageError
from loader.model import Chunk, Understood
from loader.read.columns import check_fields, settle
from loader.read.delimited import Delimited
from loader.read.faults import reading
from loader.read.jsonl import JsonLines
from loader.read.judge import Judge
from loader.read.packed import BLOCK, Packed, look_into
from loader.read.paths import Found, expand
from loader.read.show import plain
from loader.read.table import Table
from loader.read.text import examine, refuse_other_text
from loader.settings import InputSettings

_TEXT_FORMATS = ("csv", "tsv", "jsonl")
_FORMATS = (*_TEXT_FORMATS, "parquet", "xlsx", "xls")


class Input:
    """One input file whose columns are settled.

    `name` is what the user calls it, `path` where its bytes are (standard input is kept in a private temporary file
    until `close`), `sha256` their hash. `to_columns` are the headers that to object ids are read from;
    `id_properties` the properties that its two ids are values of, None where they are record ids. `understood` says how
    the file was read; its notes are complete after the last chunk.
    """

    def __init__(self, name: str, path: Path, settings: InputSettings, *, note: str = "", owned: bool = False) -> None:
        self.name = name
        self.path = path
        self._settings = settings
        self._owned = owned
        # The name as sentences show it; `name` itself stays what the user called the file.
        self._shown = plain(name)
        with reading(self._shown):
            self._stamp = _stamp(path)
            self.sha256 = _hash(path)
        self._table = _open_table(look_into(self._shown, path, name), settings)
        self._columns = settle(self._shown, self._table.header, settings)
        self.header = self._table.header
        self.to_columns = tuple(column.header for column in self._columns.to)
        self.id_properties = settings.from_id_property, settings.to_id_property
        self._opening_notes = [note, *self._table.notes] if note else self._table.notes
        self.understood = Understood(
            format=self._table.format,
            encoding=self._table.encoding,
            delimiter=self._table.delimiter,
            sheet=self._table.sheet,
            header_row=self._table.header_row,
            columns=self._columns.by_field(),
            notes=list(self._opening_notes),
        )

    def chunks(self) -> Iterator[Chunk]:
        """Yield the records, judged, some 5,000 at a time; may be called more than once.

        Raises InputError where the file turns out damaged, or is no longer the one that was opened.
        """
        told: Counter[str] = Counter()
        judge = Judge(self._shown, self._table, self._columns, self._settings, told)
        self._check_unchanged()
        records = 0
        for batch in self._table.batches(told):
            chunk = judge.chunk(batch)
            records += len(chunk.rows)
            if chunk.rows:
                yield chunk
        self._check_unchanged(to_the_byte=True)
        if not records:
            told["The file has a header and no records; there is nothing to load."] += 1
        sentences = [sentence.replace("{n}", f"{count:,}") for sentence, count in told.items()]
        self.understood.notes[:] = [*self._opening_notes, *sentences]

    def close(self) -> None:
        """Let go of the file; the private copy of standard input is removed."""
        self._table.close()
        if self._owned:
            self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_unchanged(self, *, to_the_byte: bool = False) -> None:
        # A time stamp can be put back, and is coarse on some file systems; what was read must be what was hashed.
        with reading(self._shown):
            if _stamp(self.path) != self._stamp or (to_the_byte and _hash(self.path) != self.sha256):
                raise InputError(
                    f"{self._shown}: was changed while it was being read; let it be finished, then run again."
                )


def open_inputs(*groups: InputSettings, standard_input: BinaryIO | None = None) -> list[Input]:
    """Open every input that the settings name; raises UsageError or InputError for the first that cannot be trusted."""
    for settings in groups:
        _check_options(settings)
    opened: list[Input] = []
    try:
        for settings in groups:
            for found in expand(settings.inputs):
                opened.append(_open(found, settings, standard_input))  # noqa: PERF401 - closed one by one on an error
    except BaseException:
        for done in opened:
            done.close()
        raise
    return opened


def _check_options(settings: InputSettings) -> None:
    if settings.format is not None and settings.format not in _FORMATS:
        raise UsageError(f"--format {settings.format}: there is no such format; it is one of {', '.join(_FORMATS)}.")
    check_fields(settings.columns)


def _open(found: Found, settings: InputSettings, standard_input: BinaryIO | None) -> Input:
    if found.name != "-":
        return Input(found.name, Path(found.name), settings, note=found.note)
    if standard_input is None:
        raise UsageError("-: there is no standard input to read; pipe a file in, or name one.")
    path = _spooled(standard_input)
    try:
        return Input("-", path, settings, owned=True)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _spooled(stream: BinaryIO) -> Path:
    # mkstemp makes the file readable by its owner only, whatever the umask.
    handle, name = tempfile.mkstemp(prefix="association-loader-", suffix=".input")
    path = Path(name)
    try:
        with reading("-"), os.fdopen(handle, "wb") as copy:
            shutil.copyfileobj(stream, copy, BLOCK)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _stamp(path: Path) -> tuple[int, int, int]:
    facts = path.stat()
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def _open_table(packed: Packed, settings: InputSettings) -> Table:
    _check_format(packed, settings.format)
    if packed.kind == "parquet":
        from loader.read.parquet import Parquet  # noqa: PLC0415 - costs a CSV-only run nothing

        return Parquet(packed, settings)
    if packed.kind in ("xlsx", "xls"):
        from loader.read.excel import Excel  # noqa: PLC0415 - as above

        return Excel(packed, settings.sheet, settings)
    return _open_text(packed, settings)


def _open_text(packed: Packed, settings: InputSettings) -> Table:
    text = examine(packed, settings.encoding)
    with reading(packed.name), text.open() as lines:
        start = lines.read(1024)
    kind = settings.format or _kind_of_text(packed.file_name, start)
    if kind == "jsonl":
        if not settings.format:
            refuse_other_text(packed.name, start)
        return JsonLines(text, settings)
    refuse_other_text(packed.name, start)
    return Delimited(
        text,
        kind,
        "\t" if settings.format == "tsv" and not settings.delimiter else settings.delimiter,
        settings,
    )


def _kind_of_text(file_name: str, start: str) -> str:
    ending = Path(file_name).suffix.lower()
    if ending == ".jsonl" or start.lstrip("\ufeff \t\r\n").startswith('{"'):
        return "jsonl"
    return "tsv" if ending == ".tsv" else "csv"


def _check_format(packed: Packed, wanted: str | None) -> None:
    if wanted is None:
        return
    same = packed.kind == wanted or (packed.kind == "text" and wanted in _TEXT_FORMATS)
    if not same and {packed.kind, wanted} != {"xls", "xlsx"}:
        kind = "text" if packed.kind == "text" else packed.kind
        raise UsageError(
            f"{packed.name}: --format says {wanted}, but its first bytes are those of {kind}; leave --format out."
        )
