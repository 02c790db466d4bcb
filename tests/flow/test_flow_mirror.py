"""`--existing mirror`: what the file does not ask of its records goes, all else stays, and undo gives it back."""

import json
import random
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import loader
from loader.cli import run
from loader.errors import TooManyRemovals, UsageError
from loader.events import Started
from loader.run.report import Report
from loader.sandbox import Sandbox, SandboxThread
from loader.settings import Budget, VerifySettings
from tests.flow import portals
from tests.flow.portals import Pairs, labels_of, linked
from tests.verbs import load, plan, undo, verify
from tests.written import lines_of

LABELS = [
    {"from": "contacts", "to": "companies", "label": "Boss"},
    {"from": "contacts", "to": "companies", "label": "Friend"},
    {"from": "contacts", "to": "companies", "label": "Manager", "inverse_label": "Employee"},
    {"from": "contacts", "to": "contacts", "label": "Parent", "inverse_label": "Child"},
]

settings = partial(portals.settings, existing="mirror")


async def mirror(sandbox: Any, *inputs: str, **given: Any) -> Report:
    """Load with `--existing mirror`."""
    return await load(settings(sandbox, *inputs, **given))


async def test_what_the_file_does_not_name_goes_and_all_else_stays(folder: Path) -> None:
    """Of the records of the file, as far as it is of a type that the file asks for."""
    (folder / "a.csv").write_text("from_id,to_id,label\n1,11,\n1,12,Boss\n2,21,\n")
    associations = [
        *(
            linked(1, 11),
            linked(1, 13),
            linked(1, 14, "Boss"),
            linked(1, 15, "Friend"),
            linked(1, 16, "Boss", "Friend"),
        ),
        *(linked(2, 21, "Boss"), linked(2, 22), linked(3, 31), linked(3, 32, "Boss")),
    ]
    async with Sandbox({"labels": LABELS, "associations": associations}) as sandbox:
        report = await mirror(sandbox)
        assert labels_of(sandbox) == {
            (1, 11): set(),
            (1, 12): {"Boss"},
            (1, 15): {"Friend"},
            (1, 16): {"Friend"},
            (2, 21): set(),
            (3, 31): set(),
            (3, 32): {"Boss"},
        }
        assert report.summary["removals"] == {"removed": 5, "failed": 0, "exempt_records": 0}
        assert report.summary["rows"]["total"] == 3
        assert report.exit_code == 0
    removed = [line for line in lines_of(folder / "r.csv") if line["status"] == "removed"]
    assert {(line["input"], line["row"]) for line in removed} == {("", "0")}
    assert sorted((line["object_id"], line["to_object_id"], line["label"]) for line in removed) == [
        *(("1", "13", ""), ("1", "14", "Boss"), ("1", "16", "Boss"), ("2", "21", "Boss"), ("2", "22", "")),
    ]


FEW = [linked(1, 11), linked(1, 12), linked(1, 13, "Boss"), linked(2, 21), linked(2, 22)]
"""What the tests of exempt records begin with."""


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("rows", "exempt"),
    [
        ("1,11,\n1,x,\n2,21,Boss\n", 1),  # a part that is no id
        ("1,11,\n1,,\n2,21,Boss\n", 1),  # a blank id
        ("1,11,\n1,12,Bos\n2,21,Boss\n", 1),  # a label that is not known
        ("1,11,\n1,1,\n2,21,Boss\n", 0),  # contact 1 and company 1 are two records
        ("1,11,\n1,404,\n2,21,Boss\n", 1),  # a company that HubSpot does not have
        ("1,11,\n01,12,\n2,21,Boss\n", 0),  # perhaps record 1: it keeps all, and is not counted
        ("1,11,\n1;2,12,\n2,21,Boss\n", 0),
    ],
)
async def test_a_record_with_a_row_that_is_not_loaded_keeps_all(rows: str, exempt: int, folder: Path) -> None:
    """What it should have is not known; the others lose what the file does not name."""
    (folder / "a.csv").write_text(f"from_id,to_id,label\n{rows}")
    portal = {"labels": LABELS, "associations": FEW, "missing": [{"type": "companies", "id": "404"}]}
    async with Sandbox(portal) as sandbox:
        before = labels_of(sandbox)
        report = await mirror(sandbox)
        after = labels_of(sandbox)
    keeps_first = "1,1," not in rows
    assert ((1, 13) in after, after.get((1, 13))) == ((keeps_first, before[1, 13]) if keeps_first else (False, None))
    assert ((2, 22) in after) is ("1;2" in rows)
    assert report.summary["removals"]["exempt_records"] == exempt


async def test_a_reading_that_is_refused_takes_nothing_off(folder: Path) -> None:
    """The records are exempt, and the rows fail."""
    (folder / "a.csv").write_text("from_id,to_id\n1,11\n2,21\n")
    async with Sandbox(
        {"labels": LABELS, "associations": FEW}, faults=[{"fault": "400", "route": "batch/read"}]
    ) as sandbox:
        before = labels_of(sandbox)
        report = await mirror(sandbox)
        assert labels_of(sandbox) == before
    assert report.summary["removals"] == {"removed": 0, "failed": 0, "exempt_records": 2}


