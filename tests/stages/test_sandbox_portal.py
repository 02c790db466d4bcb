"""The sandbox's portal as pure state: what a write leaves behind, and what a portal file says."""

import json
from pathlib import Path

import pytest

from loader.sandbox import Portal
from loader.sandbox.errors import HubSpotError
from loader.sandbox.object_types import Ends

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


def test_the_unlabelled_type_is_added_to_every_write() -> None:
    """A labelled pair is an associated pair."""
    portal = Portal(labels=LABELS)
    write(portal, 101, 201, DECIDER)
    assert portal.types_of("contacts", 101, "companies", 201) == {PLAIN, DECIDER}


def test_a_write_replaces_the_labels_that_were_there() -> None:
    """Documented for PUT and batch create: only the labels of the last write are left."""
    portal = Portal(labels=LABELS)
    write(portal, 101, 201, DECIDER)
    write(portal, 101, 201, BUYER)
    assert portal.types_of("contacts", 101, "companies", 201) == {PLAIN, BUYER}


def test_appending_keeps_the_labels_that_were_there() -> None:
    """The other reading of HubSpot can be tried too."""
    portal = Portal(labels=LABELS)
    write(portal, 101, 201, DECIDER)
    write(portal, 101, 201, BUYER, append=True)
    assert portal.types_of("contacts", 101, "companies", 201) == {PLAIN, DECIDER, BUYER}


def test_the_far_end_shows_the_inverse_types() -> None:
    """One association, read from both ends."""
    portal = Portal(labels=LABELS)
    write(portal, 101, 201, DECIDER)
    assert portal.types_of("companies", 201, "contacts", 101) == {("HUBSPOT_DEFINED", 280), ("USER_DEFINED", 37)}


def test_writing_from_the_far_end_is_the_same_pair() -> None:
    """Contact to company and company to contact are one entry."""
    portal = Portal(labels=LABELS)
    write(portal, 101, 201, DECIDER)
    portal.associate(COMPANY, 201, CONTACT, 101, frozenset({("USER_DEFINED", 39)}))
    assert portal.pairs() == {(("0-1", "101"), ("0-2", "201")): {PLAIN, BUYER}}


@pytest.mark.parametrize(("first", "second"), [(5, 9), (9, 5)])
def test_a_paired_label_within_one_object_type_keeps_its_direction(first: int, second: int) -> None:
    """Whoever has the lower id, the manager is the manager."""
    portal = Portal(labels=LABELS)
    portal.associate(CONTACT, first, CONTACT, second, frozenset({("USER_DEFINED", 144)}))
    assert ("USER_DEFINED", 144) in portal.types_of("contact", first, "contact", second)
    assert ("USER_DEFINED", 1) in portal.types_of("contact", second, "contact", first)
    assert len(portal.pairs()) == 1


def test_a_new_primary_company_demotes_the_old_one() -> None:
    """A contact has one primary company; the old pair stays associated."""
    portal = Portal()
    write(portal, 101, 201, PRIMARY)
    write(portal, 101, 202, PRIMARY)
    assert portal.types_of("contacts", 101, "companies", 201) == {PLAIN}
    assert portal.types_of("contacts", 101, "companies", 202) == {PLAIN, PRIMARY}


def test_a_primary_set_from_the_company_demotes_too_and_a_company_is_primary_to_many() -> None:
    """Type 2 is type 1 seen from the company."""
    portal = Portal()
    write(portal, 101, 201, PRIMARY)
    write(portal, 102, 202, PRIMARY)
    portal.associate(COMPANY, 202, CONTACT, 101, frozenset({("HUBSPOT_DEFINED", 2)}))
    assert portal.types_of("contacts", 101, "companies", 201) == {PLAIN}
    assert portal.types_of("contacts", 101, "companies", 202) == {PLAIN, PRIMARY}
    assert portal.types_of("contacts", 102, "companies", 202) == {PLAIN, PRIMARY}


def test_taking_a_label_off_leaves_the_others() -> None:
    """Labels are archived one by one."""
    portal = Portal(labels=LABELS)
    write(portal, 101, 201, DECIDER, BUYER)
    portal.dissociate(CONTACT, 101, COMPANY, 201, frozenset({DECIDER}))
    assert portal.types_of("contacts", 101, "companies", 201) == {PLAIN, BUYER}


def test_taking_the_unlabelled_type_off_removes_the_pair() -> None:
    """Documented: the unlabelled type takes all others with it."""
    portal = Portal(labels=LABELS)
    write(portal, 101, 201, DECIDER)
    portal.dissociate(CONTACT, 101, COMPANY, 201, frozenset({PLAIN}))
    assert portal.pairs() == {}
    assert list(portal.associations.neighbours(COMPANY, 201, CONTACT)) == []


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


def test_the_same_id_in_two_object_types_is_two_records() -> None:
    """Ids are unique within an object type only."""
    portal = Portal(missing=[{"type": "companies", "id": "7"}])
    assert portal.exists(CONTACT, 7)
    assert not portal.exists(COMPANY, 7)


def test_deleting_a_label_takes_it_off_every_pair() -> None:
    portal = Portal(labels=LABELS)
    write(portal, 101, 201, DECIDER)
    portal.delete_label(("USER_DEFINED", 37))
    assert portal.types_of("contacts", 101, "companies", 201) == {PLAIN}
    with pytest.raises(HubSpotError):
        portal.check_types((DECIDER,))


def test_an_id_of_another_direction_names_both_records_as_invalid() -> None:
    """Observed: the record is called no CONTACT although it is the id that is wrong."""
    portal = Portal()
    ends = Ends(portal.resolve("deals"), 38374264688, portal.resolve("companies"), 201)
    with pytest.raises(HubSpotError) as caught:
        portal.check_pair(ends, frozenset({PRIMARY}))
    assert caught.value.context == {
        "INVALID_OBJECT_IDS": ["CONTACT=38374264688 is not valid"],
        "objectId": ["38374264688"],
        "objectType": ["CONTACT"],
    }


@pytest.mark.parametrize("name", ["0-1", "contact", "contacts", "CONTACT", "Contacts"])
def test_an_object_type_has_many_names(name: str) -> None:
    assert Portal().resolve(name).object_type_id == "0-1"


@pytest.mark.parametrize("name", ["2-7282133", "p62515_lender", "p_lender", "P62515_LENDER"])
def test_a_custom_object_has_an_id_and_two_names(name: str) -> None:
    """Its base name alone is refused, see below."""
    assert Portal(schemas=[{"name": "lender"}]).resolve(name).object_type_id == "2-7282133"


def test_a_custom_objects_base_name_is_refused() -> None:
    """As HubSpot does since June 2025."""
    with pytest.raises(HubSpotError, match="Unable to infer object type from: lender"):
        Portal(schemas=[{"name": "lender"}]).resolve("lender")


def test_a_custom_object_has_an_unlabelled_type_to_its_associates() -> None:
    """So that it can be associated at all."""
    portal = Portal(schemas=[{"name": "lender", "associates": ["contacts"]}])
    assert portal.types.unlabelled("2-7282133", CONTACT) == ("USER_DEFINED", 1)
    assert portal.types.unlabelled(CONTACT, "2-7282133") == ("USER_DEFINED", 2)
    assert portal.types.unlabelled("2-7282133", COMPANY) is None


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
