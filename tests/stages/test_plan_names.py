"""What rows ask for is resolved into association types, or refused with what would be right."""

from dataclasses import replace
from typing import Any

import pytest

from loader.errors import UsageError
from loader.model import AssociationType, Direction, Problem, Resolved, RowKind
from loader.planning.association_types import UNCHECKED
from loader.planning.names import refuse_options, resolve_names
from loader.planning.resolve import Verdict
from loader.settings import InputSettings
from tests.stages.fake_portal import FakePortal, row_kind

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


async def resolved(what: RowKind, portal: FakePortal | None) -> Verdict:
    """Return the verdict on one kind of row."""
    return (await resolve_names({1: what}, portal)).verdicts[1]


@pytest.mark.parametrize(
    ("what", "category", "type_id"),
    [
        (row_kind(), "HUBSPOT_DEFINED", 279),
        (row_kind("companies", "contacts"), "HUBSPOT_DEFINED", 280),
        (row_kind(primary=True), "HUBSPOT_DEFINED", 1),
        (row_kind(primary=True, type_id="279"), "HUBSPOT_DEFINED", 279),
        (row_kind(label="primary"), "HUBSPOT_DEFINED", 1),
        (row_kind(label="DECISION MAKER "), "USER_DEFINED", 36),
        (row_kind(label="Decision\u00a0 maker"), "USER_DEFINED", 36),
        (row_kind(label="Cafe\u0301"), "USER_DEFINED", 52),
        (row_kind(label="VIP"), "USER_DEFINED", 53),
        (row_kind(label="Vip"), "USER_DEFINED", 54),
        (row_kind(label="Decision maker", type_id="36"), "USER_DEFINED", 36),
        (row_kind(label="Twin", type_id="51"), "INTEGRATOR_DEFINED", 51),
        (row_kind(label="Twin", category="user_defined"), "USER_DEFINED", 50),
        (row_kind(type_id="36"), "USER_DEFINED", 36),
        (row_kind(type_id=" 279.0 "), "HUBSPOT_DEFINED", 279),
        (row_kind(type_id="26"), "USER_DEFINED", 26),
        (row_kind(type_id="36", category="user defined"), "USER_DEFINED", 36),
        (row_kind("2-1", "contact"), "USER_DEFINED", 7),
        (row_kind("companies", "companies", type_id="13"), "HUBSPOT_DEFINED", 13),
    ],
)
async def test_what_a_row_asks_for_is_resolved(what: RowKind, category: str, type_id: int) -> None:
    """Blank is the unlabelled type, a label or an id the type that the pair knows under it."""
    verdict = await resolved(what, FakePortal(PORTAL))
    assert isinstance(verdict, Resolved)
    assert verdict.type == AssociationType(category, type_id)


@pytest.mark.parametrize(
    ("what", "reason", "says"),
    [
        (row_kind("contcts"), "UNKNOWN_OBJECT_TYPE", "contacts"),
        (row_kind(category="OTHER"), "UNKNOWN_CATEGORY", "USER_DEFINED"),
        (row_kind(label="Decisoin maker"), "ASSOCIATION_LABEL_NOT_FOUND", "did you mean 'Decision maker'"),
        (
            row_kind(label="Nothing like it"),
            "ASSOCIATION_LABEL_NOT_FOUND",
            "there are 'Billing Contact', 'Caf\u00e9', 'Decision maker', 'Manager'",
        ),
        (
            row_kind(label="employee"),
            "ASSOCIATION_LABEL_NOT_FOUND",
            (
                "it is a label of companies to contacts, so write the row from that side; from this side there are "
                "'Billing"
            ),
        ),
        (row_kind(label="vIp"), "AMBIGUOUS_LABEL", "USER_DEFINED 53 and USER_DEFINED 54"),
        (row_kind(label="Twin"), "AMBIGUOUS_LABEL", "USER_DEFINED 50 and INTEGRATOR_DEFINED 51"),
        (row_kind(label="Manager", type_id="36"), "LABEL_AND_TYPE_ID_DISAGREE", "40"),
        (row_kind(label="Twin", type_id="9"), "LABEL_AND_TYPE_ID_DISAGREE", "9"),
        (row_kind(type_id="x"), "INVALID_ASSOCIATION_TYPE_ID", "digits"),
        (row_kind(type_id="0"), "INVALID_ASSOCIATION_TYPE_ID", "digits"),
        (row_kind(type_id="2147483648"), "INVALID_ASSOCIATION_TYPE_ID", "digits"),
        (row_kind(type_id="٢٧٩"), "INVALID_ASSOCIATION_TYPE_ID", "digits"),
        (row_kind(type_id="280"), "WRONG_ASSOCIATION_TYPE_ID", "it goes from companies to contacts): use 279"),
        (
            row_kind(type_id="2"),
            "WRONG_ASSOCIATION_TYPE_ID",
            "it goes from companies to contacts): use 1, which is the same",
        ),
        (
            row_kind(type_id="37"),
            "WRONG_ASSOCIATION_TYPE_ID",
            "it goes from companies to contacts): use 36, which is the same",
        ),
        (
            row_kind(type_id="41", category="USER_DEFINED"),
            "WRONG_ASSOCIATION_TYPE_ID",
            "it goes from companies to contacts): use 279 (unlabelled), 1 'Primary'",
        ),
        (row_kind(type_id="3"), "WRONG_ASSOCIATION_TYPE_ID", "it goes from deals to contacts): use 279 (unlabelled)"),
        (row_kind(type_id="4000"), "WRONG_ASSOCIATION_TYPE_ID", "use 279"),
        (row_kind(type_id="36", category="HUBSPOT_DEFINED"), "WRONG_CATEGORY", "write USER_DEFINED"),
    ],
)
async def test_what_cannot_be_sent_says_what_would_be_right(what: RowKind, reason: str, says: str) -> None:
    """The message holds the remedy, not only the fault."""
    verdict = await resolved(what, FakePortal(PORTAL))
    assert isinstance(verdict, Problem)
    assert verdict.reason == reason
    assert says in verdict.message


