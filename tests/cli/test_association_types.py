"""Which association type a row means: known by category and type id, whatever a portal calls it, or refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from loader.sandbox import Sandbox
from tests.cli.conftest import Run, contents, lines, outcomes, refused

LABELS = [
    {"from": "contacts", "to": "companies", "label": "Boss", "type_id": 40, "inverse_type_id": 41},
    {"from": "companies", "to": "companies", "label": "Rival", "type_id": 60, "inverse_type_id": 61},
]
HEADER = "object_type,object_id,to_object_type,to_object_id,label\n"
PRIMARY = ("HUBSPOT_DEFINED", 1)

CALLED = pytest.mark.parametrize(
    ("near", "far"),
    [
        ("Primary", "Contact with Primary Company"),
        ("Hauptfirma", "Kontakt mit Hauptfirma"),
        ("Primary", "Primary"),
    ],
    ids=["as HubSpot says", "renamed", "the same"],
)
"""What a portal may call a contact's primary company, from either end."""


def pair(from_type: str, from_id: int, to_type: str, to_id: int, *type_ids: int) -> dict[str, Any]:
    """Return an association of HubSpot's own types that a portal begins with."""
    ends = {"from_type": from_type, "from_id": str(from_id), "to_type": to_type, "to_id": str(to_id)}
    return {**ends, "types": [["HUBSPOT_DEFINED", type_id] for type_id in type_ids]}


@pytest.fixture
def renamed(hubspot: Run) -> Run:
    """Start a portal that has its own words for a contact's primary company."""

    @contextmanager
    def running(near: str, far: str, *associations: dict[str, Any]) -> Iterator[Sandbox]:
        with hubspot(portal={"labels": LABELS, "associations": associations}) as sandbox:
            sandbox.portal.types.rename(PRIMARY, near, far)
            yield sandbox

    return running


def type_ids(sandbox: Sandbox, *ends: str | int) -> set[int]:
    """Return the ids of the types that a pair has, seen from its first record."""
    return {type_id for _, type_id in sandbox.portal.types_of(*ends)}  # type: ignore[arg-type]


# --- one primary company, one parent company


@CALLED
def test_two_primary_companies_of_one_contact_are_rejected(near: str, far: str, run: Run, renamed: Run) -> None:
    """Neither is sent, whatever the portal calls the label; another contact's primary company is."""
    rows = f"companies,201,contacts,101,{far}\ncompanies,202,contacts,101,{far}\n"
    rows += f"companies,201,contacts,103,{far}\ncontacts,103,companies,202,{near}\ncompanies,201,contacts,102,{far}\n"
    Path("a.csv").write_text(HEADER + rows)
    with renamed(near, far) as sandbox:
        done = run("load", "a.csv", "--rate", "9999/1")
        assert [int(first[1]) for first, _ in sandbox.portal.pairs()] == [102]
    assert outcomes("a.results.csv") == [("rejected", "CONFLICTING_PRIMARY")] * 4 + [("created", "")]
    said = {line["_error_message"] for line in lines("a.failures.csv")}
    for contact in (101, 103):
        assert any(f"record {contact} would have two primary companies, 201 and 202" in text for text in said)
    assert done.code == 1


@pytest.mark.slow_after(1)
@CALLED
def test_the_old_primary_company_is_not_written_back(near: str, far: str, run: Run, renamed: Run) -> None:
    """A label for the old one goes out from the company's end without the primary type; undo says what it cannot do."""
    Path("a.csv").write_text(HEADER + f"companies,201,contacts,101,Boss\ncompanies,202,contacts,101,{far}\n")
    with renamed(near, far, pair("contacts", 101, "companies", 201, 1)) as sandbox:
        assert run("load", "a.csv", "--rate", "9999/1").code == 0
        assert type_ids(sandbox, "contacts", 101, "companies", 201) == {279, 40}
        assert type_ids(sandbox, "contacts", 101, "companies", 202) == {279, 1}
        done = run("undo", "a.results.csv", "--yes", "--rate", "9999/1")
    assert outcomes("a.results.csv") == [("created", "")] * 2
    assert "1 record got a primary record" in " ".join(done.err.split())


