"""What must be true before the first write: the right portal, nothing in a dry run, and the plan said (21 to 23)."""

import json
import socket
from pathlib import Path
from typing import NoReturn

import pytest

from loader.events import Event, Planned
from loader.sandbox import Sandbox
from loader.settings import ConnectionSettings, InputSettings, Rate, Secret, SendSettings, Settings
from tests.faults.conftest import MakeWorld
from tests.faults.world import CANARY
from tests.verbs import load

# --- 21: the wrong portal


def test_another_portals_token_sends_nothing_and_changes_nothing(make_world: MakeWorld) -> None:
    """With --portal-id: exit 3 before the first row; the run waits for the right token."""
    world = make_world(20, portal={"portal_id": 111})
    ending = world.run("--portal-id", "222", "--quiet")
    assert ending.exit_code == 3
    assert "111" in ending.said
    assert "222" in ending.said
    assert world.puts() == []
    assert ending.summary["rows"]["pending"] == 20
    world.check(ending, complete=False)
    world.goes_on_and_completes("--portal-id", "111")


def test_a_run_resumes_in_its_own_portal_only(make_world: MakeWorld) -> None:
    """Without --portal-id too: the journal knows where the run began, and another portal's ids are other records."""
    world = make_world(20, portal={"portal_id": 111})
    world.run("--limit", "5", "--quiet")
    sent = len(world.puts())
    before = {path.name: path.read_bytes() for path in world.folder.iterdir() if path.suffix != ".journal"}
    world.sandbox.portal.portal_id = 222
    ending = world.run("--quiet")
    assert ending.exit_code == 2
    assert "account 111" in ending.said
    assert "222" in ending.said
    assert len(world.puts()) == sent
    assert {path.name: path.read_bytes() for path in world.folder.iterdir() if path.suffix != ".journal"} == before
    world.sandbox.portal.portal_id = 111
    world.goes_on_and_completes()


# --- 22: dry runs


@pytest.fixture
def no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody connect, send a datagram or look up a name in this process."""

    def never(*given: object, **more: object) -> NoReturn:
        raise AssertionError(f"a socket is used: {given}")

    for name in ("connect", "connect_ex", "sendto", "sendmsg", "bind"):
        monkeypatch.setattr(socket.socket, name, never)
    for name in ("getaddrinfo", "gethostbyname", "create_connection"):
        monkeypatch.setattr(socket, name, never)


@pytest.mark.usefixtures("no_socket")
@pytest.mark.parametrize("words", [["plan"], ["load", "--dry-run"]])
def test_without_a_token_a_dry_run_opens_no_socket(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not even to look up HubSpot's name, although there is much that only the portal could say."""
    from loader.cli import run  # noqa: PLC0415 - after the fixtures, which hold the output

    for name in ("HUBSPOT_ACCESS_TOKEN", "HUBSPOT_CLIENT_ID", "HUBSPOT_CLIENT_SECRET", "HUBSPOT_REFRESH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("object_type,object_id,to_object_id,label\ncontacts,1,2,Boss\np_own,1,2,\ncontacts,3,4,\n")
    code = run([*words, "a.csv", "--to", "companies", "--json", "--quiet"])
    planned = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert code in (0, 1)
    assert planned["rows"] == 3
    assert planned["unchecked"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_the_trap_for_sockets_works(no_socket: None) -> None:
    """Else the test above would pass for any loader."""
    del no_socket
    with pytest.raises(AssertionError, match="a socket is used"):
        socket.create_connection(("127.0.0.1", 9))
    with socket.socket() as open_socket, pytest.raises(AssertionError, match="a socket is used"):
        open_socket.connect(("127.0.0.1", 9))


@pytest.mark.parametrize("words", [["plan"], ["load", "--dry-run", "--existing", "replace"]])
def test_with_a_token_a_dry_run_only_asks(make_world: MakeWorld, words: list[str]) -> None:
    """Whatever the rows would need: labels, own object types, and no request that could change anything."""
    world = make_world(30, portal={"labels": [{"from": "contacts", "to": "companies", "label": "Boss"}]})
    (world.folder / "load.csv").write_text(
        "object_type,object_id,to_object_id,label\ncontacts,1,2,Boss\n2-999,1,2,\ncontacts,3,4,\n"
    )
    before = {path.name: path.read_bytes() for path in world.folder.iterdir()}
    pairs = dict(world.sandbox.portal.pairs())
    world.arguments = lambda *more: [*words, "load.csv", "--to", "companies", *more]  # type: ignore[method-assign]
    assert world.run("--quiet").exit_code in (0, 1)
    asked = {(request.method, request.route) for request in world.sandbox.requests}
    assert [pair for pair in asked if pair[0] != "GET" and not str(pair[1]).endswith("read")] == []
    assert ("GET", "labels") in asked
    assert dict(world.sandbox.portal.pairs()) == pairs
    assert {path.name: path.read_bytes() for path in world.folder.iterdir()} == before


# --- 23: an accidental mass write


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An input of 39 rows in the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("object_id,to_object_id\n" + "".join(f"{n},{n}\n" for n in range(1, 40)))
    return "a.csv"


async def test_the_plan_is_said_before_the_first_write(table: str) -> None:
    """Counts, kinds of rows and the portal: whoever sees something wrong can press Ctrl-C."""
    async with Sandbox() as sandbox:
        sent: dict[str, int] = {}
        planned: list[Planned] = []

        def notify(event: Event) -> None:
            sent.setdefault(type(event).__name__, writes(sandbox))
            if isinstance(event, Planned):
                planned.append(event)

        settings = Settings(
            read=(InputSettings(inputs=(table,), object_type="contacts", to_object_type="companies"),),
            connection=ConnectionSettings(base_url=sandbox.url, credentials=Secret(CANARY)),
            send=SendSettings(rate=Rate(1000, 1.0)),
        )
        await load(settings, notify=notify)
        assert writes(sandbox) == 39
    assert sent["Planned"] == 0
    assert sent["Started"] == 0
    (plan,) = planned
    assert (plan.rows, plan.pairs, plan.portal_id) == (39, 39, "62515")


def writes(sandbox: Sandbox) -> int:
    return sum(request.method == "PUT" for request in sandbox.requests)


def test_the_screen_says_how_many_where_to_and_how_long_before_anything_is_sent(make_world: MakeWorld) -> None:
    """And every row that was sent before somebody stopped it is in the results."""
    world = make_world(30, latency="20ms", portal={"portal_id": 777})
    ending = world.run("--concurrency", "1", "--max-failures", "0")
    said = " ".join(ending.said.split())
    plan, _, later = said.partition("Sending: 30 of 30 rows left.")
    for words in ("30 rows, 30 pairs to send", "31 one by one", "HubSpot account: 777. SANDBOX, not HubSpot", "279"):
        assert words in plan
        assert words not in later


@pytest.mark.parametrize(("option", "exit_code"), [(("--max-failures", "3"), 4), (("--limit", "10"), 1)])
def test_the_damage_of_a_wrong_command_can_be_bounded(
    make_world: MakeWorld, option: tuple[str, str], exit_code: int
) -> None:
    """By how many may fail, or by how many are tried at all; what was not tried is pending."""
    world = make_world(60, faults=[{"fault": "400", "method": "PUT"}])
    ending = world.run("--quiet", "--concurrency", "1", *option)
    assert ending.exit_code == exit_code
    assert len(world.puts()) <= 10
    assert ending.summary["rows"]["pending"] >= 50
