"""`export FROM TO`: what is there, as a file that loads; it goes on where it stopped, and says what was not read."""

import csv
import gc
import io
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import loader
from loader.errors import UsageError
from loader.sandbox import Sandbox
from tests.cli.conftest import Run, contents, lines, names, refused, until
from tests.faults.world import signalled

NASTY = ["Boss", "=1+1", "Line\nbreak", "Old; retired", '["A"]', "@x", "'-y", 'Ä "quoted", really', "\tTab"]
LABELS = [{"from": "contacts", "to": "companies", "label": label} for label in NASTY]
CONTACTS = [{"type": "contacts", "id": str(number)} for number in range(1, 251)]
HEADER = [
    *("object_type", "object_id", "to_object_type", "to_object_id"),
    *("association_category", "association_type_id", "label"),
]
EXPORT = ("export", "contacts", "companies", "--rate", "9999/1", "--output")


def fill(sandbox: Sandbox) -> None:
    """Give contacts companies: every label, primary ones, several of one contact, and contacts without any."""
    for number in range(1, 201):
        label = 2 * (number % len(NASTY)) + 1
        types = {("USER_DEFINED", label)} if number % 2 else {("HUBSPOT_DEFINED", 1)} if number % 3 else set()
        sandbox.portal.associate("0-1", number, "0-2", 1000 + number % 7, frozenset(types))
    for number in range(1100, 1112):
        sandbox.portal.associate("0-1", 5, "0-2", number, frozenset())


@pytest.fixture
def filled(hubspot: Run) -> Run:
    """Start a sandbox with the labels and the contacts above, which have companies."""

    @contextmanager
    def running(**settings: Any) -> Iterator[Sandbox]:
        with hubspot(portal={"labels": LABELS, "records": CONTACTS}, **settings) as sandbox:
            fill(sandbox)
            yield sandbox

    return running


def there(sandbox: Sandbox) -> Counter[tuple[str, ...]]:
    """Return the lines that an export of contacts to companies has, without the labels' form."""
    return Counter(
        ("0-1", contact, "0-2", company, category, str(type_id))
        for ((_, contact), (_, company)), types in sandbox.portal.pairs().items()
        for category, type_id in types
    )


def lines_of(text: str) -> Counter[tuple[str, ...]]:
    """Return the lines of an export as CSV, without their labels."""
    header, *rows = csv.reader(io.StringIO(text))
    assert header == HEADER
    return Counter(tuple(row[:6]) for row in rows)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("version", ["v4", "2026-09"])
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_an_export_loads_back_with_nothing_to_do(run: Run, filled: Run, ending: str, version: str) -> None:
    """Without options, whatever the labels are called; each association type of a pair has one line."""
    with filled() as sandbox:
        done = run(*EXPORT, f"a.{ending}", "--api-version", version)
        assert done.code == 0
        # Whose portal it is, its object types, labels and usage; three pages of the list; and what they have.
        assert (sandbox.count("GET", "objects"), sandbox.count("POST", "batch/read")) == (3, 3)
        assert all(version in each.path for each in sandbox.requests) or version == "v4"
        assert run("load", f"a.{ending}", "--results", "back.results.csv", "--rate", "9999/1").code == 0
        assert (sandbox.count("PUT"), sandbox.count("POST", "batch/create")) == (0, 0)
        expected = there(sandbox)
    summary = json.loads(Path("back.summary.json").read_text())
    assert summary["rows"]["unchanged"] == summary["rows"]["total"] == expected.total()
    state = json.loads(Path("a.export.json").read_text())
    assert (state["records"], state["associated"], state["pairs"]) == (250, 200, 212)
    assert state["started_at"] <= state["reading_began"] <= state["reading_ended"] <= state["finished_at"]
    assert "Read from HubSpot account 62515 from 20" in done.err


