"""Columns by their headers: which are understood, which are not used, and what is said of those that look like more."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loader import plan_sync
from loader.sandbox import Sandbox
from tests.cli.conftest import CONTACTS, Run, refused

IDS = {"object_id", "to_object_id"}


@pytest.fixture
def planned(run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Plan a file of a header and one record without a token; return how it was understood."""
    monkeypatch.delenv("HUBSPOT_ACCESS_TOKEN")

    def plan(content: str, *options: str) -> dict[str, Any]:
        Path("a.csv").write_text(content)
        done = run("plan", "a.csv", *options, "--json", "--quiet")
        assert done.out, done.err
        event = done.events[-1]
        understood: dict[str, Any] = event["inputs"]["a.csv"]
        return {**understood, "kinds": event["kinds"], "rejected": event["rejected"]}

    return plan


@pytest.mark.slow_after(3)
@pytest.mark.parametrize(
    ("header", "options", "first", "second"),
    [
        ("Contact ID,Company ID", CONTACTS, "Contact ID", "Company ID"),
        ("Company ID,Contact ID", CONTACTS, "Contact ID", "Company ID"),
        ("contact_id,company_ids", CONTACTS, "contact_id", "company_ids"),
        ("Contact record ID,companyId", CONTACTS, "Contact record ID", "companyId"),
        ("contactid,hubspot_company_id", ("--from", "0-1", "--to", "0-2"), "contactid", "hubspot_company_id"),
        ("Car ID,contact_id", ("--from", "p123_cars", "--to", "contact"), "Car ID", "contact_id"),
        ("box_id,line_item_id", ("--from", "p1_boxes", "--to", "line items"), "box_id", "line_item_id"),
        ("from_contact_id,to_contact_id", ("--from", "contacts", "--to", "contacts"), "from_contact_id",
         "to_contact_id"),
        ("Record ID,Contact ID,Company ID", CONTACTS, "Record ID", "Company ID"),
        ("Contact ID,Record ID,Associated Company IDs", CONTACTS, "Record ID", "Associated Company IDs"),
        ("Record ID - Company,Record ID - Contact", CONTACTS, "Record ID - Contact", "Record ID - Company"),
        ("Record ID,Record ID - Company", CONTACTS, "Record ID", "Record ID - Company"),
    ],
)  # fmt: skip
def test_ids_by_object_type(header: str, options: tuple[str, ...], first: str, second: str, planned: Run) -> None:
    """`--from` and `--to` say which end is which; a `Record ID` column stays what it is."""
    columns = planned(f"{header}\n" + ",".join("123"[: header.count(",") + 1]) + "\n", *options)["columns"]
    assert (columns["object_id"], columns["to_object_id"]) == ([first], [second])


@pytest.mark.parametrize(
    ("header", "options", "said"),
    [
        ("Contact ID,Company ID", (), ["Did you mean --from contacts", '--column to_object_id="Company ID"']),
        ("Record ID - Deal,Record ID - Contact", (), ["Did you mean --from deals --to contacts?"]),
        ("Contact ID,Company ID", ("--from", "contacts"), ['"Contact ID" holds the ids of the', "--to companies"]),
        ("Person,Firm", CONTACTS, ["columns hold the ids", '--column object_id="Person" --column to_object_id="Firm"']),
        ("Firm,Contact key", CONTACTS, ['--column object_id="Contact key" --column to_object_id="Firm"']),
        ("Contact ID,Contact ID 2", ("--from", "contacts", "--to", "contacts"), ['to_object_id="Contact ID 2"']),
        ("contact_id,deal_id", CONTACTS, ['Add --column to_object_id="…", with']),
        ("contact_id,deal_id,firm", CONTACTS, ['Did you mean --column to_object_id="firm"?']),
        ("deal_id,Ticket ID", CONTACTS, ['Add --column object_id="…" --column to_object_id="…"']),
        ('My "key",Other', CONTACTS, ["--column 'object_id=My \"key\"' --column to_object_id=\"Other\""]),
        ("object_type,contact_id,company_id", CONTACTS, ['Did you mean --column object_id="contact_id"?']),
        ("contact_id,hs_contact_id,company_id", CONTACTS, ["2 columns could be the object_id"]),
        ("object_id,to_object_id,labels,Association labels", CONTACTS, ["2 columns could be the label"]),
    ],
)  # fmt: skip
def test_missing_columns_are_said_with_options(
    header: str, options: tuple[str, ...], said: list[str], run: Run
) -> None:
    """In the words of the file and of the command, ready to be copied."""
    quoted = ",".join('"' + cell.replace('"', '""') + '"' for cell in header.split(","))
    Path("a.csv").write_text(f"{quoted}\n1,2,3,4\n")
    done = run("load", "a.csv", *options)
    assert done.code == 2
    assert all(words in done.err for words in said), done.err


