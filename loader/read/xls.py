"""What must be known of an old `.xls` beside calamine: bombs, whether it is protected, and which cells hold errors.

An `.xls` is a small file system with one stream of records in it. Layout: [MS-XLS] 2.4.24 (BoolErr), 2.4.28
(BoundSheet8), 2.4.90 (Dimensions), 2.4.126 (Format), 2.4.127 (Formula), 2.4.175 (MulRk), 2.4.180 (Number), 2.4.220
(RK), 2.4.353 (XF), 2.5.122 (RkNumber).
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from loader.read.compound import CompoundFile, u16, u32
from loader.read.mended import Patch, is_duration_format, is_readable_number
from loader.read.table import Mark
from loader.read.workbook import error_mark, refuse_sprawl, unreadable_mark

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
_NUMBER = 0x0203
_SMALL_NUMBER = 0x027E
_FORMAT = 0x041E
_STYLE = 0x00E0
_BUILT_IN_DURATION = 46
_NOT_AVAILABLE = 42
_MOST_ROWS, _MOST_COLUMNS = 65_536, 256


def is_encrypted(stream: BinaryIO) -> bool:
    """Tell whether a compound file is a workbook behind a password, old or new."""
    data = stream.read()
    stream.seek(0)
    file = CompoundFile(data)
    if "EncryptedPackage" in file.streams:
        return True
    return any(kind == _FILEPASS for kind, _ in _first_substream(file.workbook()))


def guard_old(name: str, stream: BinaryIO) -> None:
    """Raise InputError for sheets for which calamine would ask for far more memory than the file's size explains."""
    data = stream.read()
    stream.seek(0)
    book = CompoundFile(data).workbook()
    refuse_sprawl(name, sum(_area(book, start) for _, start in _sheets(book)), len(data))


def _area(book: bytes, start: int) -> int:
    """Return the number of cells of the rectangle that holds a sheet's cells."""
    rows, left, right = 0, _MOST_COLUMNS, 0
    for kind, body in _records(book, start):
        if kind == _DIMENSIONS:
            _check_dimensions(body)
        elif kind in _CELLS and len(body) >= 6:
            row, column = struct.unpack_from("<HH", body)
            last = u16(body, len(body) - 2) if kind == _MANY_NUMBERS else column
            rows, left, right = max(rows, row + 1), min(left, column), max(right, column + 1, last + 1)
    return rows * max(right - left, 0)


def _check_dimensions(body: bytes) -> None:
    # calamine asks for memory for all that the record says, and the process dies if there is not so much.
    top, bottom, left, right = struct.unpack_from("<IIHH" if len(body) >= 12 else "<HHHH", body)
    if not (top <= bottom <= _MOST_ROWS and left <= right <= _MOST_COLUMNS):
        raise struct.error("a sheet's size is impossible")


def odd_cells(data: bytes, sheet: str) -> dict[tuple[int, int], Mark]:
    """Return a mark for each cell, as (row, column) from 0, that holds an error or a duration beyond all reading."""
    book = CompoundFile(data).workbook()
    start = next((place for name, place in _sheets(book) if name == sheet), None)
    if start is None:
        raise struct.error("the workbook does not say where the sheet is")
    return {(cell.row, cell.column): cell.mark for cell in _odd(book, start, _Styles(book))}


def patches(data: bytes) -> list[Patch]:
    """Return what must be changed in a workbook, all of whose sheets calamine reads at once, before it does."""
    file = CompoundFile(data)
    book = file.workbook()
    styles = _Styles(book)
    cells = [cell for _, start in _sheets(book) for cell in _odd(book, start, styles)]
    changed = {cell.offset + place: byte for cell in cells for place, byte in enumerate(cell.instead)}
    places = zip(file.places(changed), changed.values(), strict=True)
    return sorted(Patch(place, place + 1, bytes([byte])) for place, byte in places)


class _Odd(NamedTuple):
    """A cell that is no value, and what to write into the workbook at an offset, if calamine cannot represent it."""

    row: int
    column: int
    mark: Mark
    offset: int
    instead: bytes


class _Styles:
    """The cell styles of a workbook: which show a number as a duration."""

    def __init__(self, book: bytes) -> None:
        durations, formats = {_BUILT_IN_DURATION}, []
        for kind, body in _first_substream(book):
            if kind == _FORMAT and is_duration_format(body[2:].replace(b"\0", b"").decode("latin-1")):
                durations.add(u16(body, 0))
            elif kind == _STYLE:
                formats.append(u16(body, 2))
        self.durations = {style for style, number in enumerate(formats) if number in durations}

    def odd(self, place: tuple[int, int], style: int, number: float, offset: int, size: int) -> Iterator[_Odd]:
        """Yield a cell if calamine cannot represent its number, which is at `offset` and takes `size` bytes."""
        if not is_readable_number(number, is_duration=style in self.durations):
            yield _Odd(*place, unreadable_mark(f"{number:g}"), offset, bytes(size))


def _odd(book: bytes, start: int, styles: _Styles) -> Iterator[_Odd]:
    """Yield the cells of a sheet that are errors or durations beyond all reading."""
    for offset, kind, body in _placed(book, start):
        if kind not in _CELLS or len(body) < 8:
            continue
        row, column, style = struct.unpack_from("<HHH", body)
        if kind == _BOOLERR:
            if body[7]:
                yield _error(row, column, offset + 6, body[6])
        elif kind in _FORMULA and len(body) >= 14 and body[12:14] == b"\xff\xff":
            if body[6] == 2:
                yield _error(row, column, offset + 8, body[8])
        elif kind in (_NUMBER, *_FORMULA) and len(body) >= 14:
            yield from styles.odd((row, column), style, struct.unpack_from("<d", body, 6)[0], offset + 6, 8)
        elif kind == _SMALL_NUMBER and len(body) >= 10:
            yield from styles.odd((row, column), style, _small_number(u32(body, 6)), offset + 6, 4)
        elif kind == _MANY_NUMBERS:
            for place, at in enumerate(range(4, len(body) - 7, 6)):
                number = _small_number(u32(body, at + 2))
                yield from styles.odd((row, column + place), u16(body, at), number, offset + at + 2, 4)


def _error(row: int, column: int, offset: int, code: int) -> _Odd:
    known = code in _ERRORS
    return _Odd(row, column, error_mark(_ERRORS.get(code, "#ERROR")), offset, b"" if known else bytes([_NOT_AVAILABLE]))


def _small_number(raw: int) -> float:
    """Return a number that is stored in four bytes: half a double or a whole number, maybe a hundredth of it."""
    if raw & 2:
        number = float(struct.unpack("<i", struct.pack("<I", raw))[0] >> 2)
    else:
        number = struct.unpack("<d", struct.pack("<Q", (raw & 0xFFFFFFFC) << 32))[0]
    return number / 100 if raw & 1 else number


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
                u32(body, 0),
            )


def _first_substream(book: bytes) -> Iterator[tuple[int, bytes]]:
    return _records(book, 0)


def _records(book: bytes, place: int) -> Iterator[tuple[int, bytes]]:
    return ((kind, body) for _, kind, body in _placed(book, place))


def _placed(book: bytes, place: int) -> Iterator[tuple[int, int, bytes]]:
    """Yield the records of one substream, from its beginning to its own end, past charts that lie within.

    Each is the offset of its body, its kind and its body.
    """
    depth = 0
    while place + 4 <= len(book):
        kind, length = struct.unpack_from("<HH", book, place)
        yield place + 4, kind, book[place + 4 : place + 4 + length]
        depth += (kind in _BOF) - (kind == _EOF)
        if depth <= 0:
            return
        place += 4 + length
