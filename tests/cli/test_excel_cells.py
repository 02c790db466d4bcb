"""A cell that the Excel reader cannot represent costs at most its row, and nothing in a column that is not read."""

import re
import zipfile
from pathlib import Path

import openpyxl
import pytest
import xlwt

from loader.sandbox import Sandbox
from tests.cli.conftest import Run, lines

CELLS = {
    "a spill": '<c r="{at}" t="e"><v>#SPILL!</v></c>',
    "a blocked one": '<c r="{at}" t="e"><f>A&amp;B</f><v>#BLOCKED!</v></c>',
    "an error of tomorrow": '<c r="{at}" t="e"><v>#NEW &lt;1&gt;!</v></c>',
    "getting data": '<c r="{at}" t="e"><v>#GETTING_DATA</v></c>',
    "a known error": '<c r="{at}" t="e"><v>#N/A</v></c>',
    "a duration beyond days": '<c r="{at}" s="{style}"><v>18259732943</v></c>',
    "a duration before time": '<c r="{at}" s="{style}"><v>-1E+300</v></c>',
    "a date before all time": '<c r="{at}" s="{date}"><v>-1E+300</v></c>',
    "a truth that is none": '<c r="{at}" t="b"><v>7</v></c>',
    "no number": '<c r="{at}"><v>abc</v></c>',
    "a kind of cell of tomorrow": '<c r="{at}" t="rich"><v>1</v></c>',
}


def workbook(path: Path, cells: list[tuple[str, str]]) -> None:
    """Records with an id each, a label column and a note; the n-th of `cells` says what stands where in row n + 2."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["object_id", "to_object_id", "label", "note"])
    for place, (column, _) in enumerate(cells):
        sheet.append([18259732940 + place, 201, None, "n"])
        sheet.cell(2 + place, 1).number_format = "0"
        if column:
            sheet[f"{column}{2 + place}"] = "here"
    if any("duration" in kind for _, kind in cells):
        sheet["F1"].number_format = "[h]:mm:ss"
    sheet["G1"].number_format = "yyyy-mm-dd"
    book.save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    xml = parts["xl/worksheets/sheet1.xml"].decode()
    style, date = ("".join(re.findall(rf'<c r="{at}" s="([0-9]+)"', xml)) for at in ("F1", "G1"))
    for place, (column, kind) in enumerate(cells):
        at = f"{column}{2 + place}"
        xml = re.sub(rf'<c r="{at}".*?</c>', CELLS[kind].format(at=at, style=style, date=date), xml) if column else xml
    parts["xl/worksheets/sheet1.xml"] = xml.encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def test_a_cell_that_cannot_be_read_costs_at_most_its_row(sandbox: Sandbox, load: Run) -> None:
    """In a note it costs nothing; in an id or a label the row is rejected, and the others are loaded."""
    cells = [each for kind in CELLS for column in "ABCD" for each in ((column, kind), ("", ""))]
    workbook(Path("a.xlsx"), cells)
    done = load("a.xlsx")
    found = {int(line["row"]): line["status"] for line in lines("a.results.csv")}
    expected = {
        row: "rejected" if column in ("A", "B", "C") else "created" for row, (column, _) in enumerate(cells, start=2)
    }
    assert (found, done.code) == (expected, 1), done.err
    failures = openpyxl.load_workbook("a.failures.xlsx").active
    assert {cell.value for cell in failures["D"]} == {"note", "n"}


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("kind", ["a spill", "a date before all time", "a truth that is none"])
def test_one_such_cell_in_a_note_costs_nothing(kind: str, sandbox: Sandbox, load: Run) -> None:
    """Whatever makes the reader give up is looked for by itself."""
    workbook(Path("a.xlsx"), [("", ""), ("D", kind)])
    assert load("a.xlsx").code == 0
    assert {line["status"] for line in lines("a.results.csv")} == {"created"}


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("kind", ["a spill", "a known error", "a blocked one"])
def test_such_a_cell_in_the_last_header_costs_nothing(kind: str, sandbox: Sandbox, load: Run) -> None:
    """It is a column's header all the same, although nobody knows its text."""
    workbook(Path("a.xlsx"), [("", ""), ("", "")])
    with zipfile.ZipFile("a.xlsx") as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    parts[sheet] = re.sub(r'<c r="D1".*?</c>', CELLS[kind].format(at="D1"), parts[sheet])
    with zipfile.ZipFile("a.xlsx", "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    assert load("a.xlsx").code == 0
    assert [line["status"] for line in lines("a.results.csv")] == ["created"] * 2


def test_another_sheet_with_such_a_cell_is_counted_as_filled(sandbox: Sandbox, load: Run) -> None:
    """`--sheet` says which one is meant, and the other's cells do no harm."""
    workbook(Path("a.xlsx"), [("D", "a spill")])
    book = openpyxl.load_workbook("a.xlsx")
    other = book.create_sheet("Other")
    for row in (("object_id", "to_object_id"), (101, 201)):
        other.append(row)
    book.save("a.xlsx")
    assert load("a.xlsx").code == 2
    assert load("a.xlsx", "--sheet", "Other").code == 0
    assert [line["object_id"] for line in lines("a.results.csv")] == ["101"]


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("rows", [3, 400], ids=["in a small file", "in a large one"])
def test_unreadable_cells_of_an_old_workbook_cost_their_rows(rows: int, sandbox: Sandbox, load: Run) -> None:
    """In a note they cost nothing, in an id the row; small files lie in other sectors than large ones."""
    book = xlwt.Workbook()
    sheet = book.add_sheet("Sheet", cell_overwrite_ok=True)
    long = xlwt.easyxf(num_format_str="[h]:mm:ss")
    for column, name in enumerate(("object_id", "to_object_id", "note", "error", "duration", "another")):
        sheet.write(0, column, name)
    for row in range(1, rows + 1):
        for column, value in enumerate((18259732943 + row, 201, "a note of some length")):
            sheet.write(row, column, value)
    sheet.row(1).set_cell_error(3, "#N/A!")
    for column, row in ((2, 2), (0, 3)):
        sheet.write(row, column, 18259732943, long)
    sheet.write(rows, 4, -1e300, xlwt.easyxf(num_format_str="yyyy-mm-dd"))
    sheet.write(rows, 5, 6_000_000_000, long)
    book.save("a.xls")
    content = bytearray(Path("a.xls").read_bytes())
    place = content.index(b"\x05\x02\x08\x00\x01\x00\x03\x00") + 4
    content[place + 6] = 0x2C  # an error that came after the format
    Path("a.xls").write_bytes(content)
    load("a.xls")
    found = {int(line["row"]): line["status"] for line in lines("a.results.csv")}
    assert found == {row: "rejected" if row == 4 else "created" for row in range(2, rows + 2)}
