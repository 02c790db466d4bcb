"""A file's bytes, unpacked on the fly: no path from an archive is used, and bombs are stopped.

`.gz`, `.bz2`, `.xz` and `.zip` are read; each table in a zip is an input of its own. All other archives are recognised
by their first bytes and refused.
"""

import importlib
import io
import shutil
import tarfile
import tempfile
import zipfile
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, NamedTuple

from loader.errors import InputError
from loader.read.cells import show, show_all
from loader.read.faults import reading
from loader.read.names import is_clutter, is_table, without_packing
from loader.text import visible

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK = 1 << 20
# Rows of ids shrink to a fifth or a tenth; no honest file of more than 64 MiB shrinks to a two-hundredth.
FREE_BYTES = 64 << 20
MOST_TIMES = 200
# The strongest preset of xz needs half of this; a hostile file may demand gigabytes.
_XZ_MEMORY = 128 << 20
_MOST_MEMBERS = 1000
_TAR_HEADER = 512

# By their documented first bytes.
_KINDS = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bz2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"]\0\0", "xz"),  # the older .lzma, which the same module reads
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"PAR1", "parquet"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "xls"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
    (b"\x50\x2a\x4d\x18", "Zstandard"),
    (b"\x04\x22\x4d\x18", "LZ4"),
    (b"\x02\x21\x4c\x18", "LZ4"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (b"Rar!\x1a\x07", "RAR"),
    (b"LZIP", "lzip"),
    (b"\x1f\x9d", "compress"),
    (b"\xff\x06\0\0sNaPpY", "Snappy"),
    (b"!<arch>\n", "ar"),
    (b"070701", "cpio"),
    (b"070702", "cpio"),
    (b"070707", "cpio"),
)
_PACKINGS = ("gzip", "bz2", "xz")
_REFUSED = ("Zstandard", "LZ4", "7-Zip", "RAR", "lzip", "compress", "Snappy", "ar", "cpio")
_TABLES = ("text", "parquet", "xlsx", "xls")


class Packed(NamedTuple):
    """The bytes of one table. `kind` is text, parquet, xlsx or xls; `file_name` shows the format of a text.

    `packing` is gzip, bz2, xz or blank; `member` is the table's entry in a zip.
    """

    name: str
    path: Path
    packing: str
    member: zipfile.ZipInfo | None
    kind: str
    file_name: str

    def open(self) -> BinaryIO:
        """Open the unpacked bytes for one reading from the start."""
        with reading(self.name):
            if self.member is not None:
                archive = zipfile.ZipFile(self.path)
                return _capped(self, archive.open(self.member), archive)
            if self.packing:
                return _capped(self, _unpacking(self))
            return self.path.open("rb")

    def open_seekable(self) -> BinaryIO:
        """Open the unpacked bytes with seek; a packed file is first unpacked into a nameless private file."""
        stream = self.open()
        if not self.packing and self.member is None:
            return stream
        with reading(self.name), stream:
            whole = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
            try:
                shutil.copyfileobj(stream, whole, BLOCK)
            except BaseException:
                whole.close()
                raise
            whole.seek(0)
            return whole


class Content(NamedTuple):
    """The tables of one file, mostly one, and the names of the other files of an archive."""

    tables: list[Packed]
    left_out: list[str]


def look_into(name: str, path: Path, file_name: str) -> Content:
    """Find out what a file is from its first bytes; InputError for what cannot be read."""
    with reading(name):
        packed = _known(Packed(name, path, "", None, "", file_name))
        if packed.kind in _PACKINGS:
            inner = _known(packed._replace(packing=packed.kind, file_name=without_packing(file_name)))
            if inner.kind not in _TABLES:
                raise InputError(f"{name}: is packed twice; unpack it and name the file inside.")
            return Content([inner], [])
        return _members(packed) if packed.kind == "zip" else Content([packed], [])


def is_bomb(unpacked: int, packed: int) -> bool:
    """Return True if a file unpacks to far more than its size: it may be made to fill the memory."""
    return unpacked > FREE_BYTES and unpacked > MOST_TIMES * max(packed, 1)


def refuse_bomb(name: str) -> InputError:
    """Return the error for a file that unpacks to too much."""
    return InputError(f"{name}: unpacks to more than {MOST_TIMES} times its size; unpack it yourself if you trust it.")


def _known(packed: Packed) -> Packed:
    """Return a file, or a member of a zip, with its kind by its first bytes; a workbook is a zip, too."""
    with packed.open() as stream:
        head = stream.read(_TAR_HEADER)
    kind = next((kind for magic, kind in _KINDS if head.startswith(magic)), "text")
    if kind in _REFUSED:
        raise InputError(
            f"{packed.name}: is packed with {kind}, which is not read; unpack it and name the file inside."
        )
    if kind == "text" and _is_tar(head):
        raise InputError(
            f"{packed.name}: is a tar archive that holds {_tar_members(packed)}; unpack it and name the files to load."
        )
    return packed._replace(kind="xlsx" if kind == "zip" and _is_workbook(packed) else kind)


