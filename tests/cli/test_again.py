"""The same results again: going on, saying it again, setting aside, refusing."""

import json
import sqlite3
from pathlib import Path

import pytest

from loader.sandbox import Sandbox
from tests.cli.conftest import CONTACTS, Run, contents, lines, names, refused, summary

FIVE = "from_id,to_id\n101,201\n102,202\n103,203\n104,204\n105,205\n"


def rows_of(name: str) -> list[str]:
    """Return the row number of each line of a results file."""
    return [line["row"] for line in lines(name)]


def test_after_a_limit_the_same_command_continues(sandbox: Sandbox, load: Run) -> None:
    """Unfinished, same input and settings: goes on; each row is sent once and stands there once."""
    assert load("a.csv", "--limit", "2", text=FIVE).code == 0
    assert rows_of("a.results.csv") == ["2", "3"]
    assert summary("a.summary.json")["rows"]["pending"] == 3
    assert sandbox.count("PUT") == 2
    assert load("a.csv", "--limit", "2").code == 0
    assert sandbox.count("PUT") == 2
    assert load("a.csv").code == 0
    assert rows_of("a.results.csv") == ["2", "3", "4", "5", "6"]
    assert sandbox.count("PUT") == 5


def test_the_next_command_after_a_limit_has_no_limit(sandbox: Sandbox, load: Run, run: Run) -> None:
    """And it is exact: typed as it stands, it finishes the load."""
    load("a b.csv", "--limit=2", "--fresh", text=FIVE)
    following = summary("a b.summary.json")["next_command"]
    assert following == "association-loader load 'a b.csv' --from contacts --to companies --rate 9999/1"
    assert run("load", "a b.csv", *following.split()[4:]).code == 0
    assert sandbox.count("PUT") == 5


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("content", [FIVE, FIVE + "x,206\n"])
def test_a_finished_run_repeats_its_summary_and_sends_nothing(content: str, sandbox: Sandbox, load: Run) -> None:
    """The same exit code, the same summary, the same results; not one request, and no token is needed."""
    first = load("a.csv", text=content)
    before, before_summary, requests = contents(), summary("a.summary.json"), sandbox.count()
    second = load("a.csv")
    assert first.code == second.code == int("x" in content)
    assert summary("a.summary.json") == before_summary
    assert sandbox.count() == requests
    after = contents()
    assert {name: after[name] for name in after if "journal" not in name} == {
        name: before[name] for name in before if "journal" not in name
    }
    assert "created" in second.err


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("harm", ["deleted", "cut", "edited"])
def test_damaged_results_are_written_again(harm: str, sandbox: Sandbox, load: Run) -> None:
    """The journal is the truth; the results are made from it."""
    load("a.csv", text=FIVE + "x,206\n")
    results = Path("a.results.csv")
    before = results.read_bytes()
    if harm == "deleted":
        results.unlink()
    else:
        results.write_bytes(before[:200] if harm == "cut" else before.replace(b"created", b"CREATED"))
    Path("a.failures.csv").unlink()
    Path("a.summary.json").unlink()
    assert load("a.csv").code == 1
    assert sorted(results.read_bytes().splitlines()) == sorted(before.splitlines()), "in any order"
    assert Path("a.failures.csv").exists()
    assert Path("a.summary.json").exists()
    assert sandbox.count("PUT") == 5


def test_another_input_renames_the_files_of_a_finished_run(sandbox: Sandbox, load: Run) -> None:
    """The nightly case: the files of yesterday are `<stem>.<started_at>.*`, and today's begin anew."""
    load("a.csv", "--results", "n.csv", text="from_id,to_id\n101,201\nx,202\n")
    stamp = summary("n.summary.json")["started_at"][:19].replace("-", "").replace(":", "") + "Z"
    old = Path("n.csv").read_bytes()
    assert load("a.csv", "--results", "n.csv", text="from_id,to_id\n103,203\n").code == 0
    aside = {name: f"n.{stamp}.{name}" for name in ("csv", "journal", "failures.csv", "summary.json")}
    assert Path(aside["csv"]).read_bytes() == old
    assert set(names()) == {
        *("a.csv", "n.csv", "n.journal", "n.summary.json"),
        *aside.values(),
    }
    assert [line["object_id"] for line in lines("n.csv")] == ["103"]