def test_the_words_of_the_api_and_of_the_usual_tools_are_understood(planned: Run) -> None:
    """Object types, categories, type ids and labels as HubSpot's answers and connectors' tables call them."""
    header = "from_object,from_id,to_object,to_id,category,typeId"
    found = planned(f"{header}\ndeals,1,contacts,2,HUBSPOT_DEFINED,3\n")
    (kind,) = found["kinds"]
    assert '"typeId" as association_type_id' in " ".join(found["notes"])
    assert [kind["object_type"], kind["to_object_type"], kind["association_type_id"]] == ["deals", "contacts", "3"]
    header = "fromObjectTypeId,fromObjectId,toObjectTypeId,toObjectId,type_id,labels"
    (kind,) = planned(f"{header}\n0-1,1,0-2,2,,Primary\n")["kinds"]
    assert [kind["association_category"], kind["association_type_id"]] == ["HUBSPOT_DEFINED", "1"]


@pytest.mark.parametrize("word", ["label,labels", "association_type_id,type_id", "association_category,category"])
def test_a_field_under_its_own_name_goes_before_a_usual_word(word: str, planned: Run) -> None:
    """What an existing file loads does not change; the other column is warned of."""
    own, usual = word.split(",")
    found = planned(f"object_id,to_object_id,{word}\n1,2,,x\n", *CONTACTS)
    assert (found["columns"][own], found["unused"], found["rejected"]) == ([own], [usual], 0)
    assert usual in found["warnings"][0]


def test_a_usual_word_can_be_left_unread(planned: Run) -> None:
    """`--column association_category=` says that no column holds it."""
    found = planned("object_id,to_object_id,category\n1,2,Retail\n", *CONTACTS, "--column", "association_category=")
    assert (found["unused"], found["rejected"]) == (["category"], 0)


LOOKS = [
    ("Label 1,Label 2", "", ["Label 1", "Label 2"]),
    ("label:", "", ["label:"]),
    ("Role", "", ["Role"]),
    ("Association Type", "", ["Association Type"]),
    ("Name,City", "", []),
    ("Kind of category", "", ["Kind of category"]),
    ("Deal category,company_type,ContactType", "", []),
    ("contact_company_type", "", ["contact_company_type"]),
    ("Deal IDs,ticket_ids", "", []),
    ("Label 1,Label 2,Role", "label=Label 1", ["Label 2"]),
    ("Company,Company 2,Company 3,Other IDs,type", "to_object_id=Company", ["Company 2", "Company 3", "type"]),
    ("Other IDs,to_object_id 2", "", ["Other IDs", "to_object_id 2"]),
    ("Company 2,Company (3),Owner 2", "", ["Company 2", "Company (3)"]),
    ("_error_category,error_category", "", []),
    ("Associated Deal IDs,Associated Company IDs", "to_object_id=Associated Company IDs", []),
]


