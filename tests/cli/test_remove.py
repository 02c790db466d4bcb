"""`remove` on the command line: exactly what a file names is taken off, and nothing beside it."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import loader
from loader.sandbox import Sandbox
from loader.send.gateway import Gateway
from tests.cli.conftest import Run, contents, lines, refused, statuses, summary
from tests.cli.portals import association

World = Callable[[], dict[tuple[int, int], set[str]]]

CONTACTS = ("--from", "contacts", "--to", "companies", "--rate", "9999/1")
PLAIN, PRIMARY = ("HUBSPOT_DEFINED", 279), ("HUBSPOT_DEFINED", 1)
BOSS, CHAMPION = ("USER_DEFINED", 11), ("USER_DEFINED", 13)
NAMES = {PLAIN: "plain", PRIMARY: "Primary", BOSS: "Boss", CHAMPION: "Champion"}
LABELS = [
    {"from": "contacts", "to": "companies", "label": "Boss", "type_id": 11, "inverse_type_id": 12},
    {"from": "contacts", "to": "companies", "label": "Champion", "type_id": 13, "inverse_type_id": 14},
]


@pytest.fixture
def portal(hubspot: Run) -> Iterator[Sandbox]:
    """A portal with five pairs, of which no two have the same labels."""
    with hubspot(portal={"labels": LABELS}) as running:
        for pair, types in {
            (1, 11): {PLAIN, BOSS},
            (2, 12): {PLAIN},
            (3, 13): {PLAIN, BOSS, CHAMPION},
            (4, 14): {PLAIN, CHAMPION},
            (5, 15): {PLAIN, PRIMARY},
        }.items():
            running.portal.associate("0-1", pair[0], "0-2", pair[1], frozenset(types))
        yield running


@pytest.fixture
def world(portal: Sandbox) -> World:
    """Return what each pair of the portal has, by name."""
    return lambda: {
        (int(one), int(other)): {NAMES[each] for each in types}
        for ((_, one), (_, other)), types in portal.portal.pairs().items()
    }


@pytest.fixture
def remove(run: Run, portal: Sandbox) -> Run:
    """Write a file of rows and run `remove` on it, without being asked."""

    def removed(rows: str, *arguments: str, header: str = "from_id,to_id,label") -> Any:
        Path("gone.csv").write_text(f"{header}\n{rows}\n")
        return run("remove", "gone.csv", *CONTACTS, "--yes", *arguments)

    return removed


def writes(portal: Sandbox) -> int:
    """Return how many requests changed anything, or tried to."""
    return sum(portal.count("POST", f"batch/{what}") for what in ("archive", "labels/archive", "create"))


def test_a_label_is_taken_off_and_all_else_stays(remove: Run, world: World) -> None:
    """The pair too; what was not there is unchanged."""
    before = world()
    assert remove("1,11,Boss\n3,13,boss\n4,14,Boss\n9,99,Boss").code == 0
    assert world() == before | {(1, 11): {"plain"}, (3, 13): {"plain", "Champion"}}
    assert statuses("gone.removed.results.csv") == ["removed", "removed", "unchanged", "unchanged"]
    counts = {"total": 4, "removed": 2, "unchanged": 2, "failed": 0, "rejected": 0, "pending": 0}
    assert summary("gone.removed.summary.json")["rows"] == counts
    (first,) = [line for line in lines("gone.removed.results.csv") if line["row"] == "2"]
    association_type = (first["association_category"], first["association_type_id"], first["label"])
    assert association_type == ("USER_DEFINED", "11", "Boss")
    assert (first["attempts"], first["http_status"]) == ("1", "204")


def test_an_unknown_or_blank_label_removes_nothing(remove: Run, world: World, portal: Sandbox) -> None:
    """Each such row is rejected, and may be mended in the failures file, which goes back to `remove`."""
    before = world()
    done = remove('1,11,Bos\n2,12,\n3,13," "')
    assert done.code == 1
    assert world() == before
    assert writes(portal) == 0
    assert {line["error_category"] for line in lines("gone.removed.results.csv")} == {
        "ASSOCIATION_LABEL_NOT_FOUND",
        "MISSING_LABEL",
    }
    assert Path("gone.removed.failures.csv").exists()
    assert "Next: association-loader remove gone.removed.failures.csv" in done.err


def test_blank_means_the_whole_pair_only_where_that_is_said(remove: Run, world: World) -> None:
    """With --whole-pair; a type id column asks for it, too."""
    before = world()
    assert remove("3,13,\n1,11,Boss", "--whole-pair").code == 0
    assert world() == {pair: types for pair, types in before.items() if pair != (3, 13)} | {(1, 11): {"plain"}}
    assert remove("4,14,", "--fresh", header="from_id,to_id,typeId").code == 1
    (line,) = lines("gone.removed.results.csv")
    assert line["error_category"] == "MISSING_LABEL"
    assert (4, 14) in world()


def test_a_file_that_names_no_label_takes_pairs_off_whole(remove: Run, world: World, portal: Sandbox) -> None:
    """With every label, in one request; from either end."""
    assert remove("1,11\n3,13\n8,88\n1,11", header="from_id,to_id").code == 0
    assert world() == {(2, 12): {"plain"}, (4, 14): {"plain", "Champion"}, (5, 15): {"plain", "Primary"}}
    found = lines("gone.removed.results.csv")
    assert statuses("gone.removed.results.csv") == ["removed", "removed", "unchanged", "removed"]
    assert {(line["association_category"], line["association_type_id"], line["label"]) for line in found} == {
        ("", "", "")
    }
    assert writes(portal) == 1


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("header", ["Role", "Label name", "Association type"])
def test_a_column_that_may_be_the_label_is_refused(header: str, remove: Run, world: World, portal: Sandbox) -> None:
    """Without it, pairs would go whole: nothing is removed unless the user says what the column is."""
    before = world()
    done = remove("1,11,Boss\n3,13,Champion", header=f"from_id,to_id,{header}")
    assert (done.code, world(), writes(portal)) == (2, before, 0)
    assert f'the column "{header}" is not used' in done.err
    assert "--whole-pair" in done.err
    assert remove("3,13,Champion", "--column", f"label={header}", header=f"from_id,to_id,{header}").code == 0
    assert world() == before | {(3, 13): {"plain", "Boss"}}
    assert remove("2,12,x", "--whole-pair", "--fresh", header=f"from_id,to_id,{header}").code == 0
    assert (2, 12) not in world()


@pytest.mark.parametrize("option", ["--label", "--type-id"])
def test_a_blank_option_does_not_mean_the_whole_pair(option: str, remove: Run, world: World, portal: Sandbox) -> None:
    """As of a variable of a script that was never set."""
    before = world()
    done = remove("1,11\n3,13", option, "", header="from_id,to_id")
    assert (done.code, world(), writes(portal)) == (2, before, 0)
    assert f"{option} is blank" in done.err


def test_the_type_without_a_label_takes_no_label_along(remove: Run, world: World) -> None:
    """By its id it is the pair where there is nothing else; elsewhere the row is rejected, unless --whole-pair."""
    before = world()
    done = remove("2,12,279\n3,13,279", header="from_id,to_id,association_type_id")
    assert done.code == 1
    assert world() == {pair: types for pair, types in before.items() if pair != (2, 12)}
    found = {line["row"]: line for line in lines("gone.removed.results.csv")}
    assert (found["2"]["status"], found["3"]["status"]) == ("removed", "rejected")
    assert found["3"]["error_category"] == "WOULD_REMOVE_LABELS"
    assert "Boss, Champion" in found["3"]["error_message"]
    assert found["3"]["attempts"] == "0"
    (failure,) = lines("gone.removed.failures.csv")
    assert (failure["_row"], failure["_status"]) == ("3", "rejected")
    done = remove("3,13,279", "--fresh", "--whole-pair", header="from_id,to_id,association_type_id")
    assert done.code == 0
    assert (3, 13) not in world()


def test_both_types_of_a_pair_are_all_of_it(remove: Run, world: World) -> None:
    """When rows name everything that a pair has, nothing is taken along that nobody named."""
    assert remove("1,11,279\n1,11,11", header="from_id,to_id,association_type_id").code == 0
    assert (1, 11) not in world()
    assert statuses("gone.removed.results.csv") == ["removed", "removed"]


def test_one_type_id_under_two_categories_is_not_guessed(hubspot: Run, run: Run) -> None:
    """The row must say which; then only that one goes."""
    label = {"from": "contacts", "to": "companies", "label": "Boss", "type_id": 1, "inverse_type_id": 2}
    with hubspot(portal={"labels": [label]}) as portal:
        portal.portal.associate("0-1", 1, "0-2", 11, frozenset([PLAIN, PRIMARY, ("USER_DEFINED", 1)]))
        Path("a.csv").write_text("from_id,to_id,typeId,category\n1,11,1,\n")
        assert run("remove", "a.csv", *CONTACTS, "--yes").code == 1
        (line,) = lines("a.removed.results.csv")
        assert line["error_category"] == "AMBIGUOUS_ASSOCIATION_TYPE_ID"
        Path("a.csv").write_text("from_id,to_id,typeId,category\n1,11,1,USER_DEFINED\n")
        assert run("remove", "a.csv", *CONTACTS, "--yes").code == 0
        assert list(portal.portal.pairs().values()) == [frozenset([PLAIN, PRIMARY])]


def test_rows_from_both_ends_name_one_pair(remove: Run, world: World) -> None:
    """A label has another type id from the other end."""
    rows = "contacts,3,companies,13,Boss\ncompanies,13,contacts,3,Champion"
    assert remove(rows, header="from_object_type,from_id,to_object_type,to_id,label").code == 0
    assert world()[3, 13] == {"plain"}
    assert statuses("gone.removed.results.csv") == ["removed", "removed"]


# --- asking, and limits


def test_without_a_terminal_nothing_is_read_nor_changed(run: Run, world: World) -> None:
    """Exit 2; a scheduler that means it says --yes."""
    Path("gone.csv").write_text("from_id,to_id\n1,11\n")
    before, files = world(), contents()
    refused(run("remove", "gone.csv", *CONTACTS), "--yes")
    assert (world(), contents()) == (before, files)


def test_the_number_of_associations_has_to_be_typed(run: Run, world: World, keyboard: Run) -> None:
    """Anything else takes nothing off, and no file is changed: an earlier run's are where they were."""
    Path("gone.csv").write_text("from_id,to_id\n4,14\n")
    assert run("remove", "gone.csv", *CONTACTS, "--yes").code == 0
    Path("gone.csv").write_text("from_id,to_id\n1,11\n2,12\n9,99\n")
    before, files = world(), contents()
    for wrong in ("3\n", "yes\n", "\n"):
        keyboard(wrong)
        done = run("remove", "gone.csv", *CONTACTS)
        assert done.code == 2
        assert "2 associations of HubSpot account 62515 will change" in done.err
        assert (world(), contents()) == (before, files)
    keyboard("2\n")
    assert run("remove", "gone.csv", *CONTACTS).code == 0
    assert world().keys() == before.keys() - {(1, 11), (2, 12)}


