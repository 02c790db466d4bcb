"""A file's bytes, taken out of `.gz` and `.zip` on the fly: no path from an archive is used, and bombs are stopped."""

import gzip
import io
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, NamedTuple

from loader.errors import InputError
from loader.read.faults import reading
from loader.read.show import show, show_all

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK = 1 << 20
# Rows of ids shrink to a fifth or a tenth; nothing honest beyond 64 MiB shrinks to a two-hundredth.
FREE_BYTES = 64 << 20
MOST_TIMES = 200

_KINDS = (
    (b"\x1f\x8b", "gzip"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"PAR1", "parquet"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "xls"),
)


class Packed(NamedTuple):
    """Where the bytes of one table are. `kind` is text, parquet, xlsx or xls; `file_name` tells the kind of a text."""

    name: str
    path: Path
    gzipped: bool
    member: str | None
    kind: str
    file_name: str

    def open(self) -> BinaryIO:
        """Open the unpacked bytes for one reading from the start."""
        with reading(self.name):
            if self.member is not None:
                archive = zipfile.ZipFile(self.path)
                return _capped(self, archive.open(self.member), archive)
            if self.gzipped:
                return _capped(self, gzip.open(self.path, "rb"))
            return self.path.open("rb")

    def open_seekable(self) -> BinaryIO:
        """Open the unpacked bytes for reading back and forth; what is packed goes through a nameless private file."""
        stream = self.open()
        if not self.gzipped:
            return stream
        with reading(self.name), stream:
            whole = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
            shutil.copyfileobj(stream, whole, BLOCK)
            whole.seek(0)
            return whole


def look_into(name: str, path: Path, file_name: str) -> Packed:
    """Find out what a file is from its first bytes."""
    with reading(name):
        with path.open("rb") as stream:
            kind = kind_of(stream.read(8))
        if kind == "gzip":
            packed = Packed(name, path, True, None, "text", file_name.removesuffix(".gz").removesuffix(".GZ"))
            with packed.open() as inner:
                kind = kind_of(inner.read(8))
            if kind == "gzip" or (kind == "zip" and not _is_workbook(packed)):
                raise InputError(f"{name}: is packed twice; unpack it and name the file inside.")
            return packed._replace(kind="xlsx" if kind == "zip" else kind)
        packed = Packed(name, path, False, None, kind, file_name)
        if kind != "zip":
            return packed
        return packed._replace(kind="xlsx") if _is_workbook(packed) else _only_member(packed)


def kind_of(head: bytes) -> str:
    """Return gzip, zip, parquet, xls or text by a file's first bytes."""
    return next((kind for magic, kind in _KINDS if head.startswith(magic)), "text")


def is_bomb(unpacked: int, packed: int) -> bool:
    """Tell whether so few bytes cannot honestly hold so many."""
    return unpacked > FREE_BYTES and unpacked > MOST_TIMES * max(packed, 1)


def refuse_bomb(name: str) -> InputError:
    """Return the error for a file that unpacks to too much."""
    return InputError(f"{name}: unpacks to more than {MOST_TIMES} times its size; unpack it yourself if you trust it.")


def _is_workbook(packed: Packed) -> bool:
    with packed.open_seekable() as stream, zipfile.ZipFile(stream) as archive:
        names = set(archive.namelist())
    if "xl/workbook.bin" in names:
        raise InputError(f"{packed.name}: is a binary Excel workbook (.xlsb); save it as .xlsx.")
    if "content.xml" in names and "mimetype" in names:
        raise InputError(f"{packed.name}: is an OpenDocument file; save it as .xlsx or CSV.")
    return "[Content_Types].xml" in names and any(name.startswith("xl/") for name in names)


def _only_member(packed: Packed) -> Packed:
    with zipfile.ZipFile(packed.path) as archive:
        members = [info for info in archive.infolist() if not _is_clutter(info)]
        if len(members) != 1:
            inside = show_all([info.filename for info in members]) or "no file"
            raise InputError(f"{packed.name}: holds {inside}; unpack it and name the one to load.")
        member = members[0]
        if member.flag_bits & 1:
            raise InputError(f"{packed.name}: is protected by a password; unpack it first.")
        # Two members of one name would be one and the same to `archive.open(name)`; a lone one cannot be mistaken.
        with archive.open(member) as stream:
            kind = kind_of(stream.read(8))
    if kind != "text":
        raise InputError(
            f"{packed.name}: holds {show(member.filename)}, which is no CSV; unpack it and name that file."
        )
    return packed._replace(kind="text", member=member.filename, file_name=member.filename)


def _is_clutter(info: zipfile.ZipInfo) -> bool:
    """Tell whether an entry is a folder or what macOS adds."""
    base = info.filename.rpartition("/")[2]
    return info.is_dir() or info.filename.startswith("__MACOSX/") or base.startswith(".")


class _Capped(io.RawIOBase):
    """A stream that is unpacked as it is read, and stops at a bomb."""

    def __init__(self, packed: Packed, stream: IO[bytes] | gzip.GzipFile, archive: zipfile.ZipFile | None) -> None:
        self._packed = packed
        self._stream = stream
        self._archive = archive
        self._size = packed.path.stat().st_size
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        room = memoryview(buffer).cast("B")
        data = self._stream.read(len(room))
        room[: len(data)] = data
        self._count += len(data)
        if is_bomb(self._count, self._size):
            raise refuse_bomb(self._packed.name)
        return len(data)

    def close(self) -> None:
        self._stream.close()
        if self._archive is not None:
            self._archive.close()
        super().close()


def _capped(packed: Packed, stream: IO[bytes] | gzip.GzipFile, archive: zipfile.ZipFile | None = None) -> BinaryIO:
    return io.BufferedReader(_Capped(packed, stream, archive), BLOCK)
