"""What must be known of an old `.xls` beside calamine: bombs, whether it is protected, and which cells hold errors.

An `.xls` is a small file system (sectors, a table that chains them, a directory) with one stream of records in it.
Layout: [MS-CFB] sections 2.2 to 2.6, [MS-XLS] 2.4.24 (BoolErr), 2.4.28 (BoundSheet8), 2.4.90 (Dimensions),
2.4.127 (Formula).
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO

from loader.read.table import Mark
from loader.read.workbook import error_mark, refuse_sprawl

_END_OF_CHAIN = 0xFFFFFFFA
_ERRORS = {0: "#NULL!", 7: "#DIV/0!", 15: "#VALUE!", 23: "#REF!", 29: "#NAME?", 36: "#NUM!", 42: "#N/A"}
_BOF = (0x0009, 0x0209, 0x0409, 0x0809)
_EOF = 0x000A
_FILEPASS = 0x002F
_BOUNDSHEET = 0x0085
_BOOLERR = 0x0205
_FORMULA = (0x0006, 0x0206, 0x0406)
_DIMENSIONS = 0x0200
_CELLS = frozenset({*_FORMULA, 0x00BD, 0x00D6, 0x00FD, 0x0203, 0x0204, _BOOLERR, 0x027E})
_MANY_NUMBERS = 0x00BD
_MOST_ROWS, _MOST_COLUMNS = 65_536, 256


def is_encrypted(stream: BinaryIO) -> bool:
    """Tell whether a compound file is a workbook behind a password, old or new."""
    data = stream.read()
    stream.seek(0)
    file = _CompoundFile(data)
    if "EncryptedPackage" in file.streams:
        return True
    return any(kind == _FILEPASS for kind, _ in _first_substream(file.workbook()))


def guard_old(name: str, stream: BinaryIO) -> None:
    """Raise InputError for sheets for which calamine would ask for far more memory than the file's size explains."""
    data = stream.read()
    stream.seek(0)
    book = _CompoundFile(data).workbook()
    refuse_sprawl(name, sum(_area(book, start) for _, start in _sheets(book)), len(data))


def _area(book: bytes, start: int) -> int:
    """Return the number of cells of the rectangle that holds a sheet's cells."""
    rows, left, right = 0, _MOST_COLUMNS, 0
    for kind, body in _records(book, start):
        if kind == _DIMENSIONS:
            _check_dimensions(body)
        elif kind in _CELLS and len(body) >= 6:
            row, column = struct.unpack_from("<HH", body)
            last = _u16(body, len(body) - 2) if kind == _MANY_NUMBERS else column
            rows, left, right = max(rows, row + 1), min(left, column), max(right, column + 1, last + 1)
    return rows * max(right - left, 0)


def _check_dimensions(body: bytes) -> None:
    # calamine asks for memory for all that the record says, and the process dies if there is not so much.
    top, bottom, left, right = struct.unpack_from("<IIHH" if len(body) >= 12 else "<HHHH", body)
    if not (top <= bottom <= _MOST_ROWS and left <= right <= _MOST_COLUMNS):
        raise struct.error("a sheet's size is impossible")


def odd_cells(data: bytes, sheet: str) -> dict[tuple[int, int], Mark]:
    """Return a mark for each cell, as (row, column) from 0, that holds an error."""
    book = _CompoundFile(data).workbook()
    start = next((place for name, place in _sheets(book) if name == sheet), None)
    if start is None:
        raise struct.error("the workbook does not say where the sheet is")
    found = {}
    for kind, body in _records(book, start):
        if kind == _BOOLERR and len(body) >= 8 and body[7]:
            code = body[6]
        elif kind in _FORMULA and len(body) >= 14 and body[12:14] == b"\xff\xff" and body[6] == 2:
            code = body[8]
        else:
            continue
        found[struct.unpack_from("<HH", body)] = error_mark(_ERRORS.get(code, "#ERROR"))
    return found


