"""The token: never in argv, messages, files, dumps or tracebacks, whatever happens (items 1 to 4)."""

import asyncio
import copy
import logging
import pickle
import resource
import sys
import tempfile
import traceback
from pathlib import Path

import click
import pytest

from loader import bug, event_loop, terminal
from loader.cli import cli
from loader.configure import credentials
from loader.errors import UsageError
from loader.send.auth import OAuthToken, StaticToken
from loader.send.transport import Transport
from loader.settings import ConnectionSettings, OAuthCredentials, Secret
from tests.faults.conftest import MakeWorld
from tests.faults.world import CANARY, SECRETS
from tests.slow.command import run

OAUTH = ("HUBSPOT_CLIENT_ID", "HUBSPOT_CLIENT_SECRET", "HUBSPOT_REFRESH_TOKEN")


# --- 1: argv


def test_no_option_takes_a_secret() -> None:
    """Only a file's name and names of options speak of tokens; what is typed is in every `ps` and shell history."""
    options = [
        name
        for command in cli.commands.values()
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for name in parameter.opts
    ]
    words = ("token", "secret", "password", "key", "auth", "bearer", "credential", "header", "cookie")
    assert {name for name in options if any(word in name for word in words)} == {"--token-file"}


@pytest.mark.parametrize("typed", [["--token", CANARY], [f"--token={CANARY}"], [f"--access-token={CANARY}"]])
def test_a_token_that_is_typed_all_the_same_is_not_repeated(
    typed: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no such option, and the message does not show what came with it."""
    from loader.cli import run as run_command  # noqa: PLC0415 - after the fixtures, which hold standard error

    monkeypatch.chdir(tmp_path)
    assert run_command(["load", *typed, "in.csv"]) == 2
    output = "".join(capfd.readouterr())
    assert "--" in output
    assert CANARY not in output


# --- 2: logs, repr, tracebacks


@pytest.mark.parametrize(
    "shown",
    [
        repr,
        str,
        lambda secret: f"{secret}",
        lambda secret: f"{secret!r:>20}",
        lambda secret: "%s %r" % (secret, secret),  # noqa: UP031 - that form, too, must not show it
        lambda secret: repr(ConnectionSettings(credentials=secret)),
        lambda secret: repr(OAuthCredentials(client_id="1", client_secret=secret, refresh_token=secret)),
        lambda secret: repr(pickle.dumps(secret)),
        lambda secret: repr(pickle.dumps(StaticToken(secret))),
        lambda secret: repr(StaticToken(secret)),
        lambda secret: repr(copy.deepcopy(secret)),
        lambda secret: repr(
            OAuthToken(OAuthCredentials(client_id="1", client_secret=secret, refresh_token=secret), "v4").request()
        ),
    ],
)
def test_a_secret_shows_itself_in_no_form(shown: object) -> None:
    """However it is printed, formatted, pickled or copied, alone or within what holds it."""
    assert callable(shown)
    assert CANARY not in shown(Secret(CANARY))


def test_nothing_is_in_the_dictionary_of_a_secret() -> None:
    """`vars`, which many a debugger prints, finds nothing."""
    assert not hasattr(Secret(CANARY), "__dict__")


@pytest.mark.usefixtures("hurry")
def test_debug_logs_hold_no_token(make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """asyncio in debug mode and aiohttp, all at DEBUG, with faults: the token is in no byte that they write."""
    world = make_world(10, faults=[{"fault": 500, "times": 3}, {"fault": "reset", "times": 2}])
    monkeypatch.setattr(event_loop, "_factory", lambda: None)  # uvloop logs less
    ending = world.run("--log-file", "own.log", PYTHONASYNCIODEBUG="1")
    assert ending.exit_code == 0, ending.said
    assert "selector" in world.said[2], "asyncio's debug messages are logged"
    assert (world.folder / "own.log").stat().st_size > 0
    world.check_secrets()


def test_oauth_secrets_are_written_nowhere(make_world: MakeWorld) -> None:
    """Client secret, refresh token and the access tokens that come of them; the portal refuses them, too."""
    world = make_world(4, faults=[{"fault": 401, "path": "/crm"}])
    given = dict.fromkeys(OAUTH, CANARY) | {"HUBSPOT_CLIENT_ID": "1234", "HUBSPOT_ACCESS_TOKEN": ""}
    world.variables.update(given)
    ending = world.run("--log-file", "own.log")
    assert ending.exit_code == 3
    world.check_secrets()


@pytest.mark.parametrize("log", [True, False])
def test_a_bug_writes_its_traceback_without_the_token(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, *, log: bool
) -> None:
    """Exit 70: the traceback of an exception whose text holds the header goes to a file that holds no token."""
    world = make_world(2)
    temporary = world.folder / "tmp"
    temporary.mkdir()

    async def send(self: Transport, request: object, authorization: str, **more: object) -> None:
        raise KeyError(authorization)

    monkeypatch.setattr(Transport, "send", send)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    ending = world.run(*(["--log-file", "own.log"] if log else []))
    assert ending.exit_code == 70, ending.said
    (written,) = [world.folder / "own.log"] if log else list(temporary.iterdir())
    assert "KeyError" in written.read_text()
    assert written.stat().st_mode & 0o777 == 0o600
    world.check_secrets()


def test_a_token_that_no_variable_holds_is_kept_out_of_a_traceback(tmp_path: Path) -> None:
    """A configuration file may name the token file, and OAuth makes tokens; their forms are known."""
    log = tmp_path / "log"
    secrets = bug.secrets_around({"HUBSPOT_CLIENT_SECRET": " s3cret "}.items(), None, [])
    assert bug.report(ValueError(f"{CANARY} s3cret Bearer CJSP5qf1KhICAQE"), secrets, str(log)) == str(log)
    text = log.read_text()
    assert "ValueError" in text
    assert not any(secret in text for secret in (CANARY, "s3cret", "CJSP5qf1KhICAQE"))


async def test_errors_of_the_http_library_are_not_carried_along(caplog: pytest.LogCaptureFixture) -> None:
    """Their `repr` may hold the header; a traceback of ours, with all its causes, does not show it."""
    from loader.send.api import account_details  # noqa: PLC0415 - beside its only use

    async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 2oo \x00\r\nX: " + b"x" * 20000 + b"\r\n\r\n")
        writer.close()

    caplog.set_level(logging.DEBUG)
    server = await asyncio.start_server(garbage, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Transport(f"http://127.0.0.1:{port}", timeout=5, connections=1, user_agent="test") as transport:
        with pytest.raises(Exception, match=r"HTTP|connection") as caught:
            await transport.send(account_details("v4"), f"Bearer {CANARY}")
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + caplog.text
    assert CANARY not in shown


# --- 3: what the system shows of a process


@pytest.mark.slow
def test_a_command_that_holds_a_token_shows_it_in_no_core_and_no_command_line(make_world: MakeWorld) -> None:
    """When requests are made, the limit for core files is 0 and, on Linux, nobody may dump the process.

    And no variable is changed, so that nothing of the token is handed to programs that a caller starts. The token is
    in a variable and in a file; the command line holds none of it.
    """
    world = make_world(1)
    token_file = world.folder.parent / "token"
    token_file.write_text(f"{CANARY}\n")
    program = f"""if True:
        import atexit, ctypes, os, pathlib, resource, sys, loader.send.transport as transport
        from loader.cli import main
        before = dict(os.environ)
        atexit.register(lambda: print('environment', before == dict(os.environ)))
        resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
        true, shown = transport.Transport.send, pathlib.Path('/proc/self/cmdline')
        async def send(self, *given, **more):
            dumpable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) if sys.platform == 'linux' else 0
            print('core', *resource.getrlimit(resource.RLIMIT_CORE), dumpable)
            print('command', {CANARY.encode()[::-1]!r}[::-1] in shown.read_bytes() if shown.exists() else False)
            return await true(self, *given, **more)
        transport.Transport.send = send
        main({world.arguments()!r})"""
    environment = world.environment(ASSOCIATION_LOADER_TOKEN_FILE=str(token_file))
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    done = run(sys.executable, "-c", program, cwd=world.folder, env=environment)
    world.said += [done.stdout, done.stderr]
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.splitlines()) == {"core 0 0 0", "environment True", "command False"}
    world.check_secrets()


def test_a_system_that_knows_no_core_limit_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a precaution: where it cannot be taken, the load goes on."""

    def refuse(*given: object) -> None:
        raise ValueError(given)

    monkeypatch.setattr(resource, "setrlimit", refuse)
    monkeypatch.setattr(sys, "platform", "other")
    terminal._leave_no_core()


