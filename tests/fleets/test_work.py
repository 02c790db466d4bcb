"""A portal's jobs on one worker, and what the next worker finds."""

import csv
import fcntl
import json
import os
import shutil
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loader.cli import run as run_command
from loader.errors import Interrupted, SharedFolderFault
from loader.fleets.lease import Timing, read_work
from loader.fleets.shared import SharedFolder
from loader.fleets.work import Order, PortalEnd, portal_folder, work
from loader.sandbox import Sandbox, SandboxThread

ROWS = 400

TIMING = Timing(heartbeat=0.02, fence=5.0, take_over=0.2, piece=0.05)


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A portal with its profile and one job."""
    there = [
        {"from_type": "contacts", "from_id": str(row), "to_type": "companies", "to_id": str(row + 4900)}
        for row in range(100, 100 + ROWS, ROWS // 20)
    ]
    with SandboxThread(portal={"portal_id": 1234, "associations": there}) as running:
        (tmp_path / "profiles.toml").write_text(
            f'[acme]\nportal-id = 1234\nbase-url = "{running.url}"\nrate = "400/1"\ntoken-env = "TOKEN_OF_ACME"\n'
        )
        monkeypatch.setenv("ASSOCIATION_LOADER_PROFILES", str(tmp_path / "profiles.toml"))
        monkeypatch.setenv("TOKEN_OF_ACME", "canary-token-of-acme")
        (tmp_path / "rows.csv").write_text(
            "Record ID,to_object_id\n" + "".join(f"{100 + row},{5000 + row}\n" for row in range(ROWS))
        )
        (tmp_path / "contacts.toml").write_text('[[input]]\npath = "rows.csv"\nfrom = "contacts"\nto = "companies"\n')
        yield running


@pytest.fixture
def order(tmp_path: Path) -> Order:
    """The order of that job."""
    return Order(
        profile="acme",
        portal_id="1234",
        jobs=("contacts.toml",),
        results="runs",
        folder=str(tmp_path),
        typed=("association-loader", "fleet", "run", "FLEET.toml"),
        command_id="of-this-test",
    )


def test_a_portals_jobs_are_done_and_then_skipped(sandbox: Sandbox, order: Order, tmp_path: Path) -> None:
    """The files are those of a load, beside nothing but the last heartbeat; the same again sends nothing."""
    end = work(order, timing=replace(TIMING, heartbeat=0.2, piece=0.5))
    assert (end.exit_code, end.error) == (0, "")
    assert [summary and summary["portal_id"] for summary in end.summaries] == ["1234"]
    (state,) = end.jobs
    assert (state.rows, state.done, state.failed, state.phase, state.skipped) == (ROWS, ROWS, 0, "ended", False)
    folder = tmp_path / "runs" / "acme"
    kinds = ("results.csv", "summary.json", "report.html", "journal")
    names = {"work.00000001.json", *(f"contacts.{kind}" for kind in kinds)}
    assert {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()} == dict.fromkeys(names, 0o600)
    assert json.loads((folder / "contacts.summary.json").read_text()) == end.summaries[0]
    assert (folder / "contacts.results.csv").read_text().count(",created,") == ROWS - 20
    latest = read_work(portal_folder(order))
    assert latest is not None
    assert latest.ended
    assert latest.jobs[0].done == ROWS

    requests = len(sandbox.requests)
    again = work(replace(order, command_id="again"), timing=TIMING)
    assert (again.exit_code, again.jobs[0].skipped, again.jobs[0].done) == (0, True, ROWS)
    assert len(sandbox.requests) == requests


def lost(order: Order, results: Path, sandbox: Sandbox) -> int:
    """Begin an order, and leave in a second folder what another worker sees when this one dies in the middle.

    The first goes on for a moment, as no copy has what was sent last. Returns how many pairs the portal has then.
    """
    folder, asked, job = portal_folder(order), list[Interrupted](), Path(order.folder, order.jobs[0])
    text = job.read_text()
    job.write_text(f'rate = "100/1"\n{text}')  # Slowly, so that there is a middle on a busy machine, too.
    thread = threading.Thread(
        target=work, args=(order,), kwargs={"timing": TIMING, "asked": lambda: asked[0] if asked else None}
    )
    thread.start()
    while sum(name.endswith(".piece") for name in folder.names()) < 4 or len(sandbox.portal.pairs()) < ROWS // 2:
        assert thread.is_alive(), "the worker ended too early"
        time.sleep(0.01)
    # Without the files that are just being written: they may have their final names before they are copied.
    shutil.copytree(Path(order.folder, order.results), results, ignore=shutil.ignore_patterns(".*"))
    copied = len(sandbox.portal.pairs())
    while len(sandbox.portal.pairs()) < copied + 20:
        assert thread.is_alive(), "the worker ended too early"
        time.sleep(0.01)
    asked.append(Interrupted(15))
    thread.join()
    job.write_text(text)
    return len(sandbox.portal.pairs())


def copied_with_the_first_piece(runs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that has, once the next piece is stored, what another worker sees if this one dies then."""
    copy, write = runs.with_name("runs2"), SharedFolder.write

    def copied(self: SharedFolder, name: str, content: bytes | Path, **ready: Any) -> None:
        write(self, name, content, **ready)
        if name.endswith(".piece") and not copy.exists():
            shutil.copytree(runs, copy)

    monkeypatch.setattr(SharedFolder, "write", copied)
    return copy


