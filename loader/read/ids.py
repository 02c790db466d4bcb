"""Record ids are judged only here: from a cell's text to an id, or to the reason why it is not one."""

import re
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from loader.object_type_names import TYPE_IDS
from loader.read.cells import INVISIBLE, is_blank, listed, show, trim
from loader.read.hints import instead_of_id
from loader.read.table import Cells, Mark, NumberColumn
from loader.values import LOST

LARGEST = 2**63 - 1
# The largest whole number up to which a double holds every whole number; beyond it digits may have changed.
EXACT_DOUBLE = 2**53

# The one rule for plain ids, as text and as a number. Up to 18 digits are always below 2**63, so that a whole column
# can be judged by one match. `judge` accepts every plain id.
_PLAIN_DIGITS = 18
_PLAIN = rf"[1-9][0-9]{{0,{_PLAIN_DIGITS - 1}}}"
_ABOVE_PLAIN = 10**_PLAIN_DIGITS
_PLAIN_CELL = re.compile(_PLAIN, re.ASCII)
_PLAIN_LIST = re.compile(f"{_PLAIN}(?:;{_PLAIN})*+", re.ASCII)
_PLAIN_COLUMN = re.compile(rf"{_PLAIN}(?:\n{_PLAIN})*+", re.ASCII)
_PLAIN_COLUMN_OF_LISTS = re.compile(rf"{_PLAIN}(?:[;\n]{_PLAIN})*+", re.ASCII)

_ID = re.compile(r"([1-9][0-9]{0,18})(\.0+)?", re.ASCII)
# The address of a record's page in HubSpot, new and old form: /contacts/55/record/0-1/105, /contacts/55/contact/105.
_ADDRESS = re.compile(
    r"(?:https?://)?app(?:-[a-z0-9]+)?\.hubspot(?:qa)?\.com/contacts/([1-9][0-9]{0,14})"
    r"/(?:record/([0-9]+-[0-9]+)|(contact|company|deal|ticket))/([1-9][0-9]{0,18})(?:[/?#].*)?",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)
_LONGEST_ADDRESS = 2_000
_ASCII_BLANKS = " \t\r\n\f\v"
_WRAPPED = re.compile(r'="([^"]*)"')
_LOOSE_SEPARATOR = re.compile(r"[,\s]+")
_LONG_ID = re.compile(r"[1-9][0-9]{4,18}", re.ASCII)
_DATE = re.compile(r"[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}([ T].*)?", re.ASCII)
_DIGITS_LOST = (
    "DIGITS_LOST",
    re.compile(LOST + ".*", re.DOTALL),
    "is a floating-point number of more digits than it can hold; write ids as whole numbers or text",
)
_REASONS = (
    _DIGITS_LOST,
    (
        "SCIENTIFIC_NOTATION",
        re.compile(r"[+-]?[0-9]+([.,][0-9]*)?[eE][+-]?[0-9]+", re.ASCII),
        "is in scientific notation, so digits are lost; format the column as text and export it again",
    ),
    ("DATE", _DATE, "is a date, not a record id; format the column as text and export it again"),
    (
        "LEADING_ZERO",
        re.compile(r"0[0-9]+(\.0+)?", re.ASCII),
        "begins with a zero, which no HubSpot record id does; it may be another system's key",
    ),
    (
        "FRACTION",
        re.compile(r"[+-]?[0-9]+\.[0-9]+", re.ASCII),
        "has a fraction or a thousands separator; write the record id in digits only",
    ),
    (
        "SEPARATOR",
        re.compile(r"[0-9][0-9.,'\u2019_\s]*[,'\u2019_.\s][0-9.,'\u2019_\s]*[0-9]"),
        "may be one number with separators or several ids; write ids in digits only, several separated by a semicolon",
    ),
    (
        "ERROR_CELL",
        re.compile(r"#(N/A|REF!|VALUE!|NAME\?|NUM!|NULL!|DIV/0!|SPILL!|CALC!|GETTING_DATA).*", re.ASCII),
        "is a spreadsheet error; fix the formula, or paste the values",
    ),
    (
        "SEVERAL_IDS",
        re.compile(r".*;.*", re.DOTALL),
        "holds several ids; only the to object id may, write one row for each",
    ),
    ("ID_TOO_LARGE", re.compile(r"[1-9][0-9]{18,}", re.ASCII), "is larger than any record id can be"),
    (
        "UNREADABLE_CHARACTERS",
        re.compile("[^\ufffd\0]*[\ufffd\0].*", re.DOTALL),
        "contains characters that cannot be read; correct the cell, or give the file's --encoding",
    ),
)