async def test_a_reading_that_is_cut_short_takes_nothing_off(folder: Path) -> None:
    """The second page of what a record has is refused: nothing that the first one showed counts."""
    (folder / "a.csv").write_text("from_id,to_id\n1,1001\n2,21\n")
    associations = [*(linked(1, company) for company in range(1000, 1600)), linked(2, 21), linked(2, 22)]
    fault = {"fault": "400", "route": "batch/read", "nth": 2}
    async with Sandbox({"associations": associations}, faults=[fault]) as sandbox:
        report = await mirror(sandbox, max_removals=Budget())
        found = labels_of(sandbox)
    assert len([pair for pair in found if pair[0] == 1]) == 600
    assert (2, 22) not in found
    assert report.summary["removals"] == {"removed": 1, "failed": 0, "exempt_records": 1}


async def test_two_files_of_one_job_are_one_scope(folder: Path) -> None:
    """What the second file names of a record of the first one stays, however each of them is read."""
    (folder / "a.csv").write_text("from_id,to_id\n1,11\n")
    (folder / "b.csv").write_text("Company;Contact;label\n13;1;Boss\n")
    async with Sandbox({"labels": LABELS, "associations": FEW}) as sandbox:
        job = settings(sandbox)
        columns = {"object_id": "Contact", "to_object_id": "Company"}
        other = replace(job.read[0], inputs=("b.csv",), columns=columns)
        report = await load(replace(job, read=(*job.read, other)))
        assert {pair for pair in labels_of(sandbox) if pair[0] == 1} == {(1, 11), (1, 13)}
    assert report.summary["removals"]["removed"] == 1


async def test_a_pair_may_be_named_from_the_other_end(folder: Path) -> None:
    """And a company that stands in the file loses what no row asks for, from whichever end."""
    (folder / "a.csv").write_text(
        "object_type,from_id,to_object_type,to_id\ncontacts,1,companies,11\ncompanies,12,contacts,1\n"
    )
    associations = [linked(1, 11), linked(1, 12), linked(1, 13), linked(2, 12), linked(2, 13)]
    async with Sandbox({"associations": associations}) as sandbox:
        report = await mirror(sandbox)
        assert set(labels_of(sandbox)) == {(1, 11), (1, 12), (2, 13)}
    assert report.summary["removals"]["removed"] == 2


async def test_pairs_of_one_object_type_are_seen_from_both_ends(folder: Path) -> None:
    """A pair goes once, from whichever end; what the other record asks for stays, and a label keeps its direction."""
    (folder / "a.csv").write_text("from_id,to_id,label\n1,2,\n3,1,Parent\n4,1,\n")
    same = {"to_object_type": "contacts"}
    associations = [
        *(
            linked(1, 2, to_type="contacts"),
            linked(1, 4, to_type="contacts"),
            linked(2, 5, to_type="contacts"),
        ),
        *(linked(1, 3, to_type="contacts"), linked(3, 4, to_type="contacts")),
        linked(1, 6, "Child", to_type="contacts"),  # record 6 is the parent, and is not in the file
    ]
    async with Sandbox({"labels": LABELS, "associations": associations}) as sandbox:
        report = await mirror(sandbox, read=same)
        pairs = {tuple(sorted(pair)) for pair in labels_of(sandbox)}
    assert pairs == {(1, 2), (1, 3), (1, 4), (2, 5), (1, 6)}
    removed = [line for line in lines_of(folder / "r.csv") if line["status"] == "removed"]
    assert [{line["object_id"], line["to_object_id"]} for line in removed] == [{"3", "4"}]
    assert report.summary["removals"]["removed"] == 1


async def test_every_label_is_in_scope_where_it_is_said(folder: Path) -> None:
    """`--mirror-all-labels`: also one that no row asks for, and the type without a label."""
    (folder / "a.csv").write_text("from_id,to_id,label\n1,13,Boss\n")
    associations = [linked(1, 11), linked(1, 12, "Friend"), linked(1, 13, "Boss", "Friend")]
    async with Sandbox({"labels": LABELS, "associations": associations}) as sandbox:
        report = await mirror(sandbox)
        assert report.summary["removals"]["removed"] == 0
        report = await mirror(sandbox, mirror_all_labels=True, fresh=True)
        assert labels_of(sandbox) == {(1, 13): {"Boss"}}
    assert report.summary["removals"]["removed"] == 3


async def test_one_number_may_be_two_types(folder: Path) -> None:
    """Type 1 of the portal's own is in scope, and HubSpot's own type 1, the primary company, is not."""
    (folder / "a.csv").write_text("from_id,to_id,label\n1,11,Boss\n")
    associations = [linked(1, 12, "Boss"), linked(1, 13, "Primary", "Boss")]
    async with Sandbox({"labels": LABELS, "associations": associations}) as sandbox:
        await mirror(sandbox)
        found = labels_of(sandbox)
    assert found == {(1, 11): {"Boss"}, (1, 12): set(), (1, 13): {"Primary"}}


@pytest.mark.slow_after(2)
@pytest.mark.parametrize(
    "content", ["from_id,to_id\n", "from_id,to_id\n1,x\n2,\n", "Record ID,Associated Company IDs\n1,\n"]
)
async def test_a_file_without_a_row_in_order_takes_nothing_off(content: str, folder: Path) -> None:
    """An empty export is no order to empty the portal."""
    (folder / "a.csv").write_text(content)
    async with Sandbox({"labels": LABELS, "associations": FEW}) as sandbox:
        before = labels_of(sandbox)
        await mirror(sandbox)
        assert labels_of(sandbox) == before