# --- 4: what stands in the variable or the file


ODD = [
    *(f"{CANARY}{end}" for end in ("\r\nX-Evil: 1", "\nsecond", " second", "\tsecond", "\x00", "\x1b[2J", "\x7fx")),
    *(f"{CANARY}{end}" for end in ("\u2028x", "\u202ex", "ä", "\u00a0x")),
    f"\ufeff{CANARY}",
]


@pytest.mark.parametrize("where", ["variable", "file", "client secret", "refresh token"])
def test_a_token_with_odd_characters_is_refused_and_not_shown(where: str, tmp_path: Path) -> None:
    """It could end a header and begin another; the sentence names where it stands, and nothing of it."""
    path = tmp_path / "token"
    for text in ODD:
        path.write_bytes(text.encode())
        environment = {
            "variable": {"HUBSPOT_ACCESS_TOKEN": text},
            "file": {},
            "client secret": dict(zip(OAUTH, ["1", text, "r"], strict=True)),
            "refresh token": dict(zip(OAUTH, ["1", "s", text], strict=True)),
        }[where]
        with pytest.raises(UsageError) as caught:
            credentials(str(path) if where == "file" else None, environment)
        shown = "".join(traceback.format_exception(caught.value))
        assert str(caught.value).isprintable()
        assert not any(secret in shown for secret in (*SECRETS, CANARY, "X-Evil"))


@pytest.mark.parametrize("ending", ["\n", "\r\n", " \n\n", ""])
def test_a_line_break_at_the_end_of_a_token_file_is_no_part_of_it(ending: str, tmp_path: Path) -> None:
    """Every editor writes one."""
    path = tmp_path / "token"
    path.write_bytes(f"{CANARY}{ending}".encode())
    given = credentials(str(path), {})
    assert isinstance(given, Secret)
    assert given.reveal() == CANARY


def test_bytes_that_are_no_text_are_not_shown(tmp_path: Path) -> None:
    """A file in another encoding is reported, and Python's own error, which quotes the bytes, is not."""
    path = tmp_path / "token"
    path.write_bytes(CANARY.encode("utf-16"))
    with pytest.raises(UsageError) as caught:
        credentials(str(path), {})
    assert CANARY not in str(caught.value)
    assert "0xff" not in str(caught.value)
