"""The tables of planning: names of object types, and HubSpot's own association types."""

from collections import Counter

import pytest

from loader.model import AssociationType
from loader.object_type_names import STANDARD, folded
from loader.planning.association_types import UNCHECKED, AssociationTypes, standard, standard_direction
from loader.planning.object_types import ObjectTypes, shown
from loader.sandbox.association_types import standard_types

CAR = {
    "objectTypeId": "2-7282133",
    "fullyQualifiedName": "p123_car",
    "name": "car",
    "labels": {"singular": "Motor car", "plural": "Motor cars"},
}


@pytest.mark.parametrize("name", ["contacts", "Contact", "CONTACT", " contact ", "0-1"])
def test_every_way_to_write_a_standard_type_means_its_id(name: str) -> None:
    """Case, blanks and number make no difference."""
    assert ObjectTypes().find(name) == "0-1"


@pytest.mark.parametrize("name", ["line items", "line_item", "LineItem", "line-items"])
def test_names_of_two_words_are_found_by_any_separator(name: str) -> None:
    """`line_item`, `line-item` and `line item` are one name; written together it is none of ours."""
    assert ObjectTypes().find(name) == (None if name == "LineItem" else "0-8")


def test_no_two_standard_types_share_a_name() -> None:
    """A name can never stand for two object types."""
    names = Counter(folded(name) for names in STANDARD.values() for name in names)
    assert max(names.values()) == 1


@pytest.mark.parametrize("name", ["p123_car", "P123_CAR", "p_car", "car", "Motor car", "motor cars", "2-7282133"])
def test_a_custom_object_goes_by_all_its_names(name: str) -> None:
    """The qualified name, its short form, the name, both labels and the id mean the same object."""
    assert ObjectTypes([CAR]).find(name) == "2-7282133"


def test_a_custom_object_never_takes_a_standard_name() -> None:
    """A custom object called Deal shares its name with HubSpot's own: neither is guessed, and each has an id."""
    own = {"objectTypeId": "2-5", "fullyQualifiedName": "p1_deal", "name": "deal", "labels": {}}
    names = ObjectTypes([own])
    assert names.find("deal") is None
    assert names.sharing("Deal") == ["0-3 (deals)", "2-5 (p1_deal)"]
    assert [names.find(name) for name in ("deals", "0-3", "p1_deal", "2-5")] == ["0-3", "0-3", "2-5", "2-5"]


def test_a_name_that_two_custom_objects_share_is_never_guessed() -> None:
    """It is unknown, and the nearest names are the two ids."""
    other = {**CAR, "objectTypeId": "2-9", "fullyQualifiedName": "p123_van", "name": "van"}
    names = ObjectTypes([CAR, other])
    assert names.find("motor car") is None
    assert names.sharing("motor car") == ["2-7282133 (p123_car)", "2-9 (p123_van)"]
    assert names.find("van") == "2-9"


def test_a_misspelt_name_has_near_ones() -> None:
    assert ObjectTypes().find("contcts") is None
    assert "contacts" in ObjectTypes().nearest("contcts")


@pytest.mark.parametrize("text", ["0-1/../2", "0-", "3-1", "0-01", "0-1\n", "", "p_/x"])
def test_no_text_that_could_change_a_path_passes_as_an_id(text: str) -> None:
    """Only digits around one hyphen make an object type id."""
    assert ObjectTypes().find(text) in {None, "0-1"}


def test_people_read_plural_names() -> None:
    """An id without a standard name stands for itself."""
    assert (shown("0-2"), shown("2-77")) == ("companies", "2-77")


# --- association types


def test_type_ids_are_unique() -> None:
    """A HUBSPOT_DEFINED id belongs to one direction only, once."""
    ids = Counter(entry.type.type_id for known in standard().values() for entry in known)
    assert [type_id for type_id, times in ids.items() if times > 1] == []