def lines(folder: Path) -> list[dict[str, str]]:
    """The results of the job."""
    with (folder / "contacts.results.csv").open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("damage", ["none", "the second piece is half", "a newer lease has half a piece"])
def test_another_worker_continues_for_a_lost_one(damage: str, sandbox: Sandbox, order: Order, tmp_path: Path) -> None:
    """Each pair is there once, each row has one outcome, and undo leaves what the run cannot prove to have made."""
    before = dict(sandbox.portal.pairs())
    assert len(before) == 20
    copy = tmp_path / "runs2" / "acme"
    sent = lost(order, copy.parent, sandbox)
    pieces = sorted(copy.glob("*.piece"))
    late = [(piece.name, piece.read_bytes()) for piece in pieces]
    if damage == "the second piece is half":
        pieces[1].write_bytes(pieces[1].read_bytes()[:100])
    elif damage == "a newer lease has half a piece":
        (copy / pieces[0].name.replace("00000001-", "00000002-", 1)).write_bytes(b"half")

    second = replace(order, results=str(copy.parent), command_id="second")
    end = work(second, timing=TIMING)
    (state,) = end.jobs
    assert (end.exit_code, state.done, state.taken_over) == (0, ROWS, 1)
    assert len(sandbox.portal.pairs()) == ROWS
    found = lines(copy)
    assert sorted(int(each["row"]) for each in found) == list(range(2, ROWS + 2))
    counts = Counter(each["status"] for each in found)
    assert counts.keys() == {"created", "unchanged"}
    # The first piece was taken before anything was read: nothing shows that the pairs there now were not before.
    nothing_known = damage == "the second piece is half"
    assert counts["unchanged"] == (sent if nothing_known else 20)
    assert counts["unchanged"] - 20 <= state.not_provable <= counts["unchanged"]
    assert end.summaries[0]["not_provable"] == state.not_provable  # type: ignore[index]
    assert not list(copy.glob("*.piece"))

    for name, content in late:  # What the first writes late changes nothing.
        (copy / name).write_bytes(content)
    again = work(replace(second, command_id="third"), timing=TIMING)
    assert (again.exit_code, again.jobs[0].skipped, again.jobs[0].taken_over) == (0, True, 0)
    assert lines(copy) == found

    assert run_command(["undo", str(copy / "contacts.results.csv"), "--yes", "--profile", "acme"]) == 0
    left = dict(sandbox.portal.pairs())
    assert before.items() <= left.items()
    assert len(left) == counts["unchanged"]


