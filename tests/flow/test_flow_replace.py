"""`--existing replace`: labels that the file does not ask for go, it is said how many, and undo gives them back."""

import json
import random
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from loader.events import Planned
from loader.sandbox import Sandbox, SandboxThread
from tests.flow import portals
from tests.flow.portals import labels_of, linked
from tests.verbs import load, plan, undo, verify
from tests.written import lines_of

LABELS = [
    {"from": "contacts", "to": "companies", "label": "Boss"},
    {"from": "contacts", "to": "companies", "label": "Manager", "inverse_label": "Employee"},
]


PORTAL = {
    "labels": LABELS,
    "associations": [
        linked(1, 11, "Boss"),
        linked(2, 12, "Boss", "Manager"),
        linked(3, 13),
        linked(4, 14, "Manager"),
    ],
}
ROWS = "from_id,to_id,label\n1,11,Manager\n2,12,\n3,13,\n4,14,Manager\n5,15,Boss\n"


settings = partial(portals.settings, existing="replace")


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("method", ["put", "batch"])
async def test_a_pair_that_loses_labels_is_replaced_and_can_be_undone(method: str, folder: Path) -> None:
    """Only what differs is sent; the counts say how many rows were replaced, and the exit code is 0."""
    (folder / "a.csv").write_text(ROWS)
    async with Sandbox(PORTAL) as sandbox:
        before = labels_of(sandbox)
        report = await load(settings(sandbox, method=method))
        assert labels_of(sandbox) == {
            (1, 11): {"Manager"},
            (2, 12): set(),
            (3, 13): set(),
            (4, 14): {"Manager"},
            (5, 15): {"Boss"},
        }
        found = {line["row"]: line["status"] for line in lines_of(folder / "r.csv")}
        assert found == {"2": "replaced", "3": "replaced", "4": "unchanged", "5": "unchanged", "6": "created"}
        assert sandbox.count("POST", "batch/read") == 1
        assert sandbox.count("PUT") == (3 if method == "put" else 0)
        written = json.loads((folder / "r.summary.json").read_text())
        assert written["rows"] == report.summary["rows"]
        assert list(written["rows"]) == ["total", "created", "replaced", "unchanged", "failed", "rejected", "pending"]
        assert list(written["rows"].values()) == [5, 1, 2, 2, 0, 0, 0]
        assert (report.exit_code, written["next_command"]) == (0, None)
        assert (await verify(settings(sandbox))).exit_code == 0
        undone = await undo(settings(sandbox))
        assert labels_of(sandbox) == before
        assert undone.exit_code == 0
    assert {line["row"]: line["status"] for line in lines_of(folder / "r.undo.csv")} == dict.fromkeys("236", "removed")


async def test_a_second_night_sends_nothing(folder: Path) -> None:
    """What is exactly so is unchanged; a pair of several rows that loses a label is replaced as a whole."""
    (folder / "a.csv").write_text("from_id,to_id,label\n2,12,\n2,12,Manager\n2,12,Manager\n")
    async with Sandbox(PORTAL) as sandbox:
        report = await load(settings(sandbox))
        assert report.summary["rows"]["replaced"] == 3
        (folder / "a.csv").write_text("from_id,to_id,label\n2,12,\n2,12,Manager\n")
        report = await load(settings(sandbox))
        assert report.summary["rows"]["unchanged"] == 2
        assert sandbox.count("PUT") == 1


async def test_unread_reads_nothing_and_calls_everything_created(folder: Path) -> None:
    """Without reading, undo does not know what was there."""
    (folder / "a.csv").write_text(ROWS)
    async with Sandbox(PORTAL) as sandbox:
        report = await load(settings(sandbox, unread=True))
        assert (sandbox.count("POST", "batch/read"), sandbox.count("PUT")) == (0, 5)
        assert report.summary["rows"]["created"] == 5
        with pytest.raises(Exception, match="--unread"):
            await undo(settings(sandbox))


async def test_a_write_whose_answer_was_lost_is_replaced_all_the_same(folder: Path) -> None:
    """It took effect, and the pair has not the old label any more when it is read again: undo knows it still."""
    (folder / "a.csv").write_text("from_id,to_id,label\n1,11,Manager\n")
    fault = {"fault": "reset", "method": "PUT", "applied": True, "times": 1}
    async with Sandbox(PORTAL, faults=[fault]) as sandbox:
        before = labels_of(sandbox)
        report = await load(settings(sandbox, max_attempts=1))
        report = await load(settings(sandbox))
        assert report.summary["rows"]["replaced"] == 1
        await undo(settings(sandbox))
        assert labels_of(sandbox) == before


