"""Undo: after it the portal has exactly what it had before the load, whatever the load met and whenever it ended."""

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from loader import errors
from loader.errors import Interrupted
from loader.events import Event, Note, Progress, Undoing, UndoPlanned
from loader.run import session
from loader.run.connection import surroundings
from loader.run.report import UndoReport
from loader.sandbox import Sandbox
from loader.send.batch import Batch
from loader.send.take_back import TakeBack
from loader.settings import Budget, Settings
from loader.stopping import Stop
from tests.flow.conftest import VERSION
from tests.flow.portals import linked, settings
from tests.verbs import load, undo

LABELS = [
    {"from": "contacts", "to": "companies", "label": "Boss"},
    {"from": "contacts", "to": "companies", "label": "Champion"},
    {"from": "contacts", "to": "companies", "label": "Foreign"},
    {"from": "contacts", "to": "contacts", "label": "Manager", "inverse_label": "Employee"},
]
PLAIN = ("HUBSPOT_DEFINED", 279)

World = dict[tuple[Any, Any], Any]


def world(sandbox: Sandbox) -> World:
    """Everything that the portal has."""
    return dict(sandbox.portal.pairs())


class Runner:
    """Loads and takes back in one folder, against one sandbox, fast."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.folder = folder
        self.sandbox = sandbox

    def settings(self, *, connection: dict[str, Any] | None = None, **given: Any) -> Settings:
        """Settings of a command in this folder."""
        return settings(self.sandbox, connection={"api_version": VERSION, **(connection or {})}, concurrency=8, **given)

    async def load(self, rows: str, *, stop: Stop | None = None, notify: Any = None, **given: Any) -> Any:
        """Load rows of a CSV, contacts to companies unless its columns say otherwise."""
        (self.folder / "a.csv").write_text(rows)
        return await load(self.settings(**given), notify=notify or (lambda _: None), stop=stop)

    async def undo(
        self, *, stop: Stop | None = None, notify: Any = None, agree: Any = None, **given: Any
    ) -> UndoReport:
        """Take the load back."""
        return await undo(self.settings(**given), notify=notify or (lambda _: None), stop=stop, agree=agree)


Undo = Callable[..., Awaitable[UndoReport]]


def statuses(report: UndoReport) -> dict[str, str]:
    """The status of each line by its two ids and its label."""
    lines = report.results.itertuples()
    return {f"{line.object_id}-{line.to_object_id} {line.label}".strip(): str(line.status) for line in lines}


async def test_what_the_run_added_goes_and_what_was_there_stays(folder: Path) -> None:
    """New pairs whole, labels alone from old ones; rows that were so before are none of the undo's."""
    there = [
        linked(1, 11),
        linked(2, 12, "Foreign"),
        linked(3, 13, "Boss"),
        linked(9, 19, "Foreign"),
    ]
    async with Sandbox({"labels": LABELS, "associations": there}) as sandbox:
        run, before = Runner(folder, sandbox), world(sandbox)
        await run.load(
            "from_id,to_id,label\n1,11,Boss\n1,11,\n2,12,Champion\n3,13,Boss\n4,14,\n5,15,Boss\n5,15,Champion\nx,16,\n"
        )
        assert world(sandbox) != before
        report = await run.undo()
        assert world(sandbox) == before
        assert sandbox.count("DELETE") == 0
    assert statuses(report) == {
        "1-11 Boss": "removed",
        "2-12 Champion": "removed",
        "4-14": "removed",
        "5-15 Boss": "removed",
        "5-15 Champion": "removed",
    }
    assert report.exit_code == 0
    assert report.summary["pairs"] == {
        "total": 4,
        "removed": 4,
        "unchanged": 0,
        "left": 0,
        "failed": 0,
        "pending": 0,
    }
    assert (folder / "r.undo.csv").stat().st_mode & 0o777 == 0o600


