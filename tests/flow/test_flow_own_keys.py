"""Records by their own keys: emails and domains in the file, record ids in the results, each value looked up once."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loader.errors import Interrupted, UsageError
from loader.events import Event, LookedUp, LookingUp
from loader.sandbox import Sandbox
from loader.settings import ConnectionSettings
from loader.stopping import Stop
from tests.flow.conftest import VERSION, Load
from tests.flow.portals import settings
from tests.verbs import load, plan
from tests.written import lines_of, names_in

PEOPLE = {"ada@example.com": 101, "Bob@Example.com": 102, "00123": 103, "1e5": 104, "cy@example.com": 105}
FIRMS = {"acme.example": 201, "b.example": 202, "c.example": 203}
BY_KEYS = {"from_id_property": "email", "to_id_property": "domain"}


def portal(**more: Any) -> dict[str, Any]:
    records = [
        *({"type": "contacts", "id": str(each), "properties": {"email": text}} for text, each in PEOPLE.items()),
        *({"type": "companies", "id": str(each), "properties": {"domain": text}} for text, each in FIRMS.items()),
    ]
    return {"records": records, "unlisted_records": "missing", **more}


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A portal with some contacts and companies, and no others."""
    async with Sandbox(portal(), record_bodies=True) as running:
        yield running


def reads(sandbox: Sandbox) -> list[tuple[str, list[str]]]:
    """Return what was looked up: the object type, and the values."""
    bodies = [
        (each.path, json.loads(each.body or b"")) for each in sandbox.requests if each.route == "objects/batch/read"
    ]
    assert all(len(body["inputs"]) <= 100 and body["properties"] == [body["idProperty"]] for _, body in bodies)
    return [(path.split("/")[4], [each["id"] for each in body["inputs"]]) for path, body in bodies]


def short(path: Path) -> list[tuple[str, ...]]:
    keys = ("row", "status", "object_id", "to_object_id", "error_category")
    return sorted(tuple(line[key] for key in keys) for line in lines_of(path))


LOADED: dict[str, tuple[str, dict[str, str], list[tuple[str, ...]], list[tuple[str, list[str]]]]] = {
    # Case of emails does not matter; values like numbers stay the text that they are; `;` lists work, too.
    "emails and domains": (
        'ADA@example.com ,acme.example,\nbob@example.com,b.example; C.EXAMPLE,\n00123,b.example,\n="1e5",b.example,\n',
        BY_KEYS,
        [
            ("2", "created", "101", "201", ""),
            ("3", "created", "102", "202", ""),
            ("3", "created", "102", "203", ""),
            ("4", "created", "103", "202", ""),
            ("5", "created", "104", "202", ""),
        ],
        [
            ("0-1", ["00123", "1e5", "ada@example.com", "bob@example.com"]),
            ("0-2", ["acme.example", "b.example", "c.example"]),
        ],
    ),
    "record ids at one end": (
        "101,acme.example,\n0101,acme.example,\n102.0,b.example,\n",
        {"to_id_property": "domain"},
        [
            ("2", "created", "101", "201", ""),
            ("3", "rejected", "0101", "acme.example", "LEADING_ZERO"),
            ("4", "created", "102", "202", ""),
        ],
        [("0-2", ["acme.example", "b.example"])],
    ),
    # A row that is wrong otherwise is not looked up, and shows what its cells say.
    "an unknown label": (
        "ada@example.com,acme.example,Nonsense\ncy@example.com,b.example,\n",
        BY_KEYS,
        [
            ("2", "rejected", "ada@example.com", "acme.example", "ASSOCIATION_LABEL_NOT_FOUND"),
            ("3", "created", "105", "202", ""),
        ],
        [("0-1", ["cy@example.com"]), ("0-2", ["b.example"])],
    ),
    # Two spellings of one company are no conflict, two companies are: seen once the records are known.
    "two primary companies": (
        (
            "ada@example.com,acme.example,Primary\nADA@example.com,ACME.example,Primary\n"
            "cy@example.com,acme.example,Primary\ncy@example.com,b.example,Primary\n"
        ),
        BY_KEYS,
        [
            ("2", "created", "101", "201", ""),
            ("3", "created", "101", "201", ""),
            ("4", "rejected", "105", "201", "CONFLICTING_PRIMARY"),
            ("5", "rejected", "105", "202", "CONFLICTING_PRIMARY"),
        ],
        [("0-1", ["ada@example.com", "cy@example.com"]), ("0-2", ["acme.example", "b.example"])],
    ),
}
"""Rows with a label, how they are read, their lines in the results, and what is looked up."""


