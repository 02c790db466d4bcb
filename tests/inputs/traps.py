"""The traps of people's files, each with a small file and exactly what comes of it: rows, rejects and row numbers.

The items are those of the list of messy inputs that the loader is built to; some have further tests, which are named.
"""

import gzip
import io
import zipfile
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from typing import Any, NamedTuple

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

HEAD = "object_id,to_object_id\n"
LOADED = ("object_id", "to_object_id")

Row = tuple[int, int, str, str]
"""Spreadsheet row, part of a list, first id, second id."""

Wrong = tuple[int, int, str]
"""Spreadsheet row, part of a list, reason."""


class Case(NamedTuple):
    """A file, or what makes it, and what it must give: rows and rejects, or, with `refused`, no more than that.

    `said` are words that must stand in the notes, `options` those of the load, contacts to companies if none are given.
    """

    about: str
    file: str
    content: bytes | Callable[[], bytes]
    rows: Sequence[Row] = ()
    rejects: Sequence[Wrong] = ()
    said: str = ""
    refused: str = ""
    options: tuple[tuple[str, Any], ...] = ()


class Trap(NamedTuple):
    """One item of the list; `tests` hold more of it, `note` says what they leave out."""

    item: str
    cases: Sequence[Case] = ()
    tests: Sequence[str] = ()
    note: str = ""


def text(about: str, content: str, *found: Any, encoding: str = "utf-8", file: str = "a.csv", **more: Any) -> Case:
    """Return a case of a text file; `found` are its rows and rejects, in the file's order."""
    return _case(about, file, content.encode(encoding), found, more)


def _case(
    about: str, file: str, content: bytes | Callable[[], bytes], found: Sequence[Any], more: dict[str, Any]
) -> Case:
    said, refused = more.pop("said", ""), more.pop("refused", "")
    rows = [each for each in found if len(each) == 4]
    rejects = [each for each in found if len(each) == 3]
    return Case(about, file, content, rows, rejects, said, refused, tuple(more.items()))


def sheet(
    about: str,
    rows: Sequence[Sequence[Any]],
    *found: Any,
    change: Callable[[Any, Any], object] | None = None,
    **more: Any,
) -> Case:
    """Return a case of a workbook whose first sheet has these rows; `change` may do more to book and sheet."""
    spoil = more.pop("spoil", bytes)

    def made() -> bytes:
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(row)
        if change is not None:
            change(book, book.active)
        buffer = io.BytesIO()
        book.save(buffer)
        return bytes(spoil(buffer.getvalue()))

    return _case(about, more.pop("file", "a.xlsx"), made, found, more)


def parquet(about: str, table: Any, *found: Any, **more: Any) -> Case:
    """Return a case of a Parquet file."""
    buffer = io.BytesIO()
    pq.write_table(pa.table(table), buffer)
    return _case(about, "a.parquet", more.pop("spoil", bytes)(buffer.getvalue()), found, more)