def test_the_lines_say_what_is_there(run: Run, hubspot: Run) -> None:
    """One for each type, the unlabelled one first; formulas are defused in CSV and only there."""
    with hubspot(portal={"labels": LABELS}) as sandbox:
        sandbox.portal.associate("0-1", 3, "0-2", 9, frozenset({("USER_DEFINED", 3), ("USER_DEFINED", 5)}))
        assert run(*EXPORT, "a.csv").code == run(*EXPORT, "b.jsonl").code == 0
    pair = ["0-1", "3", "0-2", "9"]
    with Path("a.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            HEADER,
            [*pair, "HUBSPOT_DEFINED", "279", ""],
            [*pair, "USER_DEFINED", "3", "'=1+1"],
            [*pair, "USER_DEFINED", "5", "Line\nbreak"],
        ]
    objects = [json.loads(line) for line in Path("b.jsonl").read_text().splitlines()]
    assert [list(each) for each in objects] == [HEADER] * 3
    assert [each["label"] for each in objects] == ["", "=1+1", "Line\nbreak"]
    assert Path("a.csv").stat().st_mode & 0o777 == Path("a.export.json").stat().st_mode & 0o777 == 0o600


def test_standard_output_gets_csv_and_nothing_else(run: Run, filled: Run) -> None:
    """No file is left; --json would write there, too."""
    with filled() as sandbox:
        done = run(*EXPORT, "-")
        assert (done.code, lines_of(done.out)) == (0, there(sandbox))
    assert list(Path().iterdir()) == []
    assert run(*EXPORT, "-", "--json").code == 2


@pytest.mark.slow
def test_a_reader_of_standard_output_that_goes_away_ends_it(start: Run, filled: Run) -> None:
    with filled():
        read, write = os.pipe()
        process = start(*EXPORT, "-", stdout=write)
        os.close(write)
        os.close(read)
        done = process.wait()
    assert (done.code, len(done.err.splitlines())) == (5, 1)
    assert "standard output cannot be written" in done.err


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_by_label_it_loads_in_a_portal_with_other_type_ids(run: Run, hubspot: Run, ending: str) -> None:
    """Also where HubSpot's own labels have other names; the type ids of the portal's own labels are blank."""
    renamed = [{"type_id": 1, "label": "Head office"}]
    with hubspot(portal={"labels": LABELS, "records": CONTACTS, "renamed": renamed}) as sandbox:
        fill(sandbox)
        assert run(*EXPORT, f"a.{ending}", "--by-label").code == 0
        assert run(*EXPORT, "ids.csv").code == 0
        labels = {each.key: each.label for each in sandbox.portal.types.between("0-1", "0-2")}
        before = {pair: {labels[key] for key in types} for pair, types in sandbox.portal.pairs().items()}
    others = [{**each, "type_id": 900 - 2 * place} for place, each in enumerate(LABELS)]
    with hubspot(portal={"labels": others}) as sandbox:
        assert run("load", f"a.{ending}", "--rate", "9999/1", "--method", "batch").code == 0
        labels = {each.key: each.label for each in sandbox.portal.types.between("0-1", "0-2")}
        after = {pair: {labels[key] for key in types} for pair, types in sandbox.portal.pairs().items()}
        assert after == {
            pair: {"Primary" if label == "Head office" else label for label in its} for pair, its in before.items()
        }
        assert run("load", "ids.csv", "--rate", "9999/1").code == 1


def test_the_plain_type_of_a_custom_object_is_exported_by_label(run: Run, hubspot: Run) -> None:
    """It is user-defined, and has neither a label nor an id that means anything elsewhere."""
    schemas = [{"object_type_id": "2-7", "name": "car", "associates": ["contacts"]}]
    with hubspot(portal={"schemas": schemas}) as sandbox:
        (plain,) = sandbox.portal.types.between("2-7", "0-1")
        sandbox.portal.associate("2-7", 1, "0-1", 11, frozenset({plain.key}))
        assert run("export", "p_car", "contacts", "--output", "a.csv", "--by-label").code == 0
    other = {"from": "deals", "to": "companies", "label": "First"}
    with hubspot(portal={"schemas": [{"object_type_id": "2-3", "name": "x", "associates": ["deals"]}, *schemas],
                         "labels": [other]}) as sandbox:  # fmt: skip
        assert run("load", "a.csv").code == 0
        assert len(sandbox.portal.pairs()) == 1


