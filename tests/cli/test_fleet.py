"""`fleet`: many HubSpot accounts by one command. The workers are threads of this process: Dask has tests of its own."""

import asyncio
import io
import json
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from jsonschema import Draft202012Validator
from rich.console import Console

import loader
from loader.errors import UsageError
from loader.events import Portal
from loader.fleets import engine
from loader.fleets import run as at_work
from loader.fleets.lease import JobState
from loader.fleets.work import Order, PortalEnd
from loader.run.schema import schema
from loader.sandbox import ManyPortals, Sandbox, ServerThread
from loader.show import screen
from loader.show.fleet_table import FleetTable
from tests.cli.conftest import Run, names

Portals = dict[str, Sandbox]

NAMES = ("acme", "beta", "coral", "delta")

ROWS = {"acme": 3, "beta": 40, "coral": 5, "delta": 6}


@pytest.fixture
def portals(folder: Path, in_threads: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Portals]:
    """A fleet of four accounts: a row of coral is wrong, and delta's token is."""
    found = {name: Sandbox({"portal_id": 1001 + number}) for number, name in enumerate(NAMES)}
    with ServerThread(ManyPortals({f"canary-of-{name}": found[name] for name in NAMES})) as many:
        profiles = ""
        for number, name in enumerate(NAMES):
            profiles += f'[{name}]\nportal-id = {1001 + number}\nbase-url = "{many.url}"\nrate = "900/1"\n'
            profiles += f'token-env = "TOKEN_OF_{name.upper()}"\n'
            monkeypatch.setenv(f"TOKEN_OF_{name.upper()}", f"canary-of-{name}" if name != "delta" else "wrong")
            rows = [f"{100 + row},{5000 + row}" for row in range(ROWS[name])]
            rows += ["007,1"] if name == "coral" else []
            (folder / f"{name}.csv").write_text("\n".join(["Record ID,to_object_id", *rows]))
            (folder / f"{name}.toml").write_text(job(f"{name}.csv"))
        (folder / "profiles.toml").write_text(profiles)
        monkeypatch.setenv("ASSOCIATION_LOADER_PROFILES", str(folder / "profiles.toml"))
        (folder / "FLEET.toml").write_text(fleet(*NAMES))
        yield found


def job(path: str) -> str:
    """Return a job file that loads one input."""
    return f'[[input]]\npath = "{path}"\nfrom = "contacts"\nto = "companies"\n'


def fleet(*names: str, results: str = "runs/") -> str:
    """Return a FLEET.toml with a job for each of these profiles."""
    tables = (f'[[portal]]\nprofile = "{name}"\njobs = ["{name}.toml"]\n' for name in names)
    return "\n".join([f'results = "{results}"', *tables])


def test_each_account_has_its_results_and_all_have_one_summary(portals: Portals, run: Run) -> None:
    """An account that fails stops no other; the same command again sends nothing for those that are finished."""
    done = run("fleet", "run", "FLEET.toml", "--portals-at-once", "2")
    assert done.code == 3, done.err
    assert [len(portals[name].portal.associations) for name in NAMES] == [3, 40, 5, 0]
    summary = json.loads(Path("runs/fleet.summary.json").read_text())
    Draft202012Validator(schema("fleet")).validate(summary)
    assert summary["exit_code"] == 3
    assert summary["next_command"] == "association-loader fleet run FLEET.toml --portals-at-once 2"
    rows = {name: count for name, count in summary["rows"].items() if count}
    assert rows == {"total": 55, "created": 48, "rejected": 1, "pending": 6}
    found = {each["profile"]: each for each in summary["portals"]}
    assert [(name, each["portal_id"], each["exit_code"]) for name, each in found.items()] == [
        ("acme", "1001", 0), ("beta", "1002", 0), ("coral", "1003", 1), ("delta", "1004", 3),
    ]  # fmt: skip
    assert found["acme"]["jobs"] == [json.loads(Path("runs/acme/acme.summary.json").read_text())]
    assert found["acme"]["results"] == {"acme": "acme/acme.results.csv"}
    assert "Authentication credentials not found" in found["delta"]["errors"]["delta"]
    assert "4 accounts, 55 rows: 48 loaded, 1 not loaded, 6 left." in done.err
    page = Path("runs/fleet.report.html").read_text()
    links = re.findall(r'<a href="([^"]+)">', page)
    assert links == [f"{name}/{name}.report.html" for name in ("delta", "coral", "acme", "beta")]
    assert all((Path("runs") / link).is_file() for link in links)
    assert "LEADING_ZERO" in page

    status = run("fleet", "status", "FLEET.toml")
    assert status.code == 0
    lines = status.out.splitlines()
    assert re.match(r"acme: done, \d+ s ago: 3 of 3 rows, 0 failed", lines[0])
    assert re.match(r"coral: done, some rows not loaded, \d+ s ago: 6 of 6 rows, 1 failed", lines[2])
    assert lines[3].startswith("delta: stopped: token, permission or account")

    requests = {name: portals[name].count() for name in NAMES[:3]}
    again = run("fleet", "run", "FLEET.toml", "--portals-at-once", "2")
    assert again.code == 3
    assert {name: portals[name].count() for name in NAMES[:3]} == requests
    assert "3 jobs had nothing left to do" in again.err


