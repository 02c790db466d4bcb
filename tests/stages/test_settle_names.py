"""What rows ask for is settled into association types, or refused with what would be right."""

from dataclasses import replace
from typing import Any

import pytest

from loader.errors import UsageError
from loader.model import Asked, AssociationType, Direction, Resolved, Unresolved
from loader.planning.association_types import UNCHECKED
from loader.planning.names import refuse_options, resolve_names
from loader.planning.resolve import Verdict
from loader.settings import InputSettings
from tests.stages.fake_portal import FakePortal, asked

CONTACT_COMPANY, COMPANY_CONTACT = ("0-1", "0-2"), ("0-2", "0-1")
PORTAL: dict[Direction, list[tuple[str, int, str | None]]] = {
    CONTACT_COMPANY: [
        ("HUBSPOT_DEFINED", 279, None),
        ("HUBSPOT_DEFINED", 1, "Primary"),
        ("USER_DEFINED", 36, "Decision maker"),
        ("USER_DEFINED", 40, "Manager"),
        ("USER_DEFINED", 26, "Partner"),
        ("USER_DEFINED", 50, "Twin"),
        ("INTEGRATOR_DEFINED", 51, "Twin"),
        ("USER_DEFINED", 52, "Caf\u00e9"),
        ("USER_DEFINED", 53, "VIP"),
        ("USER_DEFINED", 54, "Vip"),
    ],
    COMPANY_CONTACT: [
        ("HUBSPOT_DEFINED", 280, None),
        ("USER_DEFINED", 37, "Decision maker"),
        ("USER_DEFINED", 41, "Employee"),
    ],
    ("2-1", "0-1"): [("USER_DEFINED", 7, None)],
    ("0-1", "2-1"): [("USER_DEFINED", 8, None)],
}


async def settled(what: Asked, portal: FakePortal | None) -> Verdict:
    """Return the verdict on one kind of row."""
    return (await resolve_names({1: what}, portal)).verdicts[1]


@pytest.mark.parametrize(
    ("what", "category", "type_id"),
    [
        (asked(), "HUBSPOT_DEFINED", 279),
        (asked("companies", "contacts"), "HUBSPOT_DEFINED", 280),
        (asked(primary=True), "HUBSPOT_DEFINED", 1),
        (asked(primary=True, type_id="279"), "HUBSPOT_DEFINED", 279),
        (asked(label="primary"), "HUBSPOT_DEFINED", 1),
        (asked(label="DECISION MAKER "), "USER_DEFINED", 36),
        (asked(label="Decision\u00a0 maker"), "USER_DEFINED", 36),
        (asked(label="Cafe\u0301"), "USER_DEFINED", 52),
        (asked(label="VIP"), "USER_DEFINED", 53),
        (asked(label="Vip"), "USER_DEFINED", 54),
        (asked(label="Decision maker", type_id="36"), "USER_DEFINED", 36),
        (asked(label="Twin", type_id="51"), "INTEGRATOR_DEFINED", 51),
        (asked(label="Twin", category="user_defined"), "USER_DEFINED", 50),
        (asked(type_id="36"), "USER_DEFINED", 36),
        (asked(type_id=" 279.0 "), "HUBSPOT_DEFINED", 279),
        (asked(type_id="26"), "USER_DEFINED", 26),
        (asked(type_id="36", category="user defined"), "USER_DEFINED", 36),
        (asked("2-1", "contact"), "USER_DEFINED", 7),
        (asked("companies", "companies", type_id="13"), "HUBSPOT_DEFINED", 13),
    ],
)
async def test_what_a_row_asks_for_is_settled(what: Asked, category: str, type_id: int) -> None:
    """Blank is the unlabelled type, a label or an id the type that the pair knows under it."""
    verdict = await settled(what, FakePortal(PORTAL))
    assert isinstance(verdict, Resolved)
    assert verdict.type == AssociationType(category, type_id)