def test_an_earlier_run_repeats_its_summary_under_its_new_name(sandbox: Sandbox, load: Run) -> None:
    """What is set aside stays a whole run: its journal knows its own files."""
    load("a.csv", "--existing", "replace", "--unread", text=FIVE)
    load("a.csv", "--existing", "replace", "--unread", "--fresh")
    (old,) = (file for file in Path().glob("a.2*.results.csv"))
    assert load("a.csv", "--existing", "replace", "--unread", "--results", old.name).code == 0
    assert sandbox.count("PUT") == 10
    assert summary(old.name.replace("results.csv", "summary.json"))["rows"]["created"] == 5


def test_fresh_starts_over_and_keeps_all_earlier_files(sandbox: Sandbox, load: Run) -> None:
    """An unfinished run, results of nobody, a damaged journal: all are set aside, nothing is lost."""
    load("a.csv", "--limit", "2", text=FIVE)
    assert load("a.csv", "--fresh").code == 0
    assert len(lines("a.results.csv")) == 5
    Path("a.journal").write_text("no journal at all")
    assert load("a.csv").code == 2
    assert load("a.csv", "--fresh").code == 0
    aside = [file for file in Path().iterdir() if file.name.startswith("a.2")]
    assert b"no journal at all" in [file.read_bytes() for file in aside]
    assert len([file for file in aside if file.name.endswith("results.csv")]) == 2


def written_by_an_older_version(journal: Path) -> None:
    """Let a journal have the format before this one."""
    with sqlite3.connect(journal) as database:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        database.execute(f"PRAGMA user_version = {version - 1}")
    database.close()


def test_a_finished_run_of_an_older_version_is_kept_beside_the_new_one(sandbox: Sandbox, load: Run) -> None:
    """Also for the same input: what is there already is looked up, and not sent again."""
    assert load("a.csv", text=FIVE).code == 0
    old = Path("a.results.csv").read_bytes()
    written_by_an_older_version(Path("a.journal"))
    assert load("a.csv", "--retry-failed").code == 2
    assert load("a.csv").code == 0
    assert summary("a.summary.json")["rows"]["unchanged"] == 5
    assert [file.read_bytes() for file in Path().glob("a.2*.results.csv")] == [old]
    assert sandbox.count("PUT") == 5


def test_failures_of_an_older_version_are_kept(sandbox: Sandbox, load: Run) -> None:
    """Its journal cannot be read: the file is kept, and no command is given to load it."""
    assert load("a.csv", text=FIVE + "x,206\n").code == 1
    written_by_an_older_version(Path("a.journal"))
    old = Path("a.failures.csv").read_bytes()
    again = load("a.csv")
    assert again.code == 1
    (kept,) = Path().glob("a.2*.failures.csv")
    assert kept.read_bytes() == old
    assert f"a.failures.csv was there before this run and is kept as {kept.name}" in " ".join(again.err.split())
    assert "mended in it" not in again.err


@pytest.mark.slow
def test_an_unfinished_run_of_an_older_version_is_refused(sandbox: Sandbox, load: Run) -> None:
    """The way on is said in a sentence, and nothing is changed."""
    assert load("a.csv", "--limit", "2", text=FIVE).code == 0
    written_by_an_older_version(Path("a.journal"))
    before = {file.name: file.read_bytes() for file in Path().iterdir()}
    refused = load("a.csv")
    assert (refused.code, {file.name: file.read_bytes() for file in Path().iterdir()}) == (2, before)
    assert "continue with that version, or start over with --fresh" in refused.err
    assert load("a.csv", "--fresh").code == 0
    assert sandbox.count("PUT") == 5


