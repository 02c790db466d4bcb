"""Two ends of one pair become one request, with every association type that the rows of either end ask for."""

import pytest

from loader.model import AssociationType, Resolved, Specification
from loader.planning import orient

HUBSPOT, USER = "HUBSPOT_DEFINED", "USER_DEFINED"


def kind(
    first: str, second: str, type_id: int, inverse: int | None, *, label: str = "", category: str = HUBSPOT
) -> Resolved:
    """Return a settled kind of row."""
    other = AssociationType(category, inverse) if inverse else None
    return Resolved((first, second), AssociationType(category, type_id), label, other)


PLAIN, BACK = kind("0-1", "0-2", 279, 280), kind("0-2", "0-1", 280, 279)
MANAGER, EMPLOYEE = kind("0-1", "0-2", 40, None, category=USER), kind("0-2", "0-1", 41, None, category=USER)
PARENT, CHILD = kind("0-2", "0-2", 13, 14), kind("0-2", "0-2", 14, 13)


def ids(specification: Specification) -> list[int]:
    """Return the type ids of a request."""
    return [kind.type_id for kind in specification.types]


def test_the_main_end_is_the_one_that_more_rows_are_written_from() -> None:
    """Both directions are one type pair; the one with fewer rows is backward."""
    found = orient.ResolvedKinds({1: PLAIN, 2: BACK}, {1: 3, 2: 5})
    assert found.type_pair[1] == found.type_pair[2]
    assert (bool(found.backward[1]), bool(found.backward[2])) == (True, False)


def test_other_object_types_are_another_family() -> None:
    """A contact and a company never share a pair with a deal and a company."""
    found = orient.ResolvedKinds({1: PLAIN, 2: kind("0-3", "0-2", 341, 342)}, {1: 1, 2: 1})
    assert found.type_pair[1] != found.type_pair[2]


def test_rows_of_one_end_go_out_as_they_are() -> None:
    """Their types, each once, in their direction."""
    found = orient.specify((1, 2), (), {1: PLAIN, 2: MANAGER})
    assert (found.direction, found.backward, ids(found)) == (("0-1", "0-2"), False, [279, 40])


def test_rows_of_the_rarer_end_alone_are_written_from_it() -> None:
    """A request may be written from either end."""
    found = orient.specify((), (1,), {1: EMPLOYEE})
    assert (found.direction[0], found.backward, ids(found), found.refused) == ("0-2", True, [41], ())


def test_the_same_association_from_both_ends_is_one_type() -> None:
    """279 and 280 between the same two records are one association."""
    found = orient.specify((1,), (2,), {1: PLAIN, 2: BACK})
    assert (ids(found), found.refused) == ([279], ())


def test_parent_and_child_are_turned_around() -> None:
    """A is parent of B, and B is child of A: one type."""
    assert ids(orient.specify((1,), (2,), {1: PARENT, 2: CHILD})) == [13]


def test_an_unknown_inverse_turns_the_whole_request_around_where_that_says_it_all() -> None:
    """The other end's types are known from this end, so nothing is refused."""
    found = orient.specify((1,), (2,), {1: PLAIN, 2: EMPLOYEE})
    assert (found.backward, sorted(ids(found)), found.refused) == (True, [41, 280], ())


def test_what_neither_end_can_say_is_refused_at_the_rarer_end() -> None:
    """The rows that stay go out; the others are told."""
    found = orient.specify((1, 3), (2, 4), {1: MANAGER, 2: EMPLOYEE, 3: PLAIN, 4: BACK})
    assert (found.backward, ids(found), found.refused) == (False, [40, 279], (2,))


TO_LEAD, OF_LEAD = kind("0-1", "0-136", 578, 579), kind("0-136", "0-1", 579, 578)
UNKNOWN_TO_LEAD = kind("0-1", "0-136", 50, None, category=USER)
UNKNOWN_OF_LEAD = kind("0-136", "0-1", 51, None, category=USER)


@pytest.mark.parametrize(
    ("forward", "backward", "main", "refused"),
    [
        (TO_LEAD, OF_LEAD, "0-136", ()),
        (TO_LEAD, UNKNOWN_OF_LEAD, "0-136", ()),
        (UNKNOWN_TO_LEAD, OF_LEAD, "0-1", ()),
        (UNKNOWN_TO_LEAD, UNKNOWN_OF_LEAD, "0-1", (2,)),
        (OF_LEAD, TO_LEAD, "0-136", ()),
        (UNKNOWN_OF_LEAD, TO_LEAD, "0-136", ()),
        (OF_LEAD, UNKNOWN_TO_LEAD, "0-1", ()),
    ],
)
def test_what_a_lead_has_is_written_from_its_end_where_that_says_it_all(
    forward: Resolved, backward: Resolved, main: str, refused: tuple[int, ...]
) -> None:
    """Else from the other end, if that does: no row is refused for the end that was chosen."""
    found = orient.specify((1,), (2,), {1: forward, 2: backward})
    assert (found.direction[0], found.refused) == (main, refused)
    assert len(found.types) + len(found.refused) == (1 if {forward, backward} == {TO_LEAD, OF_LEAD} else 2)