def _is_tar(head: bytes) -> bool:
    try:
        return bool(tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape").name)
    except tarfile.HeaderError:  # the header has a checksum
        return False


def _tar_members(packed: Packed) -> str:
    """Return the names of the first files in a tar archive: the others are known only after unpacking."""
    names: list[str] = []
    with packed.open() as stream:
        start = io.BytesIO(stream.read(BLOCK))
    try:
        with tarfile.open(fileobj=start, mode="r:") as archive:
            names.extend(islice((member.name for member in archive if member.isfile()), 20))
    except tarfile.ReadError:  # the beginning was cut within a file
        names.append("…")
    return show_all(names) or "no file"


def _is_workbook(packed: Packed) -> bool:
    with packed.open_seekable() as stream, zipfile.ZipFile(stream) as archive:
        names = set(archive.namelist())
    if "xl/workbook.bin" in names:
        raise InputError(f"{packed.name}: is a binary Excel workbook (.xlsb); save it as .xlsx.")
    if "content.xml" in names and "mimetype" in names:
        raise InputError(f"{packed.name}: is an OpenDocument file; save it as .xlsx or CSV.")
    return "[Content_Types].xml" in names and any(name.startswith("xl/") for name in names)


def _members(packed: Packed) -> Content:
    """Return the tables of a zip: a single file, or, of several, those with the ending of a table."""
    with zipfile.ZipFile(packed.path) as archive:
        entries = [info for info in archive.infolist() if not info.is_dir() and not is_clutter(info.filename)]
    names = [info.filename for info in entries]
    chosen = entries if len(entries) == 1 else [info for info in entries if is_table(info.filename)]
    if not chosen:
        raise InputError(f"{packed.name}: holds {show_all(names) or 'no file'}; unpack it and name the ones to load.")
    if len(entries) > _MOST_MEMBERS or len(set(names)) < len(names):
        raise InputError(f"{packed.name}: holds too many files, or two of one name; unpack it and name the folder.")
    if any(info.flag_bits & 1 for info in chosen):
        raise InputError(f"{packed.name}: is protected by a password; unpack it first.")
    if is_bomb(sum(info.file_size for info in chosen), packed.path.stat().st_size):
        raise refuse_bomb(packed.name)
    tables = [_member(packed, info, alone=len(entries) == 1) for info in chosen]
    return Content(tables, [name for name in names if name not in {info.filename for info in chosen}])


def _member(packed: Packed, info: zipfile.ZipInfo, *, alone: bool) -> Packed:
    name = packed.name if alone else f"{packed.name}/{visible(info.filename)}"
    member = _known(packed._replace(name=name, member=info, file_name=info.filename))
    if member.kind not in _TABLES:
        raise InputError(
            f"{packed.name}: holds {show(info.filename)}, which is packed itself; unpack it and name that file."
        )
    return member


def _unpacking(packed: Packed) -> IO[bytes] | io.RawIOBase:
    name = {"xz": "lzma"}.get(packed.packing, packed.packing)
    try:
        module: Any = importlib.import_module(name)
    except ImportError as error:  # some builds of Python leave it out
        raise InputError(f"{packed.name}: this Python has no module {name}; unpack the file.") from error
    if packed.packing == "gzip":
        return module.open(packed.path, "rb")  # type: ignore[no-any-return]  # one of three modules
    if packed.packing == "bz2":
        return _Unpacked(packed.path, module.BZ2Decompressor)
    return _Unpacked(packed.path, lambda: module.LZMADecompressor(memlimit=_XZ_MEMORY))


class _Unpacked(io.RawIOBase):
    """The bytes of a bz2 or xz file, which may be several put together.

    Unlike Python's bz2 and lzma files it never ends early at damaged bytes, and it limits the memory of xz.
    """

    def __init__(self, path: Path, begin: Any) -> None:
        self._file = path.open("rb")
        self._begin = begin
        self._unpacker = begin()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        room = memoryview(buffer).cast("B")
        data = b""
        while not data:
            packed = b""
            if self._unpacker.eof:
                packed = self._next_stream()
                if not packed:
                    return 0
                self._unpacker = self._begin()
            elif self._unpacker.needs_input:
                packed = self._file.read(BLOCK)
                if not packed:
                    raise EOFError("it ends within its packed bytes")
            data = self._unpacker.decompress(packed, len(room))
        room[: len(data)] = data
        return len(data)

    def _next_stream(self) -> bytes:
        """Return the first bytes of the next file, blank at the end; xz files may be padded with zeros."""
        rest = self._unpacker.unused_data.lstrip(b"\0")
        while not rest:
            block = self._file.read(BLOCK)
            if not block:
                break
            rest = block.lstrip(b"\0")
        return bytes(rest)

    def close(self) -> None:
        self._file.close()
        super().close()


class _Capped(io.RawIOBase):
    """A stream that is unpacked as it is read, and stops at a bomb."""

    def __init__(self, packed: Packed, stream: IO[bytes] | io.RawIOBase, archive: zipfile.ZipFile | None) -> None:
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


def _capped(packed: Packed, stream: IO[bytes] | io.RawIOBase, archive: zipfile.ZipFile | None = None) -> BinaryIO:
    return io.BufferedReader(_Capped(packed, stream, archive), BLOCK)