async def test_a_blank_cell_says_that_a_record_has_nothing(folder: Path) -> None:
    """In a column of HubSpot's own export; the record loses what it has of the types that other rows ask for."""
    (folder / "a.csv").write_text("Record ID,Associated Company IDs\n1,11;13\n2,\n")
    async with Sandbox({"labels": LABELS, "associations": [*FEW, linked(2, 23, "Boss")]}) as sandbox:
        report = await mirror(sandbox)
        assert labels_of(sandbox) == {(1, 11): set(), (1, 13): {"Boss"}, (2, 23): {"Boss"}}
    assert (report.summary["removals"]["removed"], report.exit_code) == (3, 0)


async def test_a_limit_takes_nothing_off_and_the_rest_does(folder: Path) -> None:
    """Of records of which only some rows are loaded nothing is known; the same command without it goes on."""
    (folder / "a.csv").write_text("from_id,to_id\n1,11\n1,14\n2,21\n")
    command = ("association-loader", "load", "a.csv")
    async with Sandbox({"labels": LABELS, "associations": FEW}) as sandbox:
        report = await mirror(sandbox, limit=3, command=command)
        assert sandbox.count("POST", "batch/archive") == 0
        assert report.summary["rows"]["pending"] == 0
        assert report.summary["next_command"] == "association-loader load a.csv"
        await mirror(sandbox, command=command)
        assert set(labels_of(sandbox)) == {(1, 11), (1, 13), (1, 14), (2, 21)}


async def test_a_second_night_without_a_change_sends_nothing(folder: Path) -> None:
    """One read for a thousand records, no write; one change is one write."""
    (folder / "a.csv").write_text("from_id,to_id\n" + "".join(f"{n},{10_000 + n % 7}\n" for n in range(1, 1201)))
    async with Sandbox() as sandbox:
        await mirror(sandbox, method="batch")
        reads, writes = sandbox.count("POST", "batch/read"), sandbox.count("POST", "batch/create")
        report = await mirror(sandbox, method="batch", fresh=True)
        assert sandbox.count("POST", "batch/read") - reads == 2
        assert sandbox.count("POST", "batch/create") == writes
        assert sandbox.count("POST", "batch/archive") == 0
        assert report.summary["rows"]["unchanged"] == 1200
        (folder / "a.csv").write_text((folder / "a.csv").read_text().replace("\n77,10000\n", "\n77,10001\n"))
        report = await mirror(sandbox, method="put")
        assert (sandbox.count("PUT"), sandbox.count("POST", "batch/archive")) == (1, 1)
        assert report.summary["removals"]["removed"] == 1


async def test_too_much_to_take_off_stops_before_the_first_write(folder: Path) -> None:
    """Exit code 4, with the number, three examples, and the way on: the same command with a larger limit."""
    (folder / "a.csv").write_text("from_id,to_id\n1,1000\n")
    associations = [linked(1, company) for company in range(1001, 1200)]
    async with Sandbox({"associations": associations}) as sandbox:
        before = labels_of(sandbox)
        for limit, exit_code in ((None, 4), (Budget(share=0.5), 4), (Budget(count=198), 4), (Budget(count=199), 0)):
            report = await mirror(sandbox, max_removals=limit)
            assert report.exit_code == exit_code
            if exit_code:
                assert isinstance(report.stopped, TooManyRemovals)
                assert "199" in str(report.stopped)
                assert str(report.stopped).count("contact 1 and company 1") == 3
                assert "--max-removals" in str(report.stopped)
                assert (labels_of(sandbox), sandbox.count("PUT")) == (before, 0)
        assert set(labels_of(sandbox)) == {(1, 1000)}


@pytest.mark.slow
async def test_too_much_to_take_off_stops_before_a_label_is_created(folder: Path) -> None:
    """The same command with a larger limit creates it, and takes off what it showed."""
    (folder / "a.csv").write_text("from_id,to_id,label\n1,11,Partner\n")
    async with Sandbox({"labels": LABELS, "associations": [linked(1, n) for n in range(11, 30)]}) as sandbox:
        given = {"create_labels": True, "mirror_all_labels": True, "max_removals": Budget(count=1)}
        before = labels_of(sandbox)
        for _ in range(2):
            report = await mirror(sandbox, **given)
            assert (report.exit_code, labels_of(sandbox)) == (4, before)
            assert "18 associations would be removed" in str(report.stopped)
            assert "Partner" not in [each.label for each in sandbox.portal.types.between("0-1", "0-2")]
        report = await mirror(sandbox, **{**given, "max_removals": Budget()})
        assert (report.exit_code, labels_of(sandbox)) == (0, {(1, 11): {"Partner"}})
        await undo(settings(sandbox))
        assert labels_of(sandbox) == before


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("to_type", ["companies", "contacts"])
async def test_a_pair_with_both_ends_in_scope_is_one_of_the_share(to_type: str, folder: Path) -> None:
    """20 of 120 are more than 12%, also where both directions, or both ends of one object type, are in scope."""
    rows = "".join(f"contacts,{one},{to_type},{one + 1000}\n" for one in range(1, 101))
    back = "".join(f"{to_type},{one + 1000},contacts,{one}\n" for one in range(1, 101))
    (folder / "a.csv").write_text("object_type,from_id,to_object_type,to_id\n" + rows + back)
    associations = [linked(one, one + 1000, to_type=to_type) for one in range(1, 101)]
    associations += [linked(one, one + 2000, to_type=to_type) for one in range(1, 21)]
    types = {"object_type": "", "to_object_type": ""}
    async with Sandbox({"associations": associations}) as sandbox:
        before = labels_of(sandbox)
        report = await mirror(sandbox, read=types, max_removals=Budget(share=0.12))
        assert (report.exit_code, labels_of(sandbox)) == (4, before)
        assert "20 of 120 associations would be removed" in str(report.stopped)
        assert (await mirror(sandbox, read=types, max_removals=Budget(share=0.17))).exit_code == 0
        assert len(labels_of(sandbox)) == len(before) - 20


