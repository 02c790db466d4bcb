"""`create-label`, and `load --create-labels`: labels that are not there yet."""

from pathlib import Path

import pytest

import loader
from loader.errors import UsageError
from loader.sandbox import Sandbox
from tests.cli.conftest import CONTACTS, Run, lines, names

FIFTY = [{"from": "deals", "to": "companies", "label": f"Label {number}"} for number in range(50)]
PORTAL = {
    "labels": [
        {"from": "contacts", "to": "companies", "label": "Decision maker", "name": "decision_maker"},
        {"from": "contacts", "to": "companies", "label": "Boss", "inverse_label": "Staff of"},
        *FIFTY,
    ]
}
ROWS = "from_id,to_id,label\n101,201,Champion\n102,202,Boss\n103,203,champion\n104,204,Descision maker\n105,205,\n"


def labels_of(sandbox: Sandbox, first: str = "0-1", second: str = "0-2") -> dict[int, str]:
    """Return the portal's own labels by their type ids."""
    there = sandbox.portal.types.between(first, second)
    return {each.key[1]: each.label for each in there if each.key[0] == "USER_DEFINED" and each.label}


@pytest.mark.parametrize("version", ["v4", "2026-09"])
def test_a_label_is_made_once_from_both_ends(run: Run, hubspot: Run, version: str) -> None:
    """Its type ids are shown; the same command again finds it, whatever its case, and makes nothing."""
    with hubspot(portal=PORTAL) as sandbox:
        before = labels_of(sandbox)
        made = run("create-label", "contacts", "company", "C-Level", "--api-version", version)
        (type_id,) = labels_of(sandbox).keys() - before.keys()
        assert labels_of(sandbox, "0-2", "0-1")[type_id + 1] == "C-Level"
        again = run("create-label", "0-1", "companies", "c-level", "--api-version", version, "--json")
        assert sandbox.count("POST", "labels") == 1
    lines = [line.split() for line in made.out.splitlines() if line.strip()]
    assert (made.code, made.err) == (0, "")
    assert ["contacts", "companies", "USER_DEFINED", str(type_id), "C-Level"] in lines
    assert ["companies", "contacts", "USER_DEFINED", str(type_id + 1), "C-Level"] in lines
    found = again.events[-1]
    assert (again.code, found["event"], found["created"], found["portal_id"]) == (0, "createdlabel", False, "62515")
    assert [each["id"] for each in found["types"]] == [type_id, type_id + 1]


def test_a_paired_label_reads_differently_from_its_two_ends(run: Run, hubspot: Run) -> None:
    """Between two object types, and within one; there already without that inverse, it is not touched."""
    with hubspot(portal=PORTAL) as sandbox:
        assert run("create-label", "contacts", "companies", "Parent", "--inverse-label", "Child of").code == 0
        assert run("create-label", "contacts", "contacts", "Manager", "--inverse-label", "Employee").code == 0
        assert "Parent" in labels_of(sandbox).values()
        assert "Child of" in labels_of(sandbox, "0-2", "0-1").values()
        assert list(labels_of(sandbox, "0-1", "0-1").values()) == ["Manager", "Employee"]
        same = run("create-label", "contacts", "contacts", "Manager", "--inverse-label", "employee")
        other = run("create-label", "contacts", "contacts", "Manager", "--inverse-label", "Report")
        assert sandbox.count("POST", "labels") == 2
    assert (same.code, "nothing was created" in same.out) == (0, True)
    assert (other.code, "'Report' is not its label from the other side" in other.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("deals", "companies", "One more"), "(437 VALIDATION_ERROR): No more than 50 association types are allowed"),
        (("contacts", "companies", "Chief", "--name", "decision_maker"), "The name 'decision_maker' is already in use"),
        (("contacts", "companies", "Chief", "--name", "the-chief"), "has a hyphen or begins with a number"),
        (
            ("contcts", "companies", "Chief"),
            "'contcts' is not an object type of this HubSpot account: did you mean contacts",
        ),
        (("contacts", "companies", "  "), "the label is blank"),
    ],
)
def test_a_label_that_cannot_be_made_is_exit_2(run: Run, hubspot: Run, words: tuple[str, ...], says: str) -> None:
    with hubspot(portal=PORTAL) as sandbox:
        before = labels_of(sandbox)
        done = run("create-label", *words)
        assert labels_of(sandbox) == before
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("label", ["=1+1", "Line\nbreak", "決裁者", "2nd", "Ä", "ä - b"])
def test_any_text_can_be_a_label(run: Run, hubspot: Run, label: str) -> None:
    """Its internal name is made of it so that HubSpot takes it, and no two labels get the same one."""
    others = ["1 + 1", "Line-break", "2 nd", "A", "A b"]
    with hubspot() as sandbox:
        for each in (*others, label):
            assert run("create-label", "contacts", "companies", each).code == 0
        assert label in labels_of(sandbox).values()


