"""Write the sample exports beside this file: python samples/make_samples.py [FOLDER].

They look like what people have: exports of a CRM, of a spreadsheet and of a data warehouse, sound for the most part
and with a few rows wrong in the ways that happen. The names are made up; all addresses are of example.com. The random
choices are seeded, so running this again gives the same files; a Parquet file also names the version that wrote it.
"""
# ruff: noqa: INP001 - a folder of samples is no package

import csv
import io
import re
import sys
import unicodedata
import zipfile
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import NamedTuple

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
from openpyxl.styles import Font

SEED = 62515
MISSING_CONTACT = "25310000404"
MISSING_COMPANY = "18250000404"
"""Records that portal.json says are not there."""

FIRST_NAMES = (
    "Ada Amélie Anke Björn Carla Chloé David Dörte Elena Emre Fatma François Greta Günther Hanna Ines Jonas Jörg Julia "
    "Jürgen Karim Katharina Lars Leïla Lucía Malik Mateo Mia Nina Noah Oskar Paula Peter Renée Rosa Sören Sofia Thomas "
    "Tomás Ulrike Veronika Yusuf Zoë"
)
LAST_NAMES = (
    "Abel Ackermann Álvarez Bauer Böhm Brandt Castro Dietrich Dubois Ebert Fernández Fischer Gärtner Gonçalves Groß "
    "Haas Hoffmann Ibrahim Jäger Jensen Kaya Köhler Krüger Lang Lefèvre Lindqvist Maier Martín Möller Neumann Núñez "
    "Öztürk Petit Quandt Richter Roux Schäfer Schröder Simon Torres Ünal Vogel Weiß Winter Yilmaz Zimmermann"
)
TOWNS = "Alster Elbe Havel Isar Lahn Main Mosel Neckar Oder Rhein Saale Spree Tauber Weser"
TRADES = (
    "Bäckerei Buchhandlung Druckerei Elektrotechnik Gartenbau Großhandel Kälteanlagen Logistik Maschinenbau "
    "Möbelwerk Optik Planungsbüro Software Werkzeugbau"
)
DEALS = "Renewal Upgrade Onboarding Pilot Expansion Maintenance Training Migration"
PROBLEMS = (
    "Invoice shows the wrong address",
    "Cannot sign in after the move",
    "Delivery arrived incomplete",
    "Question about the yearly report",
    "Export stops at half",
    "Please add a second user",
    "Calendar shows another time zone",
)


class Person(NamedTuple):
    """A contact as an export shows it."""

    record_id: str
    first: str
    last: str

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first} {self.last}"

    @property
    def email(self) -> str:
        """A made-up address."""
        plain = unicodedata.normalize("NFKD", f"{self.first}.{self.last}".lower().replace("ß", "ss"))
        return plain.encode("ascii", "ignore").decode() + "@example.com"


class Company(NamedTuple):
    """A company as an export shows it."""

    record_id: str
    name: str


def people(random: Random) -> list[Person]:
    """Return 400 contacts, no two of one address."""
    names = [(first, last) for first in FIRST_NAMES.split() for last in LAST_NAMES.split()]
    ids = random.sample(range(25310000500, 25319999999), 400)
    chosen = random.sample(names, 400)
    return [Person(str(each), *name) for each, name in zip(sorted(ids), chosen, strict=True)]


def companies(random: Random) -> list[Company]:
    """Return 120 companies."""
    names = [f"{town}-{trade}" for town in TOWNS.split() for trade in TRADES.split()]
    ids = random.sample(range(18250000500, 18259999999), 120)
    chosen = random.sample(names, 120)
    return [Company(str(each), f"{name} GmbH") for each, name in zip(sorted(ids), chosen, strict=True)]


