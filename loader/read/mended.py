"""A workbook for calamine to read: cells that it cannot represent are errors of a kind that it knows.

One cell of an error that is newer than calamine (`#SPILL!`), or a duration that no date library holds, and calamine
gives nothing of its sheet, or of its row. They may stand in columns that nobody reads.
"""

import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from typing import IO, BinaryIO, NamedTuple, cast
from xml.parsers import expat

from loader.read.packed import BLOCK

KNOWN_ERRORS = frozenset({"", "#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A"})
# Python's longest duration, in days, as calamine hands it over.
LONGEST_DURATION = 999_999_999
_TRUTHS = ("", "0", "1", "true", "false")
_TEXTS = ("str", "inlineStr", "d")
_NUMBER = re.compile(r"([+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?)?", re.ASCII)
_BUILT_IN_DURATION = "46"  # [h]:mm:ss; ECMA-376 part 1, 18.8.30
_DURATION = re.compile(r"\[(h+|m+|s+)\]", re.IGNORECASE)


class Patch(NamedTuple):
    """Bytes of a sheet's XML, from `start` to before `end`, and what calamine gets in their place."""

    start: int
    end: int
    instead: bytes


def is_readable(kind: str, value: str, *, is_duration: bool) -> bool:
    """Tell whether calamine can represent a cell of this kind (its `t`) and text (its `v`)."""
    if kind == "e":
        return value in KNOWN_ERRORS
    if kind == "b":
        return value in _TRUTHS
    if kind == "s":
        return value.isdigit() or not value
    if kind in ("", "n"):
        if not _NUMBER.fullmatch(value):
            return False
        # No date lies so far back, and no duration is so long.
        return float(value or 0) > -LONGEST_DURATION and (float(value or 0) < LONGEST_DURATION or not is_duration)
    return kind in _TEXTS


def error_cell(tag: str, place: str) -> bytes:
    """Return the start of a cell with an error; its end tag follows."""
    value = f"{tag.removesuffix('c')}v"
    where = f' r="{place}"' if place else ""
    return f'<{tag}{where} t="e"><{value}>#N/A</{value}>'.encode()


def xml_parser() -> expat.XMLParserType:
    """Return a parser that refuses a document type with `zipfile.BadZipFile`, as no office program writes one.

    Entities can be defined there only, and a few of them that name one another stand for gigabytes of text.
    """

    def refuse(name: str, system_id: str | None, public_id: str | None, has_internal_subset: bool) -> None:
        del system_id, public_id, has_internal_subset
        raise zipfile.BadZipFile(f"its XML defines a document type, {name[:20]}, which no spreadsheet program writes")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse
    return parser


def duration_styles(archive: zipfile.ZipFile) -> frozenset[str]:
    """Return the numbers of the cell styles that show a number as a duration, as cells name them."""
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

    parser = xml_parser()
    parser.StartElementHandler = start
    with archive.open("xl/styles.xml") as stream:
        parser.ParseFile(stream)
    return frozenset(str(number) for number, each in enumerate(styles) if each in formats)


def is_duration_format(text: str) -> bool:
    """Tell whether a format shows a number as a duration: `[h]:mm`."""
    return _DURATION.search(text) is not None


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
