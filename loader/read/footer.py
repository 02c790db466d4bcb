"""The footer of a Parquet file, read by ourselves: how much each column holds, packed and unpacked.

pyarrow would tell, too, but its way to a column's sizes ends the whole process when the footer is damaged: the library
beneath throws an error that nothing catches. Here damage is an error like any other. Layout: Apache Parquet's
parquet.thrift (FileMetaData 4, RowGroup 1, ColumnChunk 3, ColumnMetaData 6 and 7), Thrift's compact protocol.
"""

import io
import struct
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple

_MAGIC = b"PAR1"
_DEEPEST = 32
_ROW_GROUPS, _COLUMNS, _META_DATA, _UNPACKED, _PACKED = 4, 1, 3, 6, 7


class Sizes(NamedTuple):
    """The bytes of one column in one row group."""

    unpacked: int
    packed: int


def column_sizes(stream: BinaryIO) -> Iterator[Sizes]:
    """Yield the sizes of every column of every row group; struct.error for a footer that cannot be read."""
    if stream.seek(0, io.SEEK_END) < len(_MAGIC) + 8:
        raise struct.error("it is too short for a Parquet footer")
    stream.seek(-8, io.SEEK_END)
    length, magic = struct.unpack("<I4s", stream.read(8))
    if magic != _MAGIC or length + 8 > stream.tell():
        raise struct.error("it has no Parquet footer")
    stream.seek(-8 - length, io.SEEK_END)
    footer = _Compact(stream.read(length)).struct()
    stream.seek(0)
    for group in _all(footer.get(_ROW_GROUPS)):
        for column in _all(group.get(_COLUMNS)):
            facts = column.get(_META_DATA)
            unpacked, packed = (facts.get(_UNPACKED), facts.get(_PACKED)) if isinstance(facts, dict) else (None, None)
            if isinstance(unpacked, int) and isinstance(packed, int):
                yield Sizes(unpacked, packed)


def _all(found: object) -> list[dict[int, Any]]:
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


class _Compact:
    """Thrift's compact protocol, as far as it nests sensibly: fields by their number, texts as bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0
        self._depth = 0
        self._readers: dict[int, Callable[[], Any]] = {
            1: lambda: True,
            2: lambda: False,
            3: self._byte,
            **dict.fromkeys((4, 5, 6), self._zigzag),
            7: lambda: self._bytes(8),
            8: lambda: self._bytes(self._varint()),
            **dict.fromkeys((9, 10), self._list),
            11: self._map,
            12: self.struct,
            13: lambda: self._bytes(16),
        }

    def struct(self) -> dict[int, Any]:
        """Return one structure's fields."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise struct.error("its footer is nested too deeply")
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._zigzag()
            fields[number] = self._value(head & 15)
        self._depth -= 1
        return fields

    def _value(self, kind: int) -> Any:
        reader = self._readers.get(kind)
        if reader is None:
            raise struct.error("its footer has a field of no known kind")
        return reader()

    def _list(self) -> list[Any]:
        head = self._byte()
        count, kind = head >> 4, head & 15
        count = self._count(self._varint() if count == 15 else count)
        # In a list, true and false take a byte each.
        return [self._byte() if kind in (1, 2) else self._value(kind) for _ in range(count)]

    def _map(self) -> None:
        count = self._count(self._varint())
        kinds = self._byte() if count else 0
        for _ in range(count):
            self._value(kinds >> 4)
            self._value(kinds & 15)

    def _count(self, count: int) -> int:
        if count > len(self._data) - self._place:
            raise struct.error("its footer names more than it holds")
        return count

    def _byte(self) -> int:
        return self._bytes(1)[0]

    def _bytes(self, count: int) -> bytes:
        piece = self._data[self._place : self._place + count]
        if len(piece) < count:
            raise struct.error("its footer is cut short")
        self._place += count
        return piece

    def _varint(self) -> int:
        number = shift = 0
        while shift < 70:
            byte = self._byte()
            number |= (byte & 127) << shift
            if byte < 128:
                return number
            shift += 7
        raise struct.error("its footer has a number without end")

    def _zigzag(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)