def test_the_far_end_of_a_primary_company_goes_by_hubspots_words(run: Run, renamed: Run) -> None:
    """From the company's end, and `Primary` for short."""
    named = {"Contact with Primary Company": 2, "primary": 2, "CONTACT WITH  PRIMARY COMPANY": 2, "Boss": 41}
    rows = "".join(f"companies,201,contacts,{n},{label}\n" for n, label in enumerate(named, start=101))
    Path("a.csv").write_text(HEADER + rows)
    with renamed("Primary", "Contact with Primary Company") as sandbox:
        assert run("load", "a.csv", "--rate", "9999/1").code == 0
        for n, type_id in enumerate(named.values(), start=101):
            assert type_ids(sandbox, "companies", 201, "contacts", n) == {280, type_id}


def test_a_label_of_the_portals_own_may_be_called_primary(run: Run, hubspot: Run) -> None:
    """It is the one that is meant where HubSpot's own goes by another text; where both do, the row is rejected."""
    own = {"from": "contacts", "to": "companies", "label": "Primary", "type_id": 70, "inverse_type_id": 71}
    Path("a.csv").write_text(HEADER + "contacts,101,companies,201,Primary\n")
    with hubspot(portal={"labels": [own]}) as sandbox:
        run("load", "a.csv", "--rate", "9999/1")
        assert outcomes("a.results.csv") == [("rejected", "AMBIGUOUS_LABEL")]
        sandbox.portal.types.rename(PRIMARY, "Hauptfirma", "Kontakt mit Hauptfirma")
        run("load", "a.csv", "--rate", "9999/1", "--fresh")
        assert type_ids(sandbox, "contacts", 101, "companies", 201) == {279, 70}


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("hubspots_own", ["Primary", "Hauptfirma"])
def test_a_column_of_primary_companies_means_hubspots_own_type(hubspots_own: str, run: Run, hubspot: Run) -> None:
    """Whatever the portal calls it, and whether or not a label of its own is called Primary."""
    own = {"from": "contacts", "to": "companies", "label": "Primary", "type_id": 70, "inverse_type_id": 71}
    Path("a.csv").write_text("Record ID,Associated Company IDs (Primary)\n101,201\n")
    with hubspot(portal={"labels": [own], "renamed": [{"type_id": 1, "label": hubspots_own}]}) as sandbox:
        assert run("load", "a.csv", "--from", "contacts", "--rate", "9999/1").code == 0
        assert type_ids(sandbox, "contacts", 101, "companies", 201) == {279, 1}
    assert lines("a.results.csv")[0]["label"] == hubspots_own


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    "rows",
    [
        "companies,301,companies,201,Parent Company\ncompanies,301,companies,202,Parent Company\n",
        "companies,201,companies,301,Child Company\ncompanies,202,companies,301,Child Company\n",
        "companies,201,companies,301,child company\ncompanies,301,companies,202,Child to parent company\n",
        "companies,301,companies,202,Parent Company\ncompanies,201,companies,301,Child Company\n",
    ],
    ids=["from the child", "from the parents", "from both", "from both, the other way round"],
)
def test_two_parents_of_one_child_are_rejected(rows: str, run: Run, hubspot: Run) -> None:
    """A company has one parent company; a parent has many children, and a pair named from both ends is one."""
    fine = "companies,201,companies,401,Child Company\ncompanies,401,companies,201,Parent Company\n"
    Path("a.csv").write_text(HEADER + rows + fine)
    with hubspot() as sandbox:
        run("load", "a.csv", "--rate", "9999/1")
        assert type_ids(sandbox, "companies", 401, "companies", 201) == {450, 14}
        assert len(sandbox.portal.pairs()) == 1
    assert outcomes("a.results.csv") == [("rejected", "CONFLICTING_PRIMARY")] * 2 + [("created", "")] * 2
    assert "record 301 would have two parent companies, 201 and 202" in lines("a.failures.csv")[0]["_error_message"]


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("child", [301, 101])
def test_the_old_parent_company_is_not_written_back(child: int, run: Run, hubspot: Run) -> None:
    """A label for the old parent goes out without the parent type, whichever of the two ids is the lower."""
    Path("a.csv").write_text(
        HEADER + f"companies,201,companies,{child},Rival\ncompanies,202,companies,{child},Child Company\n"
    )
    there = [pair("companies", child, "companies", 201, 14)]
    with hubspot(portal={"labels": LABELS, "associations": there}) as sandbox:
        assert run("load", "a.csv", "--rate", "9999/1").code == 0
        assert type_ids(sandbox, "companies", 201, "companies", child) == {450, 60}
        assert type_ids(sandbox, "companies", child, "companies", 202) == {450, 14}