@pytest.mark.slow_after(3)
@pytest.mark.parametrize(("more", "column", "warned"), LOOKS)
def test_columns_not_used_are_listed_and_warned_of(more: str, column: str, warned: list[str], planned: Run) -> None:
    """Every plan lists them; one that looks like a label, a type, a category or more ids is a warning."""
    ids = "object_id" if column.startswith("to_object_id") else "object_id,to_object_id"
    options = ("--column", column) if column else ()
    record = ",".join(["1"] * (ids.count(",") + more.count(",") + 2))
    found = planned(f"{ids},{more}\n{record}\n", *CONTACTS, *options)
    read = {header for headers in found["columns"].values() for header in headers}
    assert found["unused"] == [header for header in more.split(",") if header not in read]
    assert [header for header in found["unused"] if f'"{header}"' in " ".join(found["warnings"])] == warned
    assert len(found["warnings"]) == len(warned)


def test_unread_columns_are_said_before_anything_is_sent_and_strict_refuses(run: Run, sandbox: Sandbox) -> None:
    """A load and a plan say it on the screen, in Python it is in the plan; `--strict` sends nothing."""
    Path("a.csv").write_text("from_id,to_id,Label 1,City\n101,201,Boss,Rome\n")
    for command in ("plan", "load", "verify"):
        refused(
            run(command, "a.csv", *CONTACTS, "--strict"),
            '"Label 1" is not used, but looks like the label; if it is, add --column label="Label 1"',
        )
    assert sandbox.requests == []
    said = run("load", "a.csv", *CONTACTS)
    assert "Columns not used: Label 1, City" in said.err
    assert said.err.index('Warning: the column "Label 1" is not used') < said.err.index("Sending")
    (understood,) = plan_sync("a.csv", object_type="contacts", to_object_type="companies").inputs.values()
    assert understood.unused == ("Label 1", "City")
    assert len(understood.warnings) == 1


def test_a_strict_load_of_a_file_whose_columns_are_all_clear(run: Run, sandbox: Sandbox) -> None:
    """A column that only says something about the records is no reason to refuse."""
    Path("a.csv").write_text("from_id,to_id,City\n101,201,Rome\n")
    assert run("load", "a.csv", *CONTACTS, "--strict").code == 0


EXPORT = "Record ID,Ticket name,Category,Type,Lead type,Merged record IDs,Associated Company IDs,Associated Deal IDs"


def test_an_export_whose_records_have_types_and_categories_is_loaded_without_a_word(run: Run, sandbox: Sandbox) -> None:
    """The properties of HubSpot's own records say nothing of associations, so that `--strict` holds every night."""
    Path("a.csv").write_text(f"{EXPORT}\n101,Leak,Product issue,Bug,Hot,7;8,201,\n")
    done = run("load", "a.csv", "--from", "tickets", "--to", "companies", "--rate", "9999/1", "--strict")
    assert done.code == 0
    assert "Warning" not in done.err
    assert run("load", "a.csv", "--from", "tickets", "--to", "deals", "--strict").code == 0


def test_an_export_with_type_ids_of_associations_is_read_with_their_categories(planned: Run) -> None:
    """Whoever has added `typeId` to an export means the association by `category`, too."""
    header = "Record ID,Associated Company IDs,typeId,category"
    (kind,) = planned(f"{header}\n101,201,1,HUBSPOT_DEFINED\n", "--from", "contacts")["kinds"]
    assert (kind["association_category"], kind["association_type_id"]) == ("HUBSPOT_DEFINED", "1")


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("header", "columns", "advice"),
    [
        ("from_id,to_id,Type", [], "--column association_type_id="),
        ("from_id,to_id,type_id,type", [], '--column association_type_id="type_id"'),
        ("from_id,to_id,campaign_ids", [], '--column to_object_id="to_id"'),
        ("Record ID,to_id,Contact ID", [], '--column object_id="Record ID"'),
        ("from_id,to_id,Role", ["--column", "association_category="], "--column label="),
    ],
)
def test_a_warning_says_how_to_end_it(header: str, columns: list[str], advice: str, run: Run, sandbox: Sandbox) -> None:
    """With it the same file is loaded, also with `--strict`, and the same columns are read."""
    Path("a.csv").write_text(f"{header}\n{','.join(['1'] * (header.count(',') + 1))}\n")
    refused(run("plan", "a.csv", *CONTACTS, *columns, "--strict"), f"if it is not, add {advice} to end this warning")
    before, after = (
        run("plan", "a.csv", *CONTACTS, *columns, *more) for more in ([], [*shlex.split(advice), "--strict"])
    )
    assert after.code == before.code
    assert "Warning" not in after.out + after.err
    assert _columns(before.out) == _columns(after.out)