def test_pairs_of_one_object_type_are_there_once(run: Run, hubspot: Run) -> None:
    """From the lower id's end, where both are exported: so the labels of paired ones load back."""
    pair = {"from": "contacts", "to": "contacts", "label": "Manager", "inverse_label": "Employee"}
    with hubspot(portal={"labels": [pair]}) as sandbox:
        sandbox.portal.associate("0-1", 1, "0-1", 2, frozenset({("USER_DEFINED", 1)}))
        sandbox.portal.associate("0-1", 4, "0-1", 3, frozenset({("USER_DEFINED", 1)}))
        Path("ids.csv").write_text("object_id\n4\n1\n2\n")
        for name, words in (("a.csv", ()), ("b.csv", ("--ids", "ids.csv"))):
            assert run("export", "contacts", "contacts", "--output", name, *words).code == 0
            assert run("load", name).code == 0
        assert sandbox.count("PUT") == 0
    found = [
        [(line["object_id"], line["label"]) for line in lines(name) if line["label"]] for name in ("a.csv", "b.csv")
    ]
    assert found == [[("1", "Manager"), ("3", "Employee")], [("1", "Manager"), ("4", "Manager")]]


# --- which records


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("stem", ["ids.csv", "ids.jsonl", "-"])
def test_only_the_records_of_a_file(run: Run, filled: Run, stem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each once; ids that are wrong are written down, and the file with them can be mended and named itself."""
    text = "Contact Key,to_id\n7,1\nx8,1\n7,2\n999,1\n9.0,4\n"
    if stem.endswith("jsonl"):
        text = "".join(f'{{"Contact Key": "{line.split(",")[0]}"}}\n' for line in text.splitlines()[1:])
    Path("ids.csv").write_text(text)
    if stem.endswith("jsonl"):
        Path("ids.csv").rename(Path(stem))
    words = [*EXPORT, "a.csv", "--ids", stem, "--column", "object_id=Contact Key"]
    with filled() as sandbox:
        with Path(stem.replace("-", "ids.csv")).open() as stream:
            monkeypatch.setattr(sys, "stdin", stream)
            assert run(*words).code == 1
        assert sandbox.count("GET", "objects") == 0
        expected = {line: 1 for line in there(sandbox) if line[1] in ("7", "9")}
        Path("a.export-unread.csv").write_text(Path("a.export-unread.csv").read_text().replace("x8", "8"))
        assert run(*EXPORT, "b.csv", "--ids", "a.export-unread.csv").code == 0
        eighth = {line: 1 for line in there(sandbox) if line[1] == "8"}
    assert lines_of(Path("a.csv").read_text()) == expected
    assert lines_of(Path("b.csv").read_text()) == eighth
    state = json.loads(Path("a.export.json").read_text())
    assert (state["records"], state["rejected"], state["unread"]) == (3, 1, 0)


def test_a_file_of_associations_names_records_too(run: Run, filled: Run) -> None:
    """That is the copy before a load; rows of other object types are left out, and said."""
    text = "object_type,object_id,to_object_type,to_object_id,label\n0-1,5,0-2,1,New\ncompanies,6,contacts,7,\n"
    Path("load.csv").write_text(text)
    with filled() as sandbox:
        done = run(*EXPORT, "a.csv", "--ids", "load.csv")
        expected = Counter({line: 1 for line in there(sandbox) if line[1] == "5"})
    assert (done.code, lines_of(Path("a.csv").read_text())) == (0, expected)
    assert "1 row of another object type than contacts: left out." in done.err


def test_records_are_named_by_a_unique_property(run: Run, hubspot: Run) -> None:
    """As the ids of a load are; a value without a record is written down with its row."""
    records = [
        {"type": "contacts", "id": str(number), "properties": {"email": f"{number}@x.com"}} for number in (7, 8, 9)
    ]
    Path("ids.csv").write_text("Email\n7@X.com\nnobody@x.com\n9@x.com\n7@x.com\n")
    with hubspot(portal={"labels": LABELS, "records": records}) as sandbox:
        fill(sandbox)
        words = ("--ids", "ids.csv", "--column", "object_id=Email", "--from-id-property", "email")
        assert run(*EXPORT, "a.csv", *words).code == 1
        expected = {line: 1 for line in there(sandbox) if line[1] in ("7", "9")}
    assert lines_of(Path("a.csv").read_text()) == expected
    (line,) = lines("a.export-unread.csv")
    assert (line["object_id"], line["_row"], line["_error_category"]) == ("nobody@x.com", "3", "RECORD_NOT_FOUND")


def test_a_folder_of_exports_is_loaded_without_their_other_files(run: Run, hubspot: Run) -> None:
    """The records that could not be read are no associations."""
    Path("ids.csv").write_text("object_id\n5\nx\n")
    Path("exports").mkdir()
    with hubspot(portal={"labels": LABELS}) as sandbox:
        fill(sandbox)
        assert run(*EXPORT, "exports/a.csv", "--ids", "ids.csv").code == 1
        assert Path("exports/a.export-unread.csv").exists()
        assert run("load", "exports", "--results", "r.csv").code == 0


# --- many pages, and a portal that changes meanwhile


@pytest.mark.slow
@pytest.mark.parametrize("size", [500, 1000])
def test_a_record_of_very_many_pages_is_read_to_its_end(size: int, run: Run, filled: Run) -> None:
    """20,000 associations of one contact, so many a page, beside others that have one each."""
    with filled(page_size=size) as sandbox:
        for number in range(20_000):
            sandbox.portal.associate("0-1", 42, "0-2", 100_000 + number, frozenset())
        assert run(*EXPORT, "a.csv").code == 0
        assert sandbox.count("POST", "batch/read") <= 20_000 // size + 5
        assert lines_of(Path("a.csv").read_text()) == there(sandbox)


def test_pages_that_do_not_end_are_a_record_that_could_not_be_read(run: Run, hubspot: Run) -> None:
    """The others are exported, and the exit code says so."""
    again = {"status": "COMPLETE", "results": [{"from": {"id": "1"}, "paging": {"next": {"after": "7"}}, "to": [
        {"toObjectId": 7, "associationTypes": [{"category": "HUBSPOT_DEFINED", "typeId": 279}]}]}]}  # fmt: skip
    with hubspot(portal={"records": CONTACTS[:1]}, faults=[{"fault": "200", "route": "batch/read", "body": again}]):
        done = run(*EXPORT, "a.csv")
    assert (done.code, "Not read: a.export-unread.csv" in done.err) == (1, True)
    (line,) = lines("a.export-unread.csv")
    assert (line["object_id"], line["_error_category"]) == ("1", "ENDLESS_PAGES")


def test_records_made_merged_or_deleted_meanwhile(run: Run, filled: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A merged one is named with the one that survives; a deleted one has nothing; no line is there twice."""
    with filled() as sandbox:
        before = there(sandbox)
        listed: Callable[[str], list[int]] = sandbox.portal.record_ids

        def changing(object_type: str) -> list[int]:
            monkeypatch.setattr(sandbox.portal, "record_ids", second)
            return listed(object_type)

        def second(object_type: str) -> list[int]:
            monkeypatch.setattr(sandbox.portal, "record_ids", listed)
            sandbox.portal.delete_record("contacts", 10)
            sandbox.portal.merge_record("contacts", 20, 30)
            sandbox.portal.associate("0-1", 9001, "0-2", 7, frozenset())
            (label, _) = sandbox.portal.types.add_label("0-1", "0-2", "New one", name="new_one")
            sandbox.portal.associate("0-1", 9002, "0-2", 7, frozenset({label.key}))
            return listed(object_type)

        monkeypatch.setattr(sandbox.portal, "record_ids", changing)
        done = run(*EXPORT, "a.csv")
        after = there(sandbox)
    found = lines_of(Path("a.csv").read_text())
    assert done.code == 1
    assert max(found.values()) == 1
    assert found == after
    assert {line for line in before if line[1] == "10"}
    assert not {line for line in found if line[1] in ("10", "20")}
    assert ",New one\n" in Path("a.csv").read_text()
    (line,) = lines("a.export-unread.csv")
    assert (line["object_id"], line["_error_category"]) == ("20", "RECORD_MERGED")
    assert "30" in line["_error_message"]


def test_a_record_that_cannot_be_read_is_named_on_the_screen_where_no_file_does(run: Run, hubspot: Run) -> None:
    """With standard output as the export there is no file beside it."""
    with hubspot(portal={"merged": [{"type": "contacts", "id": 20, "into": 30}]}) as sandbox:
        sandbox.portal.associate("0-1", 30, "0-2", 7, frozenset())
        Path("ids.csv").write_text("object_id\n20\n")
        done = run(*EXPORT, "-", "--ids", "ids.csv")
    assert (done.code, "Not read: " in done.err, "30" in done.err) == (1, True, True)


# --- stopped, and gone on with


@pytest.mark.slow
def test_an_export_resumes_where_it_stopped(run: Run, hubspot: Run) -> None:
    """What was read is not read again, and no line is there twice; the half of it is no finished file."""
    records = [{"type": "contacts", "id": str(number)} for number in range(1, 6001)]
    stop = {"fault": "401", "route": "objects", "nth": 45}
    with hubspot(portal={"labels": LABELS, "records": records}, faults=[stop]) as sandbox:
        fill(sandbox)
        for number in range(1, 6000, 3):
            sandbox.portal.associate("0-1", number, "0-2", 5000, frozenset())
        first = run(*EXPORT, "a.csv")
        state = json.loads(Path("a.export.json").read_text())
        assert (first.code, first.err.splitlines()[-1]) == (
            3, "Next: association-loader export contacts companies --rate 9999/1 --output a.csv",
        )  # fmt: skip
        assert 1000 <= state["records"] <= 4000
        assert not Path("a.csv").exists()
        stood = run("status", "a.csv")
        assert stood.out.splitlines()[-1] == first.err.splitlines()[-1]
        assert "stopped" in stood.out
        assert f"{state['lines']:,} lines of {state['records']:,} records" in stood.out
        with Path("a.csv.part").open("a") as file:
            file.write("0-1,half a li")  # What a crash leaves behind what is known.
        before = sandbox.count("GET", "objects")
        second = run(*EXPORT, "a.csv")
        assert second.code == 0
        assert f"Resuming: {state['records']:,} records read already." in second.err
        assert sandbox.count("GET", "objects") - before == 60 - state["records"] // 100
        assert lines_of(Path("a.csv").read_text()) == there(sandbox)
    assert names() == ["a.csv", "a.export.json"]
    assert json.loads(Path("a.export.json").read_text())["records"] == 6000


@pytest.mark.slow
def test_a_part_that_somebody_changed_is_not_gone_on_with(run: Run, hubspot: Run) -> None:
    """Nor is it lost: begun anew, its files are kept under a name with their date."""
    records = [{"type": "contacts", "id": str(number)} for number in range(1, 3001)]
    stop = {"fault": "401", "route": "objects", "nth": 25}
    with hubspot(portal={"records": records}, faults=[stop]) as sandbox:
        sandbox.portal.associate("0-1", 1, "0-2", 7, frozenset())
        assert run(*EXPORT, "a.csv").code == 3
        part = Path("a.csv.part").read_text()
        Path("a.csv.part").write_text(part.replace("0-1,1,", "0-1,2,"))
        done = run(*EXPORT, "a.csv")
        assert (done.code, "start over with --fresh" in done.err) == (2, True)
        assert run(*EXPORT, "a.csv", "--fresh").code == 0
    assert names("*.csv.part")
    assert {"a.csv", "a.export.json"} < set(names())


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_an_export_and_the_same_command_resumes(run: Run, hubspot: Run, number: signal.Signals) -> None:
    records = [{"type": "contacts", "id": str(each)} for each in range(1, 1501)]
    with hubspot(portal={"labels": LABELS, "records": records}, latency="20ms") as sandbox:
        fill(sandbox)
        with signalled(number, lambda: sandbox.count("POST", "batch/read") > 3):
            assert run(*EXPORT, "a.csv").code == 128 + number
        assert run(*EXPORT, "a.csv").code == 0
        assert lines_of(Path("a.csv").read_text()) == there(sandbox)


def test_a_finished_export_is_begun_again_only_when_asked(run: Run, filled: Run) -> None:
    """Nothing is read; --fresh keeps the earlier one, as does an export of something else."""
    with filled() as sandbox:
        assert run(*EXPORT, "a.csv").code == 0
        before, requests = contents(), sandbox.count()
        done = run(*EXPORT, "a.csv")
        assert (done.code, contents(), sandbox.count()) == (0, before, requests)
        assert "nothing was read in HubSpot now" in done.err
        for words in (("--fresh",), ("--by-label",)):
            assert run(*EXPORT, "a.csv", *words).code == 0
    stood = run("status", "--json").events
    assert sorted((each["state"], each["set_aside"], each["next_command"]) for each in stood) == [
        ("finished", False, None), ("finished", True, None), ("finished", True, None),
    ]  # fmt: skip
    assert "nothing is left to do" in run("status", "a.csv").out
    kept = [path.name for path in Path().iterdir() if path.name.startswith("a.20")]
    assert sorted(name.split("Z", 1)[1].removeprefix("-2") for name in kept) == [*[".csv"] * 2, *[".export.json"] * 2]


def test_two_exports_cannot_share_a_state_file(run: Run, filled: Run) -> None:
    """The second one is refused with a name that it can have, also with --fresh, and nothing is touched."""
    with filled():
        assert run(*EXPORT, "a.csv").code == 0
        before = contents()
        for words in ((), ("--fresh",)):
            done = run(*EXPORT, "a.jsonl", *words)
            assert (done.code, contents()) == (2, before)
            assert "a.export.json belongs to the export a.csv" in done.err
            assert "such as a-jsonl.jsonl" in done.err
        assert run(*EXPORT, "a-jsonl.jsonl").code == 0


def test_an_unfinished_export_of_something_else_is_not_touched(run: Run, filled: Run) -> None:
    """Nor is a file that no export wrote."""
    Path("b.csv").write_text("mine\n")
    faults = [{"fault": "401", "route": "objects", "nth": 2}]
    with filled(faults=faults):
        assert run(*EXPORT, "a.csv").code == 3
        before = contents()
        other = run(*EXPORT, "a.csv", "--by-label")
        mine = run(*EXPORT, "b.csv")
        assert contents() == before
    assert (other.code, "unfinished export of something else" in other.err) == (2, True)
    assert (mine.code, "says that an export wrote it" in mine.err) == (2, True)


@pytest.mark.slow
def test_max_duration_ends_it_for_now(run: Run, hubspot: Run) -> None:
    """Exit 5; the same command goes on. What was read and not written is closed: what is not warns, and that fails."""
    records = [{"type": "contacts", "id": str(each)} for each in range(1, 3001)]
    with hubspot(portal={"records": records}, latency="30ms"):
        assert run(*EXPORT, "a.csv", "--max-duration", "0.5").code == 5
        gc.collect()
        assert run(*EXPORT, "a.csv").code == 0


# --- refused


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("contacts", "companies"), 2, "name the file to write with --output"),
        (("contacts", "companies", "--output", "a.txt"), 2, "an export is written as .csv, .jsonl or .parquet"),
        (("contacts", "companies", "--output", "no/a.csv"), 2, "there is no folder no"),
        (("contcts", "companies", "--output", "a.csv"), 2, "did you mean contacts"),
        (("products", "contacts", "--output", "a.csv"), 2, "HubSpot lists no association type from products to"),
        (("deals", "leads", "--output", "a.csv"), 2, "export leads deals instead"),
        (
            ("contacts", "companies", "--output", "a.csv", "--portal-id", "1"),
            3,
            "not to 1 as --portal-id or the profile says",
        ),
        (("contacts", "companies", "--output", "a.csv", "--ids", "none.csv"), 2, "none.csv"),
        (("contacts", "companies", "--output", "a.csv", "--ids", "names.csv"), 2, "holds the ids of the contacts"),
        (("contacts", "companies", "--output", "ids.csv", "--ids", "ids.csv", "--fresh"), 2, "ids.csv is an input"),
    ],
)
def test_wrong_exports_are_refused(run: Run, sandbox: Sandbox, words: tuple[str, ...], code: int, says: str) -> None:
    Path("names.csv").write_text("name\nAda\n")
    Path("ids.csv").write_text("object_id\n1\n")
    done = run("export", *words)
    assert (done.code, done.out, len(done.err.splitlines())) == (code, "", 1)
    assert says in done.err
    assert (sandbox.count("GET", "objects"), sandbox.count("POST", "batch/read")) == (0, 0)
    assert names() == ["ids.csv", "names.csv"]