def test_a_dry_run_says_what_would_go_and_what_that_costs(remove: Run, world: World, portal: Sandbox) -> None:
    """It writes no file and sends no write."""
    before = world()
    done = remove("1,11,Boss\n3,13,279\n4,14,Boss\n5,15,Bos", "--dry-run", "--json", header="from_id,to_id,label")
    planned = done.events[-1]
    assert (done.code, planned["rejected"]) == (1, 2)
    removal = planned["removal"]
    assert (removal["pairs"], removal["whole"], removal["labelled"], removal["unchanged"]) == (1, 0, 1, 1)
    cost = planned["costs"]["archive"]
    assert (cost["reads"], cost["writes"], cost["requests"]) == (2, 1, 3)
    assert cost["share"] == pytest.approx(3 / 1_000_000)
    done = remove("3,13,279", "--dry-run", header="from_id,to_id,typeId")
    assert done.code == 1
    assert "WOULD_REMOVE_LABELS" in done.out
    assert world() == before
    assert writes(portal) == 0
    assert list(contents()) == ["gone.csv"]


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("most", ["1", "40%"])
def test_more_than_may_go_is_not_begun(most: str, hubspot: Run, run: Run) -> None:
    """Exit 4 before the first write, with the number, examples and the option; the same command with more goes on."""
    with hubspot() as portal:
        for contact in range(1, 201):
            portal.portal.associate("0-1", contact, "0-2", 7, frozenset([PLAIN]))
        rows = "".join(f"{contact},7\n" for contact in range(1, 201 if most == "40%" else 3))
        Path("a.csv").write_text(f"from_id,to_id\n{rows}")
        done = run("remove", "a.csv", *CONTACTS, "--yes", "--max-removals", most)
        assert done.code == 4
        assert writes(portal) == 0
        assert f"{200 if most == '40%' else 2} " in done.err
        assert "contact 1 and company 7" in done.err
        assert "--max-removals" in done.err
        found = summary("a.removed.summary.json")
        assert (found["exit_code"], found["rows"]["pending"]) == (4, found["rows"]["total"])
        assert run("remove", "a.csv", *CONTACTS, "--yes", "--max-removals", "off").code == 0
        assert len(portal.portal.pairs()) == (0 if most == "40%" else 198)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("asks", [False, True])