@pytest.mark.parametrize(
    ("rows", "labels", "pairs"),
    [(ROWS, 3, 2), ("from_id,to_id\n2,12\n", 2, 1), ("from_id,to_id\n3,13\n9,19\n", 0, 0)],
)
async def test_the_plan_says_how_many_labels_go(rows: str, labels: int, pairs: int, folder: Path) -> None:
    """From how many pairs, before anything is sent."""
    (folder / "a.csv").write_text(rows)
    async with Sandbox(PORTAL) as sandbox:
        before = labels_of(sandbox)
        planned: Planned = await plan(settings(sandbox))
        assert planned.losing is not None
        assert (planned.losing.labels, planned.losing.pairs) == (labels, pairs)
        assert labels_of(sandbox) == before


async def test_the_plan_counts_labels_that_only_their_own_end_names(folder: Path) -> None:
    """Two contacts of one company are looked up by that, where Manager is called Employee."""
    (folder / "a.csv").write_text("from_id,to_id,label\n1,11,Boss\n2,11,Boss\n")
    portal = {"labels": LABELS, "associations": [linked(1, 11, "Manager"), linked(2, 11, "Boss", "Manager")]}
    async with Sandbox(portal) as sandbox:
        planned = await plan(settings(sandbox))
        assert planned.losing is not None
        assert (planned.losing.labels, planned.losing.pairs) == (2, 2)
        report = await load(settings(sandbox))
        assert report.summary["rows"]["replaced"] == 2
        assert labels_of(sandbox) == {(1, 11): {"Boss"}, (2, 11): {"Boss"}}


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("number", range(2))
async def test_random_loads_end_as_expected_and_undo_restores_everything(number: int, folder: Path) -> None:
    """Random rows over a random portal, by PUT and by batch, with lost answers, held against a model."""
    seed = random.randrange(10**6) + number
    print(f"SEED={seed}")
    chance = random.Random(seed)
    ids = [(chance.randrange(1, 20), chance.randrange(30, 36)) for _ in range(60)]
    before = {pair: set(chance.sample(["Boss", "Manager"], chance.randrange(3))) for pair in ids[::2]}
    lines = [(*pair, chance.choice(["", "Boss", "Manager"])) for pair in ids[10:]]
    wanted: dict[tuple[int, int], set[str]] = {}
    for contact, company, label in lines:
        wanted.setdefault((contact, company), set()).update({label} - {""})
    (folder / "a.csv").write_text("from_id,to_id,label\n" + "".join(f"{a},{b},{label}\n" for a, b, label in lines))
    portal = {"labels": LABELS, "associations": [linked(*pair, *labels) for pair, labels in before.items()]}
    faults = [{"fault": "reset", "share": 0.03, "applied": chance.choice([True, False])}]
    async with Sandbox(portal, faults=faults, seed=seed) as sandbox:
        start = labels_of(sandbox)
        report = await load(settings(sandbox, method=chance.choice(["put", "batch"])))
        assert labels_of(sandbox) == {**start, **wanted}
        expected = Counter(
            "replaced" if before.get(pair, set()) - wanted[pair]
            else "unchanged" if pair in before and (label in before[pair] or not label)
            else "created"
            for *ends, label in lines
            for pair in [(ends[0], ends[1])]
        )  # fmt: skip
        assert Counter(line["status"] for line in lines_of(folder / "r.csv")) == expected
        assert report.summary["rows"]["replaced"] == expected["replaced"]
        await undo(settings(sandbox))
        assert labels_of(sandbox) == start


@pytest.mark.slow
def test_python_and_the_command_line_say_replaced(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the screen, in the lines of `--json`, in status, report and metrics."""
    from loader.cli import run  # noqa: PLC0415 - where it is used

    (folder / "a.csv").write_text(ROWS)
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", "canary-7a1f-never-shown")
    with SandboxThread(PORTAL) as sandbox:
        monkeypatch.setenv("HUBSPOT_BASE_URL", sandbox.url)
        options = ["a.csv", "--from", "contacts", "--to", "companies", "--existing", "replace"]

        def said(*words: str) -> str:
            assert run(list(words)) == 0
            captured = capsys.readouterr()
            return captured.out + captured.err

        assert "3 labels that the file does not name will be removed, from 2 pairs." in said("plan", *options)
        loaded = said("load", *options, "--results", "r.csv", "--metrics-file", "m.prom")
        assert "Labels that a pair has and the file does not name are removed" in " ".join(loaded.split())
        assert "replaced" in (folder / "m.prom").read_text()
        shown: Callable[[str], Any] = json.loads
        assert shown(said("status", "r.csv", "--json"))["rows"]["replaced"] == 2
        assert "replaced" in said("status", "r.csv")
        said("report", "r.csv")
        assert "replaced" in (folder / "r.report.html").read_text()
        last = said("load", *options, "--results", "r.csv", "--json").splitlines()
        assert any('"replaced"' in line and '"rows"' in line for line in last)