async def test_a_share_of_few_associations_does_not_count(folder: Path) -> None:
    """One of two may go; with `off` all of any number."""
    (folder / "a.csv").write_text("from_id,to_id\n1,11\n")
    async with Sandbox({"associations": [linked(1, 11), *(linked(1, n) for n in range(100, 150))]}) as sandbox:
        assert (await mirror(sandbox)).exit_code == 0
        assert set(labels_of(sandbox)) == {(1, 11)}


async def test_a_failed_removal_is_a_line_of_the_results_only(folder: Path) -> None:
    """Exit code 1; the same run tries again, and what would be loaded again from a failures file stays away."""
    (folder / "a.csv").write_text("from_id,to_id\n1,11\n2,21\n")
    fault = {"fault": "400", "route": "batch/archive", "times": 3}
    async with Sandbox({"labels": LABELS, "associations": FEW}, faults=[fault]) as sandbox:
        report = await mirror(sandbox, command=("association-loader", "load", "a.csv", "--existing", "mirror"))
        assert (report.exit_code, report.summary["removals"]) == (1, {"removed": 0, "failed": 2, "exempt_records": 0})
        assert str(report.summary["next_command"]).endswith("a.csv --existing mirror --retry-failed")
        assert not (folder / "r.failures.csv").exists()
        failed = [line for line in lines_of(folder / "r.csv") if line["status"] == "failed"]
        assert {(line["input"], line["row"], line["http_status"]) for line in failed} == {("", "0", "400")}
        report = await mirror(sandbox, retry_failed=True)
        assert (report.exit_code, report.summary["removals"]["removed"]) == (0, 2)
        assert set(labels_of(sandbox)) == {(1, 11), (1, 13), (2, 21)}


async def test_the_plan_counts_what_is_added_kept_and_taken_off(folder: Path) -> None:
    (folder / "a.csv").write_text("from_id,to_id,label\n1,11,\n1,12,Boss\n2,x,\n2,29,\n")
    async with Sandbox({"labels": LABELS, "associations": FEW}) as sandbox:
        before = labels_of(sandbox)
        planned = await plan(settings(sandbox))
        assert labels_of(sandbox) == before
    assert planned.mirror is not None
    found = {each.label: (each.added, each.kept, each.removed) for each in planned.mirror.types}
    assert found == {"": (1, 1, 0), "Boss": (1, 0, 1)}
    assert (planned.mirror.associations, planned.mirror.removed, planned.mirror.exempt_records) == (5, 1, 1)
    assert planned.mirror.requests == 2


async def test_undo_gives_back_what_went_and_takes_what_came(folder: Path) -> None:
    """The portal is as it was, but for what somebody has changed since: that stays."""
    (folder / "a.csv").write_text("from_id,to_id,label\n1,11,Boss\n1,14,\n2,21,\n")
    associations = [*FEW, linked(1, 15, "Boss", "Friend"), linked(2, 23, "Boss")]
    async with Sandbox({"labels": LABELS, "associations": associations}) as sandbox:
        before = labels_of(sandbox)
        report = await mirror(sandbox)
        assert report.summary["removals"]["removed"] == 5
        add: dict[str, Any] = {"existing": "merge", "results": "other.csv"}
        (folder / "b.csv").write_text("from_id,to_id,label\n1,13,Friend\n")
        await load(settings(sandbox, "b.csv", **add))
        await undo(settings(sandbox))
        assert labels_of(sandbox) == {**before, (1, 13): {"Boss", "Friend"}}
    found = {(line["row"], line["to_object_id"]): line["status"] for line in lines_of(folder / "r.undo.csv")}
    assert found == {
        ("2", "11"): "removed",
        ("3", "14"): "removed",
        **{("0", company): "restored" for company in ("12", "13", "15", "22", "23")},
    }


async def test_what_somebody_adds_between_the_plan_and_the_end_stays(folder: Path) -> None:
    """A pair that was to go whole and has got a label since keeps both; it is no line of the results."""
    (folder / "a.csv").write_text("from_id,to_id,label\n1,11,\n1,14,\n")
    async with Sandbox({"labels": LABELS, "associations": FEW}) as sandbox:
        (friend,) = (each.key for each in sandbox.portal.types.between("0-1", "0-2") if each.label == "Friend")

        def label_meanwhile(event: object) -> None:
            if isinstance(event, Started):
                sandbox.portal.associate("0-1", 1, "0-2", 12, frozenset({friend}))

        report = await load(settings(sandbox), notify=label_meanwhile)
        assert labels_of(sandbox)[1, 12] == {"Friend"}
    assert report.summary["removals"]["removed"] == 0
    assert report.exit_code == 0


async def test_undo_restores_only_what_the_run_took_off(folder: Path) -> None:
    """A pair that was to go whole got a label before its turn: the run took the other one, and that alone."""
    (folder / "a.csv").write_text("from_id,to_id,label\n1,11,\n1,12,Boss\n")
    async with Sandbox({"labels": LABELS, "associations": FEW}) as sandbox:
        keys = {each.label: each.key for each in sandbox.portal.types.between("0-1", "0-2")}

        def label_meanwhile(event: object) -> None:
            if isinstance(event, Started):
                sandbox.portal.associate("0-1", 1, "0-2", 13, frozenset({keys["Boss"], keys["Friend"]}))

        await load(settings(sandbox), notify=label_meanwhile)
        assert labels_of(sandbox)[1, 13] == {"Friend"}
        sandbox.portal.dissociate("0-1", 1, "0-2", 13, frozenset({keys["Friend"]}))
        await undo(settings(sandbox))
        assert labels_of(sandbox)[1, 13] == {"Boss"}