def test_pairs_that_could_not_be_read_count_as_removals(asks: bool, hubspot: Run, run: Run, keyboard: Run) -> None:
    """The second page of a record is refused: its pairs count for --max-removals, and are asked about."""
    there = [association(1, company) for company in range(1000, 1600)]
    Path("a.csv").write_text("from_id,to_id\n1,1001\n1,1002\n1,1003\n")
    fault = {"fault": "400", "route": "batch/read", "nth": 2}
    keyboard("0\n")
    with hubspot(portal={"associations": there}, faults=[fault]) as portal:
        done = run("remove", "a.csv", *CONTACTS, *(() if asks else ("--yes", "--max-removals", "2")))
        assert (done.code, writes(portal), len(portal.portal.pairs())) == (2 if asks else 4, 0, 600)
        assert "3 pairs could not be read in HubSpot" in done.err
        assert ("type the number of associations, 3 " if asks else "3 associations would be removed") in done.err


@pytest.mark.slow
def test_a_record_in_many_lots_has_its_associations_once(hubspot: Run, run: Run) -> None:
    """All of a portal may not go where 60% may, though one company is looked up with every thousand contacts."""
    rows = [(contact, 8000 + contact % 5) for contact in range(1, 2501)]
    back = [(contact, 9999) for contact in range(3001, 5401)]
    there = [association(contact, company) for contact, company in rows + back]
    Path("a.csv").write_text(
        "object_type,from_id,to_object_type,to_id\n"
        + "".join(f"contacts,{contact},companies,{company}\n" for contact, company in rows)
        + "".join(f"companies,{company},contacts,{contact}\n" for contact, company in back)
    )
    with hubspot(portal={"associations": there}) as portal:
        done = run("remove", "a.csv", "--rate", "9999/1", "--yes", "--max-removals", "60%")
        assert (done.code, writes(portal), len(portal.portal.pairs())) == (4, 0, 4900)
        assert "4,900 of 4,900 associations would be removed" in done.err


