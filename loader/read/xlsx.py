"""Excel's `.xlsx`, read by calamine, and what must be known of it before and beside calamine.

Before: whether it is a bomb. Beside: calamine gives an empty text for a cell with an error (`#N/A`) and for a formula
that no spreadsheet has calculated yet. In a column where a blank means nothing to load, a row would be lost without a
word; so the sheet's XML is looked through.
"""

import io
import itertools
import posixpath
import re
import string
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from loader.errors import InputError
from loader.read.mended import Patch, duration_styles, error_cell, is_readable, mended, xml_parser
from loader.read.packed import BLOCK, MOST_TIMES, Packed, is_bomb, refuse_bomb
from loader.read.sheet import Sheet, Value, choose, column_number, emptied, error_mark, unreadable_mark
from loader.read.show import show
from loader.read.table import Mark

_LARGEST = 8 << 30
_LONGEST_TAG = 4096
_CELL = re.compile(rb"<(?:\w+:)?c\s[^>]*?\br\s*=\s*[\"']([A-Za-z]{1,3}[0-9]{1,7})[\"']")
_ROW = re.compile(rb"<(?:\w+:)?row\s[^>]*?\br\s*=\s*[\"']([0-9]{1,7})[\"']")
_ODD = re.compile(rb"\bt=[\"']e[\"']|<(?:\w+:)?f[\s/>]|<(?:\w+:)?v(?:\s[^>]*)?>-[0-9.]*(?:[0-9]{9}|[eE])")
_FILTER = re.compile(rb"<(?:\w+:)?row\s[^>]*?\bhidden=[\"'](?:1|true)[\"']")
# calamine lays a sheet out as a full rectangle; two cells in far corners of 1 kB of XML must not fill the memory.
_BYTES_OF_A_CELL = 32
_FREE_CELLS = 6 << 20


class Xlsx:
    """A new workbook; the file is open while it is read only."""

    def __init__(self, packed: Packed) -> None:
        self._packed = packed
        self._facts: SheetFacts | None = None
        self.notes: list[str] = []

    def read(self, wanted: str | None) -> Sheet:
        """Return the sheet that is wanted, or the only visible one with anything in it."""
        with self._packed.open_seekable() as stream:
            if self._facts is None:
                guard(self._packed.name, stream)
            with self._workbook(stream) as workbook:
                sheets = [sheet for sheet in workbook.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]
                visible = {sheet.name: sheet.visible == SheetVisibleEnum.Visible for sheet in sheets}
                name = choose(self._packed.name, visible, wanted, lambda each: _is_filled(workbook, each))
                sheet = _loaded(workbook, name)
            if self._facts is None:
                self._facts = facts(stream, name, thorough=sheet is None)
                if self._facts.hides_rows:
                    self.notes.append(f"Sheet {show(name)} hides rows (a filter?); they are read too.")
                if self._facts.patches:
                    sheet = None
            if sheet is None:
                with self._workbook(stream) as workbook:
                    sheet = workbook.get_sheet_by_name(name)
        return _sheet(sheet, self._facts.odd)

    @contextmanager
    def _workbook(self, stream: BinaryIO) -> Iterator[CalamineWorkbook]:
        """Open the workbook, with what calamine cannot represent replaced; the stream is left at its start."""
        stream.seek(0)
        known = self._facts
        copy = mended(stream, known.part, known.patches) if known and known.patches else nullcontext(stream)
        with copy as whole, CalamineWorkbook.from_filelike(whole) as workbook:
            yield workbook
        stream.seek(0)


def _loaded(workbook: CalamineWorkbook, name: str) -> CalamineSheet | None:
    """Return a sheet, None for one with a cell that calamine cannot represent."""
    try:
        return workbook.get_sheet_by_name(name)
    except CalamineError:
        return None


def _is_filled(workbook: CalamineWorkbook, name: str) -> bool:
    sheet = _loaded(workbook, name)
    return sheet is None or sheet.start is not None


def _sheet(sheet: CalamineSheet, odd: dict[tuple[int, int], Mark]) -> Sheet:
    top, left = sheet.start or (0, 0)
    ranges = (
        (top, last_row, first, last_column) for (top, first), (last_row, last_column) in sheet.merged_cell_ranges or []
    )
    return Sheet(
        name=sheet.name,
        top=top,
        left=left,
        rows=_rows(sheet, left, odd) if sheet.start else iter(()),
        merged=emptied(ranges, *(sheet.end or (-1, -1))),
    )


