"""The sandbox's association types: the documented table, its directions, and the portal's own labels."""

import pytest

from loader.sandbox.association_types import AssociationTypes, standard_types


def hubspot(type_id: int) -> tuple[str, int]:
    return ("HUBSPOT_DEFINED", type_id)


def test_the_table_has_the_445_documented_ids_each_once() -> None:
    """Every id of the guide is there, and none has two meanings."""
    keys = [each.key for each in standard_types()]
    assert len(keys) == len(set(keys)) == 445


DOCUMENTED = {
    279: ("0-1", "0-2", 280),
    1: ("0-1", "0-2", 2),
    13: ("0-2", "0-2", 14),
    449: ("0-1", "0-1", 449),
    5: ("0-3", "0-2", 6),
    26: ("0-5", "0-2", 25),
    3: ("0-3", "0-1", 4),
    190: ("0-46", "0-2", 189),
    509: ("0-123", "0-2", 510),
    934: ("0-123", "0-2", 935),
    702: ("0-14", "0-1", 703),
    1334: ("0-14", "0-2", 1335),
    582: ("0-136", "0-3", 583),
    67: ("0-14", "0-8", 68),
}


def test_a_type_has_its_documented_direction_and_inverse() -> None:
    """An id belongs to one direction, and the far record shows its inverse."""
    types = AssociationTypes()
    for type_id, (from_type, to_type, inverse) in DOCUMENTED.items():
        known, other = types.get(hubspot(type_id)), types.get(hubspot(inverse))
        assert known is not None
        assert other is not None
        assert (known.from_type, known.to_type, known.inverse) == (from_type, to_type, hubspot(inverse))
        assert (other.from_type, other.to_type, other.inverse) == (to_type, from_type, hubspot(type_id))


def test_inverses_are_mutual_and_of_the_opposite_direction() -> None:
    """Turning an association round twice gives it back, for the whole table."""
    types = {each.key: each for each in standard_types()}
    for each in types.values():
        if each.inverse is not None:
            other = types[each.inverse]
            assert (other.from_type, other.to_type, other.inverse) == (each.to_type, each.from_type, each.key)


def test_only_primaries_and_the_parent_company_are_one_per_record() -> None:
    """A record has one primary company, contact or deal, a company one parent; their far ends may be of many."""
    assert sorted(each.key[1] for each in standard_types() if each.single) == [1, 5, 14, 26, 509, 578, 580, 582, 1299]


@pytest.mark.parametrize(
    ("from_type", "to_type", "type_id"),
    [("0-1", "0-2", 279), ("0-2", "0-1", 280), ("0-2", "0-2", 450), ("0-3", "0-2", 341), ("0-123", "0-2", 934)],
)
def test_the_unlabelled_type_of_a_direction(from_type: str, to_type: str, type_id: int) -> None:
    """The default of a direction is the plain type, never a primary one."""
    assert AssociationTypes().unlabelled(from_type, to_type) == hubspot(type_id)


def test_a_rename_reaches_both_ends_of_a_single_label_only() -> None:
    """Manager becomes Boss, Employee stays."""
    types = AssociationTypes()
    there, back = types.add_label("0-1", "0-2", "Old")
    types.rename(there.key, "New", None)
    assert [each.label for each in types.describe("0-1", frozenset({there.key}))] == ["New"]
    assert [each.label for each in types.describe("0-2", frozenset({back.key}))] == ["New"]
    manager, employee = types.add_label("0-1", "0-1", "Manager", "Employee")
    types.rename(manager.key, "Boss", None)
    labels = [each.label for each in types.describe("0-1", frozenset({manager.key, employee.key}))]
    assert labels == ["Boss", "Employee"]