def test_retry_failed_sends_the_failed_rows_and_no_other(hubspot: Run, load: Run) -> None:
    """The next command says so; what failed is created at last, each row stands there once."""
    with hubspot(faults=[{"fault": "503", "pair": [103, 203], "times": 1}]) as sandbox:
        assert load("a.csv", "--max-attempts", "1", text=FIVE).code == 1
        assert summary("a.summary.json")["next_command"].endswith("--retry-failed")
        assert load("a.csv", "--retry-failed").code == 0
        assert sandbox.count("PUT") == 6
    assert rows_of("a.results.csv") == ["2", "3", "4", "5", "6"]
    assert {line["status"] for line in lines("a.results.csv")} == {"created"}
    assert not Path("a.failures.csv").exists()
    assert summary("a.summary.json")["next_command"] is None


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("fault", ["503", "reset", "html"])
def test_the_same_command_sends_rows_with_passing_failures_again(hubspot: Run, load: Run, fault: str) -> None:
    """And no other failed row: the next night does not end as the first did."""
    Path("a.csv").write_text(FIVE + "".join(f"{number},206\n" for number in range(106, 126)))
    faults = [
        {"fault": fault, "pair": [101, 201], "times": 1, "applied": False},
        {"fault": "404", "pair": [103, 203]},
    ]
    with hubspot(faults=faults) as sandbox:
        assert load("a.csv", "--max-attempts", "1").code == 1
        assert {line["row"] for line in lines("a.results.csv") if line["status"] == "failed"} == {"2", "4"}
        sent = sandbox.count("PUT")
        assert load("a.csv", "--max-attempts", "1").code == 1
        assert load("a.csv", "--max-attempts", "1").code == 1
        assert sandbox.count("PUT") == sent + 1
    assert [line["row"] for line in lines("a.results.csv") if line["status"] == "failed"] == ["4"]
    assert len(lines("a.results.csv")) == 25


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("faults", "reject", "retried"),
    [
        ({103: "404"}, False, False),
        ({103: "400"}, True, False),
        ({}, True, False),
        ({103: "503"}, False, True),
        ({103: "503"}, True, False),
        ({103: "400", 104: "503"}, False, False),
    ],
)
def test_retry_failed_is_proposed_where_it_may_help(
    faults: dict[int, str], reject: bool, retried: bool, hubspot: Run, load: Run
) -> None:
    """Where a row can be corrected, that comes first: the failures file has all of them."""
    script = [{"fault": fault, "pair": [number, number + 100]} for number, fault in faults.items()]
    with hubspot(faults=script):
        done = load("a.csv", "--max-attempts", "1", text=FIVE + "x,206\n" * reject)
    assert done.code == 1
    (following,) = (line for line in done.err.splitlines() if line.startswith("Next: "))
    assert following.endswith("--retry-failed") == retried
    assert following.startswith("Next: association-loader load a.failures.csv") != retried


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--type-id", "1"], "--type-id was not given, now 1"),
        (["--label", "Decision maker"], "--label was not given, now Decision maker"),
        (["--category", "USER_DEFINED"], "--category was not given, now USER_DEFINED"),
        (["--column", "object_id=from_id"], "--column was not given, now object_id=from_id"),
        (["--api-version", "2026-03"], "--api-version was v4, now 2026-03"),
        (["--to", "deals"], "--to was companies, now deals"),
        (["--base-url", "http://127.0.0.1:9"], "--base-url was"),
        (["--portal-id", "7"], "--portal-id was 62515, now 7"),
    ],
)
def test_other_settings_are_refused_on_resume(
    change: list[str], said: str, sandbox: Sandbox, run: Run, load: Run
) -> None:
    """Item 64: exit 2, what differs, and the two ways on; no byte of any file is changed, the journal's neither."""
    load("a.csv", "--limit", "2", "--api-version", "v4", text=FIVE)
    before, requests = contents(), sandbox.count()
    refused(run("load", "a.csv", *CONTACTS, *change), said, "--fresh")
    assert contents() == before
    assert sandbox.count() == requests


def test_everything_else_may_change_on_resume(sandbox: Sandbox, load: Run) -> None:
    """Rate, concurrency, attempts and the like are not part of what a run is."""
    load("a.csv", "--limit", "2", text=FIVE)
    others = ("--rate", "50/1", "--concurrency", "1", "--max-attempts", "2", "--timeout", "5", "--max-failures", "5%")
    assert load("a.csv", *others, "--failures", "elsewhere.csv", "--portal-id", "62515").code == 0
    assert len(lines("a.results.csv")) == sandbox.count("PUT") == 5