@pytest.mark.parametrize("case", LOADED)
async def test_rows_by_own_keys_are_associated_by_record_id(
    case: str, folder: Path, sandbox: Sandbox, load_into: Load
) -> None:
    rows, read, lines, lookups = LOADED[case]
    (folder / "a.csv").write_text(f"from_id,to_id,label\n{rows}")
    await load_into(sandbox, "a.csv", read=read)
    assert short(folder / "r.csv") == lines
    assert sorted(reads(sandbox)) == lookups


async def test_values_like_numbers_are_never_numbers(folder: Path, load_into: Load) -> None:
    """`00123`, `123`, `1e2` and `100` are four values, and four records."""
    values = dict(enumerate(["00123", "123", "1e2", "100", "7", "0x10", "9223372036854775808"], 1))
    records = [{"type": "contacts", "id": str(n), "properties": {"code": text}} for n, text in values.items()]
    (folder / "a.csv").write_text("from_id,to_id\n" + "".join(f"{text},201\n" for text in values.values()))
    async with Sandbox({"records": records}) as sandbox:
        await load_into(sandbox, "a.csv", read={"from_id_property": "code"})
    found = {int(line["row"]) - 1: line["object_id"] for line in lines_of(folder / "r.csv")}
    assert found == {number: str(number) for number in values}


async def test_each_input_has_its_own_property(folder: Path) -> None:
    """The same text under two properties is two lookups, and may be two records."""
    properties = [("1", {"email": "x@x.example", "code": "y"}), ("2", {"email": "y@x.example", "code": "x@x.example"})]
    records = [{"type": "contacts", "id": each, "properties": values} for each, values in properties]
    for name in ("a.csv", "b.csv"):
        (folder / name).write_text("from_id,to_id\nx@x.example,201\n")
    async with Sandbox({"records": records}) as sandbox:
        job = settings(sandbox, read={"from_id_property": "email"})
        other = replace(job.read[0], inputs=("b.csv",), from_id_property="code")
        await load(replace(job, read=(*job.read, other)))
    assert {line["input"]: line["object_id"] for line in lines_of(folder / "r.csv")} == {"a.csv": "1", "b.csv": "2"}


async def test_values_of_one_record_are_one_pair(folder: Path, sandbox: Sandbox, load_into: Load) -> None:
    """Two spellings, looked up once, and rows by both are sent as one request."""
    (folder / "a.csv").write_text(
        "from_id,to_id\nada@example.com,acme.example\nAda@Example.com,ACME.example\nada@example.com,acme.example\n"
    )
    report = await load_into(sandbox, "a.csv", read=BY_KEYS)
    assert report.summary["rows"]["created"] == 3
    assert report.summary["pairs"] == sandbox.count("PUT") == 1
    assert sorted(reads(sandbox)) == [("0-1", ["ada@example.com"]), ("0-2", ["acme.example"])]


async def test_a_value_that_finds_no_record_rejects_its_row_with_the_value(
    folder: Path, sandbox: Sandbox, load_into: Load
) -> None:
    """The first that is missing is named; the failures file has the user's own cells, and can be loaded again."""
    (folder / "a.csv").write_text(
        "from_id,to_id,name\nada@example.com,acme.example,x\nnobody@example.com,acme.example,y\n"
        "cy@example.com,nowhere.example;b.example,z\nn@example.com,nowhere.example,\n"
    )
    report = await load_into(sandbox, "a.csv", read=BY_KEYS)
    assert report.exit_code == 1
    assert short(folder / "r.csv") == [
        ("2", "created", "101", "201", ""),
        ("3", "rejected", "nobody@example.com", "acme.example", "RECORD_NOT_FOUND"),
        ("4", "created", "105", "202", ""),
        ("4", "rejected", "cy@example.com", "nowhere.example", "RECORD_NOT_FOUND"),
        ("5", "rejected", "n@example.com", "nowhere.example", "RECORD_NOT_FOUND"),
    ]
    failures = lines_of(folder / "r.failures.csv")
    assert [(line["from_id"], line["to_id"], line["name"]) for line in failures] == [
        ("nobody@example.com", "acme.example", "y"),
        ("cy@example.com", "nowhere.example", "z"),
        ("n@example.com", "nowhere.example", ""),
    ]
    way_on = "correct the cell, or create the record in HubSpot first."
    assert [line["_error_message"] for line in failures] == [
        f"Row 3: HubSpot has no contacts with the email 'nobody@example.com': {way_on}",
        f"Row 4: HubSpot has no companies with the domain 'nowhere.example': {way_on}",
        f"Row 5: HubSpot has no contacts with the email 'n@example.com': {way_on}",
    ]
    (folder / "r.failures.csv").write_text((folder / "r.failures.csv").read_text().replace("nobody", "ada"))
    again = await load_into(sandbox, "r.failures.csv", read=BY_KEYS, results="again.csv")
    assert again.summary["rows"] == {**again.summary["rows"], "unchanged": 1, "rejected": 2}


