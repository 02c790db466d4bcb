"""Spreadsheets as people make them: the first message says what is in the way, and what to do about it."""

from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlwt

from tests.cli.conftest import CONTACTS, Run, refused

HEADER = "Contact ID,Company ID\n"
CELLS = {
    "emails": (
        HEADER + "ada@example.com,201\nbo@example.org,202\n",
        "email addresses in place of record ids in 2 rows: to find the records by it, add --from-id-property email.",
    ),
    "keys of Salesforce": (
        HEADER + "101,0015000000WLGJxAAP\n102,0015000000WLGJyAAP\n",
        "in 2 rows: where a HubSpot property with unique values has this key, add --to-id-property with",
    ),
    "keys of a shop": (HEADER + "C-10042,201\nC-10043,202\n", "another system's keys in place of record ids in 2 rows"),
    "domains": (HEADER + "101,acme.com\n102,https://www.example.org/about\n", "add --to-id-property domain."),
    "addresses of lists": (
        HEADER + "".join(f"{row},https://app.hubspot.com/contacts/55/objects/0-2/views/{row}/list\n" for row in (1, 2)),
        "addresses in HubSpot that are not those of records in place of record ids in 2 rows: open the record",
    ),
    "names": (
        HEADER + "101,Acme GmbH\n102,Müller & Söhne\n",
        '"Company ID" holds names in place of record ids in 2 row',
    ),
    "a pivot table": (
        HEADER + "101,201\n,202\n,203\n102,204\n,205\n",
        '"Contact ID" is blank in 3 rows below a filled one. If the id above is theirs, too, as in a pivot table, fill',
    ),
}