def test_an_input_that_was_moved_is_still_the_same_input(sandbox: Sandbox, load: Run) -> None:
    load("a.csv", "--results", "r.csv", "--limit", "2", text=FIVE)
    Path("a.csv").rename(Path("b.csv"))
    assert load("b.csv", "--results", "r.csv").code == 0
    assert len(lines("r.csv")) == sandbox.count("PUT") == 5


def test_another_portals_token_does_not_resume_a_run(hubspot: Run, load: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run is bound to its portal: exit 2, nothing is sent, no byte is changed."""
    with hubspot(portal={"portal_id": 1}) as first:
        load("a.csv", "--limit", "2", "--base-url", first.url, text=FIVE)
        port = int(first.url.rpartition(":")[2])
    before = contents()
    with hubspot(portal={"portal_id": 2}, port=port) as second:
        refused(load("a.csv", "--base-url", second.url), "account 1", "account 2")
        assert second.count("PUT") == 0
    assert contents() == before


def test_results_that_no_journal_knows_are_not_overwritten(sandbox: Sandbox, load: Run) -> None:
    Path("a.csv").write_text(FIVE)
    Path("a.results.csv").write_text("precious\n")
    before = contents()
    assert load("a.csv").code == 2
    assert contents() == before
    assert sandbox.count("PUT") == 0


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_run_overwrites_no_file_of_its_stem_that_it_did_not_write(ending: str, sandbox: Sandbox, load: Run) -> None:
    """The names share one journal, which knows what the run wrote."""
    Path("a.csv").write_text(FIVE)
    load("a.csv", "--results", "r.results.csv", "--limit", "2")
    Path(f"r.{ending}").write_text("precious\n")
    refused(load("a.csv", "--results", f"r.{ending}"), "did not write it")
    assert Path(f"r.{ending}").read_text() == "precious\n"


def test_the_failures_file_is_the_next_command_once_rows_are_rejected(sandbox: Sandbox, load: Run, run: Run) -> None:
    """Options that belonged to the first input's form or outputs are left out; the mended file loads."""
    Path("a.txt").write_text("Contact Key|to_id\n101|201\n101.5|202\n")
    load("a.txt", "--column", "object_id=Contact Key", "--delimiter", "|", "--results", "out.csv", "--limit=9")
    following = summary("out.summary.json")["next_command"]
    assert following == (
        "association-loader load out.failures.csv --column 'object_id=Contact Key' --from contacts --to companies"
        " --rate 9999/1"
    )
    failures = Path("out.failures.csv")
    failures.write_text(failures.read_text().replace("101.5|", "102|", 1))
    assert load("out.failures.csv", "--column", "object_id=Contact Key").code == 0
    assert json.loads(Path("out.failures.summary.json").read_text())["rows"]["created"] == 1


def test_failures_in_another_folder_are_renamed_there(sandbox: Sandbox, load: Run) -> None:
    """It belongs to the run wherever it lies."""
    Path("bad").mkdir()
    load("a.csv", "--failures", "bad/today.csv", text="from_id,to_id\nx,201\n")
    first = Path("bad/today.csv").read_bytes()
    load("a.csv", "--failures", "bad/today.csv", "--fresh")
    (aside,) = Path("bad").glob("a.2*.today.csv")
    assert aside.read_bytes() == first


@pytest.mark.slow
def test_a_limit_of_ten_counts_ten(sandbox: Sandbox, load: Run) -> None:
    """What is behind it is left to the next command, and what is there already is nothing to do."""
    Path("a.csv").write_text("from_id,to_id\n" + "".join(f"{row},201\n" for row in range(1, 31)))
    done = load("a.csv", "--limit", "10", "--json")
    assert "Sending: 10 of 30 rows left, up to --limit 10." in done.err
    assert "Ended at --limit 10: 10 rows done, 20 left." in done.err
    progress = [event for line in done.out.splitlines() if (event := json.loads(line))["event"] == "progress"]
    assert {event["beyond"] for event in progress} == {20}
    assert "Resuming: 5 of 30 rows left, up to --limit 15." in load("a.csv", "--limit", "15").err
    assert load("a.csv").code == 0
    assert "Nothing to do: all associations are in HubSpot already." in load("a.csv", "--fresh").err
