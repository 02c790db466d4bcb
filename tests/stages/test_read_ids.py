"""The judge of ids: from a cell's text to an id, or to a reason; never to another id."""

from loader.read import ids
from loader.reasons import REASONS

GOOD = {
    "1": "1",
    "101": "101",
    "9223372036854775807": "9223372036854775807",
    "123456789012345678": "123456789012345678",
    " 101\t": "101",
    "\u00a0101\u00a0": "101",
    "\u202f101": "101",
    "\ufeff101": "101",
    "10\u200b1": "101",
    "\u202d101\u202c": "101",
    "'101": "101",
    '="101"': "101",
    '\'="101"': "101",
    "101.0": "101",
    "101.000": "101",
    "9007199254740992.0": "9007199254740992",
}
BAD = {
    "": "MISSING_RECORD_ID",
    " \u00a0\u200b": "MISSING_RECORD_ID",
    "0": "INVALID_RECORD_ID",
    "-1": "INVALID_RECORD_ID",
    "+1": "INVALID_RECORD_ID",
    "101.": "INVALID_RECORD_ID",
    "abc": "INVALID_RECORD_ID",
    "NULL": "INVALID_RECORD_ID",
    "nan": "INVALID_RECORD_ID",
    "NA": "INVALID_RECORD_ID",
    "Total": "INVALID_RECORD_ID",
    "../..": "INVALID_RECORD_ID",
    "%2e": "INVALID_RECORD_ID",
    "12?x=1": "INVALID_RECORD_ID",
    "\u0661\u0662\u0663": "INVALID_RECORD_ID",
    "\uff11\uff12": "INVALID_RECORD_ID",
    "\u00b2": "INVALID_RECORD_ID",
    "\x1b[2J": "INVALID_RECORD_ID",
    "\u202e101": "INVALID_RECORD_ID",
    "1\n/../2": "INVALID_RECORD_ID",
    "1_000": "SEPARATOR",
    "1.23457E+11": "SCIENTIFIC_NOTATION",
    "1,23457E+11": "SCIENTIFIC_NOTATION",
    "1e5": "SCIENTIFIC_NOTATION",
    "007": "LEADING_ZERO",
    "007.0": "LEADING_ZERO",
    "101.5": "FRACTION",
    "1.234": "FRACTION",
    "1,234": "SEPARATOR",
    "101,0": "SEPARATOR",
    "1 234": "SEPARATOR",
    "1\u00a0234": "SEPARATOR",
    "1'234": "SEPARATOR",
    "1\n2": "SEPARATOR",
    "1.234.567": "SEPARATOR",
    "1;2": "SEVERAL_IDS",
    "9223372036854775808": "ID_TOO_LARGE",
    "10000000000000000000": "ID_TOO_LARGE",
    "9007199254740994.0": "DIGITS_LOST",
    "2024-01-02": "DATE",
    "1/2/2024": "DATE",
    "02.01.2024": "DATE",
    "2024-01-02 00:00:00": "DATE",
    "#N/A": "ERROR_CELL",
    "#REF!": "ERROR_CELL",
    "10\ufffd1": "UNREADABLE_CHARACTERS",
}


def test_what_cannot_change_the_record_is_taken_off() -> None:
    """An id stays the same digits, whatever blanks, marks and zeros stood around it."""
    assert {cell: ids.judge(cell).record_id for cell in GOOD} == GOOD


def test_whatever_is_in_doubt_has_a_reason() -> None:
    """No id is made of a cell that has two readings, lost digits or none; the reason is in the dictionary."""
    judged = {cell: ids.judge(cell) for cell in BAD}
    marks = {cell: each.mark for cell, each in judged.items() if each.mark}
    assert {cell: mark.reason for cell, mark in marks.items()} == BAD
    assert {each.record_id for each in judged.values()} == {""}
    assert all(mark.why.isprintable() for mark in marks.values())
    assert set(BAD.values()) <= REASONS.keys()


def test_a_huge_cell_is_refused_at_once_and_shown_short() -> None:
    """Ten million characters cost no more than a few, in time and in the message."""
    judged = ids.judge("9 " * 5_000_000)
    assert judged.record_id == ""
    assert judged.mark is not None
    assert len(judged.mark.why) < 250


LISTS = {
    "1;2;3": ["1", "2", "3"],
    "1;;2;": ["1", "2"],
    " ; ": [],
    '="1;2"': ["1", "2"],
    "1,2": ["1,2"],
}
LENIENT_LISTS = {
    "12345,67890": ["12345", "67890"],
    "12345, 67890 54321": ["12345", "67890", "54321"],
    **{cell: [cell] for cell in ("1,234", "12,345678", "12345,x", "12345,678", "1 234 567")},
}


def test_a_list_is_split_only_where_no_number_could_be_meant() -> None:
    """A semicolon always separates; commas and blanks only in HubSpot's columns, between ids of five digits or more."""
    assert {cell: ids.parts(cell, lenient=False) for cell in LISTS} == LISTS
    assert {cell: ids.parts(cell, lenient=True) for cell in LENIENT_LISTS} == LENIENT_LISTS


VALUES = {
    "ada@example.com": "ada@example.com",
    " ada@example.com\u00a0": "ada@example.com",
    "ada\u200b@example.com": "ada@example.com",
    "\u0646\u0627\u0645\u0647\u200c\u0627\u06cc": "\u0646\u0627\u0645\u0647\u200c\u0627\u06cc",
    "0042": "0042",
    "1,5": "1,5",
    "1e5": "1e5",
    "12E4": "12E4",
    "101.0": "101.0",
    "'00123": "00123",
    "'t Hooft": "'t Hooft",
    "'-VIP": "-VIP",
    "'@handle": "@handle",
    '="00123"': "00123",
    "Nancy": "Nancy",
    "#12": "#12",
}


def test_a_property_value_stays_what_it_is() -> None:
    """With an id property any readable text stands for a record; only what a spreadsheet added is taken off."""
    judged = {cell: ids.judge_value(cell) for cell in VALUES}
    assert {cell: each.record_id for cell, each in judged.items()} == VALUES
    for cell, each in judged.items():
        assert bool(each.repair) == (VALUES[cell] not in (cell, cell.strip())), cell


NO_VALUES = {
    " ": "MISSING_RECORD_ID",
    "a\ufffdb": "UNREADABLE_CHARACTERS",
    "a\0": "UNREADABLE_CHARACTERS",
    **dict.fromkeys(("1.23457E+11", "1,23457E+11", "1E+05"), "SCIENTIFIC_NOTATION"),
    **dict.fromkeys(("#N/A", "#REF!"), "ERROR_CELL"),
    **dict.fromkeys(("NULL", "n/a", "NaN", "None"), "PLACEHOLDER"),
    "x" * 1001: "INVALID_RECORD_ID",
}


def test_a_value_that_is_none_or_broken_is_refused() -> None:
    """It would find no record, or a wrong one."""
    judged = {cell: ids.judge_value(cell) for cell in NO_VALUES}
    marks = {cell: each.mark for cell, each in judged.items() if each.mark}
    assert {cell: mark.reason for cell, mark in marks.items()} == NO_VALUES
    assert {each.record_id for each in judged.values()} == {""}
    assert all(mark.why.isprintable() for mark in marks.values())
    assert set(NO_VALUES.values()) <= REASONS.keys()
