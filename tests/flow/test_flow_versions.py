"""The versions of HubSpot's API: the same outcome over each, and which one a command speaks by itself."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import loader
from loader.errors import JournalMismatch
from loader.events import Event, Note
from loader.run.connection import surroundings
from loader.sandbox import Sandbox, SandboxThread
from loader.send.gateway import Surroundings
from loader.settings import OAuthCredentials, Secret
from tests.flow.conftest import Load
from tests.written import lines_of

PORTAL = {
    "labels": [{"from": "contacts", "to": "companies", "label": "Boss", "type_id": 21, "inverse_type_id": 22}],
    "records": [{"type": "contacts", "id": 101, "properties": {"email": "ada@example.com"}}],
    "schemas": [{"name": "car", "plural": "Cars", "object_type_id": "2-7", "associates": ["contacts"]}],
    "associations": [{"from_type": "contacts", "from_id": 103, "to_type": "companies", "to_id": 203}],
    "missing": [{"type": "companies", "id": 999}],
}
VERSIONS = ("v4", "2025-09", "2026-03", "2026-09")
TYPES: dict[str, Any] = {"object_type": "contacts", "to_object_type": "companies"}


@pytest.fixture(autouse=True)
def no_version(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests say for themselves which version they speak."""
    del folder
    monkeypatch.delenv("ASSOCIATION_LOADER_API_VERSION")


@contextmanager
def running(**settings: Any) -> Iterator[Sandbox]:
    with SandboxThread(PORTAL, **settings) as sandbox:
        yield sandbox


def versions(sandbox: Sandbox) -> set[str]:
    """The versions in the paths of the requests; v3, which v4 needs for all but associations, counts as v4."""
    found = {re.findall(r"/(v[34]|20\d\d-\d\d)(?=/|$)", each.path)[0] for each in sandbox.requests}
    return {"v4" if version == "v3" else version for version in found}


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("version", "method"), [("2026-09", "batch"), ("v4", "put"), ("2025-09", "put"), ("2026-03", "put")]
)
def test_every_command_ends_the_same_over_every_version(version: str, method: str, folder: Path) -> None:
    """A load with labels, keys and a stale record, its verification and its undo, each over paths of that version."""
    (folder / "a.csv").write_text(
        "from_id,to_id,label\nada@example.com,201,Boss\n102,202,\n103,203,Primary\n104,999,\n"
    )
    (folder / "b.csv").write_text("from_id,to_id,label\n101,201,Boss\n102,202,\n103,203,Primary\n104,999,\n")
    (folder / "cars.csv").write_text("from_id,to_id\n5,101\n")
    given: dict[str, Any] = {"api_version": version, "token": "any", "rate": "9999/1"}
    with running() as sandbox:
        there = sandbox.portal.pairs()
        given["base_url"] = sandbox.url
        keys = loader.load_sync("a.csv", **TYPES, **given, from_id_property="email", results="keys.csv")
        loader.load_sync("b.csv", **TYPES, **given, method=method, results="r.csv")
        cars = loader.load_sync("cars.csv", object_type="Cars", to_object_type="contacts", **given)
        verified = loader.verify_sync("b.csv", **TYPES, **given, results="r.csv", wait=0)
        assert versions(sandbox) == {version}
        for results in ("cars.results.csv", "r.csv", "keys.csv"):
            assert loader.undo_sync(results, **given).exit_code in {0, 1}
        assert versions(sandbox) == {version}
        assert sandbox.portal.pairs() == there
    assert [row["status"] for row in sorted(lines_of(folder / "keys.csv"), key=lambda row: row["row"])] == [
        *("created", "rejected", "rejected", "rejected")
    ]
    assert [row["status"] for row in sorted(lines_of(folder / "r.csv"), key=lambda row: row["row"])] == [
        *("unchanged", "created", "created", "failed")
    ]
    assert (keys.exit_code, cars.exit_code, verified.exit_code) == (1, 0, 1)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("version", "path"),
    [
        ("v4", "/oauth/v3/token"),
        ("2025-09", "/oauth/v3/token"),
        ("2026-03", "/oauth/2026-03/token"),
        ("2026-09", "/oauth/2026-09/token"),
    ],
)
async def test_a_token_is_renewed_where_the_version_has_its_endpoint(
    version: str, path: str, folder: Path, load_into: Load
) -> None:
    """2026-03 and later have a dated one."""
    (folder / "a.csv").write_text("from_id,to_id\n1,2\n")
    credentials = OAuthCredentials(client_id="a", client_secret=Secret("b"), refresh_token=Secret("c"))
    async with Sandbox({"oauth": {"required": True}}) as sandbox:
        report = await load_into(sandbox, "a.csv", connection={"api_version": version, "credentials": credentials})
        assert report.exit_code == 0
        assert {each.path for each in sandbox.requests if each.route == "token"} == {path}