async def test_a_failed_row_is_written_out_with_its_own_value(folder: Path, sandbox: Sandbox, load_into: Load) -> None:
    """A list cell is reduced to the value that failed, not to the id that it was found to be."""
    (folder / "a.csv").write_text("from_id,to_id\nada@example.com,acme.example;b.example;c.example\n")
    sandbox.portal._missing.add(("0-2", 202))
    report = await load_into(sandbox, "a.csv", read=BY_KEYS)
    assert report.summary["rows"] == {**report.summary["rows"], "created": 2, "failed": 1}
    (failure,) = lines_of(folder / "r.failures.csv")
    assert (failure["from_id"], failure["to_id"]) == ("ada@example.com", "b.example")
    (failed,) = [line for line in lines_of(folder / "r.csv") if line["status"] == "failed"]
    assert failed["to_object_id"] == "202"


async def test_both_ends_of_one_object_type_are_looked_up_together(
    folder: Path, sandbox: Sandbox, load_into: Load
) -> None:
    """A to B and B to A by email are one pair."""
    (folder / "a.csv").write_text("from_id,to_id\nada@example.com,cy@example.com\ncy@example.com,ada@example.com\n")
    emails = {"from_id_property": "email", "to_id_property": "email", "to_object_type": "contacts"}
    report = await load_into(sandbox, "a.csv", read=emails)
    assert report.summary["pairs"] == 1
    assert reads(sandbox) == [("0-1", ["ada@example.com", "cy@example.com"])]


@pytest.mark.parametrize("values", [1, 400])
async def test_a_property_that_cannot_be_looked_up_is_a_usage_error(values: int, folder: Path, load_into: Load) -> None:
    """HubSpot's refusal of the property stops after a few lookups, and nothing lies in the folder."""
    rows = "".join(f"n{n}@example.com,{n}\n" for n in range(1, values + 1))
    (folder / "a.csv").write_text("from_id,to_id\n" + rows)
    faults = [{"fault": 400, "route": "objects/batch/read", "body": {"message": "Property email is not unique"}}]
    async with Sandbox(portal(), faults=faults) as sandbox:
        with pytest.raises(UsageError, match=r"look up contacts by 'email' \(Property email is not unique\): give a"):
            await load_into(sandbox, "a.csv", read={"from_id_property": "email"})
        assert sandbox.count("POST") < 12
    assert names_in(folder) == {"a.csv"}


async def test_one_value_that_hubspot_refuses_rejects_its_rows_alone(folder: Path, load_into: Load) -> None:
    """A batch that is refused is halved until the value is found."""
    (folder / "a.csv").write_text("from_id,to_id\nada@example.com,1\ncy@example.com,2\n")
    faults = [{"fault": 400, "route": "objects/batch/read", "nth": [1, 2], "body": {"message": "Odd value"}}]
    async with Sandbox(portal(unlisted_records="exist"), faults=faults) as sandbox:
        await load_into(sandbox, "a.csv", read={"from_id_property": "email"})
    assert short(folder / "r.csv") == [
        ("2", "rejected", "ada@example.com", "1", "RECORD_NOT_FOUND"),
        ("3", "created", "105", "2", ""),
    ]


async def test_interrupted_lookups_go_on_with_the_rest(folder: Path) -> None:
    """Exit 130 with every row pending; what was answered is kept, and nothing was written."""
    (folder / "a.csv").write_text("from_id,to_id\n" + "".join(f"n{n:03}@example.com,1\n" for n in range(500)))
    stop = Stop()

    def interrupt(event: Event) -> None:
        if isinstance(event, LookingUp):
            stop.request(Interrupted(2))

    async with Sandbox(portal(), record_bodies=True, latency="20ms") as sandbox:
        read = {"from_id_property": "email"}
        given = settings(sandbox, read=read, connection={"api_version": VERSION}, rate=None)
        report = await load(given, notify=interrupt, stop=stop)
        assert (report.exit_code, report.summary["rows"]["pending"]) == (130, 500)
        assert (folder / "r.journal-lookups").stat().st_mode & 0o777 == 0o600
        assert sandbox.count("PUT") == 0
        first = reads(sandbox)[0][1]
        report = await load(given)
        assert (report.exit_code, report.summary["rows"]["rejected"]) == (1, 500)
        assert sum(values == first for _, values in reads(sandbox)) == 1
    assert not [name for name in names_in(folder) if "lookups" in name]


async def test_a_resumed_load_looks_nothing_up_again(folder: Path, sandbox: Sandbox, load_into: Load) -> None:
    """The journal holds the records that were found."""
    (folder / "a.csv").write_text("from_id,to_id\nada@example.com,acme.example\ncy@example.com,b.example\n")
    await load_into(sandbox, "a.csv", read=BY_KEYS, send={"limit": 1})
    before = len(reads(sandbox))
    report = await load_into(sandbox, "a.csv", read=BY_KEYS)
    assert report.summary["rows"]["created"] == 2
    assert len(reads(sandbox)) == before == 2


