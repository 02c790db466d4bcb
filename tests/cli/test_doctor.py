"""Doctor: in each state that a machine, a token or an input can be in, the right line and the right exit code."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from loader import file_systems
from loader.errors import UsageError
from loader.fetch import objects
from loader.journal import Lock
from loader.run import doctor
from loader.sandbox import Sandbox
from tests.cli.conftest import CONTACTS, TOKEN, Run

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / {folder} rw,relatime shared:2 - {kind} server:/share rw
31 22 0:41 / {folder}/local rw,relatime - tmpfs tmpfs rw
"""

HEADER = "Record ID,to_object_id\n"


class State(NamedTuple):
    """A state, by what makes it: `code` and the beginning of a `line` that doctor has for it, and no other line is
    of another state than `also` and ok.
    """

    make: Callable[["Made"], Any]
    code: int
    line: str
    words: tuple[str, ...] = ()
    hubspot: dict[str, Any] = {}  # noqa: RUF012 - never changed


class Made(NamedTuple):
    """What a state is made of."""

    folder: Path
    patch: pytest.MonkeyPatch


class LaterClock(datetime):
    """A clock that is an hour ahead."""

    @classmethod
    def now(cls, tz: Any = None) -> "LaterClock":
        """Return the time in an hour."""
        return cls.fromtimestamp((datetime.now(UTC) + timedelta(hours=1)).timestamp(), tz)


def mounted(kind: str) -> Callable[[Made], None]:
    def make(made: Made) -> None:
        (made.folder / "mounts").write_text(MOUNTS.format(folder=str(made.folder).replace(" ", "\\040"), kind=kind))
        made.patch.setattr(file_systems, "MOUNTS", made.folder / "mounts")

    return make


def with_free_bytes(free: int) -> Callable[[Made], None]:
    usage = shutil.disk_usage("/")._replace(free=free)
    return lambda made: made.patch.setattr("loader.run.doctor.shutil.disk_usage", lambda _: usage)


STATES = {
    "all is well": State(lambda _: None, 0, "ok       token: there, and HubSpot accepts it"),
    "no token": State(lambda made: made.patch.delenv("HUBSPOT_ACCESS_TOKEN"), 2, "bad      token: no token is set"),
    "a refused token": State(
        lambda _: None, 2, "bad      token: HubSpot refuses it", hubspot={"portal": {"tokens": ["another"]}}
    ),
    "HubSpot does not answer": State(
        lambda made: made.patch.setenv("HUBSPOT_BASE_URL", "http://127.0.0.1:1"), 2, "bad      token: HubSpot does not"
    ),
    "another account": State(
        lambda _: None, 2, "bad      account: the token belongs to HubSpot account 62515", ("--portal-id", "7")
    ),
    "a token that may only read": State(
        lambda _: None, 1, "warning  scopes: the token is a private app's", hubspot={
            "portal": {"scopes": ["crm.objects.contacts.read"]}
        }
    ),
    "a quota that is nearly spent": State(
        lambda made: made.patch.setattr(doctor, "LITTLE_QUOTA", 0.8),
        1,
        "warning  limit: 100 requests in 10 s; 3 requests of 5 left today",
        hubspot={"daily": 5},
    ),
    "a quota that was spent before": State(
        lambda _: None, 2, "bad      limit: You have reached your daily limit: the quota", hubspot={"daily": 0}
    ),
    "a quota that is spent": State(
        lambda _: None, 2, "bad      limit: 100 requests in 10 s; 0 requests of 2 left today", hubspot={"daily": 2}
    ),
    "a clock that is wrong": State(
        lambda made: made.patch.setattr("loader.run.connection.datetime", LaterClock), 1, "warning  clock: it is 3"
    ),
    "an API version that ends": State(
        lambda made: made.patch.setattr(doctor, "WARNED_FROM", datetime(2020, 1, 1, tzinfo=UTC).date()),
        1,
        "warning  API version: v4, which HubSpot supports until 2027-03-30",
    ),
    "a results folder that is not there": State(
        lambda _: None, 2, "bad      results folder:", ("--results", "nowhere/a.results.csv")
    ),
    "a network file system": State(mounted("nfs4"), 2, "bad      results folder:"),
    "a synchronized folder": State(
        lambda made: (made.folder / ".dropbox.cache").mkdir(), 1, "warning  results folder:"
    ),
    "a full disk": State(with_free_bytes(1000), 2, "bad      results folder:"),
    "a cache folder of no use": State(
        lambda made: made.patch.setenv("XDG_CACHE_HOME", str(made.folder / "a.csv")), 1, "warning  cache folder:"
    ),
    "a page in place of HubSpot": State(
        lambda _: None, 2, "bad      token: something answers, but not as HubSpot does", hubspot={"faults": "html"}
    ),
    "a results file that cannot be one": State(
        lambda _: None, 2, "bad      results folder: a.doc: results are written as .csv", ("--results", "a.doc")
    ),
    "results that would overwrite an input": State(
        lambda _: None, 2, "bad      results folder: a.csv is an input", ("--results", "a.csv")
    ),
    "an input that cannot be fetched": State(
        lambda made: made.patch.setattr(objects, "PAUSES", ()),
        2,
        "bad      input: http://127.0.0.1:1/b.csv: the connection failed or was cut; check the address, and the "
        "network of this machine. To do: correct the address",
        ("http://127.0.0.1:1/b.csv",),
    ),
    "an input that is not there": State(lambda _: None, 2, "bad      input: b.csv", ("b.csv",)),
    "a header that is not understood": State(
        lambda made: (made.folder / "b.csv").write_text("name,place\nx,y\n"), 2, "bad      input: b.csv", ("b.csv",)
    ),
}  # fmt: skip


