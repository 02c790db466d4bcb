"""Two ends of one pair become one request, with every association type that the rows of either end ask for."""

import pytest

from loader.model import AssociationType, Direction, Resolved
from loader.planning import orient

HUBSPOT, USER = "HUBSPOT_DEFINED", "USER_DEFINED"


def kind(
    first: str, second: str, type_id: int, inverse: int | None, *, label: str = "", category: str = HUBSPOT
) -> Resolved:
    """Return a resolved kind of row."""
    other = AssociationType(category, inverse) if inverse else None
    return Resolved((first, second), AssociationType(category, type_id), label, other)


PLAIN, BACK = kind("0-1", "0-2", 279, 280), kind("0-2", "0-1", 280, 279)
MANAGER, EMPLOYEE = kind("0-1", "0-2", 40, None, category=USER), kind("0-2", "0-1", 41, None, category=USER)
PARENT, CHILD = kind("0-2", "0-2", 13, 14), kind("0-2", "0-2", 14, 13)


def test_the_main_end_is_the_one_that_more_rows_are_written_from() -> None:
    """Both directions are one type pair; the one with fewer rows is backward."""
    found = orient.ResolvedKinds({1: PLAIN, 2: BACK}, {1: 3, 2: 5})
    assert found.type_pair[1] == found.type_pair[2]
    assert (bool(found.backward[1]), bool(found.backward[2])) == (True, False)


def test_other_object_types_are_another_family() -> None:
    """A contact and a company never share a pair with a deal and a company."""
    found = orient.ResolvedKinds({1: PLAIN, 2: kind("0-3", "0-2", 341, 342)}, {1: 1, 2: 1})
    assert found.type_pair[1] != found.type_pair[2]


@pytest.mark.parametrize(
    ("forward", "backward", "direction", "type_ids", "refused"),
    [
        # Rows of one end go out as they are; a request may be written from the rarer end.
        ([PLAIN, MANAGER], [], ("0-1", "0-2"), [279, 40], ()),
        ([], [EMPLOYEE], ("0-2", "0-1"), [41], ()),
        # 279 and 280 between the same two records are one association, and so are parent and child.
        ([PLAIN], [BACK], ("0-1", "0-2"), [279], ()),
        ([PARENT], [CHILD], ("0-2", "0-2"), [13], ()),
        # The inverse of Employee is not known: written from its end, the request says it all.
        ([PLAIN], [EMPLOYEE], ("0-2", "0-1"), [41, 280], ()),
        # What neither end can say is refused at the rarer end; the other rows go out.
        ([MANAGER, PLAIN], [EMPLOYEE, BACK], ("0-1", "0-2"), [40, 279], (3,)),
    ],
)
def test_rows_of_both_ends_are_one_request(
    forward: list[Resolved],
    backward: list[Resolved],
    direction: Direction,
    type_ids: list[int],
    refused: tuple[int, ...],
) -> None:
    """With every type that they ask for, once."""
    kinds = dict(enumerate([*forward, *backward], start=1))
    first = len(forward)
    found = orient.specify(tuple(kinds)[:first], tuple(kinds)[first:], kinds)
    assert (found.direction, found.refused) == (direction, refused)
    assert sorted(kind.type_id for kind in found.types) == sorted(type_ids)


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
def test_pairs_of_leads_are_written_from_the_leads_end(
    forward: Resolved, backward: Resolved, main: str, refused: tuple[int, ...]
) -> None:
    """Else from the other end, if that does: no row is refused for the end that was chosen."""
    found = orient.specify((1,), (2,), {1: forward, 2: backward})
    assert (found.direction[0], found.refused) == (main, refused)
    assert len(found.types) + len(found.refused) == (1 if {forward, backward} == {TO_LEAD, OF_LEAD} else 2)