def test_an_association_of_two_records_of_the_file_counts_once(hubspot: Run, run: Run) -> None:
    """Also where both are of one object type. "Chief" has no name at the contact's end, so companies are read, too."""
    within = [("contacts", one, "contacts", one + 1, "") for one in range(1, 61)]
    from_contacts = [("contacts", one, "companies", one + 7000, "Boss") for one in range(1, 61)]
    from_companies = [("companies", one + 8000, "contacts", one, "Chief") for one in range(1, 61)]
    there = []
    for first, one, second, other, label in within + from_contacts + from_companies:
        ends = {"from_type": first, "from_id": str(one), "to_type": second, "to_id": str(other)}
        there.append({**ends, "labels": [label] if label else []})
    rows = "".join(",".join(map(str, each)) + "\n" for each in within + from_contacts + from_companies)
    Path("a.csv").write_text("object_type,from_id,to_object_type,to_id,label\n" + rows)
    labels = [{"from": "contacts", "to": "companies", "label": "Boss", "inverse_label": "Chief"}]
    with hubspot(portal={"associations": there, "labels": labels}):
        done = run("remove", "a.csv", "--whole-pair", "--rate", "9999/1", "--yes", "--max-removals", "90%")
    assert done.code == 4
    assert "180 of 180 associations would be removed" in done.err


