"""A compound file, which an old `.xls` is: sectors, a table that chains them, a directory, and streams in it.

Layout: [MS-CFB] sections 2.2 to 2.6.
"""

import struct
from collections.abc import Iterable, Iterator

_END_OF_CHAIN = 0xFFFFFFFA


class CompoundFile:
    """The streams of a compound file by name; no chain is longer than the file itself."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._size = 1 << u16(data, 30) if u16(data, 30) in (9, 12) else 0
        self._mini_size = 1 << u16(data, 32) if u16(data, 32) == 6 else 0
        if not (self._size and self._mini_size):
            raise struct.error("its sectors have no possible size")
        self._cutoff = u32(data, 56)
        self._table = self._read_table()
        entries = self._chain(u32(data, 48))
        self.streams: dict[str, tuple[int, int]] = {}
        self._root = (0, 0)
        for place in range(0, len(entries) - 127, 128):
            entry = entries[place : place + 128]
            name = entry[: max(u16(entry, 64) - 2, 0)].decode("utf-16-le", "replace")
            where = u32(entry, 116), u32(entry, 120)
            if entry[66] == 5:
                self._root = where
            elif entry[66] == 2:
                self.streams[name] = where

    def workbook(self) -> bytes:
        """Return the stream of records, blank if there is none."""
        start, length = self._place_of_workbook()
        if length >= self._cutoff:
            return self._chain(start)[:length]
        root = self._chain(self._root[0])
        pieces = [root[sector * self._mini_size : (sector + 1) * self._mini_size] for sector in self._minis(start)]
        return b"".join(pieces)[:length]

    def places(self, offsets: Iterable[int]) -> Iterator[int]:
        """Yield where in the file the workbook's bytes at these offsets are."""
        start, length = self._place_of_workbook()
        sectors = list(_follow(self._table, start if length >= self._cutoff else self._root[0]))
        minis = [] if length >= self._cutoff else list(self._minis(start))
        for offset in offsets:
            place = offset
            if minis:
                place = minis[offset // self._mini_size] * self._mini_size + offset % self._mini_size
            yield 512 + sectors[place // self._size] * self._size + place % self._size

    def _place_of_workbook(self) -> tuple[int, int]:
        names = ("Workbook", "Book", "WORKBOOK", "BOOK")
        return next((self.streams[name] for name in names if name in self.streams), (_END_OF_CHAIN, 0))

    def _minis(self, start: int) -> Iterator[int]:
        return _follow(_words(self._chain(u32(self._data, 60))), start)

    def _read_table(self) -> list[int]:
        sectors = list(struct.unpack_from("<109I", self._data, 76))
        place = u32(self._data, 68)
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


def u16(data: bytes, place: int) -> int:
    return int(struct.unpack_from("<H", data, place)[0])


def u32(data: bytes, place: int) -> int:
    return int(struct.unpack_from("<I", data, place)[0])


def _words(data: bytes) -> list[int]:
    return list(struct.unpack_from(f"<{len(data) // 4}I", data))