_LONGEST_VALUE = 1000
# An apostrophe: spreadsheets put it before digits that are text, and our failures files before formulas.
_MARKED_VALUE = re.compile(r"'(?=[0-9]+$|[\s\"]*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20])", re.ASCII)
_REASONS_OF_VALUES = (
    _DIGITS_LOST,
    (
        "SCIENTIFIC_NOTATION",
        re.compile(r"[+-]?[0-9]([.,][0-9]+)?[eE][+-][0-9]+", re.ASCII),
        "is in scientific notation, so digits are lost; format the column as text and export it again",
    ),
    *(each for each in _REASONS if each[0] in ("ERROR_CELL", "UNREADABLE_CHARACTERS")),
    (
        "PLACEHOLDER",
        re.compile(r"\(?null\)?|n/?a|nan|nat|none|<na>", re.IGNORECASE | re.ASCII),
        "means that there is no value; fill it in, or delete the row",
    ),
)


class Judged(NamedTuple):
    """A cell's record id, or, if `record_id` is blank, the mark that says why it is not one.

    `repair` says what was removed around the id, except blanks; blank if nothing. `address` is the portal and the
    object type of a record's address, as `55/0-1`, that the id was read from.
    """

    record_id: str
    repair: str = ""
    address: str = ""
    mark: Mark | None = None


def refused(reason: str, why: str) -> Judged:
    """Return the mark of a cell without an id: a key of `reasons.REASONS`, and the rest of a sentence."""
    return Judged("", mark=Mark(reason, why))


def plain_ids(column: Cells, *, lists: bool) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the ids of a column's plain cells, and how many each cell has: 0 where it is blank, -1 where not plain.

    A plain cell is an id as HubSpot writes it or, with `lists`, several with `;` between; the others must be judged one
    by one. Most plain cells never reach `judge`: what it would refuse must not be plain.
    """
    if isinstance(column, NumberColumn):
        is_plain = (column.numbers > 0) & (column.numbers < _ABOVE_PLAIN)
        return column.numbers[is_plain], np.where(is_plain, 1, -1)
    filled = list(filter(None, column))
    joined = "\n".join(filled)
    # The count tells a cell with a line break in it, "1\n2", from two cells.
    if joined.count("\n") == len(filled) - 1 and (_PLAIN_COLUMN_OF_LISTS if lists else _PLAIN_COLUMN).fullmatch(joined):
        numbers = np.fromstring(joined.replace(";", "\n"), np.int64, sep="\n")
        if len(numbers) == len(filled) == len(column):
            return numbers, np.ones(len(column), np.int64)
        return numbers, np.array([cell.count(";") + 1 if cell else 0 for cell in column], np.int64)
    plain = (_PLAIN_LIST if lists else _PLAIN_CELL).fullmatch
    counts = [(cell.count(";") + 1 if plain(cell) else -1) if cell else 0 for cell in column]
    texts = ";".join([cell for cell, count in zip(column, counts, strict=True) if count > 0])
    return np.fromstring(texts, np.int64, sep=";"), np.array(counts, np.int64)


def judge(cell: str, option: str = "--from-id-property") -> Judged:
    """Judge one cell as a record id; never guess. `option` is the option that loads this end by other keys.

    >>> judge(" 101 ").record_id, judge("101.0").record_id, judge("1.01E+11").mark.reason
    ('101', '101', 'SCIENTIFIC_NOTATION')
    """
    repair = ""
    found = _ID.fullmatch(cell)
    if found is None:
        bare, repair = _bare(cell)
        found = _ID.fullmatch(bare)
        if found is None:
            return _of_address(bare, cell) or _no_id(bare, cell, option)
    digits, zeros = found.groups()
    if zeros is not None:
        if EXACT_DOUBLE < int(digits) <= LARGEST:
            why = f"{show(cell)} was written from a number that cannot hold all its digits; export it as text"
            return refused("DIGITS_LOST", why)
        repair = repair or "ended in .0; read without it"
    return _of_digits(digits, cell, "is", repair)


def _of_digits(digits: str, cell: str, is_or_holds: str, repair: str, address: str = "") -> Judged:
    """Judge the digits of an id, wherever in the cell they were found; they do not begin with a zero."""
    if int(digits) > LARGEST:
        return refused("ID_TOO_LARGE", f"{show(cell)} {is_or_holds} larger than any record id can be")
    return Judged(digits, repair, address)


def _of_address(bare: str, cell: str) -> Judged | None:
    """Judge a record's address in HubSpot; None for any other text."""
    found = _ADDRESS.fullmatch(bare) if len(bare) <= _LONGEST_ADDRESS else None
    if found is None:
        return None
    portal_id, type_id, name, digits = found.groups()
    object_type = type_id or TYPE_IDS[name.lower()]
    came_from = "came from a record's address in HubSpot"
    return _of_digits(digits, cell, "holds an id", came_from, f"{portal_id}/{object_type}")