def contacts_companies(random: Random, contacts: list[Person], firms: list[Company]) -> bytes:
    """Return a CSV as a German Excel saves it: `;` between the cells, Windows-1252, and a totals row at the end."""
    labels = ["Decision maker"] * 3 + ["Billing contact"] * 2 + ["Champion"] + [""] * 6
    rows = []
    for person in contacts[:240]:
        firm = random.choice(firms)
        rows.append([person.record_id, person.name, person.email, firm.record_id, firm.name, random.choice(labels)])
    several = f"{firms[3].record_id};{firms[9].record_id}; {firms[27].record_id}"
    rows[18][3:6] = [several, "three companies", "Champion"]
    rows[31][0] = "2.53101E+10"
    rows[47][3] = "0018250417"
    rows[63][0] = f"{rows[63][0]}\u00a0"
    rows[77][3] = ""
    rows[92][5] = "Descision maker"
    rows[110][3:5] = [MISSING_COMPANY, "Merged last spring GmbH"]
    rows[128][3] = f"{rows[128][3]}.0"
    rows[150][3] = f"{rows[150][3]}; unknown"
    rows[171] = list(rows[170])
    rows[190][5], rows[191] = "Champion", [*rows[190][:5], "Billing contact"]
    rows[205][3] = "#N/A"
    rows.append(["Total", "", "", "240", "", ""])
    header = ["from_id", "Contact", "E-mail", "to_id", "Company", "label"]
    return _csv([header, *rows], delimiter=";").encode("cp1252")


def hubspot_export(random: Random, contacts: list[Person], firms: list[Company]) -> bytes:
    """Return what HubSpot's own export of contacts looks like, associated companies included."""
    header = ["Record ID", "First Name", "Last Name", "Email", "Associated Company",
              "Associated Company IDs", "Associated Company IDs (Primary)"]  # fmt: skip
    rows = []
    for person in contacts[230:]:
        its = random.sample(firms, random.choice((0, 1, 1, 1, 1, 1, 1, 2, 2, 3)))
        names, ids = ";".join(firm.name for firm in its), ";".join(firm.record_id for firm in its)
        primary = its[0].record_id if its else ""
        rows.append([person.record_id, person.first, person.last, person.email, names, ids, primary])
    rows[25][5:] = [MISSING_COMPANY, MISSING_COMPANY]
    rows[60][0] = ""
    rows[61][5:] = ["18250417000;n/a", "18250417000"]
    return _csv([header, *rows], delimiter=",").encode()


def second_night(export: bytes) -> bytes:
    """Return the export of the next night: some companies are gone from their contacts, and two contacts have none."""
    header, *rows = csv.reader(io.StringIO(export.decode()))
    several = [row for row in rows[70:] if ";" in row[5]]
    for row in several[:12]:
        row[4:6] = [cell.rpartition(";")[0] for cell in row[4:6]]
    for row in [row for row in rows[130:] if row[5] and ";" not in row[5]][:2]:
        row[4:] = ["", "", ""]
    return _csv([header, *rows], delimiter=",").encode()