def test_every_direction_has_at_most_one_type_without_a_label() -> None:
    """What "no label" means is never in doubt in HubSpot's table."""
    blank = {direction: [entry for entry in known if not entry.label] for direction, known in standard().items()}
    assert [direction for direction, entries in blank.items() if len(entries) != 1] == []


def test_an_unlabelled_type_is_folded_onto_an_unlabelled_one() -> None:
    """A label is never gained or lost by turning a pair around."""
    labels = {entry.type: entry.label for known in standard().values() for entry in known}
    for known in standard().values():
        for entry in known:
            assert entry.inverse is None or bool(labels[entry.inverse]) == bool(entry.label)


def test_the_table_has_every_published_type() -> None:
    """The sandbox's own transcription of the 445 says the same: ids, directions, inverses, who can have one only."""
    ours = {
        entry.type.type_id: (*direction, entry.inverse.type_id if entry.inverse else None, entry.single == "from")
        for direction, known in standard().items()
        for entry in known
    }
    theirs = {
        each.key[1]: (each.from_type, each.to_type, each.inverse[1] if each.inverse else None, each.single)
        for each in standard_types()
        if {each.from_type, each.to_type} <= STANDARD.keys()
    }
    parents = {type_id: found[:3] for type_id, found in ours.items() if found[:2] == ("0-2", "0-2")}
    assert {type_id: found[:3] for type_id, found in theirs.items()}.items() >= parents.items()
    assert {k: v for k, v in ours.items() if k not in parents} == {k: v for k, v in theirs.items() if k not in parents}
    assert (len(ours), len(theirs)) == (408, 408)


def test_an_id_of_hubspots_has_one_direction() -> None:
    """That in which it stands in the table."""
    for direction, known in standard().items():
        assert {standard_direction(entry.type.type_id) for entry in known} <= {direction}


def test_a_label_that_the_portal_leaves_out_is_kept() -> None:
    """A primary type without a label in the answer does not become the unlabelled one."""
    types = AssociationTypes()
    types.learn(("0-1", "0-2"), [{"category": "HUBSPOT_DEFINED", "typeId": 1, "label": None}])
    unlabelled = types.unlabelled(("0-1", "0-2"))
    assert unlabelled is not None
    assert unlabelled.type.type_id == 279
    assert [entry.type.type_id for entry in types.named(("0-1", "0-2"), "primary")] == [1]


def test_the_unlabelled_type_is_never_guessed() -> None:
    """Two nameless types of a custom object leave the question open; HubSpot's own goes first."""
    direction = ("2-1", "0-1")
    types = AssociationTypes()
    types.learn(direction, [{"category": "USER_DEFINED", "typeId": n, "label": None} for n in (7, 8)])
    assert types.unlabelled(direction) is None
    types.learn(direction, [{"category": c, "typeId": 7, "label": None} for c in ("USER_DEFINED", "HUBSPOT_DEFINED")])
    unlabelled = types.unlabelled(direction)
    assert unlabelled is not None
    assert unlabelled.type.category == "HUBSPOT_DEFINED"


def test_what_is_unchecked_can_never_be_sent() -> None:
    """The API would refuse the placeholder of a plan without a portal."""
    assert UNCHECKED.type_id == 0


@pytest.mark.parametrize("others", [["Boss", "boss "], ["Boss", "boss", "Boss"]])
def test_an_inverse_that_could_be_one_of_two_is_left_out(others: list[str]) -> None:
    """A type read from the other end is never translated by a guess."""
    known, boss = AssociationTypes(), AssociationType("USER_DEFINED", 7)
    known.learn(("0-1", "0-2"), [{"category": "USER_DEFINED", "typeId": 7, "label": "Boss"}])
    back = [{"category": "USER_DEFINED", "typeId": 8 + n, "label": label} for n, label in enumerate(others)]
    known.learn(("0-2", "0-1"), back)
    assert boss not in known.inverses(("0-1", "0-2"))
    known.learn(("0-2", "0-1"), back[:1])
    assert known.inverses(("0-1", "0-2"))[boss] == AssociationType("USER_DEFINED", 8)