async def test_a_primary_company_moves_and_undo_moves_it_back(folder: Path) -> None:
    """HubSpot takes the label off the old company by itself, and the mirror takes the pair off."""
    (folder / "a.csv").write_text("from_id,to_id,label\n1,11,\n1,11,Primary\n")
    async with Sandbox({"associations": [linked(1, 11), linked(1, 12, "Primary")]}) as sandbox:
        before = labels_of(sandbox)
        await mirror(sandbox)
        assert labels_of(sandbox) == {(1, 11): {"Primary"}}
        await undo(settings(sandbox))
        assert labels_of(sandbox) == before


async def test_records_named_by_own_keys_are_in_scope_and_exempt(folder: Path) -> None:
    """A rejected row whose email stands for a record exempts that record, and a blank cell empties another."""
    (folder / "a.csv").write_text(
        "Email,Associated Company IDs\na@x.example,11\na@x.example,x\nb@x.example,21\nc@x.example,\nd@x.example,x\n"
    )
    records = [
        {"type": "contacts", "id": str(number), "properties": {"email": f"{letter}@x.example"}}
        for number, letter in enumerate("abcd", 1)
    ]
    associations = [*FEW, linked(3, 31), linked(4, 41)]
    async with Sandbox({"labels": LABELS, "records": records, "associations": associations}) as sandbox:
        read = {"from_id_property": "email", "columns": {"object_id": "Email"}}
        report = await mirror(sandbox, read=read)
        left = set(labels_of(sandbox))
    assert left == {(1, 11), (1, 12), (1, 13), (2, 21), (4, 41)}
    assert report.summary["removals"] == {"removed": 2, "failed": 0, "exempt_records": 2}


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("number", range(2))
async def test_random_loads_end_as_expected_and_undo_restores_everything(number: int, folder: Path) -> None:
    """Random rows over a random portal, by PUT and by batch, with lost answers, held against a model."""
    seed = random.randrange(10**6) + number
    print(f"SEED={seed}")
    chance = random.Random(seed)
    pairs = [(chance.randrange(1, 20), chance.randrange(30, 40)) for _ in range(90)]
    before: Pairs = {
        pair: set(chance.sample(["Boss", "Manager", "Friend"], chance.randrange(3))) for pair in pairs[::2]
    }
    lines = [(*pair, chance.choice(["", "Boss", "Manager"])) for pair in pairs[20:] if pair[0] % 3]
    (folder / "a.csv").write_text("from_id,to_id,label\n" + "".join(f"{a},{b},{label}\n" for a, b, label in lines))
    wanted = expected(before, lines)
    portal = {"labels": LABELS, "associations": [linked(*pair, *labels) for pair, labels in before.items()]}
    faults = [{"fault": "reset", "share": 0.03, "applied": chance.choice([True, False])}]
    async with Sandbox(portal, faults=faults, seed=seed) as sandbox:
        method = chance.choice(["put", "batch"])
        report = await mirror(sandbox, method=method, max_removals=Budget())
        assert labels_of(sandbox) == wanted
        assert report.exit_code == 0
        await mirror(sandbox, method=method, results="again.csv")
        assert labels_of(sandbox) == wanted
        removed = [line for line in lines_of(folder / "again.csv") if line["status"] == "removed"]
        assert removed == []
        await undo(settings(sandbox))
        assert labels_of(sandbox) == before


def expected(before: Pairs, lines: list[tuple[int, int, str]]) -> Pairs:
    """Return what a portal has after a mirror, by the rules of the README."""
    rows: Pairs = {}
    for contact, company, label in lines:
        rows.setdefault((contact, company), set()).add(label)
    scope, labels = {contact for contact, _, _ in lines}, {label for *_, label in lines}
    found: Pairs = {}
    for pair in before.keys() | rows.keys():
        its = before.get(pair, set())
        if pair[0] not in scope:
            found[pair] = its
        elif pair in rows:
            found[pair] = (rows[pair] - {""}) | (its - labels)
        elif its - labels or "" not in labels:
            found[pair] = its - labels
    return found