async def test_a_label_of_hubspots_guide_is_known_too() -> None:
    """A portal's own label may go by the words of HubSpot's `Billing Contact`: then neither is guessed."""
    for text in ("Billing", "billing contact"):
        verdict = await resolved(row_kind(label=text), FakePortal({CONTACT_COMPANY: []}))
        assert isinstance(verdict, Resolved)
        assert verdict.type.type_id == 931
    own = FakePortal({CONTACT_COMPANY: [("USER_DEFINED", 60, "Billing Contact")]})
    found = await resolved(row_kind(label="Billing Contact"), own)
    assert isinstance(found, Problem)
    assert found.reason == "AMBIGUOUS_LABEL"


@pytest.mark.parametrize(
    ("kinds", "requests"),
    [
        # Unlabelled rows, and HubSpot's own ids under their category, are in the standard table.
        ([row_kind(), row_kind(category="HUBSPOT_DEFINED", type_id="279"), row_kind("companies", "contacts")], []),
        # A direction is read once, and the other one only when rows are written from it, or something was not found.
        ([row_kind(label="Manager")], [CONTACT_COMPANY]),
        (
            [
                row_kind(label="Decision maker"),
                row_kind("companies", "contacts", label="Employee"),
                row_kind(label="Manager"),
            ],
            [CONTACT_COMPANY, COMPANY_CONTACT],
        ),
        (
            [row_kind(label="Employee"), row_kind(label="Nobody"), row_kind(type_id="41")],
            [CONTACT_COMPANY, COMPANY_CONTACT],
        ),
    ],
)
async def test_labels_are_read_as_seldom_as_possible(kinds: list[RowKind], requests: list[Direction]) -> None:
    portal = FakePortal(PORTAL)
    names = await resolve_names(dict(enumerate(kinds, start=1)), portal)
    assert sorted(portal.requests) == sorted(requests)
    assert names.unchecked == []


async def test_a_refusal_of_the_other_ends_labels_changes_nothing() -> None:
    portal = FakePortal({CONTACT_COMPANY: PORTAL[CONTACT_COMPANY]})
    names = await resolve_names({1: row_kind(label="Employee"), 2: row_kind(type_id="41")}, portal)
    assert portal.requests == [CONTACT_COMPANY, COMPANY_CONTACT]
    assert names.unchecked == []
    assert all(isinstance(verdict, Problem) for verdict in names.verdicts.values())


async def test_custom_objects_are_read_once_and_not_for_standard_ids() -> None:
    """A qualified name is resolved into the id, too, so that rows with either mean one object."""
    standard = FakePortal(PORTAL)
    await resolve_names({1: row_kind("0-1", "0-2")}, standard)
    assert standard.schema_requests == 0
    schemas = [{"objectTypeId": "2-1", "fullyQualifiedName": "p9_car", "name": "car", "labels": {}}]
    portal = FakePortal(PORTAL, schemas)
    names = await resolve_names({1: row_kind("p9_car", "contacts"), 2: row_kind("2-1", "contacts")}, portal)
    assert portal.schema_requests == 1
    assert {verdict.direction[0] for verdict in names.verdicts.values() if isinstance(verdict, Resolved)} == {"2-1"}