async def test_what_somebody_changed_since_is_left_and_reported(folder: Path) -> None:
    """A foreign label on a new pair keeps the pair; what is gone already is not counted as removed."""
    async with Sandbox({"labels": LABELS, "associations": [linked(2, 12)]}) as sandbox:
        run = Runner(folder, sandbox)
        await run.load("from_id,to_id,label\n1,11,Boss\n2,12,Boss\n3,13,\n4,14,\n")
        labels = {each.label: each.key for each in sandbox.portal.types.between("0-1", "0-2")}
        sandbox.portal.associate("0-1", 1, "0-2", 11, frozenset([labels["Foreign"]]), append=True)
        sandbox.portal.associate("0-1", 2, "0-2", 12, frozenset([labels["Foreign"]]))
        sandbox.portal.dissociate("0-1", 3, "0-2", 13)
        report = await run.undo()
        assert world(sandbox) == {
            (("0-1", "1"), ("0-2", "11")): {PLAIN, labels["Foreign"]},
            (("0-1", "2"), ("0-2", "12")): {PLAIN, labels["Foreign"]},
        }
    assert statuses(report) == {"1-11 Boss": "left", "2-12 Boss": "unchanged", "3-13": "unchanged", "4-14": "removed"}
    assert report.exit_code == 1
    (line,) = report.failures.itertuples()
    assert line.error_category == "CHANGED_SINCE"
    assert "Foreign" in str(line.error_message)