def test_a_token_that_may_not_read_is_exit_3(run: Run, hubspot: Run) -> None:
    """With the scopes that it lacks."""
    with hubspot(portal={"scopes": ["crm.objects.companies.read"], "records": CONTACTS}):
        done = run(*EXPORT, "a.csv")
    assert (done.code, "scopes" in done.err) == (3, True)


def test_two_exports_never_write_one_file(run: Run, hubspot: Run) -> None:
    """The second one says who is at work."""
    records = [{"type": "contacts", "id": str(each)} for each in range(1, 601)]
    with hubspot(portal={"records": records}, latency="50ms"), ThreadPoolExecutor(1) as others:
        first = others.submit(loader.export_sync, "contacts", "companies", output="a.csv")
        until(Path("a.export.json").exists)
        refused(run(*EXPORT, "a.csv"), "give another --output")
        assert first.result().exit_code == 0


def test_faults_on_the_way_lose_nothing(run: Run, filled: Run) -> None:
    """Retried as everywhere; within the limit."""
    with filled(faults="429:0.1,500:0.1,reset:0.1", seed=5) as sandbox:
        assert run(*EXPORT, "a.csv").code == 0
        assert lines_of(Path("a.csv").read_text()) == there(sandbox)


# --- other doors


def test_json_tells_progress_and_ends_with_the_summary(run: Run, filled: Run) -> None:
    with filled() as sandbox:
        done = run(*EXPORT, "a.csv", "--json", "--quiet")
        lines = there(sandbox).total()
    *events, summary = done.events
    assert "exporting" in {each["event"] for each in events}
    assert (summary["event"], summary["exit_code"], summary["lines"]) == ("summary", 0, lines)
    assert summary["records"] == {"total": 250, "associated": 200, "without": 50, "unread": 0, "rejected": 0}
    assert summary["requests"]["sent"] == len(sandbox.requests)


