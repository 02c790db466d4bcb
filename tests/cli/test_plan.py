"""`plan`, which is `load --dry-run`: it reads and checks everything, sends nothing, leaves nothing."""

import json
import shlex
import socket
from pathlib import Path
from typing import Any

import pytest

import loader
from loader.sandbox import Sandbox
from tests.cli.conftest import CONTACTS, Run, contents, lines, names, refused
from tests.cli.portals import association

MIXED = "from_id,to_id\n101,201\n102,202;203\n101,201\nx,204\n"


@pytest.fixture(params=["plan", pytest.param("load --dry-run", marks=pytest.mark.slow)])
def plan(request: pytest.FixtureRequest, run: Run) -> Run:
    """Both ways to say it."""
    first, *rest = request.param.split()
    return lambda *arguments: run(first, *arguments, *rest)


def test_the_plan_is_on_standard_output_and_nothing_is_written_or_sent(plan: Run, sandbox: Sandbox) -> None:
    """Rows, pairs, duplicates and rejects by reason; exit 1 because of the reject; no file, no write."""
    Path("a.csv").write_text(MIXED)
    before = contents()
    done = plan("a.csv", *CONTACTS)
    assert done.code == 1
    assert "5 rows, 3 pairs to send, 1 row repeats a pair, 1 rejected" in " ".join(done.out.split())
    assert "INVALID_RECORD_ID" in done.out
    assert "None of the 3 pairs is in HubSpot yet." in done.out
    assert "One by one (default): under 1 s. In batches: under 1 s, without created ids." in done.out
    assert "Requests (at most 100 in 10 s, 1,000,000 a day): 4 one by one" in " ".join(done.out.split())
    assert contents() == before
    assert {request.route for request in sandbox.requests if request.method != "GET"} == {"batch/read"}