@pytest.fixture
def time_passes(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let an undo wait, for long, but in no time; the list has how long it waited, in seconds."""
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("loader.run.undo.CATCH_UP_SECONDS", 1000.0)
    monkeypatch.setattr("loader.run.undo.asyncio", SimpleNamespace(sleep=sleep))
    return waited


LAGGING: dict[str, tuple[str, dict[str, Any], set[str]]] = {
    "load": ("1,11,Champion\n2,12,Boss\n4,14,\n", {}, {"removed"}),
    "remove": ("1,11,\n2,12,Foreign\n3,13,Boss\n", {"removes": True}, {"restored"}),
    "mirror": (
        "1,12,Boss\n3,13,Champion\n",
        {"existing": "mirror", "max_removals": Budget(share=1)},
        {"removed", "restored"},
    ),
}


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("verb", LAGGING)
async def test_an_undo_right_after_the_run_waits_for_lagging_reads(
    folder: Path, time_passes: list[float], verb: str
) -> None:
    """What does not show the run's change is not taken for changed since: that would be final."""
    rows, given, expected = LAGGING[verb]
    there = [linked(1, 11), linked(2, 12, "Foreign"), linked(3, 13, "Boss")]
    async with Sandbox(
        {"labels": LABELS, "associations": there}, read_lag=100, clock=lambda: sum(time_passes)
    ) as sandbox:
        run, before, notes = Runner(folder, sandbox), world(sandbox), list[str]()
        assert (await run.load(f"from_id,to_id,label\n{rows}", **given)).exit_code == 0
        assert world(sandbox) != before
        report = await run.undo(notify=lambda event: notes.append(event.message) if isinstance(event, Note) else None)
        assert world(sandbox) == before
        assert (report.exit_code, report.summary["pairs"]["unchanged"]) == (0, 0)
        assert set(report.results["status"]) == expected
        assert 100 < sum(time_passes) <= 1000
        assert len([note for note in notes if "it is read again in" in note]) == 1


async def test_an_undo_of_an_old_run_does_not_wait(folder: Path, time_passes: list[float]) -> None:
    """What does not show the run's change any more was changed since; nor does one wait that sees it at once."""
    async with Sandbox() as sandbox:
        run = Runner(folder, sandbox)
        await run.load("from_id,to_id\n1,11\n2,12\n")
        sandbox.portal.dissociate("0-1", 1, "0-2", 11)
        around = surroundings()
        later = around._replace(now=lambda: around.now() + timedelta(seconds=1001))
        report = await undo(run.settings(), around=later)
        assert statuses(report) == {"1-11": "unchanged", "2-12": "removed"}
    assert time_passes == []


async def test_rows_from_either_end_are_taken_back(folder: Path) -> None:
    """The before-image is that of the request, whichever end it was written from."""
    there = [
        linked(1, 11, "Foreign"),
        linked(5, 3, to_type="contacts"),
        linked(6, 7, "Manager", to_type="contacts"),
    ]
    async with Sandbox({"labels": LABELS, "associations": there}) as sandbox:
        run, before = Runner(folder, sandbox), world(sandbox)
        await run.load(
            "from_object_type,from_id,to_object_type,to_id,label\n"
            "companies,11,contacts,1,Boss\ncontacts,2,companies,12,Champion\ncompanies,12,contacts,2,\n"
            "contacts,5,contacts,3,Manager\ncontacts,7,contacts,6,Employee\ncontacts,8,contacts,9,Employee\n"
        )
        assert world(sandbox) != before
        report = await run.undo()
        assert world(sandbox) == before
    assert set(report.results["status"]) == {"removed"}


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(("seed", "method"), [(0, "put"), (1, "put"), (2, "batch"), (3, "batch")])
async def test_any_interrupted_load_can_be_undone_in_pieces(
    seed: int, method: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A random portal, a random file, a load abandoned in flight, an undo stopped in its middle, a fifth of faults."""
    monkeypatch.setattr(TakeBack, "capacity", 7)
    monkeypatch.setattr(Batch, "capacity", 7)
    monkeypatch.setattr(session, "SECONDS_BETWEEN_PROGRESS", 0.002)
    draw = random.Random(seed)
    names = ["", "Boss", "Champion", "Foreign"]

    def some(count: int) -> list[tuple[int, int, str]]:
        return [(draw.randrange(1, 30), draw.randrange(1, 12), draw.choice(names)) for _ in range(count)]

    held: dict[tuple[int, int], set[str]] = {}
    for one, other, label in some(60):
        held.setdefault((one, other), set()).update([label] if label else [])
    there = [linked(one, other, *labels) for (one, other), labels in held.items()]
    faults = "429:0.06,500:0.05,reset:0.03,close-body:0.03,truncated:0.03" if seed else ""
    async with Sandbox({"labels": LABELS, "associations": there}, faults=faults, seed=seed, latency="3ms") as sandbox:
        run, before = Runner(folder, sandbox), world(sandbox)
        stop = Stop()

        def cut(event: Event) -> None:
            if isinstance(event, Progress) and event.created > 10:
                stop.request(Interrupted(2))
                stop.request(Interrupted(2))

        rows = "from_id,to_id,label\n" + "".join(f"{one},{other},{label}\n" for one, other, label in some(120))
        with pytest.raises(Interrupted):
            await run.load(rows, stop=stop, notify=cut, method=method)
        pause = Stop()

        def stopped(event: Event) -> None:
            if isinstance(event, Undoing) and event.removed and not pause.asked():
                pause.request(Interrupted(2))

        first = await run.undo(stop=pause, notify=stopped)
        report = await run.undo()
        assert world(sandbox) == before
    assert report.exit_code == 0
    assert report.summary["pairs"]["pending"] == 0
    assert first.summary["pairs"]["removed"] <= report.summary["pairs"]["removed"]


async def test_undo_removes_a_row_without_an_answer_and_leaves_a_refused_one(folder: Path) -> None:
    """The first is looked at and removed, and counted as unsure; the second, made by hand since, is not the run's."""
    faults: list[dict[str, Any]] = [
        {"fault": "close-body", "route": "pair", "pair": ["1", "11"], "applied": True},
        {"fault": "400", "route": "pair", "pair": ["2", "12"]},
    ]
    shown: list[UndoPlanned] = []

    async def note(plan: UndoPlanned) -> None:
        shown.append(plan)

    async with Sandbox(faults=faults) as sandbox:
        run = Runner(folder, sandbox)
        loaded = await run.load("from_id,to_id\n1,11\n2,12\n3,13\n", max_attempts=1)
        assert loaded.summary["rows"]["failed"] == 2
        sandbox.portal.associate("0-1", 2, "0-2", 12, frozenset([PLAIN]))
        assert len(world(sandbox)) == 3
        report = await run.undo(agree=note)
        assert list(world(sandbox)) == [(("0-1", "2"), ("0-2", "12"))]
    assert statuses(report) == {"1-11": "removed", "3-13": "removed"}
    assert [(group.pairs, group.unsure) for group in shown[0].groups] == [(2, 1)]


async def test_nothing_is_removed_before_somebody_agrees(folder: Path) -> None:
    """What is shown is what the journal knows: how many, of which types, wholly or the label alone."""
    async with Sandbox({"labels": LABELS, "associations": [linked(1, 11), linked(2, 12)]}) as sandbox:
        run = Runner(folder, sandbox)
        await run.load("from_id,to_id,label\n1,11,Boss\n2,12,Boss\n3,13,Boss\n4,14,\n")
        after, shown = world(sandbox), []

        async def refuse(plan: UndoPlanned) -> None:
            shown.append(plan)
            raise errors.UsageError("no")

        with pytest.raises(errors.UsageError, match="no"):
            await run.undo(agree=refuse)
        assert world(sandbox) == after
    (plan,) = shown
    assert plan.pairs == 4
    assert Counter({(group.whole, group.types[0][1]): group.pairs for group in plan.groups}) == {
        (False, "Boss"): 2,
        (True, "Boss"): 1,
        (True, ""): 1,
    }
    assert not (folder / "r.undo.csv").exists()


async def test_a_second_undo_tries_again_what_was_left(folder: Path) -> None:
    """Once the foreign label is off, the pair goes, too; then there is nothing more to do."""
    async with Sandbox({"labels": LABELS}) as sandbox:
        run = Runner(folder, sandbox)
        await run.load("from_id,to_id\n1,11\n2,12\n")
        sandbox.portal.associate("0-1", 1, "0-2", 11, frozenset([("USER_DEFINED", 1)]))
        first = await run.undo()
        assert (first.exit_code, Counter(first.results["status"])) == (1, {"left": 1, "removed": 1})
        sandbox.portal.dissociate("0-1", 1, "0-2", 11, frozenset([("USER_DEFINED", 1)]))
        second = await run.undo()
        assert (second.exit_code, Counter(second.results["status"])) == (0, {"removed": 2})
        archived = sandbox.count("POST", "batch/archive")
        third = await run.undo()
        assert (third.exit_code, third.summary["pairs"]) == (0, second.summary["pairs"])
        assert sandbox.count("POST", "batch/archive") == archived
        assert world(sandbox) == {}


async def test_a_refused_removal_is_reported_and_tried_by_the_next_undo(folder: Path) -> None:
    """The other pairs of the request are removed all the same."""
    faults = [{"fault": "400", "route": "batch/archive", "pair": ["3", "13"], "times": 4}]
    async with Sandbox(faults=faults) as sandbox:
        run = Runner(folder, sandbox)
        await run.load("from_id,to_id\n1,11\n2,12\n3,13\n4,14\n5,15\n6,16\n7,17\n8,18\n")
        report = await run.undo()
        assert (report.exit_code, Counter(report.results["status"])) == (1, {"removed": 7, "failed": 1})
        assert list(report.failures["object_id"]) == ["3"]
        assert list(world(sandbox)) == [(("0-1", "3"), ("0-2", "13"))]
        again = await run.undo()
        assert (again.exit_code, Counter(again.results["status"])) == (0, {"removed": 8})
        assert world(sandbox) == {}


async def test_without_before_images_it_refuses_unless_assume_new_is_given(folder: Path) -> None:
    """`--unread` keeps no before-image: what was there before cannot be distinguished from what the run added."""
    async with Sandbox({"labels": LABELS, "associations": [linked(1, 11), linked(9, 19)]}) as sandbox:
        run = Runner(folder, sandbox)
        await run.load("from_id,to_id\n1,11\n2,12\n", existing="replace", unread=True)
        with pytest.raises(errors.UsageError, match="--assume-new"):
            await run.undo()
        report = await run.undo(assume_new=True)
        assert list(world(sandbox)) == [(("0-1", "9"), ("0-2", "19"))]
    assert Counter(report.results["status"]) == {"removed": 2}


async def test_another_portal_another_address_or_no_journal_is_refused(folder: Path) -> None:
    """What was added there is none of this portal's."""
    async with Sandbox() as sandbox:
        run = Runner(folder, sandbox)
        with pytest.raises(errors.UsageError, match="no journal"):
            await run.undo()
        await run.load("from_id,to_id\n1,11\n")
        sandbox.portal.portal_id = 7
        with pytest.raises(errors.WrongPortal, match="62515"):
            await run.undo()
        with pytest.raises(errors.UsageError, match="--base-url"):
            await run.undo(connection={"base_url": "http://127.0.0.1:9"})
        assert len(world(sandbox)) == 1


PRIMARIES = [linked(n, 11, "Primary") for n in (1, 2)]


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    "rows",
    [
        "from_id,to_id,label\n1,12,Primary\n2,13,Primary\n",
        "from_id,to_id,label\n1,12,Primary\n2,12,Primary\n",  # Read from the company's end.
        "from_id,to_id,label\n1,12,Primary\n1,11,Boss\n2,12,Primary\n2,11,Champion\n",  # The old ones get labels, too.
        "from_object_type,from_id,to_object_type,to_id,label\ncompanies,12,contacts,1,{0}\ncompanies,13,contacts,2,{0}\n",
    ],
)
@pytest.mark.parametrize("method", ["put", "batch"])
async def test_undo_makes_the_former_primary_company_primary_again(rows: str, method: str, folder: Path) -> None:
    """HubSpot took it from another company, whether the file names that one or not."""
    async with Sandbox({"labels": LABELS, "associations": [*PRIMARIES, linked(1, 12)]}) as sandbox:
        run, before = Runner(folder, sandbox), world(sandbox)
        report = await run.load(rows.format("Contact with Primary Company"), method=method)
        assert report.exit_code == 0
        assert ("HUBSPOT_DEFINED", 1) not in sandbox.portal.types_of("contacts", 1, "companies", 11)
        assert ("HUBSPOT_DEFINED", 1) in sandbox.portal.types_of("contacts", 1, "companies", 12)
        undone = await run.undo()
        assert world(sandbox) == before
    assert (undone.summary["given_back"], undone.summary["primaries"], undone.exit_code) == (2, 0, 0)


async def test_a_primary_company_chosen_since_is_not_taken_away(folder: Path) -> None:
    """Contact 1 has a third primary company by now, and the old pair of contact 2 is gone: both are for a person."""
    async with Sandbox({"associations": PRIMARIES}) as sandbox:
        run = Runner(folder, sandbox)
        await run.load("from_id,to_id,association_type_id\n1,12,1\n2,12,1\n")
        sandbox.portal.associate("0-1", 1, "0-2", 14, frozenset({("HUBSPOT_DEFINED", 1)}))
        sandbox.portal.dissociate("0-1", 2, "0-2", 11)
        report = await run.undo()
        assert ("HUBSPOT_DEFINED", 1) in sandbox.portal.types_of("contacts", 1, "companies", 14)
        assert len(world(sandbox)) == 2
    assert (report.summary["given_back"], report.summary["primaries"]) == (0, 2)