@pytest.mark.parametrize(
    ("what", "reason", "says"),
    [
        (asked("contcts"), "UNKNOWN_OBJECT_TYPE", "contacts"),
        (asked(category="OTHER"), "UNKNOWN_CATEGORY", "USER_DEFINED"),
        (asked(label="Decisoin maker"), "ASSOCIATION_LABEL_NOT_FOUND", "did you mean 'Decision maker'"),
        (
            asked(label="Nothing like it"),
            "ASSOCIATION_LABEL_NOT_FOUND",
            "there are 'Billing Contact', 'Caf\u00e9', 'Decision maker', 'Manager'",
        ),
        (
            asked(label="employee"),
            "ASSOCIATION_LABEL_NOT_FOUND",
            "it is one of companies to contacts, so write the row from that end; from this one there are 'Billing",
        ),
        (asked(label="vIp"), "AMBIGUOUS_LABEL", "USER_DEFINED 53 and USER_DEFINED 54"),
        (asked(label="Twin"), "AMBIGUOUS_LABEL", "USER_DEFINED 50 and INTEGRATOR_DEFINED 51"),
        (asked(label="Manager", type_id="36"), "LABEL_AND_TYPE_ID_DISAGREE", "40"),
        (asked(label="Twin", type_id="9"), "LABEL_AND_TYPE_ID_DISAGREE", "9"),
        (asked(type_id="x"), "INVALID_ASSOCIATION_TYPE_ID", "digits"),
        (asked(type_id="0"), "INVALID_ASSOCIATION_TYPE_ID", "digits"),
        (asked(type_id="2147483648"), "INVALID_ASSOCIATION_TYPE_ID", "digits"),
        (asked(type_id="٢٧٩"), "INVALID_ASSOCIATION_TYPE_ID", "digits"),
        (asked(type_id="280"), "WRONG_ASSOCIATION_TYPE_ID", "it goes from companies to contacts): use 279"),
        (
            asked(type_id="2"),
            "WRONG_ASSOCIATION_TYPE_ID",
            "it goes from companies to contacts): use 1, which is the same",
        ),
        (
            asked(type_id="37"),
            "WRONG_ASSOCIATION_TYPE_ID",
            "it goes from companies to contacts): use 36, which is the same",
        ),
        (
            asked(type_id="41", category="USER_DEFINED"),
            "WRONG_ASSOCIATION_TYPE_ID",
            "it goes from companies to contacts): use 279 (unlabelled), 1 'Primary'",
        ),
        (asked(type_id="3"), "WRONG_ASSOCIATION_TYPE_ID", "it goes from deals to contacts): use 279 (unlabelled)"),
        (asked(type_id="4000"), "WRONG_ASSOCIATION_TYPE_ID", "use 279"),
        (asked(type_id="36", category="HUBSPOT_DEFINED"), "WRONG_CATEGORY", "write USER_DEFINED"),
    ],
)
async def test_what_cannot_be_sent_says_what_would_be_right(what: Asked, reason: str, says: str) -> None:
    """The message holds the remedy, not only the fault."""
    verdict = await settled(what, FakePortal(PORTAL))
    assert isinstance(verdict, Unresolved)
    assert verdict.reason == reason
    assert says in verdict.message


async def test_a_label_of_hubspots_guide_is_asked_for_too() -> None:
    """A portal's own label may go by the words of HubSpot's `Billing Contact`: then neither is guessed."""
    for text in ("Billing", "billing contact"):
        verdict = await settled(asked(label=text), FakePortal({CONTACT_COMPANY: []}))
        assert isinstance(verdict, Resolved)
        assert verdict.type.type_id == 931
    own = FakePortal({CONTACT_COMPANY: [("USER_DEFINED", 60, "Billing Contact")]})
    found = await settled(asked(label="Billing Contact"), own)
    assert isinstance(found, Unresolved)
    assert found.reason == "AMBIGUOUS_LABEL"


async def test_nothing_is_asked_that_the_standard_table_knows() -> None:
    """Unlabelled rows, and HubSpot's own ids under their category, need no question."""
    portal = FakePortal(PORTAL)
    kinds = {1: asked(), 2: asked(category="HUBSPOT_DEFINED", type_id="279"), 3: asked("companies", "contacts")}
    await resolve_names(kinds, portal)
    assert portal.asked == []


async def test_a_direction_is_asked_for_once_however_many_labels() -> None:
    """Three labels of one direction and one of another are two questions."""
    portal = FakePortal(PORTAL)
    kinds = {
        1: asked(label="Decision maker"),
        2: asked(label="Manager"),
        3: asked(label="No such"),
        4: asked("companies", "contacts", label="Employee"),
    }
    names = await resolve_names(kinds, portal)
    assert sorted(map(str, portal.asked)) == sorted(map(str, [CONTACT_COMPANY, COMPANY_CONTACT]))
    assert names.unchecked == []


async def test_the_other_end_is_looked_at_once_for_whatever_was_not_found() -> None:
    """Two labels and a type id that are none are one more question; a refusal of it changes nothing."""
    kinds = {1: asked(label="Employee"), 2: asked(label="Nobody"), 3: asked(type_id="41")}
    portal = FakePortal(PORTAL)
    await resolve_names(kinds, portal)
    assert portal.asked == [CONTACT_COMPANY, COMPANY_CONTACT]
    silent = FakePortal({CONTACT_COMPANY: PORTAL[CONTACT_COMPANY]})
    names = await resolve_names(kinds, silent)
    assert silent.asked == [CONTACT_COMPANY, COMPANY_CONTACT]
    assert names.unchecked == []
    assert all(isinstance(verdict, Unresolved) for verdict in names.verdicts.values())