def judge_value(cell: str) -> Judged:
    """Judge a cell that holds a unique property's value instead of an id: readable, not blank, and not cut.

    Leading zeros, points and signs belong to it. What a spreadsheet adds or damages is treated as in an id.

    >>> judge_value(" 00123 ").record_id, judge_value("1e5").record_id, judge_value("1.2E+11").mark.reason
    ('00123', '1e5', 'SCIENTIFIC_NOTATION')
    """
    value, repair = _bare_value(cell)
    if not value:
        return _missing()
    if len(value) > _LONGEST_VALUE:
        why = f"{show(cell)} is longer than any value by which records can be found; correct the cell"
        return refused("INVALID_RECORD_ID", why)
    for reason, pattern, why in _REASONS_OF_VALUES:
        if pattern.fullmatch(value):
            return refused(reason, f"{show(cell)} {why}")
    return Judged(value, repair)


def _bare_value(cell: str) -> tuple[str, str]:
    """Return a value without what a spreadsheet or copy and paste put around it, and a note of what was removed."""
    bare, repair = trim(cell), ""
    if not bare.isascii() and (visible := bare.translate(INVISIBLE).strip()).isascii():
        # In other scripts this character may join two letters.
        bare, repair = visible, "had invisible characters; read without them"
    if _MARKED_VALUE.match(bare):
        bare, repair = trim(bare[1:]), repair or "had a leading apostrophe; read without it"
    wrapped = _WRAPPED.fullmatch(bare)
    if wrapped:
        bare, repair = trim(wrapped[1]), repair or 'had ="…" around it; read without that'
    return bare, repair


def parts(cell: str, *, lenient: bool) -> list[str]:
    """Split a to object id cell at `;`, or as a JSON list, into the texts of its ids; blank ones are dropped.

    `lenient` is for HubSpot's own `Associated … IDs` columns, whose separator HubSpot does not document: commas and
    blanks separate there too, but only between ids of five digits or more, because `1,234` and `12 345 678` may be one
    number with separators. No script groups its digits by five.
    """
    if not cell:
        return []
    if _PLAIN_LIST.fullmatch(cell):
        return cell.split(";")
    texts = listed(cell) if "[" in cell else None
    if texts is not None:
        return texts
    if ";" not in cell and not lenient:
        return [] if is_blank(cell) else [cell]
    wrapped = _WRAPPED.fullmatch(cell.strip())
    texts = [part for part in (wrapped[1] if wrapped else cell).split(";") if not is_blank(part)]
    if not lenient:
        return texts
    return [piece for text in texts for piece in _pieces(text)]


def _pieces(text: str) -> list[str]:
    pieces = [piece for piece in _LOOSE_SEPARATOR.split(text.strip()) if piece]
    if len(pieces) > 1 and all(_LONG_ID.fullmatch(piece) for piece in pieces):
        return pieces
    return [text]


def _bare(cell: str) -> tuple[str, str]:
    bare = cell.strip(_ASCII_BLANKS)
    repair = ""
    if not bare.isascii():
        visible = bare.translate(INVISIBLE).strip()
        if visible != bare:
            bare, repair = visible, "had invisible characters or no-break spaces; read without them"
    if bare.startswith("'"):
        bare, repair = bare[1:].strip(), repair or "had a leading apostrophe; read without it"
    wrapped = _WRAPPED.fullmatch(bare)
    if wrapped:
        bare, repair = wrapped[1].strip(), repair or 'had ="…" around it; read without that'
    return bare, repair


def _no_id(bare: str, cell: str, option: str) -> Judged:
    if not bare:
        return _missing()
    # Patterns look at a bounded piece: a cell of ten million characters is never an id.
    piece = bare[:200]
    for reason, pattern, why in _REASONS:
        if pattern.fullmatch(piece):
            return refused(reason, f"{show(cell)} {why}")
    if (instead := instead_of_id(piece)) is not None:
        return refused("INVALID_RECORD_ID", instead.why(cell, option))
    return refused("INVALID_RECORD_ID", f"{show(cell)} is not a record id; it must be digits only")


def _missing() -> Judged:
    return refused("MISSING_RECORD_ID", "the cell is blank; fill in the record id, or delete the row")