@pytest.mark.slow_after(6)
@pytest.mark.parametrize("name", STATES)
def test_each_state_has_its_line_and_exit_code(
    name: str, run: Run, hubspot: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And everything else is looked at all the same; nothing is written to HubSpot, and the token is nowhere."""
    state = STATES[name]
    (folder / "a.csv").write_text(f"{HEADER}101,201\n")
    with hubspot(**{"rate": "100/10", "daily": 1000, **state.hubspot}) as sandbox:
        state.make(Made(folder, monkeypatch))
        done = run("doctor", "a.csv", *CONTACTS, *state.words)
        lines = done.out.splitlines()
        assert [line for line in lines if line.startswith(state.line)], done.out
        assert done.code == state.code, done.out
        worst = {0: {"ok"}, 1: {"ok", "warning"}, 2: {"ok", "warning", "bad"}}
        assert {line.split()[0] for line in lines} <= worst[done.code]
        assert any(line.startswith("ok       input: a.csv (csv): object_id from Record ID") for line in lines)
        shown = {line.split(":")[0][9:] for line in lines}
        assert shown >= {"software", "token", "API version", "cache folder", "input"}
        assert "API version: auto" not in done.out
        reads = {("GET", "details"), ("GET", "daily-usage"), ("POST", "token-info")}
        assert {(each.method, each.route) for each in sandbox.requests} <= reads


def test_each_finding_is_shown_at_once(run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever comes later may take its time, or be a bug."""

    def broken(_: Path) -> None:
        raise UsageError("here it ends")

    monkeypatch.setattr(doctor, "_loads", broken)
    done = run("doctor")
    assert "here it ends" in done.err
    assert [line.split(":")[0][9:] for line in done.out.splitlines()][:2] == ["software", "token"]


def test_another_load_is_seen_and_all_is_said_as_json(run: Run, sandbox: Sandbox) -> None:
    """One object for each check; a lock in the results folder names the process that holds it."""
    with Lock(Path("night.journal")):
        found = run("doctor", "--json").events
    assert {each["event"] for each in found} == {"check"}
    (loads,) = (each for each in found if each["name"] == "other loads")
    assert (loads["state"], loads["advice"]) == ("warning", "wait for it")
    assert "night.journal (process " in loads["finding"]


def test_object_types_alone_that_are_missing_are_a_warning(run: Run, sandbox: Sandbox) -> None:
    """The header is understood, and the advice names the option."""
    Path("a.csv").write_text(f"{HEADER}101,201\n")
    done = run("doctor", "a.csv")
    assert done.code == 1
    assert "warning  input: a.csv (csv): object_id from Record ID" in done.out
    assert "Add --from contacts" in done.out


def test_a_profile_is_examined(run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its token is read, and a fault of it is one finding among the others."""
    monkeypatch.setenv("ASSOCIATION_LOADER_PROFILES", "profiles.toml")
    monkeypatch.setenv("MINE", TOKEN)
    Path("profiles.toml").write_text(
        f"[a]\nportal-id = 62515\ntoken-env = 'MINE'\nbase-url = '{sandbox.url}'\n\n"
        "[b]\nportal-id = 62515\ntoken-file = 'nowhere'\n"
    )
    assert "that of profile a, and HubSpot accepts it" in run("doctor", "--profile", "a").out
    done = run("doctor", "--profile", "b")
    assert done.code == 2
    assert "[b] token-file names a file that cannot be read" in done.out
    assert "ok       results folder" in done.out


@pytest.mark.parametrize(
    ("kind", "place", "network"),
    [("nfs4", "a", "nfs4"), ("cifs", "a", "cifs"), ("9p", "a", "9p"), ("fuse.sshfs", "a/b", "fuse.sshfs"),
     ("ext4", "a", ""), ("nfs4", "local/a", ""), ("nfs4", "../else", "")],
)  # fmt: skip
def test_the_nearest_mount_above_a_folder_counts(
    kind: str, place: str, network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A local disk may be mounted under a network share, and a share's name may begin like another folder's."""
    share = tmp_path / "my share"
    (share / place).mkdir(parents=True)
    mounted(kind)(Made(share, monkeypatch))
    assert file_systems.network_kind(share / place) == network