# --- again, and back


@pytest.mark.slow
def test_a_removal_and_a_load_do_not_take_each_other_for_their_own(remove: Run, run: Run, world: World) -> None:
    """Each has files of its own; under one name, one says what the other is."""
    assert remove("1,11", "--limit", "1", header="from_id,to_id").code == 0
    assert remove("1,11\n2,12", "--limit", "1", header="from_id,to_id").code == 0
    files = contents()
    refused(run("load", "gone.csv", *CONTACTS, "--results", "gone.removed.results.csv"), "takes associations off")
    assert contents() == files
    assert remove("1,11\n2,12", header="from_id,to_id").code == 0
    assert not {(1, 11), (2, 12)} & world().keys()
    assert run("load", "gone.csv", *CONTACTS).code == 0
    assert {(1, 11), (2, 12)} <= world().keys()


def test_undo_puts_back_what_was_removed(remove: Run, run: Run, world: World, portal: Sandbox) -> None:
    """Labels as they were, whole pairs with all that they had; a label that somebody added meanwhile stays."""
    before = world()
    assert remove("1,11,Boss\n2,12,\n3,13,\n4,14,Boss", "--whole-pair").code == 0
    portal.portal.associate("0-1", 1, "0-2", 11, frozenset([PLAIN, CHAMPION]))
    done = run("undo", "gone.removed.results.csv", "--yes", "--rate", "9999/1")
    assert done.code == 0
    assert world() == before | {(1, 11): {"plain", "Boss", "Champion"}}
    assert statuses("gone.removed.undo.csv") == ["restored", "restored", "restored"]
    assert "took off" in done.err
    stands = run("status", "gone.removed.results.csv", "--json").event
    assert (stands["state"], stands["undone"]["restored"]) == ("undone", 3)


@pytest.mark.slow
def test_undo_puts_back_a_removal_whose_answer_was_lost(hubspot: Run, run: Run) -> None:
    """Somebody associates the pair anew meanwhile, with a label that the rows do not name."""
    answers_lost = {"fault": "reset", "route": "batch/archive", "applied": True}
    with hubspot(portal={"labels": LABELS}, faults=[answers_lost]) as sandbox:
        sandbox.portal.associate("0-1", 1, "0-2", 11, frozenset([PLAIN, BOSS]))
        Path("a.csv").write_text("from_id,to_id,association_type_id,label\n1,11,279,\n1,11,,Boss\n")
        assert run("remove", "a.csv", *CONTACTS, "--yes", "--max-duration", "2s").code == 5
        assert dict(sandbox.portal.pairs()) == {}
        sandbox.portal.associate("0-1", 1, "0-2", 11, frozenset([PLAIN, CHAMPION]))
        assert run("remove", "a.csv", *CONTACTS, "--yes").code == 1
        assert statuses("a.removed.results.csv") == ["rejected", "rejected"]
        assert run("undo", "a.removed.results.csv", "--yes").code == 0
        assert set(sandbox.portal.pairs().values()) == {frozenset([PLAIN, BOSS, CHAMPION])}