# --- auto


def on(day: str) -> Surroundings:
    """A world in which it is that day."""
    moment = datetime.fromisoformat(f"{day}T23:59:59").replace(tzinfo=UTC)
    return surroundings()._replace(now=lambda: moment)


AUTO = {"api_version": "auto"}


@pytest.mark.slow_after(3)
@pytest.mark.parametrize(
    ("day", "version"),
    [("2026-11-28", "v4"), ("2027-02-28", "v4"), ("2027-03-01", "2026-09"), ("2028-05-05", "2026-09")],
)
async def test_auto_is_v4_until_march_2027(day: str, version: str, folder: Path, load_into: Load) -> None:
    """From the first of March on it is 2026-09, for lookups and writes, and the journal says so."""
    (folder / "a.csv").write_text("from_id,to_id\n1,2\n")
    async with Sandbox() as sandbox:
        await load_into(sandbox, "a.csv", connection=AUTO, around=on(day))
        assert versions(sandbox) == {version}
        with pytest.raises(JournalMismatch, match=f"--api-version was {version}, now 2026-03"):
            await load_into(sandbox, "a.csv", connection={"api_version": "2026-03"}, retry_failed=True, around=on(day))


async def test_a_run_keeps_the_version_that_it_began_with(folder: Path, load_into: Load) -> None:
    """Resumed after the day on which auto moves on, it is neither refused nor moved; a new run moves."""
    (folder / "a.csv").write_text("from_id,to_id\n1,2\n3,4\n")
    async with Sandbox() as sandbox:
        await load_into(sandbox, "a.csv", connection=AUTO, send={"limit": 1}, around=on("2027-02-28"))
        assert len(sandbox.portal.pairs()) == 1
        report = await load_into(sandbox, "a.csv", connection=AUTO, around=on("2027-03-01"))
        assert (report.exit_code, versions(sandbox), len(sandbox.portal.pairs())) == (0, {"v4"}, 2)
        (folder / "a.csv").write_text("from_id,to_id\n5,6\n")
        before = len(sandbox.requests)
        await load_into(sandbox, "a.csv", connection=AUTO, around=on("2027-03-02"))
        sandbox.requests[:before] = []
        assert versions(sandbox) == {"2026-09"}


async def test_auto_goes_on_with_a_version_that_was_given_by_hand(folder: Path, load_into: Load) -> None:
    """Leaving the option out on the second night does not make it another run."""
    (folder / "a.csv").write_text("from_id,to_id\n1,2\n3,4\n")
    async with Sandbox() as sandbox:
        await load_into(sandbox, "a.csv", connection={"api_version": "2026-03"}, send={"limit": 1})
        report = await load_into(sandbox, "a.csv", connection=AUTO)
        assert (report.exit_code, versions(sandbox)) == (0, {"2026-03"})


@pytest.mark.slow_after(3)
@pytest.mark.parametrize(
    ("day", "version", "said"),
    [
        ("2026-12-29", "auto", None),
        ("2026-12-30", "auto", "until 2027-03-30, 90 days from now"),
        ("2027-02-28", "auto", "until 2027-03-30, 30 days from now"),
        ("2027-03-01", "auto", None),
        ("2027-03-01", "v4", "until 2027-03-30, 29 days from now"),
        ("2027-04-01", "v4", "supported it until 2027-03-30"),
        ("2027-02-28", "2026-09", None),
    ],
)
async def test_the_plan_says_that_v4_ends(
    day: str, version: str, said: str | None, folder: Path, load_into: Load
) -> None:
    """From ninety days before its end on, and only where it is v4 that is spoken."""
    (folder / "a.csv").write_text("from_id,to_id\n1,2\n")
    events: list[Event] = []
    async with Sandbox() as sandbox:
        await load_into(sandbox, "a.csv", connection={"api_version": version}, around=on(day), notify=events.append)
    notes = [each.message for each in events if isinstance(each, Note) and "HubSpot's API ends" in each.message]
    assert len(notes) == (said is not None)
    assert said is None or said in notes[0]