# --- one number, two types

TWICE = {"from": "contacts", "to": "companies", "label": "Investor", "type_id": 1, "inverse_type_id": 2}
NUMBERS = "object_id,to_object_id,association_category,association_type_id,label\n"


OF_A_CATEGORY_AND_AN_ID: list[tuple[str, str, tuple[str, int] | None, str]] = [
    (",1,", "AMBIGUOUS_ASSOCIATION_TYPE_ID", None, "HUBSPOT_DEFINED 1 ('Primary') and USER_DEFINED 1 ('Investor')"),
    ("USER_DEFINED,1,", "", ("USER_DEFINED", 1), ""),
    ("hubspot defined,1,", "", ("HUBSPOT_DEFINED", 1), ""),
    (",1,Investor", "", ("USER_DEFINED", 1), ""),
    (",279,", "", ("HUBSPOT_DEFINED", 279), ""),
    ("USER_DEFINED,279,", "WRONG_CATEGORY", None, "is HUBSPOT_DEFINED, not USER_DEFINED"),
    ("HUBSPOT_DEFINED,40,", "WRONG_CATEGORY", None, "is USER_DEFINED, not HUBSPOT_DEFINED"),
    ("HUBSPOT_DEFINED,,Boss", "WRONG_CATEGORY", None, "the label 'Boss' of contacts to companies is USER_DEFINED"),
    ("USER_DEFINED,,", "CATEGORY_WITHOUT_TYPE", None, "neither a label nor a type id"),
    ("INTEGRATOR_DEFINED,,", "CATEGORY_WITHOUT_TYPE", None, "neither a label nor a type id"),
    ("HUBSPOT_DEFINED,,", "", ("HUBSPOT_DEFINED", 279), ""),
    (",2,", "WRONG_ASSOCIATION_TYPE_ID", None, "use HUBSPOT_DEFINED 1 or USER_DEFINED 1, which are the same from"),
    (",41,", "WRONG_ASSOCIATION_TYPE_ID", None, "use 40, which is the same from this side"),
    (
        ",5,",
        "WRONG_ASSOCIATION_TYPE_ID",
        None,
        "HUBSPOT_DEFINED 1 'Primary', 931 'Billing Contact', 40 'Boss', USER",
    ),
]


def test_a_type_is_its_category_and_its_id(load: Run, hubspot: Run) -> None:
    """What a row says of the two must mean one type of this portal; else it is rejected, and the message names it."""
    rows = "".join(f"{n},201,{cells}\n" for n, (cells, *_) in enumerate(OF_A_CATEGORY_AND_AN_ID, start=101))
    with hubspot(portal={"labels": [*LABELS, TWICE]}) as sandbox:
        load("a.csv", text=f"{NUMBERS}{rows}")
        found = {n: sandbox.portal.types_of("contacts", n, "companies", 201) for n in range(101, 131)}
    for line, (_, reason, sent, says) in zip(lines("a.results.csv"), OF_A_CATEGORY_AND_AN_ID, strict=True):
        assert (line["status"], line["error_category"]) == ("rejected" if reason else "created", reason)
        assert found[int(line["object_id"])] == ({sent, ("HUBSPOT_DEFINED", 279)} if sent else set())
        assert says in line["error_message"]