async def test_custom_objects_are_asked_for_once_and_not_for_standard_ids() -> None:
    """A qualified name is settled into the id, too, so that rows with either mean one object."""
    standard = FakePortal(PORTAL)
    await resolve_names({1: asked("0-1", "0-2")}, standard)
    assert standard.schemas_asked == 0
    schemas = [{"objectTypeId": "2-1", "fullyQualifiedName": "p9_car", "name": "car", "labels": {}}]
    portal = FakePortal(PORTAL, schemas)
    names = await resolve_names({1: asked("p9_car", "contacts"), 2: asked("2-1", "contacts")}, portal)
    assert portal.schemas_asked == 1
    assert {verdict.object_type for verdict in names.verdicts.values() if isinstance(verdict, Resolved)} == {"2-1"}


async def test_a_portal_that_refuses_labels_is_not_asked_again_and_the_direction_is_named() -> None:
    """Rows with a label are refused, saying why; the direction stands among the unchecked once."""
    portal = FakePortal({})
    names = await resolve_names({1: asked(label="A"), 2: asked(label="B"), 3: asked()}, portal)
    assert portal.asked == [CONTACT_COMPANY]
    assert names.unchecked == [CONTACT_COMPANY]
    assert isinstance(names.verdicts[1], Unresolved)
    assert "HubSpot does not list the association types" in names.verdicts[1].message
    assert isinstance(names.verdicts[3], Resolved)


async def test_a_plan_without_a_portal_leaves_labels_unchecked_and_refuses_none() -> None:
    """Without a token nobody can know the portal's labels; the plan says so instead of calling rows wrong."""
    names = await resolve_names({1: asked(label="Decision maker"), 2: asked("2-1", "contacts"), 3: asked()}, None)
    assert [verdict.type for verdict in names.verdicts.values() if isinstance(verdict, Resolved)] == [
        UNCHECKED,
        UNCHECKED,
        AssociationType("HUBSPOT_DEFINED", 279),
    ]
    assert names.unchecked == [CONTACT_COMPANY, ("2-1", "0-1")]


async def test_a_plan_without_a_portal_still_knows_a_wrong_direction() -> None:
    """Type id 280 from contacts to companies is wrong in every portal."""
    verdict = await settled(asked(type_id="280"), None)
    assert isinstance(verdict, Unresolved)
    assert "use 279" in verdict.message


@pytest.mark.parametrize(
    ("label", "inverse"), [("Decision maker", AssociationType("USER_DEFINED", 37)), ("Manager", None)]
)
async def test_a_custom_label_has_an_inverse_where_the_other_end_has_the_same_words(
    label: str, inverse: AssociationType | None
) -> None:
    """`Manager` and `Employee` may be a pair or not: that is never guessed."""
    kinds = {1: asked(label=label), 2: asked("companies", "contacts")}
    verdict = (await resolve_names(kinds, FakePortal(PORTAL))).verdicts[1]
    assert isinstance(verdict, Resolved)
    assert verdict.inverse == inverse


async def test_the_other_end_is_asked_for_only_when_rows_are_written_from_it() -> None:
    """One direction in the file: its inverse does not matter."""
    portal = FakePortal(PORTAL)
    await resolve_names({1: asked(label="Manager")}, portal)
    assert portal.asked == [CONTACT_COMPANY]


async def test_unlabelled_types_of_custom_objects_are_each_others_inverse() -> None:
    """The plain type of one direction is the plain type of the other."""
    kinds = {1: asked("2-1", "contacts"), 2: asked("contacts", "2-1")}
    verdict = (await resolve_names(kinds, FakePortal(PORTAL))).verdicts[1]
    assert isinstance(verdict, Resolved)
    assert verdict.inverse == AssociationType("USER_DEFINED", 8)


# --- options


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"label": "No such"}, asked(label="No such")),
        ({"association_type_id": "280"}, asked(type_id="280")),
        ({"object_type": "contcts"}, asked("contcts")),
        ({"association_category": "OTHER"}, asked(category="OTHER")),
    ],
)
async def test_an_option_that_is_right_for_no_row_is_a_usage_error(options: dict[str, Any], what: Asked) -> None:
    """It is the command that is wrong, not a million rows."""
    kinds = {1: what}
    verdicts = (await resolve_names(kinds, FakePortal(PORTAL))).verdicts
    with pytest.raises(UsageError):
        refuse_options([replace(InputSettings(inputs=("a.csv",)), **options)], kinds, verdicts)


async def test_an_option_that_is_right_for_some_row_rejects_only_the_others() -> None:
    """A label that one object type has and another has not."""
    kinds = {1: asked(label="Decision maker"), 2: asked("deals", "companies", label="Decision maker")}
    verdicts = (await resolve_names(kinds, FakePortal({**PORTAL, ("0-3", "0-2"): []}))).verdicts
    assert isinstance(verdicts[2], Unresolved)
    refuse_options([InputSettings(inputs=("a.csv",), label="Decision maker")], kinds, verdicts)


async def test_a_cell_that_is_wrong_is_no_usage_error() -> None:
    """What the file says is judged row by row."""
    kinds = {1: asked(label="No such")}
    verdicts = (await resolve_names(kinds, FakePortal(PORTAL))).verdicts
    refuse_options([InputSettings(inputs=("a.csv",), label="Decision maker")], kinds, verdicts)