def zipped(*names: str, content: bytes = f"{HEAD}1,2\n".encode()) -> bytes:
    """Return an archive with the same content under each name, a small table unless it is given."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
    return buffer.getvalue()


def replaced(part: str, old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    """Return what changes one part of a workbook."""

    def change(content: bytes) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(buffer, "w") as target:
            for name in source.namelist():
                body = source.read(name)
                assert name != part or old in body
                target.writestr(name, body.replace(old, new) if name == part else body)
        return buffer.getvalue()

    return change


def hide_first(book: Any, first: Any) -> None:
    """Put hidden sheets with other ids before the one that people see, and sheets without a cell behind it."""
    for state in ("hidden", "veryHidden"):
        hidden = book.create_sheet(state, 0)
        for row in (LOADED, (8, 9)):
            hidden.append(row)
        hidden.sheet_state = state
    book.create_sheet("Empty")
    book.create_chartsheet("Chart")
    book.active = first


def hide_row(_: Any, sheet: Any) -> None:
    """Filter the first record out."""
    sheet.auto_filter.ref = "A1:B3"
    sheet.row_dimensions[2].hidden = True


def second_sheet(book: Any, _: Any) -> None:
    """Add another sheet with data."""
    book.create_sheet("Q2").append(LOADED)


EXPORT = (
    "Record ID - Contact,Name,Associated Company IDs,Associated Company IDs (Primary),Associated Deal IDs\n"
    "101,Ada,201;202,201,\n102,Bob,,,301\n103,Cy,203;n/a,,\n"
)
EXPORTED = (
    (2, 0, "101", "201"), (2, 1, "101", "202"), (2, 2, "101", "201"), (3, 0, "102", "301"), (4, 0, "103", "203"),
    (4, 1, "INVALID_RECORD_ID"),
)  # fmt: skip
OWN_TYPES: dict[str, Any] = {"object_type": None, "to_object_type": None}

MOMENT = datetime.fromisoformat("2024-01-02T03:04:05")

TRAPS: dict[int, Trap] = {
    1: Trap(
        "UTF-8 byte order mark",
        [
            text("before the header", HEAD + "1,2\n", (2, 0, "1", "2"), encoding="utf-8-sig"),
            text("before a quoted header", '"object_id","to_object_id"\n1,2\n', (2, 0, "1", "2"), encoding="utf-8-sig"),
        ],
    ),
    2: Trap(
        'UTF-16, Excel\'s "Unicode text"',
        [
            text("little endian, tabs", "object_id\tto_object_id\n1\t2\n", (2, 0, "1", "2"), encoding="utf-16"),
            text("without a mark", HEAD + "1,2\n", (2, 0, "1", "2"), encoding="utf-16-be"),
        ],
        ["test_read_text::test_a_utf_16_file_that_is_cut_is_refused"],
    ),
    3: Trap(
        "cp1252, and one bad byte",
        [
            text("Windows text", "object_id,to_object_id,x\n1,2,Zoë\n", (2, 0, "1", "2"), encoding="cp1252",
                 said="the file is read as Windows text (cp1252)"),
            Case("one bad byte in UTF-8", "a.csv",
                "object_id,to_object_id,x\n1,2,Zoë\n3,4,Zoë\n5,6,".encode() + b"\xe9\n",
                 [(2, 0, "1", "2"), (3, 0, "3", "4"), (4, 0, "5", "6")], said="the first in line 4"),
            Case("a bad byte in an id", "a.csv", f"{HEAD}1".encode() + b"\x81" + b"0,2\n3,4\n",
                 [(3, 0, "3", "4")], [(2, 0, "UNREADABLE_CHARACTERS")]),
        ],
        ["test_read_text::test_the_option_overrides"],
    ),
    4: Trap(
        "other delimiters",
        [
            text("semicolon", "object_id;to_object_id;x\n1;2;a,b\n", (2, 0, "1", "2")),
            text("tab", "object_id\tto_object_id\n1\t2\n", (2, 0, "1", "2")),
            text("bar", "object_id|to_object_id\n1|2\n", (2, 0, "1", "2")),
            text("given in the first line", "sep=;\nobject_id;to_object_id\n1;2\n", (2, 0, "1", "2")),
            text("given by the option", "object_id^to_object_id\n1^2\n", (2, 0, "1", "2"), delimiter="^"),
        ],
    ),
    5: Trap(
        "line breaks within quotes, and every kind of line end",
        [
            text("an address", 'object_id,to_object_id,x\n1,2,"Street\r\nTown, X"\n3,4,y\n',
                 (2, 0, "1", "2"), (3, 0, "3", "4")),
            text("an address with a postcode", 'object_id,x,to_object_id\n1,"Street 1\n10115, Berlin",2\n',
                 (2, 0, "1", "2")),
            text("three kinds in one file", "object_id,to_object_id\r\n1,2\n3,4\r5,6\n",
                 (2, 0, "1", "2"), (3, 0, "3", "4"), (4, 0, "5", "6")),
        ],
    ),
    6: Trap(
        "a quote that is never closed",
        [
            text("to the end of the file", f'{HEAD[:-1]},x\n1,2,a\n3,4,"b\n5,6,c\n', refused=r"row 3 \(line 3\)"),
            text("up to another quote", f'{HEAD[:-1]},x\n1,2,"a\n3,4,b\n5,6,"c"\n', refused=r"row 2 \(line 2\)"),
            text("over several rows", f'{HEAD[:-1]},x\n1,10,"Acme\n2,20,Foo\n3,30,Bar"\n4,40,x\n',
                 refused=r"row 2 \(line 2\)"),
            text("over the ids", 'object_id,x,to_object_id\n1,"Acme,10\n2,Foo",20\n', refused=r"row 2 \(line 2\)"),
            text("after doubled quotes", f'{HEAD[:-1]},x\n1,10,"5"" pipe""\n2,20,"6"" pipe""\n',
                 refused=r"row 2 \(line 2\)"),
            text("after text behind a quote", f'{HEAD[:-1]},x\n1,2,"a"b,"c\n3,4,d"\n', refused=r"row 2 \(line 2\)"),
            text("text after a closing quote", f'{HEAD}1,"2"0\n3,4\n"4" ,5\n', (2, 0, "MALFORMED_QUOTES"),
                 (3, 0, "3", "4"), (4, 0, "MALFORMED_QUOTES")),
        ],
    ),
    7: Trap("inch marks", [text("within a field", f'{HEAD[:-1]},x\n1,2,5" pipe\n3,4,6"\n', (2, 0, "1", "2"), (3, 0,
        "3", "4"))]),
    8: Trap("a field over 131,072 characters", [text("a long note", f"{HEAD[:-1]},x\n1,2,{'n' * 200_000}\n", (2, 0,
        "1", "2"))]),
    9: Trap(
        "scientific notation",
        [text("with a point, a comma, small", f'{HEAD}1.23457E+11,2\n"1,2E+11",2\n1e5,2\n4,5\n',
              (2, 0, "SCIENTIFIC_NOTATION"), (3, 0, "SCIENTIFIC_NOTATION"), (4, 0, "SCIENTIFIC_NOTATION"), (5, 0,
                  "4", "5"))],
    ),
    10: Trap(
        "more than 15 digits",
        [
            text("as text", f"{HEAD}1234567890123456789,2\n", (2, 0, "1234567890123456789", "2")),
            sheet("a number cell", [LOADED, (999999999999999, 2), (10**15, 2), (1234567890123456, 2), (1e300, 2),
                                    ("1234567890123456", 2), (-1, 2)],
                  (2, 0, "999999999999999", "2"), *((row, 0, "DIGITS_LOST") for row in (3, 4, 5)),
                  (6, 0, "1234567890123456", "2"), (7, 0, "INVALID_RECORD_ID")),
            text("more than any id", f"{HEAD}9223372036854775808,2\n", (2, 0, "ID_TOO_LARGE")),
        ],
    ),
    11: Trap(
        "101.0",
        [
            text("a fraction of zeros", f"{HEAD}101.0,2.000\n", (2, 0, "101", "2"),
                said="2 ids ended in .0"),
            text("another fraction", f"{HEAD}101.5,2\n101.,2\n", (2, 0, "FRACTION"), (3, 0, "INVALID_RECORD_ID")),
            text("of a number that was too long", f"{HEAD}9007199254740994.0,2\n", (2, 0, "DIGITS_LOST")),
        ],
    ),
    12: Trap(
        "text marks come along",
        [text("apostrophe, formula", HEAD + "'101,=\"102\"\n", (2, 0, "101", "102"),
            said="1 id had a leading apostrophe")],
    ),
    13: Trap(
        "thousands separators, decimal commas",
        [text("of every kind", f'{HEAD}"1,234",2\n1.234.567,2\n"1,5",2\n1 234,2\n1\'234,2\n1.234,2\n',
              *((row, 0, "SEPARATOR") for row in range(2, 7)), (7, 0, "FRACTION"))],
    ),
    14: Trap(
        "no-break spaces and characters that nobody sees",
        [text("around and within", f"{HEAD}\u00a0101\u200b,2\u200b0\n", (2, 0, "101", "20"),
              said="2 ids had invisible characters"),
         text("one that turns the digits around", f"{HEAD}\u202e101,2\n", (2, 0, "INVALID_RECORD_ID"))],
    ),
    15: Trap("leading zeros", [text("another system's key", f"{HEAD}00101,2\n3,4\n", (2, 0, "LEADING_ZERO"), (3, 0,
        "3", "4"))]),
    16: Trap(
        "empty rows",
        [text("between and after", f"{HEAD}\n1,2\n,\n  , \n3,4\n\n\n", (3, 0, "1", "2"), (6, 0, "3", "4")),
         sheet("in a workbook", [(), LOADED, (), (1, 2)], (4, 0, "1", "2"))],
    ),
    17: Trap(
        "HubSpot's own headers",
        [
            text("an export as it comes", EXPORT, *EXPORTED, **OWN_TYPES),
            text("whose first type nothing says", "Record ID,Associated Company IDs\n1,2\n",
                refused="Add --from contacts", **OWN_TYPES),
            text("narrowed by --to", EXPORT, (3, 0, "102", "301"), object_type=None, to_object_type="deals"),
            text("in another language", "Datensatz-ID,Firmen\n1,2;3\n", (2, 0, "1", "2"), (2, 1, "1", "3"),
                 columns={"object_id": "Datensatz-ID", "to_object_id": "Firmen"}),
            text("without the ids", "Record ID,Associated Company\n1,Acme\n",
                refused="holds names: export from HubSpot again with the ids"),
            text("with a label of its own beside it",
                "Record ID,Associated Company IDs (Primary),Association Label\n1,2,x\n",
                 refused="both hold the label"),
        ],
        [
            "test_read_columns::test_a_hubspot_export_is_read_as_it_is",
            "test_read_columns::test_several_types_are_all_read_unless_the_option_narrows",
            "test_read_columns::test_commas_separate_only_long_ids_of_hubspots_columns",
        ],
    ),
    18: Trap(
        "duplicate and lookalike headers",
        [
            text("a wanted one twice", "object_id,to_object_id,object_id\n1,2,3\n", refused="is there twice"),
            text("a wanted one twice, and named", "object_id,to_id,to_id\n1,2,3\n", refused="is there twice",
                 columns={"to_object_id": "to_id"}),
            text("another one twice", "object_id,to_object_id,x,x\n1,2,a,b\n", (2, 0, "1", "2")),
            text("two names of one field", "object_id,Record ID,to_object_id\n1,2,3\n", refused="--column object_id="),
            text("Cyrillic letters", "\u043ebject_id,to_object_id\n1,2\n", refused="only look like those of object_id"),
        ],
    ),
    19: Trap(
        "totals, footers, the header once more",
        [text("each is rejected with its row", f"{HEAD}1,2\n{HEAD}3,4\nTotal,2\nExported by Ada,\n",
              (2, 0, "1", "2"), (3, 0, "REPEATED_HEADER"), (4, 0, "3", "4"), (5, 0, "INVALID_RECORD_ID"), (6, 0,
                  "INVALID_RECORD_ID")),
         text("titles above", f"Report of 2026,\n\n{HEAD}1,2\n", (4, 0, "1", "2")),
         text("a total in another column", f"name,{HEAD}a,101,201\nb,102,202\nGrand Total,2,2\n",
              (2, 0, "101", "201"), (3, 0, "102", "202"), (4, 0, "TOTAL_ROW")),
         text("subtotals and totals in several tongues",
              f"{HEAD[:-1]},name\n25310007160,18259732943,Total\n12,3,Zwischensumme:\n25310069645,18258702902,Ada\n"
              "3,18258702902,Total for Acme\n4,5,Acme Total\n6,7,Bob\n8,9,Total Wine\n",
              (2, 0, "25310007160", "18259732943"), (3, 0, "TOTAL_ROW"), (4, 0, "25310069645", "18258702902"),
              (5, 0, "TOTAL_ROW"), (6, 0, "TOTAL_ROW"), (7, 0, "6", "7"), (8, 0, "8", "9")),
         text("totals as spreadsheets write them in other languages",
              f"name,{HEAD}a,10234,20234\nb,10235,20235\nTotal geral,2,2\nEindtotaal,2,2\nSuma ko\u0144cowa,2,2\n"
              "Genel Toplam,2,2\n\u041e\u0431\u0449\u0438\u0439 \u0438\u0442\u043e\u0433,2,2\n"
              "Grand Total (all regions),2,2\nTotal Wine,2,2\n",
              (2, 0, "10234", "20234"), (3, 0, "10235", "20235"), *((row, 0, "TOTAL_ROW") for row in range(4, 10)),
              (10, 0, "2", "2")),
         sheet("a total in another column of a sheet", [("name", *LOADED), ("a", 10234, 20234), ("Summe", 1, 1)],
               (2, 0, "10234", "20234"), (3, 0, "TOTAL_ROW")),
         text("a company called Total", f"{HEAD[:-1]},name\n101,201,Total\n102,99,Summe\n", (2, 0, "101", "201"),
              (3, 0, "102", "99")),
         text("a total beside keys", "email,to_object_id,name\na@x.de,20234,a\n,2,Total\nb@x.de,3,Total\n",
              (2, 0, "a@x.de", "20234"), (3, 0, "TOTAL_ROW"), (4, 0, "TOTAL_ROW"),
              columns={"object_id": "email"}, from_id_property="email"),
         text("labels, types and keys that are words for a total",
              "email,to_object_id,label,category\na@x.de,20234,Partner,\nTotal,2,SUM,\nb@x.de,3,Summe:,Total\n",
              (2, 0, "a@x.de", "20234"), (3, 0, "Total", "2"), (4, 0, "b@x.de", "3"),
              columns={"object_id": "email"}, from_id_property="email"),
         text("a label Count beside short ids, with and without a total",
              f"{HEAD[:-1]},label,name\n25310007160,18259732943,Count,Ada\n12,7,Count,Bob\n12,7,Count,Total\n",
              (2, 0, "25310007160", "18259732943"), (3, 0, "12", "7"), (4, 0, "TOTAL_ROW")),
         text("words for no id in both columns", f"{HEAD}1,2\nNo ID,No ID\n3,4\n", (2, 0, "1", "2"),
              (3, 0, "INVALID_RECORD_ID"), (4, 0, "3", "4")),
         text("a second header, columns in another order", f"{HEAD}1,2\nto_object_id,object_id\n4,3\n",
              refused="row 3 is a header"),
         text("a second header, other object types",
              "Record ID - Contact,Associated Company IDs\n1,2\nRecord ID - Company,Associated Contact IDs\n4,3\n",
              refused="row 3 is a header", object_type=None, to_object_type=None),
         text("a second header, more columns", f"{HEAD}1,2\nobject_type,{HEAD}deals,3,4\n",
              refused="row 3 is a header"),
         text("a second header, fewer columns", f"note,{HEAD}x,1,2\nto_id,from_id\n4,3\n", refused="row 3 is a header"),
         text("a second header, other spelling", f"{HEAD}1,2\nobjectId,to_id\n3,4\n", refused="row 3 is a header"),
         text("a second header below an unended line", f"{HEAD}1,2to_id,from_id\n4,3\n", refused="row 2 is a header"),
         text("a second header below an unended line with a label",
              f"{HEAD[:-1]},label\n1,2,Bossto_id,from_id,label\n4,3,x\n", refused="row 2 is a header"),
         text("a second header under names of one's own", "A,B\n1,2\nB,A\n4,3\n", refused="row 3 is a header",
              columns={"object_id": "A", "to_object_id": "B"}),
         text("a second header, whose names nobody knows", f"{HEAD}1,2\nPerson ID,Firm ID\n4,3\n",
              refused="row 3 is a header"),
         text("a second header above keys", "Email,Domain\na@x.de,x.de\nDomain,Email\nx.de,a@x.de\n",
              refused="row 3 is a header", columns={"object_id": "Email", "to_object_id": "Domain"},
              from_id_property="email", to_id_property="domain"),
         _case("a second header in a packed file put together", "a.csv.gz",
               gzip.compress(f"{HEAD}1,2\n".encode()) + gzip.compress(b"to_object_id,object_id\n4,3\n"), (),
               {"refused": "row 3 is a header"}),
         sheet("a second table on a sheet", [LOADED, (1, 2), (), ("Companies",), ("to_id", "from_id"), (4, 3)],
               refused="row 5 is a header"),
         sheet("a wider second table on a sheet", [LOADED, (1, 2), ("label", "to_id", "from_id"), ("x", 4, 3)],
               refused="row 3 is a header"),
         text("texts that only look like headers", f"{HEAD[:-1]},state,country\n,2,ID,ID\n3,4,Boise ID,a ID\n",
              (2, 0, "MISSING_RECORD_ID"), (3, 0, "3", "4"))],
    ),
    20: Trap(
        "ragged rows, trailing delimiters, shifted cells",
        [
            text("more and fewer fields", f"{HEAD}101,201,301\n102\n103,203,\n104,204\n",
                 (2, 0, "FIELD_COUNT"), (3, 0, "FIELD_COUNT"), (4, 0, "FIELD_COUNT"), (5, 0, "104", "204")),
            text("a comma in a name without quotes", f"{HEAD[:-1]},x\n1,Doe, John,2\n", (2, 0, "FIELD_COUNT")),
            text("on every line", "object_id,to_object_id,\n1,2,\n", (2, 0, "1", "2")),
            sheet("right of a sheet's table", [LOADED, (1, 2, 3), (4, 5)], (2, 0, "FIELD_COUNT"), (3, 0, "4", "5")),
        ],
    ),
    21: Trap(
        "#N/A, NULL, nan, NA",
        [
            text("as ids", f"{HEAD}#N/A,2\nNULL,2\nnan,2\nNA,2\n", (2, 0, "ERROR_CELL"),
                 *((row, 0, "INVALID_RECORD_ID") for row in (3, 4, 5))),
            text("as labels", f"{HEAD[:-1]},label\n1,2,NA\n", (2, 0, "1", "2")),
            text("as keys", f"{HEAD}NULL,2\nn/a,2\n", (2, 0, "PLACEHOLDER"), (3, 0, "PLACEHOLDER"),
                from_id_property="email"),
        ],
        ["test_read_delimited::test_words_for_nothing_are_text"],
    ),
    22: Trap(
        "dates",
        [
            text("as text", f"{HEAD}2024-01-02,2\n1/2/2024,2\n", (2, 0, "DATE"), (3, 0, "DATE")),
            sheet("as Excel keeps them", [LOADED, (date(2024, 1, 2), 3), (MOMENT, 3), (time(1), 3)],
                  *((row, 0, "DATE") for row in (2, 3, 4))),
        ],
    ),
    23: Trap("NUL characters", [text("anywhere in a row", f"{HEAD[:-1]},x\n1,2,a\0\n3,4,b\n5\0,6,d\n",
        (2, 0, "NUL_CHARACTER"), (3, 0, "3", "4"), (4, 0, "NUL_CHARACTER")),
        parquet("a hash in a column that is not read", {"object_id": ["1", "3"], "to_object_id": ["2", "4"],
            "hash": [b"\x9f\0", b"a\0"]}, (2, 0, "1", "2"), (3, 0, "3", "4")),
        parquet("bytes for an id", {"object_id": ["1", "3"], "to_object_id": [b"2\0", b"4"]},
            (2, 0, "UNREADABLE_CHARACTERS"), (3, 0, "3", "4"))]),
    24: Trap(
        "hidden sheets, several sheets",
        [
            sheet("hidden ones come first", [LOADED, (1, 2)], (2, 0, "1", "2"), change=hide_first),
            sheet("two that are seen", [LOADED, (1, 2)], change=second_sheet, refused="choose one with --sheet"),
            sheet("two, and the one named", [LOADED, (1, 2)], (2, 0, "1", "2"), change=second_sheet, sheet="sheet"),
            sheet("two, and neither is named", [LOADED, (1, 2)], change=second_sheet, sheet="Third",
                  refused='no sheet "Third"; the sheets are "Sheet", "Q2"'),
        ],
    ),
    25: Trap(
        "a sheet that lies about its size",
        [sheet("two rows more", [LOADED, (1, 2), (3, 4)], (2, 0, "1", "2"), (3, 0, "3", "4"),
               spoil=replaced("xl/worksheets/sheet1.xml", b'ref="A1:B3"', b'ref="A1:A1"'))],
    ),
    26: Trap("filtered rows", [sheet("are read and said", [LOADED, (1, 2), (3, 4)], (2, 0, "1", "2"), (3, 0, "3", "4"),
                                     change=hide_row, said="has hidden rows")]),
    27: Trap(
        "merged cells",
        [sheet("all but the first are empty", [LOADED, (1, 2), (None, 3), (4, 5)],
               (2, 0, "1", "2"), (3, 0, "MERGED_CELL"), (4, 0, "4", "5"),
               change=lambda _, page: page.merge_cells("A2:A3")),
         sheet("in a title", [("Title",), (*LOADED, "x"), (1, 2)], (3, 0, "1", "2"),
               change=lambda _, page: page.merge_cells("A1:C1"))],
    ),
    28: Trap(
        "exactly as many rows as a spreadsheet holds",
        tests=["test_read_delimited::test_a_last_row_at_a_spreadsheet_limit_is_said",
            "test_read_excel::test_a_sheet_at_its_limit_is_said"],
        note="65,536 are tested; 1,048,576 go by the same comparison",
    ),
    29: Trap(
        "empty, a header alone, no header",
        [
            text("nothing at all", "", refused="is empty"),
            text("a header alone", HEAD, said="a header and no rows"),
            text("no header", "101,201\n102,202\n", refused='I can\'t tell which columns hold the ids.*"101", "201"'),
            text("blank lines alone", "\n\n\n", refused="I can't tell which columns hold"),
            text("other columns", "name,city\nx,y\n", refused='which columns hold.*--column.*"name", "city"'),
            text("names that control a terminal", "\x1b[2J,x\n1,2\n", refused=r"\\x1b"),
            text("one JSON array", '[{"object_id": 1}]', refused="JSONL"),
            text("JSON lines without an object", HEAD + "1,2\n", file="a.jsonl",
                 refused=r"no line with a JSON object.*line 1"),
            sheet("an empty workbook", [], refused="no visible sheet"),
            sheet("a workbook without the columns", [("name",), ("x",)], refused='which columns? holds?.*"name"'),
            parquet("Parquet without the columns", {"name": ["x"]}, refused='"name"'),
        ],
    ),
    30: Trap(
        "gz, zip, wrong endings, passwords, bombs",
        [
            Case("gzip", "a.csv.gz", gzip.compress(f"{HEAD}1,2\n".encode()), [(2, 0, "1", "2")]),
            Case("zip", "a.zip", zipped("export/a.csv"), [(2, 0, "1", "2")]),
            Case("a zip of no table", "a.zip", zipped("a.md", "b.md"), refused='"a.md", "b.md"; unpack it and name'),
            Case("an empty zip", "a.zip", zipped(), refused="no file"),
            Case("a zip of Parquet that is none", "a.zip", zipped("a.parquet", content=b"PAR1"), refused="damaged"),
            Case("a packed file in a zip", "a.zip", zipped("a.csv.gz", content=gzip.compress(b"x")),
                 refused="packed itself"),
            Case("a binary workbook", "a.zip", zipped("xl/workbook.bin"), refused="xlsb"),
            sheet("a workbook named .csv", [LOADED, (1, 2)], (2, 0, "1", "2"), file="a.csv"),
            text("a web page named .xls", "<html><table></table></html>", file="a.xls", refused="is a web page"),
            text("CSV named .xlsx", HEAD + "1,2\n", (2, 0, "1", "2"), file="a.xlsx"),
            Case("cut short", "a.csv.gz", gzip.compress(HEAD.encode() * 9)[:-9], refused="damaged or cut short"),
            parquet("Parquet cut short", {"object_id": [1], "to_object_id": [2]}, spoil=lambda whole: whole[:-9],
                refused="damaged"),
        ],
        [
            "test_read_inputs::test_a_bomb_is_stopped",
            "test_read_inputs::test_a_protected_archive_is_refused_in_words",
            "test_read_excel::test_a_protected_workbook_is_refused_in_words",
            "test_bombs::test_no_small_file_fills_the_memory",
        ],
    ),
    31: Trap(
        "ten million rows",
        tests=["test_read_million::test_a_million_csv_rows_are_read_in_little_memory"],
        note="a million are measured; memory does not grow with their number",
    ),
    32: Trap(
        "Excel's other cells: true and false, errors, formulas that were never calculated",
        [sheet("each has its reason",
               [LOADED, (True, 2), ("#REF!", 2), ("#N/A", 2), ("=1+1", 2), (1, "=A2"), (1.5, 2), ("#hash", 2), (3, 4)],
               (2, 0, "BOOLEAN"), (3, 0, "ERROR_CELL"), (4, 0, "ERROR_CELL"), (5, 0, "FORMULA_WITHOUT_VALUE"),
               (6, 0, "FORMULA_WITHOUT_VALUE"), (7, 0, "FRACTION"), (8, 0, "INVALID_RECORD_ID"), (9, 0, "3", "4"))],
    ),
    33: Trap(
        "Parquet: whole numbers with gaps, floats, dictionaries, lists",
        [
            parquet("whole numbers with gaps", {"object_id": pa.array([1, None], pa.int64()), "to_object_id": ["2",
                "3"]},
                    (2, 0, "1", "2"), (3, 0, "MISSING_RECORD_ID")),
            parquet("floats", {"object_id": [1.0, 1.5, 2.0**53, None], "to_object_id": ["2"] * 4},
                    (2, 0, "1", "2"), (3, 0, "FRACTION"), (4, 0, "DIGITS_LOST"), (5, 0, "MISSING_RECORD_ID")),
            parquet("dictionaries and lists", {"object_id": pa.array(["1", "1"]).dictionary_encode(),
                                               "to_object_id": pa.array([[2, 3], [4]])},
                    (2, 0, "1", "2"), (2, 1, "1", "3"), (3, 0, "1", "4")),
        ],
        ["test_read_parquet_jsonl::test_each_type_gives_exact_ids_or_a_reason"],
    ),
}  # fmt: skip