async def test_answers_for_another_input_are_not_taken_over(folder: Path, load_into: Load) -> None:
    """A file of answers that lies there is somebody else's unless the input and the portal are the same."""
    (folder / "a.csv").write_text("from_id,to_id\nada@example.com,1\n")
    faults = [{"fault": 401, "route": "objects/batch/read", "nth": 2}]
    read = {"from_id_property": "email", "to_id_property": "domain"}
    (folder / "b.csv").write_text("from_id,to_id\nada@example.com,acme.example\nada@example.com,b.example\n")
    async with Sandbox(portal(), faults=faults, record_bodies=True) as sandbox:
        assert (await load_into(sandbox, "b.csv", read=read)).exit_code == 3
        for left in ("r.journal", "r.csv"):
            (folder / left).unlink()
        report = await load_into(sandbox, "a.csv", read={"from_id_property": "email"})
        assert [kind for kind, _ in reads(sandbox)] == ["0-1", "0-2", "0-1"]
    assert report.summary["rows"]["total"] == 1


async def test_a_damaged_file_of_answers_is_thrown_away(folder: Path, sandbox: Sandbox, load_into: Load) -> None:
    """It is no truth: everything is looked up again. A link in its place is not followed."""
    (folder / "a.csv").write_text("from_id,to_id\nada@example.com,acme.example\n")
    (folder / "r.journal-lookups").write_text("rubbish")
    assert (await load_into(sandbox, "a.csv", read=BY_KEYS)).exit_code == 0
    (folder / "elsewhere").write_text("mine")
    (folder / "s.journal-lookups").symlink_to("elsewhere")
    assert (await load_into(sandbox, "a.csv", read=BY_KEYS, results="s.csv")).exit_code == 0
    assert (folder / "elsewhere").read_text() == "mine"


async def test_a_missing_scope_ends_the_run_and_names_it(folder: Path, load_into: Load) -> None:
    """Exit 3; nothing is rejected for it."""
    (folder / "a.csv").write_text("from_id,to_id\nada@example.com,acme.example\n")
    async with Sandbox(portal(scopes=["crm.objects.companies.write"])) as sandbox:
        report = await load_into(sandbox, "a.csv", read=BY_KEYS)
    assert (report.exit_code, report.summary["rows"]["pending"]) == (3, 1)
    assert "crm.objects.contacts.read" in str(report.stopped)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("version", ["2025-09", "2026-03", "2026-09"])
async def test_dated_versions_have_their_own_path(
    folder: Path, sandbox: Sandbox, load_into: Load, version: str
) -> None:
    """`/crm/objects/{version}/{type}/batch/read`."""
    (folder / "a.csv").write_text("from_id,to_id\nada@example.com,1\n")
    await load_into(sandbox, "a.csv", read={"from_id_property": "email"}, connection={"api_version": version})
    assert [each.path for each in sandbox.requests if each.route == "objects/batch/read"] == [
        f"/crm/objects/{version}/0-1/batch/read"
    ]


async def test_no_more_lookups_are_under_way_than_the_command_allows(folder: Path, load_into: Load) -> None:
    """`--concurrency 2` holds before the first pair is sent, too: none waits for a connection with its time running."""
    (folder / "a.csv").write_text("from_id,to_id\n" + "".join(f"n{n:03}@example.com,1\n" for n in range(1000)))
    async with Sandbox(portal(), latency="5ms") as sandbox:
        await load_into(sandbox, "a.csv", read={"from_id_property": "email"}, send={"concurrency": 2})
        assert sandbox.count("POST", "objects/batch/read") >= 10
        assert sandbox.max_in_flight == 2


async def test_a_plan_looks_up_too_and_without_a_token_says_that_it_did_not(folder: Path, sandbox: Sandbox) -> None:
    """With a token the pairs are those of the records; without one, those of the values."""
    (folder / "a.csv").write_text(
        "from_id,to_id\nada@example.com,acme.example\nADA@example.com,acme.example\nnobody@example.com,b.example\n"
    )
    with_token = settings(sandbox, read=BY_KEYS, connection={"api_version": VERSION}, rate=None)
    seen = await plan(with_token)
    assert seen.looked_up == (LookedUp("contacts", "email", 2, 1), LookedUp("companies", "domain", 2, 2))
    assert (seen.pairs, seen.rejected, seen.reasons) == (1, 1, {"RECORD_NOT_FOUND": 1})
    blind = await plan(replace(with_token, connection=ConnectionSettings()))
    assert blind.looked_up == (LookedUp("contacts", "email", 2, None), LookedUp("companies", "domain", 2, None))
    assert (blind.pairs, blind.rejected) == (3, 0)
    assert names_in(folder) == {"a.csv"}