def _rows(sheet: CalamineSheet, left: int, odd: dict[tuple[int, int], Mark]) -> Iterator[list[Value] | None]:
    """Yield each row with its marks, None for one with a date or duration that Python cannot represent."""
    marks: dict[int, dict[int, Mark]] = {}
    for (row, column), mark in odd.items():
        marks.setdefault(row, {})[column - left] = mark
    rows: Iterator[list[Any]] = sheet.iter_rows()
    for number in itertools.count():
        try:
            values = next(rows, None)
        except OverflowError:
            yield None
            continue
        if values is None:
            return
        for column, mark in marks.get(number, {}).items():
            if 0 <= column < len(values):
                values[column] = mark
        yield values


@dataclass(kw_only=True)
class SheetFacts:
    """What a sheet's XML tells: `odd` has a mark for each (row, column) from 0; `hides_rows` tells of a filter.

    `part` is its name in the archive, `patches` what must be changed in it before calamine reads it.
    """

    part: str
    odd: dict[tuple[int, int], Mark] = field(default_factory=dict)
    hides_rows: bool = False
    patches: list[Patch] = field(default_factory=list)


def guard(name: str, stream: BinaryIO) -> None:
    """Raise InputError for a workbook that would unpack to far more than it is, or whose bytes are damaged."""
    size = stream.seek(0, io.SEEK_END)
    with zipfile.ZipFile(stream) as archive:
        members = archive.infolist()
        if any(info.flag_bits & 1 for info in members):
            raise InputError(f"{name}: is protected by a password; save a copy without one.")
        total = sum(info.file_size for info in members)
        if is_bomb(2 * total, 2 * size) or any(is_bomb(info.file_size, info.compress_size) for info in members):
            raise refuse_bomb(name)  # Half the bytes are free here: calamine holds five times a table of blank texts.
        if total > _LARGEST:
            raise InputError(f"{name}: unpacks to {total:,} bytes; save it as CSV, which is read piece by piece.")
        cells = 0
        for info in members:
            # Reads no more than the size that was checked, and compares the checksum: a lying size is an error here.
            # A sheet's part may have any name.
            area = _Area()
            for block in _blocks(archive, info):
                area.see(block)
            cells += area.size()
    if cells > max(_FREE_CELLS, MOST_TIMES * size // _BYTES_OF_A_CELL):
        raise InputError(f"{name}: a sheet's few cells lie too far apart; copy the table to a sheet of its own.")
    stream.seek(0)


def facts(stream: BinaryIO, sheet: str, *, thorough: bool = False) -> SheetFacts:
    """Look through one sheet's XML; the costly part is done only if it has formulas, errors or durations at all."""
    with zipfile.ZipFile(stream) as archive:
        found = SheetFacts(part=_part_of(archive, sheet))
        info = archive.getinfo(found.part)
        durations = duration_styles(archive)
        has_odd = thorough or bool(durations)
        for block in _blocks(archive, info):
            has_odd = has_odd or bool(_ODD.search(block))
            found.hides_rows = found.hides_rows or bool(_FILTER.search(block))
        if has_odd:
            _OddCells(found, durations).read(archive, info)
    stream.seek(0)
    return found


def _blocks(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield a member's bytes in pieces that overlap by the start of a tag that the last piece cut."""
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
    """How far a sheet's cells lie apart."""

    def __init__(self) -> None:
        self._columns: set[bytes] = set()
        self._last_row = 0

    def see(self, block: bytes) -> None:
        # A cell's own row counts, whatever the row around it says.
        places = _CELL.findall(block)
        self._columns.update([place.rstrip(b"0123456789") for place in places])
        rows = (int(place.lstrip(string.ascii_letters.encode())) for place in places)
        self._last_row = max(self._last_row, max(rows, default=0), max(map(int, _ROW.findall(block)), default=0))

    def size(self) -> int:
        """Return the number of cells of the rectangle that holds them all."""
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
        self._parser = xml_parser()

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
        if not is_readable(kind, self._value, is_duration=is_duration):
            self._found.odd.setdefault(place, unreadable_mark(self._value))
            instead = error_cell(tag, self._cell.get("r", ""))
            self._found.patches.append(Patch(self._begins_at, self._parser.CurrentByteIndex, instead))


def _part_of(archive: zipfile.ZipFile, sheet: str) -> str:
    """Return the archive's name of a sheet's XML by way of the workbook's relations."""
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

    parser = xml_parser()
    parser.StartElementHandler = start
    try:
        parser.Parse(archive.read(part), True)
    except KeyError as error:
        raise zipfile.BadZipFile(f"{part} is missing") from error
    return [element for element in found if wanted != "Relationship" or {"Id", "Target"} <= element.keys()]


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 9 else 0