@pytest.mark.slow
def test_the_command_line_and_python_say_what_is_taken_off(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the plan, at the end, in the lines of `--json`, in status, report and metrics; a job file says it too."""
    (folder / "a.csv").write_text("from_id,to_id,label\n1,11,\n1,x,\n2,21,Boss\n2,24,\n")
    (folder / "job.toml").write_text(
        'existing = "mirror"\nmirror-all-labels = false\nmax-removals = "50%"\n[[input]]\npath = "a.csv"\n'
        'from = "contacts"\nto = "companies"\n'
    )
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", "canary-7a1f-never-shown")
    with SandboxThread({"labels": LABELS, "associations": FEW}, daily=1000) as sandbox:
        monkeypatch.setenv("HUBSPOT_BASE_URL", sandbox.url)
        options = ["a.csv", "--from", "contacts", "--to", "companies", "--existing", "mirror"]

        def said(*words: str, code: int = 1) -> str:
            assert run(list(words)) == code
            captured = capsys.readouterr()
            return " ".join((captured.out + captured.err).split())

        planned = said("plan", *options)
        assert "1 of 5 associations in scope are not in the file and will be removed, in under 1 s and 2" in planned
        assert "2 requests (0.2% of the day)." in planned
        assert "1 of 5 associations in scope are not in the file and will be removed" in said(
            "plan", "--config", "job.toml"
        )
        assert "1 record will lose nothing" in said("plan", *options)
        assert "Next: " in said("plan", *options)
        assert "Next: " not in said("plan", *options, "--max-removals", "0")
        stopped = said("load", *options, "--max-removals", "0", "--results", "s.csv", code=4)
        assert "1 association would be removed" in stopped
        assert "contact 2 and company 22" in stopped
        assert "--results s.csv --dry-run" in stopped.partition("Next: ")[2]
        loaded = said("load", *options, "--results", "r.csv", "--metrics-file", "m.prom")
        assert "Removed, because not in the file: 1 association; 1 record lost nothing" in loaded
        of_a_load = ("--max-removals", "9", "--method", "put", "--create-labels", "--concurrency", "2", "--yes")
        assert "4 3 0 0 0 1 rejected row" in said("verify", *options, "--results", "r.csv", *of_a_load)
        assert 'association_loader_removals{job_name="m",status="removed"} 1' in (folder / "m.prom").read_text()
        assert json.loads(said("status", "r.csv", "--json", code=0))["removals"]["removed"] == 1
        assert "1 association, 1 exempt record" in said("status", "r.csv", code=0)
        said("report", "r.csv", code=0)
        assert "1 association that the file does not ask for removed" in (folder / "r.report.html").read_text()
        last = json.loads((folder / "r.summary.json").read_text())
        assert last["removals"] == {"removed": 1, "failed": 0, "exempt_records": 1}
        said("undo", "r.csv", "--yes", code=0)
        report = loader.load_sync(
            "a.csv", object_type="contacts", to_object_type="companies", existing="mirror", results="p.csv",
            max_removals=5, mirror_all_labels=True, on_event=lambda _: None,
        )  # fmt: skip
        assert report.summary["removals"]["removed"] == 1
        assert len(report.results[report.results["status"] == "removed"]) == 1
    assert "--mirror-all-labels works only with --existing mirror" in said(
        "load", "a.csv", "--mirror-all-labels", code=2
    )


@pytest.mark.slow
async def test_verify_says_what_is_too_much_and_what_has_come_back(folder: Path) -> None:
    """After a mirror there is nothing else in scope; records that are exempt, and labels out of scope, do not count."""
    (folder / "a.csv").write_text("from_id,to_id\n1,11\n2,21\n3,31\n3,x\n4,41\n4,404\n")
    associations = [*FEW, linked(3, 31), linked(3, 32), linked(4, 41), linked(4, 42)]
    portal = {"labels": LABELS, "associations": associations, "missing": [{"type": "companies", "id": "404"}]}
    async with Sandbox(portal) as sandbox:
        checked = replace(settings(sandbox), verify=VerifySettings(wait=0.0))
        report = await verify(checked)
        assert (report.exit_code, report.summary["surplus"], report.summary["rows"]["there"]) == (1, 3, 4)
        of_some = replace(checked, verify=VerifySettings(wait=0.0, sample=5))
        assert (await verify(of_some)).summary["surplus"] == 0
        await mirror(sandbox)
        # A row of record 4 has failed by now: it has kept all, and would again.
        report = await verify(checked)
        assert report.summary["surplus"] == 0
        assert {line["status"] for line in lines_of(folder / "r.verify.csv")} == {"=", "!", "+"}
        sandbox.portal.associate("0-1", 1, "0-2", 12, frozenset())
        sandbox.portal.associate("0-1", 1, "0-2", 19, frozenset())
        report = await verify(checked)
        assert (report.exit_code, report.summary["surplus"], report.summary["rows"]["pending"]) == (1, 2, 0)
    found = {line["to_object_id"]: line for line in lines_of(folder / "r.verify.csv") if line["status"] == "*"}
    assert {company: line["error_category"] for company, line in found.items()} == {
        "12": "BACK_AGAIN",
        "19": "NOT_IN_FILE",
    }
    assert {(line["input"], line["row"]) for line in found.values()} == {("", "0")}


async def test_a_failures_file_is_never_a_mirror(folder: Path) -> None:
    """It has some rows of its records only; the command that comes next says so, and the wrong one is refused."""
    (folder / "a.csv").write_text("from_id,to_id\n1,11\n1,x\n2,21\n")
    command = ("association-loader", "load", "a.csv", "--existing", "mirror", "--max-removals", "off")
    async with Sandbox({"labels": LABELS, "associations": FEW}) as sandbox:
        report = await mirror(sandbox, command=command)
        following = "association-loader load r.failures.csv --existing merge --results r.failures.results.csv"
        assert report.summary["next_command"] == following
        before = labels_of(sandbox)
        for verb in (load, plan):
            with pytest.raises(UsageError, match="--existing merge"):
                await verb(settings(sandbox, "r.failures.csv", results="f.csv"))
        assert labels_of(sandbox) == before


async def test_the_survivor_of_a_merged_record_keeps_all(folder: Path) -> None:
    """Rows of the merged record fail, and what they ask for is the survivor's by now."""
    (folder / "a.csv").write_text("from_id,to_id\n1,11\n9,12\n2,21\n")
    associations = [linked(9, 11), linked(9, 12), linked(9, 13), linked(2, 21), linked(2, 22)]
    merged = [{"type": "contacts", "id": "1", "into": "9"}]
    async with Sandbox({"associations": associations, "merged": merged}) as sandbox:
        report = await mirror(sandbox)
        assert set(labels_of(sandbox)) == {(9, 11), (9, 12), (9, 13), (2, 21)}
    assert report.summary["removals"]["removed"] == 1


async def test_a_record_keeps_all_when_its_other_record_is_not_found(folder: Path) -> None:
    """The row is rejected once the lookups are answered, and its first record is known by then."""
    (folder / "a.csv").write_text(
        "Email,Domain\na@x.example,x.example\na@x.example,nowhere.example\nb@x.example,x.example\n"
    )
    records = [
        {"type": "contacts", "id": "1", "properties": {"email": "a@x.example"}},
        {"type": "contacts", "id": "2", "properties": {"email": "b@x.example"}},
        {"type": "companies", "id": "11", "properties": {"domain": "x.example"}},
    ]
    read = {
        "from_id_property": "email",
        "to_id_property": "domain",
        "columns": {"object_id": "Email", "to_object_id": "Domain"},
    }
    async with Sandbox({"labels": LABELS, "records": records, "associations": FEW}) as sandbox:
        report = await mirror(sandbox, read=read)
        assert {pair for pair in labels_of(sandbox) if pair[0] == 1} == {(1, 11), (1, 12), (1, 13)}
        assert {pair for pair in labels_of(sandbox) if pair[0] == 2} == {(2, 11)}
    assert report.summary["removals"] == {"removed": 2, "failed": 0, "exempt_records": 1}


async def test_what_went_from_both_ends_of_a_pair_is_put_back_from_both(folder: Path) -> None:
    """One label was in scope for the contact, the other for the company."""
    (folder / "a.csv").write_text(
        "object_type,from_id,to_object_type,to_id,label\ncontacts,1,companies,11,Boss\ncompanies,12,contacts,2,Friend\n"
    )
    associations = [linked(1, 12, "Boss", "Friend"), linked(2, 12, "Friend")]
    async with Sandbox({"labels": LABELS, "associations": associations}) as sandbox:
        before = labels_of(sandbox)
        report = await mirror(sandbox)
        assert labels_of(sandbox) == {(1, 11): {"Boss"}, (1, 12): set(), (2, 12): {"Friend"}}
        assert report.summary["removals"]["removed"] == 2
        await undo(settings(sandbox))
        assert labels_of(sandbox) == before


_CONTACTS = {"to_object_type": "contacts"}
_EITHER = {"object_type": "", "to_object_type": ""}
_HEADER = "object_type,from_id,to_object_type,to_id\n"


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("rows", "read", "portal", "kept", "exempt"),
    [
        ("from_id,to_id\n7,3\n1.0E+1,7\n20,7\n", _CONTACTS, [(7, 3), (10, 7), (20, 7), (20, 4)], {(7, 10)}, 1),
        (
            _HEADER + "companies,7,contacts,5\ncontacts,1.2E+2,companies,7\ncontacts,5,companies,7\n",
            _EITHER,
            [(5, 7), (120, 7), (5, 8)],
            {(120, 7)},
            1,
        ),
        ("from_id,to_id\n120,7\n1.2E+2,8\n", {}, [(120, 7), (120, 8), (120, 9)], {(120, 8)}, 0),
        (
            "from_id,to_id\n120,7\nhttps://app.hubspot.com/contacts/1/record/0-2/105,8\n",
            {},
            [(120, 7), (120, 8), (120, 9)],
            {(120, 8)},
            1,
        ),
        # The first record is known: of the other one, no other pair can be meant.
        ("from_id,to_id,label\n1,11,\n2,12,Bos\n", {}, [(1, 11), (2, 13), (1, 12)], {(2, 13)}, 1),
    ],
)
async def test_a_pair_that_a_rejected_row_may_mean_stays(
    rows: str,
    read: dict[str, str],
    portal: list[tuple[int, int]],
    kept: set[tuple[int, int]],
    exempt: int,
    folder: Path,
) -> None:
    """Where its first record is not known, nothing is taken off the other one; the last pair of each portal goes."""
    (folder / "a.csv").write_text(rows)
    to_type = read.get("to_object_type") or "companies"
    associations = [linked(*pair, to_type=to_type) for pair in portal]
    async with Sandbox({"labels": LABELS, "associations": associations}) as sandbox:
        before = labels_of(sandbox)
        report = await mirror(sandbox, read=read)
        after = labels_of(sandbox)
    assert kept <= after.keys()
    assert before.keys() - after.keys() == {(min(portal[-1]), max(portal[-1])) if to_type == "contacts" else portal[-1]}
    assert report.summary["removals"] == {"removed": 1, "failed": 0, "exempt_records": exempt}