@pytest.fixture
def plan(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `plan` from contacts to companies without a token."""
    monkeypatch.delenv("HUBSPOT_ACCESS_TOKEN")
    return lambda *arguments: run("plan", *arguments, *CONTACTS)


@pytest.mark.slow_after(2)
@pytest.mark.parametrize("what", CELLS)
def test_what_stands_where_ids_belong_is_said_once_with_the_way_on(what: str, plan: Run) -> None:
    """Whoever reads the plan need not know what a record id is; without a token it is the same."""
    text, expected = CELLS[what]
    Path("a.csv").write_text(text)
    done = plan("a.csv")
    assert done.code == 1
    assert expected in done.out


def test_a_few_slips_make_no_note(plan: Run) -> None:
    """Each has its reason, with the option that would load such keys at its end of the row."""
    rows = "".join(f"{row},201\n" for row in range(1, 30))
    Path("a.csv").write_text(f"{HEADER}{rows}ada@example.com,202\nbo@example.com,202\n,202\n7,e@example.com\n")
    done = plan("a.csv", "--failures", "bad.csv")
    assert "Note:" not in done.out
    failures = Path("bad.csv").read_text()
    assert (
        '""ada@example.com"" is an email address, not a record id; to find the records by it, add --from-id' in failures
    )
    assert "add --to-id-property email" in failures


ROWS = "\n25310007160;Zoé;18259732943\n25310007161;Ana;18259732944\n"
REFUSED = {
    "a pivot table with ids as headers": (
        "Contact ID,18259732943,18258702902\n25310007160,x,\n25310069645,,x\n",
        'row 1 has record ids where the names of columns belong ("18259732943", "18258702902"), as a pivot table has.',
    ),
    "ids below the first row, too": (
        "Boss,25310007160,18259732943\nBoss,25310007161,18259732944\n",
        'a.csv: has no header row: its first row holds "Boss", "25310007160", "18259732943".',
    ),
    "two columns of labels": (
        "Contact ID,Company ID,Label,Association label\n1,2,A,B\n",
        "Or put all labels of a row into one cell, separated by ;.",
    ),
    "headers of other keys": (
        "E-Mail,Company domain\na@example.com,example.com\n",
        '="E-Mail" --column to_object_id="Company domain" --from-id-property email --to-id-property domain?',
    ),
    "emails before phone numbers": (
        "Phone,Mail,Company ID\n4922812345,ada@example.com,18259732943\n",
        '--column object_id="Mail" --from-id-property email?',
    ),
    "French": (
        f"Identifiant du contact;Prénom;Identifiant de l'entreprise{ROWS}",
        'object_id="Identifiant du contact"',
    ),
    "Spanish, companies first": (f"ID de empresa;Nombre;ID de contacto{ROWS}", 'object_id="ID de contacto"'),
    "German, companies first": (
        f"Firmen-ID;Name;Kontakt-ID{ROWS}",
        'object_id="Kontakt-ID" --column to_object_id="Firmen-ID"',
    ),
    "Japanese": (f"コンタクトID;氏名;会社ID{ROWS}", 'object_id="コンタクトID" --column to_object_id="会社ID"'),
    "two header rows": (f"ID;Name;ID{ROWS}", '2 columns with ids are called "ID": give each its own name.'),
    "no word of HubSpot's": (f"Nr. A;Ansprache;Nr. B{ROWS}", 'object_id="Nr. A" --column to_object_id="Nr. B"'),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_table_of_another_form_is_refused_with_the_way_on(what: str, plan: Run) -> None:
    """The columns that are proposed hold ids, whichever language the file is in; only a pivot table is called one."""
    text, expected = REFUSED[what]
    Path("a.csv").write_text(text)
    done = plan("a.csv")
    refused(done, expected)
    assert ("pivot" in done.err) == ("pivot" in what)


def test_both_of_two_label_columns_can_be_loaded(hubspot: Run, load: Run) -> None:
    """The warning says how, and doing so gives each pair both labels."""
    labels = [{"from": "contacts", "to": "companies", "label": label} for label in ("A", "B")]
    Path("a.csv").write_text("Contact ID,Company ID,Label 1,Label 2\n101,201,A,B\n")
    with hubspot(portal={"labels": labels}) as sandbox:
        done = load("a.csv", "--column", "label=Label 1")
        assert 'load once more with --column label="Label 2"' in done.err
        assert load("a.csv", "--column", "label=Label 2").code == 0
        assert len(sandbox.portal.types_of("contacts", 101, "companies", 201)) == 3


@pytest.mark.parametrize("ending", ["xlsx", "xls"])
def test_the_sheet_that_is_proposed_has_a_header_with_ids(ending: str, plan: Run) -> None:
    """Not the first one, which is often a page of notes."""
    sheets: dict[str, list[tuple[Any, ...]]] = {
        "Read me": [("Made by", "Ada")],
        "Links": [("Contact ID", "Company ID"), (101, 201)],
        "More": [("x",)],
        "February": [("Contact ID", "Company ID"), (102, 202)],
    }
    if ending == "xlsx":
        book = openpyxl.Workbook()
        book.remove(book.active)
        for name, rows in sheets.items():
            sheet = book.create_sheet(name)
            for row in rows:
                sheet.append(row)
        book.save("a.xlsx")
    else:
        old = xlwt.Workbook()
        for name, rows in sheets.items():
            sheet = old.add_sheet(name)
            for place, row in enumerate(rows):
                for column, value in enumerate(row):
                    sheet.write(place, column, value)
        old.save("a.xls")
    refused(plan(f"a.{ending}"), '--sheet "Links"; "February" can be loaded by the same command, one after the other.')


ENCODED = {
    "cp932": ("会社名", "株式会社東京", "--encoding cp932"),
    "cp1251": ("Название", "Москва", "--encoding cp1251"),
    "gb18030": ("公司", "北京科技有限公司", "--encoding gb18030"),
    "cp1252": ("Straße", "Müller Größe", ""),
}


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("encoding", ENCODED)
def test_an_encoding_is_named_and_never_acted_upon(encoding: str, plan: Run) -> None:
    """Western letters need no hint; a header in other letters has it in the sentence that refuses the file."""
    header, cell, hint = ENCODED[encoding]
    rows = "".join(f"{row},201,{cell}\n" for row in range(101, 120))
    Path("a.csv").write_bytes(f"Contact ID,Company ID,{header}\n{rows}".encode(encoding))
    done = plan("a.csv")
    assert "cp1252" in done.out
    assert ("Its letters may be" in done.out, hint in done.out) == (bool(hint), True)
    Path("b.csv").write_bytes(f"{header},{header} 2\n{cell},{cell}\n".encode(encoding))
    refused = plan("b.csv")
    assert (refused.code, hint in refused.err) == (2, True)
    assert ("--column object_id=" in refused.err) == (not hint), "no name that nobody can read is proposed"