def test_what_is_wrong_is_refused_before_anything_begins(portals: Portals, run: Run) -> None:
    """One sentence each, with the file, the account and the key."""
    Path("unknown.toml").write_text(f'raet = "9/1"\n{job("acme.csv")}')
    Path("empty.toml").write_text('rate = "9/1"\n')
    Path("plan.toml").write_text(f"dry-run = true\n{job('acme.csv')}")
    Path("of_beta.toml").write_text(f'profile = "beta"\n{job("acme.csv")}')
    Path("profiles.toml").write_text(
        Path("profiles.toml").read_text() + '[twin]\nportal-id = 1001\ntoken-env = "TOKEN_OF_ACME"\n'
    )
    Path("twin.toml").write_text(job("acme.csv"))
    acme = fleet("acme")
    cases = {
        acme.replace('"acme"', '"acmee"'): "[[portal]] 1, acmee: .* no profile acmee: did you mean acme?",
        acme.replace("acme.toml", "gone.toml"): "[[portal]] 1, acme: gone.toml: .* cannot be read",
        acme.replace("acme.toml", "unknown.toml"): "line 1: raet is not an option of load: did you mean rate?",
        acme.replace("acme.toml", "empty.toml"): "empty.toml names no input",
        acme.replace("acme.toml", "plan.toml"): "plan.toml sets dry-run, which a job of a fleet cannot have",
        acme.replace("acme.toml", "of_beta.toml"): "belongs to profile beta, and --profile says acme",
        acme.replace('["acme.toml"]', '["acme.toml", "./acme.toml"]'): "line 4: [[portal]] 1: jobs names two files",
        acme.replace('["acme.toml"]', '"acme.toml"'): "line 4: [[portal]] 1: jobs must be a list of job files",
        acme.replace("jobs", "job"): "line 4: [[portal]] 1: job is not a key of a [[portal]]: did you mean jobs?",
        acme.replace("results", "result"): "line 1: result is not a key of a fleet: did you mean results?",
        acme.replace('results = "runs/"', ""): "FLEET.toml: results is missing",
        acme.replace("runs/", "acme.csv"): "line 1: results names a file, acme.csv",
        acme.replace("runs/", "https://a.example/runs"): "results is a web address",
        acme.replace("runs/", "memory://a/runs?sig=canary"): "has a parameter that may be secret",
        acme.replace("runs/", "s3://user:canary-in-url@a/runs"): "leave the password out",
        acme.replace("runs/", "memory://runs"): "line 1: results is the memory of one process",
        fleet(): "there is no [[portal]]",
        fleet("acme", "acme"): "line 7: [[portal]] 2: profile acme has a [[portal]] before this one",
        fleet("acme", "twin"): "line 7: [[portal]] 2: profile twin is HubSpot account 1001, as acme is",
        "results": "not valid TOML",
    }  # fmt: skip
    for text, sentence in cases.items():
        Path("FLEET.toml").write_text(text)
        done = run("fleet", "run", "FLEET.toml")
        assert (done.code, done.out) == (2, "")
        pattern = ".*".join(map(re.escape, sentence.split(".*")))
        assert re.search(pattern, done.err), f"{sentence!r} is not in {done.err!r}"
        assert "canary" not in done.err
    assert not Path("runs").exists()
    assert sum(each.count() for each in portals.values()) == 0


