"""Verify: what the portal has is held against what the file asks for, row by row, and nothing is changed."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import loader
from loader import errors
from loader.errors import Interrupted
from loader.events import Event, Note, Verifying
from loader.run.report import Verification
from loader.sandbox import Sandbox, SandboxThread
from loader.send.compare import Compare
from loader.settings import VerifySettings
from loader.stopping import Stop
from tests.flow.conftest import VERSION
from tests.flow.portals import linked, settings
from tests.verbs import verify
from tests.written import lines_of, names_in

LABELS = [
    {"from": "contacts", "to": "companies", "label": "Decision maker"},
    {"from": "contacts", "to": "companies", "label": "Champion"},
    {"from": "contacts", "to": "contacts", "label": "Manager", "inverse_label": "Employee"},
]
PLAIN, MANAGER = ("HUBSPOT_DEFINED", 279), "Manager"

Verify = Callable[..., Awaitable[Verification]]


def marks(report: Verification) -> dict[tuple[str, str], str]:
    """The mark of each line by its two ids and its label."""
    lines = report.results.itertuples()
    return {(f"{line.object_id}-{line.to_object_id}", str(line.label)): str(line.status) for line in lines}


@pytest.fixture
def verified(folder: Path) -> Verify:
    """Verify inputs against a sandbox, without waiting for what is missing, unless the arguments say otherwise."""

    async def run(
        sandbox: Sandbox, *inputs: str, stop: Stop | None = None, notify: Any = None, **given: Any
    ) -> Verification:
        checked = settings(
            sandbox,
            *inputs,
            connection={"api_version": VERSION},
            verify=VerifySettings(**{"wait": 0.0, **given.pop("verify", {})}),
            **{"existing": "merge", **given},
        )
        before = sandbox.portal.pairs()
        report = await verify(checked, notify=notify or (lambda _: None), stop=stop)
        assert notify or sandbox.portal.pairs() == before
        assert sandbox.count("PUT") == 0
        return report

    del folder
    return run


async def test_each_row_is_marked_by_what_the_pair_has(folder: Path, verified: Verify) -> None:
    """There, there among others, without the label, without anything; a rejected row counts as a difference."""
    (folder / "a.csv").write_text(
        "from_id,to_id,label\n"
        "1,11,\n2,12,Champion\n2,12,\n2,12,decision maker\n3,13,Champion\n4,14,Champion\n5,15,\nx,16,\n7,17,Nobody\n"
    )
    there = [
        linked(1, 11, "Champion"),
        linked(2, 12, "Champion"),
        linked(3, 13, "Champion", "Decision maker"),
        linked(4, 14),
    ]
    async with Sandbox({"labels": LABELS, "associations": there}) as sandbox:
        report = await verified(sandbox, "a.csv")
    assert marks(report) == {
        ("1-11", ""): "=",
        ("2-12", "Champion"): "=",
        ("2-12", ""): "=",
        ("2-12", "Decision maker"): "*",
        ("3-13", "Champion"): "=",
        ("4-14", "Champion"): "*",
        ("5-15", ""): "+",
        ("x-16", ""): "!",
        ("7-17", "Nobody"): "!",
    }
    assert report.exit_code == 1
    assert report.summary["rows"] == {
        "total": 9,
        "there": 4,
        "different": 2,
        "missing": 1,
        "unreadable": 2,
        "pending": 0,
    }
    found = report.results.set_index("row")
    assert found.loc["6", "labels"] == "Decision maker;Champion"
    assert found.loc["7", "labels"] == ""
    assert found.loc["9", "error_category"] == "INVALID_RECORD_ID"
    assert found.loc["10", "error_category"] == "ASSOCIATION_LABEL_NOT_FOUND"
    assert set(report.failures["row"]) == {"5", "7", "8", "9", "10"}


async def test_the_file_is_a_table_of_its_own_and_nothing_else_is_left(folder: Path, verified: Verify) -> None:
    """Readable by its owner only; the marks stand there as they are."""
    (folder / "a.csv").write_text("from_id,to_id\n1,11\n2,12\n")
    async with Sandbox({"associations": [linked(1, 11)]}) as sandbox:
        report = await verified(sandbox, "a.csv")
    assert names_in(folder) == {"a.csv", "r.verify.csv"}
    assert (folder / "r.verify.csv").stat().st_mode & 0o777 == 0o600
    assert [(line["row"], line["status"]) for line in lines_of(folder / "r.verify.csv")] == [("2", "="), ("3", "+")]
    assert report.path.name == "r.verify.csv"


async def test_under_replace_a_pair_must_have_exactly_what_is_asked(folder: Path, verified: Verify) -> None:
    """The unlabelled type, which HubSpot adds by itself, is always allowed."""
    (folder / "a.csv").write_text("from_id,to_id,label\n1,11,\n2,12,Champion\n3,13,Champion\n4,14,Champion\n4,14,\n")
    there = [
        linked(1, 11),
        linked(2, 12, "Champion"),
        linked(3, 13, "Champion", "Decision maker"),
        linked(4, 14),
    ]
    async with Sandbox({"labels": LABELS, "associations": there}) as sandbox:
        report = await verified(sandbox, "a.csv", existing="replace")
    assert marks(report) == {
        ("1-11", ""): "=",
        ("2-12", "Champion"): "=",
        ("3-13", "Champion"): "*",
        ("4-14", "Champion"): "*",
        ("4-14", ""): "*",
    }


async def test_rows_written_from_the_other_end_are_judged_by_their_own_label(folder: Path, verified: Verify) -> None:
    """Also where both ends are of one object type, and the label has another name from there."""
    (folder / "a.csv").write_text(
        "from,from_id,to,to_id,label\n"
        "companies,11,contacts,1,Champion\ncontacts,1,companies,11,Decision maker\ncontacts,2,companies,12,\n"
        "contacts,5,contacts,3,Manager\ncontacts,5,contacts,3,\ncontacts,3,contacts,5,\n"
        "contacts,8,contacts,7,\ncontacts,8,contacts,7,Manager\ncontacts,7,contacts,8,Manager\n"
    )
    columns = {"object_type": "from", "to_object_type": "to"}
    there = [
        linked(1, 11, "Champion"),
        linked(5, 3, MANAGER, to_type="contacts"),
        linked(7, 8, MANAGER, to_type="contacts"),
    ]
    async with Sandbox({"labels": LABELS, "associations": there}) as sandbox:
        report = await verified(sandbox, "a.csv", read={"columns": columns})
    assert marks(report) == {
        ("11-1", "Champion"): "=",
        ("1-11", "Decision maker"): "*",
        ("2-12", ""): "+",
        ("5-3", "Manager"): "=",
        ("5-3", ""): "=",
        ("3-5", ""): "=",
        ("8-7", "Manager"): "!",
        ("8-7", ""): "=",
        ("7-8", "Manager"): "=",
    }


async def test_records_with_many_associations_are_read_to_the_last_page(folder: Path, verified: Verify) -> None:
    """And a portal that calls "no associations" an error is understood."""
    (folder / "a.csv").write_text("from_id,to_id\n" + "".join(f"1,{n}\n" for n in range(1, 21)) + "2,1\n")
    there = [linked(1, n) for n in range(1, 40) if n != 13]
    async with Sandbox({"associations": there}, page_size=3, no_associations="error") as sandbox:
        report = await verified(sandbox, "a.csv")
    assert Counter(report.results["status"]) == {"=": 19, "+": 2}
    assert set(report.failures["to_object_id"]) == {"13", "1"}


async def test_what_is_missing_is_read_again_before_it_is_called_so(folder: Path, verified: Verify) -> None:
    """Reads may lag behind writes: here two rows turn up while verify waits, one at each reading."""
    (folder / "a.csv").write_text("from_id,to_id\n1,11\n2,12\n3,13\n4,14\n")
    async with Sandbox({"associations": [linked(1, 11)]}) as sandbox:
        late = iter([(2, 12), (3, 13)])

        def notify(event: Event) -> None:
            if isinstance(event, Note):
                one, other = next(late)
                sandbox.portal.associate("0-1", one, "0-2", other, frozenset([PLAIN]))

        report = await verified(sandbox, "a.csv", notify=notify, verify={"wait": 0.02})
        reads = [request.body for request in sandbox.requests if request.path.endswith("batch/read")]
    assert report.stopped is None
    assert marks(report) == {("1-11", ""): "=", ("2-12", ""): "=", ("3-13", ""): "=", ("4-14", ""): "+"}
    assert next(late, None) is None
    assert len(reads) == 3


async def test_a_sample_is_drawn_by_chance_and_again_by_its_seed(folder: Path, verified: Verify) -> None:
    """That number of pairs, not rows; the summary says how it was drawn."""
    (folder / "a.csv").write_text("from_id,to_id\n" + "".join(f"{n},1\n{n},1\n" for n in range(1, 501)) + "x,1\n")
    async with Sandbox() as sandbox:
        one = await verified(sandbox, "a.csv", verify={"sample": 20})
        seed, found = one.summary["sample"]["seed"], one.results
        other = (await verified(sandbox, "a.csv", verify={"sample": 20})).results
        again = (await verified(sandbox, "a.csv", verify={"sample": 20, "seed": seed})).results
        whole = await verified(sandbox, "a.csv", verify={"sample": 10_000})
    assert one.summary["sample"] == {"pairs": 20, "of": 500, "seed": seed}
    assert Counter(found["status"]) == {"+": 40, "!": 1}
    assert set(found["object_id"]) == set(again["object_id"]) != set(other["object_id"])
    assert whole.summary["rows"]["missing"] == 1000


async def test_a_limit_looks_at_the_first_records_only(folder: Path, verified: Verify) -> None:
    """As `load --limit` loads them."""
    (folder / "a.csv").write_text("from_id,to_id\n1,11\n2,12\nx,13\n4,14\n")
    async with Sandbox({"associations": [linked(1, 11), linked(2, 12)]}) as sandbox:
        report = await verified(sandbox, "a.csv", limit=2)
    assert (report.exit_code, list(report.results["status"])) == (0, ["=", "="])
    assert report.summary["rows"]["pending"] == 2


@pytest.mark.slow
async def test_a_stopped_verification_goes_on_with_what_is_left(
    folder: Path, verified: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file holds what was judged so far; what was not right is judged anew."""
    monkeypatch.setattr(Compare, "capacity", 50)
    count = 1_000
    (folder / "a.csv").write_text("from_id,to_id\n" + "".join(f"{n},{n % 7 + 1}\n" for n in range(1, count + 1)))
    there = [linked(n, n % 7 + 1) for n in range(1, count + 1) if n % 10]
    async with Sandbox({"associations": there}, latency="60ms", record_bodies=True) as sandbox:
        stop = Stop()

        def notify(event: Event) -> None:
            if isinstance(event, Verifying) and event.there and not stop.asked():
                stop.request(Interrupted(2))

        cut = await verified(sandbox, "a.csv", stop=stop, notify=notify, concurrency=1)
        assert (cut.exit_code, str(cut.stopped)) == (130, str(Interrupted(2)))
        judged = cut.summary["rows"]["there"]
        assert 0 < judged < 0.9 * count
        assert len(cut.results) == count - cut.summary["rows"]["pending"]
        earlier = len(sandbox.requests)
        report = await verified(sandbox, "a.csv")
        read = sum(request.body.count(b'"id"') for request in sandbox.requests[earlier:] if request.body)
    assert Counter(report.results["status"]) == {"=": 900, "+": 100}
    assert sorted(report.results["row"].astype(int)) == list(range(2, count + 2))
    assert read == count - judged
    assert not (folder / "r.verify-journal").exists()


