"""Facts about an `.xlsx` from its XML, which calamine needs or lacks.

Before calamine reads it: whether it is a bomb, and which cells calamine cannot represent, to replace them. Besides:
calamine returns an empty text for a cell with an error (`#N/A`), and for a formula that was never calculated. In a
column where a blank means that there is nothing to load, a row would be lost silently.
"""

import io
import posixpath
import re
import string
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple
from xml.parsers import expat

from loader.errors import InputError
from loader.read.packed import BLOCK, is_bomb, refuse_bomb
from loader.read.sheet import column_number, error_mark, is_duration_format, refuse_sprawl, unreadable_mark
from loader.read.table import Mark

_LARGEST = 8 << 30
_LONGEST_TAG = 4096
_CELL = re.compile(rb"<(?:\w+:)?c\s[^>]*?\br\s*=\s*[\"']([A-Za-z]{1,3}[0-9]{1,7})[\"']")
_ROW = re.compile(rb"<(?:\w+:)?row\s[^>]*?\br\s*=\s*[\"']([0-9]{1,7})[\"']")
_ODD = re.compile(rb"\bt=[\"']e[\"']|<(?:\w+:)?f[\s/>]|<(?:\w+:)?v(?:\s[^>]*)?>-[0-9.]*(?:[0-9]{9}|[eE])")
_FILTER = re.compile(rb"<(?:\w+:)?row\s[^>]*?\bhidden=[\"'](?:1|true)[\"']")
_KNOWN_ERRORS = frozenset({"", "#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A"})
# Python's longest duration, in days, as calamine returns it.
_LONGEST_DURATION = 999_999_999
_TRUTHS = ("", "0", "1", "true", "false")
_TEXTS = ("str", "inlineStr", "d")
_NUMBER = re.compile(r"([+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?)?", re.ASCII)
_BUILT_IN_DURATION = "46"  # [h]:mm:ss; ECMA-376 part 1, 18.8.30


class Patch(NamedTuple):
    """Bytes of a sheet's XML, from `start` to before `end`, and what replaces them for calamine."""

    start: int
    end: int
    instead: bytes


@dataclass(kw_only=True)
class SheetFacts:
    """What a sheet's XML shows: `odd` has a mark for each (row, column) from 0; `hides_rows`: a filter is set.

    `part` is its name in the archive, `patches` what must be changed in it before calamine reads it.
    """

    part: str
    odd: dict[tuple[int, int], Mark] = field(default_factory=dict)
    hides_rows: bool = False
    patches: list[Patch] = field(default_factory=list)


def guard(name: str, stream: BinaryIO) -> None:
    """Raise InputError for a workbook that would unpack to far more than its size, or that is damaged."""
    size = stream.seek(0, io.SEEK_END)
    with zipfile.ZipFile(stream) as archive:
        members = archive.infolist()
        if any(info.flag_bits & 1 for info in members):
            raise InputError(f"{name}: is protected by a password; save a copy without one.")
        total = sum(info.file_size for info in members)
        if is_bomb(2 * total, 2 * size) or any(is_bomb(info.file_size, info.compress_size) for info in members):
            raise refuse_bomb(name)  # Half the limit: calamine needs five times the memory of a table of blank texts.
        if total > _LARGEST:
            raise InputError(f"{name}: unpacks to {total:,} bytes; save it as CSV, which is read piece by piece.")
        cells = 0
        for info in members:
            # This reads no more than the checked size, and compares the checksum: a wrong size is an error here.
            # A sheet's part may have any name.
            area = _Area()
            for block in _blocks(archive, info):
                area.see(block)
            cells += area.size()
    refuse_sprawl(name, cells, size)
    stream.seek(0)


def facts(stream: BinaryIO, sheet: str, *, thorough: bool = False) -> SheetFacts:
    """Search one sheet's XML; the costly part is done only if it has any formulas, errors or durations."""
    with zipfile.ZipFile(stream) as archive:
        found = SheetFacts(part=_part_of(archive, sheet))
        info = archive.getinfo(found.part)
        durations = _duration_styles(archive)
        has_odd = thorough or bool(durations)
        for block in _blocks(archive, info):
            has_odd = has_odd or bool(_ODD.search(block))
            found.hides_rows = found.hides_rows or bool(_FILTER.search(block))
        if has_odd:
            _OddCells(found, durations).read(archive, info)
    stream.seek(0)
    return found