def test_programs_get_events_and_figures_by_account(portals: Portals, run: Run) -> None:
    """With --json nothing but objects of the schema (see `run`), the last of which is the summary."""
    Path("FLEET.toml").write_text(fleet("acme", "coral", "delta"))
    options = ("--json", "--quiet", "--metrics-file", "fleet.prom")
    done = run("fleet", "run", "FLEET.toml", *options)
    events = done.events
    states = {(each["profile"], each["state"]) for each in events if each["event"] == "portal"}
    assert {(name, state) for name in ("acme", "coral", "delta") for state in ("waiting", "ended")} <= states
    assert (events[-1]["event"], events[-1]["exit_code"], len(events[-1]["portals"])) == ("summary", 3, 3)
    assert done.err.startswith("association-loader: delta: stopped: token, permission or account: delta: ")
    assert done.err.count("\n") == 1

    def figures() -> dict[str, str]:
        text = Path("fleet.prom").read_text()
        return dict(
            re.findall(r"^association_loader_(\S+?) (\S+)$", text.replace('job_name="fleet",', ""), re.MULTILINE)
        )

    before = figures()
    assert before['portal_rows{profile="coral",status="done"}'] == "5"
    assert before['portal_rows{profile="coral",status="failed"}'] == "1"
    assert [before[f'portal_exit_code{{profile="{name}"}}'] for name in ("acme", "coral", "delta")] == ["0", "1", "3"]
    success = 'portal_last_success_timestamp_seconds{profile="acme"}'
    assert success in before
    Path("acme.csv").write_text("Record ID,to_object_id\n,1\n")
    run("fleet", "run", "FLEET.toml", *options)
    assert figures()['portal_exit_code{profile="acme"}'] == "1"
    assert figures()[success] == before[success], "the last success is forgotten after a failure"

    status = run("fleet", "status", "FLEET.toml", "--json")
    found = status.events
    assert {each["profile"]: each["exit_code"] for each in found if each["event"] == "portal"} == {
        "acme": 1, "coral": 1, "delta": 3,
    }  # fmt: skip


def test_a_job_that_is_removed_before_it_is_finished_is_mentioned(portals: Portals, run: Run) -> None:
    """Nobody would finish it; one that was finished may go without a word."""
    Path("part.toml").write_text(f"limit = 1\n{job('beta.csv')}")
    Path("whole.toml").write_text(job("beta.csv"))
    text = fleet("acme")
    Path("FLEET.toml").write_text(text.replace('"acme.toml"', '"acme.toml", "part.toml", "whole.toml"'))
    assert "is not finished" not in run("fleet", "run", "FLEET.toml").err
    Path("FLEET.toml").write_text(text)
    for verb in ("status", "run"):
        err = run("fleet", verb, "FLEET.toml").err
        assert re.findall("(.*) is not finished, and FLEET.toml does not name it any more", err) == [
            "acme: the run of the job part"
        ]


def ends(codes: Sequence[tuple[int, datetime | None]]) -> Callable[[Order], PortalEnd]:
    """Return work that ends with these exit codes, in turn, and that says when the quota resets."""
    left = iter(codes)

    def work(order: Order) -> PortalEnd:
        code, reset = next(left)
        error = "the day's quota is spent" if reset else ""
        state = JobState(
            job="job", phase="ended", exit_code=code, error=error, resets_at=reset.isoformat() if reset else None
        )
        return PortalEnd(exit_code=code, jobs=(state,), summaries=(None,))

    return work


Workers = Callable[[Callable[[Order], PortalEnd]], list[str]]


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Workers:
    """Have orders done by a function, one at a time; returns the list that gets their profiles."""

    def replaced(work: Callable[[Order], PortalEnd]) -> list[str]:
        begun: list[str] = []

        def submit(order: Order) -> "Future[PortalEnd]":
            begun.append(order.profile)
            future: Future[PortalEnd] = Future()
            try:
                future.set_result(work(order))
            except CancelledError as error:
                future.set_exception(error)
            return future

        @contextmanager
        def cluster(at_once: int, scheduler: str | None) -> Iterator[engine.Submit]:
            yield submit

        monkeypatch.setattr(engine, "on_dask", cluster)
        return begun

    return replaced


def test_the_account_that_takes_longest_begins_first(portals: Portals, run: Run, workers: Workers) -> None:
    """What is not known may be the longest; else it is rows over what the account's limit lets through."""
    Path("acme.toml").write_text(job("memory://far/away.csv"))
    Path("delta.toml").write_text(f'rate = "1/10"\n{job("delta.csv")}')
    begun = workers(ends([(0, None)] * 4))
    assert run("fleet", "run", "FLEET.toml", "--portals-at-once", "1").code == 0
    assert begun == ["acme", "delta", "beta", "coral"]