@pytest.mark.slow
def test_a_worker_that_is_refused_loses_nothing_of_the_one_before(
    sandbox: Sandbox, order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a lost worker did in a second run is kept, also where the next one has no token for it."""
    text = (tmp_path / "rows.csv").read_text()
    (tmp_path / "rows.csv").write_text("Record ID,to_object_id\n100,5000\n")
    assert work(order, timing=TIMING).exit_code == 0
    (tmp_path / "rows.csv").write_text(text)
    copy = tmp_path / "runs2" / "acme"
    sent = lost(replace(order, command_id="second"), copy.parent, sandbox)
    third = replace(order, results=str(copy.parent), command_id="third")
    with monkeypatch.context() as without:
        without.delenv("TOKEN_OF_ACME")
        end = work(third, timing=TIMING)
        assert (end.exit_code, end.jobs[0].taken_over) == (2, 1)
    end = work(replace(third, command_id="fourth"), timing=TIMING)
    assert (end.exit_code, end.jobs[0].done) == (0, ROWS)
    statuses = Counter(each["status"] for each in lines(copy))
    assert statuses["unchanged"] < sent, "what the lost worker did is not known any more"


def test_a_lost_shared_folder_stops_the_work_until_it_is_back(sandbox: Sandbox, order: Order, tmp_path: Path) -> None:
    """Nothing leaves once the fence is closed; the end says what to do, and no pair is sent in vain after it."""
    runs, ends = tmp_path / "runs", list[PortalEnd]()
    timing = replace(TIMING, fence=0.3)
    thread = threading.Thread(target=lambda: ends.append(work(order, timing=timing)))
    thread.start()
    while len(list(runs.glob("*/*.piece"))) < 2:
        time.sleep(0.01)
    runs.rename(tmp_path / "away")
    runs.write_text("no folder")
    thread.join()
    assert (ends[0].exit_code, "run the same command again" in ends[0].error) == (5, True)
    sent = len(sandbox.portal.pairs())
    assert sent < ROWS
    runs.unlink()
    (tmp_path / "away").rename(runs)
    end = work(replace(order, command_id="again"), timing=TIMING)
    assert (end.exit_code, end.jobs[0].done, end.jobs[0].taken_over) == (0, ROWS, 1)
    assert len(lines(runs / "acme")) == ROWS


@pytest.mark.slow
@pytest.mark.parametrize(
    "ending", ['on-end = "sh {0}/end.sh"\n', 'copy-to = "{0}/copies/"\n'], ids=["on-end", "copy-to"]
)
def test_a_worker_that_lost_its_lease_leaves_the_end_to_the_next(
    ending: str, sandbox: Sandbox, order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes at the end of a run comes from the worker that ends it; no two pieces have one number."""
    job = (tmp_path / "contacts.toml").read_text()
    (tmp_path / "end.sh").write_text(f"echo $ASSOCIATION_LOADER_EXIT_CODE >> {tmp_path}/ends\n")
    (tmp_path / "contacts.toml").write_text(f'rate = "200/1"\n{ending.format(tmp_path)}{job}')
    passed, failing, stored, ended = [0.0], [True], dict[str, set[str]](), list[bool]()
    write = SharedFolder.write

    def fails_and_writes(self: SharedFolder, name: str, content: bytes | Path, **ready: Any) -> None:
        write(self, name, content, **ready)
        if name.endswith(".piece"):
            lease, number, _ = name.removeprefix("contacts.").removesuffix(".piece").rsplit("-", 2)
            stored.setdefault(name.rpartition("-")[0], set()).add(name)
            if lease == "00000002":
                ended.append((tmp_path / "ends").exists() or any(tmp_path.glob("copies/*")))
            if number == "00000002" and passed[0] < 6:
                passed[0] += 3.0
                raise SharedFolderFault("no answer")
            if number == "00000003" and failing:
                failing.clear()
                passed[0] = 100.0  # As after a machine was suspended.

    monkeypatch.setattr(SharedFolder, "write", fails_and_writes)
    monkeypatch.setattr("loader.fleets.job_files.SECONDS_TO_TRY_AGAIN", 0.2)
    timing = replace(TIMING, clock=lambda: time.monotonic() + passed[0])
    end = work(order, timing=timing)
    assert not failing
    assert (end.exit_code, end.jobs[0].done) == (0, ROWS)
    assert end.jobs[0].taken_over > 0
    assert {len(names) for names in stored.values()} == {1}
    assert not ended[0], "the worker whose lease was lost ran what comes at the end"
    assert (tmp_path / "ends").exists() or any(tmp_path.glob("copies/*"))
    assert len(sandbox.portal.pairs()) == ROWS


def test_a_worker_whose_profile_or_job_is_another_sends_nothing(
    sandbox: Sandbox, order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its account is not that of the command; or the environment or a changed file says to do what no job does."""
    before = len(sandbox.portal.pairs())
    end = work(replace(order, portal_id="5678"), timing=TIMING)
    assert (end.exit_code, end.summaries) == (2, (None,))
    assert "acme is HubSpot account 1234 on this worker, and 5678 where" in end.jobs[0].error
    monkeypatch.setenv("ASSOCIATION_LOADER_DRY_RUN", "true")
    end = work(order, timing=TIMING)
    assert (end.exit_code, end.jobs[0].skipped) == (2, False)
    monkeypatch.delenv("ASSOCIATION_LOADER_DRY_RUN")
    on_worker = f"on the worker {socket.gethostname()}: "
    monkeypatch.delenv("TOKEN_OF_ACME")
    assert work(order, timing=TIMING).jobs[0].error.startswith(on_worker)
    (tmp_path / "profiles.toml").write_text('[other]\nportal-id = 1\ntoken-env = "TOKEN_OF_ACME"\n')
    error = work(order, timing=TIMING).jobs[0].error
    assert error.startswith(on_worker)
    assert "there is no profile acme" in error
    assert len(sandbox.portal.pairs()) == before


def test_files_of_a_killed_worker_go_with_the_next_on_its_machine(
    sandbox: Sandbox, order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They hold the rows of people; those of a worker that is alive, or of something else, stay."""
    del sandbox
    place = tmp_path / "temporary"
    monkeypatch.setattr("tempfile.tempdir", str(place))
    killed, alive, other = (place / name for name in ("association-loader-job-a", "association-loader-job-b", "other"))
    for folder in (killed, alive, other):
        folder.mkdir(parents=True)
        (folder / "lock").touch()
        (folder / "contacts.journal").write_text("rows")
        os.utime(folder, (0, 0))
    with (alive / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert work(order, timing=TIMING).exit_code == 0
    assert set(place.iterdir()) == {alive, other}


def test_pieces_of_the_next_lease_stay(order: Order, sandbox: Sandbox, tmp_path: Path) -> None:
    """Who brings a job's files back removes the pieces of its own lease, and of those before."""
    (tmp_path / "rows.csv").write_text("Record ID,to_object_id\n100,5000\n")
    later = tmp_path / "runs" / "acme" / "contacts.00000007-00000001-0123456789abcdef.piece"
    later.parent.mkdir(parents=True)
    later.write_bytes(b"of another worker")
    assert work(order, timing=TIMING).exit_code == 0
    assert [piece.name for piece in later.parent.glob("*.piece")] == [later.name]


@pytest.mark.slow
def test_what_a_lost_worker_removed_is_reported(
    sandbox: Sandbox, order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mirror's removals that no piece has are counted as not provable; those of a load before do not count."""
    assert work(order, timing=TIMING).exit_code == 0
    emptied = "".join(f"{100 + row},\n" for row in range(1, ROWS))
    (tmp_path / "rows.csv").write_text(f"Record ID,Associated Company IDs\n100,5000\n{emptied}")
    job = (tmp_path / "contacts.toml").read_text()
    (tmp_path / "contacts.toml").write_text(f'existing = "mirror"\nmax-removals = "off"\n{job}')
    copy = copied_with_the_first_piece(tmp_path / "runs", monkeypatch)
    assert work(replace(order, command_id="lost"), timing=TIMING).exit_code == 0
    assert len(sandbox.portal.pairs()) == 1
    end = work(replace(order, results=str(copy), command_id="next"), timing=TIMING)
    assert (end.exit_code, end.jobs[0].taken_over, end.jobs[0].not_provable) == (0, 1, ROWS - 1)
    assert end.summaries[0]["removals"]["removed"] == 0  # type: ignore[index]


@pytest.mark.slow
def test_corrections_in_a_failures_file_outlive_a_lost_worker(
    sandbox: Sandbox, order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user has changed the failures of the run before, while the next run waits for another worker."""
    (tmp_path / "rows.csv").write_text("Record ID,to_object_id\n100,5000\n007,5001\n008,5002\n")
    assert work(order, timing=TIMING).exit_code == 1
    (tmp_path / "rows.csv").write_text("Record ID,to_object_id\n101,5001\n009,5003\n")
    copy = copied_with_the_first_piece(tmp_path / "runs", monkeypatch)
    assert work(replace(order, command_id="lost"), timing=TIMING).exit_code == 1
    failures = copy / "acme" / "contacts.failures.csv"
    corrected = failures.read_text("utf-8-sig").replace("007", "107")
    failures.write_text(corrected)
    end = work(replace(order, results=str(copy), command_id="next"), timing=TIMING)
    assert (end.exit_code, end.jobs[0].taken_over, end.jobs[0].rows) == (1, 1, 2)
    kept = [file.read_text() for file in failures.parent.glob("contacts.*failures.csv")]
    assert corrected in kept
    assert len(kept) == 3