def test_marketing_events_are_associated_like_any_other_type(run: Run, hubspot: Run) -> None:
    """Their association types stand in HubSpot's list of 2026-09."""
    rows = "marketing_events,101,contacts,201,\n0-1,102,marketing events,202,\nMarketing Event,103,projects,203,\n"
    Path("a.csv").write_text(HEADER + rows)
    with hubspot() as sandbox:
        assert run("load", "a.csv", "--rate", "9999/1").code == 0
        assert type_ids(sandbox, "0-54", 101, "0-1", 201) == {1374}
        assert type_ids(sandbox, "0-1", 102, "0-54", 202) == {1375}
        assert type_ids(sandbox, "0-54", 103, "0-970", 203) == {1251}


def test_a_record_is_not_associated_with_itself(run: Run, hubspot: Run) -> None:
    """The plan says so; two object types may have records of one id."""
    rows = "contacts,101,0-1,101,\ncontacts,101,0-1,102,\n"
    rows += "Company,101,companies,101,Rival\nCompany,101,companies,102,Rival\n0-2,103,0-2,103,\n0-2,103,0-2,104,\n"
    Path("a.csv").write_text(f"{HEADER}{rows}contacts,7,deals,7,\n")
    with hubspot(portal={"labels": LABELS}) as sandbox:
        done = run("plan", "a.csv")
        assert (done.code, "RECORD_WITH_ITSELF" in done.out) == (1, True)
        run("load", "a.csv", "--rate", "9999/1")
        assert sandbox.count("PUT") == 4
    assert outcomes("a.results.csv") == [("rejected", "RECORD_WITH_ITSELF"), ("created", "")] * 3 + [("created", "")]


# --- two ends of one label


def _mutual(*labels: dict[str, Any]) -> dict[str, Any]:
    return {"labels": [{"from": "contacts", "to": "contacts", **each} for each in labels]}


PARTNER = {"label": "Partner", "type_id": 7}
MANAGER = {"label": "Manager", "inverse_label": "Employee", "type_id": 20, "inverse_type_id": 21}


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("rows", "there", "statuses", "sent"),
    [
        ("101,102,Partner\n102,101,Partner\n", [], ["created"] * 2, {(101, 102): {449, 7}}),
        ("102,101,Partner\n101,102,\n102,101,partner\n", [], ["created"] * 3, {(101, 102): {449, 7}}),
        ("101,102,Partner\n102,101,Partner\n", [(102, 101, 7)], ["unchanged"] * 2, {(101, 102): {449, 7}}),
        (
            "102,101,Partner\n101,102,Manager\n",
            [],
            ["created"] * 2,
            {(101, 102): {449, 7, 20}, (102, 101): {449, 7, 21}},
        ),
        ("101,102,Manager\n102,101,Manager\n", [], ["created", "rejected"], {(102, 101): {449, 21}}),
    ],
    ids=["both ends", "mixed", "there already", "beside a paired label", "a paired label"],
)
def test_rows_from_both_ends_are_one_association(
    rows: str, there: Any, statuses: list[str], sent: dict[tuple[int, int], set[int]], run: Run, hubspot: Run
) -> None:
    """Rows of both ends are one pair and one request; of a paired label the two ends say different things."""
    Path("a.csv").write_text("object_id,to_object_id,label\n" + rows)
    associations = [
        {**pair("contacts", first, "contacts", second), "types": [["USER_DEFINED", type_id]]}
        for first, second, type_id in there
    ]
    with hubspot(portal={**_mutual(PARTNER, MANAGER), "associations": associations}) as sandbox:
        run("load", "a.csv", "--from", "contacts", "--to", "contacts", "--rate", "9999/1")
        assert sandbox.count("PUT") == (0 if there else 1)
        for (first, second), types in sent.items():
            assert type_ids(sandbox, "contacts", first, "contacts", second) == types
        verified = run("verify", "a.csv", "--from", "contacts", "--to", "contacts", "--rate", "9999/1")
        assert verified.code == ("rejected" in statuses)
    assert [status for status, _ in outcomes("a.results.csv")] == statuses