def _columns(shown: str) -> list[str]:
    return [line for line in shown.splitlines() if line.startswith("Columns")]


def test_a_type_of_a_record_is_one_between_records_of_one_type_too(planned: Run) -> None:
    """`Company type` describes a company, whichever of the two; `company_company_type` describes the pair."""
    types = ("--from", "companies", "--to", "companies")
    header = "from_id,to_id,Company type,company_company_type"
    (said,) = planned(f"{header}\n1,2,3,4\n", *types)["warnings"]
    assert '"company_company_type"' in said


def test_ids_of_the_first_object_type_are_not_proposed_for_the_second(planned: Run) -> None:
    """A column of contacts beside the one that is read would associate contacts as companies."""
    (said,) = planned("Record ID,Contact ID,Company ID\n1,2,3\n", *CONTACTS)["warnings"]
    assert '--column object_id="Contact ID"' in said
    assert "to_object_id" not in said


def test_a_category_column_of_another_kind_is_said_to_be_so(run: Run, sandbox: Sandbox) -> None:
    """Outside of an export a `category` is the association's; a text that is none says how to leave it unread."""
    Path("a.csv").write_text("contact_id,company_id,category\n101,201,Retail\n")
    assert run("load", "a.csv", *CONTACTS).code == 1
    assert "--column association_category= " in Path("a.failures.csv").read_text()
    assert run("load", "a.csv", *CONTACTS, "--column", "association_category=").code == 0


@pytest.mark.slow_after(2)
@pytest.mark.parametrize(
    ("header", "to", "type_id"),
    [
        ("Contact with Primary Company IDs", "contacts", "2"),
        ("Deal with Primary CompanyIDs", "deals", "6"),
        ("ticket_with_primary_company_ids", "tickets", "25"),
        ("Child CompanyIDs", "companies", "13"),
        ("Parent Company IDs", "companies", "14"),
    ],
)
def test_a_header_of_an_export_may_be_a_label(header: str, to: str, type_id: str, planned: Run) -> None:
    """HubSpot's own labels as a company has them, by type id; a blank cell asks for nothing, and it is said."""
    found = planned(f"Record ID,Name,{header}\n1,Acme,2\n4,Beta,\n", "--from", "companies")
    (kind,) = found["kinds"]
    assert (kind["rows"], kind["object_type"], kind["to_object_type"]) == (1, "companies", to)
    assert (kind["association_category"], kind["association_type_id"]) == ("HUBSPOT_DEFINED", type_id)
    assert f'"{header}"' in found["notes"][0]
    assert found["rejected"] == 0


def test_a_company_export_is_loaded_with_all_its_labels(run: Run, sandbox: Sandbox) -> None:
    """Plain and labelled columns beside each other; `--to` picks those of one object type."""
    header = "Record ID,Associated Contact IDs,Contact with Primary Company IDs,Child CompanyIDs"
    Path("a.csv").write_text(f"{header}\n201,101;102,102,203\n")
    assert run("load", "a.csv", "--from", "companies", "--rate", "9999/1").code == 0
    of_contact = sandbox.portal.types_of("companies", 201, "contacts", 102)
    of_child = sandbox.portal.types_of("companies", 201, "companies", 203)
    assert ("HUBSPOT_DEFINED", 2) in of_contact
    assert ("HUBSPOT_DEFINED", 13) in of_child
    done = run("plan", "a.csv", "--from", "companies", "--to", "contacts")
    assert "3 rows, 2 pairs" in " ".join(done.out.split())