async def test_a_direction_whose_labels_are_refused_is_named_once() -> None:
    """Rows with a label are refused, saying why; the direction stands among the unchecked once."""
    portal = FakePortal({})
    names = await resolve_names({1: row_kind(label="A"), 2: row_kind(label="B"), 3: row_kind()}, portal)
    assert portal.requests == [CONTACT_COMPANY]
    assert names.unchecked == [CONTACT_COMPANY]
    assert isinstance(names.verdicts[1], Problem)
    assert "HubSpot does not list the association types" in names.verdicts[1].message
    assert isinstance(names.verdicts[3], Resolved)


async def test_a_plan_without_a_portal_leaves_labels_unchecked_and_refuses_none() -> None:
    """Without a token nobody can know the portal's labels; the plan says so instead of calling rows wrong."""
    names = await resolve_names(
        {1: row_kind(label="Decision maker"), 2: row_kind("2-1", "contacts"), 3: row_kind()}, None
    )
    assert [verdict.type for verdict in names.verdicts.values() if isinstance(verdict, Resolved)] == [
        UNCHECKED,
        UNCHECKED,
        AssociationType("HUBSPOT_DEFINED", 279),
    ]
    assert names.unchecked == [CONTACT_COMPANY, ("2-1", "0-1")]


async def test_a_plan_without_a_portal_still_knows_a_wrong_direction() -> None:
    """Type id 280 from contacts to companies is wrong in every portal."""
    verdict = await resolved(row_kind(type_id="280"), None)
    assert isinstance(verdict, Problem)
    assert "use 279" in verdict.message


@pytest.mark.parametrize(
    ("label", "inverse"), [("Decision maker", AssociationType("USER_DEFINED", 37)), ("Manager", None)]
)
async def test_a_custom_label_has_an_inverse_of_the_same_words_only(
    label: str, inverse: AssociationType | None
) -> None:
    """`Manager` and `Employee` may be a pair or not: that is never guessed."""
    kinds = {1: row_kind(label=label), 2: row_kind("companies", "contacts")}
    verdict = (await resolve_names(kinds, FakePortal(PORTAL))).verdicts[1]
    assert isinstance(verdict, Resolved)
    assert verdict.inverse == inverse


async def test_unlabelled_types_of_custom_objects_are_each_others_inverse() -> None:
    """The plain type of one direction is the plain type of the other."""
    kinds = {1: row_kind("2-1", "contacts"), 2: row_kind("contacts", "2-1")}
    verdict = (await resolve_names(kinds, FakePortal(PORTAL))).verdicts[1]
    assert isinstance(verdict, Resolved)
    assert verdict.inverse == AssociationType("USER_DEFINED", 8)


# --- options


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"label": "No such"}, row_kind(label="No such")),
        ({"association_type_id": "280"}, row_kind(type_id="280")),
        ({"object_type": "contcts"}, row_kind("contcts")),
        ({"association_category": "OTHER"}, row_kind(category="OTHER")),
    ],
)
async def test_an_option_that_is_right_for_no_row_is_a_usage_error(options: dict[str, Any], what: RowKind) -> None:
    """It is the command that is wrong, not a million rows."""
    kinds = {1: what}
    verdicts = (await resolve_names(kinds, FakePortal(PORTAL))).verdicts
    with pytest.raises(UsageError):
        refuse_options([replace(InputSettings(inputs=("a.csv",)), **options)], kinds, verdicts)


async def test_an_option_that_is_right_for_some_row_rejects_only_the_others() -> None:
    """A label that one object type has and another has not."""
    kinds = {1: row_kind(label="Decision maker"), 2: row_kind("deals", "companies", label="Decision maker")}
    verdicts = (await resolve_names(kinds, FakePortal({**PORTAL, ("0-3", "0-2"): []}))).verdicts
    assert isinstance(verdicts[2], Problem)
    refuse_options([InputSettings(inputs=("a.csv",), label="Decision maker")], kinds, verdicts)


async def test_a_cell_that_is_wrong_is_no_usage_error() -> None:
    """What the file says is judged row by row."""
    kinds = {1: row_kind(label="No such")}
    verdicts = (await resolve_names(kinds, FakePortal(PORTAL))).verdicts
    refuse_options([InputSettings(inputs=("a.csv",), label="Decision maker")], kinds, verdicts)