def test_a_lost_answer_is_no_failure(run: Run, hubspot: Run) -> None:
    """The label was made, and the same request again is refused for that."""
    with hubspot(
        faults=[{"fault": "502", "method": "POST", "route": "labels", "applied": True, "times": 1}]
    ) as sandbox:
        done = run("create-label", "contacts", "companies", "Champion")
        assert (done.code, sandbox.count("POST", "labels")) == (0, 2)
        assert list(labels_of(sandbox).values()) == ["Champion"]


def test_without_the_permission_it_is_exit_3(run: Run, hubspot: Run) -> None:
    """Reading is allowed, making labels is not."""
    scopes = ["crm.objects.contacts.read", "crm.objects.companies.read"]
    with hubspot(portal={"scopes": scopes}):
        done = run("create-label", "contacts", "companies", "Champion")
    assert (done.code, len(done.err.splitlines())) == (3, 1)


def test_python_makes_labels_too(sandbox: Sandbox) -> None:
    """The types come back; what HubSpot refuses is raised, with Python's own words for options."""
    made = loader.create_label_sync("contacts", "contacts", "Manager", inverse_label="Employee", name="manages")
    assert (made.created, [each.label for each in made.types]) == (True, ["Manager", "Employee"])
    assert not loader.create_label_sync("contacts", "contacts", "Manager").created
    with pytest.raises(UsageError, match="or leave inverse_label out"):
        loader.create_label_sync("contacts", "contacts", "Manager", inverse_label="Report")
    assert sandbox.count("POST", "labels") == 1


# --- load --create-labels


def test_without_the_option_rows_of_unknown_labels_are_rejected(load: Run, hubspot: Run) -> None:
    with hubspot(portal=PORTAL) as sandbox:
        assert load("a.csv", text=ROWS).code == 1
        assert (len(sandbox.portal.pairs()), sandbox.count("POST", "labels")) == (2, 0)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("words", [("plan",), ("load", "--dry-run")])
def test_a_plan_lists_the_labels_and_makes_none(run: Run, hubspot: Run, words: tuple[str, ...]) -> None:
    """With the rows of each and the labels that look like it; as JSON, too."""
    Path("a.csv").write_text(ROWS)
    verb, *rest = words
    with hubspot(portal=PORTAL) as sandbox:
        arguments = ("a.csv", *CONTACTS, "--create-labels", *rest)
        shown, listed = run(verb, *arguments), run(verb, *arguments, "--json")
        assert sandbox.count("POST", "labels") == 0
    assert (shown.code, listed.code) == (0, 0)
    assert "To be created: the label 'Champion' from contacts to companies, for 2 rows.\n" in shown.out
    assert "'Descision maker' from contacts to companies, for 1 row; there is 'Decision maker'." in shown.out
    assert "5 rows, 5 pairs to send, 0 rejected." in shown.out
    found = listed.events[-1]
    assert [(each["label"], each["rows"]) for each in found["new_labels"]] == [("Champion", 2), ("Descision maker", 1)]
    new = [kind for kind in found["kinds"] if kind["label"] == "Champion"]
    assert [(kind["association_category"], kind["association_type_id"]) for kind in new] == [("USER_DEFINED", "")]


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("method", ["put", "batch"])
def test_a_load_makes_the_labels_once_its_plan_has_listed_them(load: Run, run: Run, hubspot: Run, method: str) -> None:
    """Each once, before any association; the results name their ids, and verify and undo know them."""
    Path("a.csv").write_text(ROWS)
    with hubspot(portal=PORTAL) as sandbox:
        before = labels_of(sandbox)
        done = load("a.csv", "--create-labels", "--method", method)
        assert done.code == 0
        new = {label: type_id for type_id, label in labels_of(sandbox).items() if type_id not in before}
        made = {line["label"]: line["association_type_id"] for line in lines("a.results.csv")}
        assert {label: int(made[label]) for label in new} == new
        assert new.keys() == {"Champion", "Descision maker"}
        assert sandbox.portal.types_of("0-1", 103, "0-2", 203) >= {("USER_DEFINED", new["Champion"])}
        writes = [request.route for request in sandbox.requests if request.route in ("labels", "pair", "batch/create")]
        assert "labels" not in writes[writes.index("pair" if method == "put" else "batch/create") :]
        assert run("verify", "a.csv", *CONTACTS, "--wait", "0").code == 0
        assert "finished" not in load("a.csv", "--create-labels", "--fresh").err
        assert sandbox.count("POST", "labels") == 2
        assert {line["status"] for line in lines("a.results.csv")} == {"unchanged"}
    first_line = done.err.index("To be created: the label 'Champion'")
    assert first_line < done.err.index("Created the label 'Champion'") < done.err.index("Sending:")