async def test_one_that_was_begun_with_another_file_begins_anew(folder: Path, verified: Verify) -> None:
    """What was found then says nothing now."""
    (folder / "a.csv").write_text("from_id,to_id\n" + "".join(f"{n},1\n" for n in range(1, 3000)))
    async with Sandbox(latency="20ms") as sandbox:
        stop = Stop()
        stopped = await verified(sandbox, "a.csv", stop=stop, notify=lambda _: stop.request(Interrupted(15)))
        assert stopped.exit_code == 143
        assert (folder / "r.verify-journal").exists()
        (folder / "a.csv").write_text("from_id,to_id\n5,6\n")
        report = await verified(sandbox, "a.csv")
        assert marks(report) == {("5-6", ""): "+"}


async def test_faults_change_nothing_but_the_time(folder: Path, verified: Verify) -> None:
    """A fifth of all answers is an error."""
    (folder / "a.csv").write_text("from_id,to_id\n" + "".join(f"{n},1\n" for n in range(1, 60)))
    faults = "429:0.1,500:0.05,reset:0.05"
    async with Sandbox({"associations": [linked(n, 1) for n in range(1, 50)]}, faults=faults, page_size=1) as sandbox:
        report = await verified(sandbox, "a.csv", verify={"wait": 0.01})
    assert Counter(report.results["status"]) == {"=": 49, "+": 10}