# --- messages


@pytest.mark.slow_after(2)
@pytest.mark.parametrize(
    ("cells", "reason", "says"),
    [
        (",", "NO_UNLABELLED_TYPE", "this HubSpot account has no association type from contacts to products"),
        (
            ",Boss",
            "ASSOCIATION_LABEL_NOT_FOUND",
            "this HubSpot account has no association type from contacts to products",
        ),
        (
            "5,",
            "WRONG_ASSOCIATION_TYPE_ID",
            "(it goes from deals to companies): this HubSpot account has no association type",
        ),
    ],
)
def test_no_association_type_at_all_is_said(cells: str, reason: str, says: str, run: Run, hubspot: Run) -> None:
    """It offers no label and no type id of a direction that has none."""
    header = "object_type,object_id,to_object_type,to_object_id,association_type_id,label\n"
    Path("a.csv").write_text(f"{header}contacts,101,products,201,{cells}\n")
    with hubspot():
        run("load", "a.csv", "--rate", "9999/1")
    assert outcomes("a.results.csv") == [("rejected", reason)]
    assert says in lines("a.results.csv")[0]["error_message"]


@pytest.mark.parametrize("option", ["--from-id-property", "--to-id-property"])
def test_the_record_id_is_no_id_property(option: str, load: Run, sandbox: Sandbox) -> None:
    """The message says to leave the option out, and nothing is asked."""
    Path("a.csv").write_text(IDS)
    for name in ("hs_object_id", " HS_Object_Id "):
        refused(load("a.csv", option, name), f"leave {option} out")
    assert not sandbox.requests


# --- one name, two object types

OWN = {
    "schemas": [
        {"object_type_id": "2-5", "name": "Deal", "singular": "Deal", "plural": "Deals", "associates": ["contacts"]},
        {"object_type_id": "2-6", "name": "vehicle", "singular": "Car", "plural": "Projects"},
    ]
}
IDS = "object_id,to_object_id\n101,201\n"


@pytest.mark.slow_after(3)
@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "deals",
            (
                "'deals' may be 0-3 (deals) or 2-5 (p62515_Deal), which have that name in this HubSpot account: "
                "write the id"
            ),
        ),
        (" Deals ", "write the id in its place, in the cell or with --to"),
        ("0-999", "HubSpot does not list the association types of contacts to 0-999: check both object types"),
        ("Project", ""),
        ("projects", "'projects' may be 0-970 (projects) or 2-6 (p62515_vehicle)"),
        ("p99_vehicle", "'p99_vehicle' is not an object type of this HubSpot account: did you mean"),
        ("p99_cars", "did you mean p62515_vehicle?"),
        ("p99_x", "this HubSpot account's custom objects are p62515_Deal, p62515_vehicle"),
        ("2-77", "this HubSpot account's custom objects are p62515_Deal, p62515_vehicle"),
        ("0-3", ""),
        ("p62515_deal", ""),
    ],
)
def test_a_name_that_two_object_types_share_is_never_guessed(name: str, says: str, run: Run, hubspot: Run) -> None:
    """A custom object may be called like a standard one; one that the portal does not have is refused, with near names.

    Nothing is sent and no file is written.
    """
    Path("a.csv").write_text(IDS)
    before = contents()
    with hubspot(portal=OWN) as sandbox:
        done = run("load", "a.csv", "--from", "contacts", "--to", name, "--rate", "9999/1")
        sent = sandbox.count("PUT")
    assert (done.code, sent) == ((2, 0) if says else (0, 1))
    assert says in done.err
    assert (contents() == before) == bool(says)