@pytest.mark.slow
def test_python_gives_dataframes_in_pieces(filled: Run) -> None:
    """From a private file, or the one that it names; every cell is text, and nothing is defused."""
    with filled() as sandbox:
        expected = there(sandbox)
        report = loader.export_sync("contacts", "companies")
        named = [loader.export_sync("contacts", "companies", output=name) for name in ("a.csv", "b.jsonl")]
    assert report.exit_code == 0
    kept = report.path
    assert kept is not None
    for each in (report, *named):
        frames = list(each.frames(rows=100))
        assert [len(frame) for frame in frames] == [100] * (expected.total() // 100) + [expected.total() % 100]
        rows = [row for frame in frames for row in frame.itertuples(index=False)]
        assert list(frames[0].columns) == HEADER
        assert Counter(tuple(row)[:6] for row in rows) == expected
        assert {"=1+1", "Line\nbreak", '["Old; retired"]'} < {row.label for row in rows}
    assert names() == ["a.csv", "a.export.json", "b.export.json", "b.jsonl"]
    del report, each, frames
    assert not kept.exists()
    with pytest.raises(UsageError, match="end output with one of them"):
        loader.export_sync("contacts", "companies", output="a.txt")


@pytest.mark.parametrize(("most", "unread"), [(1, 1), (2, 0)])
def test_a_reading_is_tried_as_often_as_is_said(most: int, unread: int, run: Run, filled: Run) -> None:
    """Then its record counts as unread, and the others are written."""
    Path("ids.csv").write_text("object_id\n5\n6\n")
    faults = [
        {"fault": "400", "route": "batch/read", "times": 1},  # The records are read one by one then.
        {"fault": "423", "route": "batch/read", "times": 1},
    ]
    with filled(faults=faults):
        done = run(*EXPORT, "a.csv", "--ids", "ids.csv", "--max-attempts", str(most), "--rate", "9999/1")
    assert done.code == unread
    assert json.loads(Path("a.export.json").read_text())["unread"] == unread