async def test_when_hubspot_refuses_to_read_anything_it_ends(folder: Path, verified: Verify) -> None:
    """One record that cannot be read is `!`; hundreds, for one and the same reason, are a wrong command."""
    (folder / "a.csv").write_text("from_id,to_id\n1,11\n")
    (folder / "b.csv").write_text("from_id,to_id\n" + "".join(f"{n},1\n" for n in range(1, 230)))
    faults = [{"fault": "400", "route": "batch/read"}]
    async with Sandbox(faults=faults) as sandbox:
        report = await verified(sandbox, "a.csv")
        assert list(report.results["status"]) == ["!"]
        assert (report.exit_code, report.results["error_category"][0]) == (1, "VALIDATION_ERROR")
        report = await verified(sandbox, "b.csv")
        assert report.exit_code == 4
        assert "refuses to show" in str(report.stopped)


async def test_a_file_of_somebody_else_is_never_overwritten(folder: Path, verified: Verify) -> None:
    """Nor an input; an earlier verification is."""
    (folder / "a.csv").write_text("from_id,to_id\n1,11\n")
    (folder / "r.verify.csv").write_text("my,own\n")
    async with Sandbox() as sandbox:
        with pytest.raises(errors.UsageError, match="was not written by this command"):
            await verified(sandbox, "a.csv")
        assert (folder / "r.verify.csv").read_text() == "my,own\n"
        (folder / "r.verify.csv").write_text("from_id,to_id\n1,11\n")
        with pytest.raises(errors.UsageError, match="is an input"):
            await verified(sandbox, "r.verify.csv")
        (folder / "r.verify.csv").unlink()
        for _ in range(2):
            assert (await verified(sandbox, "a.csv")).exit_code == 1


