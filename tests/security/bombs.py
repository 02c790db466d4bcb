"""Small files that would unpack to gigabytes, each made by a function."""

import gzip
import io
import zipfile
from collections.abc import Callable

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

HEAD = b"object_id,to_object_id\n"
MEGABYTE = 1 << 20
SIZE = 100 * MEGABYTE


def zipped(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def workbook(**changes: bytes) -> bytes:
    """A workbook of two columns and one row; `changes` are other contents for its parts, `sheet` for the sheet's."""
    stream = io.BytesIO()
    book = openpyxl.Workbook()
    for values in (("object_id", "to_object_id"), ("101", "201")):
        book.active.append(values)
    book.save(stream)
    names = {"sheet": "xl/worksheets/sheet1.xml", "strings": "xl/sharedStrings.xml", "extra": "xl/media/extra.xml"}
    with zipfile.ZipFile(stream) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    return zipped(parts | {names[name]: content for name, content in changes.items()})


def sheet(body: str, head: str = "") -> bytes:
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return f'<?xml version="1.0"?>{head}<worksheet xmlns="{space}"><sheetData>{body}</sheetData></worksheet>'.encode()


LAUGHS = "<!DOCTYPE x [<!ENTITY a0 'ha'>" + "".join(
    f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 10)
) + "]>"  # fmt: skip


def laughing() -> bytes:
    """An entity of nine levels, ten times each: ten thousand million characters."""
    cell = '<row r="1"><c r="A1" t="str"><f>1</f><v>&a9;</v></c></row>'
    return workbook(sheet=sheet(cell, LAUGHS))


def repeated(count: int) -> bytes:
    """A column with the same text `count` times, which is packed into almost nothing."""
    table = pa.table({"object_id": pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int8()), ["1" * 900])})
    stream = io.BytesIO()
    pq.write_table(table.append_column("to_object_id", table["object_id"]), stream, compression="zstd")
    return stream.getvalue()


def lying() -> bytes:
    """A zip whose directory says that a member of a hundred megabytes has ten bytes."""
    whole = bytearray(zipped({"a.csv": HEAD + bytes(SIZE)}))
    directory = whole.rindex(b"PK\x01\x02")
    whole[directory + 24 : directory + 28] = (10).to_bytes(4, "little")
    whole[22:26] = (10).to_bytes(4, "little")
    return bytes(whole)


BOMBS: dict[str, Callable[[], bytes]] = {
    "gz.csv.gz": lambda: gzip.compress(HEAD + b"1,2\n" * (SIZE // 4), 1),
    "blank.csv.gz": lambda: gzip.compress(HEAD + bytes(SIZE), 1),
    "twice.csv.gz": lambda: gzip.compress(gzip.compress(bytes(SIZE), 1)),
    "zip.zip": lambda: zipped({"a.csv": HEAD + b"1,2\n" * (SIZE // 4)}),
    "lying.zip": lying,
    "nested.zip": lambda: zipped({"a.zip": zipped({"a.csv": bytes(SIZE)})}),
    "quote.csv.gz": lambda: gzip.compress(HEAD + b'"' + b"x" * SIZE, 1),
    "sheet.xlsx": lambda: workbook(sheet=sheet(f"<!--{' ' * SIZE}-->")),
    "strings.xlsx": lambda: workbook(strings=b"<sst>" + b"<si><t/></si>" * (SIZE // 100) + b"</sst>"),
    "extra.xlsx": lambda: workbook(extra=bytes(SIZE)),
    "corners.xlsx": lambda: workbook(sheet=sheet('<row r="1"><c r="A1"/></row><row r="1048576"><c r="XFD9"/></row>')),
    "laughs.xlsx": laughing,
    "laughs.xlsx.gz": lambda: gzip.compress(laughing()),
    "book.ods": lambda: zipped({"mimetype": b"x", "content.xml": b"<a>" + bytes(SIZE)}),
    "column.parquet": lambda: repeated(2_000_000),
    "deep.jsonl": lambda: b'{"object_id":' + b"[" * MEGABYTE + b"\n",
    "number.jsonl": lambda: b'{"object_id":' + b"9" * MEGABYTE + b',"to_object_id":1}\n',
    "header.csv": lambda: b",".join(b"h%d" % n for n in range(300_000)) + b"\n",
    "xls.xls": lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\xff" * 600 + bytes(100_000),
}  # fmt: skip