async def test_the_other_record_of_a_row_that_finds_none_keeps_all(folder: Path) -> None:
    """And a record that is found by its own key keeps all where the label of its row is not known."""
    (folder / "a.csv").write_text(
        "object_type,Email,to_object_type,to_id,label\n"
        "contacts,b@x.example,contacts,1,\n"
        "contacts,a@x.example,contacts,4,\n"
        "contacts,nobody@x.example,contacts,1,\ncontacts,c@x.example,contacts,5,Bos\ncontacts,c@x.example,contacts,6,\n"
    )
    records = [
        {"type": "contacts", "id": str(number), "properties": {"email": f"{letter}@x.example"}}
        for number, letter in enumerate("abc", 1)
    ]
    pairs = [(1, 4), (1, 9), (2, 1), (2, 8), (3, 5), (3, 6)]
    read = {**_EITHER, "from_id_property": "email", "columns": {"object_id": "Email"}}
    async with Sandbox(
        {
            "labels": LABELS,
            "records": records,
            "associations": [linked(*pair, to_type="contacts") for pair in pairs],
        }
    ) as sandbox:
        report = await mirror(sandbox, read=read)
        assert set(labels_of(sandbox)) == {(1, 4), (1, 9), (1, 2), (3, 5), (3, 6)}
    assert report.summary["removals"] == {"removed": 1, "failed": 0, "exempt_records": 2}