async def test_an_earlier_verification_is_no_input_of_a_folder(folder: Path, verified: Verify) -> None:
    """Named alone it is one: its missing rows may be loaded."""
    (folder / "a.csv").write_text("from_id,to_id\n1,11\n2,12\n")
    async with Sandbox() as sandbox:
        first = (await verified(sandbox, str(folder))).results
        second = (await verified(sandbox, str(folder))).results
        planned = await loader.plan("r.verify.csv", base_url=sandbox.url, token="any")
    assert list(first["input"]) == list(second["input"])
    assert (planned.rows, planned.rejected) == (2, 0)


def test_python_verifies_rows_and_files(folder: Path) -> None:
    """Before and after a load; the load's journal is not touched."""
    given: dict[str, Any] = {"object_type": "contacts", "to_object_type": "companies", "token": "any", "wait": 0}
    with SandboxThread() as running:
        before = loader.verify_sync([(1, 11), (2, 12)], **given, base_url=running.url)
        missing = before.failures
        del given["wait"]
        loader.load_sync([(1, 11), (2, 12)], **given, base_url=running.url)
        journal = (folder / "rows.journal").read_bytes()
        after = asyncio.run(loader.verify([(1, 11), (2, 12)], **given, base_url=running.url))
    assert isinstance(after, loader.Verification)
    assert (before.exit_code, after.exit_code) == (1, 0)
    assert list(missing["status"]) == ["+", "+"]
    with pytest.raises(errors.UsageError, match="another command"):
        _ = before.results
    assert after.failures.empty
    assert (folder / "rows.journal").read_bytes() == journal
    assert [line["status"] for line in lines_of(folder / "rows.verify.csv")] == ["=", "="]
