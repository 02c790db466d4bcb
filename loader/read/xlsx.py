"""Excel's `.xlsx`, read by calamine.

For one cell with an unknown error (`#SPILL!`), or with a duration too long for Python, calamine fails on the whole
sheet or row, even if the column is not read. So calamine reads a copy in which such cells have an error that it knows;
`xlsx_facts.py` finds them.
"""

import itertools
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import IO, Any, BinaryIO, cast

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from loader.read.cells import show
from loader.read.packed import BLOCK, Packed
from loader.read.sheet import Sheet, Value, choose, emptied
from loader.read.table import Mark
from loader.read.xlsx_facts import Patch, SheetFacts, facts, guard


class Xlsx:
    """A new workbook; the file is open only while it is read."""

    def __init__(self, packed: Packed) -> None:
        self._packed = packed
        self._facts: SheetFacts | None = None
        self.notes: list[str] = []

    def read(self, wanted: str | None, has_header: Callable[[Sheet], bool]) -> Sheet:
        """Return the wanted sheet, or the only visible one that is not empty."""
        with self._packed.open_seekable() as stream:
            if self._facts is None:
                guard(self._packed.name, stream)
            with self._workbook(stream) as workbook:
                sheets = [sheet for sheet in workbook.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]
                visible = {sheet.name: sheet.visible == SheetVisibleEnum.Visible for sheet in sheets}
                name = choose(
                    self._packed.name,
                    visible,
                    wanted,
                    is_filled=lambda each: (sheet := _loaded(workbook, each)) is None or sheet.start is not None,
                    has_header=lambda each: has_header(_sheet(workbook.get_sheet_by_name(each), {})),
                )
                sheet = _loaded(workbook, name)
            if self._facts is None:
                self._facts = facts(stream, name, thorough=sheet is None)
                if self._facts.hides_rows:
                    self.notes.append(f"Sheet {show(name)} has hidden rows (a filter?); they are read, too.")
                if self._facts.patches:
                    sheet = None
            if sheet is None:
                with self._workbook(stream) as workbook:
                    sheet = workbook.get_sheet_by_name(name)
        return _sheet(sheet, self._facts.odd)

    @contextmanager
    def _workbook(self, stream: BinaryIO) -> Iterator[CalamineWorkbook]:
        """Open the workbook, with cells replaced that calamine cannot represent; rewind the stream afterwards."""
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


def mended(stream: BinaryIO, part: str, patches: Iterable[Patch]) -> BinaryIO:
    """Return a nameless copy of a workbook with one of its parts patched; the patches are in the file's order."""
    copy = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - the caller closes it
    try:
        with zipfile.ZipFile(stream) as old, zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new:
            for info in old.infolist():
                with old.open(info) as source, new.open(info.filename, "w", force_zip64=True) as target:
                    if info.filename == part:
                        target.writelines(_patched(source, patches))
                    else:
                        shutil.copyfileobj(source, target, BLOCK)
    except BaseException:
        copy.close()
        raise
    stream.seek(0)
    copy.seek(0)
    return copy


def _patched(stream: IO[bytes], patches: Iterable[Patch]) -> Iterator[bytes]:
    place = 0
    for patch in patches:
        yield from _pieces(stream, patch.start - place)
        yield patch.instead
        for _ in _pieces(stream, patch.end - patch.start):
            pass
        place = patch.end
    while block := stream.read(BLOCK):
        yield block


def _pieces(stream: IO[bytes], length: int) -> Iterator[bytes]:
    while length > 0 and (block := stream.read(min(length, BLOCK))):
        length -= len(block)
        yield block
