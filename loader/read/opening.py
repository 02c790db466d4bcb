"""Input files are opened, and each of their tables by the reader of its format."""

import hashlib
import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from loader.errors import InputError, UsageError
from loader.fetch import Fetched, Watch, address, fetch, fetch_rows, is_address, order_note, private_copy, remove_copy
from loader.read.cells import show, show_all
from loader.read.columns import check_fields
from loader.read.delimited import Delimited
from loader.read.faults import reading
from loader.read.jsonl import JsonLines, QueryRows
from loader.read.names import folder_columns, text_format
from loader.read.packed import BLOCK, Packed, look_into
from loader.read.paths import expand
from loader.read.table import RecordBatch, Table
from loader.read.text import examine, refuse_other_text
from loader.settings import TEXT_FORMATS, InputSettings
from loader.text import visible

# A JSON object that begins with a key, or is empty.
_JSON_LINE = re.compile(r"[\ufeff\s]*\{[ \t]*[\"}]")


class InputFile:
    """One file. `name` is the user's name for it, `shown` is the name in sentences, `sha256` is that of its bytes.

    `file_name` is its name without scheme and query of an address. `copied` are facts about the original of a private
    copy, which `close` removes; None for a user's file.
    """

    def __init__(
        self, name: str, path: Path, *, file_name: str = "", copied: Mapping[str, str | int] | None = None
    ) -> None:
        self.name = name
        self.file_name = file_name or name
        self.path = path
        self.shown = visible(name)
        self.copied = copied
        with reading(self.shown):
            self._stamp = _stamp(path)
            self.sha256 = _hash(path)

    def check_unchanged(self, *, to_the_byte: bool = False) -> None:
        """Raise InputError if the file is no longer the one that was opened."""
        # By its hash: a time stamp can be set back, and is coarse on some file systems.
        with reading(self.shown):
            if _stamp(self.path) != self._stamp or (to_the_byte and _hash(self.path) != self.sha256):
                raise InputError(
                    f"{self.shown}: was changed while it was being read; wait until it is complete, then run again."
                )

    def close(self) -> None:
        """Remove a private copy."""
        if self.copied is not None:
            remove_copy(self.path)


def _owned(fetched: Fetched, number: int = 1) -> InputFile:
    """Return a private copy as an input file; `number` counts those of one name, from 1."""
    name = f"{fetched.name} ({number})" if number > 1 else fetched.name
    try:
        return InputFile(name, fetched.path, file_name=fetched.file_name, copied=fetched.facts)
    except BaseException:
        remove_copy(fetched.path)
        raise


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _stamp(path: Path) -> tuple[int, int, int]:
    facts = path.stat()
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


class OpenTable:
    """One opened table of an input file: its header and its records, without their meaning.

    Columns from the names of its folders come after its own.

    `name` is the user's name for it; one of several tables in an archive is `archive.zip/table.csv`, and `file` is
    always the file's own name. `shown` is the name in sentences. `path` is where its bytes are. `sha256` is the hash of
    the file and of the columns from folder names, or of a query and its rows. `copied` are facts about the original of
    a copy, empty for any other. `settings` say how it is read, `reader` reads it, and `notes` are sentences on how it
    was opened.
    """

    def __init__(
        self,
        source: InputFile,
        packed: Packed,
        settings: InputSettings,
        *,
        name: str,
        notes: Sequence[str],
        is_last: bool,
    ) -> None:
        self.name = name
        self.file = source.file_name
        self.shown = packed.name
        self.path = source.path
        self.copied = source.copied or {}
        self.settings = settings
        self._source = source
        self._is_last = is_last
        self._by_folders = folder_columns(source.file_name)
        self.sha256 = source.sha256
        if bound := self._by_folders or (settings.rows_of and settings.rows_of.text):
            self.sha256 = hashlib.sha256(f"{source.sha256} {json.dumps(bound)}".encode()).hexdigest()
        self.reader = _open_table(packed, settings)
        self.header = (*self.reader.header, *self._by_folders)
        self.notes = [*notes, *self.reader.notes]
        if self._by_folders:
            listed = ", ".join(f"{name} is {show(value)}" for name, value in self._by_folders.items())
            self.notes.append(f"From the names of its folders: {listed}.")

    def batches(self, counts: Counter[str]) -> Iterator[RecordBatch]:
        """Yield the records; may be called again. `counts` counts sentences about oddities.

        Raises InputError where the file is damaged, or has changed since it was opened.
        """
        self._source.check_unchanged()
        for batch in self.reader.batches(counts):
            if self._by_folders:
                self._add_folder_columns(batch)
            yield batch
        # An archive is hashed once, after the last of its tables; the others' checksums are in it.
        self._source.check_unchanged(to_the_byte=self._is_last)

    def _add_folder_columns(self, batch: RecordBatch) -> None:
        # A repeated header gets the folders' headers, too, so that it is still recognised.
        headers = [
            place
            for place, cell in enumerate(batch.columns[0])
            if cell == self.reader.header[0] and tuple(batch.record(place)) == self.reader.header
        ]
        columns: list[list[str]] = []
        for name, value in self._by_folders.items():
            column = [value] * len(batch.rows)
            for place in headers:
                column[place] = name
            columns.append(column)
        batch.columns.extend(columns)

    def cell_name(self, row: int, column: int) -> str:
        """Return the cell as its reader names it, or the folder's column."""
        if column < len(self.reader.header):
            return self.reader.cell_name(row, column)
        return f"Row {row}, column {show(self.header[column])} of its folder"

    def close(self) -> None:
        """Remove the private copy, if the input is not a user's file."""
        self._source.close()