def test_wait_for_quota(portals: Portals, run: Run, workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --wait-for-quota, once it has reset; without, it is left to the same command on another day."""
    monkeypatch.setattr(at_work, "AFTER_RESET", timedelta())
    Path("FLEET.toml").write_text(fleet("acme", "beta"))
    reset = datetime.now(UTC) + timedelta(seconds=0.5)
    begun = workers(ends([(5, reset), (0, None), (0, None)]))
    assert run("fleet", "run", "FLEET.toml", "--wait-for-quota").code == 0
    assert begun == ["beta", "acme", "beta"]
    begun = workers(ends([(5, datetime.now(UTC) + timedelta(hours=1)), (0, None)]))
    assert run("fleet", "run", "FLEET.toml").code == 5
    assert len(begun) == 2


def test_progress_in_a_pipe_counts_all(portals: Portals, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also the first one; and an input without rows is no job that was finished before."""
    monkeypatch.setattr(screen, "SECONDS_BETWEEN_LINES", 0.0)
    Path("beta.csv").write_text("Record ID,to_object_id\n")
    err = run("fleet", "run", "FLEET.toml").err
    assert set(re.findall(r"^(\d+ accounts?): \d", err, re.MULTILINE)) == {"4 accounts"}
    assert "beta: beta.csv holds no rows" in err
    assert "nothing left to do" not in err


@pytest.mark.parametrize("scheduler", ["", "HTTP"])
def test_what_is_no_scheduler_is_refused(scheduler: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A blank variable of the shell, and a port where something else listens, such as Dask's own dashboard."""
    with ServerThread(Sandbox()) as other:
        address = other.url.replace("http", "tcp") if scheduler else ""
        Path("profiles.toml").write_text(f'[acme]\nportal-id = 1\ntoken-env = "A"\nbase-url = "{other.url}"\n')
        monkeypatch.setenv("ASSOCIATION_LOADER_PROFILES", "profiles.toml")
        Path("acme.toml").write_text(job("acme.csv"))
        Path("FLEET.toml").write_text(fleet("acme"))
        done = run("fleet", "run", "FLEET.toml", "--scheduler", address)
    assert done.code == 2, done.err
    assert ("no Dask scheduler answers there" if scheduler else "--scheduler is blank") in done.err


def test_results_below_a_file_are_refused_with_the_reason(portals: Portals, run: Run) -> None:
    """The system's own words say more than the name of an exception."""
    Path("FLEET.toml").write_text(fleet("acme", results="acme.csv/runs"))
    done = run("fleet", "status", "FLEET.toml")
    assert done.code == 5
    assert "the shared folder cannot be used (Not a directory)" in done.err


def test_a_lost_scheduler_leaves_a_summary(portals: Portals, run: Run, workers: Workers) -> None:
    """What its workers do by then is in their own files, and the same command continues."""

    def lost(order: Order) -> PortalEnd:
        raise CancelledError(order.profile)

    workers(lost)
    done = run("fleet", "run", "FLEET.toml")
    assert done.code == 5
    assert "Stopped: the Dask scheduler is gone" in done.err
    assert "Next: association-loader fleet run FLEET.toml" in done.err
    summary = json.loads(Path("runs/fleet.summary.json").read_text())
    assert {each["exit_code"] for each in summary["portals"]} == {None}


def test_ctrl_c_lets_every_worker_finish_its_requests(portals: Portals, run: Run) -> None:
    """The summary says what was done, the exit code that it was interrupted; the same command continues."""
    Path("twelve.csv").write_text("Record ID,to_object_id\n" + "".join(f"{row},{row}\n" for row in range(1, 13)))
    for name in ("acme", "beta"):
        Path(f"{name}.toml").write_text(f'rate = "5/1"\n{job("twelve.csv")}')

    def interrupt() -> None:
        while not portals["acme"].portal.associations:
            threading.Event().wait(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    Path("FLEET.toml").write_text(fleet("acme", "beta", "coral"))
    thread = threading.Thread(target=interrupt)
    thread.start()
    done = run("fleet", "run", "FLEET.toml", "--portals-at-once", "2")
    thread.join()
    assert done.code == 130, done.err
    summary = json.loads(Path("runs/fleet.summary.json").read_text())
    codes = {each["profile"]: each["exit_code"] for each in summary["portals"]}
    assert codes == {"acme": 130, "beta": 130, "coral": None}
    assert summary["rows"]["pending"] > 0
    assert summary["next_command"]
    for name in ("acme", "beta"):
        Path(f"{name}.toml").write_text(job("twelve.csv"))
    assert run("fleet", "run", "FLEET.toml").code == 1
    assert [len(portals[name].portal.associations) for name in ("acme", "beta", "coral")] == [12, 12, 5]


class Bucket(MemoryFileSystem):  # type: ignore[misc]  # fsspec has no types.
    """A bucket in memory: workers of this test are threads, so each of them sees it."""

    protocol = "r2"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        found: str = MemoryFileSystem._strip_protocol(path.replace("r2://", "memory://"))
        return found


def test_results_may_be_at_an_address(portals: Portals, run: Run) -> None:
    """Nothing is left on this machine but what was there before."""
    fsspec.register_implementation("r2", Bucket, clobber=True)
    before = set(names())
    Path("FLEET.toml").write_text(fleet("acme", results=f"r2://fleet-{os.getpid()}/runs/"))
    done = run("fleet", "run", "FLEET.toml")
    assert done.code == 0, done.err
    assert set(names()) == before
    written = {name.rpartition("/runs/")[2] for name in Bucket.store}
    assert {"fleet.summary.json", "fleet.report.html", "acme/acme.results.csv", "acme/acme.report.html"} <= written
    assert run("fleet", "status", "FLEET.toml").out.startswith("acme: done")


def test_the_live_table_fits_the_terminal() -> None:
    """Those under way come first, then what is waited for or has stopped; the rest is counted."""
    working = [
        Portal(
            profile=f"at-work-{number}", portal_id="1", state="working", jobs=2, job="contacts", doing="loading",
            rows=1000, done=250, failed=3, rate=19.0, seconds_left=40.0,
        )
        for number in range(3)
    ]  # fmt: skip
    others = [
        Portal(profile="done", portal_id="1", state="ended", jobs=1, exit_code=0),
        Portal(profile="refused", portal_id="1", state="ended", jobs=1, exit_code=3, error="a token"),
        *(Portal(profile=f"later-{number}", portal_id="1", state="waiting", jobs=1) for number in range(20)),
    ]
    for width, height in ((120, 14), (60, 14), (120, 60)):
        console = Console(width=width, height=height, file=io.StringIO())
        with console.capture() as capture:
            console.print(FleetTable([*others, *working]))
        lines = capture.get().splitlines()
        assert len(lines) < height
        assert all(len(line) <= width for line in lines)
        shown = [line.split()[0] for line in lines if line.startswith(" ") and line.strip() and "─" not in line]
        assert shown[1:5] == ["at-work-0", "at-work-1", "at-work-2", "refused"]
        assert "loading contacts" in lines[lines.index(next(line for line in lines if "at-work-0" in line))]
        assert (f"and {25 - len(shown[1:])} more" in lines[-1]) == (height == 14)


def test_python_has_a_report_of_all_accounts(portals: Portals) -> None:
    """`fleet` and `fleet_sync` do what the command does; errors name keywords."""
    Path("FLEET.toml").write_text(fleet("acme", "coral"))
    report = loader.fleet_sync(Path("FLEET.toml").absolute(), portals_at_once=2)
    assert (report.exit_code, report.stopped, report.results) == (1, None, str(Path("runs").absolute()))
    frame = report.portals.set_index("profile")
    assert [frame[name]["coral"] for name in ("rows", "created", "rejected", "exit_code")] == [6, 5, 1, 1]
    assert frame["portal_id"]["acme"] == "1001"
    events: list[Any] = []
    again = asyncio.run(loader.fleet("FLEET.toml", on_event=events.append))
    assert again.summary["rows"] == report.summary["rows"]
    assert {event.state for event in events if isinstance(event, Portal)} >= {"waiting", "ended"}
    with pytest.raises(UsageError, match=r"fleet.. has no keyword portals_at_onec: did you mean portals_at_once"):
        loader.fleet_sync("FLEET.toml", portals_at_onec=2)  # type: ignore[call-arg]
    with pytest.raises(UsageError, match=r"fleet.. has no keyword token"):
        loader.fleet_sync("FLEET.toml", token="x")  # type: ignore[call-arg]
    assert "portals_at_once" in str(loader.fleet.__doc__)