_PAIRED = [
    *LABELS,
    {"from": "contacts", "to": "companies", "label": "Client", "inverse_label": "Supplier"},
    {"from": "contacts", "to": "contacts", "label": "Colleague"},
]


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("rows", "to_type", "portal", "left", "removed"),
    [
        # One end has the label in scope, the other one the type without a label.
        (
            "contacts,1,companies,11,Boss\ncompanies,12,contacts,2,\n",
            "companies",
            {(1, 12): ["Boss"]},
            {(1, 11): {"Boss"}, (2, 12): set()},
            1,
        ),
        # Each end has one of the labels, of which one has no name at the other end.
        (
            "contacts,1,companies,11,Manager\ncontacts,1,companies,11,\ncompanies,12,contacts,2,Boss\n",
            "companies",
            {(1, 12): ["Manager", "Boss"]},
            {(1, 11): {"Manager"}, (2, 12): {"Boss"}},
            2,
        ),
        # Neither end has a name for the label of the other one.
        (
            "contacts,1,companies,11,Manager\ncontacts,1,companies,11,\ncompanies,12,contacts,2,Supplier\n",
            "companies",
            {(1, 12): ["Manager", "Client"], (1, 13): ["Manager", "Client"]},
            {(1, 11): {"Manager"}, (2, 12): {"Client"}, (1, 13): {"Client"}},
            3,
        ),
        # The same label from either end, with a name of its own at each.
        (
            "contacts,1,companies,11,Manager\ncompanies,12,contacts,2,Employee\n",
            "companies",
            {(1, 12): ["Manager"]},
            {(1, 11): {"Manager"}, (2, 12): {"Manager"}, (1, 12): set()},
            1,
        ),
        # Only the other end's row names the pair, by a label that has another name there: what both ends can name goes,
        # and what may be the label of that row stays.
        (
            "contacts,1,companies,11,Manager\ncontacts,1,companies,11,Boss\ncompanies,12,contacts,1,Employee\n",
            "companies",
            {(1, 12): ["Manager", "Boss", "Friend"], (1, 13): ["Boss"]},
            {(1, 11): {"Manager", "Boss"}, (1, 12): {"Manager", "Friend"}, (1, 13): set()},
            2,
        ),
        (
            "contacts,1,companies,11,Client\ncompanies,12,contacts,1,Employee\ncompanies,12,contacts,2,Boss\n",
            "companies",
            {(1, 12): ["Manager", "Client", "Boss"]},
            {(1, 11): {"Client"}, (1, 12): {"Manager", "Client"}, (2, 12): {"Boss"}},
            1,
        ),
        # Within one object type, where the record of the higher id is the parent.
        (
            "contacts,4,contacts,7,\ncontacts,4,contacts,8,Colleague\ncontacts,5,contacts,4,Parent\n",
            "contacts",
            {(4, 5): ["Child", "Colleague"]},
            {(4, 7): set(), (4, 8): {"Colleague"}, (4, 5): {"Child"}},
            1,
        ),
        (
            "contacts,1,contacts,5,Parent\ncontacts,2,contacts,5,\ncontacts,3,contacts,6,Child\n",
            "contacts",
            {(1, 2): ["Child"], (1, 3): ["Parent"], (2, 4): ["Child"]},
            {(1, 5): {"Parent"}, (2, 5): set(), (3, 6): {"Child"}},
            3,
        ),
    ],
)
async def test_a_pair_in_scope_from_both_ends_is_done_in_one_night(
    rows: str,
    to_type: str,
    portal: dict[tuple[int, int], list[str]],
    left: Pairs,
    removed: int,
    folder: Path,
) -> None:
    """Each association is counted once and has one line, a second night writes nothing, and undo puts all back."""
    (folder / "a.csv").write_text(f"object_type,from_id,to_object_type,to_id,label\n{rows}")
    associations = [linked(*pair, *labels, to_type=to_type) for pair, labels in portal.items()]
    async with Sandbox({"labels": _PAIRED, "associations": associations}) as sandbox:
        before = labels_of(sandbox)
        planned = await plan(settings(sandbox, read=_EITHER))
        assert planned.mirror is not None
        assert (planned.mirror.removed, sum(each.removed for each in planned.mirror.types)) == (removed, removed)
        report = await mirror(sandbox, read=_EITHER)
        assert labels_of(sandbox) == left
        assert report.summary["removals"]["removed"] == removed
        lines = [line for line in lines_of(folder / "r.csv") if line["status"] == "removed"]
        assert len({frozenset((line["object_id"], line["to_object_id"], line["label"])) for line in lines}) == removed
        writes = [("PUT", None), *(("POST", f"batch/{each}") for each in ("create", "archive", "labels/archive"))]
        made = [sandbox.count(*each) for each in writes]
        await mirror(sandbox, read=_EITHER, results="again.csv")
        assert [sandbox.count(*each) for each in writes] == made
        await undo(settings(sandbox, read=_EITHER))
        assert labels_of(sandbox) == before