def test_undo_keeps_a_newer_primary_company(remove: Run, run: Run, world: World, portal: Sandbox) -> None:
    """Somebody has chosen another one since: that one stays, and the line says so."""
    assert remove("5,15", header="from_id,to_id").code == 0
    portal.portal.associate("0-1", 5, "0-2", 16, frozenset([PLAIN, PRIMARY]))
    assert run("undo", "gone.removed.results.csv", "--yes", "--rate", "9999/1").code == 1
    assert world()[5, 16] == {"plain", "Primary"}
    assert world()[5, 15] == {"plain"}
    (line,) = lines("gone.removed.undo.csv")
    assert (line["status"], line["error_category"]) == ("left", "CHANGED_SINCE")


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("took_effect", [False, True])
def test_a_crash_at_the_request_can_be_undone(
    took_effect: bool, remove: Run, run: Run, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was there is committed before it is taken off: the same command ends the work, and undo puts it all back."""
    before = world()
    rows = "1,11,Boss\n2,12,\n3,13,Boss\n3,13,Champion"

    class Crash(BaseException):
        """Ends the process where it is."""

    with monkeypatch.context() as patched:
        real = Gateway.call

        async def crash(self: Gateway, request: Any, *given: Any, **more: Any) -> Any:
            is_removal = request.__module__ == "loader.send.take_off"
            found = await real(self, request, *given, **more) if took_effect or not is_removal else None
            if is_removal:
                raise Crash
            return found

        patched.setattr(Gateway, "call", crash)
        with pytest.raises((Crash, BaseExceptionGroup)):
            remove(rows, "--whole-pair")
    assert remove(rows, "--whole-pair").code == 0
    assert world() == {pair: types for pair, types in before.items() if pair != (2, 12)} | {
        (1, 11): {"plain"},
        (3, 13): {"plain"},
    }
    assert set(statuses("gone.removed.results.csv")) == {"removed"}
    assert run("undo", "gone.removed.results.csv", "--yes", "--rate", "9999/1").code == 0
    assert world() == before


def test_what_failed_is_sent_again(hubspot: Run, run: Run) -> None:
    """By the same command with --retry-failed; the others are not touched again."""
    faults = [{"fault": "400", "route": "batch/labels/archive", "range": [1, 3]}]
    with hubspot(portal={"labels": LABELS}, faults=faults) as portal:
        for contact in (1, 2):
            portal.portal.associate("0-1", contact, "0-2", 11, frozenset([PLAIN, BOSS]))
        Path("a.csv").write_text("from_id,to_id,label\n1,11,Boss\n2,11,Boss\n")
        assert run("remove", "a.csv", *CONTACTS, "--yes").code == 1
        assert statuses("a.removed.results.csv") == ["failed", "failed"]
        assert run("remove", "a.csv", *CONTACTS, "--yes", "--retry-failed").code == 0
        assert statuses("a.removed.results.csv") == ["removed", "removed"]
        assert set(portal.portal.pairs().values()) == {frozenset([PLAIN])}


# --- the other doors


def test_python_and_job_files_do_the_same(portal: Sandbox, world: World) -> None:
    """No question is asked of a program."""
    report = loader.remove_sync(
        [(1, 11), (9, 99)], object_type="contacts", to_object_type="companies", results="rows.removed.results.csv"
    )
    assert report.exit_code == 0
    assert report.summary["rows"]["removed"] == 1
    assert sorted(report.results["status"]) == ["removed", "unchanged"]
    Path("gone.csv").write_text("from_id,to_id,label\n3,13,Boss\n4,14,\n")
    Path("job.toml").write_text(
        'whole-pair = true\nmax-removals = "5"\n[[input]]\npath = "gone.csv"\nfrom = "contacts"\nto = "companies"\n'
    )
    planned = loader.remove_sync(config="job.toml", dry_run=True).planned
    assert planned is not None
    assert planned.removal is not None
    assert planned.removal.pairs == 2
    assert loader.remove_sync(config="job.toml").exit_code == 0
    assert world() == {(2, 12): {"plain"}, (3, 13): {"plain", "Champion"}, (5, 15): {"plain", "Primary"}}
    assert loader.undo_sync("gone.removed.results.csv").exit_code == 0
    assert world()[4, 14] == {"plain", "Champion"}


def test_verify_looks_whether_it_is_gone(remove: Run, run: Run, portal: Sandbox) -> None:
    """With --removed; each row by itself, and the next command takes the rest off."""
    rows = "1,11,Boss\n3,13,Boss\n3,13,Champion\n2,12,"
    assert remove(rows, "--whole-pair").code == 0
    verify = ("verify", "gone.csv", *CONTACTS, "--removed", "--whole-pair", "--wait", "0")
    assert run(*verify).code == 0
    portal.portal.associate("0-1", 3, "0-2", 13, frozenset([PLAIN, BOSS]))
    portal.portal.associate("0-1", 2, "0-2", 12, frozenset([PLAIN]))
    done = run(*verify)
    assert done.code == 1
    assert statuses("gone.removed.verify.csv") == ["=", "*", "=", "*"]
    assert {line["labels"] for line in lines("gone.removed.verify.csv") if line["row"] == "3"} == {"Boss"}
    assert "Next: association-loader remove gone.csv" in done.out
    report = loader.verify_sync(
        "gone.csv", object_type="contacts", to_object_type="companies", removed=True, whole_pair=True, wait=0
    )
    assert report.summary["rows"] == {"total": 4, "gone": 2, "still_there": 2, "unreadable": 0, "pending": 0}


@pytest.mark.slow
def test_reads_that_lag_behind_writes_do_not_make_a_removal_look_undone(hubspot: Run, run: Run) -> None:
    """`verify` looks again after a while; a read that shows what is gone already only has it taken off once more."""
    with hubspot(portal={"labels": LABELS}, read_lag=1.5) as portal:
        for contact in (1, 2):
            portal.portal.associate("0-1", contact, "0-2", 11, frozenset([PLAIN, BOSS]))
        Path("a.csv").write_text("from_id,to_id,label\n1,11,Boss\n2,11,Boss\n")
        time.sleep(1.6)
        assert run("remove", "a.csv", *CONTACTS, "--yes", "--limit", "1").code == 0
        assert run("remove", "a.csv", *CONTACTS, "--yes").code == 0
        assert statuses("a.removed.results.csv") == ["removed", "removed"]
        assert run("verify", "a.csv", *CONTACTS, "--removed", "--wait", "0").code == 1
        assert run("verify", "a.csv", *CONTACTS, "--removed", "--wait", "2").code == 0
        assert set(portal.portal.pairs().values()) == {frozenset([PLAIN])}


def test_status_report_and_metrics_speak_of_removed_rows(remove: Run, run: Run) -> None:
    """In their own words, and with none of a load's."""
    assert remove("1,11,Boss\n4,14,Boss", "--metrics-file", "gone.prom").code == 0
    assert "2 rows, 1 removed, 1 unchanged" in run("status", "gone.removed.results.csv").out
    assert run("report", "gone.removed.results.csv").code == 0
    page = Path("gone.removed.report.html").read_text()
    assert "1 of 2 rows are taken off, 1 were not there" in page
    assert "created" not in page
    metrics = Path("gone.prom").read_text()
    assert 'status="removed"} 1' in metrics
    assert "created" not in metrics


def test_the_same_removal_again_says_that_it_is_done(remove: Run, run: Run, portal: Sandbox) -> None:
    """And after its undo, that it was undone; --fresh begins anew."""
    rows = "1,11,Boss"
    assert remove(rows).code == 0
    sent = writes(portal)
    done = remove(rows)
    assert (done.code, writes(portal)) == (0, sent)
    assert "taken off already" in done.err
    assert run("undo", "gone.removed.results.csv", "--yes", "--rate", "9999/1").code == 0
    refused(remove(rows), "undone")
    assert remove(rows, "--fresh").code == 0


def test_what_leads_have_is_read_and_taken_off_from_their_end_and_put_back(hubspot: Run, run: Run) -> None:
    """The file is written from the contacts, and from there HubSpot may not show it."""
    with hubspot() as portal:
        plain = portal.portal.types.unlabelled("0-1", "0-136")
        for contact in (5, 6):
            portal.portal.associate("0-1", contact, "0-136", 77, frozenset([plain]))
        before = portal.portal.pairs()
        Path("a.csv").write_text("from_id,to_id\n5,77\n5,78\n")
        assert run("remove", "a.csv", "--from", "contacts", "--to", "leads", "--rate", "9999/1", "--yes").code == 0
        assert list(portal.portal.pairs()) == [(("0-1", "6"), ("0-136", "77"))]
        assert [each.path for each in portal.requests][-1] == "/crm/v4/associations/0-136/0-1/batch/archive"
        assert run("undo", "a.removed.results.csv", "--yes", "--rate", "9999/1").code == 0
        assert portal.portal.pairs() == before