def test_without_a_token_no_socket_is_opened(plan: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels are the portal's own; HubSpot's standard types are known."""
    monkeypatch.delenv("HUBSPOT_ACCESS_TOKEN")
    opened: list[object] = []
    monkeypatch.setattr(socket.socket, "connect", lambda *given: opened.append(given))
    Path("a.csv").write_text("from_id,to_id\n1,2\n")
    assert plan("a.csv", *CONTACTS).code == 0
    done = plan("a.csv", *CONTACTS, "--type-id", "4711")
    assert "contacts to companies" in done.out
    assert "No token is set (HUBSPOT_ACCESS_TOKEN), so labels were not checked" in done.out
    assert opened == []
    assert sandbox.count() == 0


def test_a_plan_as_json_is_one_object_a_line(plan: Run, sandbox: Sandbox) -> None:
    Path("a.csv").write_text(MIXED)
    done = plan("a.csv", *CONTACTS, "--json", "--quiet")
    planned = done.events[-1]
    assert (planned["event"], planned["rows"], planned["pairs"], planned["rejected"]) == ("planned", 5, 3, 1)
    assert planned["reasons"] == {"INVALID_RECORD_ID": 1}
    assert done.err == ""


def test_a_plan_with_a_bad_token_is_refused(plan: Run, hubspot: Run) -> None:
    """Exit 3 and one sentence; the wrong portal likewise."""
    Path("a.csv").write_text(MIXED)
    before = contents()
    with hubspot(portal={"tokens": ["good"]}):
        refused(plan("a.csv", *CONTACTS, "--quiet"), code=3)
    with hubspot():
        refused(plan("a.csv", *CONTACTS, "--portal-id", "1", "--quiet"), code=3)
    assert contents() == before


def test_a_plan_leaves_a_run_that_is_there_alone(plan: Run, load: Run, sandbox: Sandbox) -> None:
    """Unfinished or not, of this input or another."""
    load("a.csv", "--limit", "1", text=MIXED)
    before, sent = contents(), sandbox.count("PUT")
    plan("a.csv", *CONTACTS)
    assert contents() == before
    assert sandbox.count("PUT") == sent


def test_the_plan_says_requests_time_and_share_of_the_daily_quota(plan: Run, hubspot: Run) -> None:
    """At the portal's own rate, or at the one that was named."""
    Path("a.csv").write_text("from_id,to_id\n" + "".join(f"{n},2\n" for n in range(1, 1141)))
    with hubspot(rate="190/10", daily=2_280):
        said = " ".join(plan("a.csv", *CONTACTS).out.split())
        assert "One by one (default): 61 s. In batches: under 1 s" in said
        limits = "Requests (at most 190 in 10 s, 2,280 a day)"
        assert f"{limits}: 1,141 one by one (50.0% of the day), 2 in batches (0.1%)." in said
        planned = plan("a.csv", *CONTACTS, "--rate", "10/1", "--json").events[-1]
    assert (planned["requests"], planned["seconds"], planned["daily_quota"]) == (1141, 114.1, 2280)
    batch = planned["costs"]["batch"]
    assert (batch["reads"], batch["writes"], batch["requests"], batch["seconds"]) == (1, 1, 2, 0.2)
    assert planned["so_far"] == {"pairs": 1140, "unchanged": 0, "whole": True}


def test_the_plan_says_what_is_there_already(plan: Run, hubspot: Run) -> None:
    """Read in the portal: what has all that is asked for needs no request."""
    Path("a.csv").write_text("from_id,to_id\n" + "".join(f"{n},2\n" for n in range(1, 51)))
    there = [association(n, 2) for n in range(1, 49)]
    with hubspot(portal={"associations": there}, page_size=10):
        said = " ".join(plan("a.csv", *CONTACTS).out.split())
    assert "48 of the 50 pairs are in HubSpot already." in said
    assert ": 3 one by one" in said


def test_a_long_load_says_what_batch_would_take(run: Run, hubspot: Run) -> None:
    """Once, before it begins; and by batch, what that does not give."""
    Path("a.csv").write_text("from_id,to_id\n" + "".join(f"{n},2\n" for n in range(1, 100)))
    with hubspot(faults=[{"fault": "401", "method": "PUT"}]):
        done = run("load", "a.csv", *CONTACTS, "--rate", "20/200")
        assert done.code == 3
        said = " ".join(done.err.split())
        assert said.count("One by one this takes 17 min. With --method batch it takes 20 s, but") == 1
        done = run("load", "a.csv", *CONTACTS, "--rate", "99/1", "--fresh", "--method", "batch")
        assert "no created resource id" in " ".join(done.err.split())
        assert done.code == 0


def test_method_auto_sends_in_batches_what_would_take_long_one_by_one(run: Run, hubspot: Run) -> None:
    """And says why; a small load is sent one by one, with its created ids."""
    Path("a.csv").write_text("from_id,to_id\n" + "".join(f"{n},2\n" for n in range(1, 100)))
    Path("b.csv").write_text("from_id,to_id\n1,3\n")
    with hubspot() as sandbox:
        done = run("load", "a.csv", *CONTACTS, "--rate", "20/200", "--method", "auto")
        assert (done.code, sandbox.count("PUT"), len(sandbox.portal.pairs())) == (0, 0, 99)
        assert "--method auto: in batches, because one by one would take 17 min." in " ".join(done.err.split())
        done = run("load", "b.csv", *CONTACTS, "--rate", "20/200", "--method", "auto")
        assert (done.code, sandbox.count("PUT")) == (0, 1)
        assert "One by one (--method auto)" in " ".join(done.err.split())


def test_the_plan_says_what_was_understood_with_every_name_and_id(run: Run, hubspot: Run) -> None:
    """File, records, format, encoding, delimiter, header row, columns; object types, association type and label."""
    Path("a.csv").write_bytes(
        "Liste\n\nWagen;to_id;label;Straße\n11;101;Fahrer;x\n12;102;driver;y\n13;103;;z\n".encode("cp1252")
    )
    portal = {
        "schemas": [{"object_type_id": "2-7", "name": "car", "plural": "Cars"}],
        "labels": [{"from": "2-7", "to": "contacts", "label": "Driver", "type_id": 70, "inverse_type_id": 71}],
    }
    with hubspot(portal=portal):
        done = run("plan", "a.csv", "--from", "car", "--to", "contact", "--column", "object_id=Wagen")
        planned = run(
            "plan", "a.csv", "--from", "car", "--to", "contact", "--column", "object_id=Wagen", "--json"
        ).events[-1]  # A slow machine says before what it waits for.
    said = [" ".join(line.split()) for line in done.out.splitlines()]
    words = " ".join(said)
    assert "a.csv: 3 records, csv, cp1252, delimiter ;," in words
    assert "header in row 3" in words
    assert "Wagen (object_id)," in words
    assert "1 Cars (2-7) contacts (0-1) USER_DEFINED 70 Driver" in said
    assert "1 car contact none: see below Fahrer" in said
    assert "1 row: Cars to contacts have no label 'Fahrer': did you mean 'Driver'?" in words
    (understood,) = planned["inputs"].values()
    assert (understood["records"], understood["header_row"], understood["delimiter"]) == (3, 3, ";")
    assert {
        (kind["object_type_id"], kind["to_object_type_id"]) for kind in planned["kinds"] if not kind["problem"]
    } == {("2-7", "0-1")}
    assert done.code == 1


def test_a_load_says_the_same_before_it_sends_anything(run: Run, sandbox: Sandbox) -> None:
    """The tables stand before the first word about sending."""
    Path("a.csv").write_text("from_id,to_id\n1,2\n")
    said = run("load", "a.csv", *CONTACTS).err
    assert "delimiter ," in said
    assert said.index("contacts (0-1)") < said.index("companies (0-2)") < said.index("Sending")


def test_rejected_rows_of_custom_objects_show_their_ids(run: Run, hubspot: Run) -> None:
    """The portal knows what the names mean, for rows that are never sent, too."""
    Path("a.csv").write_text("from_id,to_id\n11,101\nx,102\n")
    with hubspot(
        portal={"schemas": [{"object_type_id": "2-7", "name": "car", "plural": "Cars", "associates": ["contacts"]}]}
    ):
        run("load", "a.csv", "--from", "Cars", "--to", "contact")
    assert {(line["status"], line["object_type"], line["to_object_type"]) for line in lines("a.results.csv")} == {
        ("created", "2-7", "0-1"),
        ("rejected", "2-7", "0-1"),
    }


@pytest.mark.slow_after(2)
@pytest.mark.parametrize(
    ("verb", "broken"),
    [
        (("plan",), None),
        (("load", "--dry-run"), [{"fault": "503"}]),
        (("plan",), [{"fault": "close", "route": "batch/read"}]),
        (("plan",), [{"fault": "reset", "route": "labels"}]),
    ],
)
def test_a_plan_says_that_hubspot_cannot_be_reached(
    verb: tuple[str, ...], broken: list[dict[str, Any]] | None, run: Run, hubspot: Run
) -> None:
    """Exit 5 and one sentence; it never says how many pairs the portal has, because nobody knows."""
    Path("a.csv").write_text("from_id,to_id,label\n101,201,Decision maker\n102,202,\n")
    with hubspot(faults=broken or ""):
        given = ("--base-url", "http://127.0.0.1:9") if broken is None else ()
        done = run(*verb, "a.csv", *CONTACTS, *given)
    assert done.code == 5
    assert "in HubSpot already" not in done.out + done.err
    assert "HubSpot gave no usable answer" in done.err


def test_a_plan_does_not_count_pairs_that_hubspot_does_not_tell_of(run: Run, hubspot: Run) -> None:
    """What it refuses to tell is said, and is none of those that were looked up."""
    Path("a.csv").write_text("from_id,to_id\n101,201\n102,202\n")
    with hubspot(faults=[{"fault": "403", "route": "batch/read"}]):
        refused = run("plan", "a.csv", *CONTACTS)
    assert refused.code == 3
    with hubspot(faults=[{"fault": "400", "route": "batch/read"}]):
        untold = run("plan", "a.csv", *CONTACTS)
    assert untold.code == 0
    assert "in HubSpot already" not in untold.out
    assert "refused to show what 2 pairs of the file have" in untold.err.replace("\n", " ")


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("token", [True, False])
@pytest.mark.parametrize(
    ("limit", "code", "planned"),
    [(1, 0, (1, 1, 0)), (3, 0, (3, 2, 0)), (4, 1, (4, 2, 1)), (6, 1, (7, 5, 1)), (99, 1, (8, 6, 1))],
)
def test_a_plan_ends_at_its_limit(
    run: Run, sandbox: Any, monkeypatch: Any, limit: int, code: int, planned: tuple[int, ...], *, token: bool
) -> None:
    """Rows, pairs, rejects, kinds and requests are those of the first N records of all inputs, at both doors."""
    Path("a.csv").write_text("object_id,to_object_id,label\n1,11,\n2,12,\n2,12,\nx,1,\n3,13;14,\n")
    Path("b.csv").write_text("object_id,to_object_id\n5,15\n6,16\n")
    if not token:
        monkeypatch.delenv("HUBSPOT_ACCESS_TOKEN")
    done = run("load", "a.csv", "b.csv", *CONTACTS, "--dry-run", "--limit", str(limit), "--json")
    event = next(each for line in done.out.splitlines() if "pairs" in (each := json.loads(line)))
    assert (done.code, event["limit"]) == (code, limit)
    assert (event["rows"], event["pairs"], event["rejected"]) == planned
    assert sum(kind["rows"] for kind in event["kinds"]) == planned[0] - planned[2]
    assert event["costs"]["put"]["writes"] == planned[1]
    report = loader.load_sync(
        ["a.csv", "b.csv"], object_type="contacts", to_object_type="companies", dry_run=True, limit=limit
    )
    assert (report.summary["rows"]["total"], report.summary["pairs"], report.summary["rows"]["rejected"]) == planned
    assert sandbox.count("PUT") == 0


BAD = "from_id,to_id,label\n101,201,\n x1,202,\n102,203,Boss\n x1,204,\n103,,\n104,205,206,\nq,207,\n105,208,Boss\n"


def test_a_plan_names_its_rejected_rows(run: Run, sandbox: Sandbox) -> None:
    """Each reason with its first rows, column, value and file, on the screen and in JSON; none with a limit above."""
    Path("a.csv").write_text(BAD)
    Path("b.csv").write_text("from_id,to_id\n1,2\n3,0012\n")
    said = " ".join(run("plan", "a.csv", *CONTACTS).out.split())
    assert 'row 3 "from_id": " x1"; also 5; row 8 "from_id": "q"' in said
    assert 'row 4 "label": "Boss"; also 9' in said
    assert 'row 6 "to_id"' in said
    assert "Row 7 has 4 fields" in said
    assert 'b.csv row 3 "to_id": "0012"' in " ".join(run("plan", "a.csv", "b.csv", *CONTACTS).out.split())
    planned = run("plan", "a.csv", *CONTACTS, "--json", "--quiet").events[-1]
    rejects = {each["reason"]: each for each in planned["rejects"]}
    assert {reason: each["rows"] for reason, each in rejects.items()} == planned["reasons"]
    first = rejects["INVALID_RECORD_ID"]["first"]
    assert [(each["input"], each["row"], each["column"], each["value"]) for each in first] == [
        ("a.csv", 3, "from_id", " x1"),
        ("a.csv", 5, "from_id", " x1"),
        ("a.csv", 8, "from_id", "q"),
    ]
    assert rejects["FIELD_COUNT"]["first"][0]["column"] == ""
    assert rejects["ASSOCIATION_LABEL_NOT_FOUND"]["first"][0]["value"] == "Boss"
    planned = run("plan", "a.csv", *CONTACTS, "--json", "--quiet", "--column", "label=").events[-1]
    assert "ASSOCIATION_LABEL_NOT_FOUND" not in {each["reason"] for each in planned["rejects"]}


def test_a_plan_names_few_of_many_rejected_rows(run: Run, sandbox: Sandbox) -> None:
    """Three different cells, and how many more rows there are."""
    Path("a.csv").write_text("from_id,to_id\n" + "".join(f"x{n},{n}\n" for n in range(1, 1001)))
    said = " ".join(run("plan", "a.csv", *CONTACTS).out.split())
    assert 'row 2 "from_id": "x1"; row 3 "from_id": "x2"; row 4 "from_id": "x3"; and 997 more' in said


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("token", [True, False])
def test_a_plan_writes_the_failures_of_a_load(
    run: Run, load: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, *, token: bool
) -> None:
    """Byte for byte; and the same plan again leaves it as it is."""
    Path("a.csv").write_text(BAD if token else BAD.replace("Boss", ""))
    with monkeypatch.context() as without:
        if not token:
            without.delenv("HUBSPOT_ACCESS_TOKEN")
        for _ in range(2):
            done = run("plan", "a.csv", *CONTACTS, "--failures", "bad.csv")
    assert "Failures: bad.csv" in done.out
    assert names() == ["a.csv", "bad.csv"]
    planned = Path("bad.csv").read_bytes()
    load("a.csv")
    assert Path("a.failures.csv").read_bytes() == planned
    assert planned.count(b",rejected,") == (7 if token else 5)


def test_a_plan_writes_failures_only_when_asked(run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the load's own file is called in the environment or in a job says nothing about a plan; nor a dry run."""
    Path("a.csv").write_text(BAD)
    Path("job.toml").write_text('failures = "bad.csv"\n')
    monkeypatch.setenv("ASSOCIATION_LOADER_FAILURES", "worse.csv")
    run("plan", "a.csv", *CONTACTS, "--config", "job.toml")
    run("load", "a.csv", *CONTACTS, "--dry-run", "--failures", "worst.csv")
    assert names() == ["a.csv", "job.toml"]


def test_a_plan_writes_over_no_file_that_somebody_made(run: Run, sandbox: Sandbox) -> None:
    """Another file is refused; a failures file that was corrected keeps its content under another name."""
    Path("a.csv").write_text(BAD)
    Path("mine.csv").write_text("notes\n")
    refused = run("plan", "a.csv", *CONTACTS, "--failures", "mine.csv")
    assert (refused.code, Path("mine.csv").read_text()) == (2, "notes\n")
    run("plan", "a.csv", *CONTACTS, "--failures", "bad.csv")
    corrected = Path("bad.csv").read_text().replace(" x1", "777")
    Path("bad.csv").write_text(corrected)
    assert "is kept" in run("plan", "a.csv", *CONTACTS, "--failures", "bad.csv").err
    assert corrected in [path.read_text() for path in Path().glob("*bad.csv")]
    assert " x1" in Path("bad.csv").read_text()


def test_a_plan_ends_with_the_command_that_loads(plan: Run, run: Run, sandbox: Sandbox) -> None:
    """The same inputs and options; none where no row can be sent."""
    Path("a b.csv").write_text(MIXED)
    (following,) = [line for line in plan("a b.csv", *CONTACTS).out.splitlines() if line.startswith("Next: ")]
    assert following == "Next: association-loader load 'a b.csv' --from contacts --to companies"
    assert run(*shlex.split(following)[2:]).code == 1
    Path("bad.csv").write_text("from_id,to_id\nx,y\n")
    assert "Next: " not in plan("bad.csv", *CONTACTS).out