def deals_contacts(random: Random, contacts: list[Person]) -> bytes:
    """Return a workbook that a sales team keeps: a title above the header, ids as number cells, a sum at the end."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None  # noqa: S101 - a new workbook has a sheet
    sheet.title = "Deals"
    sheet.append(["Open deals and who signs them"])
    sheet.append([])
    sheet.append(["Deal ID", "Deal", "Amount", "Close date", "Contact ID", "Contact", "Role"])
    for cell in (sheet["A1"], *sheet[3]):
        cell.font = Font(bold=True)
    rows = _deals(random, contacts)
    for row in rows:
        sheet.append(row)
    sheet.append(["Sum", "", f"=SUM(C4:C{len(rows) + 3})"])
    for row in sheet.iter_rows(min_row=4, max_row=len(rows) + 3):
        row[3].number_format = "yyyy-mm-dd"
        row[0].number_format = "0"
        if not row[4].is_date:
            row[4].number_format = "0"
    for letter, width in zip("ABCDEFG", (15, 26, 10, 12, 15, 22, 10), strict=True):
        sheet.column_dimensions[letter].width = width
    whole = io.BytesIO()
    book.save(whole)
    return _without_times(whole.getvalue())


def _deals(random: Random, contacts: list[Person]) -> list[list[object]]:
    rows: list[list[object]] = []
    for number, deal_id in enumerate(sorted(random.sample(range(31440000500, 31449999999), 200))):
        person = random.choice(contacts)
        close = date(2026, 1, 5) + timedelta(days=random.randrange(200))
        deal = f"{random.choice(DEALS.split())} {person.last} {number + 1:03}"
        amount = random.randrange(8, 400) * 250
        role = "Signer" if random.random() < 0.3 else None
        rows.append([deal_id, deal, amount, close, int(person.record_id), person.name, role])
    rows[12][0] = "3.14403E+10"
    rows[33][4] = "00417733"
    rows[58][4] = None
    rows[74][4] = f"{rows[74][4]}; {contacts[5].record_id}"
    rows[90] = list(rows[89])
    rows[121][4] = int(MISSING_CONTACT)
    rows[140][0] = 3144000050012345678
    rows[165][4] = date(2026, 3, 1)
    rows[180][4] = f"{rows[180][4]}\u00a0"
    return rows


def tickets_companies(random: Random, firms: list[Company]) -> bytes:
    """Return a warehouse's table under the API's own names; a blank made floats of one column of ids."""
    count = 180
    tickets: list[str | None] = [str(each) for each in sorted(random.sample(range(1789000500, 1799999999), count))]
    chosen: list[float | None] = [float(random.choice(firms).record_id) for _ in range(count)]
    chosen[40] = None
    chosen[88] = float(MISSING_COMPANY)
    chosen[120] = 18250417000.5
    tickets[15] = "TICKET-2291"
    tickets[66] = None
    tickets[101], chosen[101] = tickets[100], chosen[100]
    opened = [date(2026, 2, 1) + timedelta(days=random.randrange(60)) for _ in range(count)]
    table = pa.table(
        {
            "object_type": ["tickets"] * count,
            "object_id": tickets,
            "to_object_type": ["companies"] * count,
            "to_object_id": chosen,
            "association_category": ["HUBSPOT_DEFINED"] * count,
            "association_type_id": pa.array([339] * count, pa.int32()),
            "subject": [random.choice(PROBLEMS) for _ in range(count)],
            "opened": pa.array(opened, pa.date32()),
        }
    )
    whole = io.BytesIO()
    pq.write_table(table, whole)
    return whole.getvalue()


def unicode_text() -> bytes:
    """Return what Excel saves as "Unicode text" (UTF-16, tabs) of a sheet through which ids went as numbers."""
    header = ["Contact ID", "Name", "Company ID"]
    rows = [
        ["Contacts of our partners, as of May", "", ""],
        ["", "", ""],
        header,
        ["25310007160", "Veronika", "18259732943"],
        ["25310069645\u00a0", "Katharina", "18258702902"],
        ["'25310175517", "Zoë", "18258584678"],
        ['="25310183317"', "Lars", "18254765751.0"],
        ["25310\u200b201188", "Mia", "18259732943"],
        ["2.53102E+10", "Noah", "18259732943"],
        ["25,310,221,904", "Ines", "18259732943"],
        ["0025310230", "Emre", "18259732943"],
        ["", "", ""],
        header,
        ["25310240771", "Malik", "12/05/2026"],
        ["25310251002", "Julia", "#N/A"],
        ["25310260318", "Rosa", "18258702902", "moved last week"],
        ["25310270450", "Peter", "18258584678;18254765751"],
        ["Total", "11", ""],
    ]
    return ("\r\n".join("\t".join(row) for row in rows) + "\r\n").encode("utf-16")


def people_by_email() -> bytes:
    """Return a list that a sales team keeps without a single record id: emails, domains, a label for some."""
    rows = [
        ["Email", "Domain", "Role"],
        ["veronika.bauer@example.com", "rhein.example", "Decision maker"],
        ["KATHARINA.DUBOIS@example.com ", "elbe.example", ""],
        ["katharina.dubois@example.com", "ELBE.example", "Champion"],
        ["lars.jensen@example.com", "rhein.example; elbe.example", ""],
        ["nobody@example.com", "rhein.example", ""],
        ["mia.krueger@example.com", "nowhere.example", ""],
        ["n/a", "elbe.example", ""],
    ]
    return _csv(rows, delimiter=";").encode("utf-8-sig")


def contacts_export() -> bytes:
    """Return HubSpot's export of contacts with two associated types, whose headers say everything."""
    rows = [
        ["Record ID - Contact", "First Name", "Associated Company IDs", "Associated Company IDs (Primary)",
         "Associated Company IDs (Decision maker)", "Associated Deal IDs"],
        ["25310007160", "Veronika", "18259732943;18258702902", "18259732943", "18258702902", "31440000711;31440000812"],
        ["25310069645", "Katharina", "18258702902", "18258702902", "", ""],
        ["25310175517", "Zoë", "", "", "", "31440000913"],
        ["25310183317", "Lars", "18258584678;unknown", "", "", ""],
    ]  # fmt: skip
    return _csv(rows, delimiter=",").encode()