def open_tables(
    *groups: InputSettings, standard_input: BinaryIO | None = None, watch: Watch | None = None
) -> Iterator[OpenTable]:
    """Open every table that the settings name; raises UsageError or InputError for the first that cannot be trusted.

    The caller closes them. `watch` shows the progress of remote copies, and may stop them.
    """
    watch = watch or Watch()
    for settings in groups:
        check_fields(settings.columns)
    names: dict[str, list[str]] = {}
    for settings in groups:
        if (query := settings.rows_of) is not None:
            same = names.setdefault(query.name, [])
            same.append(query.text)
            notes = tuple(filter(None, [order_note(query)]))
            yield from _tables(_owned(fetch_rows(query, watch), len(same)), notes, settings)
            continue
        for found in expand(settings.inputs, watch):
            yield from _tables(_input_file(found.name, standard_input, names, watch), found.notes, settings)


def _input_file(name: str, standard_input: BinaryIO | None, names: dict[str, list[str]], watch: Watch) -> InputFile:
    """Return a local file, or the private copy of an address or of standard input.

    `names` has the given addresses, by their shown names.
    """
    if is_address(name):
        fetched = fetch(address(name), watch)
        # Two addresses may differ only in hidden parts; then the later ones get a number.
        same = names.setdefault(fetched.name, [])
        if name not in same:
            same.append(name)
        return _owned(fetched, same.index(name) + 1)
    if name != "-":
        return InputFile(name, Path(name))
    if standard_input is None:
        raise UsageError("-: there is no standard input to read; pipe a file in, or give a file's name.")
    with reading("-"), private_copy() as (path, copy):
        shutil.copyfileobj(standard_input, copy, BLOCK)
    return _owned(Fetched(name="-", file_name="-", path=path, facts={}))


def _tables(source: InputFile, notes: tuple[str, ...], settings: InputSettings) -> list[OpenTable]:
    """Open a file, which holds several tables if it is an archive of them; on an error, it is closed."""
    try:
        content = look_into(source.shown, source.path, source.file_name)
        if content.left_out:
            notes = (*notes, f"Left out of {source.shown}, not tables, by their names: {show_all(content.left_out)}.")
        last = len(content.tables) - 1
        return [
            OpenTable(
                source,
                packed,
                settings,
                name=f"{source.name}/{packed.file_name}" if last else source.name,
                notes=notes if place == 0 else (),
                is_last=place == last,
            )
            for place, packed in enumerate(content.tables)
        ]
    except BaseException:
        source.close()
        raise


def _open_table(packed: Packed, settings: InputSettings) -> Table:
    """Open a table with the reader of its format; each imports a library that the others do not need."""
    if settings.rows_of is not None:
        return QueryRows(packed, settings)
    _check_format(packed, settings.format)
    if packed.kind == "parquet":
        from loader.read.parquet import Parquet  # noqa: PLC0415

        return Parquet(packed, settings)
    if packed.kind == "xlsx":
        from loader.read.excel import Excel  # noqa: PLC0415
        from loader.read.xlsx import Xlsx  # noqa: PLC0415

        return Excel(packed, Xlsx(packed), settings)
    if packed.kind == "xls":
        from loader.read.excel import Excel  # noqa: PLC0415
        from loader.read.xls import Xls  # noqa: PLC0415

        return Excel(packed, Xls(packed), settings)
    return _open_text(packed, settings)


def _open_text(packed: Packed, settings: InputSettings) -> Table:
    text = examine(packed, settings.encoding)
    with reading(packed.name), text.open() as lines:
        start = lines.read(1024)
    if settings.format != "jsonl":
        refuse_other_text(packed.name, start)
    kind = settings.format or ("jsonl" if _JSON_LINE.match(start) else text_format(packed.file_name))
    if kind == "jsonl":
        return JsonLines(text, settings)
    delimiter = "\t" if settings.format == "tsv" and not settings.delimiter else settings.delimiter
    return Delimited(text, kind, delimiter, settings)


def _check_format(packed: Packed, wanted: str | None) -> None:
    if wanted is None:
        return
    same = packed.kind == wanted or (packed.kind == "text" and wanted in TEXT_FORMATS)
    if not same and {packed.kind, wanted} != {"xls", "xlsx"}:
        kind = "text" if packed.kind == "text" else packed.kind
        raise UsageError(
            f"{packed.name}: --format says {wanted}, but its first bytes are those of {kind}; leave --format out."
        )
