"""The sandbox's portal as pure state: what a write leaves behind, and what a portal file says."""

import json
from pathlib import Path

import pytest

from loader.sandbox import Portal

CONTACT, COMPANY = "0-1", "0-2"
PLAIN, PRIMARY = ("HUBSPOT_DEFINED", 279), ("HUBSPOT_DEFINED", 1)
DECIDER, BUYER = ("USER_DEFINED", 36), ("USER_DEFINED", 38)
LABELS = [
    {"from": "contacts", "to": "companies", "label": "Decision maker", "type_id": 36, "inverse_type_id": 37},
    {"from": "contacts", "to": "companies", "label": "Buyer", "type_id": 38, "inverse_type_id": 39},
    {"from": "contacts", "to": "contacts", "label": "Manager", "inverse_label": "Employee", "type_id": 144},
]


def write(portal: Portal, contact: int, company: int, *types: tuple[str, int], append: bool = False) -> None:
    portal.associate(CONTACT, contact, COMPANY, company, frozenset(types), append=append)


@pytest.mark.parametrize(("append", "left"), [(False, {PLAIN, BUYER}), (True, {PLAIN, DECIDER, BUYER})])
def test_a_write_replaces_the_labels_unless_told_to_add(append: bool, left: set[tuple[str, int]]) -> None:
    """HubSpot documents that it replaces; the other reading can be tried too. The unlabelled type is always added."""
    portal = Portal(labels=LABELS)
    write(portal, 101, 201, DECIDER)
    write(portal, 101, 201, BUYER, append=append)
    assert portal.types_of("contacts", 101, "companies", 201) == left


def test_both_ends_show_and_write_one_association() -> None:
    """Contact to company and company to contact are one entry; each end has types of its own for it."""
    portal = Portal(labels=LABELS)
    write(portal, 101, 201, DECIDER)
    assert portal.types_of("companies", 201, "contacts", 101) == {("HUBSPOT_DEFINED", 280), ("USER_DEFINED", 37)}
    portal.associate(COMPANY, 201, CONTACT, 101, frozenset({("USER_DEFINED", 39)}))
    assert portal.pairs() == {(("0-1", "101"), ("0-2", "201")): {PLAIN, BUYER}}


@pytest.mark.parametrize(("first", "second"), [(5, 9), (9, 5)])
def test_a_paired_label_within_one_object_type_keeps_its_direction(first: int, second: int) -> None:
    """Whichever record has the lower id, the manager is the manager."""
    portal = Portal(labels=LABELS)
    portal.associate(CONTACT, first, CONTACT, second, frozenset({("USER_DEFINED", 144)}))
    assert ("USER_DEFINED", 144) in portal.types_of("contact", first, "contact", second)
    assert ("USER_DEFINED", 1) in portal.types_of("contact", second, "contact", first)
    assert len(portal.pairs()) == 1


def test_a_new_primary_demotes_the_old_one_from_either_end() -> None:
    """Type 2 is type 1 seen from the company."""
    portal = Portal()
    write(portal, 101, 201, PRIMARY)
    write(portal, 102, 202, PRIMARY)
    portal.associate(COMPANY, 202, CONTACT, 101, frozenset({("HUBSPOT_DEFINED", 2)}))
    assert portal.types_of("contacts", 101, "companies", 201) == {PLAIN}
    assert portal.types_of("contacts", 101, "companies", 202) == {PLAIN, PRIMARY}
    assert portal.types_of("contacts", 102, "companies", 202) == {PLAIN, PRIMARY}


def test_neighbours_come_in_ascending_order_and_leave_one_by_one() -> None:
    """The index follows the pairs through one, many and none."""
    portal = Portal()
    for company in (203, 201, 202, 201):
        write(portal, 101, company)
    assert list(portal.associations.neighbours(CONTACT, 101, COMPANY)) == [201, 202, 203]
    for company in (202, 203, 201, 201):
        portal.dissociate(CONTACT, 101, COMPANY, company)
    assert list(portal.associations.neighbours(CONTACT, 101, COMPANY)) == []
    assert len(portal.associations) == 0


@pytest.mark.parametrize(
    ("names", "object_type_id"),
    [
        (("0-1", "contact", "contacts", "CONTACT", "Contacts"), "0-1"),
        (("2-7282133", "p62515_lender", "p_lender", "P62515_LENDER"), "2-7282133"),
    ],
)
def test_an_object_type_has_several_names(names: tuple[str, ...], object_type_id: str) -> None:
    """The base name of a custom object is none of them."""
    portal = Portal(schemas=[{"name": "lender"}])
    assert {portal.resolve(name).object_type_id for name in names} == {object_type_id}


def test_a_portal_file_says_everything(tmp_path: Path) -> None:
    path = tmp_path / "portal.json"
    setup = {
        "portal_id": 7,
        "time_zone": "America/New_York",
        "labels": LABELS,
        "schemas": [{"object_type_id": "2-9", "name": "lender"}],
        "records": [{"type": "contacts", "id": "101", "properties": {"email": "ada@example.com"}}],
        "unlisted_records": "missing",
        "associations": [
            {"from_type": "contacts", "from_id": "101", "to_type": "companies", "to_id": "201", "labels": ["Buyer"]},
            {"from_type": "contacts", "from_id": "101", "to_type": "companies", "to_id": "202", "types": [PRIMARY]},
        ],
        "tokens": ["pat-na1-1"],
        "scopes": ["crm.objects.contacts.write"],
        "oauth": {"expires_in": 60},
    }
    path.write_text(json.dumps(setup), encoding="utf-8")
    portal = Portal.from_file(path)
    assert portal.portal_id == 7
    assert portal.types_of("contacts", 101, "companies", 201) == {PLAIN, BUYER}
    assert portal.types_of("contacts", 101, "companies", 202) == {PLAIN, PRIMARY}
    assert portal.exists(CONTACT, 101)
    assert not portal.exists(CONTACT, 102)
    found = portal.find(CONTACT, "email", "ADA@example.com")
    assert found is not None
    assert found.record_id == 101


def test_a_reset_goes_back_to_the_file() -> None:
    """Associations and labels made since are gone, those of the setup are there again."""
    given = {"from_type": "contacts", "from_id": "1", "to_type": "companies", "to_id": "2"}
    portal = Portal(associations=[given])
    portal.dissociate(CONTACT, 1, COMPANY, 2)
    write(portal, 5, 6)
    portal.reset()
    assert list(portal.pairs()) == [(("0-1", "1"), ("0-2", "2"))]


@pytest.mark.parametrize(
    ("setup", "message"),
    [
        ({"colour": "red"}, "no setting named colour"),
        ({"time_zone": "Nowhere/Land"}, "'Nowhere/Land' is not a time zone"),
        ({"labels": [{"from": "lenders", "to": "contacts", "label": "x"}]}, "Unable to infer object type"),
        (
            {"associations": [{"from_type": "0-1", "from_id": 1, "to_type": "0-2", "to_id": 2, "labels": ["x"]}]},
            "no label 'x'",
        ),
        ({"labels": [LABELS[0], {**LABELS[0], "to": "deals", "label": "Two"}]}, "id 36 is given to two labels"),
    ],
)
def test_a_setup_that_means_nothing_is_refused_in_one_sentence(setup: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Portal(**setup)


@pytest.mark.parametrize("text", ["{", "[1]", '{"labels": [{}]}'])
def test_a_file_that_is_no_portal_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "portal.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"portal\.json is not a portal file"):
        Portal.from_file(path)