class _CompoundFile:
    """The streams of a compound file by name; no chain is longer than the file itself."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._size = 1 << _u16(data, 30) if _u16(data, 30) in (9, 12) else 0
        self._mini_size = 1 << _u16(data, 32) if _u16(data, 32) == 6 else 0
        if not (self._size and self._mini_size):
            raise struct.error("its sectors have no possible size")
        self._cutoff = _u32(data, 56)
        self._table = self._read_table()
        entries = self._chain(_u32(data, 48))
        self.streams: dict[str, tuple[int, int]] = {}
        self._root = (0, 0)
        for place in range(0, len(entries) - 127, 128):
            entry = entries[place : place + 128]
            name = entry[: max(_u16(entry, 64) - 2, 0)].decode("utf-16-le", "replace")
            where = _u32(entry, 116), _u32(entry, 120)
            if entry[66] == 5:
                self._root = where
            elif entry[66] == 2:
                self.streams[name] = where

    def workbook(self) -> bytes:
        """Return the stream of records, blank if there is none."""
        for name in ("Workbook", "Book", "WORKBOOK", "BOOK"):
            if name in self.streams:
                return self._stream(*self.streams[name])
        return b""

    def _stream(self, start: int, length: int) -> bytes:
        if length >= self._cutoff:
            return self._chain(start)[:length]
        mini_table = _words(self._chain(_u32(self._data, 60)))
        root = self._chain(self._root[0])
        pieces = [
            root[sector * self._mini_size : (sector + 1) * self._mini_size] for sector in _follow(mini_table, start)
        ]
        return b"".join(pieces)[:length]

    def _read_table(self) -> list[int]:
        sectors = list(struct.unpack_from("<109I", self._data, 76))
        place = _u32(self._data, 68)
        seen: set[int] = set()
        while place < _END_OF_CHAIN:
            if place in seen:
                raise struct.error("its sectors run in a circle")
            seen.add(place)
            words = _words(self._sector(place))
            if not words:
                break
            sectors += words[:-1]
            place = words[-1]
        return [word for sector in sectors if sector < _END_OF_CHAIN for word in _words(self._sector(sector))]

    def _chain(self, start: int) -> bytes:
        return b"".join(self._sector(sector) for sector in _follow(self._table, start))

    def _sector(self, number: int) -> bytes:
        return self._data[512 + number * self._size : 512 + (number + 1) * self._size]


def _follow(table: list[int], start: int) -> Iterator[int]:
    seen: set[int] = set()
    while start < len(table):
        if start in seen:
            raise struct.error("its sectors run in a circle")
        seen.add(start)
        yield start
        start = table[start]


def _sheets(book: bytes) -> Iterator[tuple[str, int]]:
    for kind, body in _first_substream(book):
        if kind == _BOUNDSHEET and len(body) > 8:
            length, wide = body[6], body[7] & 1
            # The oldest layout has no flags byte; its names are one byte a character.
            old = len(body) == 7 + length
            text = body[7:] if old else body[8:]
            yield (
                text[: length * (1 + (wide and not old))].decode(
                    "utf-16-le" if wide and not old else "cp1252", "replace"
                ),
                _u32(body, 0),
            )


def _first_substream(book: bytes) -> Iterator[tuple[int, bytes]]:
    return _records(book, 0)


def _records(book: bytes, place: int) -> Iterator[tuple[int, bytes]]:
    """Yield the records of one substream: from its beginning to its own end, past charts that lie within."""
    depth = 0
    while place + 4 <= len(book):
        kind, length = struct.unpack_from("<HH", book, place)
        yield kind, book[place + 4 : place + 4 + length]
        depth += (kind in _BOF) - (kind == _EOF)
        if depth <= 0:
            return
        place += 4 + length


def _u16(data: bytes, place: int) -> int:
    return int(struct.unpack_from("<H", data, place)[0])


def _u32(data: bytes, place: int) -> int:
    return int(struct.unpack_from("<I", data, place)[0])


def _words(data: bytes) -> list[int]:
    return list(struct.unpack_from(f"<{len(data) // 4}I", data))