def test_rows_with_a_shared_name_are_rejected_alone(run: Run, hubspot: Run) -> None:
    """Their neighbours, which give the id, are loaded; where custom objects cannot be listed it is HubSpot's own."""
    rows = "contacts,101,deals,301,\ncontacts,102,0-3,302,\ncontacts,103,2-5,303,\n"
    Path("a.csv").write_text(HEADER + rows)
    with hubspot(portal=OWN):
        run("load", "a.csv", "--rate", "9999/1")
    assert outcomes("a.results.csv") == [("rejected", "UNKNOWN_OBJECT_TYPE"), ("created", ""), ("created", "")]
    Path("a.csv").write_text(HEADER + rows[: rows.index("\n") + 1])
    with hubspot(portal=OWN, faults=[{"fault": "403", "route": "schemas"}]):
        run("load", "a.csv", "--rate", "9999/1", "--fresh")
    assert outcomes("a.results.csv") == [("created", "")]


@pytest.mark.parametrize("options", [(), ("--label", "Boss")])
def test_names_of_hidden_custom_objects_go_to_hubspot(options: tuple[str, ...], run: Run, hubspot: Run) -> None:
    """One that it does not know ends the command, which says to check the object types."""
    Path("a.csv").write_text(IDS)
    with hubspot(portal=OWN, faults=[{"fault": "403", "route": "schemas"}]) as sandbox:
        done = run("load", "a.csv", "--from", "contacts", "--to", "p99_cars", *options, "--rate", "9999/1")
        assert sandbox.count("PUT") == 0
    assert done.code == 2
    assert "does not list the association types of contacts to p99_cars" in done.err
    assert "check both object types" in done.err


@pytest.mark.slow_after(2)
@pytest.mark.parametrize(
    ("options", "code"), [(("--type-id", "279"), 0), (("--label", "Primary"), 0), (("--label", "Boss"), 3)]
)
def test_a_writing_token_loads_default_types(options: tuple[str, ...], code: int, load: Run, hubspot: Run) -> None:
    """They stand in HubSpot's table; a label of the portal's own must be read, and the command says which scope."""
    forbidden = {"message": "This app hasn't been granted all required scopes", "category": "MISSING_SCOPES"}
    with hubspot(portal={"labels": LABELS}, faults=[{"fault": "403", "route": "labels", "body": forbidden}]):
        assert load("a.csv", *options, "--existing", "replace", text=IDS).code == code


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("existing", ["merge", "replace"])
@pytest.mark.parametrize(
    "rows", [("Primary", "Boss"), ("Boss", "Primary"), ("", "Primary", "No such label", "Primary")]
)
def test_one_row_with_a_label_needs_the_labels(rows: tuple[str, ...], existing: str, run: Run, hubspot: Run) -> None:
    """Nothing is sent and no row is rejected: without the labels nobody knows what it asks for."""
    lines = "".join(f"contacts,{101 + place},companies,201,{label}\n" for place, label in enumerate(rows))
    Path("a.csv").write_text(HEADER + lines)
    forbidden = {"message": "This app hasn't been granted all required scopes", "category": "MISSING_SCOPES"}
    fault = {"fault": "403", "route": "labels", "body": forbidden, "times": 1}
    command = ("load", "a.csv", "--rate", "9999/1", "--existing", existing)
    with hubspot(portal={"labels": LABELS}, faults=[fault]) as sandbox:
        done = run(*command)
        assert (done.code, sandbox.count("PUT")) == (3, 0)
        assert "scope" in done.err
        done = run(*command)
        unknown = rows.count("No such label")
        assert (done.code, sandbox.count("PUT")) == (int(unknown > 0), len(rows) - unknown)