def _blocks(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield a member's bytes in pieces; a tag that is cut at the end of one begins the next."""
    with archive.open(info) as stream:
        rest = b""
        while block := stream.read(BLOCK):
            whole = rest + block
            cut = whole.rfind(b"<", max(0, len(whole) - _LONGEST_TAG))
            cut = len(whole) if cut < 0 else cut
            yield whole[:cut]
            rest = whole[cut:]
        yield rest


class _Area:
    """The rectangle that a sheet's cells span."""

    def __init__(self) -> None:
        self._columns: set[bytes] = set()
        self._last_row = 0

    def see(self, block: bytes) -> None:
        # The row in a cell's name counts, not that of its row element.
        places = _CELL.findall(block)
        self._columns.update([place.rstrip(b"0123456789") for place in places])
        rows = (int(place.lstrip(string.ascii_letters.encode())) for place in places)
        self._last_row = max(self._last_row, max(rows, default=0), max(map(int, _ROW.findall(block)), default=0))

    def size(self) -> int:
        """Return the number of cells in the rectangle."""
        columns = [column_number(letters.decode("ascii")) for letters in self._columns]
        return self._last_row * (max(columns, default=0) - min(columns, default=0) + 1)


class _OddCells:
    """Collects the cells with errors, the formulas without a value, and what calamine cannot represent."""

    def __init__(self, found: SheetFacts, durations: frozenset[str]) -> None:
        self._found = found
        self._durations = durations
        self._row, self._column = -1, -1
        self._cell: dict[str, str] = {}
        self._begins_at = 0
        self._formula = False
        self._in_value = False
        self._value = ""
        self._parser = _xml_parser()

    def read(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        with archive.open(info) as stream:
            self._parser.ParseFile(stream)

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        if tag == "row":
            self._row = _number(attributes.get("r")) - 1 if "r" in attributes else self._row + 1
            self._column = -1
        elif tag == "c":
            letters = attributes.get("r", "").rstrip("0123456789")
            self._column = column_number(letters) if letters.isalpha() else self._column + 1
            self._cell, self._formula, self._value = attributes, False, ""
            self._begins_at = self._parser.CurrentByteIndex
        elif tag == "f":
            self._formula = True
        self._in_value = tag == "v"

    def _text(self, text: str) -> None:
        if self._in_value:
            self._value += text

    def _end(self, tag: str) -> None:
        self._in_value = False
        if tag.rpartition(":")[2] != "c":
            return
        place = self._row, self._column
        kind, is_duration = self._cell.get("t", ""), self._cell.get("s", "0") in self._durations
        if kind == "e":
            self._found.odd[place] = error_mark(self._value)
        elif self._formula and not self._value and kind != "str":
            self._found.odd[place] = Mark(
                "FORMULA_WITHOUT_VALUE",
                "the formula was never calculated; open the file in a spreadsheet and save it, or paste the values",
            )
        if not _is_readable(kind, self._value, is_duration=is_duration):
            self._found.odd.setdefault(place, unreadable_mark(self._value))
            instead = _error_cell(tag, self._cell.get("r", ""))
            self._found.patches.append(Patch(self._begins_at, self._parser.CurrentByteIndex, instead))


def _part_of(archive: zipfile.ZipFile, sheet: str) -> str:
    """Return the archive's name of a sheet's XML, found by the workbook's relations."""
    targets = {rel["Id"]: rel["Target"] for rel in _elements(archive, "xl/_rels/workbook.xml.rels", "Relationship")}
    for element in _elements(archive, "xl/workbook.xml", "sheet"):
        if element.get("name") == sheet:
            relation = next((value for key, value in element.items() if key.rpartition(":")[2] == "id"), "")
            target = targets.get(relation, "")
            return target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join("xl", target))
    raise zipfile.BadZipFile("the workbook does not say where the sheet is")


def _elements(archive: zipfile.ZipFile, part: str, wanted: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        if tag.rpartition(":")[2] == wanted:
            found.append(attributes)

    parser = _xml_parser()
    parser.StartElementHandler = start
    try:
        parser.Parse(archive.read(part), True)
    except KeyError as error:
        raise zipfile.BadZipFile(f"{part} is missing") from error
    return [element for element in found if wanted != "Relationship" or {"Id", "Target"} <= element.keys()]


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 9 else 0


def _is_readable(kind: str, value: str, *, is_duration: bool) -> bool:
    """Return whether calamine can represent a cell of this kind (its `t`) and text (its `v`)."""
    if kind == "e":
        return value in _KNOWN_ERRORS
    if kind == "b":
        return value in _TRUTHS
    if kind == "s":
        return value.isdigit() or not value
    if kind in ("", "n"):
        if not _NUMBER.fullmatch(value):
            return False
        # No date is so early, and no duration so long.
        return float(value or 0) > -_LONGEST_DURATION and (float(value or 0) < _LONGEST_DURATION or not is_duration)
    return kind in _TEXTS


def _error_cell(tag: str, place: str) -> bytes:
    """Return the start of a cell with an error; its end tag follows."""
    value = f"{tag.removesuffix('c')}v"
    where = f' r="{place}"' if place else ""
    return f'<{tag}{where} t="e"><{value}>#N/A</{value}>'.encode()


def _duration_styles(archive: zipfile.ZipFile) -> frozenset[str]:
    """Return the numbers of the cell styles that show a number as a duration."""
    if "xl/styles.xml" not in archive.namelist():
        return frozenset()
    formats, styles = {_BUILT_IN_DURATION}, []
    in_cells = False

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal in_cells
        tag = tag.rpartition(":")[2]
        if tag == "numFmt" and is_duration_format(attributes.get("formatCode", "")):
            formats.add(attributes.get("numFmtId", ""))
        elif tag == "xf" and in_cells:
            styles.append(attributes.get("numFmtId", ""))
        in_cells = tag == "cellXfs" or (in_cells and tag != "cellStyles")

    parser = _xml_parser()
    parser.StartElementHandler = start
    with archive.open("xl/styles.xml") as stream:
        parser.ParseFile(stream)
    return frozenset(str(number) for number, each in enumerate(styles) if each in formats)


def _xml_parser() -> expat.XMLParserType:
    """Return a parser that refuses a document type with `zipfile.BadZipFile`, as no office program writes one.

    Only there can entities be defined, and a few nested ones can expand to gigabytes of text.
    """

    def refuse(name: str, system_id: str | None, public_id: str | None, has_internal_subset: bool) -> None:
        del system_id, public_id, has_internal_subset
        raise zipfile.BadZipFile(f"its XML defines a document type, {name[:20]}, which no spreadsheet program writes")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse
    return parser