def sheets() -> bytes:
    """Return a workbook with everything in it that looks right on the screen and is none: see the README."""
    book = openpyxl.Workbook()
    hidden = book.active
    assert hidden is not None  # noqa: S101 - a new workbook has a sheet
    hidden.title, hidden.sheet_state = "Last year", "hidden"
    hidden.append(["object_id", "to_object_id"])
    hidden.append([1, 2])
    sheet = book.create_sheet("This year")
    book.active = sheet
    for row in (
        ["object_id", "to_object_id", "label"],
        [25310007160, 18259732943, None],
        ["25310069645", "18258702902", "decision MAKER"],
        [2531017551712345678, 18258584678, None],
        [date(2026, 5, 12), 18254765751, None],
        [True, 18259732943, None],
        ["=A2+1", 18259732943, None],
        ["#REF!", 18259732943, None],
        [25310201188, 18259732943, None],
        [None, 18258702902, None],
        [25310221904, 18259732943, None],
    ):
        sheet.append(row)
    sheet.merge_cells("A9:A10")
    sheet.auto_filter.ref = "A1:C11"
    sheet.row_dimensions[11].hidden = True
    whole = io.BytesIO()
    book.save(whole)
    return _without_times(whole.getvalue())


def broken_quote() -> bytes:
    """Return a file in which one quote was never closed: three records would vanish in a cell."""
    lines = ["object_id,to_object_id,note", "25310007160,18259732943,ok", '25310069645,18258702902,"called twice',
             "25310175517,18258584678,ok", '25310183317,18254765751,"moved"', "25310201188,18259732943,ok"]  # fmt: skip
    return ("\n".join(lines) + "\n").encode()


FLEET = {
    "acme": 90,
    "birch": 80,
    "cedar": 30,
    "delta": 60,
    "elm": 110,
    "fjord": 45,
    "grove": 50,
    "harbor": 70,
    "iris": 25,
    "juniper": 100,
    "koi": 40,
    "linden": 75,
}
"""The accounts of samples/fleet, and how many contacts each has."""


def fleet() -> dict[str, bytes]:
    """Return a small export for each account of samples/fleet, by name."""
    random = Random(SEED)  # noqa: S311 - made-up data, the same each time
    contacts, firms = people(random), companies(random)
    found = {}
    for name, count in FLEET.items():
        rows = [
            [person.record_id, person.name, random.choice(firms).record_id] for person in random.sample(contacts, count)
        ]
        if name == "birch":
            rows[7][0], rows[21][2], rows[40][2] = "2.53101E+10", "", MISSING_COMPANY
        if name == "juniper":
            rows[63][2] = MISSING_COMPANY
        found[f"fleet/{name}/contacts.csv"] = _csv([["from_id", "Contact", "to_id"], *rows], delimiter=",").encode()
    deals = random.sample(range(31440000500, 31449999999), 35)
    rows = [[str(deal), random.choice(contacts).record_id, "Signer"] for deal in sorted(deals)]
    found["fleet/acme/deals.csv"] = _csv([["from_id", "to_id", "label"], *rows], delimiter=",").encode()
    return found


def _csv(rows: list[list[str]], *, delimiter: str) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
    return text.getvalue()


def _without_times(workbook: bytes) -> bytes:
    """Return the same workbook with one fixed date wherever the time of its making stands."""
    whole = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook)) as source, zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as target:
        for name in sorted(source.namelist()):
            content = source.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb">\d{4}-\d\d-\d\dT[0-9:.]+Z?<", b">2026-04-01T08:00:00Z<", content)
            target.writestr(zipfile.ZipInfo(name, (2026, 4, 1, 8, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return whole.getvalue()


def samples() -> dict[str, bytes]:
    """Return the files, by name."""
    random = Random(SEED)  # noqa: S311 - made-up data, the same each time
    contacts, firms = people(random), companies(random)
    of_the_contacts, export = contacts_companies(random, contacts, firms), hubspot_export(random, contacts, firms)
    return {
        "contacts_companies.csv": of_the_contacts,
        "hubspot_export.csv": export,
        "second_night.csv": second_night(export),
        "deals_contacts.xlsx": deals_contacts(random, contacts),
        "tickets_companies.parquet": tickets_companies(random, firms),
        "messy/unicode_text.txt": unicode_text(),
        "messy/people_by_email.csv": people_by_email(),
        "messy/contacts_export.csv": contacts_export(),
        "messy/sheets.xlsx": sheets(),
        "messy/broken_quote.csv": broken_quote(),
        **fleet(),
    }


def main() -> None:
    """Write the files into the folder named, or beside this one."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for name, content in samples().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