def test_rows_from_both_ends_get_one_label(run: Run, sandbox: Sandbox) -> None:
    """The row of the other end has its other type id."""
    text = "object_type,from_id,to_object_type,to_id,label\ncontacts,1,companies,11,Champion\n"
    Path("a.csv").write_text(f"{text}companies,12,contacts,2,CHAMPION\ncontacts,3,contacts,4,Sibling\n")
    assert run("load", "a.csv", "--create-labels", "--rate", "9999/1").code == 0
    assert sandbox.count("POST", "labels") == 2
    assert list(labels_of(sandbox).values()) == ["Champion"]
    for contact, company in ((1, 11), (2, 12)):
        assert len(sandbox.portal.types_of("0-1", contact, "0-2", company)) == 2
    assert len(sandbox.portal.types_of("0-1", 3, "0-1", 4)) == 2


def test_a_label_of_the_other_end_is_not_made(load: Run, hubspot: Run) -> None:
    """Such a row is written from the wrong end; nor is one made for a row that says another category or a type id."""
    text = "from_id,to_id,label,association_category,association_type_id\n1,11,Staff of,,\n"
    Path("a.csv").write_text(f"{text}2,12,New,HUBSPOT_DEFINED,\n3,13,New,,7\n")
    with hubspot(portal=PORTAL) as sandbox:
        assert load("a.csv", "--create-labels").code == 1
        assert sandbox.count("POST", "labels") == 0
    assert {line["status"] for line in lines("a.results.csv")} == {"rejected"}


def test_a_load_whose_label_is_refused_sends_nothing(load: Run, run: Run, hubspot: Run) -> None:
    """Exit 2 with HubSpot's reason, and no file is changed."""
    Path("a.csv").write_text("from_id,to_id,label\n1,11,\n2,12,One more\n")
    with hubspot(portal=PORTAL) as sandbox:
        done = run("load", "a.csv", "--from", "deals", "--to", "companies", "--create-labels")
        assert not sandbox.portal.pairs()
    assert (done.code, "No more than 50 association types" in done.err) == (2, True)
    assert names() == ["a.csv"]


def test_an_option_that_names_a_new_label_is_no_mistake_then(load: Run, sandbox: Sandbox) -> None:
    """`--label` that no row could be sent with is refused, unless it is to be made; also as a key of a file."""
    assert load("a.csv", "--label", "Champion", text="from_id,to_id\n1,11\n").code == 2
    Path("job.toml").write_text("create-labels = true\n")
    assert load("a.csv", "--label", "Champion", "--config", "job.toml").code == 0
    assert list(labels_of(sandbox).values()) == ["Champion"]


def test_a_finished_run_without_the_option_makes_way_for_one_with_it(load: Run, sandbox: Sandbox) -> None:
    """What was rejected for want of the label is loaded then."""
    assert load("a.csv", text="from_id,to_id,label\n1,11,Champion\n2,12,\n").code == 1
    assert load("a.csv", "--create-labels").code == 0
    assert len(sandbox.portal.types_of("0-1", 1, "0-2", 11)) == 2
